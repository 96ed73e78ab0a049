"""Face detection by a cascade of three networks. Source: Zhang et al. 2016; facenet's detect_face.

Coordinates are (x, y) in pixels. The first pixel extends from 0 to 1, with its centre at 0.5. A box is (left, top,
right, bottom).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minicnn import nn, zoo
from minicnn.backend import kernels_for
from minicnn.errors import InputError
from minicnn.faces.arguments import as_array, is_number
from minicnn.images import as_floats
from minicnn.models.cascade import CELL, MTCNN, STRIDE, Judgement, mtcnn
from minicnn.models.pretrained import loaded_once

SHRINK = 0.709  # scale between two pictures of the pyramid, which halves the area
SMALLEST = 40.0  # pixels; encoders take a hundred or more
THRESHOLDS = (0.6, 0.7, 0.7)  # minimum scores of P-Net, R-Net and O-Net, from facenet
MOST = 4000  # candidate windows for R-Net, by score; only very busy pictures have more


class Detection(NamedTuple):
    """Detected faces, sorted by descending score. boxes: (N, 4) left, top, right, bottom. scores: (N,) from 0 to 1.

    landmarks: (N, 5, 2) of (x, y): left eye, right eye, tip of the nose, left and right corner of the mouth. Left and
    right are as seen by the viewer.
    """

    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray


class Windows(NamedTuple):
    """Candidate windows. boxes: (N, 4). scores: (N,)."""

    boxes: np.ndarray
    scores: np.ndarray

    def take(self, which: np.ndarray) -> Windows:
        """Return the windows with these indices, or where the mask `which` is True."""
        return Windows(self.boxes[which], self.scores[which])


def detect(
    image: Any,
    *,
    min_size: float = SMALLEST,
    thresholds: tuple[float, float, float] = THRESHOLDS,
    detector: MTCNN | None = None,
) -> Detection:
    """Detect all upright faces in a picture, and return a Detection.

    image: (H, W, 3) RGB, or grey (H, W) or (H, W, 1); floats in [0, 1], or uint8. min_size: side of the smallest face,
    at least 12 pixels; twice the size is four times as fast. thresholds: minimum score in each of the three stages.
    detector: default is models.mtcnn(). A picture smaller than min_size contains no face.
    Raises InputError, or MissingFileError if the weights are not on this machine.
    """
    if not is_number(min_size, CELL):
        raise InputError(f"detect: min_size is {min_size!r}; expected {CELL} pixels or more")
    if len(thresholds) != 3 or not all(is_number(t, 0) and t <= 1 for t in thresholds):
        raise InputError(f"detect: thresholds is {thresholds!r}; expected three numbers from 0 to 1")
    picture = as_picture(image)
    detector = detector or the_detector()
    with nn.frozen(detector):
        return run_cascade(picture, detector, min_size, thresholds)


def run_cascade(
    picture: np.ndarray, detector: Any, min_size: float = SMALLEST, thresholds: tuple[float, float, float] = THRESHOLDS
) -> Detection:
    """Run the cascade on a picture, float32 (H, W, 3), with any detector that has the interface of MTCNN."""
    candidates = _proposed(picture, detector, min_size, thresholds[0])
    candidates = _refined(picture, detector, candidates, thresholds[1])
    return _found(picture, detector, candidates, thresholds[2])


def the_detector() -> MTCNN:
    """Return the catalogue's detector, loaded once. Raises MissingFileError if its weights are not on this machine."""
    return loaded_once(mtcnn, zoo.path("mtcnn"))


# The three stages


def _proposed(picture: np.ndarray, detector: Any, min_size: float, threshold: float) -> Windows:
    """Return candidates from P-Net at all scales, so that faces of any size appear CELL pixels large."""
    found = []
    for small, scale in pyramid(picture, min_size):
        judged = detector.judge(small[None])
        windows, shifts = windows_of_map(judged, scale, threshold)
        kept = suppress(windows, 0.5)
        found.append(Windows(shifted(windows.boxes[kept], shifts[kept]), windows.scores[kept]))
    if not found:
        return Windows(np.empty((0, 4)), np.empty(0))
    windows = Windows(*map(np.concatenate, zip(*found, strict=True)))
    return windows.take(suppress(windows, 0.7)[:MOST])


def _refined(picture: np.ndarray, detector: Any, candidates: Windows, threshold: float) -> Windows:
    """Return the candidates that R-Net accepts, with refined boxes."""
    boxes = squares(candidates.boxes)
    if not len(boxes):
        return candidates
    judged = detector.refinement.judge(crops(picture, boxes, 24))
    boxes, shifts, scores = _believed(boxes, judged, threshold)
    kept = suppress(Windows(boxes, scores), 0.7)
    return Windows(shifted(boxes[kept], shifts[kept]), scores[kept])


def _found(picture: np.ndarray, detector: Any, candidates: Windows, threshold: float) -> Detection:
    """Return the faces that O-Net accepts, with landmarks."""
    boxes = squares(candidates.boxes)
    if not len(boxes):
        return Detection(np.empty((0, 4)), np.empty(0), np.empty((0, 5, 2)))
    judged = detector.output.judge(crops(picture, boxes, 48))
    assert judged.landmarks is not None
    landmarks = boxes[:, None, :2] + judged.landmarks * (boxes[:, 2:] - boxes[:, :2])[:, None]
    landmarks = landmarks[judged.scores > threshold]
    boxes, shifts, scores = _believed(boxes, judged, threshold)
    boxes = shifted(boxes, shifts)
    # A box inside another is usually a nose, so overlap is relative to the smaller area.
    kept = suppress(Windows(boxes, scores), 0.7, of_smaller=True)
    return Detection(boxes[kept], scores[kept], landmarks[kept])


def _believed(boxes: np.ndarray, judged: Judgement, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    sure = judged.scores > threshold
    return boxes[sure], judged.shifts[sure], judged.scores[sure]


# Boxes and pyramids


def pyramid(picture: np.ndarray, min_size: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (scaled picture, scale factors (x, y)) until the short side is less than CELL."""
    height, width = picture.shape[:2]
    scale = CELL / min_size
    while min(height, width) * scale >= CELL:
        rows, columns = math.ceil(height * scale), math.ceil(width * scale)
        # Averages of averages are exact, and a picture of half the size is read in a quarter of the time.
        if picture.shape[0] >= 4 * rows:
            picture = _shrunk(picture, math.ceil(picture.shape[0] / 2), math.ceil(picture.shape[1] / 2))
        yield _shrunk(picture, rows, columns), np.array([columns / width, rows / height])
        scale *= SHRINK


def _shrunk(picture: np.ndarray, rows: int, columns: int) -> np.ndarray:
    whole = np.array([[0, 0, picture.shape[1], picture.shape[0]]], np.float64)
    return kernels_for(picture).crop(picture, whole, rows, columns)[0]


def windows_of_map(judged: Judgement, scale: np.ndarray, threshold: float) -> tuple[Windows, np.ndarray]:
    """Return the windows of P-Net's map (1, H, W) at or above the threshold, in pixels, and their shifts (N, 4)."""
    rows, columns = np.nonzero(judged.scores[0] >= threshold)
    corner = STRIDE * np.stack([columns, rows], axis=1)
    boxes = np.concatenate([corner / scale, (corner + CELL) / scale], axis=1)
    return Windows(boxes, judged.scores[0, rows, columns]), judged.shifts[0, rows, columns]


def shifted(boxes: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Return boxes with each side moved by a fraction of their width or height."""
    size = boxes[:, 2:] - boxes[:, :2]
    return boxes + shifts * np.tile(size, 2)


def squares(boxes: np.ndarray) -> np.ndarray:
    """Return squares with the same centres, as large as the longer sides."""
    middle, side = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True)
    return np.concatenate([middle - side / 2, middle + side / 2], axis=1)


def crops(picture: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Return the content of the boxes, (N, size, size, 3), black outside the picture."""
    return kernels_for(picture).crop(picture, boxes, size, size)


def suppress(windows: Windows, most: float, *, of_smaller: bool = False) -> np.ndarray:
    """Return the indices of the windows that remain after non-maximum suppression, by descending score.

    A window is suppressed by a better one if they overlap by more than `most`. The overlap is the intersection over
    the union, or with of_smaller, over the smaller area.
    """
    left, top, right, bottom = windows.boxes.T
    area = (right - left) * (bottom - top)
    order = np.argsort(-windows.scores, kind="stable")
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        across = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest])
        down = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest])
        shared = np.maximum(across, 0) * np.maximum(down, 0)
        whole = np.minimum(area[best], area[rest]) if of_smaller else area[best] + area[rest] - shared
        order = rest[shared <= most * whole]
    return np.array(kept, np.intp)


# Input


def as_picture(image: Any) -> np.ndarray:
    """Return a picture as float32 (H, W, 3). image: as in `detect`. Raises InputError."""
    picture = as_array(image)
    if picture.ndim == 2:
        picture = picture[..., None]
    if picture.ndim != 3 or picture.shape[2] not in (1, 3):
        raise InputError(f"detect: image has shape {picture.shape}; expected (H, W, 3), or grey (H, W)")
    if picture.size:  # an empty picture has no face
        picture = as_floats(picture, "detect: image", slack=1e-3)
    return np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
