"""Reading the listing and arrays of an HDF5 file: the only module that opens a file by h5py to read it.

libhdf5 can crash or loop on damaged metadata. Untrusted files are therefore read in a separate process that runs this
file as its program (see isolation.py). It imports nothing from minicnn, so it starts quickly.
Requests come on standard input, one line of JSON each, and are answered on standard output:
    {"open": path}     the listing of a file, as one line of JSON
    {"read": name}     {"bytes": n} as one line, then the n bytes of an array
    {"close": true}    {}
or with {"refused": why} or {"damaged": why}.
"""

from __future__ import annotations

import errno
import faulthandler
import itertools
import json
import math
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5s

DAMAGED = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError)
NAMES = ("name", "layer_names", "weight_names")  # attributes of groups
MOST_OBJECTS = 20_000  # groups and datasets; Keras's largest networks have a third of that
LONGEST_PATH = 2_000  # characters; damaged files can nest groups endlessly
LARGEST_ATTRIBUTE = 2**18  # bytes; Keras splits lists of names at 64,512
LARGEST_CHUNK = 2**24  # bytes; a chunk is always decompressed whole
BLOCK = 2**22  # bytes read at once
SECONDS = 0.4  # processor time per object or block; normally it takes milliseconds
MEMORY = 100 * 2**20  # bytes, beyond what h5py itself takes

# Error numbers of file systems without locks, such as some network file systems. Linux also gives 524, without a name.
NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, getattr(errno, "ENOTSUP", 95), errno.ENOLCK, 524}

_confined = False  # True in a process that only reads files


class Refused(Exception):
    """Something in a file that does not belong in a file of weights."""


def listing(file: h5py.File) -> dict[str, Any]:
    """Return {"groups": {path: attributes}, "arrays": {path: shape, dtype, format, offset}}.

    Paths are a/b/c, "" for the file itself. format: how floats or bytes are stored, such as <f4, or bfloat16, which
    HDF5 lacks; None for other types. offset: position of the data in the file, None if chunked or filtered.
    Iterative. Raises Refused for links, to other files or in circles.
    """
    groups: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
    seen = {h5o.get_info(file.id).addr}
    waiting = [("", file.id)]
    while waiting:
        path, group = waiting.pop()
        groups[path] = _attributes(group, every=path in ("", "model_weights"))
        for encoded in group:
            _allow(SECONDS)
            name = _text(encoded)
            below = f"{path}/{name}" if path else name
            found = _child(group, encoded, below)
            address = h5o.get_info(found).addr
            if address in seen:
                raise Refused(f"{below!r} has another name, too; expected a tree")
            seen.add(address)
            if len(seen) > MOST_OBJECTS:
                raise Refused(f"there are more than {MOST_OBJECTS:,} groups and datasets")
            if len(below) > LONGEST_PATH:
                raise Refused(f"{below[:40] + '…'!r} has {len(below):,} letters; expected {LONGEST_PATH:,} at most")
            if isinstance(found, h5g.GroupID):
                waiting.append((below, found))
            elif isinstance(found, h5d.DatasetID):
                arrays[below] = _entry(found)
    if any(key in groups.get(place, ()) for place in ("", "model_weights") for key in ("layer_names", "layer_names0")):
        for entry in arrays.values():
            if entry["dtype"] == "|V2":  # Keras's .h5 stores bfloat16 so, as NumPy does not know it
                entry["dtype"] = entry["format"] = "bfloat16"
    return {"groups": groups, "arrays": arrays}


def _text(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(f"{bytes(name)!r} is not text in UTF-8") from None


def _child(group: h5g.GroupID, name: bytes, path: str) -> Any:
    """Return the object of this name in a group. Raises Refused for a link."""
    kind = group.links.get_info(name).type
    if kind != h5l.TYPE_HARD:
        what = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "a link to another file"}.get(kind, "a link")
        raise Refused(f"{path!r} is {what}; expected groups and datasets only")
    return h5o.open(group, name)


def _entry(dataset: h5d.DatasetID) -> dict[str, Any]:
    dtype, form = dataset.dtype, None
    if (dtype.kind == "f" and dtype.itemsize in (2, 4, 8)) or dtype == np.uint8:
        form = dtype.str
    elif dtype == np.dtype("V2") and h5a.exists(dataset, b"dtype") and _attribute(dataset, "dtype") == "bfloat16":
        dtype = form = "bfloat16"  # Keras says so
    empty = dataset.get_space().get_simple_extent_type() == h5s.NULL
    return {
        "shape": None if empty else dataset.shape,
        "dtype": str(dtype),
        "format": form,
        "offset": dataset.get_offset(),
    }


def _attributes(group: h5g.GroupID, every: bool) -> dict[str, Any]:
    """Return the attributes that list names. every: also any other text or number.

    The configuration of a model is left out: it may hold code, and is not needed.
    """
    keys = []
    if every:
        keys = [key for key in h5py.Group(group).attrs if not key.endswith("_config")]
    else:
        for name in NAMES:
            if h5a.exists(group, name.encode()):
                keys.append(name)
            else:  # Keras splits long lists into name0, name1, …
                parts = itertools.takewhile(lambda part: h5a.exists(group, part.encode()), _numbered(name))
                keys.extend(parts)
    return {key: value for key in keys if (value := _attribute(group, key)) is not None}


def _numbered(name: str) -> Iterator[str]:
    return (f"{name}{i}" for i in itertools.count())


def _attribute(item: Any, key: str) -> Any:
    """Return text, a number, or a list of texts; None for anything else."""
    found = h5a.open(item, key.encode("utf-8", "surrogateescape"))
    size = math.prod(found.shape or ()) * found.dtype.itemsize
    if size > LARGEST_ATTRIBUTE:
        if not key.startswith(NAMES):
            return None
        raise Refused(f"attribute {key!r} has {size:,} bytes; expected at most {LARGEST_ATTRIBUTE:,}")
    value = h5py.AttributeManager(h5py.Group(item) if isinstance(item, h5g.GroupID) else h5py.Dataset(item))[key]
    if isinstance(value, np.ndarray) and (value.dtype.kind in "SO" or value.size == 0):
        texts = [_text(one) if isinstance(one, bytes) else one for one in value.ravel()]
        return texts if all(isinstance(one, str) for one in texts) else None
    if isinstance(value, bytes):
        return _text(value)
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, (str, int, float)) else None


def blocks(file: h5py.File, path: str) -> Iterator[np.ndarray]:
    """Yield the array at `path` piece by piece, in order. Each piece overwrites the one before it."""
    group: Any = file.id
    parts = path.split("/")
    for depth, part in enumerate(parts, start=1):
        group = _child(group, part.encode(), "/".join(parts[:depth]))
    dataset = h5py.Dataset(group)
    _check_storage(dataset, path)
    memory = None
    for selection, shape in _pieces(dataset):
        if memory is None:
            memory = np.empty(math.prod(shape), dataset.dtype)
        _allow(SECONDS)
        piece = memory[: math.prod(shape)].reshape(shape)
        dataset.read_direct(piece, selection)
        yield piece


def _check_storage(dataset: h5py.Dataset, path: str) -> None:
    if dataset.is_virtual or dataset.external:
        raise Refused(f"{path!r} keeps its data in other files; expected them in this one")
    if dataset.chunks:
        chunk = math.prod(dataset.chunks) * dataset.dtype.itemsize
        if chunk > LARGEST_CHUNK:
            raise Refused(f"{path!r} is stored in chunks of {dataset.chunks}; its shape is {dataset.shape}")
        expected = math.prod(-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True))
        held = dataset.id.get_num_chunks() * dataset.size // max(expected, 1)
    else:
        held = dataset.id.get_storage_size() // dataset.dtype.itemsize
    if held < dataset.size:
        raise Refused(f"{path!r} claims {dataset.size:,} elements, and the file holds {held or 'none'} of them")


def _pieces(dataset: h5py.Dataset) -> Iterator[tuple[Any, tuple[int, ...]]]:
    """Yield (selection, shape) of boxes in the order of the elements, the largest first."""
    shape, chunks = dataset.shape, dataset.chunks or (1,) * dataset.ndim
    if dataset.nbytes <= BLOCK:
        yield (), shape
        return
    # The axis to cut, and the bytes per step along it.
    sizes = [math.prod(shape[axis + 1 :]) * dataset.dtype.itemsize for axis in range(dataset.ndim)]
    axis = next(i for i, size in enumerate(sizes) if size <= BLOCK)
    # Whole chunks, or each would be decompressed several times.
    step = max(BLOCK // sizes[axis] // chunks[axis], 1) * chunks[axis]
    for before in np.ndindex(*shape[:axis]):
        for start in range(0, shape[axis], step):
            rows = min(step, shape[axis] - start)
            yield (*before, slice(start, start + rows)), (rows, *shape[axis + 1 :])


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more. A damaged file can harm only this process."""
    answers.write(b"ready\n")
    answers.flush()
    file: Any = None
    for line in requests:
        request = json.loads(line)
        _allow(SECONDS)
        try:
            if "open" in request:
                if file is not None:  # otherwise HDF5 would reuse the open file even if it has changed
                    file.close()
                file = _opened(request["open"])
                _answer(answers, listing(file))
            elif "read" in request:
                _send(answers, file, request["read"])
            else:
                file.close()
                _answer(answers, {})
        except Refused as problem:
            _answer(answers, {"refused": str(problem)})
        except DAMAGED as problem:
            _answer(answers, {"damaged": str(problem) or type(problem).__name__})


def _opened(path: str) -> h5py.File:
    """Open a file for reading. HDF5 locks it, which fails while another program writes it. Raises Refused then."""
    name = os.fsencode(path)
    try:
        return h5py.File(name, "r", rdcc_nbytes=LARGEST_CHUNK)
    except OSError as problem:
        said = str(problem)
        if any(f"unable to lock file, errno = {number}" in said for number in NO_LOCKS):
            return h5py.File(name, "r", rdcc_nbytes=LARGEST_CHUNK, locking=False)
        if "unable to lock file" in said or "already open for write" in said:
            raise Refused("another program has it open for writing; expected a file that is closed") from None
        raise


def _answer(answers: BinaryIO, content: dict[str, Any]) -> None:
    answers.write(json.dumps(content).encode() + b"\n")
    answers.flush()


def _send(answers: BinaryIO, file: Any, path: str) -> None:
    size = file[path].nbytes
    pieces = blocks(file, path)
    piece = next(pieces, None)  # most arrays are one piece, and its errors can still be reported
    _answer(answers, {"bytes": size if piece is not None else 0})
    try:
        while piece is not None:
            answers.write(piece.data)
            piece = next(pieces, None)
        answers.flush()
    except (Refused, *DAMAGED):
        os._exit(2)  # an error message would be taken for data


def _allow(seconds: float) -> None:
    """End this process after `seconds` of processor time from now, or ten times that in wall time on Windows.

    Does nothing in a process that does more than read files.
    """
    if not _confined:
        return
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)
    else:
        faulthandler.dump_traceback_later(10 * seconds, exit=True)


def _confine() -> None:
    """Limit the time, memory and crash traces of this process, in case a file is damaged."""
    global _confined
    _confined = True
    if sys.platform == "win32":
        import ctypes

        ctypes.windll.kernel32.SetErrorMode(0x0003)  # no dialog that a program has stopped working
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return  # macOS has no such file, and does not enforce this limit
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    _confine()
    serve(sys.stdin.buffer, sys.stdout.buffer)
