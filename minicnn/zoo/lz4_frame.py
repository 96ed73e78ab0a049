"""Decompression of LZ4 frames. A block alternates literal bytes and copies of earlier output."""

from __future__ import annotations

MAGIC = b"\x04\x22\x4d\x18"
FLAGS = (0x40, 0x60)  # version 1; blocks dependent or independent; no checksums, no sizes
STORED = 1 << 31  # flag in the length of a block that is not compressed


def unpack(content: bytes, most: int) -> bytes:
    """Return the bytes in a frame. Raises ValueError or IndexError if it is damaged or has more than `most` bytes."""
    if content[:4] != MAGIC or content[4] not in FLAGS:
        raise ValueError("no LZ4 frame of the kind that joblib writes")
    out, place = bytearray(), 7
    while length := int.from_bytes(_exactly(content, place, 4), "little"):
        block = _exactly(content, place + 4, length & ~STORED)
        place += 4 + len(block)
        if length & STORED:
            out += block
        else:
            _unpack_block(block, out, most)
        if len(out) > most:
            raise ValueError(f"more than {most:,} bytes")
    if place + 4 != len(content):
        raise ValueError("bytes behind the end of the frame")
    return bytes(out)


def _unpack_block(block: bytes, out: bytearray, most: int) -> None:
    place = 0
    while True:
        token = block[place]
        count, place = _length(block, place + 1, token >> 4)
        out += _exactly(block, place, count)
        place += count
        if place == len(block):  # no copy follows the last literals
            return
        start = len(out) - int.from_bytes(_exactly(block, place, 2), "little")
        count, place = _length(block, place + 2, token & 15)
        count += 4
        if not 0 <= start < len(out) or len(out) + count > most:
            raise ValueError("a copy of what is not there")
        while count:  # a copy may overlap its own output
            piece = out[start : start + count]
            out += piece
            count -= len(piece)


def _length(block: bytes, place: int, length: int) -> tuple[int, int]:
    """Return a length that begins in a token, and the position after it."""
    more = length == 15
    while more:
        length, more, place = length + block[place], block[place] == 255, place + 1
    return length, place


def _exactly(content: bytes, place: int, count: int) -> bytes:
    found = content[place : place + count]
    if len(found) != count:
        raise ValueError("the file ends early")
    return found
