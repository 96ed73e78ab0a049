"""Regions of a picture that activate a unit, from a deep layer's channels or by occlusion.

Maps are (N, H, W), without N for one picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minicnn import nn
from minicnn.errors import InputError, check_count, is_count
from minicnn.images import scaled
from minicnn.models.blocks import every
from minicnn.models.network import Network
from minicnn.tensor import Tensor
from minicnn.visualize.attribution import for_each_batch
from minicnn.visualize.units import BATCH, outputs_of


def grad_cam(
    model: Network,
    layer: str,
    images: Any,
    unit: Any,
    *,
    at: str | None = None,
    position: Any = "max",
    batch_size: int = BATCH,
) -> np.ndarray:
    """Return max(Σ_c α_c A_c, 0), resized to the picture bilinearly. Source: Selvaraju et al. 2017.

    A are the channels of a layer with spatial axes, and α_c is the mean over positions of the unit's gradient to A_c.
    at: the layer of A; None for the last convolution before `layer`. Other arguments: see saliency.
    """
    at = at or _last_convolution(model, layer)
    model.check_layer(at)

    def weigh(pictures: np.ndarray, cotangent: np.ndarray, first: int) -> np.ndarray:
        x = Tensor(pictures, requires_grad=True)
        found = model.features(x, [at, layer])
        channels = found[at].retain_grad()
        found[layer].backward(cotangent)
        if channels.ndim != 4:
            raise InputError(f"grad_cam: at is {at!r}, which gives {channels.shape}; expected a layer with places")
        if channels.grad is None:
            raise InputError(f"grad_cam: at is {at!r}; expected a layer that comes before {layer}")
        weights = channels.grad.mean(axis=(1, 2), keepdims=True)
        maps = np.maximum((weights * channels.data).sum(axis=3), 0)
        return enlarged(maps, pictures.shape[1:3])

    return for_each_batch(model, layer, images, unit, position, batch_size, weigh)


def occlusion(
    model: Network,
    layer: str,
    images: Any,
    unit: Any,
    *,
    size: int | tuple[int, int] | None = None,
    stride: int | None = None,
    colour: Any = None,
    position: Any = "max",
    batch_size: int = BATCH,
) -> np.ndarray:
    """Return the drop in a unit's activation when a patch covers a pixel: the mean over all patches that cover it.

    size: pixels per side of the patch, or (height, width); None for a quarter of the shorter side. stride: pixels from
    patch to patch, at most the shorter side of one, so that all are covered; None for half of it. colour: None for
    the one that is preprocessed to zero. The unit's position stays that of the uncovered picture.
    Source: Zeiler & Fergus 2014, section 4.2. Other arguments: see saliency.
    """

    def cover(pictures: np.ndarray, cotangent: np.ndarray, first: int) -> np.ndarray:
        height, width = pictures.shape[1:3]
        tall, wide = _piece(size, height, width)
        short = min(tall, wide)
        step = max(1, short // 2) if stride is None else check_count("occlusion: stride", stride, 1, short)
        paint = model.preprocessing.neutral() if colour is None else scaled(np.asarray(colour))
        before = _said(model, layer, pictures, cotangent)
        total, count = np.zeros(pictures.shape[:3], np.float32), np.zeros((height, width), np.float32)
        for top in _starts(height, tall, step):
            for left in _starts(width, wide, step):
                piece = slice(None), slice(top, top + tall), slice(left, left + wide)
                covered = pictures.copy()
                covered[piece] = paint
                total[piece] += (before - _said(model, layer, covered, cotangent))[:, None, None]
                count[piece[1:]] += 1
        return total / count

    return for_each_batch(model, layer, images, unit, position, batch_size, cover)


def enlarged(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return maps (N, h, w) resized to (height, width), bilinearly between the centres of their pixels."""
    rows, columns = (_interpolation(n, wanted) for n, wanted in zip(maps.shape[1:], size, strict=True))
    return (rows @ maps @ columns.T).astype(maps.dtype)


def _interpolation(length: int, wanted: int) -> np.ndarray:
    """Return (wanted, length): the weights of the two neighbours of each new pixel. The edge repeats the last pixel."""
    middles = np.clip((np.arange(wanted) + 0.5) * length / wanted - 0.5, 0, length - 1)
    return np.maximum(0, 1 - np.abs(middles[:, None] - np.arange(length)))


def _said(model: Network, layer: str, pictures: np.ndarray, cotangent: np.ndarray) -> np.ndarray:
    """Return (N,): the activations that the cotangent selects, one per picture."""
    return (outputs_of(model, layer, pictures) * cotangent).reshape(len(pictures), -1).sum(axis=1)


def _piece(size: Any, height: int, width: int) -> tuple[int, int]:
    pair = size if isinstance(size, tuple) else (max(1, min(height, width) // 4) if size is None else size,) * 2
    if len(pair) != 2 or not (is_count(pair[0], 1, height) and is_count(pair[1], 1, width)):
        raise InputError(f"occlusion: size is {size!r}; expected pixels, at most ({height}, {width}) as the pictures")
    return pair[0], pair[1]


def _starts(length: int, piece: int, step: int) -> list[int]:
    """Return the starts of patches, so that the last one ends with the picture."""
    return sorted({*range(0, length - piece + 1, step), length - piece})


def _last_convolution(model: Network, layer: str) -> str:
    model.check_layer(layer)
    last = None
    for candidate in every(model.layers):
        if candidate.name == layer.removesuffix(".linear"):
            break
        if isinstance(candidate, nn.Conv2d) and candidate.name:
            last = candidate.name
    if last is None:
        raise InputError(f"grad_cam: no convolution comes before {layer}; expected a layer behind one")
    return last
