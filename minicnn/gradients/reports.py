"""The findings of a gradient check, as objects and as text."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from minicnn.gradients.differences import Index, Unsettled
from minicnn.text import WIDTH, wrapped


@dataclass(frozen=True)
class Finding:
    """A pattern in the wrong entries.

    kind: "sign", "ratio", "factor", "instead", "sum", "transpose", "flip", "passed", …, or "unknown". text: a sentence.
    share: the share of the wrong entries that it explains.
    """

    kind: str
    text: str
    share: float = 1.0


@dataclass
class InputReport:
    """The result for one input: the number of checked entries, the wrong ones, and the worst of them."""

    name: str
    shape: tuple[int, ...]
    checked: int = 0
    wrong: list[Index] = field(default_factory=list)
    inconclusive: list[Unsettled] = field(default_factory=list)
    worst: tuple[Index, float, float] | None = None  # index, analytic, numeric
    worst_excess: float = -math.inf
    worst_relative: float = 0.0  # max |analytic − numeric| / max |numeric|
    direction: tuple[float, float] | None = None  # analytic, numeric, along a random direction
    direction_ok: bool = True
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return bool(self.wrong) or not self.direction_ok

    @property
    def ok(self) -> bool:
        return not self.failed and not self.inconclusive

    def summary(self) -> str:
        label = f"{self.name} {self.shape}"
        of = f"{self.checked}" if self.checked == math.prod(self.shape) else f"{self.checked} sampled"
        if self.failed:
            return f"{label}: {len(self.wrong)}/{of} entries wrong"
        if self.inconclusive:
            return f"{label}: {self.checked - len(self.inconclusive)}/{of} ok, {len(self.inconclusive)} inconclusive"
        return f"{label}: {self.checked}/{of} ok"

    def __str__(self) -> str:
        return "\n".join(_within_width([self.summary(), *(f"  {line}" for line in self.details())]))

    def details(self) -> list[str]:
        """Return everything but the summary, one item per line."""
        lines = []
        if self.wrong and self.worst is not None:
            index, analytic, numeric = self.worst
            difference = abs(analytic - numeric)
            relative = difference / max(abs(analytic), abs(numeric), 1e-300)
            lines.append(
                f"worst {self.place(index)}   analytic {analytic:.6g}   numeric {numeric:.6g}  "
                f"abs {difference:.1e}  rel {relative:.1e}"
            )
        if not self.direction_ok and self.direction is not None:
            analytic, numeric = self.direction
            lines.append(f"along a random direction   analytic {analytic:.6g}   numeric {numeric:.6g}")
        lines += [f"pattern: {finding.text}" for finding in self.findings]
        lines += self.notes
        lines += [found.text(self.name) for found in self.inconclusive[:3]]
        if len(self.inconclusive) > 3:
            lines.append(f"and at {len(self.inconclusive) - 3} more")
        return lines

    def place(self, index: Index) -> str:
        return f"{self.name}[{', '.join(map(str, index))}]" if index else self.name


@dataclass
class GradcheckReport:
    """The outcome for every input.

    verdict: "passed", "FAILED", or "inconclusive" if nothing is wrong but differences were inconclusive in places, as
    at a kink. True in a condition only when it passed.
    """

    inputs: list[InputReport]
    eps: float
    dtype: str
    function: str = "f"
    backend: str = ""
    first_bad_backend: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return all(i.ok for i in self.inputs)

    @property
    def failed(self) -> bool:
        return any(i.failed for i in self.inputs)

    @property
    def verdict(self) -> str:
        return "FAILED" if self.failed else "passed" if self.ok else "inconclusive"

    @property
    def findings(self) -> list[Finding]:
        return [finding for found in self.inputs for finding in found.findings]

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        lines = [f"gradcheck {self.verdict} {self.function}   backend {self.backend}  {self.dtype}  eps {self.eps:g}"]
        for found in self.inputs:
            if not found.ok:
                lines += [found.summary(), *(f"  {line}" for line in found.details())]
        lines += _joined([found.summary() for found in self.inputs if found.ok])
        lines += self.notes
        return "\n".join(_within_width([lines[0], *(f"  {line}" for line in lines[1:])]))


def _within_width(lines: list[str]) -> list[str]:
    """Return the lines, with the rest of a long line indented below it."""
    told: list[str] = []
    for line in lines:
        told += wrapped(line, hanging=" " * (len(line) - len(line.lstrip()) + 4)) or [""]
    return told


def _joined(pieces: list[str]) -> list[str]:
    """Wrap items to the line width, less an indentation by two."""
    lines: list[str] = []
    for piece in pieces:
        if lines and len(lines[-1]) + len(piece) + 4 <= WIDTH - 2:
            lines[-1] += f"    {piece}"
        else:
            lines.append(piece)
    return lines
