# %% [markdown]
# # Lesson 22: a CUDA kernel, step by step
#
# A GPU is fast because it does thousands of small things at once. To use it you say what *one* of them is, and how many
# there are. You need no GPU for this lesson: Numba has a simulator that runs the same kernels in Python, one thread
# after the other, slowly enough to look at. What you write here runs on a real one unchanged.
#
# You will number threads, let a block share memory, build a race that gives the right answer for the wrong reason, and
# catch it. At the end a whole network moves to the GPU that is not there.
#
# The simulator has to be switched on before Numba is loaded, so this comes first.

# %%
import os

os.environ["NUMBA_ENABLE_CUDASIM"] = "1"

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from numba import cuda

from minicnn import Tensor, devices, nn, ops, use_backend
from minicnn.fast.cuda import gpu, simulation
from minicnn.fast.cuda.conv import conv
from minicnn.fast.cuda.naive_conv import naive_conv
from minicnn.kernels import conv as definitions
from minicnn.kernels.geometry import slide
from minicnn.learn.holes import check

use_backend("numpy")
random = np.random.default_rng(0)
INK, RIGHT, WRONG = "#222222", "#c9d8e6", "#c8553d"
plt.rcParams.update({"font.size": 11})

# %% [markdown]
# ## What one thread does
#
# A *kernel* is a function that every thread runs. It returns nothing: results are written into arrays. The first thing
# a thread does is to find out who it is. Threads come in *blocks* of equal size; a thread knows the number of its
# block, the size of a block, and its own number within it. From these, its number among all of them:


# %%
@cuda.jit
def introduce(names):
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x  # the same as cuda.grid(1)
    names[i, 0], names[i, 1], names[i, 2] = cuda.blockIdx.x, cuda.threadIdx.x, i


names = devices.move(np.zeros((6, 3), np.int64), "cuda")
gpu.launch(introduce, 2, 3, names)  # two blocks of three threads
print("block  thread  number")
for row in devices.to_host(names):
    print("{:5} {:7} {:7}".format(*row))
assert devices.to_host(names)[:, 2].tolist() == [0, 1, 2, 3, 4, 5]

# %% [markdown]
# `devices.move` takes an array to the GPU's own memory, and `devices.to_host` brings one back. Nothing else does: what
# is over there and what is here do not mix by accident.

# %%
try:
    np.asarray(names)
except TypeError as problem:
    print("refused:", problem)
else:
    raise AssertionError("that should have been refused")

# %% [markdown]
# Seven numbers and blocks of three: three blocks are needed, which have nine threads.
#
# **Predict**: every thread doubles its number, and the array has seven. What do the last two threads do?


# %% tags=["predict"]
@cuda.jit
def double_carelessly(x, y):
    i = cuda.grid(1)
    y[i] = 2 * x[i]


@cuda.jit
def double(x, y):
    i = cuda.grid(1)
    if i < x.size:
        y[i] = 2 * x[i]


x = devices.move(np.arange(7.0), "cuda")
y = np.empty_like(x)  # over there, too: NumPy asks the array
try:
    gpu.launch(double_carelessly, 3, 3, x, y)
except IndexError as problem:
    print("careless:", problem)
else:
    raise AssertionError("two threads should have gone too far")
gpu.launch(double, gpu.blocks_for(7, 3), 3, x, y)

# %% tags=["answer"]
assert devices.to_host(y).tolist() == [0, 2, 4, 6, 8, 10, 12]

# %% [markdown] tags=["answer"]
# They have nothing to do, and must be told so, or they write into memory that is not theirs. On a GPU that goes
# unnoticed, or ends the program somewhere else; the simulator says it at once.

# %% [markdown]
# Pictures have two sides, and so may blocks. Here 4×4 threads a block cover a picture of 10 by 14 pixels. Each colour
# is a block, each small square a thread; the grey ones lie outside and go home.

# %%
height, width, side = 10, 14, 4
rows, columns = gpu.blocks_for(height, side), gpu.blocks_for(width, side)
i, j = np.mgrid[: rows * side, : columns * side]
block = (i // side * columns + j // side) * 5 % 12
inside = (i < height) & (j < width)
fig, ax = plt.subplots(figsize=(9, 7), layout="constrained")
ax.imshow(np.where(inside, block, np.nan), cmap="Set3", vmin=0, vmax=11)
for a, b in np.ndindex(inside.shape):
    colour = INK if inside[a, b] else "#999999"
    ax.text(b, a, f"{a % side},{b % side}", ha="center", va="center", color=colour)
    ax.add_patch(plt.Rectangle((b - 0.5, a - 0.5), 1, 1, fill=False, edgecolor="white" if inside[a, b] else "#dddddd"))
ax.set_title(f"{rows}×{columns} blocks of {side}×{side} threads, and each thread's place in its block", loc="left")
ax.set_axis_off()
fig.savefig("threads.png", dpi=150)
plt.show()

# %% [markdown]
# ## A filter, a thread an output
#
# y[i] = x[i] · w[0] + x[i − 1] · w[1] + x[i − 2] · w[2]: each output looks back at three numbers of a signal. No thread
# writes where another does, so they may run in any order. `simulation.shuffled` draws one, and another at every call.

# %%
signal, taps = random.standard_normal(22), np.array([0.5, 0.3, 0.2])
wanted = np.convolve(signal, taps)[: signal.size]
BLOCK = 8


def run(kernel, seed=None):
    """The kernel's result, its threads in a drawn order if there is a seed."""
    x, w = devices.move(signal, "cuda"), devices.move(taps, "cuda")
    y = np.empty_like(x)
    blocks = gpu.blocks_for(signal.size, BLOCK)
    if seed is None:
        gpu.launch(kernel, blocks, BLOCK, x, w, y)
    else:
        with simulation.shuffled(seed):
            gpu.launch(kernel, blocks, BLOCK, x, w, y)
    return devices.to_host(y)


# %% [markdown]
# **You write** what one thread does. `cuda.grid(1)` is its number; there may be more threads than outputs. Before the
# signal begins there is nothing to see.


# %% tags=["hole"] minutes=8
@cuda.jit
def look_back(x, w, y):
    """Write one element of y: the sum of x[i − k] · w[k] over the taps k that see the signal. x, y: (N,), w: (K,)."""
    i = cuda.grid(1)
    if i >= y.size:
        return
    total = 0.0
    for k in range(w.size):
        if i - k >= 0:
            total += x[i - k] * w[k]
    y[i] = total


# %% tags=["check"]
backwards = np.convolve(np.pad(signal, (0, 2)), taps[::-1])[2 : 2 + signal.size]
slips = {
    "It looks forward, x[i + k]; it is to look back.": backwards,
    "The end of the signal is seen by its beginning: x[−1] is the last number. Skip i − k < 0.": (
        sum(weight * np.roll(signal, k) for k, weight in enumerate(taps))
    ),
    "Only the last tap counts: add up over all, in a variable of the thread's own.": (
        np.concatenate([[0, 0], signal[:-2]]) * taps[2]
    ),
    "The first outputs are left out: they see fewer numbers, and still what there is.": (
        np.where(np.arange(signal.size) < 2, 0, wanted)
    ),
}
check("look_back", run(look_back), wanted, slips)

# %%
assert all(np.allclose(run(look_back, seed), wanted) for seed in range(5))

# %% [markdown]
# It is right, and wasteful. Every number of the signal is read three times from the GPU's memory, which is far from the
# multipliers. With a 3×3 filter it would be nine times, and in a convolution layer every pixel is read again for each
# output channel.
#
# ## Shared memory
#
# A block has a small memory of its own, close to its multipliers, that all its threads see. So let each thread fetch
# one number, and two of them the two before the block as well; after that everybody reads from the shared copy.
#
# **Predict**: here is a first attempt. Read it. Is it right?


# %% tags=["predict"]
@cuda.jit
def look_back_together(x, w, y):
    tile = cuda.shared.array(BLOCK + 2, x.dtype)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    tile[t + 2] = x[i] if i < x.size else 0.0
    if t < 2:
        tile[t] = x[i - 2] if i >= 2 else 0.0
    if i < y.size:
        y[i] = tile[t + 2] * w[0] + tile[t + 1] * w[1] + tile[t] * w[2]


print(f"in the order of their numbers, largest error: {np.nanmax(np.abs(run(look_back_together) - wanted)):.1e}")

# %% [markdown] tags=["answer"]
# Almost nothing. But `nanmax` passes over what is not a number.

# %% [markdown]
# Look at all of them:

# %%
first = run(look_back_together)
print(np.round(first, 2))
print(np.isnan(first).sum(), "outputs are not a number")
assert np.isnan(first).sum() == 3

# %% [markdown]
# Shared memory holds whatever was there before. The simulator fills it with NaN, so that reading what nobody wrote
# shows; on a GPU it would be the last kernel's numbers, which look like yours. Thread 0 needs `tile[1]`, and thread 1,
# which fetches it, has not had its turn. We may let the lower threads fetch what the others wait for, and hope.


# %%
@cuda.jit
def look_back_in_luck(x, w, y):
    tile = cuda.shared.array(BLOCK + 2, x.dtype)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    if t == 0:
        for k in range(2):
            tile[k] = x[i - 2 + k] if i >= 2 else 0.0
    tile[t + 2] = x[i] if i < x.size else 0.0
    if i < y.size:
        y[i] = tile[t + 2] * w[0] + tile[t + 1] * w[1] + tile[t] * w[2]


assert np.allclose(run(look_back_in_luck), wanted)
print("right, in the order of their numbers")

# %% [markdown]
# The answer is right, every time. And the kernel is wrong. Each thread reads what threads with *lower* numbers have
# fetched, and in the simulator's usual order these have had their turn. A GPU promises no such order.
#
# **Predict**: how many of the 22 outputs are wrong, if the threads run in another order?

# %% tags=["predict"]
wrong = np.array([~np.isclose(run(look_back_in_luck, seed), wanted) for seed in range(8)])
print("wrong outputs of 22, for eight orders of the threads:", wrong.sum(axis=1))

# %% tags=["answer"]
assert wrong.any(axis=1).all() and 0.4 < wrong.mean() < 0.7

# %% [markdown] tags=["answer"]
# About half, and in every order others.

# %% [markdown]
# This is a **race**: two threads, one element, one of them writes, and nothing says who comes first. Another order may
# show it, if you are lucky. To be certain, watch every element that is touched: `simulation.watched` raises at the
# first that two threads touch with nothing between them, in whatever order they ran.

# %%
try:
    with simulation.watched():
        run(look_back_in_luck)
except simulation.Race as race:
    print(race)
else:
    raise AssertionError("the race was not found")

# %% [markdown]
# It names the element and both threads. The cure is one line: a *barrier*, at which every thread of the block waits
# until all have come.


# %%
@cuda.jit
def look_back_in_step(x, w, y):
    tile = cuda.shared.array(BLOCK + 2, x.dtype)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    tile[t + 2] = x[i] if i < x.size else 0.0
    if t < 2:
        tile[t] = x[i - 2] if i >= 2 else 0.0
    cuda.syncthreads()
    if i < y.size:
        y[i] = tile[t + 2] * w[0] + tile[t + 1] * w[1] + tile[t] * w[2]


with simulation.watched():
    still_wrong = np.array([~np.isclose(run(look_back_in_step, seed), wanted) for seed in range(8)])
print("right in every order, and watched")
assert not still_wrong.any()

# %%
fig, panels = plt.subplots(1, 2, figsize=(11, 3.3), layout="constrained", sharey=True)
for ax, errors, title in zip(panels, (wrong, still_wrong), ("in luck", "in step, with a barrier"), strict=True):
    ax.imshow(errors, cmap=ListedColormap([RIGHT, WRONG]), vmin=0, vmax=1, aspect="auto")
    for start in range(BLOCK, signal.size, BLOCK):
        ax.axvline(start - 0.5, color=INK, lw=2)
    ax.set_xticks(np.arange(-0.5, signal.size), minor=True)
    ax.set_yticks(np.arange(-0.5, 8), minor=True)
    ax.grid(which="minor", color="white")
    ax.tick_params(which="minor", length=0)
    ax.set(xlabel="output; the lines part the blocks", xticks=range(0, 22, 4), yticks=range(8))
    ax.set_title(f"{title}: {errors.sum()} of {errors.size} are wrong", loc="left")
panels[0].set_ylabel("order of the threads")
fig.savefig("race.png", dpi=150)
plt.show()

# %% [markdown]
# ## Sums: a tree of threads
#
# To add up many numbers, one thread alone would take long, and if all added to one element, that would be a race. So
# half of the threads add the other half's numbers to theirs, then half of those, and so on: 8 numbers in 3 steps. Every
# step reads what the one before wrote, so there is a barrier in the loop, which *all* threads reach.


# %%
@cuda.jit
def add_up(x, sums):
    part = cuda.shared.array(BLOCK, x.dtype)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    part[t] = x[i] if i < x.size else 0.0
    half = BLOCK // 2
    while half > 0:
        cuda.syncthreads()
        if t < half:
            part[t] += part[t + half]
        half //= 2
    if t == 0:
        sums[cuda.blockIdx.x] = part[0]


blocks = gpu.blocks_for(signal.size, BLOCK)
sums = devices.move(np.zeros(blocks), "cuda")
with simulation.watched(), simulation.shuffled(0):
    gpu.launch(add_up, blocks, BLOCK, devices.move(signal, "cuda"), sums)
print("sums of the blocks", np.round(devices.to_host(sums), 3), " together", float(sums.sum()))
assert np.isclose(float(sums.sum()), signal.sum())

# %% [markdown]
# Batch-hard mining of triplets (lesson 6) finds the farthest and the nearest picture of each anchor by such a tree:
# `_hardest` in `minicnn/fast/cuda/triplet.py`.
#
# ## The convolution
#
# minicnn's first convolution on a GPU is `look_back` with more loops: `fast/cuda/naive_conv.py`. The second,
# `fast/cuda/conv.py`, reads the convolution as a product of two matrices, of patches and of filters (lesson 2), and
# lets a block form a tile of the result: its threads fetch a square of each matrix into shared memory, wait, multiply,
# wait, and fetch the next. Both against the definition, and watched:

# %%
x, w, b = random.standard_normal((1, 6, 5, 3)), random.standard_normal((3, 3, 3, 4)), random.standard_normal(4)
window = slide("lesson 22", (6, 5), (3, 3), padding=1)
definition = definitions.conv(x, w, b, window, 1)
there = [devices.move(array, "cuda") for array in (x, w, b)]
with simulation.watched(), simulation.shuffled(1):
    for name, kernel in (("naive", naive_conv), ("tiles", conv)):
        found = devices.to_host(kernel(*there, window, 1))
        print(f"{name} largest error {np.abs(found - definition).max():.1e}")
        assert np.allclose(found, definition)

# %% [markdown]
# What has that won? Count what comes from the GPU's memory. For each multiplication the naive kernel reads two numbers.
# In a tile of S × S, each number that was fetched serves S threads.
#
# **Predict** for a layer of VGG, 64 channels to 64 at 512×512 pixels: how many gigabytes does each of the two read?

# %% tags=["predict"]
layer = {"pixels": 512 * 512, "taps": 9, "inputs": 64, "outputs": 64}
products = int(np.prod(list(layer.values())))
for name, reads in (("naive", 2 * products), ("tiles of 16", 2 * products // 16)):
    print(f"{name:12} {4 * reads / 1e9:8.1f} GB from memory for {2 * products / 1e9:.1f} GFLOP")

# %% [markdown]
# (A GFLOP is a thousand million multiplications or additions. A GPU's caches catch much of the first row. But a cache
# guesses what you will need; shared memory is told.)
#
# ## A network moves
#
# An operation does not know about GPUs. It asks for the kernels of its array (`kernels_for` in `backend.py`), and gets
# those of the place where the array lives; most of what is elementwise is NumPy's functions, which ask the array as
# well. On a real GPU the arrays are CuPy's.

# %%
model = nn.Sequential(
    nn.Conv2d(2, 3, 3, activation="relu", seed=0), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 2, seed=0)
)
picture = random.standard_normal((1, 6, 6, 2)).astype(np.float32)


def cost_and_gradient():
    for parameter in model.parameters():
        parameter.grad = None
    cost = ops.sum(ops.square(model(picture)))
    cost.backward()
    return cost.item(), devices.to_host(model[0].w.grad)


here = cost_and_gradient()
model.to("cuda")
away = cost_and_gradient()
print(f"cost here {here[0]:.6f}, on the GPU {away[0]:.6f}; model.device is {model.device!r}")
assert np.isclose(here[0], away[0], rtol=1e-5) and np.allclose(here[1], away[1], rtol=1e-4, atol=1e-6)

try:
    ops.add(Tensor([1.0]), Tensor([2.0]).to("cuda"))
except ValueError as problem:
    print("refused:", problem)
else:
    raise AssertionError("two devices should not meet")

# %% [markdown]
# **Try it**
#
# 1. Take the second barrier out of `_forward` in `fast/cuda/conv.py`, and run the cell that watches. Which two threads
#    meet, and at which element? Then the first one instead.
# 2. Move `cuda.syncthreads()` in `add_up` into the `if`. What does the simulator say, and why would a GPU hang?
# 3. Write `look_back` for a picture: a 3×3 filter and blocks of two dimensions. How many numbers does a block of 8 × 8
#    threads fetch into shared memory, its rim included?
# 4. If you have an NVIDIA GPU: `pip install '.[cuda]'`, leave out the line with NUMBA_ENABLE_CUDASIM, the `watched` and
#    the `shuffled`, and run this lesson again. Then `minicnn bench --device cuda`.
# 5. `minicnn learn start content_kernel`: a kernel of your own, for the content cost. `minicnn learn check` watches it
#    as we did, and names a race.
#
# **Where to look in the source**
#
# - `minicnn/fast/cuda/naive_conv.py` and `conv.py`: read them side by side.
# - `minicnn/fast/cuda/gram.py`, `pool.py`, `triplet.py`, `elementwise.py`: the other kernels.
# - `minicnn/devices.py`: where arrays live. `minicnn/fast/cuda/gpu.py`: how a kernel is launched.
# - `minicnn/fast/cuda/simulation/`: how the threads take their turns, and the watch.
#
# Next: `23_real_people.py`, which leaves the engine and looks at what it is used for. `minicnn learn list` shows what
# you can write yourself.
