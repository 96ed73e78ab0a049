"""What belongs to a network besides its layers: how pictures enter it, and how it likes to be used for style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from minicnn import ops
from minicnn.errors import InputError
from minicnn.operation import watching
from minicnn.tensor import Tensor


@dataclass(frozen=True)
class Preprocessing:
    """From RGB in [0, 1] to what the network was trained on: (channels in `order` · scale − mean) / deviation.

    whitened: by each picture's own mean and deviation instead, the latter at least 1/√(its number of elements).
    """

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    order: str = "RGB"
    whitened: bool = False

    def __call__(self, x: Tensor) -> Tensor:
        if self == Preprocessing():  # as it is
            return x
        if self.order == "BGR":
            x = x[..., ::-1]
        if self.whitened:
            return _whiten(x * self.scale)
        # For a whole row of pixels: NumPy takes eight times as long over three numbers again and again.
        numbers = (np.asarray(n, x.dtype) / np.asarray(self.deviation, x.dtype) for n in (self.scale, self.mean))
        scale, mean = (np.tile(n, (x.shape[-2], 1)) for n in numbers)
        if x.requires_grad or watching.get() or type(x.data) is not np.ndarray:
            return x * scale - mean
        prepared = np.empty_like(x.data, order="C")
        for picture, out in zip(x.data, prepared, strict=True):  # each while it is in the cache
            np.subtract(np.multiply(picture, scale, out=out), mean, out=out)
        return Tensor(prepared)

    def neutral(self) -> np.ndarray:
        """The RGB colour in [0, 1] that becomes zero: the mean of the training pictures."""
        colour = np.asarray(self.mean, np.float32) / np.float32(self.scale)
        return colour[::-1] if self.order == "BGR" else colour

    def ordered(self, order: str) -> Preprocessing:
        """The same with the channels in another order, "RGB" or "BGR"."""
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


def _triple(numbers: tuple[float, ...]) -> str:
    return f"({', '.join(f'{number:.4g}' for number in numbers)})"


def _whiten(x: Tensor) -> Tensor:
    """Each picture with mean 0 and deviation 1. Source: facenet's prewhiten."""
    axes = tuple(range(1, x.ndim))
    x = x - x.mean(axis=axes, keepdims=True)
    least = x.dtype.type(x[0].size) ** -0.5
    return x / ops.maximum(ops.sqrt(ops.square(x).mean(axis=axes, keepdims=True)), least)


PREPROCESSING: Mapping[str, Preprocessing] = {
    # Simonyan & Zisserman 2015: Caffe's order, the mean of ImageNet, pixels up to 255.
    "vgg": Preprocessing(mean=(103.939, 116.779, 123.68), scale=255.0, order="BGR"),
    "vgg-rgb": Preprocessing(mean=(123.68, 116.779, 103.939), scale=255.0),  # of files that hold VGG's filters in RGB
    "vgg-256": Preprocessing(mean=(103.939, 116.779, 123.68), scale=256.0, order="BGR"),  # jcjohnson/neural-style
    # torchvision: the mean and deviation of ImageNet, in [0, 1]; and the mean alone, up to 255.
    "imagenet": Preprocessing(mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225)),
    "imagenet-255": Preprocessing(mean=(123.675, 116.28, 103.53), scale=255.0),
    "squeezenet": Preprocessing(mean=(104.006, 116.669, 122.679), scale=255.0, order="BGR"),
    # The mean and deviation of CIFAR-10's training pictures.
    "cifar10": Preprocessing(mean=(0.4914, 0.4822, 0.4465), deviation=(0.2470, 0.2435, 0.2616)),
    # facenet: its checkpoint of 2017 and those of 2018. The latter is (pixel − 127.5) / 128.
    "whitened": Preprocessing(scale=255.0, whitened=True),
    "centred": Preprocessing(mean=(127.5, 127.5, 127.5), scale=255.0, deviation=(128.0, 128.0, 128.0)),
    # dlib: over 256, not 255.
    "dlib": Preprocessing(mean=(122.782, 117.001, 104.298), scale=255.0, deviation=(256.0, 256.0, 256.0)),
    # About zero, between −1 and 1: for a network whose own data need no statistics.
    "half": Preprocessing(mean=(0.5, 0.5, 0.5), deviation=(0.25, 0.25, 0.25)),
    "none": Preprocessing(),
}


def preprocessing(name: str) -> Preprocessing:
    """The Preprocessing of this name."""
    if name not in PREPROCESSING:
        raise InputError(f"preprocessing is {name!r}; expected one of {', '.join(PREPROCESSING)}")
    return PREPROCESSING[name]


@dataclass(frozen=True)
class StyleRecipe:
    """Everything that a style transfer fixes, as data. A preset is one of these, and so is a card's own recipe.

    content_layers, style_layers: {layer: its weight in the sum}; NAME.linear is a layer before its ReLU.
    J = alpha · Σ_content + beta · Σ_style + total_variation · TV, each sum in the form of its name: content_form of
    style.costs.CONTENT_FORMS, style_form of STYLE_FORMS, variation_form of style.variation.VARIATION_FORMS.
    pooling, stride, preprocessing: how the network pools, steps in its first convolution, and is given pictures; None
    leaves them as they are. TV is of the picture as preprocessing scales it: up to 1, 255 or 256.
    start: a name of style.starts.STARTS. learning_rate: in units of the picture's [0, 1].
    clamp: "step", when the picture is brought back to [0, 1] after every step; "end", when only the result is.
    levels: from coarse to fine, how many sizes of the picture, each twice the one before and with as many of the steps;
    0 is as many as begin with a long side of 128 pixels or a little more, so that strokes grow with the picture.
    schedule: of the rate over all steps, "constant", or "cosine", by which it falls to nothing.
    scales: weights of the cost of the picture, of its half, of its quarter, and so on; J is their weighted mean.
    parametrization: what Adam moves, "pixels", or a "pyramid" of them (see style.parametrization).
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
    schedule: str = "constant"
    scales: Sequence[float] = (1.0,)
    parametrization: str = "pixels"


@dataclass(frozen=True)
class ModelCard:
    """What belongs to one set of weights. input_size: (height, width) that they were trained at. preprocessing: a name
    of PREPROCESSING, by which the network prepares the pictures itself. accuracy: what their publisher states.

    Of a network for style: recipe, the style transfer that suits its weights; style_layers, content_layer: what stands
    in for a preset's layers that it does not have.
    Of a face encoder, which takes pictures of input_size and no other: embedding, the length of its encodings; metric,
    what tells how alike two of them are, "squared_l2" or "chi2", Σ (f − g)² / (f + g); landmarks: {name: (x, y)}, where
    they lie in the picture as fractions of its width and height, left and right as the viewer sees them; margin: pixels
    around a detector's box, where faces were cropped by it and not aligned; drawn: whether it has learned drawn faces
    alone, and is no judge of photographs; threshold: a published one, to start with.
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
        preprocessing(self.preprocessing)  # raises for a name that is none
