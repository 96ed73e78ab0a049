"""The catalogue of weights: their names, their sources, and their places on this machine.

Only `fetch` uses the network, and only when called. Local files always come first.
"""

from minicnn.errors import suggest_names
from minicnn.hdf5 import trust
from minicnn.zoo import packages
from minicnn.zoo.catalogue import Weights, catalog
from minicnn.zoo.checksums import identify
from minicnn.zoo.delivery import fetch
from minicnn.zoo.locations import find, folders, here, locate, path, ways

__all__ = ["Weights", "catalog", "fetch", "find", "folders", "here", "identify", "locate", "packages", "path", "ways"]

# Files with a known checksum can be read in this process.
trust(row.sha256 for row in catalog() if row.sha256)

suggest_names(__name__, __all__)
