"""The sizes of the processor's caches, as the system reports them. Wrong sizes affect speed only."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

# Default bytes if the system does not report them; few processors have less.
DEFAULTS = {2: 1 << 20, 3: 16 << 20}
LEAST = {2: 1 << 18, 3: 1 << 21}
LINUX = Path("/sys/devices/system/cpu/cpu0/cache")
MAC = {2: ("hw.perflevel0.l2cachesize", "hw.l2cachesize"), 3: ("hw.l3cachesize",)}


@functools.cache
def cache_bytes(level: int) -> int:
    """Return the bytes of the L2 cache per thread, or the size of the L3 cache."""
    try:
        found = _on_linux(level) if LINUX.is_dir() else _on_mac(level) if sys.platform == "darwin" else 0
    except (OSError, ValueError):
        found = 0
    return max(found, LEAST[level]) if found else DEFAULTS[level]


def _on_linux(level: int) -> int:
    for folder in sorted(LINUX.glob("index*")):
        kind, own, size, sharers = (
            (folder / name).read_text(encoding="ascii").strip() for name in ("type", "level", "size", "shared_cpu_list")
        )
        if kind != "Instruction" and int(own) == level:
            return _bytes(size) // (_count(sharers) if level == 2 else 1)
    return 0


def _bytes(size: str) -> int:
    """Return the number of bytes in a size such as "1024K" or "32M"."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    return int(size[:-1]) * units[size[-1]] if size[-1] in units else int(size)


def _count(processors: str) -> int:
    """Return the number of processors in a list such as "0-1,4"."""
    ranges = (part.partition("-") for part in processors.split(","))
    return sum(int(last or first) - int(first) + 1 for first, _, last in ranges)


def _on_mac(level: int) -> int:
    for name in MAC[level]:
        said = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, timeout=10)
        if said.returncode == 0 and said.stdout.strip().isdigit():
            return int(said.stdout)
    return 0
