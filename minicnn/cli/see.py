"""see: story, patches, deconv, guided, saliency, gradcam, occlusion, invert, style, maximize, filters, map; diagram."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.cli import outcome, paths
from minicnn.errors import InputError, check_count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from minicnn.models.network import Network

FACES = 1500  # drawn, where no pictures are given
WEIGHTS = "trained weights: a catalogue name or an HDF5 file"
METHODS = {
    "deconv": "a unit brought back to the pixels by the deconvnet (Zeiler & Fergus 2014)",
    "guided": "a unit brought back by guided backpropagation (Springenberg et al. 2015)",
    "saliency": "the gradient of a unit, SmoothGrad and integrated gradients",
    "gradcam": "where in a picture a unit looks, by a layer's channels (Selvaraju et al. 2017)",
    "occlusion": "where in a picture a unit looks, by covering it piece by piece",
}
DIAGRAMS = {
    "siamese": "three pictures, one network, two distances",
    "triplet": "anchor, positive and negative before training and after it",
    "pair-head": "verification as a binary classification",
    "style": "C + S → G",
    "gram": "a volume, unrolled, and its Gram matrix",
    "1d": "14×1 by 16 filters of 5×1",
    "3d": "14×14×14×1 by 16 filters of 5×5×5",
}


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "see",
        help="see what a network has learned",
        description="See what a network has learned: the pictures that excite its units, what in these pictures does, "
        "and what units would like best. Every action writes one figure.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_story(actions)
    _add_patches(actions)
    for name, what in METHODS.items():
        _add_method(actions, name, what)
    _add_synthesis(actions)
    plane = _action(actions, "map", "pictures in the plane, near each other where the network finds them alike", _map)
    plane.add_argument("--layer", metavar="L", help="left out, the last")
    _add_images(plane)
    filters = _action(actions, "filters", "the filters of a convolution, or what a layer says of a picture", _filters)
    filters.add_argument("layer", metavar="LAYER", nargs="?", help="left out, the first convolution")
    filters.add_argument("--image", metavar="FILE", help="show what the layer's channels say of this picture instead")
    diagram = _action(actions, "diagram", "a lecture's figure, drawn from a model", None, weights=False)
    diagram.add_argument("name", metavar="NAME", help="; ".join(f"{name}: {what}" for name, what in DIAGRAMS.items()))
    diagram.set_defaults(run=_diagram)


def _action(actions: Any, name: str, what: str, draw: Any, *, weights: bool = True) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    if weights:
        parser.add_argument("weights", metavar="NAME|FILE", help=WEIGHTS)
    parser.add_argument("-o", "--out", required=True, metavar="OUT", help="a .png, .jpg or .webp file to write")
    parser.set_defaults(run=run, draw=draw)
    paths.declare(parser, reads="weights image images", writes="out", pictures="out")
    return parser


def _add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images",
        metavar="DIR|TAR",
        help="pictures to look among: a folder, or a tar of CIFAR-10; left out, drawn faces",
    )
    parser.add_argument("--most", type=int, metavar="N", help="look at the first N pictures only")


def _add_search(parser: argparse.ArgumentParser) -> None:
    paths.declare(parser, reads="weights images", writes="out resume", pictures="out")
    parser.add_argument("--units", metavar="U,U,…", help="numbers of units, or names of classes")
    parser.add_argument("--resume", metavar="FILE", help="keep what was found in this file, and go on from it")


def _add_story(actions: Any) -> None:
    parser = _action(
        actions,
        "story",
        "layer by layer, some units: their nine best patches, what is found in them, what they would like best",
        _story,
        weights=False,
    )
    parser.add_argument("weights", metavar="NAME|FILE", nargs="?", default="tiny_facenet", help=WEIGHTS)
    parser.add_argument("layers", metavar="LAYER", nargs="*", help="left out, the last convolution of each block")
    _add_images(parser)
    _add_search(parser)
    parser.add_argument("--count", type=int, default=2, metavar="N", help="units a layer (default: 2)")
    parser.add_argument(
        "--steps", type=int, default=128, metavar="N", help="of the search for what units like; 0: none"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the noise that search begins with")


def _add_patches(actions: Any) -> None:
    parser = _action(actions, "patches", "the nine patches that most excite units of a layer", _patches)
    parser.add_argument("layer", metavar="LAYER")
    _add_images(parser)
    _add_search(parser)
    parser.add_argument("--count", type=int, default=18, metavar="N", help="units, chosen by themselves (default: 18)")


def _add_method(actions: Any, name: str, what: str) -> None:
    parser = _action(actions, name, what, _method)
    parser.add_argument("images", metavar="IMAGE", nargs="+")
    parser.add_argument("--layer", metavar="L", help="left out, the last")
    parser.add_argument("--unit", metavar="U", help="a number or a class; left out, what says most of each picture")
    if name == "gradcam":
        parser.add_argument(
            "--at", metavar="L", help="the layer whose channels show it (default: the last convolution)"
        )
    if name == "occlusion":
        parser.add_argument(
            "--size", type=int, metavar="N", help="pixels of a piece (default: a quarter of the picture)"
        )
        parser.add_argument("--stride", type=int, metavar="N", help="from piece to piece (default: half a piece)")
    parser.set_defaults(method=name)


def _add_synthesis(actions: Any) -> None:
    invert = _action(actions, "invert", "what is left of a picture in a layer (Mahendran & Vedaldi 2015)", _invert)
    invert.add_argument("image", metavar="IMAGE")
    invert.add_argument("layers", metavar="LAYER", nargs="*", help="left out, the last convolution of each block")
    invert.add_argument("--size", type=int, metavar="N", help="the long side in pixels (default: the card's)")
    maximize = _action(actions, "maximize", "what units of a layer would like best", _maximize)
    maximize.add_argument("layer", metavar="LAYER")
    maximize.add_argument("--units", metavar="U,U,…", help="numbers, or names of classes (default: the first twelve)")
    maximize.add_argument("--size", type=int, metavar="N", help="pixels a side (default: the card's)")
    style = _action(
        actions, "style", "what of a picture is style, layer upon layer (Gatys et al. 2015, figure 1)", _style
    )
    style.add_argument("image", metavar="IMAGE")
    style.add_argument("--size", type=int, default=128, metavar="N", help="the long side in pixels (default: 128)")
    for parser in (invert, maximize, style):
        parser.add_argument("--steps", type=int, default=200, metavar="N", help="of the search (default: 200)")
        parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the noise that it begins with")


def run(arguments: argparse.Namespace) -> None:
    from minicnn import models
    from minicnn.visualize import plots

    check_count("see: seed", getattr(arguments, "seed", 0), 0)
    model = models.from_weights(arguments.weights)
    figure: Figure = arguments.draw(model, arguments)
    plots.save(figure, arguments.out)
    print(f"{arguments.out}: {model.card.name}")


def _diagram(arguments: argparse.Namespace) -> None:
    from minicnn.files import program
    from minicnn.visualize import plots

    plots.save(program("diagrams.py").diagram(arguments.name), arguments.out)
    print(f"{arguments.out}: {arguments.name}, {DIAGRAMS[arguments.name]}")


def _story(model: Network, arguments: argparse.Namespace) -> Figure:
    from minicnn.visualize import story

    return story(
        model,
        arguments.layers or _a_layer_a_block(model),
        _pictures(model, arguments),
        _units(arguments.units),
        count=arguments.count,
        steps=arguments.steps,
        seed=arguments.seed,
        resume=arguments.resume,
    )


def _patches(model: Network, arguments: argparse.Namespace) -> Figure:
    from minicnn.visualize import plots, top_patches
    from minicnn.visualize.telling import telling_units

    units = _units(arguments.units)
    found = top_patches(model, arguments.layer, _pictures(model, arguments), units, resume=arguments.resume)
    return plots.patch_grid(found if units else found.of(telling_units(found, arguments.count)))


def _good(paths: list[Any]) -> list[Any]:
    """Return those pictures that can be read; the others are told of and left out."""
    from minicnn import images

    if len(paths) == 1:
        return paths
    found = [path for path, _, bad in outcome.each(paths, images.load) if not bad]
    if not found:
        raise InputError(f"see: none of {len(paths)} pictures can be read")
    return found


def _method(model: Network, arguments: argparse.Namespace) -> Figure:
    from minicnn.visualize.findings import evidence

    chosen = {name: getattr(arguments, name, None) for name in ("at", "size", "stride")}
    options = {name: value for name, value in chosen.items() if value is not None}
    unit = _units(arguments.unit)
    return evidence(model, arguments.method, _good(arguments.images), arguments.layer, unit and unit[0], **options)


def _invert(model: Network, arguments: argparse.Namespace) -> Figure:
    from minicnn.visualize.findings import inversions

    layers = arguments.layers or _a_layer_a_block(model)
    how = {"steps": arguments.steps, "seed": arguments.seed}
    return inversions(model, arguments.image, layers, size=arguments.size, **how)


def _style(model: Network, arguments: argparse.Namespace) -> Figure:
    from minicnn import images
    from minicnn.style import transfer
    from minicnn.style.request import choose_recipe
    from minicnn.visualize import plots

    layers = choose_recipe(model, None).style_layers
    model.adapt(choose_recipe(model, None))
    picture = images.load(arguments.image, size=arguments.size)
    found, taken = [picture], {}
    for name, weight in layers.items():
        taken[name] = weight
        how: dict[str, Any] = {"init": "noise", "alpha": 0.0, "style_layers": dict(taken), "learning_rate": 0.05}
        result = transfer(picture, picture, model=model, steps=arguments.steps, seed=arguments.seed, **how)
        found.append(result.image)
    titles = ["picture", *(f"{'up to ' if i else ''}{name}" for i, name in enumerate(layers))]
    return plots.figure_of([found], titles=titles, title=f"{model.card.name}: style alone, from noise", inches=2.0)


def _map(model: Network, arguments: argparse.Namespace) -> Figure:
    from minicnn.visualize import embedding_map

    return embedding_map(model, _pictures(model, arguments), layer=arguments.layer)


def _maximize(model: Network, arguments: argparse.Namespace) -> Figure:
    from minicnn.visualize.findings import wishes

    how = {"steps": arguments.steps, "seed": arguments.seed, "size": arguments.size}
    return wishes(model, arguments.layer, _units(arguments.units), **how)


def _filters(model: Network, arguments: argparse.Namespace) -> Figure:
    from minicnn import images
    from minicnn.visualize import feature_grid, filter_grid

    layer = arguments.layer or str(next(layer.name for layer in model.layers if getattr(layer, "w", None) is not None))
    if arguments.image is None:
        return filter_grid(model, layer)
    size = model.card.input_size if model.card.embedding is not None else max(model.card.input_size)
    return feature_grid(model, layer, images.load(arguments.image, size=size))


def _units(text: str | None) -> list[int | str] | None:
    """3,5,cat as numbers and names."""
    if text is None:
        return None
    return [int(word) if word.isdigit() else word for word in (part.strip() for part in text.split(","))]


def _pictures(model: Network, arguments: argparse.Namespace) -> Any:
    from minicnn.datasets import cifar10, image_folders
    from minicnn.visualize.pictures import DrawnFaces, Pictures, as_pictures

    most = arguments.most
    if most is not None:
        check_count("see: most", most)
    if arguments.images is None:
        if not model.card.drawn:
            raise InputError(
                f"see: {model.card.name} needs --images, a folder of pictures; only tiny_facenet can do without"
            )
        return Pictures(DrawnFaces(most or FACES, model.card.input_size[0]))
    if arguments.images.endswith(".tar"):
        return Pictures(cifar10.read(arguments.images)[0][:most])
    found = as_pictures(arguments.images, model.card.input_size)
    known = set(found.items)
    others = (path for path in Path(arguments.images).rglob("*.*") if path not in known)
    outcome.note_passed_over(arguments.images, image_folders.counted(others))
    return Pictures(_good(found.items[:most]), found.size)


def _a_layer_a_block(model: Network) -> list[str]:
    """What comes right before each pool, or whatever else is last with places."""
    from minicnn import nn
    from minicnn.models.blocks import GlobalAverage

    pools = (nn.MaxPool2d, nn.AvgPool2d, nn.L2Pool2d, nn.Flatten, GlobalAverage)
    pairs = zip(model.layers, model.layers[1:], strict=False)
    found = [str(layer.name) for layer, after in pairs if isinstance(after, pools) and not isinstance(layer, pools)]
    last = model.layers[-1]
    return found if isinstance(last, (*pools, nn.Linear, nn.L2Normalize)) else [*found, str(last.name)]
