"""Every kernel, and whole steps of training, on a simulated GPU, in a process that begins with the simulator on."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "simulated"
simulator = pytest.mark.skipif(find_spec("numba.cuda.simulator") is None, reason="this Numba has no CUDA simulator")


def run_simulated(*options: str, timeout: int) -> str:
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-m", "pytest", str(FOLDER), "-q", "-n", "0", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=timeout)
    if done.returncode:
        pytest.fail(f"{done.stdout[-8000:]}{done.stderr[-2000:]}", pytrace=False)
    return done.stdout


@simulator
def test_the_core_of_the_simulated_suite():
    assert " passed" in run_simulated("-m", "not thorough", timeout=240)


@simulator
@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_the_rest_of_the_simulated_suite():
    assert " passed" in run_simulated("-m", "thorough", timeout=590)
