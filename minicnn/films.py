"""Films, read frame by frame by PyAV, which pip install '.[film]' installs. Nothing is written to disk.

>>> from minicnn import films
>>> for time, picture in films.Film("party.mp4", every=5):  # "0:01.20", float32 (H, W, 3) in [0, 1]
...     ...
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minicnn import images
from minicnn.errors import InputError, MissingFileError, check_count
from minicnn.files import MISSING, unreadable
from minicnn.text import one_line

INSTALL = "pip install '.[film]'"
EXPECTED = "expected a film, such as MP4, MKV or WebM"


class Film:
    """The frames of a film: pairs of a time and a picture, upright, (height, width, 3) float32 in [0, 1].

    One frame is in memory at a time. every: n, to use every n-th frame. `len` is the number of these frames by the
    file, or 0 if the file does not state it. Raises MissingFileError, or InputError for a file that is not a film.
    Reading the frames raises InputError where the film is damaged.
    """

    def __init__(self, path: str | os.PathLike[str], *, every: int = 1) -> None:
        check_count("film: every", every)
        self.path, self.every = os.fspath(path), every
        self.label = f"film {self.path!r}"
        if why := unreadable(self.path):
            raise (MissingFileError if why == MISSING else InputError)(f"{self.label} {why}; {EXPECTED}")
        with self._opened() as (_, stream):
            self._count = int(stream.frames or 0)

    def __len__(self) -> int:
        return -(-self._count // self.every)

    def __iter__(self) -> Iterator[tuple[str, images.Picture]]:
        time = ""
        with self._opened() as (container, stream):
            frames = enumerate(container.decode(stream))
            while True:
                try:
                    number, frame = next(frames, (0, None))
                    shown = frame is not None and not frame.is_corrupt and number % self.every == 0
                    pixels = self._pixels(frame) if shown else None
                except Exception as problem:
                    where = f"is damaged after {time}" if time else "cannot be read"
                    raise InputError(f"{self.label} {where} ({_said(problem)}); {EXPECTED}") from problem
                if frame is None:
                    break
                if pixels is not None:
                    time = clock(frame.time) if frame.time is not None else f"frame {number + 1}"
                    yield time, pixels
        if not time:
            raise InputError(f"{self.label} holds no whole frame; {EXPECTED}")

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        """Open the file and its first stream of pictures, but no other file or address that a film may name."""
        try:
            import av
        except ImportError as problem:
            raise InputError(f"{self.label} is read by PyAV ({one_line(problem)}); {INSTALL} installs it") from None
        with open(self.path, "rb") as file:
            try:
                container = av.open(file, container_options={"protocol_whitelist": ""})
            except Exception as problem:  # as for pictures, a decoder can fail in any way on damaged bytes
                raise InputError(f"{self.label} cannot be read ({_said(problem)}); {EXPECTED}") from problem
            with container:
                # FFmpeg also decodes text, as a terminal would show it.
                if not container.streams.video or container.format.name == "tty":
                    raise InputError(f"{self.label} holds no moving pictures; {EXPECTED}")
                stream = container.streams.video[0]
                self._check(stream.codec_context)
                stream.codec_context.options = {"max_pixels": str(images.MOST_PIXELS)}
                yield container, stream

    def _check(self, shown: Any) -> None:
        """Raise InputError for frames that are larger than pictures may be. Each of their pixels takes 22 bytes."""
        images.check_pixels(shown.width, shown.height, 22 * shown.width * shown.height, self.label)

    def _pixels(self, frame: Any) -> images.Picture:
        self._check(frame)
        pixels = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)  # to the left
        return np.divide(pixels, 255, dtype=np.float32, order="C")


def clock(seconds: float) -> str:
    """Return seconds as text: 75.25 as "1:15.25"."""
    minutes, rest = divmod(round(max(seconds, 0.0), 2), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:05.2f}" if hours else f"{minutes}:{rest:05.2f}"


def _said(problem: Exception) -> str:
    return one_line(getattr(problem, "strerror", None) or problem)
