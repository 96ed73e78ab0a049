"""Seals, which distinguish this user's own files from untrusted ones.

A seal is the HMAC-SHA-256 of a file's bytes, stored in front of them in the HDF5 user block. Its key is 32 random bytes
in this user's cache, in a file that nobody else may read or write. A file from elsewhere therefore has no valid seal,
and a modified file loses its own. Anyone who can read the key can already act as this user. Without the key, a file is
read as untrusted.
"""

import hmac
import os
import secrets
from pathlib import Path

from minicnn.files import replacing
from minicnn.machine import interpreter

MARK = b"minicnn seal:"
USER_BLOCK = 512  # bytes, the fewest that HDF5 allows
LARGEST = 2**26  # bytes; hashing more takes about as long as starting a process


def worth_hashing(place: Path) -> bool:
    """Return True if hashing a file is cheaper than starting a process to read it, or if none can be started."""
    return place.stat().st_size <= LARGEST or interpreter() is None


def seal(path: Path) -> None:
    """Seal a file with a user block that this user has just written. Does nothing if no key can be stored."""
    if worth_hashing(path) and (key := _key(make=True)):
        with open(path, "rb+") as file:
            digest = hmac.digest(key, file.read()[USER_BLOCK:], "sha256")
            file.seek(0)
            file.write(MARK + digest)


def is_sealed(content: bytes) -> bool:
    """Return True if this is the whole content of a file that `seal` has sealed, with this user's key."""
    if not content.startswith(MARK) or not (key := _key()):
        return False
    digest = hmac.digest(key, memoryview(content)[USER_BLOCK:], "sha256")
    return hmac.compare_digest(digest, content[len(MARK) :][: len(digest)])


def _key(*, make: bool = False) -> bytes | None:
    """Return the key, or None unless only this user can read and write it. make: create it if needed."""
    import platformdirs

    place = Path(platformdirs.user_cache_dir("minicnn", appauthor=False)) / "seal.key"
    try:
        if make and not os.path.exists(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            with replacing(place, mode=0o600) as beside:
                beside.write_bytes(secrets.token_bytes(32))
        state, key = place.stat(), place.read_bytes()
    except OSError:
        return None
    private = not hasattr(os, "getuid") or (state.st_uid == os.getuid() and state.st_mode & 0o077 == 0)
    return key if private and len(key) == 32 else None
