"""Limits for the process of a learner's code: on memory, other files, other programs and the network.

As a program, this file sets the limits and then runs a command in its own place: isolation.py SETTINGS COMMAND…

SETTINGS is a JSON file: memory in bytes, read, listed and write (paths), and hold, the parts of HELD that are required.
It imports only the standard library, because a new user namespace requires a process with a single thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HELD = ("network", "files", "processes", "memory")
LARGEST_FILE = 1 << 26  # bytes that a learner's code may write to one file
NEW_USER, NEW_NET, NEW_PID, NEW_MOUNT, NEW_IPC = 0x10000000, 0x40000000, 0x20000000, 0x00020000, 0x08000000
PRIVATE, RECURSIVE, DIES_WITH_PARENT, NO_NEW_PRIVILEGES = 1 << 18, 1 << 14, 1, 38
CREATE_RULESET, ADD_RULE, RESTRICT = 444, 445, 446  # Landlock's system calls, on every architecture
EXECUTE, WRITE, READ, LIST, TRUNCATE, DEVICE = 1, 2, 4, 8, 1 << 14, 1 << 15
OF_FILES = EXECUTE | WRITE | READ | TRUNCATE | DEVICE


class NotHeld(OSError):
    """A limit that the system does not support."""


def main(settings: str, *command: str) -> None:
    """Set the limits and run a command. Exit with status 3 if a part of `hold` cannot be reached."""
    asked = json.loads(Path(settings).read_text(encoding="utf-8"))
    _limit(asked["memory"])
    for names, hold in ((("network", "processes"), _leave), (("files",), _close)):
        try:
            if asked["tries"]:
                hold(asked)
        except (OSError, AttributeError) as problem:
            if set(names) & set(asked["hold"]):
                print(f"not isolated: {', '.join(names)} ({problem})", flush=True)
                sys.exit(3)
    os.execv(command[0], command)


def _limit(memory: int) -> None:
    import resource

    limits = {"RLIMIT_DATA": memory, "RLIMIT_AS": 2 * memory, "RLIMIT_FSIZE": LARGEST_FILE, "RLIMIT_CORE": 0}
    for name, value in limits.items():
        with contextlib.suppress(ValueError, OSError, AttributeError):  # macOS defines some of them, and enforces none
            resource.setrlimit(getattr(resource, name), (value, value))


def _leave(asked: dict[str, Any]) -> None:
    """Move to a new network, and to new processes, of which this one's child is the first. The parent waits for it."""
    user, group = os.getuid(), os.getgid()
    _call("unshare", NEW_USER | NEW_NET | NEW_PID | NEW_MOUNT | NEW_IPC)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path("/proc/self", name).write_text(text, encoding="ascii")
    _call("mount", None, b"/", None, PRIVATE | RECURSIVE, None)
    for folder in (b"/run", b"/dev/shm"):  # where the sockets and the shared memory of other programs lie
        _call("mount", b"tmpfs", folder, b"tmpfs", 0, b"size=16m")
    if child := os.fork():
        signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(status if status >= 0 else 128 - status)
    _call("prctl", DIES_WITH_PARENT, signal.SIGKILL, 0, 0, 0)


def _close(asked: dict[str, Any]) -> None:
    """Close all files but those that may be read or written, by Landlock."""
    version = _call("syscall", CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    rights = (1 << 13) - 1 | (version >= 2) << 13 | (version >= 3) << 14 | (version >= 5) << 15
    attributes = struct.pack("QQQ", rights, 3 * (version >= 4), 3 * (version >= 6))[
        : 8 + 8 * (version >= 4) + 8 * (version >= 6)
    ]
    rules = _call("syscall", CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    for kind, allowed in (("read", EXECUTE | READ | LIST), ("listed", LIST), ("write", rights)):
        for path in asked[kind]:
            with contextlib.suppress(FileNotFoundError, PermissionError):
                place = os.open(path, os.O_PATH | os.O_CLOEXEC)
                allows = allowed & rights & (~0 if os.path.isdir(path) else OF_FILES)
                _call("syscall", ADD_RULE, rules, 1, struct.pack("=Qi", allows, place), 0)
                os.close(place)
    _call("prctl", NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    _call("syscall", RESTRICT, rules, 0)


def _call(name: str, *arguments: Any) -> int:
    """Call a function of the C library. Raise NotHeld if it fails."""
    result: int = getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments)
    if result < 0:
        raise NotHeld(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return result


def readable(sealed: Sequence[Path], *roots: Path) -> tuple[list[str], list[str]]:
    """Return (paths to read, folders to list): these roots without what is sealed."""
    read: list[str] = []
    listed: list[str] = []
    closed = {os.path.realpath(path) for path in sealed}
    waiting, seen = list(map(os.fspath, roots)), set(closed)
    while waiting:
        path = os.path.realpath(waiting.pop())  # a link, such as lib64 of an environment, may lead to what is sealed
        if path in seen or not os.path.exists(path):
            continue
        seen.add(path)
        if any(other.startswith(path.rstrip(os.sep) + os.sep) for other in closed):
            listed.append(path)
            waiting += [os.path.join(path, name) for name in os.listdir(path)]
        else:
            read.append(path)
    return read, listed


def probe(outside: str, other: int, memory: int) -> dict[str, bool]:
    """Return {part of HELD: True if this process cannot reach it}, by trying.

    outside: a file that is not its own. other: a process. memory: more bytes than it may have.
    """
    return {
        "network": _fails(_connect),
        "files": _fails(lambda: open(outside, "rb").close()) and _fails(lambda: open(f"{outside}.new", "wb").close()),
        "processes": _fails(lambda: os.kill(other, 0)),
        "memory": _fails(lambda: mmap.mmap(-1, memory).close()),
    }


def _connect() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.connect(("127.0.0.1", 9))


def _fails(attempt: Any) -> bool:
    try:
        attempt()
    except (OSError, MemoryError):
        return True
    return False


if __name__ == "__main__":
    if sys.argv[1] == "probe":
        print(json.dumps(probe(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
    else:
        main(*sys.argv[1:])
