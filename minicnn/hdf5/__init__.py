"""HDF5 files to named parameters and back.

Read and written: Keras's .h5, which of every age loads, Keras 3's .weights.h5, and minicnn's own layout: one dataset a
parameter, called by the parameter's name, and attributes that say what it is. Nothing in a file is ever executed, and
a file that is not known to be sound is opened in a process of its own.
"""

from minicnn.errors import suggest_names
from minicnn.hdf5.access import accept, trust
from minicnn.hdf5.loader import Row, Summary, compare, inspect, load, summary
from minicnn.hdf5.matches import LoadReport
from minicnn.hdf5.writer import save

__all__ = ["LoadReport", "Row", "Summary", "accept", "compare", "inspect", "load", "save", "summary", "trust"]

suggest_names(__name__, __all__)
