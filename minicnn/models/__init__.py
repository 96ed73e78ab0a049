"""Networks, with or without trained weights."""

from minicnn.errors import suggest_names
from minicnn.models.cascade import mtcnn
from minicnn.models.deep_face import deepface
from minicnn.models.dlib_net import dlib_face
from minicnn.models.imagenet import squeezenet, vgg16, vgg19
from minicnn.models.inception_resnet import inception_resnet_v1
from minicnn.models.nn4 import nn4_small2
from minicnn.models.recognition import from_weights, recognise
from minicnn.models.tiny import tiny_vgg
from minicnn.models.tiny_face import tiny_facenet

__all__ = [
    "deepface",
    "dlib_face",
    "from_weights",
    "inception_resnet_v1",
    "mtcnn",
    "nn4_small2",
    "recognise",
    "squeezenet",
    "tiny_facenet",
    "tiny_vgg",
    "vgg16",
    "vgg19",
]

suggest_names(__name__, __all__)
