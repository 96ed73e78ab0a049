"""Ten drawn people, enrolled from one picture each, and the visitors at the door."""

from __future__ import annotations

import html
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minicnn import images, models
from minicnn.datasets.synthetic_faces import Circumstances, Population
from minicnn.demonstration.files import picture
from minicnn.drawings import save as save_figure
from minicnn.faces import Calibration, Gallery, calibrate, distance, encode

if TYPE_CHECKING:
    from minicnn.models.network import Network

NAMES = ("Alex", "Billie", "Charlie", "Dana", "Eden", "Frankie", "Gale", "Harper", "Indigo", "Jules")
STRANGERS = 2
OTHERS, EACH = 24, 2  # people and pictures for the threshold
SIZE = 160  # pixels per side for display; the encoder takes fewer


class Visitor(NamedTuple):
    """A visitor at the door.

    who: number of an enrolled person, or of a stranger after them. number: the picture's number. claim: the name
    given, if any.
    """

    who: int
    number: int
    claim: str | None = None


VISITORS = (
    Visitor(0, 1, claim="Alex"),
    Visitor(1, 2, claim="Charlie"),
    Visitor(3, 1),
    Visitor(7, 3),
    Visitor(9, 2),
    Visitor(10, 1),
    Visitor(11, 2),
)


def demonstrate(folder: Path, say: Callable[[str], None]) -> dict[str, str]:
    """Enrol, verify and identify; write the pictures, and return the page's parts.

    The network has seen none of these people in training, and each is enrolled from a single picture.
    """
    say(f"faces: {len(NAMES)} people enrolled from one picture each, {len(VISITORS)} at the door")
    encoder = models.tiny_facenet()
    population = Population(size=SIZE)
    people = population.held_out(len(NAMES) + STRANGERS + OTHERS)
    calibration = _calibration(encoder, people[len(NAMES) + STRANGERS :])
    gallery = Gallery(encoder, threshold=calibration)
    cards = []
    for i, (name, person) in enumerate(zip(NAMES, people, strict=False)):
        portrait = population.portrait(person, Circumstances(scene=person)).image
        images.save(folder / f"face-enrolled-{i + 1}.png", portrait)
        gallery.enroll(name, _for(encoder, portrait))
        cards.append(picture(f"face-enrolled-{i + 1}.png", name))
    photographs = [population.picture(people[visitor.who], visitor.number).image for visitor in VISITORS]
    answers = []
    for i, (visitor, photograph) in enumerate(zip(VISITORS, photographs, strict=True)):
        images.save(folder / f"face-visitor-{i + 1}.png", photograph)
        answers.append(_answer(gallery, visitor, _for(encoder, photograph), f"face-visitor-{i + 1}.png"))
    visitors = encode(encoder, [_for(encoder, photograph) for photograph in photographs])
    known = np.concatenate([gallery.encodings(name) for name in NAMES])
    _write_distances(folder / "face-distances.png", distance(visitors[:, None], known[None]), photographs, calibration)
    return {
        "enrolled": "".join(cards),
        "visitors": "".join(answers),
        "threshold": f"{calibration.threshold:.2f}",
        "threshold_of_ten": f"{calibration.for_gallery(len(NAMES)):.2f}",
    }


def _calibration(encoder: Network, people: list[int]) -> Calibration:
    """Return a threshold from pictures of people who are neither enrolled nor visitors."""
    album = Population(size=encoder.card.input_size[0]).pictures(people, EACH, threads=2)
    encodings = encode(encoder, album.images)
    first, second = np.triu_indices(len(encodings), 1)
    return calibrate(distance(encodings[first], encodings[second]), album.people[first] == album.people[second])


def _for(encoder: Network, image: np.ndarray) -> np.ndarray:
    """Return a picture resized to the encoder's input."""
    return images.resize(image, *encoder.card.input_size)


def _answer(gallery: Gallery, visitor: Visitor, face: np.ndarray, source: str) -> str:
    """Return the gallery's answer to a visitor, as HTML."""
    truth = NAMES[visitor.who] if visitor.who < len(NAMES) else None
    if visitor.claim:
        verified = gallery.verify(visitor.claim, face)
        sign, far = "≤" if verified else ">", f"{verified.distance:.2f}"
        passed, right = verified.same, verified.same == (visitor.claim == truth)
        said, told = f"“I am {visitor.claim}.”", f"{'Yes' if passed else 'No'}: {far} {sign} {verified.threshold:.2f}"
    else:
        found = gallery.identify(face)
        sign, far = "≤" if found else ">", f"{found.distance:.2f}"
        passed, right = found.recognized, found.name == truth
        said = "“Who am I?”"
        told = found.name or f"Not recognized; nearest is {found.nearest}"
        told += f": {far} {sign} {found.threshold:.2f}"
    wrong = "" if right else " (wrong)"
    verdict = f'<br><strong class="{"yes" if passed else "no"}">{html.escape(told)}{wrong}</strong>'
    return picture(source, said, below=verdict)


def _write_distances(path: Path, distances: np.ndarray, faces: list[np.ndarray], calibration: Calibration) -> None:
    """Write the distances of each visitor to each enrolled person; those within the threshold are framed."""
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    rows, columns = distances.shape
    threshold = calibration.for_gallery(columns)
    shades = LinearSegmentedColormap.from_list("near and far", ["#2f6690", "#b9d0e2", "#f4efe6", "#e8d9c3"])
    figure = Figure(figsize=(columns + 1.1, 0.8 * rows + 0.6), dpi=110)
    axes = figure.add_axes((1.05 / (columns + 1.1), 0.02, columns / (columns + 1.1), 0.8 * rows / (0.8 * rows + 0.6)))
    axes.imshow(distances, cmap=shades, vmin=0, vmax=2.4, aspect="auto")
    for row, column in itertools.product(range(rows), range(columns)):
        near = distances[row, column] <= threshold
        colour = "white" if distances[row, column] < 0.5 else "#222222"
        axes.text(column, row, f"{distances[row, column]:.2f}", ha="center", va="center", color=colour, fontsize=12)
        if near:
            axes.add_patch(Rectangle((column - 0.48, row - 0.46), 0.96, 0.92, fill=False, color="#c8553d", lw=3))
    for row, face in enumerate(faces):
        axes.inset_axes((-1.02 / columns, 1 - (row + 0.96) / rows, 0.74 / columns, 0.92 / rows)).imshow(face)
        axes.child_axes[-1].set_axis_off()
    axes.set_xticks(range(columns), NAMES, fontsize=12)
    axes.set_yticks([])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    save_figure(figure, path)
