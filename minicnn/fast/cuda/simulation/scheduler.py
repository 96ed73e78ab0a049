"""The scheduler of a simulated block, which runs threads one at a time, from barrier to barrier.

Numba's simulator starts a Python thread for each, which is slow and not reproducible. Here a kernel becomes a generator
that yields at each barrier. All threads of a block run to their first barrier in sequence, then to the next. Shared
memory is initialized to NaN in every block.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import textwrap
import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from numba.core.types import Type
from numba.cuda.simulator import kernel as simulator
from numba.cuda.simulator import kernelapi
from numba.np.numpy_support import as_dtype

from minicnn.fast.cuda.simulation import threads
from minicnn.fast.cuda.simulation.threads import Race

ATOMIC = ("add", "sub", "and_", "or_", "xor", "inc", "dec", "exch", "max", "min", "nanmax", "nanmin")


def take_over() -> None:
    """Replace the scheduler of Numba's simulator."""
    simulator.BlockManager = Block
    kernelapi.FakeCUDAShared.array = _shared_array
    for name in ATOMIC:
        setattr(kernelapi.FakeCUDAAtomic, name, _atomically(getattr(kernelapi.FakeCUDAAtomic, name)))


class Block:
    """One block of a launch, with the interface of the simulator: created and run once per block."""

    def __init__(self, function: Callable, grid: tuple, block: tuple, debug: bool) -> None:
        self.function, self.shape = function, block
        self.phase = 0  # barriers passed
        self.launch = simulator._get_kernel_context()
        if not hasattr(self.launch, "blocks"):  # the first block of this launch
            self.launch.blocks = list(np.ndindex(*grid))[::-1]  # taken from the end
            self.launch.watched = {}
            if threads.order:
                threads.order.shuffle(self.launch.blocks)

    def run(self, _: tuple, *arguments: Any) -> None:
        """Run the next block of the launch, in the order that was drawn."""
        self.place = self.launch.blocks.pop()
        self.launch.running = self
        self.launch.shared._allocations.clear()
        arguments = tuple(self._bare(i, argument) for i, argument in enumerate(arguments))
        kernel = _in_turns(self.function)
        here: Any = threading.current_thread()  # the simulator reads the current thread and block from it
        here.blockIdx = simulator.Dim3(*self.place)
        alive = [(point, simulator.Dim3(*point), kernel(*arguments)) for point in np.ndindex(*self.shape)]
        while alive:
            if threads.order:
                threads.order.shuffle(alive)
            waiting = []
            for thread in alive:
                here.place, here.threadIdx, steps = thread
                if next(steps, "done") != "done":
                    waiting.append(thread)
            if waiting and len(waiting) < len(alive):
                name = self.function.__name__
                raise Race(f"{name}: some threads of a block wait at a barrier that others never reach")
            alive = waiting
            self.phase += 1

    def _bare(self, number: int, argument: Any) -> Any:
        """Return a kernel's argument without the simulator's wrapper, and watched if requested."""
        if not isinstance(argument, simulator.FakeWithinKernelCUDAArray):
            return argument
        array = argument.__dict__["_item"]._ary
        if not threads.watching:
            return array
        known = self.launch.watched
        if number not in known:
            known[number] = Watched(array, f"argument {number}", self.launch)
        return known[number]


@functools.cache
def _in_turns(function: Callable) -> Callable:
    """Return the kernel as a generator that yields at each cuda.syncthreads(), with its names and line numbers."""
    if function.__closure__:  # recompiled code could not access these
        raise TypeError(f"{function.__name__}: a simulated kernel stands at the top of its file, not in a function")
    lines, first = inspect.getsourcelines(function)
    tree = ast.parse(textwrap.dedent("".join(lines)))
    ast.increment_lineno(tree, first - 1)
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.decorator_list = []
    definition = _Yields().visit(definition)
    definition.body.append(ast.parse("if False: yield").body[0])  # make it a generator even without barriers
    code = compile(ast.fix_missing_locations(tree), function.__code__.co_filename, "exec")
    compiled = next(constant for constant in code.co_consts if inspect.iscode(constant))
    return FunctionType(compiled, function.__globals__, function.__name__)


class _Yields(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if ast.unparse(node) == "cuda.syncthreads()":
            return ast.copy_location(ast.Expr(ast.Yield()), node)
        return node


class Touch(NamedTuple):
    """A record of an access to an element, by a thread after some barriers. atomic: part of an atomic operation."""

    block: tuple
    phase: int
    thread: Any
    atomic: bool

    def may_meet(self, other: Touch) -> bool:
        """Return True if two accesses are unordered: of two blocks, or of two threads without a barrier between them.

        Two atomic accesses count as ordered.
        """
        if (self.block, self.thread) == (other.block, other.thread) or (self.atomic and other.atomic):
            return False
        return self.block != other.block or self.phase == other.phase


class Watched:
    """An array that records every access to its elements."""

    atomic = False  # True during an atomic operation

    def __init__(self, array: np.ndarray, name: str, launch: Any) -> None:
        self.array, self.name, self.launch = array, name, launch
        self.shape, self.size, self.ndim, self.dtype = array.shape, array.size, array.ndim, array.dtype
        self.writes: dict[Any, set[Touch]] = {}  # the last write, and others unordered with it
        self.reads: dict[Any, set[Touch]] = {}

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: Any) -> Any:
        me = self._who(index)
        for writer in self.writes.get(index, ()):
            self._compare(index, writer, me, "writes", "reads")
        self.reads.setdefault(index, set()).add(me)
        return self.array[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        me = self._who(index)
        writers = self.writes.get(index, set())
        for writer in writers:
            self._compare(index, writer, me, "writes", "writes")
        for reader in self.reads.pop(index, ()):
            self._compare(index, reader, me, "reads", "writes")
        self.writes[index] = {me} | {writer for writer in writers if me.atomic and writer.atomic}
        self.array[index] = value

    def _who(self, index: Any) -> Touch:
        indices = index if isinstance(index, tuple) else (index,)
        if len(indices) != self.ndim or any(i < 0 for i in indices):
            raise IndexError(f"{self.name} of shape {self.shape} was asked for [{index}]")
        block = self.launch.running
        place = threading.current_thread().place  # type: ignore[attr-defined]
        return Touch(block.place, block.phase, place, Watched.atomic)

    def _compare(self, index: Any, one: Touch, other: Touch, did: str, does: str) -> None:
        if one.may_meet(other):
            raise Race(
                f"{self.name}[{index}]: thread {one.thread} of block {one.block} {did} it and thread {other.thread} of "
                f"block {other.block} {does} it, with no barrier between"
            )


def _atomically(operation: Callable) -> Callable:
    """Return an operation whose accesses are recorded as atomic."""

    @functools.wraps(operation)
    def apply(*arguments: Any) -> Any:
        Watched.atomic = True
        try:
            return operation(*arguments)
        finally:
            Watched.atomic = False

    return apply


def _shared_array(self: Any, shape: Any, dtype: Any) -> Any:
    """Return cuda.shared.array: one array per line of source, as in Numba's simulator, but always initialized."""
    line = sys._getframe(1).f_code.co_filename, sys._getframe(1).f_lineno
    if line not in self._allocations:
        dtype = as_dtype(dtype) if isinstance(dtype, Type) else np.dtype(dtype)
        array = np.full(shape, np.nan if dtype.kind == "f" else np.iinfo(dtype).max, dtype)
        launch = simulator._get_kernel_context()
        self._allocations[line] = Watched(array, "shared memory", launch) if threads.watching else array
    return self._allocations[line]
