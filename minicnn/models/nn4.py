"""nn4.small2: encodes a face of 96×96 pixels as 128 numbers, as trained by OpenFace.

Source: Amos, Ludwiczuk & Satyanarayanan 2016, "OpenFace"; after Szegedy et al. 2015, "Going deeper with convolutions",
and Schroff et al. 2015, "FaceNet". Layer names are those of its Keras ports.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minicnn import nn
from minicnn.errors import InputError
from minicnn.models.blocks import Branches, Chain, ZeroPad2d
from minicnn.models.card import ModelCard
from minicnn.models.network import Network
from minicnn.models.pretrained import WeightsLike, load_weights


class Variant(NamedTuple):
    """A way to use the weights. lrn: window and alpha of the local response normalizations, None for none.

    pool: the kind in blocks 3b, 4a and 5a. accuracy: as published.
    """

    lrn: tuple[int, float] | None
    pool: Callable[..., nn.Module]
    bn1_eps: float = 1e-5
    accuracy: str | None = None


VARIANTS = {
    "openface": Variant((5, 1e-4), nn.L2Pool2d, accuracy="92.9 ± 1.3 % on LFW (OpenFace, nn4.small2.v1)"),
    # tf.nn.lrn does not divide its alpha by the window.
    "keras": Variant((11, 11 * 1e-4), nn.L2Pool2d, accuracy="93.8 ± 1.3 % on LFW without 45 pairs (Keras-OpenFace)"),
    "krasserm": Variant((11, 11 * 1e-4), nn.AvgPool2d),
    "course": Variant(None, nn.AvgPool2d, bn1_eps=1e-3),
}

# Positions in dlib's mean face. OpenFace aligns the outer corners of the eyes and the base of the nose with them.
LANDMARKS = {
    "outer corner of the left eye": (0.1942, 0.1693),
    "outer corner of the right eye": (0.7889, 0.1582),
    "base of the nose": (0.4950, 0.5144),
    "left eye": (0.2774, 0.1673),
    "right eye": (0.7061, 0.1590),
    "tip of the nose": (0.4921, 0.4221),
    "left corner of the mouth": (0.3071, 0.6418),
    "right corner of the mouth": (0.6954, 0.6341),
}


def nn4_small2(weights: WeightsLike | None = None, *, variant: str = "openface", seed: nn.Seed = 0) -> Network:
    """Build nn4.small2: aligned faces (N, 96, 96, 3) to encodings (N, 128) of unit length; 3,743,280 parameters.

    weights: as for vgg16. Four networks use the same weights, and their files do not record which one:

        variant      local response normalization   pools of 3b, 4a, 5a   epsilon of bn1
        "openface"   5 channels, alpha 1e-4 / 5      L2                    1e-5            OpenFace itself, in Torch
        "keras"      11 channels, alpha 1e-4         L2                    1e-5            Keras-OpenFace, deepface
        "krasserm"   11 channels, alpha 1e-4         average               1e-5            krasserm/face-recognition
        "course"     none                            average               1e-3            deeplearning.ai's notebook

    The weights were trained as "openface". Encodings of different variants are not comparable.
    Raises InputError, MissingFileError, or LoadError for a damaged file or one of another network.
    """
    if weights is None:
        return build(variant=variant, seed=seed)
    return load_weights(build(variant=variant, initial="zeros"), weights)


def build(*, variant: str = "openface", initial: str = "he", seed: nn.Seed = 0) -> Network:
    """Build nn4_small2 without trained weights. initial: "he", drawn from `seed`, or "zeros" if weights follow."""
    if variant not in VARIANTS:
        raise InputError(f"nn4_small2: variant is {variant!r}; expected one of {', '.join(VARIANTS)}")
    chosen = VARIANTS[variant]
    card = ModelCard(
        name="nn4_small2" if variant == "openface" else f"nn4_small2, {variant}",
        input_size=(96, 96),
        preprocessing="none",
        embedding=128,
        metric="squared_l2",
        landmarks=LANDMARKS,
        accuracy=chosen.accuracy,
        threshold=0.99,
    )
    random = np.random.default_rng(seed)

    def conv(name: str, norm: str, channels: int, filters: int, kernel: int, **options: Any) -> list[nn.Module]:
        """Return a convolution, and batch norm with ReLU."""
        eps = chosen.bn1_eps if norm == "bn1" else 1e-5
        return [
            nn.Conv2d(channels, filters, kernel, initial=initial, seed=random, name=name, **options),
            nn.BatchNorm(filters, eps=eps, activation="relu", name=norm),
        ]

    def lrn(name: str) -> list[nn.Module]:
        return [nn.LocalResponseNorm(chosen.lrn[0], alpha=chosen.lrn[1], name=name)] if chosen.lrn else []

    def largest(name: str) -> nn.Module:
        return nn.MaxPool2d(3, stride=2, name=name)

    def alike(name: str) -> nn.Module:
        return chosen.pool(3, stride=3, name=name)

    def reduced(branch: str, channels: int, width: int, filters: int, kernel: int, stride: int) -> Chain:
        """Return a 1×1 convolution to `width` channels, and a kernel×kernel convolution after it."""
        return Chain(
            *conv(f"{branch}_conv1", f"{branch}_bn1", channels, width, 1),
            *conv(f"{branch}_conv2", f"{branch}_bn2", width, filters, kernel, stride=stride, padding=kernel // 2),
        )

    def inception(
        block: str,
        channels: int,
        three: tuple[int, int],
        five: tuple[int, int] | None,
        pool: tuple[Callable[[str], nn.Module], int | None, tuple[int, int]],
        one: int | None,
        *,
        stride: int = 1,
    ) -> Branches:
        """Return an inception block.

        three, five: (width, filters) of the branches with a 3×3 and a 5×5 convolution. one: filters of the 1×1 branch.
        pool: (kind, filters, padding before and after that restores the size).
        """
        name = f"inception_{block}"
        kind, filters, zeros = pool
        squeezed = conv(f"{name}_pool_conv", f"{name}_pool_bn", channels, filters, 1) if filters else []
        return Branches(
            reduced(f"{name}_3x3", channels, *three, 3, stride),
            *([reduced(f"{name}_5x5", channels, *five, 5, stride)] if five else []),
            Chain(kind(f"{name}_pool"), *squeezed, ZeroPad2d(*zeros, name=f"{name}_pool_pad")),
            *([Chain(*conv(f"{name}_1x1_conv", f"{name}_1x1_bn", channels, one, 1))] if one else []),
            name=name,
        )

    body = [
        *conv("conv1", "bn1", 3, 64, 7, stride=2, padding=3),
        nn.MaxPool2d(3, stride=2, padding=1, name="pool1"),
        *lrn("lrn_1"),
        *conv("conv2", "bn2", 64, 64, 1),
        *conv("conv3", "bn3", 64, 192, 3, padding=1),
        *lrn("lrn_2"),
        nn.MaxPool2d(3, stride=2, padding=1, name="pool2"),
        inception("3a", 192, (96, 128), (16, 32), (largest, 32, (3, 4)), 64),
        inception("3b", 256, (96, 128), (32, 64), (alike, 64, (4, 4)), 64),
        inception("3c", 320, (128, 256), (32, 64), (largest, None, (0, 1)), None, stride=2),
        inception("4a", 640, (96, 192), (32, 64), (alike, 128, (2, 2)), 256),
        inception("4e", 640, (160, 256), (64, 128), (largest, None, (0, 1)), None, stride=2),
        inception("5a", 1024, (96, 384), None, (alike, 96, (1, 1)), 256),
        inception("5b", 736, (96, 384), None, (largest, 96, (1, 1)), 256),
    ]
    top = [
        nn.AvgPool2d(3, stride=1, name="pool3"),
        nn.Flatten(name="flatten"),
        nn.Linear(736, 128, initial=initial, seed=random, name="dense_layer"),
        nn.L2Normalize(name="norm_layer"),
    ]
    return Network(card, body, top)
