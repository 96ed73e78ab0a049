"""Inception-ResNet-v1: encodes a face of 160×160 pixels as 128 or 512 numbers, as trained by facenet.

Source: Szegedy et al. 2017, "Inception-v4, Inception-ResNet and the impact of residual connections on learning";
Schroff et al. 2015, "FaceNet". Layer names are those of its Keras ports.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minicnn import nn
from minicnn.errors import InputError
from minicnn.models.blocks import Branches, Chain, GlobalAverage, Residual
from minicnn.models.card import ModelCard
from minicnn.models.network import Network
from minicnn.models.pretrained import WeightsLike, load_weights

# For each embedding length: preprocessing, published accuracy on Labeled Faces in the Wild, and a threshold to start
# with (squared distance).
CHECKPOINTS = {
    128: ("whitened", "99.2 ± 0.3 % on LFW (facenet, 20170512-110547, trained on MS-Celeb-1M)", 0.80**2),
    512: ("centred", "99.65 ± 0.25 % on LFW (facenet, 20180402-114759, trained on VGGFace2)", 1.04**2),
}


def inception_resnet_v1(
    weights: WeightsLike | None = None, *, embedding: int = 128, preprocessing: str | None = None, seed: nn.Seed = 0
) -> Network:
    """Build Inception-ResNet-v1: faces (N, 160, 160, 3) to encodings (N, embedding) of unit length.

    embedding: 128 (22,808,144 parameters) or 512 (23,497,424). weights: as for vgg16.
    preprocessing: the one that the weights were trained with, which their file does not record.
        "whitened"  minus the picture's mean, over its deviation: 20170512-110547, MS-Celeb-1M; default for 128
        "centred"   (pixel − 127.5) / 128: 20180402-114759, VGGFace2; 20180408-102900, CASIA; default for 512
        "none"      RGB in [0, 1]: model.h5 of deeplearning.ai's course, 128
    Raises InputError, MissingFileError, or LoadError for a damaged file or one of another network.
    """
    if weights is None:
        return build(embedding=embedding, preprocessing=preprocessing, seed=seed)
    return load_weights(build(embedding=embedding, preprocessing=preprocessing, initial="zeros"), weights)


def build(*, embedding: int = 128, preprocessing: str | None = None, initial: str = "he", seed: nn.Seed = 0) -> Network:
    """Build inception_resnet_v1 without trained weights. initial: "he", drawn from `seed`, or "zeros"."""
    if embedding not in CHECKPOINTS:
        raise InputError(f"inception_resnet_v1: embedding is {embedding!r}; expected one of 128, 512")
    usual, accuracy, threshold = CHECKPOINTS[embedding]
    card = ModelCard(
        name="inception_resnet_v1" if embedding == 128 else f"inception_resnet_v1, {embedding}-d",
        input_size=(160, 160),
        preprocessing=preprocessing or usual,
        embedding=embedding,
        metric="squared_l2",
        margin=32,
        accuracy=accuracy if preprocessing in (None, usual) else None,
        threshold=threshold,
    )
    random = np.random.default_rng(seed)

    def plain(name: str, channels: int, filters: int, kernel: Any, **options: Any) -> nn.Conv2d:
        return nn.Conv2d(channels, filters, kernel, initial=initial, seed=random, name=name, **options)

    def conv(name: str, channels: int, filters: int, kernel: Any, **options: Any) -> list[nn.Module]:
        """Return a convolution without bias, and batch norm without gamma with ReLU."""
        norm = nn.BatchNorm(filters, scale=False, eps=1e-3, momentum=0.995, activation="relu", name=f"{name}_BatchNorm")
        return [plain(name, channels, filters, kernel, bias=False, **options), norm]

    def residual(name: str, channels: int, branches: Branches, width: int, **options: Any) -> Residual:
        """Return a residual block. width: number of channels of all branches together."""
        return Residual(Chain(branches, plain(f"{name}_Conv2d_1x1", width, channels, 1)), name=name, **options)

    def block35(name: str) -> Residual:
        branch = f"{name}_Branch"
        branches = Branches(
            Chain(*conv(f"{branch}_0_Conv2d_1x1", 256, 32, 1)),
            Chain(
                *conv(f"{branch}_1_Conv2d_0a_1x1", 256, 32, 1),
                *conv(f"{branch}_1_Conv2d_0b_3x3", 32, 32, 3, padding="same"),
            ),
            Chain(
                *conv(f"{branch}_2_Conv2d_0a_1x1", 256, 32, 1),
                *conv(f"{branch}_2_Conv2d_0b_3x3", 32, 32, 3, padding="same"),
                *conv(f"{branch}_2_Conv2d_0c_3x3", 32, 32, 3, padding="same"),
            ),
        )
        return residual(name, 256, branches, 96, scale=0.17)

    def block17(name: str) -> Residual:
        branch = f"{name}_Branch"
        branches = Branches(
            Chain(*conv(f"{branch}_0_Conv2d_1x1", 896, 128, 1)),
            Chain(
                *conv(f"{branch}_1_Conv2d_0a_1x1", 896, 128, 1),
                *conv(f"{branch}_1_Conv2d_0b_1x7", 128, 128, (1, 7), padding="same"),
                *conv(f"{branch}_1_Conv2d_0c_7x1", 128, 128, (7, 1), padding="same"),
            ),
        )
        return residual(name, 896, branches, 256, scale=0.10)

    def block8(name: str, **options: Any) -> Residual:
        branch = f"{name}_Branch"
        branches = Branches(
            Chain(*conv(f"{branch}_0_Conv2d_1x1", 1792, 192, 1)),
            Chain(
                *conv(f"{branch}_1_Conv2d_0a_1x1", 1792, 192, 1),
                *conv(f"{branch}_1_Conv2d_0b_1x3", 192, 192, (1, 3), padding="same"),
                *conv(f"{branch}_1_Conv2d_0c_3x1", 192, 192, (3, 1), padding="same"),
            ),
        )
        return residual(name, 1792, branches, 384, **options)

    mixed_6a = Branches(
        Chain(*conv("Mixed_6a_Branch_0_Conv2d_1a_3x3", 256, 384, 3, stride=2)),
        Chain(
            *conv("Mixed_6a_Branch_1_Conv2d_0a_1x1", 256, 192, 1),
            *conv("Mixed_6a_Branch_1_Conv2d_0b_3x3", 192, 192, 3, padding="same"),
            *conv("Mixed_6a_Branch_1_Conv2d_1a_3x3", 192, 256, 3, stride=2),
        ),
        nn.MaxPool2d(3, stride=2, name="Mixed_6a_Branch_2_MaxPool_1a_3x3"),
        name="Mixed_6a",
    )
    mixed_7a = Branches(
        Chain(
            *conv("Mixed_7a_Branch_0_Conv2d_0a_1x1", 896, 256, 1),
            *conv("Mixed_7a_Branch_0_Conv2d_1a_3x3", 256, 384, 3, stride=2),
        ),
        Chain(
            *conv("Mixed_7a_Branch_1_Conv2d_0a_1x1", 896, 256, 1),
            *conv("Mixed_7a_Branch_1_Conv2d_1a_3x3", 256, 256, 3, stride=2),
        ),
        Chain(
            *conv("Mixed_7a_Branch_2_Conv2d_0a_1x1", 896, 256, 1),
            *conv("Mixed_7a_Branch_2_Conv2d_0b_3x3", 256, 256, 3, padding="same"),
            *conv("Mixed_7a_Branch_2_Conv2d_1a_3x3", 256, 256, 3, stride=2),
        ),
        nn.MaxPool2d(3, stride=2, name="Mixed_7a_Branch_3_MaxPool_1a_3x3"),
        name="Mixed_7a",
    )
    body = [
        *conv("Conv2d_1a_3x3", 3, 32, 3, stride=2),
        *conv("Conv2d_2a_3x3", 32, 32, 3),
        *conv("Conv2d_2b_3x3", 32, 64, 3, padding="same"),
        nn.MaxPool2d(3, stride=2, name="MaxPool_3a_3x3"),
        *conv("Conv2d_3b_1x1", 64, 80, 1),
        *conv("Conv2d_4a_3x3", 80, 192, 3),
        *conv("Conv2d_4b_3x3", 192, 256, 3, stride=2),
        *(block35(f"Block35_{i}") for i in range(1, 6)),
        mixed_6a,
        *(block17(f"Block17_{i}") for i in range(1, 11)),
        mixed_7a,
        *(block8(f"Block8_{i}", scale=0.20) for i in range(1, 6)),
        block8("Block8_6", activation=None),
    ]
    top = [
        GlobalAverage(name="AvgPool"),
        nn.Dropout(0.2, seed=random, name="Dropout"),
        nn.Linear(1792, embedding, bias=False, initial=initial, seed=random, name="Bottleneck"),
        nn.BatchNorm(embedding, scale=False, eps=1e-3, momentum=0.995, name="Bottleneck_BatchNorm"),
        nn.L2Normalize(name="norm_layer"),  # has no weights, so it is in no file
    ]
    return Network(card, body, top)
