"""MTCNN: three small networks that find faces, from coarse to fine. Source: Zhang et al. 2016.

P-Net has a receptive field of 12×12 pixels. It is fully convolutional: it slides over the whole picture and yields a
map of candidate windows. R-Net checks these at 24×24 pixels. O-Net checks the remaining ones at 48×48, and also locates
eyes, nose and mouth. faces/detection.py combines the three.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np

from minicnn import nn, ops
from minicnn.kernels.geometry import Padding
from minicnn.models.blocks import Branches
from minicnn.models.card import ModelCard
from minicnn.models.network import Network
from minicnn.models.pretrained import WeightsLike, load_weights
from minicnn.operation import no_grad
from minicnn.tensor import Tensor

CELL, STRIDE = 12, 2  # pixels: P-Net's receptive field, and its stride
BATCH = 128  # windows per batch; the first feature maps, 128 × 46² × 32 numbers, take 35 MB


class Judgement(NamedTuple):
    """The output of a stage for windows, in the leading axes.

    scores (…,): probability that the window holds a face. shifts (…, 4): offsets of left, top, right and bottom, in
    fractions of the window's width and height. landmarks (…, 5, 2): (x, y) of both eyes, the tip of the nose and
    the corners of the mouth, in the same fractions. Only O-Net gives landmarks.
    """

    scores: np.ndarray
    shifts: np.ndarray
    landmarks: np.ndarray | None

    @classmethod
    def of(cls, output: np.ndarray) -> Judgement:
        """Split a stage's output (…, 6), or (…, 16) from O-Net, into a Judgement."""
        landmarks = None
        if output.shape[-1] == 16:
            landmarks = np.stack([output[..., 6:11], output[..., 11:]], axis=-1)
        # The softmax of two logits is the sigmoid of their difference.
        return cls(ops.sigmoid(output[..., 1] - output[..., 0]).data, output[..., 2:6], landmarks)


class Stage(Network):
    """One of the three networks. Last axis of its output: two logits, four shifts and, in O-Net, x₁ … x₅, y₁ … y₅."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y.transpose(0, 2, 1, 3) if y.ndim == 4 else y

    def _enter(self, x: Tensor) -> Tensor:
        """Transpose height and width after preprocessing: the weights were trained with columns first."""
        return super()._enter(x).transpose(0, 2, 1, 3)

    def judge(self, pictures: np.ndarray) -> Judgement:
        """Return a Judgement of pictures (N, H, W, 3), float32 RGB in [0, 1]. P-Net gives (N, H', W') windows."""
        with no_grad():
            parts = [self(pictures[i : i + BATCH]).data for i in range(0, len(pictures), BATCH)]
        return Judgement.of(parts[0] if len(parts) == 1 else np.concatenate(parts))


class MTCNN(Stage):
    """P-Net, which accepts pictures of any size. refinement: R-Net. output: O-Net."""

    def __init__(self, initial: str = "he", seed: nn.Seed = 0) -> None:
        random = np.random.default_rng(seed)
        self.refinement = Stage(_card(24), _refinement(initial, random))
        self.output = Stage(_card(48), _output(initial, random))
        super().__init__(_card(CELL), _proposal(initial, random))

    def children(self) -> Iterator[tuple[str, nn.Module]]:
        return chain(super().children(), self.refinement.children(), self.output.children())


def mtcnn(weights: WeightsLike | None = "mtcnn", *, seed: nn.Seed = 0) -> MTCNN:
    """Build MTCNN, three networks with 495,850 parameters. weights: a catalogue name or file; None: drawn from `seed`.

    model(x) is P-Net's map for pictures (N, H, W, 3), RGB in [0, 1]. faces.detect(image) finds faces with all three.
    Raises InputError, MissingFileError, or LoadError for a damaged file or one of another network.
    """
    if weights is None:
        return MTCNN(seed=seed)
    return load_weights(build(), weights)


def build() -> MTCNN:
    """Build MTCNN with zeros, to be replaced by weights from a file."""
    return MTCNN(initial="zeros")


def _card(side: int) -> ModelCard:
    return ModelCard(name="mtcnn", input_size=(side, side), preprocessing="centred")


class _Layers:
    """Layers of one stage, with the names in its file: pnet/conv1, pnet/PReLU1, …"""

    def __init__(self, stage: str, prelu: str, initial: str, random: np.random.Generator) -> None:
        self.stage, self.prelu, self.initial, self.random = stage, prelu, initial, random

    def conv(self, number: int, channels: int, filters: int, kernel: int) -> list[nn.Module]:
        """Return a convolution and its PReLU."""
        name = f"{self.stage}/conv{number}"
        layer = nn.Conv2d(channels, filters, kernel, initial=self.initial, seed=self.random, name=name)
        return [layer, self._prelu(number, filters)]

    def dense(self, number: int, features: int, units: int) -> list[nn.Module]:
        """Return a flatten layer, a dense layer and its PReLU. Files name dense layers conv, too."""
        name = f"{self.stage}/conv{number}"
        layer = nn.Linear(features, units, initial=self.initial, seed=self.random, name=name)
        return [nn.Flatten(name=f"{self.stage}/flatten"), layer, self._prelu(number, units)]

    def _prelu(self, number: int, channels: int) -> nn.Module:
        return nn.PReLU(channels, name=f"{self.stage}/{self.prelu}{number}")

    def pool(self, number: int, size: int, *, padding: Padding = 0) -> nn.Module:
        return nn.MaxPool2d(size, stride=2, padding=padding, name=f"{self.stage}/pool{number}")

    def heads(self, number: int, features: int, *widths: int) -> nn.Module:
        """Return parallel dense layers, whose outputs are concatenated."""

        def head(i: int, width: int) -> nn.Module:
            name = f"{self.stage}/conv{number}-{i}"
            return nn.Linear(features, width, initial=self.initial, seed=self.random, name=name)

        return Branches(*(head(i, width) for i, width in enumerate(widths, start=1)))


def _proposal(initial: str, random: np.random.Generator) -> list[nn.Module]:
    net = _Layers("pnet", "PReLU", initial, random)

    def head(name: str, width: int) -> nn.Module:
        return nn.Conv2d(32, width, 1, initial=initial, seed=random, name=f"pnet/{name}")

    return [
        *net.conv(1, 3, 10, 3),
        net.pool(1, 2, padding="same"),
        *net.conv(2, 10, 16, 3),
        *net.conv(3, 16, 32, 3),
        Branches(head("conv4-1", 2), head("conv4-2", 4)),
    ]


def _refinement(initial: str, random: np.random.Generator) -> list[nn.Module]:
    net = _Layers("rnet", "prelu", initial, random)
    return [
        *net.conv(1, 3, 28, 3),
        net.pool(1, 3, padding="same"),
        *net.conv(2, 28, 48, 3),
        net.pool(2, 3),
        *net.conv(3, 48, 64, 2),
        *net.dense(4, 576, 128),
        net.heads(5, 128, 2, 4),
    ]


def _output(initial: str, random: np.random.Generator) -> list[nn.Module]:
    net = _Layers("onet", "prelu", initial, random)
    return [
        *net.conv(1, 3, 32, 3),
        net.pool(1, 3, padding="same"),
        *net.conv(2, 32, 64, 3),
        net.pool(2, 3),
        *net.conv(3, 64, 64, 3),
        net.pool(3, 2, padding="same"),
        *net.conv(4, 64, 128, 2),
        *net.dense(5, 1152, 256),
        net.heads(6, 256, 2, 4, 10),
    ]
