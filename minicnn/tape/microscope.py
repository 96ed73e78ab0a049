"""The tape as its user holds it: a recorder, and every way to look at what it has recorded.

The ways to look are imported when they are asked for: whoever only records waits for none of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minicnn.tape.recorder import MOST, Recorder
from minicnn.tensor import Tensor


class Tape(Recorder):
    """What ran inside `with minicnn.record() as tape:`, in order, also what another tape in there recorded. `steps` are
    the operations; `moments` all that happened, (step, whether it was its backward).
    """

    def show(self) -> None:
        """Print a table of the operations: shapes, values, gradients, and the line that called each."""
        print(self)

    def __str__(self) -> str:
        from minicnn.tape.overview import table_of

        return table_of(self)

    def step(self) -> None:
        """Step through the tape in the terminal; `help` there tells the commands."""
        from minicnn.tape.stepper import Stepper

        Stepper(self).cmdloop()

    def why(self, tensor: Tensor | str, index: Any) -> Any:
        """An Explanation of one element of a gradient: the products whose sum it is, largest first.

        tensor: a Tensor that an operation on this tape took or gave, or its name. index: of one element.
        """
        from minicnn.tape.explanation import explain

        return explain(self, tensor, index)

    def pixel(self, tensor: Tensor | str, index: Any) -> Any:
        """One element of a convolution's output, every way it is computed: by loops, as a row and a column of im2col,
        and where the compiled kernels put it.
        """
        from minicnn.tape.pixels import pixel_of

        return pixel_of(self, tensor, index)

    def html(self) -> str:
        """The page: one file that needs nothing else, not even a network."""
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
    """A Tape, which records inside `with minicnn.record() as tape:`; a backward afterwards is recorded, too.

    backend: whose kernels run inside; "numpy" is the one to read and to step into, None the one in use.
    Convolutions run one thing after the other there: products, ReLU, pooling.
    most: how many operations the tape takes; one more raises InputError.
    """
    return Tape(backend, most)
