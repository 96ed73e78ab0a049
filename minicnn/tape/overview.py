"""The table that tape.show() prints."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from minicnn.tape import notation
from minicnn.text import elided, file_size

if TYPE_CHECKING:
    from minicnn.tape.recorder import Recorder, Step

HEAD = ("#", "operation", "shape", "values", "gradient", "called at")
NARROWEST, WIDEST = 80, 160
SHORTEST = 22  # minimum width of an operation, in columns


def table_of(tape: Recorder, first: int = 1, most: int | None = None) -> str:
    """Return the table, one row per operation, with columns as wide as their content needs and the screen allows.

    first: number of the first operation. most: of rows (default: all).
    """
    if not tape.steps:
        return "tape: nothing recorded; run operations inside `with minicnn.record() as tape:`"
    rows = [HEAD, *(_row(step) for step in tape.steps[first - 1 :][:most])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD) - 1)]
    widths[1] = min(widths[1], 44)
    room = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST) - sum(widths) - 2 * len(widths)
    wanted = max(len(row[-1].partition("  ")[0]) for row in rows)
    if room < wanted:  # the calling line matters more than the operation's arguments
        shorter = max(widths[1] - (wanted - room), min(widths[1], SHORTEST))
        room, widths[1] = room + widths[1] - shorter, shorter
    lines = [summary(tape)]
    for row in rows:
        cells = [
            f"{row[0]:>{widths[0]}}",
            *(f"{elided(c, w):<{w}}" for c, w in zip(row[1:], widths[1:], strict=False)),
        ]
        place = row[-1].partition("  ")[0]  # the line's place in the program; its text only if there is room
        lines.append("  ".join([*cells, elided(row[-1], room) if room > len(place) + 8 else place]).rstrip())
    return "\n".join(lines)


def summary(tape: Recorder) -> str:
    """Return one line with the counts, the backend, the time and the memory kept."""
    back = sum(step.backward_moment is not None for step in tape)
    spent = sum(step.milliseconds + step.backward_milliseconds for step in tape)
    arrays = {id(a): a.nbytes for v in tape.values for a in (v.array,)}
    kept = sum(arrays.values()) + sum(s.cotangent.nbytes for s in tape if s.cotangent is not None)
    walked = f"{back} of them walked back" if back else "backward has not run"
    operations = f"{len(tape)} operation{'s' * (len(tape) != 1)}"
    return f"tape: {operations}, {walked} · {tape.backend} · {notation.milliseconds(spent)} · {file_size(kept)} kept"


def _row(step: Step) -> tuple[str, ...]:
    line = step.lines[0] if step.lines else None
    called = f"{line}  {line.text}".rstrip() if line else ""
    gradient = notation.spread(step.cotangent) if step.backward_moment is not None else "·"
    return (
        str(step.number),
        equation(step),
        notation.shape(step.output.array),
        notation.spread(step.output.array),
        gradient,
        called,
    )


def equation(step: Step) -> str:
    """Return the operation as text, such as y = conv(x, w, b)."""
    taken = ", ".join(value.name for value in step.inputs if value.name != "none")
    return f"{step.output.name} = {step.name}({taken})"
