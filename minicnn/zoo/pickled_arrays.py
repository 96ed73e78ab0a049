"""Reading arrays from files pickled by NumPy or joblib, without unpickling them.

A pickle is a program: its opcodes push values on a stack and may call any function of any module. facenet's weights are
pickled dictionaries, {layer: {name: array}}. mtcnn's are pickled lists of arrays; joblib stores the numbers of an array
between the opcodes, after its description. Here, nothing is executed: pickletools disassembles the opcodes, and a small
interpreter rebuilds values, tuples, lists, dictionaries and arrays. Names of functions are compared, never imported.
"""

from __future__ import annotations

import io
import math
import pickletools
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from minicnn.errors import LoadError
from minicnn.zoo import lz4_frame

EXPECTED = "expected arrays, dictionaries and strings only"
LARGEST = 64 << 20  # bytes per file; facenet's largest has 1.6 MB
FLOATS = re.compile(r"[<=]?f[248]")

# Errors that malformed opcodes lead to; pickletools raises ValueError if bytes are missing.
NONSENSE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError, Warning)

# The names by which NumPy and joblib describe arrays; core became _core in NumPy 2.
CALLABLES = {
    ("numpy.core.multiarray", "_reconstruct"): "empty array",
    ("numpy._core.multiarray", "_reconstruct"): "empty array",
    ("numpy", "ndarray"): "array type",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "bytes",  # Python 3's bytes in a protocol without bytes
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): "announced array",
}


class Named(NamedTuple):
    """A function or class, named by its role."""

    role: str


class Described:
    """An array or dtype under construction: `code` of its dtype, then the state that BUILD adds."""

    def __init__(self, role: str, code: str = "") -> None:
        self.role, self.code = role, code
        self.value: Any = None


def read(content: bytes, label: str) -> dict[str, Any]:
    """Return the dictionary in a .npy file, of float arrays or of such dictionaries. label: prefix of error messages.

    Executes nothing. Raises LoadError for anything else.
    """
    with told_of(label):
        found = _finished(_interpreted(_pickle_of(content, label), label))
    if not isinstance(found, dict):
        raise LoadError(f"{label} holds a {type(found).__name__}; expected a dictionary of arrays")
    return found


def read_list(content: bytes, label: str) -> list[np.ndarray]:
    """Return the list of float arrays that joblib has pickled and compressed by LZ4. Otherwise as `read`."""
    with told_of(label):
        stream = io.BytesIO(lz4_frame.unpack(content, LARGEST))
        found = _interpreted(stream, label)
        if not isinstance(found, list) or stream.read(1):
            raise ValueError("something else than one list")
        return [_finished(item) for item in found]


@contextmanager
def told_of(label: str, expected: str = EXPECTED) -> Iterator[None]:
    """Turn errors in the content of a file into a LoadError of one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # pickletools warns of escapes that no valid pickle has
            yield
    except LoadError:
        raise
    except NONSENSE as problem:
        told = " ".join(str(problem).split())[:200]
        raise LoadError(f"{label} is damaged ({told or type(problem).__name__}); {expected}") from problem


def _pickle_of(content: bytes, label: str) -> io.BytesIO:
    """Return the stream after the header, which must announce a single object. Raises LoadError."""
    if len(content) > LARGEST:
        raise LoadError(f"{label} has {len(content):,} bytes; expected at most {LARGEST:,}")
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise LoadError(f"{label} is of .npy's version {version}; expected 1.0 or 2.0")
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(file)
    if shape != () or dtype != np.dtype(object):
        raise LoadError(f"{label} holds {dtype} {shape}; expected one object, a dictionary of arrays")
    return file


def _interpreted(pickle: io.BytesIO, label: str) -> Any:
    """Return the value that the opcodes describe, from the position of the stream to STOP."""
    stack: list[Any] = []
    marks: list[int] = []
    memory: dict[int, Any] = {}
    argument: Any
    for opcode, argument, place in pickletools.genops(pickle):
        name = opcode.name
        if name in PUSHES:
            stack.append(PUSHES[name](argument))
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            path = tuple(argument.split(" ")) if name == "GLOBAL" else (stack.pop(-2), stack.pop())
            if path not in CALLABLES:
                raise LoadError(f"{label} names {'.'.join(map(str, path))[:80]!r}; {EXPECTED}, and nothing to be run")
            stack.append(Named(CALLABLES[path]))
        elif name in ("REDUCE", "NEWOBJ", "BUILD"):
            given, target = stack.pop(), stack.pop()
            stack.append(_built(target, given, pickle) if name == "BUILD" else _reduced(target, given))
        elif name == "MARK":
            marks.append(len(stack))
        elif name in ("TUPLE", "LIST", "DICT", "APPENDS", "SETITEMS"):
            first = marks.pop()
            items = stack[first:]
            del stack[first:]
            _put(stack, name, items)
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name in ("APPEND", "SETITEM"):
            count = 1 if name == "APPEND" else 2
            items = stack[-count:]
            del stack[-count:]
            _put(stack, name, items)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memory[len(memory) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memory[argument])
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise LoadError(f"{label} has the opcode {name} at byte {place}; {EXPECTED}, and nothing to be run")
    return stack.pop()  # genops ends behind STOP, and raises if there is none


def _itself(argument: Any) -> Any:
    return argument


TEXT = ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE")
BYTES = ("BINBYTES", "SHORT_BINBYTES")
NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1")
PUSHES: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys((*TEXT, *BYTES, *NUMBERS), _itself),
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_LIST": lambda _: [],
    "EMPTY_DICT": lambda _: {},
}


def _put(stack: list[Any], name: str, items: list[Any]) -> None:
    """Put items into a new container on the stack, or into the one on top of it."""
    if name == "TUPLE":
        stack.append(tuple(items))
    elif name == "LIST":
        stack.append(items)
    elif name in ("APPEND", "APPENDS"):
        if not isinstance(stack[-1], list):
            raise ValueError("what is appended to is not a list")
        stack[-1].extend(items)
    else:
        if name == "DICT":
            stack.append({})
        if not isinstance(stack[-1], dict) or not all(isinstance(key, str) for key in items[::2]):
            raise ValueError("a dictionary's keys are strings")
        stack[-1].update(zip(items[::2], items[1::2], strict=True))


def _reduced(function: Any, arguments: Any) -> Any:
    """Return the result of a call, if it is one of those that build arrays. Raises ValueError if not."""
    role = function.role if isinstance(function, Named) else None
    if role == "announced array" and arguments == ():
        return Described("announced array")
    if role == "empty array" and arguments[0] == Named("array type"):
        return Described("array")
    if role == "dtype" and isinstance(arguments[0], str | bytes):
        return Described("dtype", _text(arguments[0]))
    if role == "bytes":
        text, encoding = arguments
        if encoding in ("latin1", "latin-1") and isinstance(text, str):
            return text.encode("latin-1")
    raise ValueError("a call of what makes no array")


def _built(target: Any, state: Any, pickle: io.BytesIO) -> Any:
    """Return an array or dtype with its state. The numbers of a joblib array follow in the stream."""
    if not isinstance(target, Described):
        raise ValueError("a state for something other than an array")
    if target.role == "dtype":
        order = _text(state[1])
        if order == ">":
            raise ValueError("numbers with the highest byte first")
        return target
    if target.value is not None:
        raise ValueError("an array is described twice")
    if target.role == "announced array":
        shape, dtype, columns_first = state["shape"], state["dtype"], state["order"] == "F"
        if state["numpy_array_alignment_bytes"] is not None:
            pickle.read(*pickle.read(1))  # a byte with the number of padding bytes
        numbers = pickle
    else:
        _, shape, dtype, columns_first, numbers = state
    if not isinstance(dtype, Described) or dtype.role != "dtype":
        raise ValueError("an array without a dtype")
    if not isinstance(shape, tuple) or not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError("an array's shape is not a tuple of lengths")
    if dtype.code in ("O", "O4", "O8"):  # the object array that wraps the file's content
        if shape != () or not isinstance(numbers, list) or len(numbers) != 1:
            raise ValueError("an array of objects")
        target.value = numbers[0]
        return target
    target.value = _array(dtype.code, shape, bool(columns_first), numbers)
    return target


def _array(code: str, shape: tuple[int, ...], columns_first: bool, numbers: Any) -> np.ndarray:
    if not FLOATS.fullmatch(code):
        raise ValueError(f"an array of {code[:20]!r}, which are not floats")
    dtype = np.dtype(code).newbyteorder("<")
    if isinstance(numbers, io.BytesIO):
        numbers = numbers.read(math.prod(shape) * dtype.itemsize)
    raw = numbers.encode("latin-1") if isinstance(numbers, str) else numbers  # Python 2 had no bytes
    if not isinstance(raw, bytes) or len(raw) != math.prod(shape) * dtype.itemsize:
        raise ValueError("an array whose bytes do not fit its shape")
    return np.frombuffer(raw, dtype).reshape(shape, order="F" if columns_first else "C")


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _finished(value: Any) -> Any:
    """Return plain dictionaries and arrays in place of Described ones. Raises ValueError for anything else."""
    if isinstance(value, Described) and value.role in ("array", "announced array"):
        return _finished(value.value)
    if isinstance(value, dict):
        return {key: _finished(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value
    raise ValueError(f"a {type(value).__name__} where an array was expected")
