"""Figures of encodings, drawn by matplotlib: nearest people, distances, and the effect of a threshold.

Every function returns a figure, which `save` writes to a file. Matrices and colours are ordered by person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn.drawings import literal
from minicnn.drawings import save as save
from minicnn.faces.evaluation import roc
from minicnn.faces.nearness import Nearness
from minicnn.faces.protocols import Identified
from minicnn.text import elided

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SAME, DIFFERENT, LINE, INK = "#2f6690", "#c8553d", "#3a3a3a", "#222222"
PALE = "#b9c6d2"
DPI = 150
MOST_NAMED = 20  # people with a colour of their own; more cannot be told apart


def matches(
    query: np.ndarray,
    title: str,
    people: Sequence[tuple[str, float]],
    threshold: float | None,
    *,
    faces: Sequence[np.ndarray | None] = (),
) -> Figure:
    """Plot a face (H, W, 3) next to the nearest people, and the threshold if there is one.

    people: (name, distance), ascending. faces: pictures of these people, if available.
    """
    figure = _blank(9.8, 4.4)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.5))
    _show(left, query, _short(title, 30))
    places = np.arange(len(people))
    far = [distance for _, distance in people]
    near = [threshold is not None and distance <= threshold for distance in far]
    right.barh(places, far, height=0.62, color=[SAME if yes else PALE for yes in near])
    room = max([*far, threshold or 0.0]) * 1.18 or 1.0
    for place, distance in zip(places, far, strict=True):
        label = right.text(distance + room * 0.015, place, f"{distance:.3f}", va="center", fontsize=11, color=INK)
        label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1.5})  # stands out against the line
    rows = max(len(people), 3)  # keeps a single bar thin
    middle = (len(people) - 1) / 2
    right.set(xlim=(0, room), ylim=(middle + rows / 2 + 0.15, middle - rows / 2 - 0.15), xlabel="distance")
    right.set_yticks(places, [_short(name, 28) for name, _ in people], fontsize=12)
    right.tick_params(left=False)
    _thumbnails(right, faces, room)
    if threshold is not None:
        _line(right, threshold, "threshold")
    _plain(right, "x")
    return figure


def scenes(pictures: Sequence[np.ndarray], titles: Sequence[str]) -> Figure:
    """Plot several pictures (H, W, 3), each under its title."""
    columns = min(len(pictures), 4 if len(pictures) > 4 else 3)
    rows = -(-len(pictures) // columns)
    figure = _blank(3.3 * columns, 3.5 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, picture, title in zip(grid, pictures, titles, strict=False):
        _show(axes, picture, _short(title, 30))
    for axes in grid[len(pictures) :]:
        axes.set_axis_off()
    return figure


def two_faces(first: np.ndarray, second: np.ndarray, names: tuple[str, str], verdict: str, same: bool | None) -> Figure:
    """Plot two faces, (H, W, 3) each, under the verdict on them."""
    figure = _blank(7.4, 4.6)
    for axes, face, name in zip(figure.subplots(1, 2), (first, second), names, strict=True):
        _show(axes, face, _short(name, 30))
    colour = INK if same is None else SAME if same else DIFFERENT
    figure.suptitle(verdict, fontsize=15, color=colour, fontweight="bold")
    return figure


def why(faces: Sequence[np.ndarray], names: Sequence[str], found: Nearness, verdict: str) -> Figure:
    """Plot three faces, (H, W, 3) of any size, the last a stranger's, above their maps from `why_near`.

    Occlusion maps share one scale. Each gradient map has its own, since only its sign and position matter.
    """
    from scipy.ndimage import gaussian_filter

    figure = _blank(9.4, 9.9)
    panels = figure.subplots(3, 3)
    figure.suptitle(verdict, fontsize=15, color=INK, fontweight="bold")
    told = ["from the other", "from the other", "from the first: a stranger"]
    blur = found.gradients.shape[1] / 25
    strongest = float(np.abs(found.occlusions).max())
    for column, (face, name, words) in enumerate(zip(faces, names, told, strict=True)):
        _show(panels[0, column], face, f"{_short(name, 28)}\n{found.distances[column]:.3f} {words}")
        grey = np.repeat(face.mean(axis=2, keepdims=True), 3, axis=2) * 0.45 + 0.5
        maps = [gaussian_filter(each[column], blur) for each in (found.gradients, found.occlusions)]
        for row, (values, limit) in enumerate(zip(maps, (float(np.abs(maps[0]).max()), strongest), strict=True), 1):
            axes = panels[row, column]
            axes.imshow(grey, extent=(0, 1, 1, 0))
            limit = limit or 1.0
            shown = axes.imshow(
                values, cmap="RdBu_r", vmin=-limit, vmax=limit, alpha=0.62, extent=(0, 1, 1, 0), interpolation="bicubic"
            )
            axes.set(xticks=[], yticks=[], frame_on=False)
    for row, words in ((1, "by gradients"), (2, "by covering pieces")):
        panels[row, 0].set_ylabel(words, fontsize=13, labelpad=8)
    bar = figure.colorbar(shown, ax=panels, location="bottom", shrink=0.5, aspect=36, pad=0.03)
    bar.set_ticks([-strongest, 0, strongest], labels=["keeps them apart", "no matter", "brings them together"])
    bar.outline.set_visible(False)
    return figure


def pairs(
    distances: np.ndarray,
    same: np.ndarray,
    *,
    threshold: float | None = None,
    label: str = "threshold",
    identified: Identified | None = None,
) -> Figure:
    """Plot distances of pairs (pairs,) of one person and of two, their ROC, and identification rates if given."""
    count = 2 if identified is None else 3
    figure = _blank(4.9 * count, 4.4)
    panels = figure.subplots(1, count)
    _histograms(panels[0], distances, same, threshold, label)
    _roc(panels[1], distances, same, threshold)
    if identified is not None:
        _identification(panels[2], identified)
    return figure


def people(encodings: np.ndarray, labels: np.ndarray, names: Sequence[str], distances: np.ndarray) -> Figure:
    """Plot all distances (N, N) between pictures as a matrix, and encodings (N, D) in their principal plane.

    labels: (N,), indices into `names`, ascending.
    """
    figure = _blank(13.2, 5.2)
    matrix, plane = figure.subplots(1, 2)
    _matrix(figure, matrix, distances, labels, names)
    _plane(plane, encodings, labels, names)
    return figure


def principal_plane(encodings: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the first two principal components (N, 2) of encodings (N, D), and their share of the variance.

    Both are 0 for a single encoding, or if all are the same.
    """
    centred = encodings.astype(np.float64) - encodings.mean(axis=0, dtype=np.float64)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    places = np.zeros((len(encodings), 2))
    kept = min(2, len(s))
    places[:, :kept] = u[:, :kept] * s[:kept]
    total = float(np.square(s).sum())
    return places, float(np.square(s[:2]).sum()) / total if total else 0.0


def _blank(width: float, height: float) -> Figure:
    """Return an empty figure, width × height in inches, with padding at its edges."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), dpi=DPI, layout=ConstrainedLayoutEngine(w_pad=0.14, h_pad=0.12))


def _show(axes: Axes, face: np.ndarray, title: str) -> None:
    axes.imshow(face, interpolation="bicubic" if len(face) < 200 else "none")
    axes.set_axis_off()
    axes.set_title(title, fontsize=13, pad=8)


def _thumbnails(axes: Axes, faces: Sequence[np.ndarray | None], room: float) -> None:
    """Draw small faces to the right of their bars."""
    for place, face in enumerate(faces):
        if face is not None:
            inset = axes.inset_axes((room * 1.01, place - 0.42, room * 0.17, 0.84), transform=axes.transData)
            inset.imshow(face)
            inset.set_axis_off()


def _line(axes: Axes, threshold: float, label: str) -> None:
    axes.axvline(threshold, color=LINE, linestyle="--", linewidth=1.4)
    low, high = axes.get_xlim()
    axes.annotate(
        f"{label} {threshold:.3g}",
        (threshold, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 5),
        textcoords="offset points",
        ha="left" if threshold < low + 0.2 * (high - low) else "center",
        fontsize=11,
        color=LINE,
    )


def _histograms(axes: Axes, d: np.ndarray, same: np.ndarray, threshold: float | None, label: str) -> None:
    edges = np.linspace(0, float(d.max()) or 1.0, 41)
    for kind, colour, name in ((same, SAME, "one person"), (~same, DIFFERENT, "two people")):
        weights = np.full(int(kind.sum()), 100 / max(int(kind.sum()), 1))
        axes.hist(
            d[kind], edges.tolist(), weights=weights, color=colour, alpha=0.62, label=f"{name}: {kind.sum():,} pairs"
        )
    axes.set(xlabel="distance", ylabel="% of pairs of this kind", xlim=(0, edges[-1]))
    axes.set_ylim(top=axes.get_ylim()[1] * 1.22)  # space for the legend
    axes.legend(frameon=False, fontsize=10.5, loc="upper right")
    if threshold is None:
        axes.set_title(f"distances of {len(d):,} pairs", fontsize=12)
    else:
        _line(axes, threshold, label)
    _plain(axes, "y")


def _roc(axes: Axes, d: np.ndarray, same: np.ndarray, threshold: float | None) -> None:
    curve = roc(d, same)
    least = 1 / max(int((~same).sum()), 1)
    low = 10.0 ** np.floor(np.log10(least))
    axes.plot(np.maximum(curve.far, low), curve.val, color=SAME, linewidth=2.2, drawstyle="steps-post")
    chance = np.geomspace(low, 1, 200)
    axes.plot(chance, chance, color=PALE, linestyle=":", linewidth=1.6)
    axes.text(0.3, 0.45, "by chance", color="#8795a1", fontsize=10.5, ha="right")
    title = f"ROC, area under it {curve.area():.3f}"
    if threshold is not None:
        passed = d <= threshold
        point = max(float(passed[~same].mean()), low), float(passed[same].mean())
        axes.plot(*point, "o", color=DIFFERENT, markersize=8)
        title += f"; VAL {point[1]:.1%} at FAR {passed[~same].mean():.2g}"
    axes.set(xscale="log", xlim=(low, 1), ylim=(0, 1.02), xlabel="FAR: two people accepted as one")
    axes.set_ylabel("VAL: one person accepted")
    axes.set_title(title, fontsize=12)
    _plain(axes, "both")


def _identification(axes: Axes, found: Identified) -> None:
    """Plot CMC and open-set rates in one panel; both are shares of people found."""
    low = 1e-3
    axes.plot(np.maximum(found.fpir, low), found.dir, color=DIFFERENT, linewidth=2.2, drawstyle="steps-post")
    axes.set(xscale="log", xlim=(low, 1), ylim=(0, 1.02))
    axes.set_ylabel("people recognized (DIR)")
    shown = [rank for rank in (1, 5) if rank <= len(found.cmc)]
    ranks = ", ".join(f"rank {rank} {found.cmc[rank - 1]:.1%}" for rank in shown)
    axes.set_xlabel(f"FPIR: strangers taken for somebody\n(all {found.people} enrolled, no strangers: {ranks})")
    axes.set_title(f"a gallery of {found.people // 2}, one picture each, and strangers", fontsize=12)
    _plain(axes, "both")


def _matrix(figure: Figure, axes: Axes, d: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> None:
    shown = axes.imshow(d, cmap="magma", vmin=0, interpolation="nearest")
    figure.colorbar(shown, ax=axes, label="distance", shrink=0.82)
    begins = np.flatnonzero(np.diff(labels, prepend=-1))
    ends = np.append(begins[1:], len(labels))
    for end in ends[:-1]:
        axes.axhline(end - 0.5, color="white", linewidth=0.7)
        axes.axvline(end - 0.5, color="white", linewidth=0.7)
    if len(begins) <= MOST_NAMED:
        axes.set_yticks((begins + ends - 1) / 2, [_short(names[labels[i]], 18) for i in begins], fontsize=9.5)
    else:
        axes.set_yticks([])
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.set_title(f"distances of {len(labels)} pictures", fontsize=12)


def _plane(axes: Axes, encodings: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> None:
    import matplotlib

    places, share = principal_plane(encodings)
    persons = np.unique(labels)
    palette = "tab10" if len(persons) <= 10 else "tab20"
    colours = matplotlib.colormaps[palette].colors  # type: ignore[attr-defined]
    few = len(persons) <= MOST_NAMED
    for number, person in enumerate(persons):
        mine = places[labels == person]
        colour = colours[number] if few else SAME
        name = _short(names[person], 18) if few else None
        axes.scatter(
            mine[:, 0], mine[:, 1], s=34, color=colour, alpha=0.85, edgecolor="white", linewidth=0.6, label=name
        )
    if few:
        axes.legend(frameon=False, fontsize=9.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set(xlabel="first principal component", ylabel="second")
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_box_aspect(1)
    axes.set_title(f"encodings in the plane ({share:.0%} of their variance)", fontsize=12)
    _plain(axes, None)


def _plain(axes: Axes, grid: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    if grid:
        axes.grid(axis=grid, alpha=0.25)
        axes.set_axisbelow(True)


def _short(name: str, width: int = 20) -> str:
    """Return the name shortened to `width` characters."""
    return literal(elided(name, width))
