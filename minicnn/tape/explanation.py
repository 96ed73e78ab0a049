"""Explanations of a gradient: the products whose sum it is.

By the chain rule, dL/dx[i] = Σ_j dL/dy[j] · ∂y[j]/∂x[i] over everything y computed from x. The tape holds the gradient
dL/dy. For a product, ∂y[j]/∂x[i] is the other factor.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from minicnn.errors import InputError
from minicnn.tape import notation, products
from minicnn.tape.products import Product
from minicnn.tensor import Tensor

if TYPE_CHECKING:
    from minicnn.tape.recorder import Recorder, Value

SHOWN = 12  # products printed one by one


@dataclass(frozen=True)
class Explanation:
    """One element of a gradient: its value, the products whose sum it is (largest first), and the remainder.

    began: the gradient with which backward began here. now: what tensor.grad holds now, where that differs.
    zeros: number of products that are zero, because no gradient reached their outputs.
    """

    name: str
    index: tuple[int, ...]
    gradient: float
    products: list[Product]
    began: float = 0.0
    now: float | None = None
    zeros: int = 0

    @property
    def total(self) -> float:
        """The sum of the products, without intermediate rounding."""
        return math.fsum([self.began, *(p.value for p in self.products)])

    @property
    def remainder(self) -> float:
        """The part that the products do not account for: rounding, or uses of the tensor that were not recorded."""
        return self.gradient - self.total

    @property
    def next(self) -> tuple[str, tuple[int, ...]] | None:
        """The element to ask about next: the source of the largest product."""
        largest = next((p for p in self.products if p.at is not None and p.step.output.uses), None)
        return (largest.step.output.name, largest.at) if largest is not None and largest.at is not None else None

    def __str__(self) -> str:
        return self.told('tape.why("{name}", {index})')

    def told(self, question: str) -> str:
        """Return the explanation as text. question: template of the next query, with {name}, {index} and {place}."""
        lines = _lines(self)
        if self.next is not None:
            name, index = self.next
            lines.append("  next: " + question.format(name=name, index=index, place=notation.place(name, index)))
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def explain(tape: Recorder, tensor: Tensor | str, index: Any) -> Explanation:
    """Return the Explanation that Tape.why describes."""
    value = tape.find(tensor, asked_by="why")
    index = element("why", value, index)
    gradient = value.gradient
    if gradient is None:
        raise InputError(f"why: {value.name} has no gradient on this tape; {_reason(value)}")
    found: list[Product] = []
    zeros = 0
    for step, which in value.uses:
        if step.gradients and step.gradients[which] is not None:
            more, nothing = products.of_use(step, which, index)
            found += more
            zeros += nothing
    found.sort(key=lambda product: -abs(product.value))
    total = float(gradient[index])
    began = total if not found and not zeros and value.made_by is not None else 0.0
    now = None
    if isinstance(tensor, Tensor) and tensor.grad is not None and value.made_by is None:
        held = float(tensor.grad[index]) if tensor.grad.shape == gradient.shape else None
        now = held if held is not None and not math.isclose(held, total, rel_tol=1e-6, abs_tol=0) else None
    return Explanation(value.name, index, total, found, began, now, zeros)


def element(asked_by: str, value: Value, index: Any) -> tuple[int, ...]:
    """Return the index of one element as a tuple of ints counted from 0, one per axis."""
    shape = value.array.shape
    entries = index if isinstance(index, (tuple, list)) else (index,)
    try:
        numbers = tuple(operator.index(i) for i in entries)
    except TypeError:
        numbers = None
    if (
        numbers is None
        or len(numbers) != len(shape)
        or any(not -n <= i < n for i, n in zip(numbers, shape, strict=True))
    ):
        expected = f"{_expected(shape)} for {value.name} {notation.shape(value.array)}, counted from 0"
        raise InputError(f"{asked_by}: index is {index!r}; expected {expected}")
    return tuple(i % n for i, n in zip(numbers, shape, strict=True))


def _expected(shape: tuple[int, ...]) -> str:
    return f"{len(shape)} integer{'s' * (len(shape) > 1)}" if shape else "()"


def _reason(value: Value) -> str:
    if not value.wants_gradient:
        return "it requires none (requires_grad is False)"
    if not value.uses and value.made_by is None:
        return "no operation used it"
    return "backward has not run"


def _lines(why: Explanation) -> list[str]:
    head = f"{notation.place(why.name + '.grad', why.index)} = {notation.number(why.gradient, 10)}"
    if why.began:
        return [f"{head}   backward began here"]
    steps = list(dict.fromkeys(product.step for product in why.products))
    where = "; ".join(f"{step.output.name} = {step.name}(…) at {step.lines[-1]}" for step in steps[:3])
    plural = "product" if len(why.products) == 1 else "products"
    lines = [head, f"  the sum of {len(why.products)} {plural}{', in ' + where if where else ''}"]
    rows = [_row(product) for product in why.products[:SHOWN]]
    rest = why.products[SHOWN:]
    sums = notation.signed(math.fsum(p.value for p in rest)), notation.signed(0), notation.signed(why.total)
    widths = [max([len(row[i]) for row in rows], default=0) for i in range(4)]
    widths[0] = max(widths[0], *map(len, sums))
    for value, upstream, at, factor, source in rows:
        product = f"{upstream:>{widths[1]}} {at:<{widths[2]}} × {factor:>{widths[3]}} {source}"
        lines.append(f"  {value:>{widths[0]}} = {product}".rstrip())
    if rest:
        lines.append(f"  {sums[0]:>{widths[0]}}   {len(rest)} more, none larger")
    if why.zeros:
        lines.append(f"  {sums[1]:>{widths[0]}}   {why.zeros} more are zero, because no gradient came back there")
    lines.append(f"  {sums[2]:>{widths[0]}}   their sum; remainder {notation.number(why.remainder, 2)}")
    if abs(why.remainder) > 1e-3 * max(abs(why.gradient), abs(why.total)):
        lines.append("  large remainder: the tensor was also used outside the recording")
    if why.now is not None:
        lines.append(
            f"  {why.name}.grad now holds {notation.number(why.now, 10)}: other backwards added to it, or it was set"
        )
    return lines


def _row(product: Product) -> tuple[str, str, str, str, str]:
    output = product.step.output.name
    if product.at is None:
        return notation.signed(product.value), "", f"many of {output}.grad", "", f"their slopes in {product.step.name}"
    if product.of is not None:
        source = notation.place(product.of, product.position)
    else:
        plain = product.step.op.__module__.startswith("minicnn.") and product.factor in (1, -1)  # as in a sum
        source = "" if plain else f"slope of {product.step.name}"
    upstream = notation.place(f"{output}.grad", product.at)
    return (
        notation.signed(product.value),
        notation.number(product.upstream, 5),
        upstream,
        notation.number(product.factor, 5),
        source,
    )
