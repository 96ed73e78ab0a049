"""Record which functions of the package each test calls, in child processes too.

tests/mutants.py puts a copy of this file on the path under the name sitecustomize, which every Python imports as it
starts, and gives the same module to pytest as a plugin (PYTEST_DONT_REWRITE: it is there before pytest is).
"""

import atexit
import contextlib
import json
import os
import sys
import threading
from pathlib import Path

PACKAGE, FOLDER = os.environ.get("MUTANTS_PACKAGE", ""), os.environ.get("MUTANTS_CALLED", "")
LIMIT = 10 << 30  # bytes: a mutant may ask for all the memory there is
codes = {}


def note(frame, event, argument):
    """Note the function that is called, and trace none of its lines."""
    codes[id(frame.f_code)] = frame.f_code


def write(test, seconds=0.0, outcome=""):
    """Append what was called since the last time, as calls of a test, or of a whole file where a fixture made them."""
    seen = list(codes.values())
    codes.clear()
    # A module and the body of a class are no functions: they lack the flag 1, CO_OPTIMIZED.
    ours = {code for code in seen if code.co_filename.startswith(PACKAGE) and code.co_flags & 1}
    called = sorted(f"{code.co_filename[len(PACKAGE) + 1 :]}:{code.co_firstlineno}" for code in ours)
    row = {"test": test, "seconds": round(seconds, 3), "outcome": outcome, "called": called}
    with Path(FOLDER, f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def pytest_runtest_setup(item):
    """Begin anew with every test: where the stack is full, the trace itself fails, and Python ends it for good."""
    if FOLDER:
        sys.settrace(note)


def pytest_runtest_logreport(report):
    """Write at the end of each phase of a test."""
    if FOLDER:
        whose = report.nodeid if report.when == "call" else report.nodeid.split("::")[0]
        write(whose, report.duration, report.outcome if report.when == "call" or not report.passed else "")


with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no such limits
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
if FOLDER:
    threading.settrace(note)
    sys.settrace(note)
    if started_by := os.environ.get("PYTEST_CURRENT_TEST"):  # a child of a test
        atexit.register(write, started_by.rpartition(" ")[0])
