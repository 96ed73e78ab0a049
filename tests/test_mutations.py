"""The changes that tests/mutants.py draws: every kind is found, at its place, and the same seed draws the same."""

from mutants import draw, room_of
from mutations import COMPILED, OUTSIDE, another_program, changed, mutants_of

SOURCE = '''"""Nothing of this text: 1 + 1."""
SIDE = 3.0  # ä, two bytes of UTF-8, before what stands behind it


def f(x: int = 2, *, axis=-1):
    """Return nothing, max or min."""
    if not x < 1 and SIDE or False:
        raise ValueError(f"x is {x + 1}")
    for i in range(x):
        continue
    x.sort(axis=0)
    print(-x[1:], max(x, i))
'''


def test_every_kind_of_change_is_made():
    found = mutants_of("f.py", SOURCE)
    made = {(m.kind, m.old, m.new) for m in found}
    assert made >= {
        ("constant", "3.0", "6.0"),
        ("constant", "2", "3"),
        ("negated condition", "not x < 1 and SIDE or False", "(not (not x < 1 and SIDE or False))"),
        ("dropped not", "not x < 1", "x < 1"),
        ("comparison", "<", "<="),
        ("and/or", "and", "or"),
        ("true/false", "False", "True"),
        ("removed raise", 'raise ValueError(f"x is {x + 1}")', "pass"),
        ("off by one", "x", "x + 1"),
        ("early return", "continue", "break"),
        ("early return", "x.sort(axis=0)", "return"),
        ("dropped statement", "x.sort(axis=0)", "pass"),
        ("axis", "0", "1"),
        ("dropped minus", "-x[1:]", "x[1:]"),
        ("min/max", "max", "min"),
        ("swapped arguments", "x, i", "i, x"),
    }
    for mutant in found:
        assert SOURCE[mutant.start : mutant.stop] == mutant.old == mutant.old.strip() and another_program(
            mutant, SOURCE
        )
        assert SOURCE.splitlines()[mutant.line - 1] != changed(mutant, SOURCE).splitlines()[mutant.line - 1]
        assert mutant.function == (5 if mutant.line > 5 else OUTSIDE)
    compiled = "@njit\ndef f(x):\n    return x + 1\n"
    assert {m.function for m in mutants_of("fast/cpu/f.py", compiled)} == {COMPILED}


def test_a_seed_draws_the_same_again():
    sources = {"nn/f.py": SOURCE, "ops/g.py": SOURCE.replace("f(", "g(")}
    first = draw(sources, 0, 12)
    assert first == draw(sources, 0, 12) == draw(sources, 0, 20)[:12] != draw(sources, 1, 12)
    assert len({*first}) == 12 and {room_of(mutant.path) for mutant in first} == {"nn", "engine"}
