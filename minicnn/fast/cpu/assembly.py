"""Compile LLVM IR for any processor, present or not, and inspect the assembly."""

import re
from typing import NamedTuple

import llvmlite.binding as llvm


class Processor(NamedTuple):
    """A target system with the number and size in bytes of its vector registers."""

    triple: str
    registers: int
    width: int


LINUX, ARM, MAC = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "arm64-apple-darwin"
PROCESSORS = {
    "haswell": Processor(LINUX, 16, 32),
    "skylake-avx512": Processor(LINUX, 32, 64),
    "sapphirerapids": Processor(LINUX, 32, 64),
    "znver4": Processor(LINUX, 32, 64),
    "znver5": Processor(LINUX, 32, 64),
    "apple-m1": Processor(MAC, 32, 16),
    "neoverse-n1": Processor(ARM, 32, 16),
}
PRODUCT = re.compile(r"vfn?m(add|sub)|fmla|fmls")
# On ARM, the callee saves d8 to d15 as halves of a register; spills store whole registers.
ON_STACK = re.compile(r"\(%rsp.*[xyz]mm|[xyz]mm.*\(%rsp|\bq\d+.*\[sp")
JUMP = re.compile(r"(?:j\w+|b(?:\.\w+)?|cb\w+|tb\w+)\s+(?:.*,\s*)?(\S+)$")


def assembly(intermediate, processor):
    """Return the lines of LLVM's assembly for one of PROCESSORS, without comments."""
    triple, _, width = PROCESSORS[processor]
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    features = "-prefer-256-bit" if width == 64 else ""
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=processor, features=features, opt=3)
    module = llvm.parse_assembly(intermediate)
    module.triple, module.data_layout = triple, str(machine.target_data)
    optimize(module, machine)
    return [line.partition("##")[0].strip().replace("\t", " ") for line in machine.emit_assembly(module).splitlines()]


def optimize(module, machine):
    """Run all of LLVM's optimizations for a machine on a module, in place."""
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(3))
    builder.getModulePassManager().run(module, builder)


def innermost_loops(lines):
    """Return the lines of every innermost loop: from a label to a jump back to it."""
    labels = {line[:-1]: i for i, line in enumerate(lines) if line.endswith(":")}
    jumps = ((labels.get(found[1], len(lines)), i) for i, line in enumerate(lines) if (found := JUMP.match(line)))
    loops = [(start, stop) for start, stop in jumps if start < stop]
    inside = [a for a in loops if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in loops)]
    return [lines[start : stop + 1] for start, stop in inside]


def products(lines):
    """Return the lines that are fused multiply-adds."""
    return [line for line in lines if PRODUCT.search(line)]


def on_stack(lines):
    """Return the lines that move a vector register to or from the stack."""
    return [line for line in lines if ON_STACK.search(line)]
