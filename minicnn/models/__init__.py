"""Networks, with or without trained weights."""

from minicnn.models.imagenet import squeezenet, vgg16, vgg19
from minicnn.models.recognition import from_weights, recognise
from minicnn.models.tiny import tiny_vgg

__all__ = ["from_weights", "recognise", "squeezenet", "tiny_vgg", "vgg16", "vgg19"]
