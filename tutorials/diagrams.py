"""The figures of the lectures, drawn from the models themselves.

Every shape, number of weights and distance in a figure comes from a network or an op at the time of drawing.

    $ minicnn see diagram siamese -o siamese.png

Every function returns a matplotlib Figure and shows nothing. `NAMES` lists the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from minicnn import nn, no_grad, ops, optim
from minicnn.errors import InputError
from minicnn.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from minicnn.models.network import Network

INK, BLUE, RED, GREEN, GREY, PALE = "#222222", "#2f6690", "#c8553d", "#6b7f3a", "#777777", "#eef2f6"
DPI = 120
PEOPLE = 1000, 1001  # unseen by tiny_facenet in training
ALPHA = 0.2
STEPS = 120
STYLE_SIZE, STYLE_STEPS = 192, 60


def diagram(name: str) -> Figure:
    """Return the figure of this name. Raise InputError if it is not one of NAMES."""
    if name not in DIAGRAMS:
        raise InputError(f"diagram: name is {name!r}; expected one of {', '.join(DIAGRAMS)}")
    return DIAGRAMS[name]()


# The lecture on Siamese networks


def siamese() -> Figure:
    """Draw three pictures, one network, three encodings, and their distances. Source: Taigman et al. 2014."""
    from minicnn import faces, models

    model = models.tiny_facenet()
    pictures = _portraits()
    codes = faces.encode(model, np.stack(pictures))
    figure, axes = _blank(13, 6.2, "A Siamese network: one network, called for every picture")
    tags = ("x⁽¹⁾, somebody", "x⁽²⁾, the same", "x⁽³⁾, somebody else")
    layers = _shapes(model)
    for row, (picture, tag) in enumerate(zip(pictures, tags, strict=True)):
        y = 4.6 - 1.75 * row
        _picture(axes, picture, (0.1, y), 1.3)
        axes.text(0.75, y - 0.07, tag, ha="center", va="top", fontsize=10, color=INK)
        x = 1.9
        for place, (height, width, channels) in enumerate(layers):
            side, depth = 1.25 * (height / layers[0][0]) ** 0.5, 0.12 + 0.05 * channels**0.5
            _box(axes, (x, y + 0.65 - side / 2), depth, side, BLUE)
            label = f"{height}×{width}×{channels}"
            axes.text(x + depth / 2, y + 0.65 - side / 2 - 0.05, label, ha="center", va="top", fontsize=8, color=GREY)
            x += depth + (0.62 if place < len(layers) - 1 else 0.45)
        _arrow(axes, (x - 0.3, y + 0.65), (x + 0.1, y + 0.65))
        _strip(axes, codes[row], (x + 0.2, y + 0.45), 2.6, 0.4)
        axes.text(
            x + 1.5, y + 0.92, f"f(x⁽{'¹²³'[row]}⁾), {codes.shape[1]} numbers", ha="center", fontsize=10, color=INK
        )
    right = x + 3.0
    for row, (other, colour, verdict) in enumerate(((1, BLUE, "the same"), (2, RED, "not the same"))):
        d = float(faces.distance(codes[0], codes[other]))
        top, bottom = 5.25, 5.25 - 1.75 * other
        axes.annotate(
            "",
            (right + 2.15 * row, bottom),
            (right + 2.15 * row, top),
            arrowprops={"arrowstyle": "<->", "color": colour, "lw": 2},
        )
        words = f"d = ‖f(x⁽¹⁾) − f(x⁽{'²³'[row]}⁾)‖²\n= {d:.2f}: {verdict}"
        axes.text(right + 2.15 * row + 0.15, bottom + (0.9 if row == 0 else 0.75), words, fontsize=11, color=colour)
    weights = sum(parameter.size for parameter in model.parameters())
    axes.text(3.9, 0.3, f"the same {weights:,} weights in all three rows", ha="center", fontsize=12, color=BLUE)
    axes.set(xlim=(0, right + 4.5), ylim=(0.1, 6.2))
    return figure


def pair_head() -> Figure:
    """Draw two encodings, their weighted differences, and the sigmoid of the sum: ŷ = σ(Σ wₖ φₖ + b).

    The head is untrained. Source: Taigman et al. 2014, section 4.2.
    """
    from minicnn import faces, models

    model, head = models.tiny_facenet(), faces.PairHead("l1", 128)
    pictures = _portraits()[:2]
    codes = faces.encode(model, np.stack(pictures))
    with no_grad():
        answer = float(head.probability(codes[0], codes[1]).data)
    difference = np.abs(codes[0] - codes[1])
    figure, axes = _blank(13, 4.6, "Verification as a binary classification: a head on two encodings")
    for row, picture in enumerate(pictures):
        y = 2.65 - 1.95 * row
        _picture(axes, picture, (0.1, y), 1.4)
        axes.text(0.8, y - 0.06, f"x⁽{'¹²'[row]}⁾", ha="center", va="top", fontsize=11, color=INK)
        _arrow(axes, (1.6, y + 0.7), (2.0, y + 0.7))
        _box(axes, (2.1, y + 0.2), 1.7, 1.0, BLUE)
        axes.text(2.95, y + 0.7, "ConvNet", ha="center", va="center", fontsize=12, color=INK)
        _arrow(axes, (3.9, y + 0.7), (4.25, y + 0.7))
        _strip(axes, codes[row], (4.35, y + 0.5), 2.5, 0.4)
        axes.text(5.6, y + 0.98, f"f(x⁽{'¹²'[row]}⁾), {codes.shape[1]}", ha="center", fontsize=10, color=INK)
        _arrow(axes, (6.95, y + 0.7), (7.4, 2.2 if row else 2.55))
    axes.text(2.95, 2.36, "the same weights", ha="center", va="center", fontsize=10, color=BLUE)
    _strip(axes, difference, (7.5, 2.18), 2.5, 0.4, "Reds")
    axes.text(8.75, 2.72, "φₖ = |f(x⁽¹⁾)ₖ − f(x⁽²⁾)ₖ|", ha="center", fontsize=12, color=RED)
    _arrow(axes, (10.1, 2.38), (10.45, 2.38))
    axes.plot(10.85, 2.38, "o", ms=44, color=PALE, mec=INK)
    axes.text(10.85, 2.38, "σ", ha="center", va="center", fontsize=19, color=INK)
    axes.text(9.6, 1.75, f"ŷ = σ(Σ wₖ φₖ + b),  {head.w.size} weights and b", ha="center", fontsize=12, color=INK)
    _arrow(axes, (11.25, 2.38), (11.6, 2.38))
    axes.text(11.7, 2.38, f"ŷ = {answer:.2f}", va="center", fontsize=14, color=RED, weight="bold")
    axes.text(9.6, 1.35, "(a new head: it has learned nothing yet)", ha="center", fontsize=10, color=GREY)
    axes.set(xlim=(0, 12.9), ylim=(0.3, 4.25))
    return figure


# The lecture on the triplet loss


def triplet() -> Figure:
    """Draw A, P and N before and after gradient descent on the triplet loss of the three points, until it is zero.

    Source: Schroff, Kalenichenko & Philbin 2015, figure 3.
    """
    before = np.array([[0.0, 0.0], [0.95, 0.35], [0.5, -0.3]])
    after = _trained(before)
    figure = _figure(12, 5.2, "The triplet loss moves points")
    for place, (name, points) in enumerate((("before training", before), ("after training", after))):
        axes = figure.add_axes((0.02 + 0.49 * place, 0.03, 0.47, 0.78))
        near, far, loss = triplet_numbers(points)
        a, p, n = points
        from matplotlib.patches import Circle

        axes.add_patch(Circle(tuple(a), near**0.5, fill=False, ec=BLUE, lw=1.2, ls="--"))
        axes.add_patch(Circle(tuple(a), (near + ALPHA) ** 0.5, fill=False, ec=GREY, lw=1.2, ls=":"))
        axes.text(a[0], a[1] + (near + ALPHA) ** 0.5 + 0.03, "N belongs outside", ha="center", color=GREY, fontsize=10)
        for point, letter, colour in ((a, "A", INK), (p, "P", BLUE), (n, "N", RED)):
            if letter != "A":
                axes.plot(*np.stack([a, point]).T, color=colour, lw=2, zorder=1)
            axes.plot(*point, "o", ms=30, color=colour, zorder=2)
            axes.annotate(letter, point, ha="center", va="center", color="white", fontsize=15, weight="bold", zorder=3)
        words = f"‖A − P‖² = {near:.2f}    ‖A − N‖² = {far:.2f}    α = {ALPHA:g}    L = {loss:.2f}"
        axes.set_title(f"{name}\n{words}", fontsize=13, color=INK)
        axes.set(xlim=(-1.35, 1.55), ylim=(-1.3, 1.35), aspect="equal")
        axes.set_axis_off()
    return figure


def triplet_numbers(points: np.ndarray) -> tuple[float, float, float]:
    """Return ‖A − P‖², ‖A − N‖² and the loss of three points (3, D)."""
    from minicnn import faces

    near, far = (float(faces.distance(points[0], other)) for other in points[1:])
    return near, far, faces.triplet_loss(*(Tensor(point[None]) for point in points), margin=ALPHA).item()


def _trained(points: np.ndarray) -> np.ndarray:
    """Return the points after gradient descent."""
    from minicnn import faces

    moving = Tensor(points.copy(), requires_grad=True)
    optimizer = optim.SGD([moving], learning_rate=0.01)
    for _ in range(STEPS):
        loss = faces.triplet_loss(moving[0:1], moving[1:2], moving[2:3], margin=ALPHA)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return moving.data


# The lectures on style transfer


def style() -> Figure:
    """Draw C + S → G: a face, a pattern, and tiny_vgg's style transfer after some steps, with its costs."""
    from minicnn import models
    from minicnn.style import transfer

    content, painting = _content_and_style(STYLE_SIZE)
    found = transfer(content, painting, model=models.tiny_vgg(), steps=STYLE_STEPS, levels=1, seed=0)
    costs = [float(value) for value in (found.history[0]["total"], found.history[-1]["total"])]
    figure, axes = _blank(13, 5, "Neural style transfer: C + S → G")
    for x, picture, name in (
        (0.2, content, "content C"),
        (4.6, painting, "style S"),
        (9.0, found.image, "generated G"),
    ):
        _picture(axes, picture, (x, 0.7), 3.6)
        axes.text(x + 1.8, 0.55, f"{name}, {'×'.join(map(str, picture.shape))}", ha="center", va="top", fontsize=12)
    for x, sign in ((4.2, "+"), (8.6, "→")):
        axes.text(x, 2.5, sign, ha="center", va="center", fontsize=30, color=INK)
    words = f"J(G) = α J_content(C, G) + β J_style(S, G) + smoothness, from {costs[0]:.3g} to {costs[1]:.3g}"
    axes.text(6.4, 4.45, words, ha="center", fontsize=13, color=INK)
    axes.set(xlim=(0, 12.8), ylim=(0.2, 4.62))  # the aspect ratio of the figure, so that pictures stay square
    return figure


def gram() -> Figure:
    """Draw a layer's volume, unrolled into one row per position, and the Gram matrix of its channels, FᵀF.

    Source: Gatys, Ecker & Bethge 2016, equation 3.
    """
    from minicnn import models

    model, layer = models.tiny_vgg(), "block1_conv1"
    picture = _content_and_style(64)[1]
    with no_grad():
        volume = model.features(picture[None], [layer])[layer].data[0, ::4, ::4, :8]
        matrix = ops.gram_matrix(volume[None]).data[0]
    height, width, channels = volume.shape
    rows = volume.reshape(-1, channels)
    figure = _figure(13, 5.4, "Unrolled: what goes together, wherever it is")
    left = figure.add_axes((0.02, 0.1, 0.26, 0.68))
    for channel in range(channels):
        offset = 0.55 * height * channel / channels
        extent = (offset, offset + width, offset, offset + height)
        order = 2 * (channels - channel)
        left.imshow(volume[::-1, :, channel], cmap="magma", extent=extent, origin="lower", zorder=order)
        _box(left, (offset, offset), width, height, "#ffffff", 0.0, zorder=order + 1)
    left.set(xlim=(-1, 1.6 * width), ylim=(-1, 1.6 * height))
    left.set_title(f"a, {height}×{width}×{channels}\n(n_H × n_W × n_C)", fontsize=12)
    middle = figure.add_axes((0.4, 0.1, 0.12, 0.68))
    middle.imshow(rows, cmap="magma", aspect="auto", interpolation="nearest")
    middle.set_title(f"unrolled F, {rows.shape[0]}×{channels}\n(n_H·n_W × n_C)", fontsize=12)
    right = figure.add_axes((0.66, 0.1, 0.3, 0.68))
    right.imshow(matrix, cmap="magma")
    for i in range(channels):
        for j in range(channels):
            shade = "white" if matrix[i, j] < 0.6 * matrix.max() else INK
            right.text(j, i, f"{matrix[i, j]:.0f}", ha="center", va="center", color=shade, fontsize=8)
    right.set_title(f"G = FᵀF, {channels}×{channels}\nGₖₖ′ = Σ aₖ aₖ′ over all places", fontsize=12)
    for axes in (left, middle, right):
        axes.set_axis_off()
    for x, sign in ((0.34, "→"), (0.59, "→")):
        figure.text(x, 0.43, sign, fontsize=30, ha="center", color=INK)
    return figure


# The lecture on one and three dimensions


def signals() -> Figure:
    """Draw a heartbeat, 14×1, and 16 filters of 5×1: 10×16. The shapes are the lecture's and the layer's."""
    layer = nn.Conv1d(1, 16, 5, activation="relu", seed=0)
    beat = np.zeros((1, 14, 1), np.float32)
    beat[0, :, 0] = [0, 0.1, 0.15, 0, 0, -0.15, 1, -0.3, 0, 0.1, 0.25, 0.1, 0, 0]
    return _generalized("One dimension: a signal", beat, layer)


def volumes() -> Figure:
    """Draw a CT of 14×14×14×1 and 16 filters of 5×5×5: 10×10×10×16."""
    layer = nn.Conv3d(1, 16, 5, activation="relu", seed=0)
    scan = np.zeros((1, 14, 14, 14, 1), np.float32)
    return _generalized("Three dimensions: a volume", scan, layer)


def _generalized(title: str, x: np.ndarray, layer: nn.Conv1d | nn.Conv3d) -> Figure:
    with no_grad():
        y = layer(Tensor(x)).data
    rank = x.ndim - 2
    bias = 0 if layer.b is None else layer.b.size
    stages = (
        ("input", x.shape[1:], BLUE, ""),
        (
            f"{layer.w.shape[-1]} filters",
            layer.w.shape[:-1],
            RED,
            f"{layer.w.size:,} weights, {bias} biases; one is shown",
        ),
        ("output", y.shape[1:], GREEN, "one channel per filter"),
    )
    figure, axes = _blank(12, 4.8, title)
    for place, (name, shape, colour, note) in enumerate(stages):
        x0 = 0.4 + 4.0 * place
        size = 1.9 * shape[0] / x.shape[1]
        if rank == 1:
            rows = min(shape[1], 16)
            thick = 0.19
            bottom = 2.2 - thick * rows / 2
            values = x[0].T if place == 0 else layer.w.data[:, :, 0].T if place == 1 else y[0].T
            scale = float(np.abs(values).max()) or 1.0
            for row in range(rows):
                for column in range(shape[0]):
                    strength = abs(float(values[row, column])) / scale
                    box = x0 + column * 2.9 / 14, bottom + row * thick
                    _box(axes, box, 2.9 / 14, thick, colour, 0.08 + 0.85 * strength)
        else:
            _cube(axes, (x0 + 0.1, 2.2 - 0.675 * size), size, shape[0], colour)
        axes.text(x0 + 1.4, 3.95, name, ha="center", fontsize=14, color=colour, weight="bold")
        axes.text(x0 + 1.4, 0.42, " × ".join(map(str, shape)), ha="center", fontsize=14, color=INK)
        axes.text(x0 + 1.4, 0.08, note, ha="center", fontsize=10.5, color=GREY)
    for x0, sign in ((3.85, "∗"), (7.85, "→")):
        axes.text(x0, 2.2, sign, ha="center", va="center", fontsize=26, color=INK)
    axes.set(xlim=(0, 12), ylim=(0, 4.3))
    return figure


# Common parts of the figures


def _portraits() -> list[np.ndarray]:
    """Return two pictures of one person and one of another, uint8 (64, 64, 3)."""
    from minicnn.datasets.synthetic_faces import Circumstances, Population

    population = Population(size=64)
    somebody, somebody_else = PEOPLE
    scenes = (
        (somebody, Circumstances(yaw=-14, smile=0.8, scene=1)),
        (somebody, Circumstances(yaw=17, roll=5, light_from=(50, 20), scene=2)),
        (somebody_else, Circumstances(yaw=8, light_from=(-50, 30), scene=3)),
    )
    return [population.portrait(person, how).image for person, how in scenes]


def _content_and_style(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a drawn face and a drawn painting, float32 (size, size, 3)."""
    from minicnn.datasets.paintings import woodcut_wave
    from minicnn.datasets.synthetic_faces import Circumstances, Population

    face = Population(size=size).portrait(PEOPLE[1], Circumstances(scene=3)).image
    return face.astype(np.float32) / 255, woodcut_wave(size=size)


def _shapes(model: Network) -> list[tuple[int, int, int]]:
    """Return (H, W, C) of tiny_facenet's input and of every block's output, as the network computes them."""
    size = model.card.input_size
    names = [name for name in model.layer_names if name.endswith("_pool")]
    with no_grad():
        found = model.features(np.full((1, *size, 3), 0.5, np.float32), names)
    return [(*size, 3), *((h, w, c) for _, h, w, c in (found[name].shape for name in names))]


def _figure(width: float, height: float, title: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    figure.text(0.5, 1 - 0.3 / height, title, ha="center", va="center", fontsize=17, color=INK, weight="bold")
    return figure


def _blank(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    figure = _figure(width, height, title)
    axes = figure.add_axes((0.01, 0.01, 0.98, 1 - 0.6 / height))
    axes.set_axis_off()
    return figure, axes


def _picture(axes: Axes, picture: np.ndarray, corner: tuple[float, float], side: float) -> None:
    x, y = corner
    axes.imshow(picture, extent=(x, x + side, y, y + side), aspect="auto", zorder=2)


def _box(
    axes: Axes,
    corner: tuple[float, float],
    width: float,
    height: float,
    colour: str,
    opacity: float = 0.25,
    *,
    zorder: float = 1,
) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle(corner, width, height, facecolor=(colour, opacity), edgecolor=colour, lw=1.2, zorder=zorder)
    )


def _cube(axes: Axes, corner: tuple[float, float], side: float, cells: int, colour: str) -> None:
    """Draw a cube of `cells` cells per side, seen from the front, above and the right."""
    from matplotlib.patches import Polygon

    (x, y), slant = corner, 0.35 * side
    faces: Sequence[tuple[Sequence[tuple[float, float]], float]] = (
        ([(x, y), (x + side, y), (x + side, y + side), (x, y + side)], 0.3),
        (
            [(x, y + side), (x + side, y + side), (x + side + slant, y + side + slant), (x + slant, y + side + slant)],
            0.15,
        ),
        (
            [(x + side, y), (x + side + slant, y + slant), (x + side + slant, y + side + slant), (x + side, y + side)],
            0.5,
        ),
    )
    for points, opacity in faces:
        axes.add_patch(Polygon(points, facecolor=(colour, opacity), edgecolor=colour, lw=1.4))
        a, b, c, d = (np.array(point) for point in points)
        for share in np.arange(1, cells) / cells:
            for start, end in ((a + share * (b - a), d + share * (c - d)), (a + share * (d - a), b + share * (c - b))):
                axes.plot(*np.stack([start, end]).T, color=colour, lw=0.5, alpha=0.6)


def _strip(
    axes: Axes, values: np.ndarray, corner: tuple[float, float], width: float, height: float, colours: str = "RdBu"
) -> None:
    """Draw numbers as a row of colours."""
    x, y = corner
    most = float(np.abs(values).max())
    axes.imshow(
        values[None],
        cmap=colours,
        vmin=0 if colours == "Reds" else -most,
        vmax=most,
        extent=(x, x + width, y, y + height),
        aspect="auto",
        interpolation="nearest",
    )


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": INK, "lw": 1.6})


DIAGRAMS: dict[str, Callable[[], Figure]] = {
    "siamese": siamese,
    "triplet": triplet,
    "pair-head": pair_head,
    "style": style,
    "gram": gram,
    "1d": signals,
    "3d": volumes,
}
NAMES = tuple(DIAGRAMS)
