"""The metadata of a network: preprocessing of pictures, style transfer defaults, and facts about its weights."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from minicnn import ops
from minicnn.errors import InputError
from minicnn.operation import watching
from minicnn.tensor import Tensor


@dataclass(frozen=True)
class Preprocessing:
    """The map from RGB in [0, 1] to the network's input: (channels in `order` · scale − mean) / deviation.

    whitened: use the mean and deviation of each picture instead; the deviation is at least 1/√(number of elements).
    """

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    order: str = "RGB"
    whitened: bool = False

    def __call__(self, x: Tensor) -> Tensor:
        if self == UNCHANGED:
            return x
        if self.order == "BGR":
            x = x[..., ::-1]
        if self.whitened:
            return _whiten(x * self.scale)
        # In a manifest, mean and deviation are lists.
        scale, mean = _rows(self.scale, tuple(self.mean), tuple(self.deviation), x.shape[-2], x.dtype)
        if x.requires_grad or watching.get() is not None or type(x.data) is not np.ndarray:
            return x * scale - mean
        prepared = np.empty_like(x.data, order="C")
        for picture, out in zip(x.data, prepared, strict=True):  # one picture at a time stays in the cache
            np.subtract(np.multiply(picture, scale, out=out), mean, out=out)
        return Tensor(prepared)

    def neutral(self) -> np.ndarray:
        """Return the RGB colour in [0, 1] that maps to zero, float32 (3,): the mean of the training pictures."""
        colour = np.asarray(self.mean, np.float32) / np.float32(self.scale)
        return colour[::-1] if self.order == "BGR" else colour

    def ordered(self, order: str) -> Preprocessing:
        """Return the same preprocessing with the channels in another order, "RGB" or "BGR"."""
        if order == self.order:
            return self
        mean, deviation = self.mean[::-1], self.deviation[::-1]
        return replace(self, order=order, mean=mean, deviation=deviation)

    def __str__(self) -> str:
        if self.whitened:
            return f"{self.order}, each picture's own mean and deviation"
        what = self.order if self.scale == 1 else f"{self.order}×{self.scale:g}"
        if any(self.mean):
            what += f" − {_triple(self.mean)}"
        if self.deviation != (1.0, 1.0, 1.0):
            what = f"({what}) / {_triple(self.deviation)}"
        return what


UNCHANGED = Preprocessing()


@functools.lru_cache(maxsize=32)
def _rows(
    scale: float, mean: tuple[float, ...], deviation: tuple[float, ...], width: int, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """Return scale / deviation and mean / deviation for every pixel of a row, (width, 3).

    Broadcasting over only three numbers takes NumPy eight times as long. If all are the same, the first is a scalar.
    """
    divisor = np.asarray(deviation, dtype)
    factor, offset = (np.tile(np.asarray(numbers, dtype) / divisor, (width, 1)) for numbers in ((scale,) * 3, mean))
    factor.flags.writeable = offset.flags.writeable = False
    return factor if len(set(deviation)) > 1 else factor[0, 0], offset


def _triple(numbers: tuple[float, ...]) -> str:
    return f"({', '.join(f'{number:.4g}' for number in numbers)})"


def _whiten(x: Tensor) -> Tensor:
    """Return each picture with mean 0 and deviation 1. Source: facenet's prewhiten."""
    axes = tuple(range(1, x.ndim))
    x = x - x.mean(axis=axes, keepdims=True)
    least = x.dtype.type(x[0].size) ** -0.5
    return x / ops.maximum(ops.sqrt(ops.square(x).mean(axis=axes, keepdims=True)), least)


PREPROCESSING: Mapping[str, Preprocessing] = {
    # Simonyan & Zisserman 2015: BGR as in Caffe, the mean of ImageNet, pixels up to 255.
    "vgg": Preprocessing(mean=(103.939, 116.779, 123.68), scale=255.0, order="BGR"),
    "vgg-rgb": Preprocessing(mean=(123.68, 116.779, 103.939), scale=255.0),  # for VGG weights converted to RGB
    "vgg-256": Preprocessing(mean=(103.939, 116.779, 123.68), scale=256.0, order="BGR"),  # jcjohnson/neural-style
    # torchvision: the mean and deviation of ImageNet, for pixels in [0, 1]; and the mean alone, for pixels up to 255.
    "imagenet": Preprocessing(mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225)),
    "imagenet-255": Preprocessing(mean=(123.675, 116.28, 103.53), scale=255.0),
    "squeezenet": Preprocessing(mean=(104.006, 116.669, 122.679), scale=255.0, order="BGR"),
    # The mean and deviation of CIFAR-10's training pictures.
    "cifar10": Preprocessing(mean=(0.4914, 0.4822, 0.4465), deviation=(0.2470, 0.2435, 0.2616)),
    # facenet: its checkpoint of 2017, and those of 2018. The latter use (pixel − 127.5) / 128.
    "whitened": Preprocessing(scale=255.0, whitened=True),
    "centred": Preprocessing(mean=(127.5, 127.5, 127.5), scale=255.0, deviation=(128.0, 128.0, 128.0)),
    # dlib divides by 256, not 255.
    "dlib": Preprocessing(mean=(122.782, 117.001, 104.298), scale=255.0, deviation=(256.0, 256.0, 256.0)),
    # From −2 to 2, centred at 0, without statistics of a data set.
    "half": Preprocessing(mean=(0.5, 0.5, 0.5), deviation=(0.25, 0.25, 0.25)),
    "none": Preprocessing(),
}


def preprocessing(name: str) -> Preprocessing:
    """Return the Preprocessing of this name. Raises InputError for an unknown name."""
    if name not in PREPROCESSING:
        raise InputError(f"preprocessing is {name!r}; expected one of {', '.join(PREPROCESSING)}")
    return PREPROCESSING[name]


@dataclass(frozen=True)
class StyleRecipe:
    """All settings of a style transfer. Every preset is a StyleRecipe, and so is a card's own recipe.

    content_layers, style_layers: {layer: weight}; NAME.linear is a layer before its ReLU.
    The loss is J = alpha · Σ_content + beta · Σ_style + total_variation · TV. The forms of its terms: content_form, a
    key of style.costs.CONTENT_FORMS; style_form, one of STYLE_FORMS; variation_form, one of variation.VARIATION_FORMS.
    TV is computed on the picture as scaled by preprocessing: up to 1, 255 or 256.
    pooling: "max" or "avg". stride: the first convolution's. preprocessing: a key of PREPROCESSING. None keeps
    the network's own.
    start: a name of style.starts.STARTS. learning_rate: for pixels in [0, 1].
    clamp: "step" clips the picture to [0, 1] after every step; "end", only at the end.
    levels: number of picture sizes, from coarse to fine, each twice the one before and with the same number of steps.
    With 0, the first long side has at least `coarsest` pixels and less than twice that, so that strokes grow with the
    picture.
    schedule: the rate over all steps: "constant", or "cosine", which falls to zero.
    scales: weights of the cost of the picture, its half, its quarter, and so on; J is their weighted mean.
    Those with a short side below smallest_scale, in pixels, are left out.
    parametrization: the variables of Adam: "pixels", or a "pyramid" of them (see style.parametrization).
    """

    summary: str
    content_layers: Mapping[str, float]
    style_layers: Mapping[str, float]
    content_form: str = "course"
    style_form: str = "gatys"
    alpha: float = 10.0
    beta: float = 40.0
    total_variation: float = 0.0
    variation_form: str = "mean-absolute"
    pooling: str | None = None
    stride: int | None = None
    preprocessing: str | None = None
    start: str = "content"
    optimizer: str = "adam"
    learning_rate: float = 0.02
    steps: int = 200
    clamp: str = "step"
    levels: int = 1
    coarsest: int = 128
    schedule: str = "constant"
    scales: Sequence[float] = (1.0,)
    smallest_scale: int = 32
    parametrization: str = "pixels"


@dataclass(frozen=True)
class ModelCard:
    """The metadata of a set of weights.

    input_size: (height, width) of the training pictures. preprocessing: a key of PREPROCESSING, applied by the network.
    accuracy: as published.

    For style transfer: recipe, the defaults for these weights; style_layers, content_layer: replacements for layers of
    a preset that the network does not have.

    For face encoders, which accept only input_size. embedding: the length of an encoding. metric: "squared_l2" or
    "chi2", which is Σ (f − g)² / (f + g). landmarks: {name: (x, y)} in fractions of the picture's width and height,
    left and right as seen by the viewer. margin: pixels around a detector's box, for faces that were cropped but not
    aligned. drawn: True if trained on drawn faces only and not fit for photographs. threshold: a published one.
    """

    name: str
    input_size: tuple[int, int]
    preprocessing: str
    recipe: StyleRecipe | None = None
    style_layers: tuple[str, ...] = ()
    content_layer: str | None = None
    classes: tuple[str, ...] = ()
    embedding: int | None = None
    metric: str | None = None
    landmarks: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    margin: int | None = None
    drawn: bool = False
    accuracy: str | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        preprocessing(self.preprocessing)  # raises InputError for an unknown name
