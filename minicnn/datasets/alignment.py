"""Crops of faces by a box, by landmarks, or from the centre, as arrays of the size that a model takes.

Points are (x, y) in pixels. The first pixel reaches from 0 to 1: its centre is at 0.5, the picture's right edge at its
width. Pictures are (H, W, 3), floats or uint8, and crops have the same dtype. Beyond a picture's edge, the edge pixels
are repeated.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from minicnn.errors import InputError, check_count

# Targets of the eye on the left of the picture, the other eye, the tip of the nose and the corners of the mouth, as
# shares of the crop's side.
TEMPLATES = {
    # ArcFace's five points in 112 × 112 pixels (insightface).
    "arcface": np.array([[0.3419, 0.4616], [0.6565, 0.4598], [0.5002, 0.6405], [0.3710, 0.8247], [0.6315, 0.8233]]),
    # OpenFace's mean face of 68 points, scaled to the unit square; each eye is the mean of its six points.
    "openface": np.array([[0.2774, 0.1673], [0.7061, 0.1590], [0.4921, 0.4221], [0.3071, 0.6418], [0.6954, 0.6341]]),
    # Includes hair, ears and chin: about the framing of synthetic_faces.
    "portrait": np.array([[0.385, 0.47], [0.615, 0.47], [0.5, 0.61], [0.41, 0.735], [0.59, 0.735]]),
}


def similarity(source: npt.ArrayLike, target: npt.ArrayLike) -> np.ndarray:
    """Return the matrix (2, 3) that rotates, scales and shifts the points `source` (n, 2) as near `target` as possible.

    It is the least-squares solution of Umeyama 1991. In the plane, with points as complex numbers about their means, it
    is one division: a = Σ z̄ w / Σ |z|². It never mirrors. Raise InputError for points that determine no such map.
    """
    z, w = _points(source, "source"), _points(target, "target")
    if z.shape != w.shape:
        raise InputError(f"similarity: source has {len(z)} points, target {len(w)}; expected as many")
    middle, aim = z.mean(), w.mean()
    spread = (abs(z - middle) ** 2).sum()
    if spread == 0:
        raise InputError(f"similarity: source holds {len(z)} points in one place; expected two places or more")
    a = (np.conj(z - middle) * (w - aim)).sum() / spread
    b = aim - a * middle
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def transform(image: np.ndarray, matrix: npt.ArrayLike, size: int) -> np.ndarray:
    """Return a picture under an affine map (2, 3) of its points, cropped to size × size pixels.

    It is bilinear. Where the picture shrinks, each new pixel is the mean of a grid of samples as dense as the old
    pixels, which prevents aliasing. Raise InputError for a bad argument.
    """
    _check_picture(image)
    check_count("size", size, 1, 4096)
    matrix = _numbers(matrix, "transform: matrix")
    if matrix.shape != (2, 3) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:, :2])) < 1e-12:
        raise InputError(
            f"transform: matrix is {matrix.tolist()}; expected (2, 3), finite, of a map that can be undone"
        )
    back = np.linalg.inv(matrix[:, :2])
    # The length of one new pixel in the old picture, at most.
    finer = min(max(math.ceil(np.linalg.norm(back, 2) - 1e-6), 1), 64)
    ticks = (np.arange(size * finer) + 0.5) / finer
    x, y = np.meshgrid(ticks - matrix[0, 2], ticks - matrix[1, 2])
    samples = bilinear(image, back[0, 0] * x + back[0, 1] * y, back[1, 0] * x + back[1, 1] * y)
    crop = samples.reshape(size, finer, size, finer, 3).mean(axis=(1, 3))
    return np.rint(crop).astype(np.uint8) if image.dtype == np.uint8 else crop.astype(image.dtype)


def crop_by_landmarks(
    image: np.ndarray, landmarks: npt.ArrayLike, size: int, *, template: str | npt.ArrayLike = "arcface"
) -> np.ndarray:
    """Return a crop rotated and scaled so that the landmarks lie as near the template as possible.

    landmarks: (5, 2) eyes, nose and corners of the mouth; (3, 2) eyes and nose; or (2, 2) the eyes. They are matched to
    the first points of the template. template: a name from TEMPLATES, or points as shares of the crop's side.
    """
    points = _numbers(landmarks, "crop_by_landmarks: landmarks")
    if isinstance(template, str):
        if template not in TEMPLATES:
            raise InputError(f"crop_by_landmarks: template is {template!r}; expected one of {', '.join(TEMPLATES)}")
        template = TEMPLATES[template][: len(points)]
    check_count("size", size, 1, 4096)
    target = size * _numbers(template, "crop_by_landmarks: template")
    return transform(image, similarity(points, target), size)


def crop_by_box(image: np.ndarray, box: npt.ArrayLike, size: int, *, margin: float = 0.0) -> np.ndarray:
    """Return the square around a box (left, top, right, bottom) whose side is the box's longer one times 1 + margin.

    A margin of 0.25 adds an eighth on every side. The square may reach beyond the picture.
    """
    corners = _numbers(box, "crop_by_box: box")
    if corners.shape != (4,) or not np.isfinite(corners).all():
        raise InputError(f"crop_by_box: box is {box!r}; expected four finite numbers: left, top, right, bottom")
    left, top, right, bottom = corners.tolist()
    if left >= right or top >= bottom:
        raise InputError(f"crop_by_box: box is {left, top, right, bottom}; expected left < right and top < bottom")
    _check_picture(image)
    height, width = image.shape[:2]
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        where = f"box is {left, top, right, bottom}, outside the picture of {width} × {height}"
        raise InputError(f"crop_by_box: {where}; expected left, top, right, bottom in its pixels")
    if not (math.isfinite(margin) and margin > -1):
        raise InputError(f"crop_by_box: margin is {margin!r}; expected a number above -1, such as 0.25")
    side = max(right - left, bottom - top) * (1 + margin)
    return _square(image, (left + right) / 2, (top + bottom) / 2, side, size)


def crop_centre(image: np.ndarray, size: int) -> np.ndarray:
    """Return the largest central square of a picture."""
    _check_picture(image)
    height, width = image.shape[:2]
    return _square(image, width / 2, height / 2, min(height, width), size)


def _square(image: np.ndarray, x: float, y: float, side: float, size: int) -> np.ndarray:
    check_count("size", size, 1, 4096)
    scale = size / side
    return transform(image, np.array([[scale, 0, size / 2 - scale * x], [0, scale, size / 2 - scale * y]]), size)


def bilinear(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the picture at points (x, y): float32 (…, 3)."""
    height, width = image.shape[:2]
    column, row = np.clip(x - 0.5, 0, width - 1), np.clip(y - 0.5, 0, height - 1)
    left, top = column.astype(np.int64), row.astype(np.int64)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    along, down = ((share - share.astype(np.int64)).astype(np.float32)[..., None] for share in (column, row))
    upper = (1 - along) * image[top, left] + along * image[top, right]
    lower = (1 - along) * image[bottom, left] + along * image[bottom, right]
    return (1 - down) * upper + down * lower


def _points(values: npt.ArrayLike, name: str) -> np.ndarray:
    points = _numbers(values, f"similarity: {name}")
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
        raise InputError(f"similarity: {name} has shape {points.shape}; expected (n, 2) finite places, two or more")
    return points[:, 0] + 1j * points[:, 1]


def _numbers(values: npt.ArrayLike, label: str) -> np.ndarray:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{label} is {values!r}; expected numbers") from None


def _check_picture(image: np.ndarray) -> None:
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InputError(f"image: got {getattr(image, 'shape', type(image).__name__)}; expected an array (H, W, 3)")
    if image.dtype != np.uint8 and not np.issubdtype(image.dtype, np.floating):
        raise InputError(f"image: dtype is {image.dtype}; expected floats or uint8")
