"""minicnn style CONTENT STYLE -o OUT: one picture in the style of another."""

from __future__ import annotations

import argparse
from typing import Any

from minicnn.cli.style_presets import ListPresets


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "style",
        help="paint a photograph in the style of a picture",
        description="Paint CONTENT in the style of STYLE. Ctrl-C keeps the best picture so far.",
    )
    parser.add_argument("content", metavar="CONTENT", help="the picture that says what is seen")
    parser.add_argument("style", metavar="STYLE", help="the picture that says how it is painted")
    parser.add_argument("-o", "--out", required=True, metavar="OUT", help="a .png, .jpg or .webp file to write")
    parser.add_argument(
        "--weights", metavar="NAME|PATH", default="tiny_vgg", help="trained weights: a catalogue name or an HDF5 file"
    )
    parser.add_argument("--preset", metavar="P", help="a name of --list-presets; left out, what suits the weights")
    parser.add_argument("--list-presets", action=ListPresets, help="explain the presets in a table, and leave")
    parser.add_argument("--size", type=int, default=512, metavar="N", help="the long side in pixels (default: 512)")
    parser.add_argument("--steps", type=int, metavar="N", help="optimizer steps (default: the recipe's)")
    parser.add_argument("--optimizer", metavar="O", help="adam, or gd for plain gradient descent")
    parser.add_argument("--learning-rate", type=float, metavar="R", help="the size of a step (default: the recipe's)")
    parser.add_argument("--init", metavar="I", help="a start of --list-presets (default: the recipe's)")
    parser.add_argument("--alpha", type=float, metavar="A", help="the weight of the content cost")
    parser.add_argument("--beta", type=float, metavar="B", help="the weight of the style cost")
    parser.add_argument("--total-variation", type=float, metavar="T", help="the weight of smoothness")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the noise (default: 0)")
    parser.add_argument("--device", default="cpu", metavar="D", help="where to compute: cpu")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from minicnn import images, models
    from minicnn.style import transfer
    from minicnn.style.settings import choose_recipe

    images.check_target(arguments.out)
    content = images.load(arguments.content, size=arguments.size)
    style = images.load(arguments.style, size=arguments.size)
    model = models.from_weights(arguments.weights)
    model.to(arguments.device)
    model.adapt(choose_recipe(model, arguments.preset))
    result = transfer(
        content,
        style,
        model=model,
        preset=arguments.preset,
        steps=arguments.steps,
        optimizer=arguments.optimizer,
        init=arguments.init,
        seed=arguments.seed,
        learning_rate=arguments.learning_rate,
        alpha=arguments.alpha,
        beta=arguments.beta,
        total_variation=arguments.total_variation,
    )
    images.save(arguments.out, result.image)
    for note in result.manifest["notes"]:
        print(f"note: {note}")
    steps = len(result.history) - 1
    first, lowest = result.history[0]["total"], min(h["total"] for h in result.history)
    stopped = ", interrupted" if result.manifest["interrupted"] else ""
    print(f"{arguments.out}: {model.card.name}, {steps} steps{stopped}, J {first:.4g} → {lowest:.4g}")
