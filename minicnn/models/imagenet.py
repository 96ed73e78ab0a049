"""Networks trained on ImageNet: VGG-16, VGG-19 and SqueezeNet v1.1.

Source: Simonyan & Zisserman 2015 (VGG); Iandola et al. 2016 (SqueezeNet).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minicnn import nn
from minicnn.models.blocks import Branches, Chain
from minicnn.models.card import ModelCard, StyleRecipe
from minicnn.models.network import Network, pool
from minicnn.models.pretrained import WeightsLike, load_weights
from minicnn.models.vgg import VGG

WIDTHS = (64, 128, 256, 512, 512)
DEPTHS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
SIZE = 224
CLASSES = 1000
# Layers that a file may hold in addition to a network without top; dense, … if the file names no layers.
TOP_LAYERS = ("fc1", "fc2", "predictions", "dense", "dense_1", "dense_2")

# The constants of deeplearning.ai's course, but starting from the photograph rather than a blend with noise.
RECIPE = StyleRecipe(
    summary="the course's costs, starting from the photograph",
    content_layers={"block4_conv2": 1.0},
    style_layers={f"block{block}_conv1": 0.2 for block in range(1, 6)},
    pooling="avg",
    learning_rate=0.02,
    steps=200,
)


def vgg16(
    weights: WeightsLike | None = None, *, include_top: bool = False, pooling: str = "max", seed: nn.Seed = 0
) -> VGG:
    """Build VGG-16: 13 convolutions, 14,714,688 parameters; 138,357,544 with the classifier.

    weights: a catalogue name, or a file from Keras or minicnn; None draws them from `seed` (He et al. 2015).
    include_top: add the classifier. Pictures must then be 224×224, and model(x) is (N, 1000) logits, whose softmax
    Keras calls predictions. pooling: "max", or "avg" for style transfer.
    Raises InputError, MissingFileError, or LoadError for a damaged file or one of another network.
    """
    if weights is None:
        return build("vgg16", include_top=include_top, pooling=pooling, seed=seed)
    return _loaded("vgg16", weights, include_top, pooling)


def vgg19(
    weights: WeightsLike | None = None, *, include_top: bool = False, pooling: str = "max", seed: nn.Seed = 0
) -> VGG:
    """Build VGG-19: 16 convolutions, 20,024,384 parameters; 143,667,240 with the classifier. Otherwise as vgg16."""
    if weights is None:
        return build("vgg19", include_top=include_top, pooling=pooling, seed=seed)
    return _loaded("vgg19", weights, include_top, pooling)


def _loaded(name: str, weights: WeightsLike, include_top: bool, pooling: str) -> VGG:
    model = build(name, include_top=include_top, pooling=pooling, drawn=False)
    return load_weights(model, weights, ignore=() if include_top else TOP_LAYERS)


def build(name: str, *, include_top: bool = False, pooling: str = "max", drawn: bool = True, seed: nn.Seed = 0) -> VGG:
    """Build vgg16 or vgg19 without trained weights. drawn: from `seed`; if False, zeros, to be replaced."""
    card = ModelCard(
        name=name,
        input_size=(SIZE, SIZE),
        preprocessing="vgg",
        style_layers=tuple(f"block{block}_conv1" for block in range(1, 6)),
        content_layer="block4_conv2",
        recipe=RECIPE,
    )
    random = np.random.default_rng(seed)
    he, glorot = ("he", "glorot") if drawn else ("zeros", "zeros")
    model = VGG(card, WIDTHS, DEPTHS[name], pooling=pooling, initial=he, seed=random)
    if include_top:
        features = (SIZE // 32) ** 2 * WIDTHS[-1]  # five pools halve each side
        model.top = [
            nn.Flatten(name="flatten"),
            nn.Linear(features, 4096, activation="relu", initial=he, seed=random, name="fc1"),
            nn.Linear(4096, 4096, activation="relu", initial=he, seed=random, name="fc2"),
            nn.Linear(4096, CLASSES, initial=glorot, seed=random, name="predictions"),
        ]
    return model


# --- SqueezeNet ------------------------------------------------------------------------------------------------------

# Judged by eye, as for tiny_vgg. With the original stride 2 and max pooling, the result is grainy.
# The cost of halves gives large shapes, and faces keep their eyes, which small first sizes lose.
SQUEEZENET_RECIPE = StyleRecipe(
    summary="squeezenet's own: Wasserstein costs at full resolution, over the picture and its halves",
    content_layers={"fire4": 0.5, "fire6": 0.5},
    style_layers=dict.fromkeys(("conv1", "fire2", "fire4", "fire6", "fire8"), 0.2),
    content_form="mean",
    style_form="wasserstein-ridge",
    alpha=0.05,
    beta=1.0,
    total_variation=0.3,
    variation_form="mean-squared",
    pooling="avg",
    stride=1,
    learning_rate=0.03,
    steps=80,
    schedule="cosine",
    scales=(1.0,) * 6,
    smallest_scale=96,
    parametrization="pyramid",
)


def squeezenet(weights: WeightsLike | None = None, *, pooling: str = "max", seed: nn.Seed = 0) -> Network:
    """Build SqueezeNet v1.1 without its classifier: 722,496 parameters, 1/28 of VGG-19's.

    weights, pooling: as for vgg16. model(x) is (N, H', W', 512), the features of fire9.
    Raises InputError, MissingFileError, or LoadError for a damaged file or one of another network.
    """
    if weights is None:
        return build_squeezenet(pooling=pooling, seed=seed)
    return load_weights(build_squeezenet(pooling=pooling, initial="zeros"), weights)


def build_squeezenet(*, pooling: str = "max", initial: str = "he", seed: nn.Seed = 0) -> Network:
    """Build squeezenet without trained weights. initial: "he", drawn from `seed`, or "zeros" if weights follow."""
    random = np.random.default_rng(seed)

    def conv(name: str, channels: int, filters: int, kernel: int, **options: Any) -> nn.Conv2d:
        return nn.Conv2d(
            channels, filters, kernel, activation="relu", initial=initial, seed=random, name=name, **options
        )

    def fire(name: str, channels: int, squeeze: int, expand: int) -> Chain:
        return Chain(
            conv(f"{name}/squeeze1x1", channels, squeeze, 1),
            Branches(
                conv(f"{name}/expand1x1", squeeze, expand, 1),
                conv(f"{name}/expand3x3", squeeze, expand, 3, padding=1),
            ),
            name=name,
        )

    card = ModelCard(
        name="squeezenet",
        input_size=(227, 227),
        preprocessing="squeezenet",
        recipe=SQUEEZENET_RECIPE,
        style_layers=tuple(SQUEEZENET_RECIPE.style_layers),
        content_layer="fire4",
    )
    body = [
        conv("conv1", 3, 64, 3, stride=2),
        pool(pooling, 3, stride=2, name="pool1"),
        fire("fire2", 64, 16, 64),
        fire("fire3", 128, 16, 64),
        pool(pooling, 3, stride=2, name="pool3"),
        fire("fire4", 128, 32, 128),
        fire("fire5", 256, 32, 128),
        pool(pooling, 3, stride=2, name="pool5"),
        fire("fire6", 256, 48, 192),
        fire("fire7", 384, 48, 192),
        fire("fire8", 384, 64, 256),
        fire("fire9", 512, 64, 256),
    ]
    return Network(card, body)
