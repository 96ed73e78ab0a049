"""Seals: how the files of this user are told from those of strangers.

A seal is the HMAC-SHA-256 of a file's bytes, kept in front of them, in what HDF5 calls the user block. Its key is 32
random bytes in a file in this user's cache that nobody else may read or write. So a file from elsewhere has no seal
that holds here, and a file that is changed loses its own. Whoever can read the key can act as this user already.
Without the key, a file is read as a stranger's.
"""

import hmac
import os
import secrets
from pathlib import Path

from minicnn.files import replacing
from minicnn.machine import interpreter

MARK = b"minicnn seal:"
USER_BLOCK = 512  # bytes, the fewest that HDF5 allows
LARGEST = 2**26  # bytes; to hash more takes about as long as to start a process


def worth_hashing(place: Path) -> bool:
    """Return True if a process to read a file in costs more than to find out that it needs none."""
    return place.stat().st_size <= LARGEST or interpreter() is None


def seal(path: Path) -> None:
    """Seal a file with a user block that this user has just written. Does nothing where no key can be kept."""
    if worth_hashing(path) and (key := _key(make=True)):
        with open(path, "rb+") as file:
            digest = hmac.digest(key, file.read()[USER_BLOCK:], "sha256")
            file.seek(0)
            file.write(MARK + digest)


def is_sealed(content: bytes) -> bool:
    """Return True if these are all bytes of a file that `seal` has sealed, on this machine and for this user."""
    if not content.startswith(MARK) or not (key := _key()):
        return False
    digest = hmac.digest(key, memoryview(content)[USER_BLOCK:], "sha256")
    return hmac.compare_digest(digest, content[len(MARK) :][: len(digest)])


def _key(*, make: bool = False) -> bytes | None:
    """Return the key, or None unless it is this user's alone."""
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
