"""Colour profiles: conversion of pictures to sRGB, in which minicnn computes, and back.

LittleCMS, which comes with Pillow, converts pictures of 8 bits from profiles of every kind, but not 16 bits or floats.
For these, this module reads the most common kind of profile: a curve per channel, and a matrix.
Source: ICC.1:2022, sections 7 and 10.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from minicnn.errors import InputError
from minicnn.text import one_line

if TYPE_CHECKING:
    from PIL import Image

MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}  # by the colour space of a profile
SAME = 1  # of 255: a profile that changes no colour by more is taken for sRGB, whose colours stay as they are
EXPECTED = "save it again, in sRGB or without a profile"
GRID = np.linspace(0, 1, 65536)
# Linear sRGB to XYZ as profiles have it, relative to the white D50 (adapted after Bradford).
XYZ = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)
# Exponent, slope, offset, slope near black, and where that ends: the parameters of a curve, of sRGB's own first.
SRGB = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def in_srgb(picture: Image.Image, profile: bytes, label: str) -> Image.Image:
    """Return a picture of 8 bits in sRGB, with its transparency. label: opens error messages. Raises InputError."""
    from PIL import Image, ImageCms

    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = MODES[opened.profile.xcolor_space.strip()]
        intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
        transform = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB", intent, flags)
        if (mode == "CMYK") != (picture.mode == "CMYK") or (mode == "L" and picture.mode not in ("1", "L", "LA")):
            raise InputError(f"{label} is in {picture.mode}, and its colour profile is for {mode}; {EXPECTED}")
        opacity = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
        inside: Image.Image = picture if picture.mode == mode else picture.convert(mode)
        some = np.stack(np.meshgrid(*[np.linspace(0, 255, 9)] * 3), axis=-1).reshape(1, -1, 3).astype(np.uint8)
        change = 255 if mode != "RGB" else ImageCms.applyTransform(Image.fromarray(some), transform) - some.astype(int)
        if np.abs(change).max() > SAME:
            inside = cast("Image.Image", ImageCms.applyTransform(inside, transform))
    except (ImageCms.PyCMSError, OSError, KeyError, TypeError) as error:
        raise _broken(label, error) from None
    if opacity is not None:
        inside = inside.copy()
        inside.putalpha(opacity)
    return inside


def _broken(label: str, error: object) -> InputError:
    return InputError(f"{label} has a colour profile that cannot be used ({one_line(error)}); {EXPECTED}")


@dataclass(frozen=True, eq=False)
class Shaper:
    """A profile of curves and a matrix. curves: per channel, the linear light of the values 0 … 65535, (65536,).

    matrix: from that light to the linear light of sRGB's channels.
    """

    curves: tuple[np.ndarray, ...]
    matrix: np.ndarray

    def to_srgb(self, values: np.ndarray) -> np.ndarray:
        """Return uint16 (…, 3) as floats in sRGB, clipped to [0, 1]."""
        light = np.stack([curve[values[..., i]] for i, curve in enumerate(self.curves)], axis=-1)
        return _encoded(np.clip(light @ self.matrix.T, 0, 1)).astype(np.float32)

    def from_srgb(self, picture: np.ndarray) -> np.ndarray:
        """Return floats in sRGB, (…, 3), as floats in this profile, clipped to [0, 1]."""
        light = np.interp(picture, GRID, _curve(3, SRGB)) @ np.linalg.inv(self.matrix).T
        planes = [np.interp(light[..., i], curve, GRID) for i, curve in enumerate(self.curves)]
        return np.stack(planes, axis=-1).astype(np.float32)


def shaper(profile: bytes, label: str, *, grey: bool = True) -> Shaper:
    """Return the Shaper of a profile for RGB. grey: also accept a profile for grey, which has no matrix.

    label: opens error messages. Raises InputError.
    """
    space = profile[16:20]
    try:
        if profile[36:40] != b"acsp":
            raise ValueError("no signature")
        (count,) = struct.unpack_from(">I", profile, 128)
        tags = {}
        for i in range(min(count, 100)):
            name, start, size = struct.unpack_from(">4sII", profile, 132 + 12 * i)
            tags[name] = profile[start : start + size]
        if b"A2B0" in tags or space not in (b"RGB ", b"GRAY")[: 1 + grey]:
            kind = "tables" if b"A2B0" in tags else one_line(space.decode("latin-1"))
            raise ValueError(f"it is of {kind}; expected curves and a matrix for RGB")
        if space == b"GRAY":
            return Shaper((_read(tags[b"kTRC"]),) * 3, np.eye(3))
        curves = tuple(_read(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC"))
        columns = [struct.unpack(">8x3i", tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
        matrix = np.linalg.inv(XYZ) @ (np.array(columns).T / 65536)
        np.linalg.inv(matrix)
    except (struct.error, KeyError, ValueError, IndexError, ArithmeticError, np.linalg.LinAlgError) as error:
        raise _broken(label, error) from None
    return Shaper(curves, matrix)


def _read(tag: bytes) -> np.ndarray:
    """Return a curve from its tag, "curv" or "para"."""
    if tag[:4] == b"para":
        (kind,) = struct.unpack_from(">H", tag, 8)
        length = (1, 3, 4, 5, 7)[kind]
        return _curve(kind, [each / 65536 for each in struct.unpack_from(f">{length}i", tag, 12)])
    if tag[:4] != b"curv":
        raise ValueError(f"a curve of kind {tag[:4]!r}")
    (count,) = struct.unpack_from(">I", tag, 8)
    table = np.frombuffer(tag, ">u2", count, 12)
    if count < 2:
        return GRID ** (table[0] / 256 if count else 1)
    return np.interp(GRID, np.linspace(0, 1, count), table / 65535)


def _curve(kind: int, numbers: Sequence[float]) -> np.ndarray:
    """Return a curve from the parameters of the ICC's function of this kind."""
    g, a, b, c, d, e, f = (*numbers, *(1.0, 0.0, 0.0, 0.0, 0.0, 0.0)[len(numbers) - 1 :])
    if kind in (1, 2):  # flat, at c, below where the power begins
        c, d, e, f = 0.0, -b / a, c, c
    with np.errstate(invalid="ignore"):
        return np.clip(np.where(d <= GRID, np.maximum(a * GRID + b, 0) ** g + e, c * GRID + f), 0, 1)


def _encoded(light: np.ndarray) -> np.ndarray:
    """Return linear light as values in sRGB."""
    return np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 12.92 * light)
