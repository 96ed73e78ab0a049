# %% [markdown]
# # Lesson 0: an engine from nothing
#
# Write an engine yourself: a number that remembers, a walk back, a judge of gradients, descent, convolution, pooling, a
# Gram matrix. At the end it paints a photograph in the style of another, from random pixels by plain descent: fewer
# than two hundred lines, NumPy alone, and every line yours.
#
# There are twelve steps. Each gives you a task and a hole, in one file that grows, `engine.py`. A check says what is
# right and what is wrong, and it knows the usual slips by what comes out. When a step is right, you see what it is good
# for.
#
#     minicnn learn start engine      the first step; later on, the next one
#     minicnn learn check engine      is it right?
#     minicnn learn hint engine       three hints a step, from a question to nearly the code
#     minicnn learn solution engine   how it can be written
#
# This page is for two kinds of readers. **Before**: it shows where the way leads. **After**: set `MINE` below to your
# own file, and everything here runs on your engine. From "Two engines, one network" on, it shows the answers.

# %%
import importlib.util
import inspect
import sys
from html import escape
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

import minicnn
from minicnn import graph, ops
from minicnn.files import material
from minicnn.kernels import conv as conv_kernels
from minicnn.learn import catalogue
from minicnn.learn import engine as steps

minicnn.use_backend("numpy")
INK, BLUE, RED, GREEN = "#222222", "#2f6690", "#c8553d", "#8a9a5b"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})

MINE = ""  # "engine.py" if you have written it

path = MINE or material("tutorials") / "engine" / "solved.py"
specification = importlib.util.spec_from_file_location("my_engine", path)
engine = importlib.util.module_from_spec(specification)
sys.modules["my_engine"] = engine  # where inspect looks for its source
specification.loader.exec_module(engine)

print("step                                             minutes, estimated")
everything = [catalogue.find(name) for name in steps.names()]
for step in everything:
    print(f"{step.number:4}  {step.title:<50} {step.script.MINUTES:4}")
print(f"      {'together':<50} {sum(step.script.MINUTES for step in everything):4}")


def good_for(number):
    """What the check shows when a step is right."""
    return "\n".join(everything[number - 1].show(engine))


# %% [markdown]
# ## A number that remembers
#
# A `Value` holds a number, the Values that it was made of, and a rule: if the result gains d for every bit of this
# Value, what does it gain by each of those? That is all the memory an engine needs.

# %%
print(good_for(1))

# %% [markdown]
# A Value may hold an array just as well, and then it remembers once for all of its numbers. What NumPy copies on the
# way there, a bias for every row, is summed on the way back.

# %%
print(good_for(2))
print()
print(good_for(3))

# %% [markdown]
# ## The walk
#
# The result is worth 1 of itself. From there walk back, and hand every parent its part; a Value that was used twice
# adds up two parts, and waits for both before it passes its own gradient on.
#
# x is doubled sixteen times. **Predict**: how many ways lead from the result back to x, and how many rules does your
# walk have to ask?

# %% tags=["predict"]
print(good_for(5))
x, y = engine.Value(3), engine.Value(2)
engine.backward(x * x * y + y)
print(f"\nand x · x · y + y at (3, 2): gradients {x.grad:g} and {y.grad:g}")
assert (x.grad, y.grad) == (12, 10)

# %% [markdown]
# ## A judge
#
# A wrong rule raises no error. So before anything else is built, build a judge: nudge every number up and down, and
# compare with what the rules say. From then on no step is right that your own judge does not acquit.

# %%
print(good_for(6))

# %% [markdown]
# ## A layer, and descent
#
# A layer is a product of matrices, a bias, and a bend. Two hundred points lie inside a disc or outside. **Predict**: a
# network of sixteen bends has to draw a line around the disc. What shape will the line have after 20 steps, after 100,
# and after 600?

# %% tags=["predict"]
random = np.random.default_rng(0)
points = random.uniform(-1, 1, (200, 2))
inside = (np.square(points).sum(axis=1, keepdims=True) < 0.45) * 2.0 - 1
w, b = engine.Value(random.standard_normal((2, 16))), engine.Value(np.zeros(16))
v, c = engine.Value(random.standard_normal((16, 1)) / 4), engine.Value(np.zeros(1))


def network_of_16(x):
    return engine.matmul(engine.layer(x, w, b), v) + c


def distance():
    difference = network_of_16(points) - inside
    return engine.total(difference * difference) * (1 / len(points))


across = np.linspace(-1, 1, 101)
grid = np.stack(np.meshgrid(across, across), axis=-1).reshape(-1, 2)
fig, panels = plt.subplots(1, 4, figsize=(14, 3.5), layout="constrained")
J = []
for ax, until in zip(panels, (0, 20, 100, 600), strict=True):
    J += engine.descend(distance, [w, b, v, c], 0.1, until - len(J))
    answers = network_of_16(grid).data.reshape(101, 101)
    ax.contourf(across, across, answers, levels=[-9, 0, 9], colors=["#e8eef4", "#f4dcd5"])
    for kind, colour in ((1, RED), (-1, BLUE)):
        ax.plot(*points[inside[:, 0] == kind].T, ".", color=colour, ms=5)
    right = np.mean((network_of_16(points).data > 0) == (inside > 0))
    ax.set_title(f"step {until}: {right:.0%} right")
    ax.set_aspect("equal")
    ax.set_axis_off()
fig.savefig("disc.png", dpi=150)
plt.show()

# %% [markdown] tags=["answer"]
# First nearly straight, then with corners, then round: a polygon whose sides are the bends.

# %% tags=["answer"]
assert right > 0.95 and J[-1] < J[0] / 4

# %% [markdown]
# ## Convolution and pooling
#
# A filter slides over the picture and gives, at every place, the dot product with what lies under it. Nine rounds for a
# 3×3 filter, whatever the size of the picture. A pool keeps the mean of every 2×2 square, so that the next filter sees
# twice as far.

# %%
given = everything[-1].script.material()
photograph, painting = given["photograph"], given["painting"]
grey = photograph.mean(axis=2, keepdims=True)
lens = np.outer((1, 2, 1), (1, 2, 1))[:, :, None, None] / 16
edges = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])[:, :, None, None]
blurred = engine.convolve(engine.convolve(grey, lens, [0.0]), lens, [0.0])
found = np.abs(engine.convolve(blurred, edges, [0.0]).data[2:-2, 2:-2, 0])
pooled = [photograph]
for _ in range(3):
    pooled.append(engine.pool(pooled[-1]).data)

fig, panels = plt.subplots(1, 5, figsize=(14, 3.1), layout="constrained")
panels[0].imshow(found, cmap="gray_r", vmax=np.quantile(found, 0.99))
panels[0].set_title("edges, by two filters")
for ax, picture in zip(panels[1:], pooled, strict=True):
    ax.imshow(picture)
    ax.set_title(f"{len(picture)} × {len(picture)}")
for ax in panels:
    ax.set_axis_off()
fig.savefig("edges_and_pools.png", dpi=150)
plt.show()

# %% [markdown]
# ## A Gram matrix
#
# Which channels respond together, wherever that may be: this is what is left of a painting when you forget what is
# where. **Predict**: all places of a picture are shuffled. By how much does its Gram matrix change?

# %% tags=["predict"]
print(good_for(11))

# %% [markdown]
# ## A photograph in the style of another
#
# The course states it in three lines. Begin with random pixels. J = 10 · J_content + 40 · J_style. Pixels := pixels −
# rate · gradient, again and again: no momentum, no clipping, no photograph to start from.
#
# Two things are ours, and both are only about where to be patient. We begin with 32 × 32 random pixels, and when they
# have settled, every pixel becomes four: large patches of colour are found where they are cheap. And the network looks
# through a lens that lets every pixel run a little into its neighbours, because a network does not mind grain, and we
# do. The rate grows with the number of pixels, since J is divided by it.
#
# **Predict**: at how many of the steps does J fall?

# %% tags=["predict"]
names = [key[:-2] for key in given if key.endswith("_w")]
network = {name: (given[f"{name}_w"].astype(float), given[f"{name}_b"].astype(float)) for name in names}

pixels = np.random.default_rng(0).random((32, 32, 3))
pictures, curves = [("random pixels", engine.lens(engine.Value(pixels)).data)], []


def paint(pixels, count):
    """Descend, keep the picture and the costs, and make four pixels of every one."""
    size, wanted = len(pixels), [photograph, painting]
    while len(wanted[0]) > size:
        wanted = [engine.pool(picture).data for picture in wanted]
    pixels, costs = engine.paint(pixels, *wanted, network, size**2 / 80, count)
    pictures.append((f"{size} × {size}, after {count} steps", engine.lens(engine.Value(pixels)).data))
    curves.append(costs)
    return pixels.repeat(2, axis=0).repeat(2, axis=1)


pixels = paint(pixels, 100)

# %% [markdown]
# Every pixel has become four. **Predict**: does J begin where it ended, or higher?

# %% tags=["predict"]
pixels = paint(pixels, 60)
print(f"at 32 × 32 it ended at {curves[0][-1]:.3f}; at 64 × 64 it begins at {curves[1][0]:.3f}")

# %% [markdown]
# Once more. **Predict**: one step at 128 × 128 takes how many times as long as one at 32 × 32?

# %% tags=["predict"]
pixels = paint(pixels, 80)
print(f"Each step works on {pixels.size // 4 // (32 * 32 * 3)} times as many numbers")

# %% [markdown]
# And the picture? Hold on to what you predicted: what is it that you recognise first?

# %% tags=["predict"]
falls = [after < before for costs in curves for before, after in pairwise(costs)]
print(f"J falls in {sum(falls)} of {len(falls)} steps; the last one is {curves[-1][-1]:.3f}")
shown = [("the photograph", photograph), *pictures, ("the painting", painting)]
fig, panels = plt.subplots(2, 3, figsize=(13, 9), layout="constrained")
for ax, (title, picture) in zip(panels.ravel(), shown, strict=True):
    ax.imshow(np.clip(picture, 0, 1), interpolation="lanczos")
    ax.set_title(title)
    ax.set_axis_off()
fig.savefig("painted_from_nothing.png", dpi=150)
plt.show()

# %% [markdown] tags=["answer"]
# At every one. Each stage begins a little higher than the one before it ended, because more pixels see more; within a
# stage J only falls. No pixel of the photograph was copied, and no network was trained: an engine of fewer than two
# hundred lines asked 49,152 numbers, 240 times, which way is down.

# %% tags=["answer"]
assert all(falls) and all(costs[-1] < costs[0] / 2 for costs in curves)

# %% [markdown]
# ## Two engines, one network
#
# Is it the same as what minicnn's core computes? Both run the same six layers on the same pixels: J by J, gradient by
# gradient, in float64.

# %%
last = everything[-1].script
compared = pictures[1][1], *(engine.pool(engine.pool(picture).data).data for picture in (photograph, painting)), network
by_core = last.by_core(*compared, engine.MEAN, engine.LENS)
J_apart, gradient_apart = last.apart(last.by_engine(engine, *compared), by_core)
print(f"J differs by {J_apart:.0e} of it, the gradients for 3,072 numbers by {gradient_apart:.0e} of the largest")
assert max(J_apart, gradient_apart) < 1e-12

# %% [markdown]
# So it is an engine. What, then, are the other thousands of lines for? Here are the two side by side, function by
# function, and what the real one adds. **If you have not written yours, do it first**: from here on you see the
# answers.


# %%
class SideBySide:
    """Two pieces of source, next to each other where there is room."""

    def __init__(self, title, mine, theirs):
        self.title = title
        self.sources = [("the engine from nothing", mine), ("minicnn", theirs)]

    def _repr_html_(self):
        frame = "flex:1 1 20em;min-width:0;margin:0"
        code = "white-space:pre-wrap;overflow-wrap:anywhere;font-size:12px;line-height:1.45;margin:.3em 0;padding:.7em"
        halves = "".join(
            f'<div style="{frame}"><b>{name}</b><pre style="{code}">{escape(source)}</pre></div>'
            for name, source in self.sources
        )
        return f'<h3>{self.title}</h3><div style="display:flex;flex-wrap:wrap;gap:1em">{halves}</div>'

    def __repr__(self):
        return f"{self.title}: {', '.join(f'{name}, {source.count(chr(10))} lines' for name, source in self.sources)}"


def source(*functions):
    return "\n\n".join(inspect.getsource(getattr(function, "__wrapped__", function)).rstrip() for function in functions)


SideBySide("What remembers", source(engine.Value), source(graph.Node))

# %% [markdown]
# Your Value remembers its parents, and they remember theirs, so nothing is freed while the result lives. minicnn keeps
# two things apart. A `Tensor` is an array; a `Node` is what happened. A node does not know the Tensor that it made, so
# an array that nobody needs any more is gone at once: on a network with large pictures, that is most of the memory. It
# also knows its depth, of which more below, and how each gradient is to look.

# %%
SideBySide("An operation", source(engine.relu), source(ops.relu))

# %% [markdown]
# The same idea: a forward, and inside it the way back. `@op` does the rest once for all operations: it unwraps Tensors,
# keeps no memory where no input wants a gradient, checks shapes and says in one line what does not fit. The numbers are
# made by *kernels*, which can be exchanged: NumPy to be read, Numba to be fast, CUDA on a GPU. And the rule of the ReLU
# stands apart, because lesson 11 replaces it.

# %%
SideBySide("The walk", source(engine.backward), source(graph.walk_back))

# %% [markdown]
# Yours visits everything first, by a function that calls itself, and a network of a thousand layers would exhaust
# Python's stack. minicnn does not visit: every node knows its depth, and the deepest that waits is always ready. While
# it walks it frees what is done, it adds gradients in place where nobody else holds the array, and it keeps them from
# one walk to the next until you clear them, as a batch in pieces needs it.

# %%
SideBySide("Broadcasting", source(engine.sum_to), source(graph.sum_to))

# %% [markdown]
# The same, and it refuses what is no broadcast.

# %%
SideBySide("Convolution", source(engine.convolve), source(conv_kernels.conv, conv_kernels.conv_gradient_to_input))

# %% [markdown]
# Yours takes one picture, an odd filter, and a border of zeros. minicnn's has batches, strides, dilations, groups, any
# padding, and one, two or three dimensions, and the gradients are functions of their own, so that a frozen filter costs
# nothing. The kernel here is the readable one. The fast one computes 3×3 filters with less than half of the
# multiplications (lesson 19), on all cores, and keeps one bit for each ReLU instead of its input.
#
# And around all this lies what no engine shows: `gradcheck` says *which* mistake a wrong gradient looks like, the tape
# lets you step through it, and every error names the argument, what it was and what was expected.
#
# ## All of it
#
# The engine from nothing, solved, in one file. It imports NumPy, and nothing else.

# %% tags=["answer"]
print(inspect.getsource(engine))

# %% [markdown]
# **Try it**
#
# 1. `minicnn learn start engine`. All of it is said to take four hours; tell us if it was two, or ten.
# 2. Set `MINE = "engine.py"` and run this page on your own.
# 3. Take the lens away (`lens = lambda pixels: pixels`). What does J say, and what do your eyes say?
# 4. Begin with 128 × 128 random pixels at once. J falls at every step, and ends higher. Why do large patches of colour
#    take so long?
# 5. Double the rate. Where does J begin to jump, and at which of the three sizes first?
# 6. Paint with `PAINTINGS["stained_glass"]` or a picture of your own: put it into `engine.npz` under `painting`.
#
# Next: `01_tensors_and_the_tape.py`, the same engine as it is built for work, with a tape that you can look into.
