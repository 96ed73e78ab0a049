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

import llvmlite.binding as llvm
import pytest

import minicnn

LINUX, ARM, MAC = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "arm64-apple-darwin"
# Each with its system, whether it has AVX-512, and the registers that a line of 64 bytes takes.
PROCESSORS = {
    "haswell": (LINUX, False, 2),
    "skylake-avx512": (LINUX, True, 1),
    "sapphirerapids": (LINUX, True, 1),
    "znver4": (LINUX, True, 1),
    "znver5": (LINUX, True, 1),
    "apple-m1": (MAC, False, 4),
    "neoverse-n1": (ARM, False, 4),
}
PRODUCT = re.compile(r"vfn?m(add|sub)|fmla|fmls")
# On ARM, d8 to d15 are saved for the caller as halves; what is short of room goes there as a whole.
ON_STACK = {LINUX: re.compile(r"\(%rsp.*[xyz]mm|[xyz]mm.*\(%rsp"), ARM: re.compile(r"\bq\d+.*\[sp")}
JUMP = re.compile(r"(?:j\w+|b(?:\.\w+)?|cb\w+|tb\w+)\s+(?:.*,\s*)?(\S+)$")


@functools.cache
def emitted(wide):
    paths = [str(Path(minicnn.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, str(Path(__file__).with_name("emitted.py")), str(int(wide))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=True)
    return json.loads(done.stdout)


def assembly(intermediate, processor, options=3):
    """Return the lines of the kernel itself, without what Numba puts around it."""
    triple, wide, _ = PROCESSORS[processor]
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(triple)
    machine = target.create_target_machine(cpu=processor, features="-prefer-256-bit" if wide else "", opt=options)
    intermediate = re.sub(r"target datalayout = .*", "", intermediate)
    module = llvm.parse_assembly(re.sub(r"target triple = .*", f'target triple = "{triple}"', intermediate))
    module.data_layout = str(machine.target_data)
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(options))
    builder.getModulePassManager().run(module, builder)
    lines = [line.partition("##")[0].strip() for line in machine.emit_assembly(module).splitlines()]
    first = next(i for i, line in enumerate(lines) if re.match(r"_+ZN(?!7cpython)\S+:", line) and "cfunc" not in line)
    after = (i for i in range(first + 1, len(lines)) if re.match(r"(_+ZN|\.?Lfunc_end)\S+:", lines[i]))
    return lines[first : next(after)]


def innermost_loops(lines):
    """Return the lines of every loop without one inside it: from a label to a jump back to it."""
    labels = {line[:-1]: i for i, line in enumerate(lines) if line.endswith(":")}
    jumps = ((labels.get(found[1], len(lines)), i) for i, line in enumerate(lines) if (found := JUMP.match(line)))
    loops = [(start, stop) for start, stop in jumps if start < stop]
    inside = [a for a in loops if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in loops)]
    return [lines[start : stop + 1] for start, stop in inside]


@pytest.mark.parametrize("processor", PROCESSORS)
def test_sums_stay_in_registers(processor):
    triple, wide, registers = PROCESSORS[processor]
    on_stack = ON_STACK.get(triple, ON_STACK[ARM])
    for name, (intermediate, products) in emitted(wide).items():
        lines = assembly(intermediate, processor)
        loops = innermost_loops(lines) if "transposition" not in name else [lines]  # which has none: all of it counts
        assert loops, name
        saved = [line for loop in loops for line in loop if on_stack.search(line)]
        assert not saved, f"{name}: {saved}"
        most = max(sum(bool(PRODUCT.search(line)) for line in loop) for loop in loops)
        assert not products or most == products * registers, f"{name}: {most} fused multiply-adds in a turn"


def test_a_loop_that_is_unrolled_is_noticed():
    intermediate, products = emitted(True)["row_product, float32"]
    assert "llvm.loop.unroll.disable" in intermediate
    lines = assembly(intermediate.replace("llvm.loop.unroll.disable", "llvm.loop.unroll.enable"), "znver5")
    assert max(sum(bool(PRODUCT.search(line)) for line in loop) for loop in innermost_loops(lines)) > products
