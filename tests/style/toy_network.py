"""A network so small that a run takes a moment."""

from minicnn.models.card import ModelCard, StyleRecipe
from minicnn.models.vgg import VGG

RECIPE = StyleRecipe(
    summary="for these tests",
    content_layers={"block2_conv1": 1.0},
    style_layers={"block1_conv1": 0.5, "block2_conv1": 0.5},
    content_form="course",
    style_form="relative",
    alpha=0.1,
    beta=1.0,
    total_variation=0.1,
    learning_rate=0.02,
    steps=8,
)
CARD = ModelCard(
    name="toy", input_size=(16, 16), preprocessing="none", recipe=RECIPE,
    style_layers=("block1_conv1", "block2_conv1"), content_layer="block2_conv1",
)  # fmt: skip


def toy() -> VGG:
    """Two blocks of one convolution."""
    return VGG(CARD, (4, 6), (1, 1), seed=0)
