"""minicnn style CONTENT STYLE -o OUT: one picture in the style of another."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.cli import outcome, paths, style_series
from minicnn.cli.style_presets import ListPresets
from minicnn.errors import InputError

if TYPE_CHECKING:
    from minicnn.images import Metadata
    from minicnn.style import StyleResult
    from minicnn.style.job import Job

FRAME = re.compile(r"\d{5}\.png")
SIZE = 512  # pixels of the long side, unless told otherwise
# What goes on to `transfer` under its own name.
OPTIONS = (
    *("preset", "size", "seed", "alpha", "beta", "total_variation", "scales", "style_scale", "keep_colours"),
    *("steps", "optimizer", "learning_rate", "schedule", "parametrization", "init", "levels"),
    *("masks", "style_masks", "tile"),
)


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "style",
        help="paint a photograph in the style of a picture",
        usage="minicnn style CONTENT STYLE [STYLE …] -o OUT [options]",
        description="Paint CONTENT in the style of STYLE, or of several mixed. Ctrl-C keeps the best picture so far; "
        "the same command with --resume goes on from there, also after a crash. Beside OUT lies its manifest, "
        "a .json file from which --from makes the same picture again. For a folder as CONTENT, or a --sweep, OUT is "
        "a folder of pictures, and --resume makes those that are missing.",
    )
    parser.add_argument("content", metavar="CONTENT", nargs="?", help="the picture that says what is seen, or a folder")
    parser.add_argument("style", metavar="STYLE", nargs="*", help="the picture that says how it is painted, or several")
    parser.add_argument(
        "-o", "--out", required=True, metavar="OUT", help="a .png, .jpg or .webp file to write, or a folder"
    )
    parser.add_argument("--size", type=int, metavar="N", help=f"the long side in pixels (default: {SIZE})")
    parser.add_argument("--seed", type=int, metavar="S", help="of the noise (default: 0)")
    parser.add_argument("--device", default="cpu", metavar="D", help="where to compute: cpu or cuda (default: cpu)")
    _add_costs(parser.add_argument_group("what is made small"))
    _add_regions(parser.add_argument_group("where each style paints"))
    _add_descent(parser.add_argument_group("how it is made small"))
    _add_looks(parser.add_argument_group("to look at"))
    _add_safety(parser.add_argument_group("so that nothing is lost"))
    _add_file(parser.add_argument_group("how OUT is written"))
    parser.set_defaults(run=run)
    files = {
        "reads": "content style manifest weights masks style_masks map",
        "writes": "out",
        "sides": "plot preview gif",
    }
    paths.declare(parser, **files, pictures="out plot preview", folders="out", beside=_beside)


def _add_costs(group: Any) -> None:
    group.add_argument("--weights", metavar="NAME|PATH", help="trained weights: a name or a file (default: tiny_vgg)")
    group.add_argument("--preset", metavar="P", help="constants of another system (default: what suits the weights)")
    group.add_argument("--list-presets", action=ListPresets, help="explain the presets in a table, and leave")
    group.add_argument("--alpha", type=float, metavar="A", help="the weight of the content cost")
    group.add_argument("--beta", type=float, metavar="B", help="the weight of the style cost")
    group.add_argument("--total-variation", type=float, metavar="T", help="the weight of smoothness")
    group.add_argument(
        "--scales",
        type=float,
        nargs="+",
        metavar="W",
        help="weights of the costs of the picture, its half, its quarter, …",
    )
    group.add_argument("--style-weights", type=float, nargs="+", metavar="W", help="of several styles (default: alike)")
    group.add_argument(
        "--style-scale", type=float, metavar="F", help="styles F times as large as CONTENT: so are their brush strokes"
    )
    group.add_argument("--keep-colours", metavar="C", help="of CONTENT, by luminance, histogram or affine map")


def _add_regions(group: Any) -> None:
    group.add_argument(
        "--masks", nargs="+", metavar="M", help="a grey picture per STYLE: white where it paints, as large as CONTENT"
    )
    group.add_argument("--map", metavar="PNG", help="one picture instead, with a colour for each STYLE")
    group.add_argument("--map-colours", nargs="+", metavar="C", help="the colours, in order: names or #rrggbb")
    group.add_argument(
        "--style-masks",
        nargs="+",
        metavar="M",
        help="a grey picture per STYLE: the part of it to learn from, or - for all",
    )


def _add_descent(group: Any) -> None:
    group.add_argument("--steps", type=int, metavar="N", help="optimizer steps of all sizes (default: the recipe's)")
    group.add_argument(
        "--sweep",
        nargs="+",
        metavar="NAME=V,V",
        help="paint with each of these values, as in beta=1e3,1e4 style_scale=0.5,1,2, and make a contact sheet",
    )
    group.add_argument("--optimizer", metavar="O", help="adam, lbfgs, or gd for plain gradient descent")
    group.add_argument("--learning-rate", type=float, metavar="R", help="the size of a step (default: the recipe's)")
    group.add_argument("--init", metavar="I", help="a start of --list-presets (default: the recipe's)")
    group.add_argument(
        "--levels",
        type=int,
        metavar="N",
        help="sizes from coarse to fine, each twice the one before; 0 is as many as begin with at least 128 pixels",
    )
    group.add_argument("--schedule", metavar="S", help="of the rate: constant, or cosine, by which it falls to nothing")
    group.add_argument("--parametrization", metavar="P", help="what adam moves: pixels, or a pyramid of them")


def _add_looks(group: Any) -> None:
    group.add_argument("--preview", metavar="FILE", help="a picture that is replaced as the run goes on")
    group.add_argument("--gif", metavar="FILE", help="the run as a film")
    group.add_argument("--frames", metavar="DIR", help="every tenth picture of the run")
    group.add_argument("--plot", metavar="FILE", help="the costs over the steps, and every layer's")


def _add_file(group: Any) -> None:
    group.add_argument(
        "--depth", type=int, default=8, metavar="N", help="bits per channel: 8, or 16 for PNG (default: 8)"
    )
    group.add_argument(
        "--profile",
        choices=("srgb", "keep"),
        default="srgb",
        help="colours in sRGB, or converted back to the profile of CONTENT (default: srgb)",
    )
    group.add_argument(
        "--no-metadata",
        action="store_true",
        help="write no camera, date, artist and copyright of CONTENT; its place is never written",
    )


def _add_safety(group: Any) -> None:
    group.add_argument("--resume", action="store_true", help="go on where a run that was stopped or killed had come to")
    group.add_argument("--from", dest="manifest", metavar="JSON", help="make the picture of this manifest again")
    group.add_argument(
        "--tile", type=int, metavar="N", help="compute in tiles of N pixels: less memory, the same picture"
    )
    group.add_argument("--anyway", action="store_true", help="begin even if memory is not expected to suffice")


def _beside(arguments: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """Yield what is written besides the pictures that are named."""
    frames, folder = arguments.frames, os.path.isdir(arguments.out)
    for target, *_ in style_series.works(arguments):
        if folder:
            yield "--out", target
        yield "the manifest beside --out,", target.with_suffix(".json")
        yield "the checkpoint beside --out,", target.with_suffix(".checkpoint")
    if arguments.sweep:
        yield "--out", Path(arguments.out, style_series.SHEET)
    if frames and os.path.isdir(frames):
        yield from (("--frames", Path(frames, name)) for name in os.listdir(frames) if FRAME.fullmatch(name))


def run(arguments: argparse.Namespace) -> int:
    from minicnn import images
    from minicnn.style import evolution
    from minicnn.style.job import prepare

    works = style_series.works(arguments)
    images.check_target(works[0].target, arguments.depth)
    asked = _asked(arguments)
    if len(works) > 1 or works[0].changes:
        return style_series.run(arguments, works, asked)
    job = prepare(**asked)
    film = evolution.Animation(arguments.gif, steps=job.recipe.steps, start=job.start) if arguments.gif else None
    frames = evolution.Frames(arguments.frames) if arguments.frames else None
    begin(job.notes)
    job.settings["tile"] = affordable(arguments, job)
    interrupted = paint(arguments, job, works[0].target, film, frames)
    return outcome.INTERRUPTED if interrupted else outcome.DONE


def begin(notes: Sequence[str]) -> None:
    """Print what is to be known before a run, while there is time to think again."""
    from minicnn.resources import compiled_before

    if not compiled_before():
        print("compiling the kernels, once on this machine; later runs start at once", file=sys.stderr)
    for note in notes:
        print(f"note: {note}", flush=True)


def affordable(arguments: argparse.Namespace, job: Job, more: str = "") -> int | None:
    """Print what a run will take. Return the side of tiles, if it needs them; raise InputError if nothing helps."""
    from minicnn.style.estimate import estimate, refuse

    expected = estimate(job.model, job.recipe, job.content, job.styles, job.settings["tile"])
    print(f"{expected}{more}", file=sys.stderr)
    if not expected.fits and expected.tile and not arguments.anyway:
        print(f"note: more than there is of memory, so it is computed in tiles of {expected.tile} pixels", flush=True)
        return expected.tile
    if not arguments.anyway:
        refuse(expected)
    return job.settings["tile"]


def paint(
    arguments: argparse.Namespace, job: Job, out: Path, film: Any = None, frames: Any = None, *, skip: bool = False
) -> bool:
    """Run a job and write what came of it. Return whether Ctrl-C ended it.

    skip: of several pictures, pass over one that is there from the run to resume, and begin one that is not.
    """
    from minicnn import images
    from minicnn.style import evolution, manifests

    manifest, checkpoint, resume = out.with_suffix(".json"), out.with_suffix(".checkpoint"), arguments.resume
    if skip and resume:
        if manifests.complete(manifest, job.settings) and os.path.isfile(out):
            return False
        resume = os.path.isfile(checkpoint)
    kept = _kept(arguments, job.settings["content"].get("path"))
    preview = evolution.Preview(arguments.preview) if arguments.preview else None
    result = job.run(evolution.together(film, preview, frames), checkpoint=checkpoint, resume=resume)
    images.save(out, result.image, depth=arguments.depth, metadata=kept)
    manifests.write(manifest, result.manifest)
    if film is not None:
        film.write(result.image)
    if arguments.plot:
        title = f"{Path(arguments.content or out).stem}, {job.model.card.name}"
        evolution.save_figure(evolution.plot_losses(result.history, title=title), arguments.plot)
    _say(out, job, result)
    return bool(result.manifest["interrupted"])


def _kept(arguments: argparse.Namespace, content: str | None) -> Metadata:
    """Return what OUT takes over from the file of CONTENT. Raise InputError for a profile that cannot be kept."""
    from minicnn import colour_profiles, images

    found = images.metadata(content) if content else images.Metadata()
    profile = found.profile if arguments.profile == "keep" else None
    if profile:
        colour_profiles.shaper(profile, f"style: --profile keep: CONTENT {content!r}", grey=False)
    return images.Metadata({} if arguments.no_metadata else found.fields, profile)


def _asked(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `transfer`: those of a manifest, or of the recipe that suits the weights; and those given."""
    from minicnn import models
    from minicnn.style import Map, from_manifest
    from minicnn.style.request import choose_recipe

    given = {name: getattr(arguments, name) for name in OPTIONS if getattr(arguments, name) is not None}
    if "style_masks" in given:
        given["style_masks"] = [None if mask == "-" else mask for mask in given["style_masks"]]
    if (arguments.map is None) != (arguments.map_colours is None):
        raise InputError("style: --map and --map-colours belong together; expected both or neither")
    if arguments.map is not None:
        given["masks"] = Map(arguments.map, arguments.map_colours)
    if arguments.manifest:
        if arguments.content or arguments.weights:
            raise InputError("style: --from brings its own pictures and weights; expected neither beside it")
        return from_manifest(arguments.manifest) | given
    if not arguments.style:
        raise InputError("style: STYLE is missing; expected CONTENT and STYLE, two pictures, or --from a manifest")
    styles: list[Any] = arguments.style
    if (weights := arguments.style_weights) is not None:
        if len(weights) != len(styles):
            raise InputError(f"style: --style-weights are {len(weights)}; expected one for each STYLE, {len(styles)}")
        if not (min(weights) >= 0 and sum(weights) > 0):  # so written, NaN is refused too
            raise InputError(f"style: --style-weights are {weights}; expected shares of at least 0, and one above it")
        styles = list(zip(styles, weights, strict=True))
    model = models.from_weights(arguments.weights or "tiny_vgg")
    model.to(arguments.device)
    model.adapt(choose_recipe(model, arguments.preset))
    return {"content": arguments.content, "style": styles, "model": model, "size": SIZE, **given}


def _say(out: Path, job: Job, result: StyleResult) -> None:
    for note in result.manifest["notes"][len(job.notes) :]:  # those that came of the run
        print(f"note: {note}")
    if result.manifest["interrupted"]:
        print("interrupted: the same command with --resume goes on from here")
    steps = [row["step"] for row in result.history]
    totals = [row["total"] for row in result.history[_last_size(steps) :]]
    fall = f", J {totals[0]:.4g} → {min(totals):.4g}" if totals else ""
    print(f"{out}: {job.model.card.name}, {max(steps, default=0)} steps{fall}")


def _last_size(steps: list[int]) -> int:
    """Where in a history the last size begins: a step that ends one size begins the next, so it is there twice."""
    return max((i for i in range(1, len(steps)) if steps[i] == steps[i - 1]), default=0)
