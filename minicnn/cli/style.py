"""minicnn style: paint one picture in the style of another."""

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
SIZE = 512  # default long side in pixels
# Options passed to `transfer` under the same name.
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
        description="Paint CONTENT in the style of one or more pictures. Ctrl-C saves the best picture so far; "
        "--resume continues from it, also after a crash. A manifest is written next to OUT, from which --from "
        "reproduces the picture. With a folder as CONTENT, or with --sweep, OUT is a folder of pictures, and --resume "
        "adds the missing ones.",
    )
    parser.add_argument("content", metavar="CONTENT", nargs="?", help="picture whose content is kept, or a folder")
    parser.add_argument("style", metavar="STYLE", nargs="*", help="picture whose style is applied; repeatable")
    _add_files(parser.add_argument_group("Input and output"))
    _add_loss(parser.add_argument_group("Loss"))
    _add_regions(parser.add_argument_group("Regions"))
    _add_descent(parser.add_argument_group("Optimization"))
    _add_display(parser.add_argument_group("Display"))
    _add_resources(parser.add_argument_group("Resources"))
    _add_recovery(parser.add_argument_group("Recovery"))
    parser.set_defaults(run=run)
    files = {
        "reads": "content style manifest weights masks style_masks map",
        "writes": "out",
        "sides": "plot preview gif",
    }
    paths.declare(parser, **files, pictures="out plot preview", folders="out", beside=_beside)


def _add_files(group: Any) -> None:
    group.add_argument("-o", "--out", required=True, metavar="OUT", help=".png, .jpg or .webp file, or folder to write")
    group.add_argument("--size", type=int, metavar="N", help=f"long side in pixels (default: {SIZE})")
    group.add_argument("--depth", type=int, default=8, metavar="N", help="bits per channel, 8 or 16 (default: 8)")
    group.add_argument(
        "--profile",
        choices=("srgb", "keep"),
        default="srgb",
        help="colour profile of OUT: srgb, or keep that of CONTENT (default: srgb)",
    )
    group.add_argument(
        "--no-metadata",
        action="store_true",
        help="omit camera, date, artist and copyright of CONTENT; its location is always omitted",
    )
    group.add_argument("--weights", metavar="NAME|FILE", help="trained weights: name or file (default: tiny_vgg)")


def _add_loss(group: Any) -> None:
    group.add_argument("--preset", metavar="P", help="settings of another program (default: recipe for the weights)")
    group.add_argument("--list-presets", action=ListPresets, help="print a table of presets and exit")
    group.add_argument("--alpha", type=float, metavar="A", help="weight of the content loss")
    group.add_argument("--beta", type=float, metavar="B", help="weight of the style loss")
    group.add_argument("--total-variation", type=float, metavar="T", help="weight of the total variation loss")
    group.add_argument("--scales", type=float, nargs="+", metavar="W", help="loss weight per scale: full, half, …")
    group.add_argument(
        "--style-weights", type=float, nargs="+", metavar="W", help="weight of each style, in order (default: equal)"
    )
    group.add_argument(
        "--style-scale",
        type=float,
        metavar="F",
        help="size of the styles relative to CONTENT, which scales the strokes",
    )
    group.add_argument("--keep-colours", metavar="C", help="keep CONTENT's colours: luminance, histogram or affine")


def _add_regions(group: Any) -> None:
    group.add_argument(
        "--masks", nargs="+", metavar="M", help="grey picture per STYLE, of CONTENT's size: white where it is applied"
    )
    group.add_argument("--map", metavar="PNG", help="picture with one colour per STYLE, instead of --masks")
    group.add_argument("--map-colours", nargs="+", metavar="C", help="colours of --map, in order: names or #rrggbb")
    group.add_argument(
        "--style-masks",
        nargs="+",
        metavar="M",
        help="grey picture per STYLE: white where its style is taken from; - for everywhere",
    )


def _add_descent(group: Any) -> None:
    group.add_argument("--steps", type=int, metavar="N", help="total optimizer steps (default: the recipe's)")
    group.add_argument(
        "--sweep",
        nargs="+",
        metavar="NAME=V,V",
        help="paint one picture per combination of values, as in beta=1e3,1e4 style_scale=1,2, and a contact sheet",
    )
    group.add_argument("--optimizer", metavar="O", help="adam, lbfgs or gd (default: the recipe's)")
    group.add_argument("--learning-rate", type=float, metavar="R", help="learning rate (default: the recipe's)")
    group.add_argument("--schedule", metavar="S", help="rate schedule: constant or cosine (default: the recipe's)")
    group.add_argument(
        "--parametrization", metavar="P", help="variables of adam: pixels, or a pyramid (default: the recipe's)"
    )
    group.add_argument("--init", metavar="I", help="initial picture, as in --list-presets (default: the recipe's)")
    group.add_argument(
        "--levels",
        type=int,
        metavar="N",
        help="number of sizes, each twice the previous one; 0 starts at 128 pixels or more",
    )
    group.add_argument("--seed", type=int, metavar="S", help="random seed (default: 0)")


def _add_display(group: Any) -> None:
    group.add_argument("--preview", metavar="FILE", help="picture to update during the run")
    group.add_argument("--gif", metavar="FILE", help="animation of the run to write")
    group.add_argument("--frames", metavar="DIR", help="folder for every tenth picture of the run")
    group.add_argument("--plot", metavar="FILE", help="plot of the losses, in total and per layer")


def _add_resources(group: Any) -> None:
    group.add_argument("--device", default="cpu", metavar="D", help="device: cpu or cuda (default: cpu)")
    group.add_argument(
        "--tile", type=int, metavar="N", help="compute in tiles of N pixels, to save memory; the result is the same"
    )
    group.add_argument("--anyway", action="store_true", help="start even if the memory estimate exceeds what is free")


def _add_recovery(group: Any) -> None:
    group.add_argument("--resume", action="store_true", help="resume an interrupted run")
    group.add_argument("--from", dest="manifest", metavar="JSON", help="reproduce the picture of this manifest")


def _beside(arguments: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """Yield the files written in addition to the named pictures."""
    frames, folder = arguments.frames, os.path.isdir(arguments.out)
    for target, *_ in style_series.works(arguments):
        if folder:
            yield "--out", target
        yield "the manifest next to --out,", target.with_suffix(".json")
        yield "the checkpoint next to --out,", target.with_suffix(".checkpoint")
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
        return style_series.run(arguments, works, asked, begin, affordable, paint)
    job = prepare(**asked)
    film = evolution.Animation(arguments.gif, steps=job.recipe.steps, start=job.start) if arguments.gif else None
    frames = evolution.Frames(arguments.frames) if arguments.frames else None
    begin(job.notes)
    job.settings["tile"] = affordable(arguments, job)
    interrupted = paint(arguments, job, works[0].target, film, frames)
    return outcome.INTERRUPTED if interrupted else outcome.DONE


def begin(notes: Sequence[str]) -> None:
    """Print the notes on a run before it begins."""
    from minicnn.resources import compiled_before

    if not compiled_before():
        print("compiling the kernels, once per machine; later runs start at once", file=sys.stderr)
    for note in notes:
        print(f"note: {note}", flush=True)


def affordable(arguments: argparse.Namespace, job: Job, more: str = "") -> int | None:
    """Print the estimated time and memory. Return the side of tiles, or None; raise InputError if none is enough."""
    from minicnn.style.estimate import estimate, refuse

    expected = estimate(job.model, job.recipe, job.content, job.styles, job.settings["tile"])
    print(f"{expected}{more}", file=sys.stderr)
    if not expected.fits and expected.tile and not arguments.anyway:
        print(f"note: the estimate exceeds the free memory, so tiles of {expected.tile} pixels are used", flush=True)
        return expected.tile
    if not arguments.anyway:
        refuse(expected)
    return job.settings["tile"]


def paint(
    arguments: argparse.Namespace, job: Job, out: Path, film: Any = None, frames: Any = None, *, skip: bool = False
) -> bool:
    """Run a job and write its files. Return True if Ctrl-C ended it.

    skip: with several pictures and --resume, skip those that are complete, and begin those without a checkpoint.
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
    """Return the metadata that OUT keeps of CONTENT. Raise InputError for a profile that cannot be kept."""
    from minicnn import colour_profiles, images

    found = images.metadata(content) if content else images.Metadata()
    profile = found.profile if arguments.profile == "keep" else None
    if profile:
        colour_profiles.shaper(profile, f"style: --profile keep: CONTENT {content!r}", grey=False)
    return images.Metadata({} if arguments.no_metadata else found.fields, profile)


def _asked(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of `transfer`: those of the manifest or the recipe, overridden by the given ones."""
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
            raise InputError("style: --from states its own pictures and weights; expected neither with it")
        return from_manifest(arguments.manifest) | given
    if not arguments.style:
        raise InputError("style: STYLE is missing; expected CONTENT and STYLE, two pictures, or --from a manifest")
    styles: list[Any] = arguments.style
    if (weights := arguments.style_weights) is not None:
        if len(weights) != len(styles):
            raise InputError(f"style: --style-weights are {len(weights)}; expected one for each STYLE, {len(styles)}")
        if not (min(weights) >= 0 and sum(weights) > 0):  # written so that NaN is refused
            raise InputError(f"style: --style-weights are {weights}; expected shares of at least 0, and one above it")
        styles = list(zip(styles, weights, strict=True))
    model = models.from_weights(arguments.weights or "tiny_vgg")
    model.to(arguments.device)
    model.adapt(choose_recipe(model, arguments.preset))
    return {"content": arguments.content, "style": styles, "model": model, "size": SIZE, **given}


def _say(out: Path, job: Job, result: StyleResult) -> None:
    for note in result.manifest["notes"][len(job.notes) :]:  # notes added during the run
        print(f"note: {note}")
    if result.manifest["interrupted"]:
        print("interrupted: the same command with --resume continues from here")
    steps = [row["step"] for row in result.history]
    totals = [row["total"] for row in result.history[_last_size(steps) :]]
    fall = f", J {totals[0]:.4g} → {min(totals):.4g}" if totals else ""
    print(f"{out}: {job.model.card.name}, {max(steps, default=0)} steps{fall}")


def _last_size(steps: list[int]) -> int:
    """Return the index at which the last size begins. Its first step repeats the last step of the size before."""
    return max((i for i in range(1, len(steps)) if steps[i] == steps[i - 1]), default=0)
