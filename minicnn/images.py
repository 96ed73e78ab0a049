"""Picture files to arrays and back: float (height, width, 3), red green blue, 0 black to 1 white.

Values are those stored in the file (sRGB as a rule); colour profiles are not applied.
"""

import io
import os
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from minicnn.errors import InputError, MissingFileError, is_count
from minicnn.files import MARK, check_folder, replace_file
from minicnn.text import one_line

# Pillow costs some 20 ms to import, so only the functions that need it pay.
if TYPE_CHECKING:
    from PIL import Image

Picture: TypeAlias = npt.NDArray[np.float32]
PathLike: TypeAlias = str | os.PathLike[str]
Size: TypeAlias = int | tuple[int, int]

# Named one by one because Pillow also opens formats that start other programs (EPS runs Ghostscript).
READABLE = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
EXPECTED_FILE = "expected a whole JPEG, PNG, WebP, BMP, GIF, TIFF or PPM file"
# 4:4:4 (subsampling 0) keeps JPEG from halving the resolution of colour.
WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95}),
}
LONGEST_SIDE = 16_384  # pixels; a square this large is already 3 GB, so more is a typing mistake
SOFTWARE = 0x0131  # the EXIF tag that says what made the picture
ORIENTATION = 0x0112  # the EXIF tag that says how the camera was held


def load(path: PathLike, *, size: Size | None = None) -> Picture:
    """Read the picture at `path`, upright, over white where transparent: (height, width, 3) in [0, 1].

    `size` is the long side in pixels (aspect kept) or an exact (height, width).
    Raises MissingFileError, or InputError for anything that is not a whole, sensibly sized picture.
    """
    _check_size(size, "load: size")
    return _fit(_read(path, "load: path"), size)


def save(path: PathLike, image: npt.NDArray[np.floating], *, marked: bool = True) -> None:
    """Write `image` as 8-bit PNG, JPEG or WebP, by the suffix of `path`; all of it or nothing.

    `image` is (height, width, 3), or grey (height, width) or (height, width, 1), with an optional
    leading 1. Values slightly outside [0, 1] are clipped. marked: say in its metadata that minicnn has
    made it, so that it may be replaced. Raises InputError.
    """
    from PIL import Image

    target = check_target(path)
    # Half a unit of slack: an optimiser's overshoot passes, a picture in [-1, 1] or [0, 255] does not.
    _check_values(image, "save: image", slack=0.5)
    pixels = image[0] if image.ndim == 4 and image.shape[0] == 1 else image
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim != 2 and not (pixels.ndim == 3 and pixels.shape[2] == 3):
        raise InputError(f"save: image has shape {image.shape}; expected (height, width, 3) or (height, width)")

    format_name, options = WRITERS[target.suffix.lower()]
    encoded = io.BytesIO()
    try:
        if marked:
            options = {**options, "exif": Image.Exif()}
            options["exif"][SOFTWARE] = MARK
        eight_bit = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
        Image.fromarray(eight_bit).save(encoded, format=format_name, **options)
        replace_file(target, encoded.getvalue())
    except (OSError, ValueError) as error:
        raise InputError(f"save: path {str(target)!r} cannot be written ({one_line(error)})") from error


def check_target(path: PathLike) -> Path:
    """The Path that save() would write, refused now rather than after the work. Raises InputError."""
    target = Path(_path_text(path, "save: path"))
    label = f"save: path {str(target)!r}"
    if target.suffix.lower() not in WRITERS:
        raise InputError(f"{label} has suffix {target.suffix!r}; expected one of {', '.join(WRITERS)}")
    check_folder("save: path", target)
    return target


def as_floats(picture: npt.NDArray[Any], name: str) -> Picture:
    """Floats, or uint8 over 255, as float32. name: what it is, for messages. Raises InputError, also for NaN."""
    if picture.dtype == np.uint8:
        return picture.astype(np.float32) / np.float32(255)
    if picture.dtype.kind != "f":
        raise InputError(f"{name} has dtype {picture.dtype}; expected floats in [0, 1], or uint8")
    if not np.isfinite(picture).all():
        raise InputError(f"{name} holds NaN or infinity; expected floats in [0, 1]")
    return picture.astype(np.float32, copy=False)


def as_image(value: PathLike | npt.NDArray[np.floating], *, name: str, size: Size | None = None) -> Picture:
    """Return a new (height, width, 3) float32 picture from a path or from an array that already is one.

    `name` opens every error message; `size` is as in `load`. Raises MissingFileError or InputError.
    """
    _check_size(size, f"{name} size")
    if isinstance(value, str | os.PathLike):
        return _fit(_read(value, name), size)
    _check_values(value, name, slack=1e-3)
    if value.ndim != 3 or value.shape[2] != 3:
        raise InputError(f"{name} has shape {value.shape}; expected (height, width, 3)")
    return _fit(np.clip(value, 0, 1).astype(np.float32), size)


def resize(image: npt.NDArray[np.floating], height: int, width: int) -> Picture:
    """Resample (h, w, channels) floats to (height, width, channels) in pixels, clipped to [0, 1].

    Lanczos in floating point: no rounding to 8 bits on the way. Raises InputError.
    """
    _check_size((height, width), "resize: (height, width)")
    _check_values(image, "resize: image")
    if image.ndim != 3:
        raise InputError(f"resize: image has shape {image.shape}; expected (height, width, channels)")
    # Lanczos has negative lobes: beside a sharp edge it overshoots black and white.
    return np.clip(resample(image, int(height), int(width)), 0, 1)


def resample(array: npt.NDArray[np.floating], height: int, width: int) -> npt.NDArray[np.float32]:
    """(h, w, channels) floats of any sign and size at (height, width, channels), by Lanczos, as they come out."""
    from PIL import Image

    planes = np.ascontiguousarray(np.moveaxis(array, 2, 0), dtype=np.float32)
    shape = (width, height)  # Pillow counts across first
    resized = [Image.fromarray(plane).resize(shape, Image.Resampling.LANCZOS) for plane in planes]
    return np.stack([np.asarray(plane) for plane in resized], axis=2)


def _read(path: PathLike, name: str) -> Picture:
    """Decode a file; `name` and the path open the error messages."""
    text = _path_text(path, name)
    label = f"{name} {text!r}"
    _check_file(text, label)
    from PIL import Image

    # Pillow only warns about a moderately large bomb; as an error, it stops before any pixel is decoded.
    # Its other warnings are about metadata, which cannot change the pixels.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(text, formats=READABLE) as picture:
                picture.load()
                return _upright(_colours(picture, label), _orientation(picture))
        except InputError:
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            limit = f"expected at most {Image.MAX_IMAGE_PIXELS} pixels"
            raise InputError(f"{label} is too large to decode safely; {limit}") from error
        except Image.UnidentifiedImageError as error:
            raise InputError(f"{label} is not recognised as a picture; {EXPECTED_FILE}") from error
        except Exception as error:  # a decoder fed damaged bytes can fail in any way at all
            raise InputError(f"{label} cannot be decoded ({one_line(error)}); {EXPECTED_FILE}") from error


def _colours(picture: "Image.Image", label: str) -> Picture:
    """Pixels of any Pillow mode as (height, width, 3) in [0, 1], transparency composited over white."""
    if picture.mode.startswith(("I", "F")):
        return _deep_grey(picture, label)
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    pixels: Picture = np.divide(np.asarray(picture.convert(mode)), 255, dtype=np.float32)
    if mode == "RGB":
        return pixels
    colours, opacity = pixels[:, :, :3], pixels[:, :, 3:]
    return colours * opacity + (1 - opacity)


def _deep_grey(picture: "Image.Image", label: str) -> Picture:
    """Grey of 16 bits or floats, which Pillow's own conversion to 8 bits would clip to white."""
    white = 1 if picture.mode == "F" else 65535
    values = np.asarray(picture).astype(np.float32)
    if not (values.min() >= 0 and values.max() <= white):  # so written, NaN is refused too
        raise InputError(f"{label} holds {values.min():g} to {values.max():g}; expected grey from 0 to {white}")
    # PNG may name one grey value, the key, as transparent; no value equals the None of other files.
    key = picture.info.get("transparency")
    grey = np.where(values == key, 1, values / white)
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2).astype(np.float32)


def _orientation(picture: "Image.Image") -> int:
    """How to turn the picture, 1 to 8 as EXIF counts; 1, upright, where the EXIF data is unreadable."""
    try:
        return picture.getexif().get(ORIENTATION, 1)
    except Exception:  # as for the decoders; damaged metadata must not cost a good picture
        return 1


def _upright(pixels: Picture, orientation: int) -> Picture:
    """Undo how the camera was held: every EXIF orientation is a transpose, then flips."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _fit(image: Picture, size: Size | None) -> Picture:
    """Resize to what `size` asks for (see `load`); a very thin picture keeps at least one pixel."""
    if size is None:
        return image
    if isinstance(size, tuple):
        return resize(image, *size)
    height, width = image.shape[:2]
    scale = size / max(height, width)
    return resize(image, max(1, round(height * scale)), max(1, round(width * scale)))


def _check_file(path: str, label: str) -> None:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(f"{label} does not exist; {EXPECTED_FILE}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{label} cannot be opened ({one_line(error)}); {EXPECTED_FILE}") from error
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{label} is a directory; {EXPECTED_FILE}")
    if not stat.S_ISREG(status.st_mode):  # a pipe would keep us waiting for ever
        raise InputError(f"{label} is not a regular file; {EXPECTED_FILE}")
    if status.st_size == 0:
        raise InputError(f"{label} is empty; {EXPECTED_FILE}")


def _check_size(size: object, label: str) -> None:
    sides: tuple[Any, ...] = size if isinstance(size, tuple) and len(size) == 2 else (size,)
    if size is not None and not all(is_count(side, 1, LONGEST_SIDE) for side in sides):
        expected = f"expected whole pixels from 1 to {LONGEST_SIDE}: the long side or (height, width)"
        raise InputError(f"{label} is {one_line(repr(size))}; {expected}")


def _check_values(array: object, label: str, *, slack: float = np.inf) -> None:
    """Refuse all but an array of finite floats that reaches at most `slack` outside [0, 1]."""
    if not isinstance(array, np.ndarray):
        raise InputError(f"{label} is a {type(array).__name__}; expected an array of floats in [0, 1]")
    if not np.issubdtype(array.dtype, np.floating):
        hint = " (divide by 255)" if np.issubdtype(array.dtype, np.integer) else ""
        raise InputError(f"{label} has dtype {array.dtype}; expected floats in [0, 1]{hint}")
    if array.size == 0:
        raise InputError(f"{label} has shape {array.shape}; expected at least one pixel")
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():  # NaN anywhere makes both NaN
        raise InputError(f"{label} holds NaN or infinity; expected finite floats in [0, 1]")
    if low < -slack or high > 1 + slack:
        hint = " (it looks like 0..255: divide by 255)" if high > 1.5 else ""
        raise InputError(f"{label} ranges from {low:.4g} to {high:.4g}; expected floats in [0, 1]{hint}")


def _path_text(path: object, label: str) -> str:
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"{label} is a {type(path).__name__}; expected a str or a path")
    return os.fsdecode(path)
