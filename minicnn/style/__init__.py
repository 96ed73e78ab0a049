"""Neural style transfer: one picture's content, another's style."""

from minicnn.errors import suggest_names
from minicnn.style.costs import (
    content_cost,
    gram_matrix,
    layer_style_cost,
    style_cost,
    total_cost,
    total_variation,
)
from minicnn.style.job import StyleResult, transfer
from minicnn.style.manifests import from_manifest
from minicnn.style.recipes import presets
from minicnn.style.regions import Map

__all__ = [
    "Map",
    "StyleResult",
    "content_cost",
    "from_manifest",
    "gram_matrix",
    "layer_style_cost",
    "presets",
    "style_cost",
    "total_cost",
    "total_variation",
    "transfer",
]

suggest_names(__name__, __all__)
