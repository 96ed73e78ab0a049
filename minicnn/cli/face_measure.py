"""minicnn face calibrate and evaluate: thresholds, and the accuracy of an encoder."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from minicnn.cli import face_inputs as inputs
from minicnn.cli import outcome, paths
from minicnn.cli.face_finder import Looker
from minicnn.cli.face_gallery import opened
from minicnn.cli.outcome import print_json
from minicnn.errors import InputError, MissingFileError
from minicnn.files import check_folder
from minicnn.text import counted, entries, plain

if TYPE_CHECKING:
    import numpy as np

    from minicnn.faces.calibration import Calibration
    from minicnn.faces.encoders import FaceEncoder
    from minicnn.faces.gallery import Gallery
    from minicnn.faces.protocols import Identified

SIZES = (1, 10, 100, 1000)  # gallery sizes in the table of false accepts
FPIR = 0.01
READS = "source lfw pairs weights head"


class Distances(NamedTuple):
    """Labelled distances of pairs of pictures.

    d: distances. same: True for pairs of one person. fold: fold numbers, for LFW. pictures, people: counts.
    extremes: the nearest pair of two people and the farthest pair of one person, with their distances.
    """

    d: np.ndarray
    same: np.ndarray
    fold: np.ndarray | None
    pictures: int
    people: int | None
    encoder: FaceEncoder
    extremes: dict[str, tuple[str, str, float]]


def add(actions: Any) -> None:
    """Register the actions."""
    parser = inputs.action(
        actions,
        "calibrate",
        "find the threshold for your pictures",
        calibrate,
        more="SOURCE is a folder of people (SOURCE/PERSON/*.jpg), the folder of LFW with --pairs, or a gallery with "
        "several pictures per person.",
    )
    parser.add_argument("source", metavar="SOURCE", help="folder of people, or gallery file")
    rule = parser.add_argument_group("Threshold").add_mutually_exclusive_group()
    rule.add_argument("--far", type=float, default=1e-3, metavar="R", help="highest false accept rate (default: 0.001)")
    rule.add_argument("--eer", action="store_true", help="use the equal error rate instead")
    rule.add_argument("--accuracy", action="store_true", help="use the highest accuracy on balanced pairs instead")
    parser.add_argument("--into", metavar="GALLERY", help="store the threshold in this gallery, and use its encoder")
    _add_common(parser)
    inputs.add_picture(parser, "the distances, the ROC curve and the threshold", reads=READS)

    parser = inputs.action(
        actions,
        "evaluate",
        "measure the accuracy of an encoder",
        evaluate,
        more="DIR is a folder of people (DIR/PERSON/*.jpg). With --lfw or --pairs, follow the protocol of Labeled "
        "Faces in the Wild: accuracy per fold, by the best threshold on the other folds.",
    )
    parser.add_argument("source", nargs="?", metavar="DIR", help="folder of people")
    parser.add_argument("--lfw", metavar="DIR", help="folder of LFW; pairs.txt in it, next to it, or from --pairs")
    _add_common(parser)
    inputs.add_picture(parser, "the distances, the ROC curve and the identification rates", reads=READS)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pairs", metavar="FILE", help="list of pairs in the format of LFW's pairs.txt")
    parser.add_argument("--skip-missing", action="store_true", help="skip pairs whose pictures are missing")
    inputs.add_weights(parser)
    inputs.add_places(parser)
    inputs.add_drawn(parser)
    parser.add_argument("--head", metavar="FILE", help="score with a head from minicnn face train --loss pair")


# Pictures to distances


def _encoded(
    arguments: argparse.Namespace, encoder: FaceEncoder, paths: Sequence[Path]
) -> tuple[np.ndarray, list[int], int]:
    """Return encodings, the numbers of their pictures among the paths, and the count of pictures without a face.

    Unreadable pictures are reported and skipped.
    """
    from minicnn.faces.encoding import encode

    look = Looker(arguments, encoder.card, len(paths), usual="centre", strict=False, one=True)
    looked = enumerate(outcome.each(paths, look, bar=inputs.bar(arguments, "encoding")))
    kept: list[int] = []

    def crops() -> Iterator[np.ndarray]:
        for number, (_, shown, _) in looked:
            for one in shown or ():
                kept.append(number)
                yield one.crop

    encodings = encode(encoder.network, crops())
    look.conclude()
    return encodings, kept, look.missed


def _of_lfw(arguments: argparse.Namespace, root: str, pairs: str, encoder: FaceEncoder, apart: Any) -> Distances:
    import numpy as np

    from minicnn.datasets import lfw
    from minicnn.faces.protocols import pair_distances

    found = lfw.evaluation(root, pairs, skip_missing=arguments.skip_missing)
    if found.missing:
        outcome.note(f"{counted(len(found.missing), 'picture')} missing; their pairs are skipped")
    encodings, kept, missed = _encoded(arguments, encoder, found.paths)
    if len(kept) + missed < len(found.paths):
        raise InputError("evaluate: LFW's protocol needs all pictures; expected good ones, or pairs without them")
    places = np.full(len(found.paths), -1)
    places[kept] = np.arange(len(kept))
    first, second = places[found.pairs.first], places[found.pairs.second]
    there = (first >= 0) & (second >= 0)
    d = pair_distances(apart, encodings, first[there], second[there])
    return Distances(d, found.pairs.same[there], found.pairs.fold[there], len(kept), None, encoder, {})


def _of_pictures(
    encoder: FaceEncoder, apart: Any, encodings: np.ndarray, labels: np.ndarray, names: Sequence[Any], balanced: bool
) -> Distances:
    """Return the distances of every pair of pictures. Raise InputError if one picture is filed under two people."""
    import numpy as np

    from minicnn.faces.encoding import are_alike
    from minicnn.faces.protocols import every_pair, pair_distances

    first, second, same = every_pair(labels, balanced=balanced)
    d = pair_distances(apart, encodings, first, second)
    nearest, farthest = np.flatnonzero(~same)[d[~same].argmin()], np.flatnonzero(same)[d[same].argmax()]
    two, one = ((str(names[first[k]]), str(names[second[k]]), float(d[k])) for k in (nearest, farthest))
    if are_alike(encodings[first[nearest]], encodings[second[nearest]]):
        raise InputError(f"face: {two[0]} and {two[1]} are one picture of two people; expected it under one")
    extremes = {"nearest_two": two, "farthest_one": one}
    return Distances(d, same, None, len(labels), len(np.unique(labels)), encoder, extremes)


# calibrate


def calibrate(arguments: argparse.Namespace) -> None:
    from minicnn.faces import calibration

    found, gallery = _for_calibration(arguments)
    rule = "eer" if arguments.eer else "accuracy" if arguments.accuracy else "far"
    result = calibration.calibrate(found.d, found.same, target_far=arguments.far, rule=rule)
    if not result.val:
        two = found.extremes.get("nearest_two")
        which = f"{two[0]} and {two[1]}, at {two[2]:.4g}, are" if two else "two of them are"
        raise InputError(
            f"calibrate: at the threshold {result.threshold:.4g} nobody passes: {which} of two people and nearer than "
            "those of one; expected pictures under their right names, or --eer"
        )
    if arguments.into and gallery:
        gallery.threshold = result
        gallery.save(arguments.into)
    if arguments.picture:
        from minicnn.faces import figures

        figures.save(figures.pairs(found.d, found.same, threshold=result.threshold), arguments.picture)
    if arguments.json:
        sizes = [{"comparisons": k, "threshold": result.for_gallery(k), "resolved": result.resolves(k)} for k in SIZES]
        told = {"encoder": found.encoder.name, "into": arguments.into, **result.as_dict(), **found.extremes}
        print_json({**told, "galleries": sizes})
        return
    print("\n".join(_calibrated(arguments, found, result)))


def _for_calibration(arguments: argparse.Namespace) -> tuple[Distances, Gallery | None]:
    """Return the distances of labelled pairs, and the gallery to update or None."""
    from minicnn.faces.protocols import every_pair

    source, gallery = Path(arguments.source), None
    if arguments.into:
        check_folder("--into", Path(arguments.into))
    if os.path.isfile(source):
        return _of_gallery(arguments)
    if arguments.into:
        encoder, gallery = opened(arguments.into, arguments)
    if gallery is None:
        encoder = inputs.encoder_for(arguments)
    elif arguments.head:
        raise InputError("calibrate: head is set when a gallery is made; with --into leave --head out")
    head = gallery.head if gallery else inputs.head_of(arguments.head, encoder.card.embedding or 0)
    apart = inputs.score_by(encoder, head)
    if arguments.pairs:
        return _of_lfw(arguments, arguments.source, arguments.pairs, encoder, apart), gallery
    folder = inputs.read_folder(source)
    every_pair(folder.labels, balanced=arguments.accuracy)  # raises before the work if there are too few
    encodings, kept, _ = _encoded(arguments, encoder, folder.paths)
    names = [folder.paths[k].relative_to(folder.root) for k in kept]
    return _of_pictures(encoder, apart, encodings, folder.labels[kept], names, arguments.accuracy), gallery


def _of_gallery(arguments: argparse.Namespace) -> tuple[Distances, Gallery]:
    """Return the distances of the enrolled pictures, and the gallery, whose own head scores them if it has one."""
    import numpy as np

    for name in ("pairs", "head", "box", "landmarks"):
        if getattr(arguments, name):
            raise InputError(f"calibrate: {name} is for pictures, and {arguments.source!r} is a gallery")
    if arguments.into and not paths.same(Path(arguments.into), arguments.source):
        raise InputError(f"calibrate: into is {arguments.into!r}; expected the gallery that is calibrated on, or none")
    encoder, gallery = opened(arguments.source, arguments)
    labels = np.repeat(np.arange(len(gallery)), np.array(list(gallery.people.values()), np.int64))
    names = [f"picture {k} of {name}" for name, count in gallery.people.items() for k in range(1, count + 1)]
    encodings = np.concatenate([gallery.encodings(name) for name in gallery.list()])
    apart = inputs.score_by(encoder, gallery.head)
    return _of_pictures(encoder, apart, encodings, labels, names, arguments.accuracy), gallery


def _calibrated(arguments: argparse.Namespace, found: Distances, result: Calibration) -> Iterator[str]:
    from minicnn.faces.calibration import rate_in_gallery

    low, high = result.threshold_interval
    val, far = result.val_interval, result.far_interval
    rules = {"far": f"FAR of at most {result.target_far:g}", "eer": "equal error rate", "accuracy": "highest accuracy"}
    half = -result.intercept / result.slope if result.slope < 0 else -1.0
    yield f"{plain(arguments.source)}: {_size(found)}, encoded by {found.encoder.name}"
    yield from entries(
        {
            "rule": rules[result.rule],
            "threshold": f"{result.threshold:.4f} (95 %: {low:.4f} to {high:.4f})",
            "VAL": f"{result.val:.2%} of genuine pairs accepted ({val[0]:.2%} to {val[1]:.2%})",
            "FAR": f"{result.far:.3%} of impostor pairs accepted ({far[0]:.3%} to {far[1]:.3%})",
            "accuracy": f"{result.accuracy:.2%}",
            **_extremes(found),
            "probability": f"one half at distance {half:.4f}" if half > 0 else None,
        }
    )
    yield ""
    yield "In a gallery a stranger is compared with every picture, so false accepts grow"
    yield "with its size."
    yield "  pictures       false accepts at this threshold   threshold for the same FAR"
    for size in SIZES:
        rate = rate_in_gallery(result.far or result.far_interval[1], size)
        at_most = "" if result.far else "up to "
        few = "" if result.resolves(size) else " *"
        yield f"  {size:>8,}   {at_most + format(rate, '.2%'):>35}   {result.for_gallery(size):>24.4f}{few}"
    if not all(map(result.resolves, SIZES)):
        yield "  * below the nearest impostor pair; more pairs would make it more precise"
    if arguments.into:
        yield f"stored in {plain(arguments.into)}, which adapts the threshold to its size"
    else:
        yield f"use it with --threshold {result.threshold:.4g}, or store it with --into GALLERY"


def _extremes(found: Distances) -> dict[str, str]:
    return {kind.replace("_", " "): f"{a} and {b}, at {d:.4f}" for kind, (a, b, d) in found.extremes.items()}


def _size(found: Distances) -> str:
    people = f"{counted(found.people, 'person', 'people')}, " if found.people is not None else ""
    one = int(found.same.sum())
    return f"{people}{counted(found.pictures, 'picture')}, {one:,} + {len(found.same) - one:,} pairs"


# evaluate


def evaluate(arguments: argparse.Namespace) -> None:
    if (arguments.source is None) == (arguments.lfw is None):
        raise InputError("evaluate: expected a folder of people, or LFW's with --lfw")
    pairs = arguments.pairs or (_pairs_of(Path(arguments.lfw)) if arguments.lfw else None)
    encoder = inputs.encoder_for(arguments)
    head = inputs.head_of(arguments.head, encoder.card.embedding or 0)
    apart = inputs.score_by(encoder, head)
    if pairs:
        found = _of_lfw(arguments, arguments.lfw or arguments.source, str(pairs), encoder, apart)
        told, identified = _measured(found), None
    else:
        found, told, identified = _of_folder(arguments, encoder, apart)
    if arguments.picture:
        from minicnn.faces import figures

        figures.save(figures.pairs(found.d, found.same, identified=identified), arguments.picture)
    if arguments.json:
        print_json({"encoder": encoder.name, "pictures": found.pictures, **told, **found.extremes})
        return
    source = plain(arguments.lfw or arguments.source)
    figures_found = entries(_figures(found, told, identified))
    print("\n".join([f"{source}: {_size(found)}, encoded by {encoder.name}", *figures_found]))


def _pairs_of(root: Path) -> Path:
    for path in (root / "pairs.txt", root.parent / "pairs.txt"):
        if os.path.isfile(path):
            return path
    raise MissingFileError(
        f"evaluate: no pairs.txt in {str(root)!r} nor next to it; name it with --pairs, or evaluate any folder of "
        "people without --lfw"
    )


def _measured(found: Distances) -> dict[str, Any]:
    from minicnn.faces.evaluation import evaluate_pairs

    return asdict(evaluate_pairs(found.d, found.same, folds=10 if found.fold is None else found.fold))


def _of_folder(
    arguments: argparse.Namespace, encoder: FaceEncoder, apart: Any
) -> tuple[Distances, dict[str, Any], Identified | None]:
    """Return the distances of all pairs, the figures, and the identification trials or None.

    Accuracy is measured on pairs in folds of people, the other figures on all pairs.
    """
    import numpy as np

    from minicnn.faces.evaluation import roc, share_interval, val_at_far
    from minicnn.faces.measurement import evaluation_pairs
    from minicnn.faces.protocols import every_pair, identification, pair_distances

    folder = inputs.read_folder(arguments.source)
    every_pair(folder.labels)
    evaluation_pairs(folder.labels[np.bincount(folder.labels)[folder.labels] >= 2])  # raises before the work
    encodings, kept, _ = _encoded(arguments, encoder, folder.paths)
    labels = np.unique(folder.labels[kept], return_inverse=True)[1]
    several = np.flatnonzero(np.bincount(labels)[labels] >= 2)
    drawn = evaluation_pairs(labels[several])
    pictures, people = len(labels), len(np.unique(labels))
    d = pair_distances(apart, encodings, several[drawn.first], several[drawn.second])
    told = _measured(Distances(d, drawn.same, drawn.fold, pictures, people, encoder, {}))
    told["pairs_in_folds"] = len(d)
    names = [folder.paths[k].relative_to(folder.root) for k in kept]
    found = _of_pictures(encoder, apart, encodings, labels, names, False)
    point = val_at_far(found.d, found.same, told["target_far"])
    right = int(np.count_nonzero(found.d[found.same] <= point.threshold))
    curve = roc(found.d, found.same)
    told["auc"], (told["eer"], told["eer_threshold"]) = curve.area(), curve.equal_error()
    told |= {"val": point.val, "far": point.far, "val_threshold": point.threshold, "same": int(found.same.sum())}
    told |= {"val_interval": share_interval(right, told["same"]), "different": len(found.d) - told["same"]}
    known = int(np.count_nonzero(np.bincount(labels) >= 2))
    identified = identification(apart, encodings, labels) if known >= 4 else None
    if identified:
        fpir, share = identified.dir_at(FPIR)
        told |= {"cmc": identified.cmc.tolist()[:20], "fpir": fpir, "dir": share, "draws": identified.draws}
    return found, told, identified


def _figures(found: Distances, told: dict[str, Any], identified: Identified | None) -> dict[str, str | None]:
    import numpy as np

    from minicnn.faces.evaluation import share_interval

    folds = len(told["fold_accuracies"])
    low, high = told["val_interval"]
    count = told.get("pairs_in_folds", told["same"] + told["different"])
    lowest, highest = share_interval(round(told["accuracy"] * count), count)
    threshold = float(np.mean(told["fold_thresholds"]))
    facts: dict[str, str | None] = {
        "accuracy": f"{told['accuracy']:.2%} ± {told['standard_error']:.2%} (standard error)",
        "folds": f"{folds}, {count:,} pairs; accuracy {lowest:.2%} to {highest:.2%} (95 %); mean threshold "
        f"d ≤ {threshold:.4f}",
        "AUC": f"{told['auc']:.4f}",
        "EER": f"{told['eer']:.2%} at d ≤ {told['eer_threshold']:.4f}",
        "VAL": f"{told['val']:.2%} ({low:.2%} to {high:.2%}) at FAR {told['far']:.2g}",
    }
    facts |= _extremes(found)
    if identified:
        ranks = [rank for rank in (1, 5, 10) if rank <= len(identified.cmc)]
        facts["CMC"] = ", ".join(f"rank {rank} {identified.cmc[rank - 1]:.2%}" for rank in ranks)
        facts["DIR"] = f"{told['dir']:.2%} at FPIR {told['fpir']:.2g}"
        facts["galleries"] = (
            f"one picture per person, mean of {counted(identified.draws, 'draw')}; CMC: all {identified.people} people "
            "enrolled; DIR: half enrolled, half strangers"
        )
    return facts
