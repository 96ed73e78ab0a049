"""Which implementation of a kernel runs, on how many threads, and the hold on BLAS while those threads work."""

from __future__ import annotations

import atexit
import contextvars
import functools
import importlib
import importlib.util
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from minicnn import devices
from minicnn.errors import InputError

BACKENDS = ("numpy", "numba")  # of host arrays

_chosen: contextvars.ContextVar[str] = contextvars.ContextVar("backend", default="numba")


class use_backend:
    """Choose the kernels for host arrays: "numpy" (readable, the definition) or "numba" (fast, the default).

    "cuda": new Tensors live on the GPU; host arrays that are there already are computed by "numba". What lives on a GPU
    is computed there whatever is chosen. Raises InputError, with what is missing, where no GPU can be used.
    A plain call switches from here on; `with use_backend("numpy"):` switches back at the end of the block.
    The choice belongs to the current thread (a ContextVar).
    """

    def __init__(self, name: str) -> None:
        if name not in (*BACKENDS, "cuda"):
            raise InputError(f"use_backend: name is {name!r}; expected one of {', '.join((*BACKENDS, 'cuda'))}")
        if name == "cuda":
            devices.check_device("cuda")
        self._token = _chosen.set(name)

    def __enter__(self) -> use_backend:
        return self

    def __exit__(self, *_: object) -> None:
        _chosen.reset(self._token)


def current_backend() -> str:
    """The name of the backend that was chosen last: it says how host arrays are computed, and where Tensors begin."""
    return _chosen.get()


def new_device() -> str:
    """Where new Tensors live."""
    return "cuda" if _chosen.get() == "cuda" else "cpu"


def implementation(package: str, array: np.ndarray) -> ModuleType:
    """The module of `package` (minicnn.kernels.conv, …) that computes on `array`: the one choice, made here.

    Compiled kernels exist for float32 and float64; every other dtype takes the definition. So does, on a GPU, what has
    no kernel there: NumPy's functions dispatch on CuPy's arrays.
    """
    compiled = array.dtype in (np.float32, np.float64)
    if devices.device_of(array) == "cuda":
        return _load(package, "cuda" if compiled and _exists(f"{package}.on_cuda") else "numpy")
    name = _chosen.get()
    return _load(package, ("numba" if name == "cuda" else name) if compiled else "numpy")


@functools.cache
def _exists(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@functools.cache
def _load(package: str, name: str) -> ModuleType:
    module = f"{package}.on_{name}"
    try:
        return importlib.import_module(module)
    except RuntimeError as problem:  # Numba can write neither beside the source nor below the user's home
        if "no locator available" not in str(problem):
            raise
        _cache_until_the_end()
        return importlib.import_module(module)


def _cache_until_the_end() -> None:
    """Give Numba's disk cache a folder that lives as long as the process. Numba unpickles what it finds in its cache,
    so a lasting folder among the temporary ones, where anybody may have been before us, is out of the question.
    """
    import shutil
    import tempfile

    from numba import config

    try:
        folder = tempfile.mkdtemp(prefix="minicnn-")
    except OSError as problem:
        raise InputError(
            f"numba: no folder to keep compiled kernels in ({problem}); "
            'name one in NUMBA_CACHE_DIR, or choose use_backend("numpy")'
        ) from None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    config.CACHE_DIR = folder  # type: ignore[attr-defined]


def compiled_before() -> bool:
    """Whether Numba's disk cache holds the convolution kernels, so that a first use need not compile them."""
    kernel = _load("minicnn.kernels.conv", "numba")._forward_range
    folder = Path(kernel.stats.cache_path)
    return any(folder.glob("on_numba._forward_range*.nbi"))


# --- threads ---------------------------------------------------------------------------------------------------


def _available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # a container may grant fewer cores than the machine has
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Threads:
    """The process's pool of threads, built at the first use and again after a fork."""

    def __init__(self) -> None:
        self.count = _available_cores()
        self.reset()

    def reset(self) -> None:
        self.lock = threading.Lock()
        self.pool: ThreadPoolExecutor | None = None

    def resize(self, count: int) -> None:
        with self.lock:
            old, self.pool, self.count = self.pool, None, count
        if old is not None:
            old.shutdown(wait=False)

    def map(self, call: Callable[[tuple], Any], pieces: Sequence[tuple]) -> None:
        """Call it with every piece: the caller and the pool's threads take one after the other until none is left.

        Handing a thread one thing to do takes as long as a hundred thousand multiplications, so that is done once.
        """
        left = deque((call, piece) for piece in pieces)

        def work() -> None:
            while left:
                try:
                    call, piece = left.popleft()
                except IndexError:  # another thread was faster
                    return
                call(piece)

        with self.lock:  # submitting under the lock, so that a resize never closes a pool in mid-submission
            if self.pool is None:
                self.pool = ThreadPoolExecutor(max(1, self.count - 1), thread_name_prefix="minicnn")
            helpers = [self.pool.submit(work) for _ in range(min(self.count, len(pieces)) - 1)]
        try:
            work()
        finally:  # nobody is at work any more when the caller goes on, whatever happens
            begun = [helper for helper in helpers if left or not helper.cancel()]
            errors = [error for helper in begun if (error := helper.exception())]
        if errors:
            raise errors[0]


_threads = _Threads()


def set_threads(count: int) -> None:
    """Use `count` threads for the compiled kernels (default: every core this process may use).

    Results do not depend on it: work is split by its shape alone, and sums are added in a fixed order.
    """
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise InputError(f"set_threads: count is {count!r}; expected an integer of at least 1")
    _threads.resize(count)


def threads() -> int:
    """The number of threads that the compiled kernels use."""
    return _threads.count


def split(count: int, *, least: int = 1, most: int = 16) -> list[tuple[int, int]]:
    """Cut range(count) into at most `most` even pieces of about `least` or more: by shape, never by threads."""
    pieces = max(1, min(most, count // max(least, 1)))
    edges = [count * i // pieces for i in range(pieces + 1)]
    return list(itertools.pairwise(edges))


def parallel(kernel: Callable, pieces: Sequence[tuple], *arguments: Any) -> None:
    """Call kernel(*piece, *arguments) for every piece, over the threads; the kernels release the GIL."""
    if len(pieces) == 1 or _threads.count == 1:
        for piece in pieces:
            kernel(*piece, *arguments)
    else:
        _threads.map(lambda piece: kernel(*piece, *arguments), pieces)


def parallel_with_blas(kernel: Callable, pieces: Sequence[tuple], *arguments: Any) -> None:
    """The same for kernels that call BLAS, which would otherwise start threads of its own in each of ours."""
    with blas_on_one_thread:
        parallel(kernel, pieces, *arguments)


def constant(array: np.ndarray) -> np.ndarray:
    """A contiguous, read-only view (a copy if need be) of a kernel's input. Numba compiles anew for arrays that may be
    written and for those that may not: so that frozen ones cost no compilation of their own, no kernel sees the former.
    """
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


class _BlasHold:
    """Holds BLAS to one thread while any of our kernels runs.

    One counted hold for the process: two overlapping threadpoolctl limits would restore each other's limit and
    leave BLAS at one thread for good. The first in sets the limit, the last out restores it.
    """

    def __init__(self) -> None:
        self._libraries: list[Any] | None = None
        self.reset()

    def reset(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._before: list[tuple[Any, int]] = []  # each library and its number of threads

    def __enter__(self) -> None:
        with self._lock:
            if self._holders == 0:
                self._before = [(library, library.num_threads) for library in self._blas()]
                for library, _ in self._before:
                    _set_blas_threads(library, 1)
            self._holders += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                self.restore()

    def restore(self) -> None:
        for library, count in self._before:
            _set_blas_threads(library, count)

    def _blas(self) -> list[Any]:
        if self._libraries is None:  # it scans the process's libraries: once, with both BLAS libraries loaded
            import scipy.linalg.cython_blas  # noqa: F401  (the BLAS that compiled kernels call)
            from threadpoolctl import ThreadpoolController

            found = ThreadpoolController().select(user_api="blas").lib_controllers
            self._libraries = [library for library in found if library.num_threads is not None]
        return self._libraries


def _set_blas_threads(library: Any, count: int) -> None:
    """Set it, whichever thread asks: threadpoolctl 3.8 would listen only to the thread that was the first to ask."""
    forget_who_asked = getattr(library, "clear_controlling_thread", lambda force: None)
    forget_who_asked(force=True)
    library.set_num_threads(count)
    forget_who_asked(force=True)


blas_on_one_thread = _BlasHold()


def _after_fork() -> None:
    """A child has neither its parent's threads nor the owners of its locks."""
    _threads.reset()
    if blas_on_one_thread._holders:
        blas_on_one_thread.restore()
    blas_on_one_thread.reset()


if hasattr(os, "register_at_fork"):  # there is no fork on Windows
    os.register_at_fork(after_in_child=_after_fork)
