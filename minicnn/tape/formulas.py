"""The formula of each op, forward and backward, for reading only. The page shows it next to the op's source.

Letters: y is the result, a bar is the gradient of the loss with respect to the letter below it, ⊙ is elementwise.
"""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minicnn.tape.recorder import Step

_KEPT_SHAPE = "x̄ = ȳ, put back where it was taken from"

# (forward, backward)
FORMULAS: dict[str, tuple[str, str]] = {
    "add": ("z = x + y", "x̄ = z̄,  ȳ = z̄   (summed where broadcast)"),
    "sub": ("z = x − y", "x̄ = z̄,  ȳ = −z̄   (summed where broadcast)"),
    "mul": ("z = x ⊙ y", "x̄ = z̄ ⊙ y,  ȳ = z̄ ⊙ x   (summed where broadcast)"),
    "div": ("z = x / y", "x̄ = z̄ / y,  ȳ = −z̄ ⊙ x / y²   (summed where broadcast)"),
    "neg": ("y = −x", "x̄ = −ȳ"),
    "power": ("y = xᵖ", "x̄ = ȳ ⊙ p xᵖ⁻¹,  p̄ = ȳ ⊙ y ln x"),
    "exp": ("y = eˣ", "x̄ = ȳ ⊙ y"),
    "log": ("y = ln x", "x̄ = ȳ / x"),
    "sqrt": ("y = √x", "x̄ = ȳ / 2y"),
    "abs": ("y = |x|", "x̄ = ȳ ⊙ sign x"),
    "square": ("y = x²", "x̄ = 2 ȳ ⊙ x"),
    "maximum": ("z = max(x, y)", "x̄ = z̄ ⊙ [x > y],  ȳ = z̄ ⊙ [y > x]   (halved where equal)"),
    "minimum": ("z = min(x, y)", "x̄ = z̄ ⊙ [x < y],  ȳ = z̄ ⊙ [y < x]   (halved where equal)"),
    "clip": ("y = min(max(x, low), high)", "x̄ = ȳ ⊙ [low ≤ x ≤ high]"),
    "sum": ("y = Σ x", "x̄ = ȳ, copied to every summand"),
    "mean": ("y = Σ x / n", "x̄ = ȳ / n, copied to every summand"),
    "max": ("y = max x", "x̄ = ȳ where x = y   (shared by equals)"),
    "reshape": ("y = x in another shape", "x̄ = ȳ in the old shape"),
    "transpose": ("y = x with its axes in another order", "x̄ = ȳ with its axes in the old order"),
    "getitem": ("y = x[index]", "x̄[index] += ȳ, zero elsewhere"),
    "concat": ("y = the parts, one after the other", "each part's gradient is its piece of ȳ"),
    "pad": ("y = x with a border", "x̄ = ȳ without the border"),
    "flatten": ("y = x as (N, everything else)", "x̄ = ȳ in the old shape"),
    "matmul": ("z = x y", "x̄ = z̄ yᵀ,  ȳ = xᵀ z̄"),
    "linear": ("y = x w + b", "x̄ = ȳ wᵀ,  w̄ = xᵀ ȳ,  b̄ = Σ over rows of ȳ"),
    "relu": ("y = max(x, 0)", "x̄ = ȳ ⊙ [x > 0]"),
    "leaky_relu": ("y = x where x > 0, else slope · x", "x̄ = ȳ where x > 0, else slope · ȳ"),
    "prelu": ("y = x where x > 0, else slope ⊙ x", "x̄ = ȳ where x > 0, else slope ⊙ ȳ;  s̄lope = Σ ȳ ⊙ x over x ≤ 0"),
    "sigmoid": ("y = 1 / (1 + e⁻ˣ)", "x̄ = ȳ ⊙ y ⊙ (1 − y)"),
    "tanh": ("y = tanh x", "x̄ = ȳ ⊙ (1 − y²)"),
    "softplus": ("y = ln(1 + eˣ)", "x̄ = ȳ ⊙ sigmoid(x)"),
    "softmax": ("y = eˣ / Σ eˣ", "x̄ = y ⊙ (ȳ − Σ ȳ ⊙ y)"),
    "dropout": ("y = x ⊙ keep / (1 − rate)", "x̄ = ȳ ⊙ keep / (1 − rate)"),
    "residual": ("y = x + scale · change", "x̄ = ȳ,  c̄hange = scale · ȳ"),
    "conv": (
        "y[n,o,j] = b[j] + Σ x[n, o·stride + k·dilation − before, c] · w[k,c,j]  over k and c",
        "x̄ = Σ ȳ[o]·w[k] over the (o, k) that touch a pixel\n"
        "w̄[k,c,j] = Σ over n, o of x[…] · ȳ[n,o,j]\nb̄[j] = Σ over n, o of ȳ[n,o,j]",
    ),
    "locally_connected": (
        "y[n,o,j] = b[o,j] + Σ x[n, o·stride + k, c] · w[o,k,c,j]  over k and c",
        "as conv, with filters of its own at every place: w̄[o,k,c,j] = Σ over n of x[…] · ȳ[n,o,j]",
    ),
    "max_pool": ("y = the largest x under each window", "x̄ = ȳ at the winner, zero elsewhere"),
    "avg_pool": ("y = the mean of x under each window", "x̄ = ȳ / (elements of the window), summed over windows"),
    "l2_pool": ("y = √(Σ x²) under each window", "x̄ = x ⊙ ȳ / y, summed over windows"),
    "batch_norm": (
        "y = γ (x − μ) / √(σ² + ε) + β",
        "β̄ = Σ ȳ,  γ̄ = Σ ȳ ⊙ x̂,  with x̂ = (x − μ) / √(σ² + ε)\n"
        "x̄ = γ ȳ / √(σ² + ε); in training γ (ȳ − mean ȳ − x̂ mean(ȳ ⊙ x̂)) / √(σ² + ε)",
    ),
    "local_response_norm": (
        "y = x / sᵝ,  s = k + α/size · Σ x² over neighbouring channels",
        "x̄ = ȳ / sᵝ − 2αβ/size · x ⊙ Σ ȳ ⊙ x / sᵝ⁺¹",
    ),
    "l2_normalize": ("y = x / ‖x‖", "x̄ = (ȳ − y Σ ȳ ⊙ y) / ‖x‖"),
    "cross_entropy": ("L = −mean of log softmax(x)[label]", "x̄ = (softmax(x) − target) · L̄ / N"),
    "binary_cross_entropy": ("L = mean of −t log σ(x) − (1 − t) log(1 − σ(x))", "x̄ = (σ(x) − t) · L̄ / n"),
    "gram_matrix": ("G = FᵀF", "F̄ = F (Ḡ + Ḡᵀ)"),
    "pairwise_distances": (
        "d[i,j] = ‖xᵢ − yⱼ‖², or its root",
        "x̄ᵢ = Σⱼ 2 d̄[i,j] (xᵢ − yⱼ),  ȳⱼ = −Σᵢ 2 d̄[i,j] (xᵢ − yⱼ); over 2d for the root",
    ),
    "total_variation": (
        "L = Σ |difference to the right and lower neighbour|ᵖ",
        "x̄ = L̄ · Σ ±sign, or ±2 · difference for p = 2",
    ),
    "triplet_loss": (
        "L = Σ max(‖A − P‖² − ‖A − N‖² + margin, 0)",
        "where active  Ā = 2(N − P) L̄,  P̄ = 2(P − A) L̄,  N̄ = 2(A − N) L̄",
    ),
    "batch_triplet_loss": (
        "L = Σ max(d[a,p] − d[a,n] + margin, 0) over triplets (a, p, n);  d[i,j] = ‖eᵢ − eⱼ‖²",
        "ēᵢ = Σⱼ (d̄ᵢⱼ + d̄ⱼᵢ) · 2(eᵢ − eⱼ)",
    ),
    "contrastive_loss": (
        "L = Σ ½ d² for one person, ½ max(margin − d, 0)² for two;  d = ‖f − g‖",
        "f̄ = (f − g) L̄ for one person, −(margin − d)(f − g) L̄ / d for two;  ḡ = −f̄",
    ),
}


def formula_of(step: Step) -> tuple[str, str]:
    """Return (forward, backward) of a step; for an op from outside minicnn, the first paragraph of its docstring."""
    known = FORMULAS.get(step.name)
    if known is not None and getattr(step.op, "__module__", "").startswith("minicnn."):
        return known
    said = inspect.getdoc(step.op) or ""
    return said.split("\n\n")[0].strip() or f"{step.name}, which has no docstring", "see its source"


@functools.cache
def source_of(op: Callable) -> str:
    """Return the op's source: its forward with its backward inside. Empty if it was typed at a prompt."""
    try:
        return textwrap.dedent(inspect.getsource(inspect.unwrap(op)))
    except (OSError, TypeError):
        return ""
