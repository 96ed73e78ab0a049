"""Slips within a slope: a lost factor, power or term, or one value in place of another.

A slope is that of one element of the result by one entry of an input. It is compared with products of simple
expressions in x, y and the other inputs. The products that slips would make of the matching one are then compared
with the wrong gradient.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minicnn.gradients.evidence import Evidence, Slip, listed, subsets

SIMPLE: dict[str, tuple[Callable[[Any], Any], float]] = {  # expressions in one value, and what each costs
    "{}": (lambda v: v, 0.0),
    "(1 - {})": (lambda v: 1 - v, 0.3),
    "(1 + {})": (lambda v: 1 + v, 1.0),
    "(1 - {}²)": (lambda v: 1 - v**2, 1.0),
    "(1 + {}²)": (lambda v: 1 + v**2, 1.0),
    "(1 + |{}|)": (lambda v: 1 + np.abs(v), 1.0),
    "exp({})": (np.exp, 1.0),
    "log({})": (np.log, 1.0),
    "sigmoid({})": (lambda v: 1 / (1 + np.exp(-v)), 1.0),
    "(1 - sigmoid({}))": (lambda v: 1 / (1 + np.exp(v)), 1.0),
    "sin({})": (np.sin, 1.0),
    "cos({})": (np.cos, 1.0),
}
POWERS = {1: "{}", 2: "{}²", 3: "{}³", 0.5: "√{}", -1: "/{}", -2: "/{}²", -0.5: "/√{}"}
FEW, MANY = 6, 4000  # entries per point at the start of the search; maximum number of slopes for it


class Unit(NamedTuple):
    """A power of a simple expression in one value: a factor of a slope."""

    simple: str
    value: str
    power: float

    @property
    def cost(self) -> float:
        return (
            0.1 * abs(abs(self.power) - 1)
            + 0.15 * (self.value == "y")
            + 0.2 * (self.value[0] == "(")
            + SIMPLE[self.simple][1]
        )

    def inverse(self) -> Unit:
        return self._replace(power=-self.power)


Rule = tuple[Unit, ...]


class Change(NamedTuple):
    """A rule changed by a slip. slope: it multiplies the slope. lost: it is the missing term."""

    cost: float
    rule: Rule
    slope: bool = False
    lost: bool = False
    due: Rule | None = None


def told(rule: Rule, *first: str) -> str:
    """Return the product as text, such as dy · y · (1 - y) or 1/(1 + |x|)², after a first factor if given."""
    texts = [POWERS[unit.power].format(unit.simple.format(unit.value)) for unit in rule]
    if len(texts) == 1 and not first and texts[0][0] == "(" and texts[0][-1] == ")":
        return texts[0][1:-1]
    return " · ".join([*first, *(t for t in texts if t[0] != "/")] or ["1"]) + "".join(t for t in texts if t[0] == "/")


class Slopes:
    """The nonzero slopes of some entries at one point, and the values that belong to each."""

    def __init__(self, p: Evidence, there: np.ndarray, few: np.ndarray) -> None:
        self.p, self.few = p, few
        self.entry, self.result = np.nonzero(there[few])
        self.slope = p.rows[few][self.entry, self.result]
        self.dy = p.cotangent.ravel()[self.result]
        self.values = _values(p, p.places[few][self.entry], self.result)

    def columns(self, units: list[Unit]) -> np.ndarray:
        """Return the values of each unit at each slope, and a last row of ones."""
        known = {key: SIMPLE[key[0]][0](self.values[key[1]]) for key in {unit[:2] for unit in units}}
        return np.array([*(known[unit[:2]] ** float(unit.power) for unit in units), np.ones(len(self.dy))])

    def formed(self, products: np.ndarray, slope: bool) -> np.ndarray:
        """Return Σ dy · product at each entry. slope: multiply by the slope, too."""
        weights = np.eye(len(self.few))[self.entry]
        return (products * self.dy * (self.slope if slope else 1)) @ weights


def _values(p: Evidence, entries: np.ndarray, results: np.ndarray) -> dict[str, np.ndarray]:
    """Return the values at each slope by name: the input, the result, and arrays that broadcast with either."""
    x, y = p.x.ravel()[entries], p.y.ravel()[entries if p.y.shape == p.x.shape else results]
    found = {p.name: x, "y" if p.name != "y" and "y" not in p.others else "the result": y}
    for name, array in p.others.items():
        for shape, flat in ((p.y.shape, results), (p.x.shape, entries)):
            if array.size > 1 and _spreads(array.shape, shape) and name not in found:
                found[name] = np.broadcast_to(array, shape).ravel()[flat]
                found[f"({p.name} - {name})"] = x - found[name]
                found[f"(y - {name})"] = y - found[name]
    for axes in subsets([axis for axis, n in enumerate(p.x.shape) if n > 1]):
        along = f"along {listed(list(axes))}"
        weights = np.exp(p.x - p.x.max())
        for text, value in (
            (f"({p.name} - its mean {along})", p.x - p.x.mean(axis=axes, keepdims=True)),
            (f"(the length of {p.name} {along})", np.sqrt((p.x**2).sum(axis=axes, keepdims=True))),
            (f"(the deviation of {p.name} {along})", p.x.std(axis=axes, keepdims=True)),
            (f"(the softmax of {p.name} {along})", weights / weights.sum(axis=axes, keepdims=True)),
        ):
            found[text] = np.broadcast_to(value, p.x.shape).ravel()[entries]
    return found


def _spreads(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def rules(points: list[Evidence], f: Any) -> Iterator[Slip]:
    """Yield the cheapest changes of the slope that give the wrong gradient."""
    shared = [p for p in points if np.array_equal(p.places, points[0].places)]
    size = max(np.abs(p.rows).max(initial=0) for p in shared)
    there = np.any([np.abs(p.rows) > 1e-9 * size for p in shared], axis=0)
    some = [Slopes(p, there, _spread(np.flatnonzero(p.wrong), FEW)) for p in points if p.wrong.any()]
    entries, count = sum(len(part.few) for part in some), sum(len(part.dy) for part in some)
    if len(shared) < len(points) or entries < 4 or not 0 < count <= MANY:
        return
    values = [v for v in some[0].values if all(v in part.values for part in some)]
    units = [
        Unit(simple, value, power)
        for value in values
        for simple in (SIMPLE if value.isidentifier() else ("{}",))
        for power in (POWERS if simple == "{}" else (1, -1, 2, -2) if simple[0] == "(" else (1, -1))
    ]
    columns = [part.columns(units) for part in some]
    whole = [Slopes(p, there, _spread(np.arange(len(p.places)), 2 * FEW)) for p in points]
    known = np.concatenate([part.columns(units) for part in whole], axis=1)
    slopes = _identified(np.concatenate([part.slope for part in whole]), known, units)
    found = sorted(_fitting(some, columns, units, slopes), key=lambda found: found[0])
    for _, change, constant in (each for each in found if each[0] <= found[0][0] + 0.01):
        yield _slip(points[0], there, change, constant, slopes)


def _spread(places: np.ndarray, count: int) -> np.ndarray:
    return places[np.unique(np.linspace(0, len(places) - 1, count).astype(int))]


def _identified(slope: np.ndarray, columns: np.ndarray, units: list[Unit]) -> dict[Rule, float]:
    """Return the simplest products that equal the slope, each with its constant."""
    logs, due = np.log(np.abs(columns[:-1])), np.log(np.abs(slope))
    fine = _spread(np.flatnonzero(np.isfinite(due)), 24) if np.isfinite(due).sum() > 3 else np.zeros(0, int)
    sound = [i for i in range(len(logs)) if len(fine) and np.isfinite(logs[i][fine]).mean() > 0.7]
    plain = [i for i in sound if units[i].simple == "{}" and units[i].value.isidentifier()]
    thirds = ((*two, i) for two in itertools.combinations(plain, 2) for i in sound if i > two[1])
    for some in ([()], [(i,) for i in sound], itertools.combinations(sound, 2), thirds):
        picked = np.array(list(some), int)
        if not len(fine) or not len(picked):
            continue
        left = due[fine] - logs[:, fine][picked].sum(axis=1) if picked.size else due[None, fine]
        known = np.isfinite(left)
        flat = np.max(left, axis=1, where=known, initial=-1e9) - np.min(left, axis=1, where=known, initial=1e9) < 1e-5
        flat &= known.sum(axis=1) > 3
        rules = [tuple(units[i] for i in row) for row in picked[flat]]
        rules = [rule for rule in rules if len({unit[:2] for unit in rule}) == len(rule)]
        if rules:
            rules = sorted(rules, key=lambda rule: sum(unit.cost for unit in rule))[:8]
            products = [columns[[units.index(unit) for unit in rule]].prod(axis=0)[fine] for rule in rules]
            return {r: float(np.median(slope[fine] / product)) for r, product in zip(rules, products, strict=True)}
    return {}


def _changes(units: list[Unit], slopes: dict[Rule, float]) -> Iterator[Change]:
    """Yield the rules that slips would leave of the slope, or put in its place."""
    known = {unit for rule in slopes for unit in rule}
    for unit in units:
        half = any(u[:2] == unit[:2] and u.power == -2 * unit.power for u in known)
        yield Change(1 + unit.cost - 0.7 * (half or unit.inverse() in known), (unit,), slope=True)
    short = [u for u in units if u.power in (1, -1) and u.value.isidentifier() and "1 +" not in u.simple]
    alone = [(), *((u,) for u in units), *(two for two in itertools.combinations(short, 2) if two[0][:2] != two[1][:2])]
    for rule in alone:
        cost, odd = sum(unit.cost for unit in rule), any(unit.simple != "{}" for unit in rule)
        yield Change(2 + odd + 0.4 * len(rule) + cost, rule, lost=True)
        yield Change(2.2 + 0.3 * len(rule) + cost / 2 if rule else 1, rule, due=next(iter(slopes), None))
    for rule in slopes:
        for unit, other in itertools.product(rule, units):
            if other != unit and ((same := other[::2] == unit[::2]) or other.value == unit.value):
                yield Change(1.1 if same else 1.4, tuple(other if u == unit else u for u in rule), due=rule)
        for old, new in itertools.permutations({unit.value for unit in units}, 2):
            swapped = tuple(u._replace(value=new) if u.value == old else u for u in rule)
            if swapped != rule and {*swapped} <= {*units}:
                yield Change(1.1, swapped, due=rule)


def _fitting(
    some: list[Slopes], columns: list[np.ndarray], units: list[Unit], slopes: dict[Rule, float]
) -> Iterator[tuple[float, Change, float]]:
    """Yield (cost, change, constant) for each change that gives the wrong entries of all points."""
    number = {unit: i for i, unit in enumerate(units)}
    changes = list(dict.fromkeys(_changes(units, slopes)))
    rows = np.full((len(changes), 3), len(units))
    for row, change in zip(rows, changes, strict=True):
        row[: len(change.rule)] = [number[unit] for unit in change.rule]
    given, due = (np.concatenate([getattr(s.p, what)[s.few] for s in some]) for what in ("given", "numeric"))
    limit = np.concatenate([s.p.limit[s.few] for s in some])
    for slope, lost in ((True, False), (False, True), (False, False)):
        chosen = [i for i, change in enumerate(changes) if (change.slope, change.lost) == (slope, lost)]
        products = [table[rows[chosen]].prod(axis=1) for table in columns]
        formed = [s.formed(product, slope) for s, product in zip(some, products, strict=True)]
        whole, wanted = np.concatenate(formed, axis=1), due - given if lost else given
        constants = np.median(np.where(whole, wanted / whole, 0), axis=1)
        fits = np.all(np.abs(constants[:, None] * whole - wanted) <= limit, axis=1) & (constants != 0)
        for i, constant in zip(np.array(chosen)[fits], constants[fits], strict=True):
            odd = not any(abs(constant * n - round(constant * n)) < 1e-4 for n in (1, 2, 3, 4))
            yield changes[i].cost + odd + (slope and abs(constant - 1) > 1e-4), changes[i], float(constant)


def _slip(first: Evidence, there: np.ndarray, change: Change, constant: float, slopes: dict[Rule, float]) -> Slip:
    def formed(p: Evidence) -> np.ndarray:
        parts = Slopes(p, there, np.arange(len(p.places)))
        whole = constant * parts.formed(parts.columns(list(change.rule)).prod(axis=0), change.slope)
        return p.numeric - whole if change.lost else whole

    dy, rule = told(change.rule, _times(constant)), change.due or next(iter(slopes), None)
    due = f"; due is {told(rule, _times(slopes[rule]))}" if rule else ""
    if not slopes and {unit[1:] for unit in change.rule} == {(first.name, -1), ("y", 1)}:
        dy += ", one term of the product rule"
    if change.slope:
        (unit,), more = change.rule, "" if _times(constant) == "dy" else f", and ratio {constant:.3f}"
        text = "lacks the factor {}" if unit.power < 0 else "has the factor {} too often"
        text = text.format(told((unit.inverse() if unit.power < 0 else unit,)))
        return Slip("factor", text + more + due, formed, entry=True)
    if change.lost and not change.rule and first.x.shape == first.y.shape and abs(abs(constant) - 1) < 1e-4:
        text = "dy itself is missing" if constant > 0 else "dy itself is in it, and should not be"
        return Slip("fan-out", f"missing accumulation: {text}, the path by which x goes straight through", formed)
    if change.lost:
        return Slip("term", f"lacks the term {dy}", formed, entry=True)
    if not change.rule:
        return Slip("factor", f"is {dy} itself: it is not multiplied by the slope", formed, entry=True)
    text = f"the gradient is {dy}{due}"
    if change.due and change.cost < 2:
        old, new = [u for u in change.due if u not in change.rule], [u for u in change.rule if u not in change.due]
        text = f"{told(tuple(new))} stands where {told(tuple(old))} is due: {text}"
    return Slip("instead", text, formed)


def _times(constant: float) -> str:
    return "dy" if abs(constant - 1) < 1e-4 else f"{constant:.4g} · dy"
