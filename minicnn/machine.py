"""Facts about this machine: processor, memory, versions, BLAS and GPUs. No function fails if something is missing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

LIBRARIES = ("numpy", "numba", "scipy", "h5py", "pillow", "matplotlib", "tqdm", "threadpoolctl", "pooch", "filelock")


def processor() -> str:
    """Return the processor's name, as the system reports it."""
    if sys.platform == "darwin":
        return _said_by("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    listed = Path("/proc/cpuinfo")  # Linux has it
    for line in listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown"


def instruction_sets() -> list[str]:
    """Return the vector instruction sets that NumPy detects, by NumPy's names."""
    found = _numpy_configuration().get("SIMD Extensions", {})
    return [*found.get("baseline", []), *found.get("found", [])]


def multiplies_bfloat16() -> bool:
    """Return True if the processor is known to multiply bfloat16: AVX512-BF16 or AMX, or Arm's instructions."""
    if sys.platform == "darwin":
        return _said_by("sysctl", "-n", "hw.optional.arm.FEAT_BF16") == "1"
    listed = Path("/proc/cpuinfo")  # Linux has it
    words = listed.read_text(encoding="utf-8").split() if listed.is_file() else []
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(words)


def available_cores() -> int:
    """Return the number of cores available to this process, which a container may limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_quota() -> float | None:
    """Return the CPU quota of a Linux container (cgroup v2) in cores, or None without a limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
        return int(quota) / int(period)
    except (OSError, ValueError):  # "max": no limit
        return None


def interpreter() -> str | None:
    """Return the path of the Python interpreter, to start a process with; None if there is none.

    In an application that embeds Python, sys.executable is the application, and starting it would open it twice. In
    this case, return the interpreter among Python's own files.
    """
    own = Path(sys.executable or "")
    if not getattr(sys, "frozen", False) and (re.match("(python|pypy|graalpy)", own.name.lower()) or not own.exists()):
        return sys.executable
    names = "python.exe", "Scripts/python.exe", f"bin/python{sys.version_info.major}.{sys.version_info.minor}"
    return next((str(path) for name in names if (path := Path(sys.exec_prefix, name)).is_file()), None)


def load() -> float | None:
    """Return the load average of the last minute, or None if the system does not report it."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def resident_memory(process: int | None = None) -> int | None:
    """Return the resident memory of a process (default: this one) in bytes, or None if that is not reported."""
    try:
        pages = int(Path(f"/proc/{process or 'self'}/statm").read_text(encoding="utf-8").split()[1])  # Linux has it
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        said = _said_by("ps", "-o", "rss=", "-p", str(process or os.getpid()))  # macOS, in KiB
        return int(said) * 1024 if said.isdigit() else None


def available_memory() -> int | None:
    """Return the available memory in bytes, or None if the system does not report it."""
    found = [bytes_ for bytes_ in (_available_in_system(), _left_in_container()) if bytes_ is not None]
    return min(found, default=None)


def _available_in_system() -> int | None:
    listed = Path("/proc/meminfo")
    if listed.is_file():  # Linux
        for line in listed.read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return None
    if sys.platform == "darwin":
        pages = {
            name: int(count.strip().rstrip("."))
            for name, _, count in (line.partition(":") for line in _said_by("vm_stat").splitlines())
            if count.strip().rstrip(".").isdigit()
        }
        size = _said_by("sysctl", "-n", "hw.pagesize")
        idle = sum(pages.get(f"Pages {kind}", 0) for kind in ("free", "inactive", "speculative", "purgeable"))
        return idle * int(size) if idle and size.isdigit() else None
    return _available_in_windows() if sys.platform == "win32" else None


def _available_in_windows() -> int | None:
    import ctypes

    class Status(ctypes.Structure):
        """Windows' MEMORYSTATUSEX."""

        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("physical", "available", "a", "b", "c", "d", "e")),
        )

    status = Status(length=ctypes.sizeof(Status))
    known = ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined]
    return status.available if known else None


def _left_in_container() -> int | None:
    """Return the bytes left to a Linux container (cgroup v2), counting cached files as free; None without a limit."""
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = (int((group / name).read_text(encoding="utf-8")) for name in ("memory.max", "memory.current"))
        files = dict(line.split() for line in (group / "memory.stat").read_text(encoding="utf-8").splitlines())
        return limit - used + int(files.get("inactive_file", 0))
    except (OSError, ValueError):  # "max": no limit
        return None


def version(library: str) -> str | None:
    """Return the version of a library without importing it, or None if it is not installed."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def blas_of_numpy() -> str:
    """Return the BLAS that NumPy was built with: scipy-openblas, mkl, accelerate, …"""
    return _numpy_configuration().get("Build Dependencies", {}).get("blas", {}).get("name", "unknown")


def blas_libraries() -> list[dict[str, Any]]:
    """Return the BLAS libraries that threadpoolctl controls: name, version, architecture, threads and file of each."""
    import scipy.linalg.cython_blas  # noqa: F401  (the BLAS that compiled kernels call)
    from threadpoolctl import threadpool_info

    return [
        {
            "name": library["internal_api"],
            "version": library.get("version"),
            "architecture": library.get("architecture"),
            "threads": library["num_threads"],
            "file": library["filepath"],
        }
        for library in threadpool_info()
        if library["user_api"] == "blas"
    ]


def nvidia_gpus() -> list[str]:
    """Return name, driver and memory of each NVIDIA GPU; empty without a driver."""
    said = _said_by("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
    return [line.strip() for line in said.splitlines() if line.strip()]


def describe() -> dict[str, Any]:
    """Return the machine as plain data, to be saved in a file."""
    return {
        "processor": processor(),
        "instruction_sets": instruction_sets(),
        "cores": available_cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in (*LIBRARIES, "torch")},
    }


def _numpy_configuration() -> dict[str, Any]:
    import numpy as np

    try:
        return np.show_config(mode="dicts") or {}  # type: ignore[return-value]
    except Exception:  # NumPy does not promise a stable format
        return {}


def _said_by(*command: str) -> str:
    """Return the output of a program, or an empty string if it is missing, fails or does not answer."""
    path = shutil.which(command[0])
    if path is None:
        return ""
    try:
        done = subprocess.run([path, *command[1:]], capture_output=True, encoding="utf-8", errors="replace", timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
