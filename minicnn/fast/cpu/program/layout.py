"""The layout of a program: positions of all arrays in the arena, and the steps.

Arrays reuse memory that earlier ones no longer need. An array has a border as wide as windows reach outside it. Only
arrays of the same shape and border reuse such memory, so that borders are never overwritten.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from minicnn.fast.cpu import buffers, program
from minicnn.fast.cpu.program import compiled
from minicnn.fast.cpu.program.drafts import Draft, Room, View
from minicnn.fast.cpu.winograd import OUTPUT, tiles_along
from minicnn.fast.cpu.winograd.filters import transform

PIECE = 1 << 18  # minimum number of multiplications per piece
MOST_PIECES = 16  # most pieces per step


class Numbers:
    """The panels and biases of all layers in one array. They do not depend on the pictures."""

    def __init__(self, drafts: Sequence[Draft], dtype: np.dtype) -> None:
        parts: list[np.ndarray] = []
        # Per layer: positions of its panels, of its bias and of as many zeros, and the distance between two U[ξ].
        self._places: list[tuple[int, int, int, int]] = []
        size = 0
        for draft in drafts:
            if draft.filters is None or draft.layer != len(self._places):
                continue
            w, b = draft.filters()
            width = compiled.width(dtype)
            panels = program.pack(w, width) if not draft.products else transform(w)
            biases = np.zeros((2, -(-w.shape[-1] // width) * width), dtype)
            biases[0, : len(b)] = b
            parts += [panels.reshape(-1), biases.reshape(-1)]
            behind = size + panels.size
            self._places.append((size, behind, behind + biases.shape[1], panels.size // 36))
            size = behind + biases.size
        self.array = buffers.aligned((size,), dtype)
        self.nbytes = self.array.nbytes
        np.concatenate(parts, out=self.array)

    def places(self, draft: Draft) -> tuple[int, int, int]:
        """Return the positions of a step's panels and bias, and the distance between the panels of two images."""
        if draft.layer is None:
            return 0, 0, 0
        panels, bias, zeros, plane = self._places[draft.layer]
        return (panels, zeros, plane) if draft.products else (panels, bias, 0)


def lay_out(drafts: Sequence[Draft], end: Room) -> tuple[int, list[Room]]:
    """Assign every room its position. Return the size of the arena, and the rooms."""
    rooms: dict[int, Room] = {}
    for i, draft in enumerate(drafts):
        for room in draft.rooms:
            rooms[id(room)], room.last = room, i
    end.last = len(drafts)
    size, placed = 0, set()
    lots: dict[
        tuple, list[tuple[int, Room]]
    ] = {}  # positions, sizes and last users, by the kind of array that may reuse them
    for i, draft in enumerate(drafts):
        for room in draft.rooms:
            if id(room) in placed:
                continue
            placed.add(id(room))
            needed = -(-math.prod(room.form) // buffers.LINE) * buffers.LINE
            kind = (room.shape, room.border, room.beyond) if room.border else ()  # a border is never overwritten
            lot = [] if room.partial else lots.setdefault(kind, [])
            gone = min(
                ((large, k) for k, (large, other) in enumerate(lot) if other.last < i and large >= needed), default=None
            )
            if gone is None:
                room.first, size = size, size + needed
                lot.append((needed, room))
            else:
                large, k = gone
                room.first, room.after = lot[k][1].first, lot[k][1].last + 1
                lot[k] = large, room
    return size, list(rooms.values())


def after(drafts: Sequence[Draft]) -> list[int]:
    """Return for each step the number of first steps that must be done before it begins.

    They are those that write its inputs, and those that use the previous contents of its output. Rooms must have their
    positions.
    """
    written: dict[int, int] = {}
    found = []
    for i, draft in enumerate(drafts):
        *read, target = (view.room for view in (draft.source, draft.added, draft.target) if view)
        found.append(max(target.after, *(written.get(id(room), 0) for room in read)))
        written[id(target)] = i + 1
    return found


def step(draft: Draft, panels: int, bias: int, plane: int, after: int) -> tuple[int, ...]:
    """Return the fields of program.STEP for a draft."""
    if draft.kind in (program.INTO_TILES, program.OUT_OF_TILES):
        return _tiles(draft, bias, after)
    window, source, target, added = draft.window, draft.source, draft.target, draft.added
    pixel = source.room.shape[3]
    line = source.room.form[2] * pixel
    down, across, depth = *window.size, source.channels
    down_step, across_step = window.dilation[0] * line, window.dilation[1] * pixel
    if draft.filters and across_step == depth:  # adjacent taps are one run
        across, depth = 1, across * depth
    return (
        draft.kind,
        *_pieces(draft),
        *(target.room.shape[0], *window.output),
        *source.room.places(_corner(draft), window.stride, source.channel),
        *target.room.places(target.at, (1, 1), target.channel),
        *(added.room.places((0, 0), (1, 1), added.channel) if added else (-1, 0, 0, 0)),
        *(down, down_step, across, across_step, depth),
        *(target.channels, panels, bias, draft.relu, plane, after),
    )


def _tiles(draft: Draft, bias: int, after: int) -> tuple[int, ...]:
    """Return the fields of a step between pixels and tiles."""
    into = draft.kind == program.INTO_TILES
    pixels, tiles = (draft.source, draft.target) if into else (draft.target, draft.source)
    height, width = (tiles_along(length) for length in draft.window.output)
    depth, stride = tiles.channels, (OUTPUT, OUTPUT)
    corner = _corner(draft) if into else pixels.at
    image, count = draft.images or (0, pixels.room.shape[0])

    def from_image(view: View, at: tuple[int, int]) -> tuple[int, ...]:
        first, *steps = view.room.places(at, stride, view.channel)
        return first + image * steps[0], *steps

    places = [from_image(pixels, corner), (tiles.room.first, height * width * depth, width * depth, depth)]
    pixel = pixels.room.shape[3]
    return (
        draft.kind,
        *_pieces(draft),
        *(count, height, width),
        *itertools.chain(*(places if into else places[::-1])),
        *(from_image(draft.added, (0, 0)) if draft.added else (-1, 0, 0, 0)),
        *(draft.window.output[0], pixels.room.form[2] * pixel, draft.window.output[1], pixel, depth),
        *(depth, 0, bias, draft.relu, tiles.room.shape[2] * depth, after),
    )


def _corner(draft: Draft) -> tuple[int, int]:
    """Return the first pixel that a step reads."""
    (top, left), (above, before) = draft.source.at, draft.window.before
    return top - above, left - before


def _pieces(draft: Draft) -> tuple[int, int]:
    """Return the numbers of parts of the outputs and of the filters. The larger input is split, not shared."""
    pieces = max(1, min(MOST_PIECES, draft.multiplications // PIECE))
    pieces = 1 << (pieces - 1).bit_length()  # a power of two, so that two or four threads are done at the same time
    weights = draft.weights * (draft.source.room.shape[0] if draft.products else 1)
    if draft.kind == program.CONVOLVE and weights > draft.outputs * draft.source.channels:
        return 1, pieces
    return pieces, 1
