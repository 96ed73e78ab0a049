"""Picture files to arrays and back: float (height, width, 3), red green blue, 0 black to 1 white.

Values are in sRGB: those stored in the file, converted if the file has a colour profile. Files of 16 bits per channel
are read as such. Every function of minicnn that takes a picture accepts what `as_floats` does: floats in [0, 1], or
uint8 from 0 to 255.
"""

import io
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from minicnn import colour_profiles, deep_pictures
from minicnn.deep_pictures import WHITE
from minicnn.errors import InputError, MissingFileError, is_count, suggest_names
from minicnn.files import MARK, check_folder, replace_file
from minicnn.machine import available_memory
from minicnn.text import file_size, one_line

__all__ = ["as_bytes", "as_floats", "as_image", "load", "resample", "resize", "save"]
suggest_names(__name__, __all__)

# Importing Pillow takes about 20 ms, so functions import it when they need it.
if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFile import ImageFile

Picture: TypeAlias = npt.NDArray[np.float32]
PathLike: TypeAlias = str | os.PathLike[str]
Size: TypeAlias = int | tuple[int, int]

# An explicit list, because Pillow also opens formats that start other programs (EPS runs Ghostscript).
READABLE = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
EXPECTED_FILE = "expected a whole JPEG, PNG, WebP, BMP, GIF, TIFF or PPM file"
# 4:4:4 (subsampling 0) keeps JPEG from halving the resolution of colour.
WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95}),
}
LONGEST_SIDE = 16_384  # pixels; a square of this size takes 3 GB, so more is probably a typing mistake
SOFTWARE = 0x0131  # EXIF tag of the program that wrote the picture
ORIENTATION = 0x0112  # EXIF tag of the camera's orientation
DETAILS = 0x8769  # EXIF tag of the nested table that describes the exposure
TAKEN = 0x9003  # tag of the date, in that table
KEPT = (0x010F, 0x0110, 0x013B, 0x8298)  # maker and model of the camera, artist, copyright; never the location
SIDEWAYS = (5, 6, 7, 8)  # orientations that swap rows and columns
MOST_PIXELS = 300_000_000  # phones take pictures of 200 million pixels
MOST_UNPACKED = 1000  # bytes per byte of the file; more indicates a decompression bomb, or a blank page
HARMLESS = 2**25  # bytes that every file may unpack to
LARGE = 2**25  # pixels above which a picture is reduced before conversion to floats


@dataclass(frozen=True)
class Metadata:
    """The metadata that a result keeps of the original picture. fields: {EXIF tag: text}. profile: colour profile."""

    fields: Mapping[int, str] = field(default_factory=dict)
    profile: bytes | None = None


def load(path: PathLike, *, size: Size | None = None) -> Picture:
    """Read the picture at `path`, upright, in sRGB, over white where transparent: (height, width, 3) in [0, 1].

    `size` is the long side in pixels (aspect kept) or an exact (height, width).
    Raise MissingFileError, or InputError if the file is not a complete picture of reasonable size.
    """
    _check_size(size, "load: size")
    return _read(path, "load: path", size)


def metadata(path: PathLike) -> Metadata:
    """Return camera, date, artist, copyright and colour profile of a picture, as far as its file has them.

    Raise MissingFileError, or InputError if the file cannot be read.
    """
    text = _path_text(path, "metadata: path")
    _check_file(text, f"metadata: path {text!r}")
    found: dict[int, Any] = {}
    profile = None
    with warnings.catch_warnings(), suppress(Exception), open(text, "rb") as file:  # skip damaged metadata
        warnings.simplefilter("ignore")
        picture = _opened(file)
        profile = picture.info.get("icc_profile")
        exif = picture.getexif()
        found = {TAKEN: exif.get_ifd(DETAILS).get(TAKEN), **{tag: exif.get(tag) for tag in KEPT}}
    told = {tag: value.strip("\0 ") for tag, value in found.items() if isinstance(value, str)}
    return Metadata({tag: value for tag, value in told.items() if value}, profile)


def save(
    path: PathLike, image: npt.NDArray[Any], *, marked: bool = True, depth: int = 8, metadata: Metadata | None = None
) -> None:
    """Write `image` atomically as PNG, JPEG or WebP, by the suffix of `path`.

    `image` is (height, width, 3), or grey (height, width) or (height, width, 1), with an optional leading 1. Floats
    slightly outside [0, 1] are clipped; uint8 is written as is. marked: record in the metadata that minicnn made the
    file, so that it may be replaced. depth: bits per channel, 8, or 16 for PNG. metadata: to write into the file;
    colours are converted to its profile. Raise InputError for an invalid picture or path.
    """
    from PIL import Image

    target = check_target(path, depth)
    # Tolerate 0.5: an optimizer's overshoot passes, a picture in [-1, 1] or [0, 255] does not.
    given = image if getattr(image, "dtype", None) == np.uint8 else as_floats(image, "save: image", slack=0.5)
    pixels = given[0] if given.ndim == 4 and given.shape[0] == 1 else given
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim != 2 and not (pixels.ndim == 3 and pixels.shape[2] == 3):
        raise InputError(f"save: image has shape {given.shape}; expected (height, width, 3) or (height, width)")
    kept = metadata or Metadata()
    if kept.profile and pixels.ndim == 3:
        shaper = colour_profiles.shaper(kept.profile, "save: metadata", grey=False)
        pixels = shaper.from_srgb(np.clip(as_floats(pixels, "save: image"), 0, 1))
    exif = Image.Exif()
    if marked:
        exif[SOFTWARE] = MARK
    for tag, text in kept.fields.items():
        if tag == TAKEN:
            exif.get_ifd(DETAILS)[tag] = text
        else:
            exif[tag] = text.encode("latin-1", "replace")  # the bytes that it was read from

    format_name, options = WRITERS[target.suffix.lower()]
    encoded = io.BytesIO()
    try:
        if depth == 16:
            values = np.rint(np.clip(as_floats(pixels, "save: image"), 0, 1) * np.float64(WHITE)).astype(np.uint16)
            encoded.write(deep_pictures.png(values, _chunks(exif, kept.profile if pixels.ndim == 3 else None)))
        else:
            options = {**options, **({"exif": exif} if exif else {}), "icc_profile": kept.profile}
            Image.fromarray(as_bytes(pixels, "save: image")).save(encoded, format=format_name, **options)
        replace_file(target, encoded.getvalue())
    except (OSError, ValueError) as error:
        raise InputError(f"save: path {str(target)!r} cannot be written ({one_line(error)})") from error


def _chunks(exif: "Image.Exif", profile: bytes | None) -> dict[bytes, bytes]:
    """Return the PNG chunks of the colour profile, sRGB by default, and of the EXIF data."""
    colours = {b"iCCP": b"profile\0\0" + zlib.compress(profile)} if profile else {b"sRGB": b"\1"}
    return colours | ({b"eXIf": exif.tobytes().removeprefix(b"Exif\0\0")} if exif else {})


def check_target(path: PathLike, depth: int = 8) -> Path:
    """Return the Path that save() would write. Raise InputError, before the work, if it cannot."""
    target = Path(_path_text(path, "save: path"))
    label = f"save: path {str(target)!r}"
    if target.suffix.lower() not in WRITERS:
        raise InputError(f"{label} has suffix {target.suffix!r}; expected one of {', '.join(WRITERS)}")
    if depth != 8 and (depth != 16 or target.suffix.lower() != ".png"):
        raise InputError(f"{label} cannot have a depth of {depth!r} bits; expected 8, or 16 for a .png")
    check_folder("save: path", target)
    return target


def scaled(picture: Any) -> Any:
    """Return uint8 divided by 255 as float32, and any other array unchanged."""
    return picture.astype(np.float32) / np.float32(255) if picture.dtype == np.uint8 else picture


def as_floats(picture: Any, name: str, *, slack: float = np.inf) -> Picture:
    """Return a picture as float32: floats unchanged, uint8 divided by 255. Every picture argument follows this rule.

    name: begins every error message. slack: tolerance around [0, 1]. Raise InputError for other values, also for NaN.
    """
    array = np.asarray(picture) if hasattr(picture, "__array__") and not isinstance(picture, np.generic) else None
    if array is None or array.dtype.kind == "O":
        raise InputError(f"{name} is a {type(picture).__name__}; expected an array of floats in [0, 1], or of uint8")
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        hint = " (divide by 255)" if array.dtype.kind in "iu" else ""
        raise InputError(f"{name} has dtype {array.dtype}; expected floats in [0, 1], or uint8{hint}")
    if array.size == 0:
        raise InputError(f"{name} has shape {array.shape}; expected at least one pixel")
    floats: Picture = scaled(array).astype(np.float32, copy=False)
    low, high = float(floats.min()), float(floats.max())
    if not np.isfinite([low, high]).all():  # any NaN makes both NaN
        raise InputError(f"{name} holds NaN or infinity (it goes from {low} to {high}); expected floats in [0, 1]")
    if low < -slack or high > 1 + slack:
        hint = " (it looks like 0..255: divide by 255)" if high > 1.5 else ""
        extent = f"ranges beyond [0, 1]: it goes from {low:.4g} to {high:.4g}"
        raise InputError(f"{name} {extent}; expected floats in [0, 1], or uint8{hint}")
    return floats


def as_bytes(picture: Any, name: str, *, slack: float = np.inf) -> npt.NDArray[np.uint8]:
    """Return a picture in 8 bits, clipped to [0, 1]; uint8 is unchanged. Arguments and errors as in `as_floats`."""
    if getattr(picture, "dtype", None) == np.uint8 and picture.size:
        return np.asarray(picture)
    return np.rint(np.clip(as_floats(picture, name, slack=slack), 0, 1) * 255).astype(np.uint8)


def as_image(value: Any, *, name: str, size: Size | None = None) -> Picture:
    """Return a new (height, width, 3) float32 picture from a path or from an array that already is one.

    `name` begins every error message; `size` is as in `load`. Raise MissingFileError or InputError.
    """
    _check_size(size, f"{name} size")
    if isinstance(value, str | os.PathLike):
        return _read(value, name, size)
    image = np.clip(as_floats(value, name, slack=1e-3), 0, 1)
    if image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"{name} has shape {image.shape}; expected (height, width, 3)")
    return image if size is None else resize(image, *_sides(image.shape[0], image.shape[1], size))


def resize(image: npt.NDArray[Any], height: int, width: int) -> Picture:
    """Resample (h, w, channels), floats or uint8, to floats (height, width, channels), clipped to [0, 1].

    Lanczos in floating point, without rounding to 8 bits. Raise InputError for an invalid size.
    """
    _check_size((height, width), "resize: (height, width)")
    image = as_floats(image, "resize: image")
    if image.ndim != 3:
        raise InputError(f"resize: image has shape {image.shape}; expected (height, width, channels)")
    # Lanczos has negative lobes, so it overshoots black and white next to a sharp edge.
    return np.clip(resample(image, int(height), int(width)), 0, 1)


def resample(array: npt.NDArray[np.floating], height: int, width: int) -> npt.NDArray[np.float32]:
    """Resample (h, w, channels) floats of any range to (height, width, channels) by Lanczos, without clipping."""
    from PIL import Image

    planes = np.ascontiguousarray(np.moveaxis(array, 2, 0), dtype=np.float32)
    shape = (width, height)  # Pillow's order is (width, height)
    resized = [Image.fromarray(plane).resize(shape, Image.Resampling.LANCZOS) for plane in planes]
    return np.stack([np.asarray(plane) for plane in resized], axis=2)


def _read(path: PathLike, name: str, size: Size | None) -> Picture:
    """Decode a file at `size`. `name` and the path begin the error messages."""
    text = _path_text(path, name)
    label = f"{name} {text!r}"
    stored = _check_file(text, label)
    from PIL import Image

    # Pillow's warnings concern metadata, which does not change the pixels, or its own size limit.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with open(text, "rb") as file, _opened(file) as picture:
                return _decoded(picture, file, stored, size, label)
        except InputError:
            raise
        except Image.UnidentifiedImageError as error:
            raise InputError(f"{label} is not recognised as a picture; {EXPECTED_FILE}") from error
        except Exception as error:  # a decoder can fail in any way on damaged bytes
            raise InputError(f"{label} cannot be decoded ({one_line(error)}); {EXPECTED_FILE}") from error


def _opened(file: IO[bytes]) -> "ImageFile":
    """Open a picture as Image.open does, without its size limit, which pictures of phones exceed."""
    from PIL import Image, TiffImagePlugin, WebPImagePlugin  # noqa: F401  (these two register themselves)

    Image.preinit()  # the other formats
    start = file.read(16)
    for factory, accepts in (Image.OPEN[name] for name in READABLE if name in Image.OPEN):
        if accepts is None or accepts(start) is True:
            file.seek(0)
            with suppress(SyntaxError, IndexError, TypeError, struct.error):  # another format
                return factory(file, "")
    raise Image.UnidentifiedImageError


def _decoded(picture: "ImageFile", file: IO[bytes], stored: int, size: Size | None, label: str) -> Picture:
    """Decode an open picture whose file has `stored` bytes; large ones at no more than twice the requested size."""
    width, height = picture.size
    unpacked = width * height * len(picture.getbands())
    finest = 2 * int(np.max(size)) if size is not None and width * height > LARGE else 0
    if finest:
        picture.draft(None, (finest, finest))  # JPEG can be decoded at a half, a quarter or an eighth
    order = deep_pictures.order_of(picture)
    needed = picture.width * picture.height * (60 if order else 10 if finest else 22)  # bytes, at most
    check_pixels(width, height, needed, label)
    if unpacked > max(MOST_UNPACKED * stored, HARMLESS):
        why = f"{file_size(stored)} unpack to {file_size(unpacked)}; expected at most {MOST_UNPACKED:,} times its size"
        raise InputError(f"{label} is too large: {why}")
    picture.load()
    orientation = _orientation(picture)
    if order:
        file.seek(0)
        with _opened(file) as again:
            pixels = _deep_colours(deep_pictures.values_of(picture, again, order, file), picture, orientation, label)
    else:
        pixels = _colours(picture, orientation, min(picture.size) // finest if finest else 1, label)
    if size is None:
        return pixels
    return resize(pixels, *_sides(*((width, height) if orientation in SIDEWAYS else (height, width)), size))


def check_pixels(width: int, height: int, needed: int, label: str) -> None:
    """Raise InputError for more pixels than any picture has, or if the needed bytes are not free."""
    if width * height > MOST_PIXELS:
        raise InputError(f"{label} is too large: {width} × {height} pixels; expected at most {MOST_PIXELS:,}")
    free = available_memory() if needed > 10 * LARGE else None
    if free is not None and needed > free:
        raise InputError(
            f"{label} is too large: it needs {file_size(needed)} of memory, and {file_size(free)} are free"
        )


def _colours(picture: "Image.Image", orientation: int, step: int, label: str) -> Picture:
    """Return the pixels of any Pillow mode as (height, width, 3) in [0, 1], upright, composited over white.

    step: pixels per side that are averaged into one.
    """
    if picture.mode.startswith(("I", "F")):
        return _deep_grey(picture, orientation, label)
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    if profile := picture.info.get("icc_profile"):
        picture = colour_profiles.in_srgb(picture, profile, label)
    if picture.mode != mode:
        picture = picture.convert(mode)
    if step > 1:
        picture = picture.reduce(step)
    pixels: Picture = np.divide(_upright(np.asarray(picture), orientation), 255, dtype=np.float32, order="C")
    return pixels if mode == "RGB" else _over_white(pixels[:, :, :3], pixels[:, :, 3:])


def _over_white(colours: np.ndarray, opacity: np.ndarray) -> Picture:
    return np.asarray(colours * opacity + (1 - opacity), np.float32)


def _deep_colours(values: np.ndarray | None, picture: "Image.Image", orientation: int, label: str) -> Picture:
    """Return the colours of 16 bits per channel: (height, width, channels), with or without opacity as the last."""
    if values is None:
        raise InputError(f"{label} has 16 bits per channel in {picture.mode}; expected RGB or grey, or 8 bits")
    values = _upright(values, orientation)
    with_opacity = values.shape[2] in (2, 4)
    colours = values[:, :, :-1] if with_opacity else values
    colours = np.ascontiguousarray(np.broadcast_to(colours, (*values.shape[:2], 3)))
    if profile := picture.info.get("icc_profile"):
        pixels = colour_profiles.shaper(profile, label).to_srgb(colours)
    else:
        pixels = np.divide(colours, WHITE, dtype=np.float32)
    if with_opacity:
        return _over_white(pixels, np.divide(values[:, :, -1:], WHITE, dtype=np.float32))
    if isinstance(key := picture.info.get("transparency"), tuple):  # of PNG: the one colour that is transparent
        pixels[(colours == key).all(axis=2)] = 1
    return pixels


def _deep_grey(picture: "Image.Image", orientation: int, label: str) -> Picture:
    """Return the pixels of 16-bit or float grey, which Pillow's conversion to 8 bits would clip to white."""
    white = 1 if picture.mode == "F" else WHITE
    values = _upright(np.asarray(picture), orientation).astype(np.float32)
    if not (values.min() >= 0 and values.max() <= white):  # written so that NaN is refused
        raise InputError(f"{label} holds {values.min():g} to {values.max():g}; expected grey from 0 to {white}")
    # PNG may mark one grey value, the key, as transparent; for other files the key is None, which equals no value.
    key = picture.info.get("transparency")
    grey = np.repeat((values / white)[:, :, np.newaxis], 3, axis=2)
    if picture.mode.startswith("I;16") and (profile := picture.info.get("icc_profile")):
        grey = colour_profiles.shaper(profile, label).to_srgb(np.rint(grey * WHITE).astype(np.uint16))
    return np.where((values == key)[:, :, np.newaxis], 1, grey).astype(np.float32, order="C")


def _orientation(picture: "Image.Image") -> int:
    """Return the EXIF orientation, 1 to 8, or 1 (upright) if the EXIF data is unreadable."""
    try:
        return picture.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged metadata must not make a good picture unreadable
        return 1


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return a view of the pixels turned upright. Every EXIF orientation is a transpose followed by flips."""
    if orientation in SIDEWAYS:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _sides(height: int, width: int, size: Size) -> tuple[int, int]:
    """Return (height, width) after resizing to `size`, as in `load`; each is at least one pixel."""
    if isinstance(size, tuple):
        return size
    scale = size / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _check_file(path: str, label: str) -> int:
    """Return the size of a readable file in bytes. Raise if it cannot be read."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(f"{label} does not exist; {EXPECTED_FILE}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{label} cannot be opened ({one_line(error)}); {EXPECTED_FILE}") from error
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{label} is a directory; {EXPECTED_FILE}")
    if not stat.S_ISREG(status.st_mode):  # a pipe could block forever
        raise InputError(f"{label} is not a regular file; {EXPECTED_FILE}")
    if status.st_size == 0:
        raise InputError(f"{label} is empty; {EXPECTED_FILE}")
    return status.st_size


def _check_size(size: object, label: str) -> None:
    sides: tuple[Any, ...] = size if isinstance(size, tuple) and len(size) == 2 else (size,)
    if size is not None and not all(is_count(side, 1, LONGEST_SIDE) for side in sides):
        expected = f"expected whole pixels from 1 to {LONGEST_SIDE}: the long side or (height, width)"
        raise InputError(f"{label} is {one_line(repr(size))}; {expected}")


def _path_text(path: object, label: str) -> str:
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"{label} is a {type(path).__name__}; expected a str or a path")
    return os.fsdecode(path)
