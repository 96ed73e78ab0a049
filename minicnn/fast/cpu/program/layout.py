"""From drafts to steps: every array gets its place.

That is in memory which the arrays before it need no more. An array has a border as wide as anybody reads beyond it;
only arrays of the same form follow each other in one place, so that nobody ever writes there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minicnn.fast.cpu import buffers, program
from minicnn.fast.cpu.program import compiled
from minicnn.fast.cpu.program.drafts import Draft, Room

PIECE = 1 << 18  # multiplications that are worth a thread's coming
MOST_PIECES = 16  # of a step


class Numbers:
    """The panels and biases of all steps in one array, whatever the size of the pictures. places: of both, a step."""

    def __init__(self, drafts: Sequence[Draft], dtype: np.dtype) -> None:
        width = compiled.width(dtype)
        parts: list[np.ndarray] = []
        self.places, size = [], 0
        for draft in drafts:
            self.places.append((size, size))
            if draft.filters:
                w, b = draft.filters()
                panels = program.pack(w, width)
                bias = np.zeros(len(panels) * width, dtype)
                bias[: len(b)] = b
                self.places[-1] = size, size + panels.size
                parts += [panels.reshape(-1), bias]
                size += panels.size + bias.size
        self.array = buffers.aligned((size,), dtype)
        self.nbytes = self.array.nbytes
        np.concatenate(parts, out=self.array)


def lay_out(drafts: Sequence[Draft], end: Room) -> tuple[int, list[Room]]:
    """Give every room its place; the size of the arena, and the rooms."""
    filled = {id(room): True for draft in drafts for room in draft.rooms}
    rooms: dict[int, Room] = {}
    for i, draft in enumerate(drafts):
        if draft.window.output != draft.target.room.shape[1:3]:  # it counts on zeros in the room itself
            filled[id(draft.target.room)] = False
        for room in draft.rooms:
            rooms[id(room)], room.last = room, i
    end.last = len(drafts)
    size, placed = 0, set()
    lots: dict[tuple, list[Room]] = {}  # places by the form of the rooms that may stand there; who did last
    for i, draft in enumerate(drafts):
        for room in draft.rooms:
            if id(room) in placed:
                continue
            placed.add(id(room))
            lot = lots.setdefault((room.form, room.beyond or 0.0), []) if filled[id(room)] else []
            gone = next((other for other in lot if other.last < i), None)
            if gone is None:
                room.first, size = size, size + -(-math.prod(room.form) // buffers.LINE) * buffers.LINE
            else:
                lot.remove(gone)
                room.first = gone.first
            lot.append(room)
    return size, list(rooms.values())


def step(draft: Draft, panels: int, bias: int) -> tuple[int, ...]:
    """The fields of program.STEP."""
    window, source, target, added = draft.window, draft.source, draft.target, draft.added
    pixel = source.room.shape[3]
    line = source.room.form[2] * pixel
    down, across, depth = *window.size, source.channels
    down_step, across_step = window.dilation[0] * line, window.dilation[1] * pixel
    if draft.filters and across_step == depth:  # taps side by side are one run
        across, depth = 1, across * depth
    corner = -window.before[0], -window.before[1]
    return (
        draft.kind,
        *_pieces(draft),
        *(target.room.shape[0], *window.output),
        *source.room.places(corner, window.stride, source.channel),
        *target.room.places(target.at, (1, 1), target.channel),
        *(added.room.places((0, 0), (1, 1), added.channel) if added else (-1, 0, 0, 0)),
        *(down, down_step, across, across_step, depth),
        *(target.channels, panels, bias, draft.relu),
    )


def _pieces(draft: Draft) -> tuple[int, int]:
    """Into how many parts the outputs are cut, and the filters: what is more to read is not read by everybody."""
    pieces = max(1, min(MOST_PIECES, draft.multiplications // PIECE))
    if draft.weights > draft.outputs * draft.source.channels:
        return 1, pieces
    return pieces, 1
