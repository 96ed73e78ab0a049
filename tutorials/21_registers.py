# %% [markdown]
# # Lesson 21: what a register is
#
# One line of minicnn's fastest kernel says how many rows it multiplies at a time: 12. On one processor that was the
# best of all numbers. On the next, the same line gave two fifths of the speed, and 8 would have given all of it.
# Nothing in the source shows why. The reason has a name, and there are only 32 of them: registers.
#
# In this lesson you count what a matrix product reads, and how few numbers it has to read when the sums stay where
# they are formed. You work out how many rows a processor has room for. Then a function prints the kernel in LLVM's
# language, you compile it for a processor that you need not have, and read the assembly. It tells who is right, without
# a clock.
#
# Open `minicnn/fast/cpu/micro_kernel.py` beside this lesson, and `minicnn/fast/cpu/assembly.py`.

# %%
import ctypes
import re
import time
from itertools import zip_longest

import llvmlite.binding as llvm
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from minicnn.fast.cpu import assembly as reader
from minicnn.fast.cpu.micro_kernel import LINES, ROWS
from minicnn.learn.holes import check

random = np.random.default_rng(0)
INK, BLUE, RED, GREEN, SAND, GREY = "#222222", "#2f6690", "#c8553d", "#8a9a5b", "#e9dfc9", "#777777"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## Count what is read
#
# c[i, j] is the sum of a[i, k] · b[k, j] over k. A multiplication takes the processor a part of a nanosecond. Before
# it, two numbers have to be fetched from somewhere; so let us give out arrays that count.


# %%
class Counted:
    """An array that counts how often its numbers are read and written."""

    def __init__(self, numbers):
        self.numbers, self.reads, self.writes = numbers, 0, 0

    def __getitem__(self, place):
        self.reads += 1
        return self.numbers[place]

    def __setitem__(self, place, number):
        self.writes += 1
        self.numbers[place] = number


SIDE, DEPTH = 24, 10
left, right = random.standard_normal((SIDE, DEPTH)), random.standard_normal((DEPTH, SIDE))


def count(multiply, *block):
    """Return (reads, writes) per multiplication, having checked the result."""
    a, b, c = Counted(left), Counted(right), Counted(np.zeros((SIDE, SIDE)))
    multiply(a, b, c, *block)
    assert np.allclose(c.numbers, left @ right)
    multiplications = SIDE * SIDE * DEPTH
    return (a.reads + b.reads + c.reads) / multiplications, (a.writes + b.writes + c.writes) / multiplications


def as_the_formula_says(a, b, c):
    for i in range(SIDE):
        for j in range(SIDE):
            for k in range(DEPTH):
                c[i, j] = c[i, j] + a[i, k] * b[k, j]


def with_a_sum_in_hand(a, b, c):
    for i in range(SIDE):
        for j in range(SIDE):
            total = 0.0
            for k in range(DEPTH):
                total = total + a[i, k] * b[k, j]
            c[i, j] = total


for multiply in (as_the_formula_says, with_a_sum_in_hand):
    print("{:20} {:.2f} reads and {:.2f} writes per multiplication".format(multiply.__name__, *count(multiply)))
assert count(as_the_formula_says) == (3, 1) and count(with_a_sum_in_hand) == (2, 1 / DEPTH)

# %% [markdown]
# A sum that is kept in hand is read and written no times while it grows. Two reads are left, one for each factor, and
# each factor is then used once and dropped. So keep more than one sum: a block of them, R rows by C columns. R numbers
# of `a` and C numbers of `b` make R · C products.
#
# **Predict**: how many reads per multiplication does a block of 4 by 4 sums take? And one of 8 by 2, which is 16 sums
# too?


# %% tags=["predict"]
def with_a_block_in_hand(a, b, c, rows, columns):
    for i in range(0, SIDE, rows):
        for j in range(0, SIDE, columns):
            sums = np.zeros((rows, columns))
            for k in range(DEPTH):
                numbers = [a[i + row, k] for row in range(rows)]
                line = [b[k, j + column] for column in range(columns)]
                sums += np.outer(numbers, line)  # rows · columns products, all from what is in hand
            for row, column in np.ndindex(rows, columns):
                c[i + row, j + column] = sums[row, column]


for block in ((1, 1), (2, 2), (8, 2), (4, 4), (8, 8)):
    print("{} by {}: {:.3f} reads per multiplication".format(*block, count(with_a_block_in_hand, *block)[0]))

# %% tags=["answer"]
for rows, columns in ((1, 1), (2, 2), (8, 2), (4, 4), (8, 8)):
    assert np.isclose(count(with_a_block_in_hand, rows, columns)[0], (rows + columns) / (rows * columns))

# %% [markdown] tags=["answer"]
# R + C reads for R · C products: 8 / 16 for the square, 10 / 16 for the long one. A larger block is better, and a
# square one is best.

# %% [markdown]
# ## What a register is
#
# Then why not keep all of c in hand? Because a hand is small. An arithmetic unit takes its factors from *registers*,
# and its result goes to one. They differ from memory in three ways:
#
# - **They have names, not addresses.** An address can be calculated. A name stands in the instruction, in four or five
#   bits, when the program is compiled. There is no "register i", so a loop cannot run over registers: who wants 24 sums
#   there has to write 24 of them out. That is why `micro_kernel.py` is a program that writes a program.
# - **They take no time.** A number from the nearest cache arrives some five cycles later, and two loads may start in a
#   cycle. In that cycle two multiplications start as well, each with an addition: a *fused multiply-add*.
# - **There are few of them.** Those for arithmetic hold several numbers, a *vector*, and do the same with all of them.
#
# | instructions | processors | registers | bytes in each | float32 in each |
# |---|---|--:|--:|--:|
# | AVX2 | Intel from 2013, AMD from 2015 | 16 | 32 | 8 |
# | AVX-512 | Intel's servers from 2017, AMD from 2022 | 32 | 64 | 16 |
# | NEON | ARM: telephones, Macs from 2020, servers | 32 | 16 | 4 |
#
# (Behind the names a processor has more, and renames while it runs. No program can ask for them.)
#
# What has no register goes to memory until it is needed: the compiler *spills* it to the *stack*, where a function's
# own variables lie. For a sum in the innermost loop that is a load and a store at each turn: back to the first version.
#
# ## How many rows fit?
#
# Vectors change the block a little. A row of it is L registers of sums. For each k the loop loads L vectors of b. Of a
# it loads one number for each of R rows, and *broadcasts* it: one register, the same number all over. When its L
# products are done, the register is free for the next.
#
# | count | how many | of |
# |---|---|---|
# | registers | $R \cdot L + L + 1$ | sums, vectors of b, a number of a |
# | loads | $R + L$ | for $R \cdot L$ fused multiply-adds |
#
# **You write** the three functions.


# %% tags=["hole"] minutes=5
def needed(rows, lines):
    """Return how many registers a block of R rows and L lines needs."""
    return rows * lines + lines + 1


def products_per_load(rows, lines):
    """Return the number of fused multiply-adds for each load."""
    return rows * lines / (rows + lines)


def most_rows(registers, lines):
    """Return the largest number of rows that needs no more than so many registers."""
    return max(rows for rows in range(registers) if needed(rows, lines) <= registers)


# %% tags=["check"]
check(
    "needed",
    [needed(12, 2), needed(6, 4), needed(1, 1)],
    [27, 29, 3],
    {
        "The number of a needs a register as well.": [26, 28, 2],
        "The vectors of b need registers as well.": [25, 25, 2],
        "A number of a is there only until its products are done: one register, not one for each row.": [38, 34, 3],
    },
)
slips = {
    "That is loads per product; turn it over.": [7 / 12, 10 / 24],
    "Both are loaded: R numbers of a and L vectors of b.": [2, 4],
}
check("products_per_load", [products_per_load(12, 2), products_per_load(6, 4)], [12 / 7, 2.4], slips)
slips = {
    "One more fits: as many registers as there are may be used.": [13, 5, 5],
    "That is one row too many.": [15, 7, 7],
    "That is the number of registers that are used.": [31, 15, 29],
}
check("most_rows", [most_rows(*both) for both in ((31, 2), (15, 2), (29, 4))], [14, 6, 6], slips)


# %% [markdown]
# **Predict**: with 32 registers and L = 2, how many rows are the most? With 16? Four lines instead of two: better?

# %% tags=["predict"]
for registers in (16, 32):
    for lines in (1, 2, 3, 4):
        rows = most_rows(registers, lines)
        print(
            f"{registers} registers, L = {lines}: {rows:2} rows, {products_per_load(rows, lines):.2f} products per load"
        )

# %% tags=["answer"]
fig, axes = plt.subplots(1, 2, figsize=(12.5, 5), layout="constrained", sharey=True)
shapes = {
    16: {(6, 2): "minicnn: 6 rows, L = 2"},
    32: {(12, 2): "minicnn: 12 rows, L = 2", (6, 4): "NEON: 6 rows, L = 4"},
}
for ax, registers in zip(axes, shapes, strict=True):
    for lines, colour in ((1, GREY), (2, BLUE), (3, GREEN), (4, RED)):
        rows, most = np.arange(1, 19), most_rows(registers, lines)
        ax.plot(rows, products_per_load(rows, lines), color=colour, lw=1, alpha=0.35)
        inside = rows[: min(most, 18)]
        ax.plot(inside, products_per_load(inside, lines), "o-", color=colour, lw=2.5, ms=5)
        ax.text(
            18.25,
            products_per_load(18, lines) - 0.02,
            f"L = {lines}",
            color=colour,
            weight="bold",
            va="top" if lines == 1 else "center",
        )
    for (rows, lines), words in shapes[registers].items():
        place = rows, products_per_load(rows, lines)
        ax.plot(*place, "o", ms=14, mfc="none", mec=INK, mew=2)
        label = (0.8, 2.95) if lines == 4 else (rows + 0.6, place[1] - 0.36)
        line = {"arrowstyle": "-", "color": INK, "shrinkB": 9}
        ax.annotate(words, place, label, color=INK, weight="bold", arrowprops=line)
    ax.axhline(1, color=GREY, lw=1, ls=(0, (4, 3)))
    ax.text(18, 0.6, "below the dashed line, loads take longer than products", color=GREY, ha="right", fontsize=10)
    ax.set_title(f"{registers} registers (faint: does not fit)", loc="left")
    ax.set(xlabel="R, rows", xlim=(0.4, 20.2), ylim=(0.4, 3.4), xticks=range(2, 19, 2))
axes[0].set_ylabel("fused multiply-adds per load")
fig.savefig("registers_needed.png", dpi=150)
plt.show()

assert most_rows(32, 2) == 14 and most_rows(16, 2) == 6
assert products_per_load(6, 4) > products_per_load(14, 2)  # squarer, and 29 registers instead of 31
assert all(products_per_load(rows, lines) > 1 for rows, lines in ((12, 2), (8, 2), (6, 2), (6, 4)))

# %% [markdown] tags=["answer"]
# Fourteen, six, and yes, a little. But look at the dashed line: with two loads and two products a cycle, one product
# per load is enough. (It also takes eight sums or more: an addition has a latency of some four cycles, and two begin in
# each.) So 8 rows are as good as 12 on paper, and 12 are as good as 14.

# %% [markdown]
# ## The kernel, written for LLVM
#
# Numba, Clang, Rust, Swift and Julia hand their programs to the same back end: LLVM. Its language is assembly for a
# machine with as many registers as you like, each written once. LLVM optimizes that and then assigns the registers that
# there are. `llvmlite`, which Numba brings along, lets us at both ends: we write the text, and read what comes out.
#
# Here is our kernel: c = a · b for R rows, with a whole column of sums for each row. `phi` says what a variable is at
# the first turn and at the others. The last lines are a *hint*, as LLVM calls it: it likes to unroll loops, and is
# told not to.


# %%
def kernel(rows, lines=2, width=16, hint=True):
    """Return the kernel in LLVM's language. width: floats per register. hint: keep LLVM from unrolling the loop."""
    vector = f"<{width} x float>"
    each_row, each_line = range(rows), range(lines)
    each_sum = [(i, j) for i in each_row for j in each_line]
    text = ["define void @kernel(ptr noalias %a, ptr noalias %b, ptr noalias %c, i64 %depth) {", "start:"]
    for i in each_row:  # where the rows of a begin
        text += [f"%skip{i} = mul i64 %depth, {i}", f"%row{i} = getelementptr float, ptr %a, i64 %skip{i}"]
    text += ["br label %turn", "turn:", "%k = phi i64 [0, %start], [%next, %turn]"]
    text += [f"%sum{i}.{j} = phi {vector} [zeroinitializer, %start], [%new{i}.{j}, %turn]" for i, j in each_sum]
    text += [f"%before = mul i64 %k, {lines * width}", "%panel = getelementptr float, ptr %b, i64 %before"]
    for j in each_line:  # the vectors of b
        text += [f"%place{j} = getelementptr float, ptr %panel, i64 {j * width}"]
        text += [f"%b{j} = load {vector}, ptr %place{j}, align 4"]
    for i in each_row:  # a number of a, spread over a register, and its products
        text += [f"%at{i} = getelementptr float, ptr %row{i}, i64 %k", f"%a{i} = load float, ptr %at{i}, align 4"]
        text += [f"%one{i} = insertelement {vector} poison, float %a{i}, i32 0"]
        text += [f"%all{i} = shufflevector {vector} %one{i}, {vector} poison, <{width} x i32> zeroinitializer"]
        for j in each_line:
            factors = f"{vector} %all{i}, {vector} %b{j}, {vector} %sum{i}.{j}"
            text += [f"%new{i}.{j} = call {vector} @llvm.fmuladd.v{width}f32({factors})"]
    text += ["%next = add i64 %k, 1", "%more = icmp slt i64 %next, %depth"]
    text += ["br i1 %more, label %turn, label %end" + (", !llvm.loop !0" if hint else ""), "end:"]
    for i, j in each_sum:
        text += [f"%to{i}.{j} = getelementptr float, ptr %c, i64 {(i * lines + j) * width}"]
        text += [f"store {vector} %new{i}.{j}, ptr %to{i}.{j}, align 4"]
    text += ["ret void", "}", f"declare {vector} @llvm.fmuladd.v{width}f32({vector}, {vector}, {vector})"]
    if hint:
        text += ["!0 = distinct !{!0, !1}", '!1 = !{!"llvm.loop.unroll.disable"}']
    return "\n".join(text)


print(kernel(rows=1, lines=1))

# %% [markdown]
# Is it right? LLVM compiles it for the machine that you sit at, and we call it like any function of C.


# %%
def compiled(text):
    """Return the kernel, compiled for this machine, as a function of the addresses of a, b and c, and the depth."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    machine = llvm.Target.from_default_triple().create_target_machine(cpu=name, features=features, opt=3, jit=True)
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    reader.optimize(module, machine)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    arguments = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64
    function = ctypes.CFUNCTYPE(None, *arguments)(engine.get_function_address("kernel"))
    function.engine = engine  # which holds the code
    return function


def operands(rows, columns, depth):
    """Return a, b, and room for c, each aligned to a cache line."""
    a, b, c = (np.empty(size + 16, np.float32) for size in (rows * depth, depth * columns, rows * columns))
    a, b, c = (array[-array.ctypes.data // 4 % 16 :] for array in (a, b, c))
    a, b, c = a[: rows * depth], b[: depth * columns], c[: rows * columns]
    a[:], b[:] = random.standard_normal(a.size), random.standard_normal(b.size)
    return a.reshape(rows, depth), b.reshape(depth, columns), c.reshape(rows, columns)


for rows in (8, 12):
    for hint in (True, False):
        multiply = compiled(kernel(rows, hint=hint))
        a, b, c = operands(rows, 32, depth=255)
        multiply(a.ctypes.data, b.ctypes.data, c.ctypes.data, 255)
        assert np.allclose(c, a @ b, rtol=1e-4, atol=1e-4), rows
print("8 and 12 rows: as NumPy says")

# %% [markdown]
# ## Eight rows and twelve, side by side
#
# LLVM compiles for *any* processor that it knows. We ask for AMD's Zen 5, where the story of this lesson took place.
# `reader.assembly` returns the lines, `reader.innermost_loops` cuts out the loops. Each line is an instruction, and
# `vfmadd231ps %zmm16, %zmm18, %zmm0` reads: zmm0 += zmm18 · zmm16, all sixteen numbers. zmm0 to zmm31 are *all* the
# names there are. ● marks a fused multiply-add; ✗ would mark a vector that goes to the stack or comes back.


# %%
def loop(text, processor="znver5"):
    """Return the innermost loop; of two the longer one, since an unrolled loop leaves a short one for the rest."""
    return max(reader.innermost_loops(reader.assembly(text, processor)), key=len)


def mark(line):
    return "●" if reader.products([line]) else "✗" if reader.on_stack([line]) else " "


eight, twelve = loop(kernel(8)), loop(kernel(12))
print(f"  {'8 rows':39} │   12 rows")
for one, other in zip_longest(eight, twelve, fillvalue=""):
    print(f"{mark(one)} {one:39} │ {mark(other)} {other}")

# %%
for rows, lines_of_code in ((8, eight), (12, twelve)):
    names = {*re.findall(r"%zmm\d+", " ".join(lines_of_code))}
    print(f"{rows:2} rows: {len(reader.products(lines_of_code))} fused multiply-adds, {len(names)} registers", end=", ")
    print(f"{len(reader.on_stack(lines_of_code))} stack accesses")
    assert len(reader.products(lines_of_code)) == 2 * rows
    assert reader.on_stack(lines_of_code) == [] and needed(rows, 2) <= len(names) <= 32

# %% [markdown]
# As we counted: 2 · 8 and 2 · 12 multiply-adds, and nothing on the stack. LLVM takes a few registers more than needed
# to fetch numbers of `a` ahead of time. It gets away with it, since it knows that there are 32.
#
# Does it agree with the formula for *every* shape? That is a hundred kernels, and a second.

# %%
shapes = [(rows, lines) for lines in (2, 3, 4) for rows in range(1, 36 // lines)]
spilled = {shape: len(reader.on_stack(loop(kernel(*shape)))) for shape in shapes}
for shape, times in spilled.items():
    assert (times == 0) == (needed(*shape) <= 32), shape
print(f"{len(shapes)} shapes: none spills that needs 32 registers or fewer, and every other one does")

# %% [markdown]
# ## Without the hint
#
# Now leave the hint out, as minicnn did at first. LLVM knows of each processor how long a loop should be, and joins
# turns of shorter ones: it *unrolls* them, which saves jumps. The sums are the same 24; two turns share them.
#
# **Predict**: what becomes of 8 rows, and of 12?

# %% tags=["predict"]
unrolled = {rows: loop(kernel(rows, hint=False)) for rows in (8, 12)}
for rows, lines_of_code in unrolled.items():
    print(f"{rows:2} rows: {len(reader.products(lines_of_code))} fused multiply-adds", end=", ")
    print(f"{len(reader.on_stack(lines_of_code))} stack accesses")
print("", *reader.on_stack(unrolled[12])[:8], "…", sep="\n    ")

# %% tags=["answer"]
assert all(len(reader.products(lines_of_code)) == 4 * rows for rows, lines_of_code in unrolled.items())
assert reader.on_stack(unrolled[8]) == []
assert len(reader.on_stack(unrolled[12])) > 24

# %% [markdown] tags=["answer"]
# Both are unrolled by two. Eight rows bear it. With twelve, LLVM fetches the numbers of both turns first, 24 of them,
# finds no room beside 24 sums and 4 lines, and moves registers to the stack and back in the innermost loop. The program
# is right, the source has not changed, and every test of its results passes.

# %% [markdown]
# A picture of it: each row is one of the 32 registers, each column an instruction of the loop. A register is coloured
# while it holds something that is still needed.


# %%
SUM, LINE, NUMBER, BACK = range(4)
KINDS = {"a sum": BLUE, "a vector of b": GREEN, "a number of a, broadcast": SAND, "back from the stack": RED}


def reads_and_target(line):
    """Return the registers that an instruction reads, and the one that it writes, or None."""
    names = [int(name) for name in re.findall(r"%[xyz]mm(\d+)", line)]
    if not names or line.endswith(")"):  # a store: its last operand is a place in memory
        return names, None
    return names if reader.products([line]) else names[:-1], names[-1]


def kind_of(line):
    if reader.products([line]):
        return SUM
    if reader.on_stack([line]):
        return BACK
    return NUMBER if "broadcast" in line else LINE


def held(lines_of_code):
    """Return (32, instructions): what each register holds that is still needed, as a place in KINDS, or −1."""
    turns = 3  # what a register holds at first comes from the turn before, so take the middle one of three
    table = np.full((32, turns * len(lines_of_code)), -1)
    since, kinds = [0] * 32, [-1] * 32
    for now, line in enumerate(lines_of_code * turns):
        reads, target = reads_and_target(line)
        for register in reads:
            table[register, since[register] : now + 1] = kinds[register]
        if target is not None:
            since[target], kinds[target] = now, kind_of(line)
    return table[:, len(lines_of_code) : 2 * len(lines_of_code)]


panels = {"8 rows": eight, "12 rows": twelve, "12 rows, without the hint": unrolled[12]}
colours = np.array([to_rgb(colour) for colour in [*KINDS.values(), "white"]])
fig, axes = plt.subplots(1, 3, figsize=(14, 6.6), layout="constrained", sharey=True)
for ax, (title, lines_of_code) in zip(axes, panels.items(), strict=True):
    table, length = held(lines_of_code), len(lines_of_code)
    ax.imshow(colours[table], aspect="auto", interpolation="nearest", extent=(0, length, 31.5, -0.5))
    ax.hlines(np.arange(33) - 0.5, 0, length, color="white", lw=1.5)
    moved = [now + 0.5 for now, line in enumerate(lines_of_code) if reader.on_stack([line])]
    ax.plot(moved, np.full(len(moved), 32.7), "x", color=RED, ms=5)
    ax.text(0, 33.9, f"{len(moved)} stack accesses", color=RED if moved else INK, weight="bold", va="center")
    ax.set_title(title, loc="left", weight="bold", color=INK)
    unused = int((table < 0).all(1).sum())
    if unused > 1:
        ax.text(length / 2, 31.5 - unused / 2, f"{unused} registers unused", color=GREY, ha="center", va="center")
    ax.set(xlabel="instruction of the loop", ylim=(34.6, -0.5), xlim=(0, length))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
axes[0].set_yticks(range(0, 32, 4), [f"zmm{i}" for i in range(0, 32, 4)])
legend = [Patch(color=colour, label=kind) for kind, colour in KINDS.items()]
fig.legend(handles=legend, loc="outside upper left", ncols=4, frameon=False)
fig.savefig("register_map.png", dpi=150)
plt.show()

# %% [markdown]
# On the left there is room to spare. In the middle every sum keeps its register for good. On the right a sum moves out
# so that a number may wait in its place, and then comes back.
#
# ## A constant is a guess
#
# **Predict**: 12 rows go wrong without the hint. Then 14 rows, which need more registers, go wrong as well?

# %% tags=["predict"]
without = {rows: loop(kernel(rows, hint=False)) for rows in range(2, 19)}
for rows in (8, 10, 12, 13, 14, 15):
    turns = len(reader.products(without[rows])) // (2 * rows)
    print(f"{rows} rows: unrolled by {turns}, {len(reader.on_stack(without[rows]))} stack accesses")

# %% tags=["answer"]
with_hint = {rows: loop(kernel(rows)) for rows in without}
times_without, times_with = ([len(reader.on_stack(found[r])) for r in found] for found in (without, with_hint))
measured = {6: 249, 8: 251, 10: 256, 12: 100, 14: 257}  # GFLOP/s without the hint, depth 256 (12 rows: 93 to 107)

fig, (ax, right_ax) = plt.subplots(1, 2, figsize=(13, 5), layout="constrained", width_ratios=[3, 2])
ax.axvspan(14.5, 18.6, color="#f1ede4", zorder=0)
ax.text(16.55, 42, "does not fit:\nmore than 32", ha="center", va="top", color=GREY)
ax.bar(np.array(list(without)) - 0.2, times_without, 0.4, color=RED, label="without the hint")
ax.bar(np.array(list(without)) + 0.2, times_with, 0.4, color=BLUE, label="with the hint")
ax.legend(frameon=False, loc="upper left")
ax.set(xlabel="R, rows (L = 2)", xticks=range(2, 19, 2), xlim=(1.4, 18.6), ylim=(0, 44))
ax.set_title("Stack accesses in the innermost loop, from the assembly", loc="left")
right_ax.bar(range(len(measured)), measured.values(), 0.62, color=[RED if r == 12 else BLUE for r in measured])
for place, speed in enumerate(measured.values()):
    right_ax.text(place, speed + 4, f"{speed}", ha="center", color=INK, weight="bold")
right_ax.plot([2.62, 3.38], [255, 255], color=BLUE, lw=2)
right_ax.text(3, 250, "255 with\nthe hint", ha="center", va="top", color=BLUE, weight="bold", fontsize=10)
right_ax.set_xticks(range(len(measured)), measured)
right_ax.set(xlabel="R, rows (L = 2)", ylim=(0, 300))
right_ax.set_title("GFLOP/s on one core of a Zen 5, measured once", loc="left")
fig.savefig("rows_and_stack.png", dpi=150)
plt.show()

assert [rows for rows in range(2, 15) if reader.on_stack(without[rows])] == [12]
assert not any(reader.on_stack(with_hint[rows]) for rows in range(2, 15))

# %% [markdown] tags=["answer"]
# No! LLVM unrolls only what is short enough, and thirteen rows are too long already. Ten rows, unrolled, just fit. Of
# all numbers up to fourteen, the one that had won elsewhere is the only one that fails here: 100 GFLOP/s instead of
# 255. Whoever measured on this machine alone would have written down 8, 10 or 14, for no better reason.

# %% [markdown]
# So the kernel now asks for what it needs, and a test reads what it gets. Every processor below is one that you need
# not have. The numbers say how often the loop goes to the stack, each processor with its own vectors.

# %%
shapes = (6, 2), (8, 2), (12, 2), (14, 2), (6, 4)
print(f"{'':15} registers", *(f"{rows:4}×{lines}" for rows, lines in shapes))
read = {}
for name, processor in reader.PROCESSORS.items():
    for shape in shapes:
        read[name, shape] = len(reader.on_stack(loop(kernel(*shape, width=processor.width // 4), name)))
    size = f"{processor.registers} × {processor.width}"
    print(f"{name:15} {size:>9}", *(f"{read[name, shape]:6}" for shape in shapes))

for (name, shape), times in read.items():
    assert times > 0 or needed(*shape) <= reader.PROCESSORS[name].registers
own = {16: (12, 2), 8: (6, 2), 4: (6, 4)}  # minicnn's shape, by the width of a register
assert not any(read[name, own[processor.width // 4]] for name, processor in reader.PROCESSORS.items())

# %% [markdown]
# What does not fit by the formula never fits. What does fit usually does; but look at 14 rows on Apple's M1. They need
# 31 of 32 registers, and LLVM, which orders the instructions for each processor in another way, fetches too early.
# The formula is a limit. The assembly is a fact.
#
# That is why `tests/kernels/test_assembly.py` compiles all of minicnn's kernels for these seven processors, and fails
# if a vector goes to the stack inside a loop. A benchmark could not do that: it needs the machine, a quiet one, and
# somebody who knows how fast it ought to be.
#
# ## On your machine
#
# Times belong to your machine, so nothing is asserted here. The kernel with its sums in your registers, with the hint
# and without, by the number of rows. Before you look: how many registers do you have, and where will it drop?


# %%
features = llvm.get_host_cpu_features()
width = 16 if features.get("avx512f") else 8 if features.get("avx2") else 4
registers = 16 if "x86" in llvm.get_process_triple() and width < 16 else 32


def speed(rows, hint, depth=256):
    """Return GFLOP/s, best of several, without the time that the call itself takes."""
    multiply = compiled(kernel(rows, 2, width, hint))
    a, b, c = operands(rows, 2 * width, depth)
    calls, best = 500, {1: np.inf, depth: np.inf}
    for _ in range(7):
        for turns in best:
            started = time.perf_counter()
            for _ in range(calls):
                multiply(a.ctypes.data, b.ctypes.data, c.ctypes.data, turns)
            best[turns] = min(best[turns], time.perf_counter() - started)
    return 2 * rows * 2 * width * (depth - 1) * calls / (best[depth] - best[1]) / 1e9


rows_here = range(2, most_rows(registers, 2) + 4)
speeds = {hint: [speed(rows, hint) for rows in rows_here] for hint in (True, False)}

fig, ax = plt.subplots(figsize=(10, 5), layout="constrained")
most = most_rows(registers, 2)
ax.axvspan(most + 0.5, rows_here[-1] + 0.5, color="#f1ede4", zorder=0)
ax.text(rows_here[-1] + 0.4, 0.02, "does not fit", transform=ax.get_xaxis_transform(), ha="right", color=GREY)
ax.plot(rows_here, speeds[False], "o-", color=RED, lw=2.5, label="without the hint")
ax.plot(rows_here, speeds[True], "o-", color=BLUE, lw=2.5, label="with the hint: not unrolled")
ax.set(xlabel="R, rows (L = 2)", ylabel="GFLOP/s, one thread", ylim=(0, None), xlim=(1.5, rows_here[-1] + 0.5))
ax.set_title(f"Here: {llvm.get_host_cpu_name()}, {registers} registers of {4 * width} bytes", loc="left")
ax.legend(frameon=False, loc="lower left")
fig.savefig("rows_on_this_machine.png", dpi=150)
plt.show()

# %% [markdown]
# `minicnn bench --only micro` measures minicnn's own kernel, next to BLAS. On this machine it uses:

# %%
print(f"{ROWS} rows by {LINES} × 64 bytes: L = {LINES * 64 // (4 * width)}")

# %% [markdown]
# ## What you have now
#
# - A sum in a register is read and written no times. A block of R × L sums makes R · L products from R + L loads.
# - It takes R · L + L + 1 registers. They have names, so there are 16 or 32, and no loop can run over them.
# - What does not fit is spilled to the stack. The results stay right, and the speed does not.
# - A constant that won a race is a guess about every other machine. Reading the assembly is a test without a clock.
#
# **Try it**
#
# 1. With L = 1 the formula asks for 33 registers at 31 rows. Print `loop(kernel(31, 1))`: nothing on the stack. Which
#    operand of the multiply-adds is not a register, and what does `{1to16}` mean? Why does it not pay with L = 2?
# 2. Let `kernel` take a's numbers from one place after the other (a[k, i] instead of a[i, k]), as packed matrices have
#    them. How many instructions of the loop are gone, and which? Does Apple's M1 bear 14 rows then?
# 3. `double` instead of `float`: width is 8 for AVX-512. Which of the numbers in this lesson change, and which stay?
# 4. Compile `kernel(12)` for haswell with width=16. LLVM takes it, and cuts each vector in two. What does the formula
#    say of it, and how many of the loop's instructions go to the stack?
# 5. Change the hint to "llvm.loop.unroll.count" with `i32 2`, for 8 rows. Is it faster on your machine? What does a
#    jump cost, then?
# 6. Write a kernel that keeps *no* sum in a register: load c, add, store c at each turn. How much slower is it?
#
# **Where to look in the source**
#
# - `minicnn/fast/cpu/micro_kernel.py`: the same kernel, emitted through llvmlite's builder into Numba's functions.
#   `loop` says why it must not be unrolled.
# - `minicnn/fast/cpu/assembly.py`: the compilation for other processors, and the search for loops.
# - `tests/kernels/test_assembly.py`: the test, and `emitted.py`, which gets minicnn's kernels as Numba hands them over.
# - `minicnn/fast/cpu/product.py`: around the kernel, the blocks for each cache.
#
# Next: `22_a_cuda_kernel_step_by_step.py`. The kernel here has its blocks in registers, that one in the shared memory
# of a GPU, and `19_winograd.py` does with fewer products in the first place.
