"""Pictures of 16 bits per channel, of which Pillow reads only the higher eight in colour, and writes none."""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

WHITE = 65535
# Where Pillow takes the higher byte of each value, and where the lower one lies.
LOWER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


def order_of(picture: ImageFile) -> str | None:
    """Return the storage order of a colour picture's 16-bit values, such as "RGB;16B"; None if it has none.

    The picture is open and not loaded yet.
    """
    if not picture.tile or picture.mode.startswith("I"):
        return None
    options: Any = picture.tile[0].args
    if picture.tile[0].codec_name == "ppm" and options[1] > 255:
        return f"{picture.mode};ppm"
    order = options if isinstance(options, str) else next(iter(options or ()), None)
    return order if isinstance(order, str) and ";16" in order else None


def values_of(picture: ImageFile, again: ImageFile, order: str, file: IO[bytes]) -> np.ndarray | None:
    """Return the values of a picture in colour, (H, W, channels) from 0 to 65535; None for a kind that is not read.

    picture: loaded. again: the same, opened again. order: from `order_of`. Pillow decodes one byte of every value at a
    time, so it decodes the file twice. It handles the filters, the interlacing and the compression.
    """
    channels, _, first = order.partition(";16")
    if channels.endswith(";ppm"):
        options: Any = again.tile[0].args
        count = picture.width * picture.height * len(picture.getbands())
        file.seek(again.tile[0].offset)
        stored = np.frombuffer(file.read(2 * count), ">u2", count).reshape(picture.height, picture.width, -1)
        return np.rint(stored * (WHITE / options[1])).astype(np.uint16)
    if channels == "LA":  # as wide as RGBA of 8 bits
        _load(again, "RGBA")
        pairs = np.asarray(again).astype(np.uint16)
        return pairs[..., ::2] << 8 | pairs[..., 1::2]
    if channels not in ("RGB", "RGBA") or channels != picture.mode:
        return None
    _load(again, f"{channels};16{LOWER[first]}")
    return np.asarray(picture).astype(np.uint16) << 8 | np.asarray(again)


def _load(picture: ImageFile, order: str) -> None:
    """Load a picture whose values are unpacked in another order."""
    options: list[Any] = [tile.args for tile in picture.tile]
    orders = [order if isinstance(each, str) else (order, *each[1:]) for each in options]
    picture.tile = [tile._replace(args=each) for tile, each in zip(picture.tile, orders, strict=True)]
    picture.load()


def png(values: np.ndarray, chunks: Mapping[bytes, bytes]) -> bytes:
    """Return the PNG file of uint16 values, (H, W) or (H, W, 3). chunks: {type: content} before the pixels."""
    height, width = values.shape[:2]
    rows = values.astype(">u2").reshape(height, -1).view(np.uint8)
    # Filter 2: each byte less the one above it, which is packed much better than the byte itself.
    filtered = np.concatenate([np.full((height, 1), 2, np.uint8), np.diff(rows, axis=0, prepend=np.uint8(0))], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 16, 0 if values.ndim == 2 else 2, 0, 0, 0)
    parts = {b"IHDR": header, **chunks, b"IDAT": zlib.compress(filtered.tobytes()), b"IEND": b""}
    packed = (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)
