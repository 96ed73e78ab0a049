"""The micro-kernel's assembly on other processors: its sums stay in registers, and its loops are as short as written.

It needs no such processor and no clock: LLVM compiles for any, and what it wrote is read.
"""

import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minicnn
from minicnn.fast.cpu.assembly import PROCESSORS, assembly, innermost_loops, on_stack, products
from minicnn.fast.cpu.micro_kernel import LINE


@functools.cache
def emitted(wide):
    paths = [str(Path(minicnn.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, str(Path(__file__).with_name("emitted.py")), str(int(wide))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=True)
    return json.loads(done.stdout)


def kernel(intermediate, processor):
    """Return the lines of the kernel itself, without what Numba puts around it."""
    lines = assembly(intermediate, processor)
    first = next(i for i, line in enumerate(lines) if re.match(r"_+ZN(?!7cpython)\S+:", line) and "cfunc" not in line)
    after = (i for i in range(first + 1, len(lines)) if re.match(r"(_+ZN|\.?Lfunc_end)\S+:", lines[i]))
    return lines[first : next(after)]


USUAL = ("haswell", "skylake-avx512", "apple-m1")  # registers of each width


@pytest.mark.parametrize(
    "processor", [pytest.param(name, marks=[pytest.mark.thorough] * (name not in USUAL)) for name in PROCESSORS]
)
def test_sums_stay_in_registers(processor):
    width = PROCESSORS[processor].width
    for name, (intermediate, wanted) in emitted(width == LINE).items():
        lines = kernel(intermediate, processor)
        loops = innermost_loops(lines) if "transposition" not in name else [lines]  # which has none: all of it counts
        assert loops, name
        saved = [line for loop in loops for line in on_stack(loop)]
        assert not saved, f"{name}: {saved}"
        most = max(len(products(loop)) for loop in loops)
        assert not wanted or most == wanted * LINE // width, f"{name}: {most} fused multiply-adds in a turn"


def test_a_loop_that_is_unrolled_is_noticed():
    intermediate, wanted = emitted(True)["row_product, float32"]
    assert "llvm.loop.unroll.disable" in intermediate
    lines = kernel(intermediate.replace("llvm.loop.unroll.disable", "llvm.loop.unroll.enable"), "znver5")
    assert max(len(products(loop)) for loop in innermost_loops(lines)) > wanted


def test_what_an_innermost_loop_is():
    first, second, third = ["first:", "a", "jne first"], ["second:", "b.ne second"], ["third:", "b third"]
    lines = ["start:", *first, "c", *second, "jmp start", "jmp third", *third, "cbnz x1, third", "jmp elsewhere"]
    assert innermost_loops(lines) == [first, second, third]
