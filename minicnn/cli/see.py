"""minicnn see: figures of what a network has learned."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.cli import outcome, paths
from minicnn.errors import InputError, check_count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from minicnn.models.network import Network

FACES = 1500  # drawn faces, if no pictures are given
WEIGHTS = "trained weights: name in the catalogue, or HDF5 file"
IMAGE = "picture to analyse"
LAYER = "layer, as in minicnn weights inspect"
LAYERS = "layers (default: the last convolution of each block)"
OUT = ".png, .jpg or .webp file to write"
METHODS = {
    "deconv": "project a unit back to the pixels (deconvnet)",
    "guided": "project a unit back by guided backpropagation",
    "saliency": "plot the gradient of a unit, smoothed and integrated",
    "gradcam": "locate what activates a unit, by Grad-CAM",
    "occlusion": "locate what activates a unit, by covering patches",
}
SOURCES = {
    "deconv": "Zeiler & Fergus 2014",
    "guided": "Springenberg et al. 2015",
    "saliency": "SmoothGrad (Smilkov et al. 2017) and integrated gradients (Sundararajan et al. 2017)",
    "gradcam": "Selvaraju et al. 2017",
    "occlusion": "Zeiler & Fergus 2014",
}
DIAGRAMS = {
    "siamese": "three pictures, one network, two distances",
    "triplet": "anchor, positive and negative before and after training",
    "pair-head": "verification as binary classification",
    "style": "C + S → G",
    "gram": "a volume, unrolled, and its Gram matrix",
    "1d": "14×1 by 16 filters of 5×1",
    "3d": "14×14×14×1 by 16 filters of 5×5×5",
}


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "see",
        help="plot what a network has learned",
        description="Plot what a network has learned. Every action writes one figure.",
    )
    actions = parser.add_subparsers(title="Actions", metavar="ACTION", required=True)
    _add_story(actions)
    _add_patches(actions)
    for name, what in METHODS.items():
        _add_method(actions, name, what)
    _add_synthesis(actions)
    plane = _action(actions, "map", "map pictures to the plane by similarity", _map)
    plane.add_argument("--layer", metavar="L", help="layer (default: the last)")
    _add_images(plane)
    filters = _action(actions, "filters", "plot the filters or the feature maps of a layer", _filters)
    filters.add_argument("layer", metavar="LAYER", nargs="?", help="layer (default: the first convolution)")
    filters.add_argument("--image", metavar="FILE", help="plot the feature maps of this picture instead of the filters")
    diagram = _action(actions, "diagram", "plot a figure of the course", None, weights=False)
    diagram.add_argument("name", metavar="NAME", help="; ".join(f"{name}: {what}" for name, what in DIAGRAMS.items()))
    diagram.set_defaults(run=_diagram)


def _action(
    actions: Any, name: str, what: str, draw: Any, *, weights: bool = True, more: str = ""
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name, help=what, description=f"{what[0].upper()}{what[1:]}. {more}".strip()
    )
    if weights:
        parser.add_argument("weights", metavar="NAME|FILE", help=WEIGHTS)
    parser.add_argument("-o", "--out", required=True, metavar="OUT", help=OUT)
    parser.set_defaults(run=run, draw=draw)
    paths.declare(parser, reads="weights image images", writes="out", pictures="out")
    return parser


def _add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", metavar="DIR|TAR", help="folder, or tar of CIFAR-10 (default: drawn faces)")
    parser.add_argument("--most", type=int, metavar="N", help="use only the first N pictures")


def _add_search(parser: argparse.ArgumentParser) -> None:
    paths.declare(parser, reads="weights images", writes="out resume", pictures="out")
    parser.add_argument("--units", metavar="U,U,…", help="units, by number or class name (default: automatic)")
    parser.add_argument("--resume", metavar="FILE", help="save results in this file, and resume from it")


def _add_story(actions: Any) -> None:
    parser = _action(
        actions,
        "story",
        "plot what selected units of each layer respond to",
        _story,
        weights=False,
        more="For each unit: the nine patches that activate it most, what the deconvnet finds in them, and a "
        "synthesized picture that maximizes it.",
    )
    parser.add_argument("weights", metavar="NAME|FILE", nargs="?", default="tiny_facenet", help=WEIGHTS)
    parser.add_argument("layers", metavar="LAYER", nargs="*", help=LAYERS)
    _add_images(parser)
    _add_search(parser)
    parser.add_argument("--count", type=int, default=2, metavar="N", help="units per layer (default: 2)")
    parser.add_argument("--steps", type=int, default=128, metavar="N", help="synthesis steps (default: 128)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="random seed (default: 0)")


def _add_patches(actions: Any) -> None:
    parser = _action(actions, "patches", "plot the nine patches that activate each unit most", _patches)
    parser.add_argument("layer", metavar="LAYER", help=LAYER)
    _add_images(parser)
    _add_search(parser)
    parser.add_argument("--count", type=int, default=18, metavar="N", help="units to choose (default: 18)")


def _add_method(actions: Any, name: str, what: str) -> None:
    parser = _action(actions, name, what, _method, more=f"Source: {SOURCES[name]}.")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help=IMAGE)
    parser.add_argument("--layer", metavar="L", help="layer of the unit (default: the last)")
    parser.add_argument("--unit", metavar="U", help="unit number or class name (default: each picture's most active)")
    if name == "gradcam":
        parser.add_argument("--at", metavar="L", help="layer of the map (default: the last convolution)")
    if name == "occlusion":
        parser.add_argument("--size", type=int, metavar="N", help="side of a patch in pixels (default: a quarter)")
        parser.add_argument("--stride", type=int, metavar="N", help="step in pixels, at most a side (default: half)")
    parser.set_defaults(method=name)


def _add_synthesis(actions: Any) -> None:
    invert = _action(
        actions, "invert", "reconstruct a picture from its features", _invert, more="Source: Mahendran & Vedaldi 2015."
    )
    invert.add_argument("image", metavar="IMAGE", help=IMAGE)
    invert.add_argument("layers", metavar="LAYER", nargs="*", help=LAYERS)
    invert.add_argument("--size", type=int, metavar="N", help="long side in pixels (default: that of the network)")
    maximize = _action(actions, "maximize", "synthesize pictures that maximize units", _maximize)
    maximize.add_argument("layer", metavar="LAYER", help=LAYER)
    maximize.add_argument("--units", metavar="U,U,…", help="units, by number or class name (default: the first twelve)")
    maximize.add_argument("--size", type=int, metavar="N", help="side in pixels (default: that of the network)")
    style = _action(
        actions,
        "style",
        "reconstruct the style of a picture from ever more layers",
        _style,
        more="Source: Gatys et al. 2015, figure 1.",
    )
    style.add_argument("image", metavar="IMAGE", help=IMAGE)
    style.add_argument("--size", type=int, default=128, metavar="N", help="long side in pixels (default: 128)")
    for parser in (invert, maximize, style):
        parser.add_argument("--steps", type=int, default=200, metavar="N", help="optimizer steps (default: 200)")
        parser.add_argument("--seed", type=int, default=0, metavar="S", help="random seed (default: 0)")


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
    """Return the pictures that can be read. Report and skip the others."""
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
    """Return numbers and names from text such as 3,5,cat."""
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
    """Return the last layer before each pool, and the last layer with spatial axes."""
    from minicnn import nn
    from minicnn.models.blocks import GlobalAverage

    pools = (nn.MaxPool2d, nn.AvgPool2d, nn.L2Pool2d, nn.Flatten, GlobalAverage)
    pairs = zip(model.layers, model.layers[1:], strict=False)
    found = [str(layer.name) for layer, after in pairs if isinstance(after, pools) and not isinstance(layer, pools)]
    last = model.layers[-1]
    return found if isinstance(last, (*pools, nn.Linear, nn.L2Normalize)) else [*found, str(last.name)]
