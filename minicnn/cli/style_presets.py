"""minicnn style --list-presets: tables of the presets' losses, layers and optimizers."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minicnn.models.card import StyleRecipe

LEGEND = """\
F: features of a layer with N channels and M positions. G = FᵀF, the Gram matrix. Δ: generated
minus content or style. d, dx, dy: differences of adjacent pixels. W₂: Wasserstein-2 distance of
means and covariances. HW: number of pixels. Σ w: weighted sum over the layers. A layer name means
its output after ReLU; .linear means before it. If a network lacks the layers of a preset, the
content and style layers of its card are used."""


class ListPresets(argparse.Action):
    """An action that prints the tables and exits, as --version does."""

    def __init__(self, option_strings: Any, dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from minicnn.style import presets

        print("\n".join(tables(presets())))
        parser.exit()


def tables(presets: Mapping[str, StyleRecipe]) -> Iterator[str]:
    """Yield the lines of all tables, with one row per preset."""
    from minicnn.models.card import preprocessing
    from minicnn.style.request import CLAMPS
    from minicnn.style.starts import STARTS

    yield "Presets (--preset; default: the recipe for the weights)"
    yield ""
    yield from _table(presets, {"": lambda recipe: recipe.summary})
    yield ""
    yield "Loss: α · content + β · style + γ · variation (--alpha --beta --total-variation)"
    yield from _table(presets, {"content": _content, "style": _style, "variation": _variation})
    yield ""
    yield "Layers"
    yield from _table(
        presets,
        {
            "content": lambda recipe: _layers({n: w for n, w in recipe.content_layers.items() if w}),
            "style": lambda recipe: _layers(recipe.style_layers),
            "w": lambda recipe: _weights(recipe.style_layers.values()),
        },
    )
    yield ""
    yield "Optimization (learning rates for pixels in [0, 1])"
    yield from _table(
        presets,
        {
            "pools": lambda recipe: str(recipe.pooling),
            "preprocessing": lambda recipe: str(recipe.preprocessing),
            "start": lambda recipe: recipe.start,
            "optimizer": lambda recipe: recipe.optimizer,
            "rate": lambda recipe: f"{recipe.learning_rate:.2g}",
            "steps": lambda recipe: str(recipe.steps),
            "clamped": lambda recipe: CLAMPS[recipe.clamp],
        },
    )
    yield ""
    yield "Preprocessing (in the channel order of the weights)"
    used = dict.fromkeys(recipe.preprocessing for recipe in presets.values() if recipe.preprocessing)
    yield from _table({name: preprocessing(name) for name in used}, {"": str})
    yield ""
    yield "Initial pictures (--init)"
    yield from _table(STARTS, {"": lambda start: start.summary})
    yield ""
    yield LEGEND


def _table(things: Mapping[str, Any], columns: Mapping[str, Callable[[Any], str]]) -> Iterator[str]:
    """Yield a heading, if there is one, and one row per item, in aligned columns."""
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
    """Return 100 as 100, and 100,000 as 1e5."""
    mantissa, exponent = f"{number:e}".split("e")
    return min(f"{number:g}", f"{float(mantissa):g}e{int(exponent)}", key=len)


def _layers(layers: Iterable[str]) -> str:
    """Return layer names in short: block1…5_conv1, or conv1_1 1_2.linear."""
    names = list(layers)
    if names == [f"block{i}_conv1" for i in range(1, len(names) + 1)] and len(names) > 1:
        return f"block1…{len(names)}_conv1"
    if len(names) > 1 and all(name.endswith(".linear") for name in names):
        return f"conv{' '.join(name[5:].removesuffix('.linear').replace('conv', '') for name in names)}.linear"
    return " ".join(names)


def _weights(weights: Iterable[float]) -> str:
    found = [f"{weight:.2g}" for weight in weights]
    return found[0] if len(set(found)) == 1 else " ".join(found)
