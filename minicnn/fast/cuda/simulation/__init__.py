"""A simulated GPU for learning and testing: arrays that behave as on a GPU, and kernels whose threads run in sequence.

It reports errors that a real GPU may hide: arrays of two devices, implicit copies to the host, functions that CuPy
lacks, and race conditions.
"""

from minicnn.fast.cuda.simulation.arrays import SimulatedArray, as_argument, from_host, to_host
from minicnn.fast.cuda.simulation.threads import Race, shuffled, take_over, watched

__all__ = ["Race", "SimulatedArray", "as_argument", "from_host", "shuffled", "take_over", "to_host", "watched"]
