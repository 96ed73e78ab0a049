"""The work of a step, counted from the shapes of the layers: multiply-adds, and bytes in use at a time."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from minicnn import backend, nn
from minicnn.errors import InputError
from minicnn.kernels.geometry import slide
from minicnn.models.blocks import Branches, Chain
from minicnn.models.card import StyleRecipe
from minicnn.models.network import Network
from minicnn.style.scales import halves
from minicnn.style.tiles import tiles_of

FLOAT = 4  # bytes
# Pictures that a run holds in addition to the optimizer's: content, start, iterate, best, gradient, the preprocessed
# picture, and the differences of total variation.
PICTURES = 10


@dataclass(frozen=True)
class Work:
    """The work of a layer, in bytes. source, result: input and output. kept: arrays for the backward pass.

    forward, backward: scratch memory of each pass. filters: cached transformed filters. products: number of
    multiply-adds in the forward pass.
    """

    names: tuple[str, ...]
    source: int
    result: int
    channels: int
    kept: int = 0
    forward: int = 0
    backward: int = 0
    filters: int = 0
    products: int = 0


def works(model: Network, layers: Iterable[str], size: tuple[int, int]) -> list[Work]:
    """Return the work of all layers up to the last of those named. size: (height, width) of the picture."""
    wanted = {name.removesuffix(".linear") for name in layers}
    found: list[Work] = []
    for work, _ in _walk(model.body, (*size, 3), wanted):
        found.append(work)
        wanted -= set(work.names)
        if not wanted:
            break
    return found


def check_size(name: str, picture: np.ndarray, model: Network, recipe: StyleRecipe) -> None:
    """Raise InputError if a picture (H, W, 3) is too small for the layers of a recipe."""
    height, width = picture.shape[:2]
    if not _sees(model, recipe, (height, width)):
        least = next(side for side in itertools.count(min(height, width) + 1) if _sees(model, recipe, (side, side)))
        raise InputError(
            f"{name} is {width}×{height} pixels, too small for {model.card.name}; expected sides of at least {least}"
        )


def _sees(model: Network, recipe: StyleRecipe, size: tuple[int, int]) -> bool:
    try:
        works(model, _layers(recipe), size)
    except InputError:
        return False
    return True


Shape = tuple[int, int, int]


def _walk(layers: Sequence[nn.Module], shape: Shape, wanted: set[str]) -> Iterator[tuple[Work, Shape]]:
    """Yield (work, shape of the result) for each layer, or for each pair of fused layers."""
    skip = False
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        if skip:
            skip = False
        elif isinstance(layer, Chain):
            steps = list(_walk(layer.layers, shape, wanted))
            for work, shape in steps[:-1]:
                yield work, shape
            work, shape = steps[-1]
            yield dataclasses.replace(work, names=(*work.names, layer.name or "")), shape
        elif isinstance(layer, Branches):
            work, shape = _branches(layer, shape, wanted)
            yield work, shape
        elif isinstance(layer, nn.Conv2d):
            halved = (
                isinstance(following, nn.AvgPool2d)
                and (following.kernel_size, following.stride, following.padding) == (2, 2, 0)
                and layer.name not in wanted
            )
            work, shape = _convolution(layer, shape, halved)
            if halved:
                assert following is not None
                work, skip = dataclasses.replace(work, names=(*work.names, following.name or "")), True
            yield work, shape
        elif isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
            work, shape = _pool(layer, shape)
            yield work, shape
        else:  # layers without a window keep the shape
            size = FLOAT * math.prod(shape)
            yield Work((layer.name or "",), size, size, shape[-1], kept=size), shape


def _convolution(layer: nn.Conv2d, shape: Shape, halved: bool) -> tuple[Work, Shape]:
    w = layer.w
    window = slide("conv", shape[:2], w.shape[:2], stride=layer.stride, dilation=layer.dilation, padding=layer.padding)
    positions, outputs = math.prod(window.output), w.shape[-1]
    full = FLOAT * positions * outputs
    fused = backend.ask("conv_is_fused", (1, *shape), w.shape, window, layer.groups)
    result = tuple(length // 2 for length in window.output) if halved else window.output
    # The reference implementation writes all patches to a matrix.
    patches = FLOAT * positions * window.taps * w.shape[-2] * layer.groups if fused is None else 0
    return Work(
        (layer.name or "",),
        source=FLOAT * math.prod(shape),
        result=FLOAT * math.prod(result) * outputs,
        channels=outputs,
        kept=positions * -(-outputs // 8) if layer.activation else 0,
        # Without fusion, ReLU and mean are separate passes, forward and backward.
        forward=patches + (0 if fused or not halved else full),
        backward=patches + (0 if fused else full * (2 if halved else 1)),
        filters=backend.ask("conv_filter_bytes", w.data.nbytes, bool(fused), otherwise=0),
        products=positions * window.taps * w.shape[-2] * outputs,
    ), (result[0], result[1], outputs)


def _pool(layer: nn.MaxPool2d | nn.AvgPool2d, shape: Shape) -> tuple[Work, Shape]:
    window = slide("pool", shape[:2], layer.kernel_size, stride=layer.stride, padding=layer.padding)
    count = math.prod(window.output) * shape[-1]
    kept = count if isinstance(layer, nn.MaxPool2d) else 0  # the index of the maximum, one byte each
    return (
        Work((layer.name or "",), FLOAT * math.prod(shape), FLOAT * count, shape[-1], kept=kept),
        (*window.output, shape[-1]),  # type: ignore[return-value]
    )


def _branches(layer: Branches, shape: Shape, wanted: set[str]) -> tuple[Work, Shape]:
    """Return the work of all branches together: their results coexist, and are then copied into one."""
    inner = [list(_walk([branch], shape, wanted)) for branch in layer.branches]
    each = [work for steps in inner for work, _ in steps]
    ends = [steps[-1][1] for steps in inner]
    channels = sum(end[-1] for end in ends)
    source, result = FLOAT * math.prod(shape), FLOAT * math.prod(ends[0][:2]) * channels
    return (
        Work(
            (layer.name or "", *(name for work in each for name in work.names)),
            source=source,
            result=result,
            channels=channels,
            kept=sum(work.kept for work in each),
            forward=result + max(work.forward for work in each),
            backward=source + result + max(work.backward for work in each),  # cotangents are split
            filters=sum(work.filters for work in each),
            products=sum(work.products for work in each),
        ),
        (*ends[0][:2], channels),
    )


def products(model: Network, recipe: StyleRecipe, size: tuple[int, int]) -> int:
    """Return the multiply-adds of a step: forward and backward of each layer, and the Gram matrices. size: (H, W)."""
    counted = [work for each in halves(recipe, size) for work in works(model, _layers(recipe), each)]
    convolutions = 2 * sum(work.products for work in counted)
    return convolutions + sum(2 * (work.result // FLOAT) * work.channels for work in counted if _taps(work, recipe)[1])


def step_bytes(model: Network, recipe: StyleRecipe, size: tuple[int, int]) -> int:
    """Return the peak bytes of a step: features, cotangents, and what is kept for the backward pass."""
    counted = works(model, _layers(recipe), size)
    most = kept = features = 0
    behind: list[tuple[int, int]] = []  # kept and features up to each layer
    for work in counted:  # forward: features that a cost uses stay, others are freed once read
        most = max(most, kept + features + work.source + work.forward + work.result)
        content, style = _taps(work, recipe)
        kept += work.kept
        features += work.result * (content + style > 0)
        behind.append((kept, features + work.result * content))
    differences = sum(work.result for work in counted if _taps(work, recipe)[0])
    most = max(most, kept + features + 2 * differences)
    for work, (kept, features) in zip(reversed(counted), reversed(behind), strict=True):
        own = work.result if any(_taps(work, recipe)) else 0
        most = max(
            most, kept + features + work.result + own, kept + features - own + work.result + work.backward + work.source
        )
    return most


def run_bytes(
    model: Network,
    recipe: StyleRecipe,
    size: tuple[int, int],
    styles: Sequence[tuple[int, ...]] = (),
    tile: int | None = None,
) -> int:
    """Return the bytes that a run adds to the process: a step, caches, and pictures.

    size: (height, width) of the content. styles: shapes of the style pictures. tile: side of the tiles, if any.
    """
    counted = works(model, _layers(recipe), size)
    picture = FLOAT * 3 * math.prod(size)
    scales = halves(recipe, size)
    area = sum(map(math.prod, scales)) / math.prod(size)
    targets = int(area * sum(work.result for work in counted if _taps(work, recipe)[0]))
    grams = len(scales) * sum(FLOAT * 4 * work.channels**2 for work in counted if _taps(work, recipe)[1])
    filters = min(sum(work.filters for work in counted), backend.ask("cache_budget", otherwise=0))
    looked_at = [_forward_bytes(model, recipe, _at_once(model, recipe, (shape[0], shape[1]), tile)) for shape in styles]
    pictures = (PICTURES + _vectors(recipe)) * picture + sum(FLOAT * math.prod(shape) for shape in styles)
    # All scales are held for the backward pass, but those in tiles take turns, one tile at a time.
    tiled = [each for each in scales if tile is not None and max(each) > tile]
    turns = [step_bytes(model, recipe, _at_once(model, recipe, each, tile)) for each in tiled]
    together = sum(step_bytes(model, recipe, each) for each in scales[len(tiled) :])
    return max([together + max(turns, default=0), *looked_at]) + targets + grams + filters + pictures + _scratch()


def _at_once(model: Network, recipe: StyleRecipe, size: tuple[int, int], tile: int | None) -> tuple[int, int]:
    """Return the size computed at a time, (height, width): the picture, or its largest tile with overlap."""
    if tile is None or max(size) <= tile:
        return size
    crops = [each.crop for each in tiles_of(model, [*_layers(recipe)], size, tile)]
    height, width = (max(crop[axis].stop - crop[axis].start for crop in crops) for axis in (0, 1))
    return height, width


def _forward_bytes(model: Network, recipe: StyleRecipe, size: tuple[int, int]) -> int:
    """Return the peak bytes of a forward pass over a style, which keeps only the features to compare."""
    most = features = 0
    for work in works(model, recipe.style_layers, size):
        most = max(most, features + work.source + work.forward + work.result)
        features += work.result * _taps(work, recipe)[1]
    return most


def touched_bytes(model: Network, recipe: StyleRecipe, size: tuple[int, int]) -> int:
    """Return the bytes that a small step leaves in the buffer pool for reuse."""
    return sum(step_bytes(model, recipe, each) for each in halves(recipe, size)) + _scratch()


def _scratch() -> int:
    """Return the scratch memory of kernels in bytes, which does not depend on the picture."""
    return backend.ask("conv_scratch", otherwise=0)


def _vectors(recipe: StyleRecipe) -> int:
    """Return the number of arrays of the picture's size that an optimizer holds."""
    if recipe.parametrization == "pyramid":
        return 7  # two per level, and the levels' gradients and changes: a third more than for the picture alone
    return {"adam": 2, "lbfgs": 2 * 10 + 8}.get(recipe.optimizer, 1)


def _layers(recipe: StyleRecipe) -> list[str]:
    return [*recipe.style_layers, *recipe.content_layers]


def _taps(work: Work, recipe: StyleRecipe) -> tuple[bool, bool]:
    """Return (is a content layer, is a style layer)."""
    return tuple(  # type: ignore[return-value]
        any(name.removesuffix(".linear") in work.names for name in layers)
        for layers in (recipe.content_layers, recipe.style_layers)
    )
