"""CIFAR-10 (Krizhevsky 2009) from a tar of CLASS/NNNN.jpg files, read in memory and never unpacked."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path, PurePosixPath

import numpy as np
from tqdm import tqdm

from minicnn.errors import InputError, MissingFileError
from minicnn.files import unreadable

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def read(path: str | Path, *, progress: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return (images (N, 32, 32, 3) uint8, labels (N,) int64), sorted by file name, so that the order is stable."""
    from PIL import Image, UnidentifiedImageError

    path = Path(path)
    if why := unreadable(path):
        raise MissingFileError(f"data: no file {str(path)!r} (it {why}); expected a tar of CIFAR-10 as CLASS/NNNN.jpg")
    pictures: dict[str, tuple[int, np.ndarray]] = {}
    try:
        with tarfile.open(path) as archive:
            for member in tqdm(archive, desc=f"reading {path.name}", unit=" pictures", disable=not progress):
                name = PurePosixPath(member.name)
                if not member.isfile() or name.parent.name not in CLASSES:
                    continue
                content = archive.extractfile(member)
                assert content is not None  # a regular file always has content
                with Image.open(io.BytesIO(content.read())) as picture:
                    pixels = np.asarray(picture.convert("RGB"))
                if pixels.shape != (32, 32, 3):
                    raise InputError(f"data: {member.name} is {pixels.shape[1]}×{pixels.shape[0]}; expected 32×32")
                pictures[str(name)] = CLASSES.index(name.parent.name), pixels
    except (tarfile.TarError, UnidentifiedImageError, OSError) as problem:
        raise InputError(f"data: {str(path)!r} cannot be read as a tar of pictures ({problem})") from None
    if not pictures:
        raise InputError(f"data: {str(path)!r} holds no CLASS/NNNN.jpg with a CIFAR-10 class ({', '.join(CLASSES)})")
    labels, images = zip(*(pictures[name] for name in sorted(pictures)), strict=True)
    return np.stack(images), np.array(labels)
