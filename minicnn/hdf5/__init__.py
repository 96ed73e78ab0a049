"""HDF5 files to named parameters and back.

Three layouts are read and written: Keras's .h5 (all versions), Keras 3's .weights.h5, and minicnn's own. Our own layout
has one dataset per parameter, with the parameter's name, and attributes that describe the file. Nothing in a file is
ever executed. A file that is not known to be sound is opened in a separate process.
"""

from minicnn.errors import suggest_names
from minicnn.hdf5.access import accept, trust
from minicnn.hdf5.loader import Row, Summary, compare, inspect, load, summary
from minicnn.hdf5.matches import LoadReport
from minicnn.hdf5.writer import save

__all__ = ["LoadReport", "Row", "Summary", "accept", "compare", "inspect", "load", "save", "summary", "trust"]

suggest_names(__name__, __all__)
