"""The catalogue of weights: what there is, where it comes from, and where it lies on this machine.

`fetch` alone reaches for the network, and only when it is called. What is on this machine always comes first.
"""

from minicnn.zoo.catalogue import Weights, catalog, find
from minicnn.zoo.fetching import fetch
from minicnn.zoo.places import folders, here, locate, path
from minicnn.zoo.records import identify

__all__ = ["Weights", "catalog", "fetch", "find", "folders", "here", "identify", "locate", "path"]
