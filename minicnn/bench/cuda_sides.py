"""Common parts of the measurements on a GPU: PyTorch with tensors there, sides that synchronize, and the limits."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from minicnn import backend, devices
from minicnn.bench.plan import Plan
from minicnn.bench.report import Row
from minicnn.bench.turns import Side, compare

PRECISIONS = {"float32": False, "TF32": True}  # True if PyTorch may round factors to TF32, its default for convolutions


def simulated() -> bool:
    """Return True if the GPU is Numba's simulator, which is measured at tiny sizes only."""
    return backend.ask("simulated", otherwise=False)


@dataclass(frozen=True)
class PlacedTorch:
    """PyTorch with new tensors on the GPU, or on the host if the GPU is simulated."""

    torch: ModuleType
    place: str

    def __getattr__(self, name: str) -> Any:
        if name in ("zeros", "empty", "rand", "tensor", "full"):
            return functools.partial(getattr(self.torch, name), device=self.place)
        return getattr(self.torch, name)

    def from_numpy(self, array: np.ndarray) -> Any:
        """Return a tensor on the GPU."""
        return self.torch.from_numpy(array).to(self.place)

    def run(self, call: Callable[..., Any], tf32: bool) -> Callable[..., None]:
        """Return the call with TF32 allowed or not, followed by synchronization with the GPU."""

        def run(*arguments: Any) -> None:
            self.torch.backends.cudnn.allow_tf32 = self.torch.backends.cuda.matmul.allow_tf32 = tf32
            call(*arguments)
            if self.place == "cuda":
                self.torch.cuda.synchronize()

        return run


def placed(torch: ModuleType | None) -> PlacedTorch | None:
    """Return PyTorch on the GPU; None if it is not installed or was built without CUDA."""
    if torch is None or not (simulated() or torch.cuda.is_available()):
        return None
    return PlacedTorch(torch, "cpu" if simulated() else "cuda")


def waiting(call: Callable[..., Any]) -> Callable[..., None]:
    """Return the call, followed by synchronization with the GPU."""

    def run(*arguments: Any) -> None:
        call(*arguments)
        devices.synchronize()

    return run


def compare_there(
    plan: Plan, name: str, ours: Side, theirs: Callable[[PlacedTorch], Side], precision: str, **options: Any
) -> Row:
    """Return the Row of compare() on the GPU.

    theirs(torch): PyTorch's side. precision: a key of PRECISIONS. options: as in compare().
    """
    torch = placed(plan.torch)
    side = None
    if torch:
        side = theirs(torch)
        side = Side(torch.run(side.run, PRECISIONS[precision]), side.prepare)
    return compare(plan, f"{name}, {precision}", Side(waiting(ours.run), ours.prepare), side, **options)


def there(*shape: int, seed: int = 0) -> Any:
    """Return normal random numbers, float32, on the GPU."""
    return devices.move(np.random.default_rng(seed).standard_normal(shape, np.float32), "cuda")


def product(plan: Plan) -> Row:
    """Measure a product of two square float32 matrices by CuPy, in GFLOP/s: the limit of convolutions by a product."""
    size = 8 if simulated() else 1024 if plan.quick else 8192

    def measure() -> Row:
        a, b = there(size, size), there(size, size, seed=1)

        def theirs(torch: PlacedTorch) -> Side:
            x, y = (torch.from_numpy(devices.to_host(array)) for array in (a, b))
            return Side(lambda: torch.mm(x, y))

        ours = Side(lambda: a @ b)
        return compare_there(plan, f"product {size}²", ours, theirs, "float32", unit="GFLOP/s", amount=2 * size**3)

    return plan.once("cuda product", measure)


def copying(plan: Plan) -> Row:
    """Measure a copy of one large array, in GB/s of reading and writing: the limit of memory-bound operations."""
    count = 64 if simulated() else (32 if plan.quick else 512) << 20

    def measure() -> Row:
        source = there(count)
        target = np.empty_like(source)

        def theirs(torch: PlacedTorch) -> Side:
            a, b = torch.from_numpy(devices.to_host(source)), torch.zeros(count)
            return Side(lambda: b.copy_(a))

        ours = Side(lambda: np.copyto(target, source))
        amount = 2 * source.nbytes
        return compare_there(plan, f"copy {count >> 18} MiB", ours, theirs, "float32", unit="GB/s", amount=amount)

    return plan.once("cuda copying", measure)
