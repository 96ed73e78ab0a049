"""HDF5 files to named parameters and back.

Read: Keras's .h5 of every age, Keras 3's .weights.h5, and minicnn's own layout, which `save` writes: one
dataset a parameter, called by the parameter's name, and attributes that say what it is. Nothing in a file is ever
executed.
"""

from minicnn.hdf5.loading import Summary, compare, inspect, load, summary
from minicnn.hdf5.matching import LoadReport
from minicnn.hdf5.saving import save

__all__ = ["LoadReport", "Summary", "compare", "inspect", "load", "save", "summary"]
