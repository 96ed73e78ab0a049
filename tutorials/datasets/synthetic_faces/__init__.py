"""Faces of people who do not exist, drawn by code: any number of identities and pictures, from a seed.

    >>> from minicnn.datasets.synthetic_faces import Population
    >>> people = Population(seed=0)
    >>> image, landmarks, box = people.picture(7, 3)  # the fourth picture of the eighth person
    >>> album = people.pictures(1000, 10, progress=True)  # a training set
    >>> strangers = people.held_out(200)  # and people to test with

A person is about sixty measures (`TRAITS`) and styles of hair, beard and glasses. From them a head is built as a
surface in space, painted, turned, lit with shadows, and photographed. Pose, expression, light, focus, noise,
background, clothes and obstacles change from picture to picture (`Circumstances`), the person never.

They are a test bed without limits or third-party rights: the same people can be told apart, but not by the nearest
neighbour in pixels. They are not: photographs. Nobody is real, no proportion is that of a population, and a network
trained on them knows drawn faces only.
"""

from minicnn.datasets.synthetic_faces import raster  # noqa: F401  (registers contracts that others look up by name)
from minicnn.datasets.synthetic_faces.circumstances import Circumstances
from minicnn.datasets.synthetic_faces.identity import BEARDS, GLASSES, HAIRSTYLES, TRAITS, Identity, difference
from minicnn.datasets.synthetic_faces.population import HELD_OUT_DIFFERENCE, Album, Population
from minicnn.datasets.synthetic_faces.portrait import Picture

__all__ = [
    "BEARDS",
    "GLASSES",
    "HAIRSTYLES",
    "HELD_OUT_DIFFERENCE",
    "TRAITS",
    "Album",
    "Circumstances",
    "Identity",
    "Picture",
    "Population",
    "difference",
]
