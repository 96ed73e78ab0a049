"""What runs on a GPU is tested in Numba's simulator, in a process of its own: test_simulator.py starts it."""

import os

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")
collect_ignore = [] if SIMULATED else ["simulated"]
