"""The tape as users hold it: a recorder with every way to look at what it has recorded.

Each of these is imported only when it is called, so that recording alone stays fast to import.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minicnn.tape.recorder import MOST, Recorder
from minicnn.tensor import Tensor


class Tape(Recorder):
    """The operations inside `with minicnn.record() as tape:`, in order, also those of a tape nested in it.

    steps: the operations. moments: all events as (step, True for its backward).
    """

    def show(self) -> None:
        """Print a table of the operations: shapes, values, gradients, and the line that called each."""
        print(self)

    def __str__(self) -> str:
        from minicnn.tape.overview import table_of

        return table_of(self)

    def step(self) -> None:
        """Step through the tape in the terminal; `help` lists the commands."""
        from minicnn.tape.stepper import Stepper

        Stepper(self).cmdloop()

    def why(self, tensor: Tensor | str, index: Any) -> Any:
        """Return an Explanation of one element of a gradient: the products whose sum it is, largest first.

        tensor: a Tensor that an operation on this tape took or gave, or its name. index: index of one element.
        """
        from minicnn.tape.explanation import explain

        return explain(self, tensor, index)

    def pixel(self, tensor: Tensor | str, index: Any) -> Any:
        """Return one element of a convolution's output, every way it is computed.

        These are the loops, a row and a column of im2col, and its place in the compiled kernels.
        """
        from minicnn.tape.pixels import pixel_of

        return pixel_of(self, tensor, index)

    def compare(self, other: Any, *, names: tuple[str, str] = ("mine", "theirs"), tolerance: float = 1e-5) -> Any:
        """Return a Comparison with another program: the first operation at which they part, and how far.

        other: a Tape, or the last result of another engine: an object with data, parents and grad. names: names of
        the programs for the text. tolerance: maximum difference of an element, relative to the largest of its array.
        """
        from minicnn.tape.divergence import compare

        return compare(self, other, names=names, tolerance=tolerance)

    def html(self) -> str:
        """Return the page: one HTML file that needs no other file and no network."""
        from minicnn.tape.page import page_of

        return page_of(self)

    def save_html(self, path: str | Path) -> None:
        """Write the page, to be opened in any browser. The keys ← and → step through it."""
        from minicnn.tape.page import save

        save(self, Path(path))

    def _repr_html_(self) -> str:
        from minicnn.tape.page import for_notebook

        return for_notebook(self)


def record(*, backend: str | None = "numpy", most: int = MOST) -> Tape:
    """Return a Tape, which records inside `with minicnn.record() as tape:` and also a backward after it.

    backend: its kernels run inside; "numpy" is the one to read and to step into, None the one in use.
    Convolutions are not fused there: products, ReLU and pooling run one after the other.
    most: maximum number of operations; one more raises InputError.
    """
    return Tape(backend, most)
