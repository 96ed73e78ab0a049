"""The results of the benchmarks: rows, and the file that keeps them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from minicnn.errors import InputError, MissingFileError
from minicnn.files import replace_file, unreadable

FORMAT = "minicnn-bench-1"


@dataclass(frozen=True)
class Row:
    """One measurement. minicnn, pytorch: medians, in `unit`; None if it could not be measured.

    ratio: the median over the rounds; for speed, times as fast as PyTorch, for memory, times as much.
    details: further values. `minicnn_raw` and `pytorch_raw` are the values of each round, and `of_limit` the share of
    this machine's limit.
    """

    name: str
    unit: str
    minicnn: float | None
    pytorch: float | None = None
    ratio: float | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass
class Table:
    """The rows of one section.

    compared: the meaning of `ratio`. limit: the reference of `of_limit`, or ""; "spread" if the last column shows the
    smallest and the largest ratio instead.
    rival: the competitor, if not PyTorch; its figures are in the same fields of a Row.
    """

    title: str
    compared: str = "as fast"
    limit: str = ""
    rows: list[Row] = field(default_factory=list)
    rival: str = "PyTorch"


@dataclass
class Report:
    """The results of one run. conditions: settings and machine. complete: True if it ran to its end."""

    date: str
    machine: dict[str, Any]
    conditions: dict[str, Any]
    tables: dict[str, Table] = field(default_factory=dict)
    complete: bool = False

    def write(self, path: Path) -> None:
        """Write the report as JSON, atomically."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"
        try:
            replace_file(path, text)
        except OSError as problem:
            raise InputError(f"bench: out {str(path)!r} cannot be written ({problem.strerror})") from None

    @classmethod
    def read(cls, path: Path) -> Report:
        """Return the report that write() wrote. Raise InputError for anything else."""
        if why := unreadable(path):
            raise MissingFileError(f"bench: no file {str(path)!r} (it {why}); `minicnn bench --out FILE` writes one")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("format") != FORMAT:
                raise ValueError
            tables = {
                name: Table(**{**table, "rows": [Row(**row) for row in table["rows"]]})
                for name, table in content.pop("tables").items()
            }
            return cls(**content, tables=tables)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise InputError(f"bench: {str(path)!r} is not a file that `minicnn bench --out` wrote") from None
