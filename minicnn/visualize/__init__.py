"""Visualization of a network's features: pictures that activate a unit, attribution, and synthesis.

Every function returns its figure and shows none; `save` writes one.
"""

from minicnn.errors import suggest_names
from minicnn.models.fields import Fields, fields_of
from minicnn.visualize.attribution import deconvnet, guided_backprop, integrated_gradients, saliency, smoothgrad
from minicnn.visualize.findings import evidence
from minicnn.visualize.patches import Patches, top_patches
from minicnn.visualize.pictures import DrawnFaces
from minicnn.visualize.plane import embedding_map
from minicnn.visualize.plots import feature_grid, filter_grid, patch_grid, save
from minicnn.visualize.regions import grad_cam, occlusion
from minicnn.visualize.rules import backward_rule
from minicnn.visualize.synthesis import Synthesis, invert, maximize
from minicnn.visualize.telling import story

__all__ = [
    "DrawnFaces",
    "Fields",
    "Patches",
    "Synthesis",
    "backward_rule",
    "deconvnet",
    "embedding_map",
    "evidence",
    "feature_grid",
    "fields_of",
    "filter_grid",
    "grad_cam",
    "guided_backprop",
    "integrated_gradients",
    "invert",
    "maximize",
    "occlusion",
    "patch_grid",
    "saliency",
    "save",
    "smoothgrad",
    "story",
    "top_patches",
]

suggest_names(__name__, __all__)
