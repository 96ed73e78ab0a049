"""Seeing what a network has learned: which pictures excite a unit, what in them does, and what it would like best."""

from minicnn.visualize.attribution import deconvnet, guided_backprop, integrated_gradients, saliency, smoothgrad
from minicnn.visualize.fields import Fields, fields_of
from minicnn.visualize.patches import Patches, top_patches
from minicnn.visualize.regions import grad_cam, occlusion
from minicnn.visualize.rules import backward_rule

__all__ = [
    "Fields",
    "Patches",
    "backward_rule",
    "deconvnet",
    "fields_of",
    "grad_cam",
    "guided_backprop",
    "integrated_gradients",
    "occlusion",
    "saliency",
    "smoothgrad",
    "top_patches",
]
