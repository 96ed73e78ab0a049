"""minicnn style --list-presets: what each preset makes small, on which network, and how."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minicnn.models.card import StyleRecipe

LEGEND = """\
F are the features of a layer, of N channels and M positions; G = FᵀF over the positions; Δ is
generated minus content or style; d, dx, dy are differences between neighbours; W₂ is the
Wasserstein-2 distance of means and covariances; HW are the pixels of the picture. Σ w goes over the
layers. A layer means its output after ReLU, .linear before it. Where a network lacks a preset's
layers, the layers that its card names for content and style stand in."""


class ListPresets(argparse.Action):
    """Print the tables and leave, as --version does."""

    def __init__(self, option_strings: Any, dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from minicnn.style import presets

        print("\n".join(tables(presets())))
        parser.exit()


def tables(presets: Mapping[str, StyleRecipe]) -> Iterator[str]:
    """The lines of all tables: a row a preset."""
    from minicnn.models.card import preprocessing
    from minicnn.style.request import CLAMPS
    from minicnn.style.starts import STARTS

    yield "minicnn style --preset P; without it, the recipe that suits the weights"
    yield ""
    yield from _table(presets, {"": lambda recipe: recipe.summary})
    yield ""
    yield "What is made small: α · content + β · style + γ · variation (--alpha --beta --total-variation)"
    yield from _table(presets, {"content": _content, "style": _style, "variation": _variation})
    yield ""
    yield "Where it is seen"
    yield from _table(
        presets,
        {
            "content": lambda recipe: _layers({n: w for n, w in recipe.content_layers.items() if w}),
            "style": lambda recipe: _layers(recipe.style_layers),
            "w": lambda recipe: _weights(recipe.style_layers.values()),
        },
    )
    yield ""
    yield "How it is run (rates are those of pictures in [0, 1])"
    yield from _table(
        presets,
        {
            "pools": lambda recipe: str(recipe.pooling),
            "pictures": lambda recipe: str(recipe.preprocessing),
            "start": lambda recipe: recipe.start,
            "optimizer": lambda recipe: recipe.optimizer,
            "rate": lambda recipe: f"{recipe.learning_rate:.2g}",
            "steps": lambda recipe: str(recipe.steps),
            "clamped": lambda recipe: CLAMPS[recipe.clamp],
        },
    )
    yield ""
    yield "Pictures enter as (channels in the order of the weights)"
    used = dict.fromkeys(recipe.preprocessing for recipe in presets.values() if recipe.preprocessing)
    yield from _table({name: preprocessing(name) for name in used}, {"": str})
    yield ""
    yield "Starts (--init)"
    yield from _table(STARTS, {"": lambda start: start.summary})
    yield ""
    yield LEGEND


def _table(things: Mapping[str, Any], columns: Mapping[str, Callable[[Any], str]]) -> Iterator[str]:
    """A head where columns have one, then a row for each thing by name; columns as wide as their longest entry."""
    rows = [[f"  {name}", *(cell(thing) for cell in columns.values())] for name, thing in things.items()]
    if any(columns):
        rows.insert(0, ["", *columns])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _content(recipe: StyleRecipe) -> str:
    from minicnn.style.costs import CONTENT_FORMS

    return f"{_short(recipe.alpha)} · {CONTENT_FORMS[recipe.content_form].formula}"


def _style(recipe: StyleRecipe) -> str:
    from minicnn.style.costs import STYLE_FORMS

    return f"{_short(recipe.beta)} · Σ w · {STYLE_FORMS[recipe.style_form].formula}"


def _variation(recipe: StyleRecipe) -> str:
    from minicnn.style.variation import VARIATION_FORMS

    if not recipe.total_variation:
        return "none"
    return f"{_short(recipe.total_variation)} · {VARIATION_FORMS[recipe.variation_form].formula}"


def _short(number: float) -> str:
    """100 as 100, and 100,000 as 1e5."""
    mantissa, exponent = f"{number:e}".split("e")
    return min(f"{number:g}", f"{float(mantissa):g}e{int(exponent)}", key=len)


def _layers(layers: Iterable[str]) -> str:
    """block1_conv1 … block5_conv1 as block1…5_conv1; those before their ReLU as conv1_1 1_2.linear."""
    names = list(layers)
    if names == [f"block{i}_conv1" for i in range(1, len(names) + 1)] and len(names) > 1:
        return f"block1…{len(names)}_conv1"
    if len(names) > 1 and all(name.endswith(".linear") for name in names):
        return f"conv{' '.join(name[5:].removesuffix('.linear').replace('conv', '') for name in names)}.linear"
    return " ".join(names)


def _weights(weights: Iterable[float]) -> str:
    found = [f"{weight:.2g}" for weight in weights]
    return found[0] if len(set(found)) == 1 else " ".join(found)
