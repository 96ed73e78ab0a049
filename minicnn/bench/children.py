"""Measurements in a separate process: its memory, its start, or a step of a program that holds nothing else."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

# Modules are found as in this process, whether minicnn is installed or in a checkout.
ASK = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from minicnn.bench import children; children.answer()"
IMPORT = (
    "import json, sys, time; sys.path[:] = json.loads(sys.argv[1]); start = time.perf_counter(); "
    "__import__(sys.argv[2]); print(json.dumps(time.perf_counter() - start))"
)


class ChildFailed(Exception):
    """A process that ended without an answer; the message gives the reason in one line."""


def ask(module: str, function: str, *, environment: Mapping[str, str] | None = None, **arguments: Any) -> Any:
    """Return the result of minicnn.bench.MODULE.FUNCTION(**arguments) in a new process. Both are passed as JSON."""
    return _start(ASK, module, function, json.dumps(arguments), environment=environment)


def answer() -> None:
    """Answer ask() in the new process."""
    module, function, arguments = sys.argv[2:]
    result = getattr(importlib.import_module(f"minicnn.bench.{module}"), function)(**json.loads(arguments))
    print(json.dumps(result))


def import_time(library: str) -> float:
    """Return the seconds that `import library` takes in a new interpreter."""
    return _start(IMPORT, library)


def _start(program: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Any:
    command = [sys.executable, "-c", program, json.dumps(sys.path), *arguments]
    done = subprocess.run(
        command, env={**os.environ, **(environment or {})}, capture_output=True, encoding="utf-8", errors="replace"
    )
    if done.returncode:
        raise ChildFailed(_reason(done.returncode, done.stderr))
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def conversation(program: Path, *arguments: str, environment: Mapping[str, str]) -> Iterator[Callable[[int], Any]]:
    """Start a program that answers numbers, line by line, with JSON, and yield the function that asks it.

    Leaving the block kills the process if it still runs.
    """
    command = [sys.executable, "-P", str(program), *arguments]  # -P: do not import the modules next to the program
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            bufsize=0,
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None

        def ask(question: int) -> Any:
            with suppress(OSError):  # it has ended, so there is no answer below
                process.stdin.write(f"{question}\n".encode())  # type: ignore[union-attr]
            answer = process.stdout.readline()  # type: ignore[union-attr]
            if answer:
                return json.loads(answer)
            status = process.wait()
            errors.seek(0)
            raise ChildFailed(_reason(status, errors.read().decode("utf-8", "replace")))

        try:
            yield ask
        finally:
            process.kill()


def _reason(status: int, errors: str) -> str:
    """Return in one line why a process ended without an answer."""
    if status < 0:
        return f"its process was killed by signal {-status}; there may be too little memory"
    return (errors.strip().splitlines() or [f"its process ended with {status}"])[-1]


def peak_memory() -> float | None:
    """Return the peak memory of this process in MiB; None if the system does not report it (Windows)."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux: getrusage would include the memory of the parent process
        lines = status.read_text(encoding="utf-8").splitlines()
        peaks = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")]
        if peaks:
            return peaks[0]
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
