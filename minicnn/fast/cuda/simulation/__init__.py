"""A GPU that is not there: arrays that behave as a GPU's, and kernels whose threads run one at a time.

It serves to learn and to test. What would go wrong on a GPU without a word, goes wrong here aloud: arrays of two
devices that meet, a copy to the host that nobody asked for, a function that CuPy has not, and two threads that touch
the same element with nothing between them.
"""

from minicnn.fast.cuda.simulation.arrays import SimulatedArray, as_argument, from_host, to_host
from minicnn.fast.cuda.simulation.threads import Race, shuffled, take_over, watched

__all__ = ["Race", "SimulatedArray", "as_argument", "from_host", "shuffled", "take_over", "to_host", "watched"]
