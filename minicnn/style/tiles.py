"""Style transfer of pictures larger than memory: the exact cost and gradient, tile by tile.

Gram matrices are sums over positions, so they are first accumulated over tiles. The gradient of the cost with respect
to these sums then gives each tile's part of the gradient of the picture. A tile includes the receptive fields of all
its features, and overlapping parts of the gradient are added. The result is therefore that of the whole picture,
without seams. A step costs one more forward pass, and the overlap.

Source: Galerne et al. 2022, "Scaling painting style transfer". They keep the inner part of each tile's gradient, which
takes twice the overlap.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn.errors import InputError
from minicnn.models.card import StyleRecipe
from minicnn.models.fields import fields_of
from minicnn.models.network import Network
from minicnn.operation import no_grad, op, remembering
from minicnn.ops import gram_matrix
from minicnn.style.costs import CONTENT_FORMS, Extent, Moments, add_up, moments_cost
from minicnn.style.objective import Objective
from minicnn.style.regions import Regions
from minicnn.tensor import Tensor

SMALLEST = 64  # pixels of a tile's side; smaller ones are mostly overlap

Area = tuple[slice, slice]


class Tile(NamedTuple):
    """A part of a picture. crop: its pixels, overlap included.

    parts: {layer: (its positions within the crop, and within the picture)}. Each position belongs to one tile.
    """

    crop: Area
    parts: Mapping[str, tuple[Area, Area]]


def tiles_of(model: Network, layers: Sequence[str], size: tuple[int, int], side: int) -> list[Tile]:
    """Return the tiles of a picture of size (height, width). side: pixels per side, without overlap."""
    fields = {layer: fields_of(model, layer, size) for layer in layers}
    whole = {layer: (each.rows, each.columns) for layer, each in fields.items()}
    stride = max(_stride(spans) for each in whole.values() for spans in each)
    axes = [_cuts({layer: each[i] for layer, each in whole.items()}, size[i], side, stride) for i in (0, 1)]
    fields_in = functools.cache(functools.partial(fields_of, model))  # most tiles have the same size

    @functools.cache
    def inside(layer: str, axis: int, low: int, start: int, stop: int, crop: tuple[int, int]) -> slice:
        spans = fields_in(layer, crop)
        return _same((spans.rows, spans.columns)[axis] + low, whole[layer][axis][start:stop])

    found = []
    for top, bottom, rows in axes[0]:
        for left, right, columns in axes[1]:
            parts, crop = {}, (bottom - top, right - left)
            for layer in layers:
                here = inside(layer, 0, top, rows[layer].start, rows[layer].stop, crop)
                there = inside(layer, 1, left, columns[layer].start, columns[layer].stop, crop)
                parts[layer] = (here, there), (rows[layer], columns[layer])
            found.append(Tile((slice(top, bottom), slice(left, right)), parts))
    return found


def _stride(spans: np.ndarray) -> int:
    """Return the distance in pixels between neighbouring positions, in the middle of the picture."""
    middle = len(spans) // 2
    return int(np.diff(spans[max(0, middle - 1) : middle + 1, 1]).max(initial=1))


def _cuts(
    spans: Mapping[str, np.ndarray], length: int, side: int, stride: int
) -> list[tuple[int, int, dict[str, slice]]]:
    """Return (first pixel, one past the last, {layer: positions}) of the tiles along one axis."""
    found = []
    # Equal tiles, since the largest one takes the most memory.
    count = max(1, min((length + side // 2) // side, length // stride))
    edges = [*(length * i // (count * stride) * stride for i in range(count)), length]
    for first, end in itertools.pairwise(edges):
        members = {}
        for layer, each in spans.items():
            middles = (each[:, 0] + each[:, 1] - 1) / 2
            start, stop = np.searchsorted(middles, [first, end] if end < length else [first, math.inf])
            members[layer] = slice(int(start), int(stop))
        seen = [spans[layer][each] for layer, each in members.items() if each.start < each.stop]
        low, high = min(each[:, 0].min() for each in seen), max(each[:, 1].max() for each in seen)
        # Whole strides from both ends of the picture keep the padding the same as in the whole picture.
        low, high = int(low) // stride * stride, length - (length - int(high)) // stride * stride
        found.append((low, high, members))
    return found


def _same(spans: np.ndarray, wanted: np.ndarray) -> slice:
    """Return the slice of `spans` that equals `wanted`. Raises InputError if there is none."""
    if not len(wanted):
        return slice(0, 0)
    for start in np.flatnonzero((spans == wanted[0]).all(axis=1)).tolist():
        found = slice(start, start + len(wanted))
        if np.array_equal(spans[found], wanted):
            return found
    raise InputError("transfer: this network has other features in a tile than in the whole picture; expected no tile")


class TiledObjective(Objective):
    """The Objective of a picture, computed tile by tile: the same cost and gradient in less memory.

    side: pixels per side of a tile, without overlap. Other arguments: as in Objective.
    """

    def __init__(
        self,
        model: Network,
        recipe: StyleRecipe,
        content: np.ndarray,
        styles: Sequence[tuple[np.ndarray, float]],
        regions: Regions | None = None,
        targets: dict[Any, Any] | None = None,
        *,
        side: int,
    ) -> None:
        self.side = side
        super().__init__(model, recipe, content, styles, regions, targets)

    def __call__(self, image: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Return (J, its parts by name) for an image (1, H, W, 3)."""
        recipe, pixels, size = self.recipe, image.data, (image.shape[1], image.shape[2])
        with no_grad():
            found, apart = self._sums(pixels, [part.weights for part in self.parts], self.content_layers)
            content = recipe.alpha * apart
        with remembering():  # the moments are leaves; their gradients are passed on to the tiles
            leaves = {
                key: Moments(*(Tensor(each.data, requires_grad=True) for each in of)) for key, (of, _) in found.items()
            }
            styles = {
                name: add_up(
                    [self._part_cost(number, name, leaves[number, name], size) for number in range(len(self.parts))]
                )
                for name in self.style_layers
            }
            style = recipe.beta * add_up(list(styles.values()))
            style.backward()
        pulls = {key: [_over(leaf.grad, found[key][1]) for leaf in leaves[key]] for key in leaves}
        seen = computed(image, content + style.item(), lambda: self._gradient(pixels, pulls))
        parts = {"content": Tensor(np.asarray(content, pixels.dtype)), "style": style.detach()}
        roughness = self._roughness(image)
        if roughness is not None:
            parts["total_variation"] = roughness
        return seen if roughness is None else seen + roughness, self._told(parts, styles)

    def _part_cost(self, number: int, name: str, found: Moments, size: tuple[int, int]) -> Tensor:
        """Return the weighted style cost of a layer in a region, from its moments."""
        part, form = self.parts[number], self.recipe.style_form
        positions = math.prod(map(len, _spans(self.model, name, size)))
        cost = moments_cost(part.target[name], found, positions, form=form, image_size=size)
        return cost * (self.style_layers[name] * part.share)

    def _tiles(self, picture: Any, layers: Iterable[str]) -> Iterator[tuple[Tile, np.ndarray]]:
        """Yield each tile of an array (1, H, W, 3), and its pixels."""
        for tile in tiles_of(self.model, [*layers], picture.shape[1:3], self.side):
            yield tile, np.ascontiguousarray(picture[(slice(None), *tile.crop)])

    def _features(self, tile: Tile, crop: Any, layers: Iterable[str]) -> dict[str, Tensor]:
        """Return the features of a tile's positions, (1, h, w, C), from the pixels of its crop.

        Layers without a position in the tile are left out.
        """
        features = self.model.features(crop, [*layers])
        inside = {name: tile.parts[name][0] for name in layers}
        return {
            name: features[name][(slice(None), *area)]
            for name, area in inside.items()
            if all(each.stop > each.start for each in area)
        }

    def _content(self, content: np.ndarray) -> dict[str, Tensor]:
        whole: dict[str, np.ndarray] = {}
        for tile, crop in self._tiles(content[None], self.content_layers):
            for name, part in self._features(tile, crop, self.content_layers).items():
                if name not in whole:
                    height, width = map(len, _spans(self.model, name, content.shape[:2]))
                    whole[name] = np.empty_like(part.data, shape=(1, height, width, part.shape[-1]))
                whole[name][(slice(None), *tile.parts[name][1])] = part.data
        return {name: Tensor(array) for name, array in whole.items()}

    def _moments(self, picture: np.ndarray, mask: np.ndarray | None) -> dict[str, Moments]:
        weights = dict.fromkeys(self.style_layers) if mask is None else self._weights(mask)
        return {name: found for (_, name), (found, _) in self._sums(picture[None], [weights])[0].items()}

    def _sums(
        self, picture: Any, parts: Sequence[Mapping[str, np.ndarray | None]], compared: Iterable[str] = ()
    ) -> tuple[dict[Key, tuple[Moments, float]], float]:
        """Return {(number of a part, layer): (its Moments, the number of positions that they average)}, and a cost.

        compared: layers whose features are compared with those of the content; the cost is the sum over them.
        """
        sums: dict[Key, list[Any]] = {}
        cost = 0.0
        layers = [*self.style_layers, *(name for name in compared if name not in self.style_layers)]
        for tile, crop in self._tiles(picture, layers):
            seen = self._features(tile, crop, layers)
            cost += sum(self._content_cost(tile, name, seen[name].data) for name in compared if name in seen)
            for name in filter(seen.__contains__, self.style_layers):
                for number, part in enumerate(parts):
                    second, first, count = summed(seen[name], _of(part[name], tile, name))
                    assert first is not None
                    new = second.data.astype(np.float64), first.data.astype(np.float64), count
                    old = sums.setdefault((number, name), [0.0, 0.0, 0.0])
                    sums[number, name] = [a + b for a, b in zip(old, new, strict=True)]
        found = {}
        for key, (second, first, count) in sums.items():
            means = (Tensor((each / count).astype(picture.dtype)) for each in (second, first))
            found[key] = Moments(*means), count
        return found, cost

    def _content_cost(self, tile: Tile, name: str, features: Any) -> float:
        """Return the weighted content cost of a layer over a tile."""
        apart = np.square(features - self._target(tile, name))
        return self._content_factor(name) * float(np.sum(apart, dtype=np.float64))

    def _content_factor(self, name: str) -> float:
        target = self.content[name]
        extent = Extent(target.shape[-1], math.prod(target.shape[1:3]), target)
        return CONTENT_FORMS[self.recipe.content_form].factor(extent) * self.content_layers[name]

    def _target(self, tile: Tile, name: str) -> Any:
        return _of(self.content[name].data, tile, name)

    def _gradient(self, picture: Any, pulls: Mapping[Key, Sequence[Any]]) -> np.ndarray:
        """Return the gradient of content and style. pulls: gradients with respect to sums over positions."""
        gradient = np.zeros_like(picture)
        factors = {name: self.recipe.alpha * self._content_factor(name) for name in self.content_layers}
        for tile, pixels in self._tiles(picture, {**self.style_layers, **self.content_layers}):
            with remembering():
                crop = Tensor(pixels, requires_grad=True)
                features = self._features(tile, crop, {**self.style_layers, **self.content_layers})
                terms = [
                    (features[name] - self._target(tile, name)).square().sum() * factor
                    for name, factor in factors.items()
                    if name in features
                ]
                for (number, name), pull in pulls.items():
                    if name not in features:
                        continue
                    weights = _of(self.parts[number].weights[name], tile, name)
                    second, first, _ = summed(features[name], weights, first=pull[1] is not None)
                    terms += [(second * pull[0]).sum(), *([] if first is None else [(first * pull[1]).sum()])]
                add_up(terms).backward()
            gradient[(slice(None), *tile.crop)] += crop.grad
        return gradient


Key = tuple[int, str]


@op(inputs=1, fresh=True)
def computed(image, value, gradient):
    """Return `value` as a scalar function of an image whose gradient is gradient(), an array like the image."""

    def backward(dy):
        pulled = gradient()
        return np.multiply(pulled, dy, out=pulled)  # in place: a copy of a large picture is many bytes

    return np.asarray(value, image.dtype), backward


def summed(features: Tensor, weights: np.ndarray | None, *, first: bool = True) -> tuple[Tensor, Tensor | None, float]:
    """Return the sums of F Fᵀ and, if `first`, of F over positions; and the number of positions.

    weights: the weight of each position; None: 1.
    """
    if weights is None:
        means = features.sum(axis=(1, 2)) if first else None
        return gram_matrix(features), means, float(math.prod(features.shape[1:3]))
    means = (features * weights).sum(axis=(1, 2)) if first else None
    return gram_matrix(features * np.sqrt(weights)), means, float(weights.sum(dtype=np.float64))


def _over(gradient: np.ndarray | None, count: float) -> np.ndarray | None:
    """Return the gradient of a sum from that of the mean; None if there is none."""
    return None if gradient is None else gradient / gradient.dtype.type(count)


def _of(whole: Any, tile: Tile, layer: str) -> Any:
    """Return the positions of a tile in an array over all positions of a layer; None for None."""
    return None if whole is None else whole[(slice(None), *tile.parts[layer][1])]


def _spans(model: Network, layer: str, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    fields = fields_of(model, layer, size)
    return fields.rows, fields.columns
