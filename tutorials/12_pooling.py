# %% [markdown]
# # Lesson 12: pooling, and where a shift goes
#
# "Max pooling makes a network tolerate small shifts", says the lecture. But pooling slides a window like a convolution
# does, so if the picture moves, the pooled picture moves as well. Both are true. How can that be?
#
# In this lesson you write max pooling and its gradient, shift faces about and measure what changes after no pool, one,
# two, three and four; ask what is left of *where* the face was; and shift by a single pixel to see the tolerance break.
# You will also find out when the maximum is worth more than the mean, and when it is not.
#
# Open `minicnn/kernels/pool.py` beside it.

# %%
import matplotlib.pyplot as plt
import numpy as np

import minicnn
from minicnn import GradcheckError, Tensor, gradcheck, op, ops
from minicnn.datasets import doodles
from minicnn.learn.holes import check

minicnn.use_backend("numpy")
random = np.random.default_rng(0)
INK, BLUE, RED, GREEN, SAND, GREY = "#222222", "#2f6690", "#c8553d", "#8a9a5b", "#f4efe6", "#777777"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## In a row of eight
#
# A window of two goes along in steps of two and keeps the larger number. In one dimension and without padding that is a
# reshape. **You write** it.


# %% tags=["hole"] minutes=3
def pool_row(row):
    """Return the larger number of each pair of neighbours. row: (N,), N even -> (N / 2,)."""
    return row.reshape(-1, 2).max(axis=1)


# %% tags=["check"]
row = np.array([3.0, 1, 0, 2, 5, 5, -4, -2])
slips = {
    "The windows overlap: go along in steps of two.": [3, 1, 2, 5, 5, 5, -2],
    "Those are every second number, not the larger of two.": [3, 0, 5, -4],
    "That is the mean of each pair.": [2, 1, 5, -3],
    "The pairs are no neighbours: reshape to (N / 2, 2), not to (2, N / 2).": [5, 5, 0, 2],
    "That is the largest of each column: the maximum is to be taken along the pair, axis 1.": [5, 5],
}
check("pool_row", pool_row(row), [3, 2, 5, -2], slips)

# %% [markdown]
# Now shift a row, by two places and by one.

# %%
row = np.array([0.0, 0, 0, 7, 0, 0, 4, 0])
by_two, by_one = np.roll(row, 2), np.roll(row, 1)
for name, values in (("as it was", row), ("shifted by 2", by_two), ("shifted by 1", by_one)):
    print(f"{name:12} {values.astype(int)}  ->  {pool_row(values).astype(int)}")
    assert np.array_equal(pool_row(values), ops.max_pool(values[None, :, None], 2).data[0, :, 0])

assert np.array_equal(pool_row(by_two), np.roll(pool_row(row), 1))

# %% [markdown]
# By two: the output is the same, *one* place further on. So pooling does not make a shift go away; it makes it smaller.
# The output shifts too, but by half as much. (The word is *equivariant*. *Invariant* would be: no change at all.)
#
# By one is half a place, and there are no half places. The 4 moved within its window: nothing changed. The 7 crossed
# into the next one: a whole place. Some numbers stay and some jump, and this is what the tolerance consists of.
#
# ## Faces on a wall
#
# Doodles of 24×24 (`minicnn/datasets/doodles.py`) hang as medallions on a grey wall of 48×48, so that there is room to
# move them. Eight filters ask for edges in eight directions, ReLU drops what is no edge; then come the pools, each
# 2×2 in steps of 2. Nothing here is learned: we want to see what pooling does, and nothing else.

# %%
WALL, ROOM = 48, 12  # 12 pixels on each side
up, right = np.meshgrid(np.linspace(-1, 1, doodles.SIZE), np.linspace(-1, 1, doodles.SIZE), indexing="ij")
fade = np.clip((1 - np.hypot(up, right)) / 0.25, 0, 1).astype(np.float32)[:, :, None]


def hang(pictures, rows=0, columns=0):
    """Pictures (N, 24, 24, 1), so far below and right of the middle of their walls, (N, 48, 48, 1)."""
    walls = np.zeros((len(pictures), WALL, WALL, 1), np.float32)
    rows, columns = (np.broadcast_to(ROOM + n, len(pictures)) for n in (rows, columns))
    for wall, picture, row, column in zip(walls, pictures, rows, columns, strict=True):
        wall[row : row + doodles.SIZE, column : column + doodles.SIZE] = fade * picture
    return walls


across = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32) / 4
slanted = np.array([[-2, -1, 0], [-1, 0, 1], [0, 1, 2]], np.float32) / 4
four = np.stack([across, across.T, slanted, slanted[:, ::-1]], axis=-1)
filters = np.concatenate([four, -four], axis=-1)[:, :, None]  # (3, 3, 1, 8)


def edges(walls):
    return ops.conv(walls, filters, padding="same", activation="relu").data


POOLS = {
    "max": lambda x: ops.max_pool(x, 2).data,
    "average": lambda x: ops.avg_pool(x, 2).data,
    "every second": lambda x: x[:, ::2, ::2],  # no pooling at all: what a convolution with stride 2 does
}


def features(walls, pool, times=4):
    """A list: the edges, and what is left of them after one pool, two, and so on."""
    stages = [edges(walls)]
    for _ in range(times):
        stages.append(POOLS[pool](stages[-1]))
    return stages


faces, _ = doodles.album(people=60, each=1, seed=random)
here, there = hang(faces), hang(faces, columns=3)
for times, x in enumerate(features(here, "max")):
    print(f"pools: {times}, features: {x.shape[1:]}")
assert x.shape == (60, 3, 3, 8)

# %% [markdown]
# **Predict**: the face moves by one pixel, which is a twenty-fourth of its width. Compare its features with those of
# before, number by number. How much of them changes after 0, 1, 2, 3 pools? Relative to their length, and beside it, to
# have a measure, how much changes if *somebody else* hangs in the same place.


# %% tags=["predict"]
def change(a, b):
    """The mean of ‖a − b‖ over the mean of ‖a‖, one of each for every picture."""
    difference, length = (np.linalg.norm(x.reshape(len(x), -1), axis=1).mean() for x in (a - b, a))
    return float(difference / length)


SHIFTS = (1, 2, 4)
changes = np.zeros((len(POOLS), len(SHIFTS), 5))
somebody_else = np.zeros((len(POOLS), 5))
for i, pool in enumerate(POOLS):
    before = features(here, pool)
    somebody_else[i] = [change(x, np.roll(x, 1, axis=0)) for x in before]
    for j, shift in enumerate(SHIFTS):
        after = features(hang(faces, columns=shift), pool)
        changes[i, j] = [change(*pair) for pair in zip(before, after, strict=True)]

print("pools            ", "".join(f"{times:6}" for times in range(5)))
for pool, by_shift, other in zip(POOLS, changes, somebody_else, strict=True):
    for shift, values in zip(SHIFTS, by_shift, strict=True):
        print(f"{pool:13} {shift} px", "".join(f"{value:6.2f}" for value in values))
    print(f"{pool:13} else", "".join(f"{value:6.2f}" for value in other))
by_max, by_mean, by_stride = changes[:, 0]

# %% tags=["answer"]
assert np.allclose(by_max[:4], (0.73, 0.54, 0.31, 0.18), atol=0.01)
assert by_mean[4] < 0.6 * by_max[4] and by_stride[3] > by_stride[0]

fig, panels = plt.subplots(3, 4, figsize=(11, 7.6))
fig.subplots_adjust(left=0.06, right=0.99, top=0.86, bottom=0.02, hspace=0.08, wspace=0.05)
stages = zip(features(here[7:8], "max", 3), features(there[7:8], "max", 3), strict=True)
for column, (before, after) in enumerate(stages):
    one, other = (x[0].max(axis=2) for x in (before, after))  # of the eight directions the strongest
    limit = one.max()
    for ax, values in zip(panels[:, column], (one, other, np.abs(one - other)), strict=True):
        colours = "gray_r" if ax is not panels[2, column] else "Reds"
        ax.imshow(values, cmap=colours, vmin=0, vmax=limit, interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        for side in ax.spines.values():
            side.set(visible=True, color="#cccccc")
    title = f"{column or 'no'} pool{'s' * (column > 1)}, {len(one)}×{len(one)}\n{change(before, after):.0%} changes"
    panels[0, column].set_title(title, fontsize=12)
for ax, name in zip(panels[:, 0], ("a face's edges", "moved by 3 px", "difference"), strict=True):
    ax.set_ylabel(name)
fig.suptitle("The same step to the right, on coarser and coarser grids", x=0.06, ha="left")
fig.savefig("shifted.png", dpi=130)
plt.show()

# %% tags=["answer"]
fig, panels = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained", sharey=True)
for ax, pool, by_shift, other in zip(panels, POOLS, changes, somebody_else, strict=True):
    ax.plot(other, color=GREY, ls="--")
    ax.text(0.05, other[0] + 0.17, "somebody else,\nsame place", color=GREY, va="bottom", fontsize=10)
    for values, shift, colour in zip(by_shift, SHIFTS, (RED, "#e0a030", BLUE), strict=True):
        ax.plot(values, "o-", color=colour, lw=2.5)
        ax.text(4.15, values[-1], f"{shift} px", color=colour, weight="bold", va="center")
    ax.set(title=pool, xlabel="pools", xlim=(-0.2, 4.8), ylim=(0, 1.6), xticks=range(5))
    ax.grid(alpha=0.25)
panels[0].set_ylabel("change of the features")
panels[0].yaxis.set_major_formatter("{x:.0%}")
fig.savefig("tolerance.png", dpi=150)
plt.show()

# %% [markdown] tags=["answer"]
# Without a pool, one pixel changes 73% of the features, two thirds of what another person changes. After three pools
# it is 18%. That is the tolerance, in a number. The same step is a whole place on the first grid and an eighth of a
# place on the fourth; most winners still win in their own window.
#
# Taking every second number makes the grid just as coarse, and nothing gets better. So it is not the coarser grid
# alone: the window must *collect* what it passes over.
#
# And look at the dashed line. People look more alike after pooling, too. Tolerance is bought with detail.

# %% [markdown]
# ## What is left of the place?
#
# **Predict**: after four pools the grid has 3×3 cells of 16 pixels each. Hang 600 faces anywhere up to 8 pixels from
# the middle and let a linear regression find the place from the features. To within how many pixels can it tell?
#
# (*Ridge* regression is least squares with a fine on large weights. Without it there would be no one answer here:
# before the first pool there are 18,432 features and only 400 faces to learn from.)

# %% tags=["predict"]
people, _ = doodles.album(people=600, each=1, seed=random)
places = random.integers(-8, 9, (len(people), 2))
walls = hang(people, *places.T)
TRAIN = 400


def error_of_place(x):
    """Mean distance, in pixels, of the places of the last third of the faces from where ridge regression puts them."""
    x = x.reshape(len(x), -1)
    x = x - x[:TRAIN].mean(axis=0)
    mean = places[:TRAIN].mean(axis=0)
    products = (x @ x.T).astype(float)  # (N, N): there are more features than faces, so solve for faces
    ridge = np.trace(products) / len(x) * np.eye(TRAIN)
    weights = np.linalg.solve(products[:TRAIN, :TRAIN] + ridge, places[:TRAIN] - mean)
    return float(np.hypot(*(products[TRAIN:, :TRAIN] @ weights + mean - places[TRAIN:]).T).mean())


blind = float(np.hypot(*(places[TRAIN:] - places[:TRAIN].mean(axis=0)).T).mean())
errors = {}
for pool in POOLS:
    stages = features(walls, pool)
    if pool != "every second":  # one more, over all that is left
        stages.append({"max": np.max, "average": np.mean}[pool](stages[-1], axis=(1, 2)))
    errors[pool] = [error_of_place(x) for x in stages]
print(f"always the middle: {blind:.1f} px")
for pool, values in errors.items():
    print(f"{pool:13}", " ".join(f"{value:5.2f}" for value in values), "px")

# %% tags=["answer"]
assert walls[:1].size * 8 == 18432 and max(errors["max"][:5]) < 2 and max(errors["average"][:5]) < 2
assert min(errors["max"][5], errors["average"][5]) > 0.9 * blind and errors["every second"][4] > 3

fig, ax = plt.subplots(figsize=(8.5, 4.4), layout="constrained")
labels = ((RED, (2, 1.0)), (BLUE, (2.4, 1.0)), (GREY, (2.1, 2.75)))
for (pool, values), (colour, at) in zip(errors.items(), labels, strict=True):
    ax.plot(values, "o-", color=colour, lw=2.5, ms=7)
    ax.text(*at, pool, color=colour, weight="bold")
ax.axhline(blind, color=INK, ls="--", lw=1)
ax.text(0, blind + 0.12, "always the middle", color=INK)
ax.set(ylim=(0, 7.4), xlim=(-0.2, 5.3), ylabel="error of the place, px")
ax.set_xticks(range(6), ["0\n48×48", "1\n24×24", "2\n12×12", "3\n6×6", "4 pools\n3×3", "over all\n1×1"])
ax.set_title("Where is the face? Pooling blurs the place, and keeps it", loc="left")
ax.grid(alpha=0.25)
fig.savefig("place.png", dpi=150)
plt.show()

# %% [markdown] tags=["answer"]
# To within less than two pixels, with cells of sixteen! How much each of the nine cells answers tells where between
# them the face hangs, as your eye tells a colour from three kinds of cones. The place was not thrown away; it moved
# from *which* number is large into *how* large. That is why a detector can still say where, after five pools
# (lesson 8), and why style transfer can still rebuild a layout from deep layers.
#
# Did lesson 9 not lose an eye by four poolings? It did, and by as many pixels. Two are little for a face that may hang
# anywhere within 8 of the middle, and nearly all for an eye that is out of place by 3.
#
# Only the last step, one maximum over all the wall, forgets it. A network becomes invariant there, or in dense layers
# that learn to ignore the place. The pools before made that easier, no more.

# %% [markdown]
# ## Maximum or mean?
#
# For shifts the mean was even better: 9% against 20% after four pools. Why then do most networks take the maximum?
# Because of what the mean does to something rare. Let a window see noise, and let one of its cells, or half of them,
# find what it was looking for. How far does the pooled number move, in standard deviations of what it does without?
#
# **Predict** who wins, the maximum or the mean, if one cell finds it, and if half of them do.


# %% tags=["predict"]
def visibility(pool, side, found, trials=4000):
    """How far `found` cells that answer 4 more move the pooled number of a window side×side, in standard deviations."""
    noise = np.maximum(random.standard_normal((trials, side * side)), 0)
    signal = noise.copy()
    signal[:, :found] += 4
    quiet, loud = pool(noise, axis=1), pool(signal, axis=1)
    return float((loud.mean() - quiet.mean()) / quiet.std())


print("window      one cell: max  mean     half of the cells: max  mean")
rare, common = {}, {}
for side in (2, 4, 8, 16):
    rare[side], common[side] = ([visibility(p, side, n) for p in (np.max, np.mean)] for n in (1, side * side // 2))
    print(
        f"{side:2}×{side:<2}  {rare[side][0]:16.1f} {rare[side][1]:5.1f} {common[side][0]:23.1f} {common[side][1]:5.1f}"
    )

# %% tags=["answer"]
assert all(rare[side][0] > rare[side][1] for side in (4, 8, 16)) and rare[16][0] > 3 * rare[16][1]
assert all(common[side][0] < common[side][1] for side in (4, 8, 16))

# %% [markdown] tags=["answer"]
# One eye in a large window: the mean divides it by 256, the maximum shows it as it was. A texture that fills the
# window: the mean adds up all the evidence, the maximum looks at one cell of it (Boureau, Ponce and LeCun 2010). So:
# maximum for *is there one?*, mean for *how much of it?*. A style is a matter of how much, and Gatys, Ecker and Bethge
# found means to paint better; a scar is there or not.

# %% [markdown]
# ## Who gets the gradient
#
# The mean depends on every cell of its window, with 1/4 each. The maximum depends on the winner alone, so that one
# takes all.
#
# **You write** it, forward and backward side by side. x is an array here. Return y, and a function that returns the
# gradient to x.


# %% tags=["hole"] minutes=15
@op
def my_max_pool(x):
    """Return (y, backward): the maximum of each 2×2 window. x: (N, H, W, C), H and W even. backward(dy): like x."""
    N, H, W, C = x.shape
    windows = x.reshape(N, H // 2, 2, W // 2, 2, C).transpose(0, 1, 3, 5, 2, 4).reshape(N, H // 2, W // 2, C, 4)
    winner = windows.argmax(axis=-1)[..., None]

    def backward(dy):
        d_windows = np.zeros_like(windows)
        np.put_along_axis(d_windows, winner, dy[..., None], axis=-1)
        return d_windows.reshape(N, H // 2, W // 2, C, 2, 2).transpose(0, 1, 4, 2, 5, 3).reshape(x.shape)

    return np.take_along_axis(windows, winner, axis=-1)[..., 0], backward


# %% tags=["check"]
x = Tensor(random.standard_normal((2, 4, 6, 3)), name="x", requires_grad=True)
pooled = ops.max_pool(x, 2)
check("my_max_pool", my_max_pool(x), pooled, {"That is the mean of each window.": ops.avg_pool(x, 2)})
dy = np.cos(np.arange(pooled.size)).reshape(pooled.shape)
pooled.backward(dy)
spread = np.repeat(np.repeat(dy, 2, axis=1), 2, axis=2)
expected, x.grad = x.grad, None
slips = {
    "Each pixel of a window gets all of dy; the winner alone was seen.": spread,
    "A quarter goes to each pixel, as with the mean; the winner takes all.": spread / 4,
    "dy is left out: the winner gets its dy, not a 1.": (expected != 0) * 1.0,
    "That is dy times the pixel; the winner gets dy as it is.": expected * x.data,
}
my_max_pool(x).backward(dy)
check("the gradient to x", x.grad, expected, slips)


# %%
@op
def generous_max_pool(x):
    """The maximum, and the gradient of the mean."""

    def backward(dy):
        return np.repeat(np.repeat(dy, 2, axis=1), 2, axis=2) / 4

    return ops.max_pool(x, 2).data, backward


print(gradcheck(my_max_pool, [x]))
try:
    gradcheck(generous_max_pool, [x])
    raise AssertionError("the bug slipped through")
except GradcheckError as found:
    print(found)

# %% [markdown]
# What went wrong: the second one hands a quarter to everybody, as the mean does. A network would still learn something
# by it, for the winner moves the right way; but its neighbours are pushed for nothing. Finite differences see it.
#
# And if two are equal? The maximum has a crease there. Its slope to the left is not its slope to the right, and no
# number is *the* gradient. One has to decide: in minicnn the first one takes all, as in most libraries.

# %%
tie = Tensor(np.full((1, 2, 2, 1), 5.0), requires_grad=True)
ops.max_pool(tie, 2).backward(np.ones((1, 1, 1, 1)))
print("four fives, maximum:\n", tie.grad[0, :, :, 0])
assert np.array_equal(tie.grad.ravel(), [1, 0, 0, 0])

tie.grad = None
ops.avg_pool(tie, 2).backward(np.ones((1, 1, 1, 1)))
print("mean:\n", tie.grad[0, :, :, 0])
assert np.array_equal(tie.grad.ravel(), [0.25] * 4)
print(gradcheck(lambda x: ops.max_pool(x, 2), [Tensor(tie.data, name="x")]))

# %% [markdown]
# Ties are not rare: behind a ReLU whole windows are zero. How many, on our walls? There the decision does no harm,
# since ReLU lets nothing through where it was at zero.

# %%
windows = edges(here).reshape(60, 24, 2, 24, 2, 8).transpose(0, 1, 3, 5, 2, 4).reshape(-1, 4)
shared = np.mean((windows == windows.max(axis=1, keepdims=True)).sum(axis=1) > 1)
shared_above_zero = np.mean(
    ((windows == windows.max(axis=1, keepdims=True)).sum(axis=1) > 1) & (windows.max(axis=1) > 0)
)
print(f"windows with more than one winner: {shared:.0%}; with more than one above zero: {shared_above_zero:.2%}")
assert shared > 0.5 and shared_above_zero < 0.01

# %%
crop = np.s_[16:32, 16:32]
x = Tensor(edges(here[7:8])[:, *crop, :1].astype(float), requires_grad=True)
gradients = {}
for name, pool in (("max", ops.max_pool), ("average", ops.avg_pool)):
    x.grad = None
    pool(x, 4).backward(np.ones((1, 4, 4, 1)))
    gradients[name] = x.grad[0, :, :, 0]
    assert np.isclose(gradients[name].sum(), 16)  # both hand on what they get, no more and no less

fig, panels = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
shown = (
    ("one map of edges, in windows of 4×4", x.data[0, :, :, 0], "gray_r", 1.0),
    ("gradient of the maximum: 1 or 0", gradients["max"], "Blues", 1.0),
    ("gradient of the mean: 1/16 each", gradients["average"], "Blues", 4.0),
)
for ax, (title, values, colours, headroom) in zip(panels, shown, strict=True):
    ax.imshow(values, cmap=colours, vmin=0, vmax=headroom * values.max())
    for line in (3.5, 7.5, 11.5):
        ax.axhline(line, color=RED, lw=1)
        ax.axvline(line, color=RED, lw=1)
    ax.set_title(title)
    ax.set(xticks=[], yticks=[])
winners = np.argwhere((gradients["max"] > 0) & (x.data[0, :, :, 0] > 0))
panels[0].plot(*winners.T[::-1], "o", mfc="none", mec=RED, ms=12, mew=2)
fig.savefig("who_gets_the_gradient.png", dpi=150)
plt.show()

# %% [markdown]
# Maximum: one cell of each window, the circled ones, gets everything (where all are zero: the first). Mean: everybody a
# little.
#
# ## One pixel too many
#
# Now break the tolerance. **Predict** what `pool_row` makes of stripes, two dark and two bright, once where they fit
# the windows and once a pixel further.

# %% tags=["predict"]
stripes = np.array([0.0, 0, 1, 1, 0, 0, 1, 1])
for name, values in (("as they were", stripes), ("one further", np.roll(stripes, 1))):
    print(f"{name:12} {values.astype(int)}  ->  {pool_row(values).astype(int)}")

# %% tags=["answer"]
assert np.array_equal(pool_row(stripes), [0, 1, 0, 1]) and np.array_equal(pool_row(np.roll(stripes, 1)), [1, 1, 1, 1])

# %% [markdown] tags=["answer"]
# The stripes are gone.

# %% [markdown]
# Half of the samples are thrown away, and what changes faster than the new grid can carry turns into something else;
# engineers call it *aliasing*, and blur before they drop samples. Pooling forgot to. Zhang (2019) put it back: take the
# maximum in steps of one, blur with (1, 2, 1)/4, and only then drop every second.
#
# A fair test lets the output shift, too: hang the face so many pixels further, and compare with the old features at
# *the best* whole-number shift of them. If pooling did nothing but shift, nothing would be left.

# %%
taps = np.array([1, 2, 1], np.float32) / 4
blur = np.tile(np.outer(taps, taps)[:, :, None, None], (1, 1, 1, 8))  # one filter a channel: groups=8


def blurred_max(x):
    highest = ops.max_pool(np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0))), 2, stride=1).data
    return ops.conv(highest, blur, padding=1, groups=8).data[:, ::2, ::2]


POOLS["max, then blur"] = blurred_max


def misfits_of(pool, times=3):
    before, *after = (features(walls, pool, times)[-1] for walls in moved)
    return [min(change(np.roll(before, places, axis=2), x) for places in range(3)) for x in (before, *after)]


steps = range(13)
moved = [hang(faces[:30], columns=shift) for shift in steps]
misfits = {pool: misfits_of(pool) for pool in POOLS}
for pool, values in misfits.items():
    print(f"{pool:15}", " ".join(f"{value:.2f}" for value in values))
for values in misfits.values():
    assert values[0] == 0 and values[8] < 0.03  # 8 pixels are one whole place after three pools
assert max(misfits["max, then blur"]) < 0.7 * max(misfits["max"]) < 0.7 * max(misfits["every second"])

# %%
fig, ax = plt.subplots(figsize=(9, 4.4), layout="constrained")
names = {"every second": GREY, "max": RED, "average": BLUE, "max, then blur": GREEN}
for pool, colour in names.items():
    ax.plot(steps, misfits[pool], "o-", color=colour, lw=2.5)
    aside = {"max": -0.02, "average": 0.02}.get(pool, 0)
    ax.text(12.25, misfits[pool][12] + aside, pool, color=colour, weight="bold", va="center")
ax.set(xlim=(0, 14.6), ylim=(0, None), xlabel="the face moves by, px", xticks=range(0, 13, 2))
ax.set_ylabel("what no shift of the output explains")
ax.yaxis.set_major_formatter("{x:.0%}")
ax.set_title("After three pools: exact every 8 pixels, and not in between", loc="left")
ax.grid(alpha=0.25)
fig.savefig("aliasing.png", dpi=150)
plt.show()

# %% [markdown]
# Every 8 pixels the output is the same again, one place further, exactly. (With the blur nearly: it reaches the end of
# the wall.) In between it is not a shift of anything. That is what remains of "a ConvNet does not care where the face
# is": it does not, *in steps of the product of its strides; in between, roughly*. Classifiers of photographs have been
# seen to change their minds over one pixel, and this is why.
#
# ## What you have now
#
# - The output shifts too, half as far with every pool. One pixel changes 73% of the features, then 54%, 31%, 18%.
# - The coarser grid alone does not do it; the window must collect.
# - The place stays readable to within two pixels after four pools. Only pooling over everything forgets it.
# - Maximum for what is rare, mean for what is everywhere. The winner takes all the gradient, or everybody a quarter.
# - Between the steps of the stride there is aliasing. A blur before dropping samples helps.
#
# **Try it**
#
# 1. Move the faces down or along a diagonal. Is the tolerance the same?
# 2. `ops.l2_pool` lies between mean and maximum. Put it into `POOLS`; what is it like in each of the figures?
# 3. Overlapping windows: `ops.max_pool(x, 3, stride=2, padding=1)`, as in AlexNet. More tolerant? And the aliasing?
# 4. Blur *before* the maximum instead of after. Why does that not help the stripes?
# 5. Regress the distance between the eyes (a column of `doodles.invent`) instead of the place. After how many pools is
#    that lost? DeepFace (lesson 9) pools once. Was that what it wanted to keep?
# 6. Send a gradient through overlapping windows in which one cell wins twice. What does it get?
# 7. `gradcheck` called the tie inconclusive. Move one of the four fives up by 1e-3, by 1e-6. When does it decide?
# 8. `minicnn learn start pool_forward`, then `max_pool_gradient`: windows of any size, which may overlap. The
#    check, `minicnn learn check`, tells.
#
# **Where to look in the source**
#
# - `minicnn/kernels/pool.py`: the contract, and both poolings, tap by tap, with the rule for ties.
# - `minicnn/ops/pooling.py`: what each keeps for its backward: the maximum who won, the mean nothing but a shape.
# - `minicnn/visualize/`: the *switches* that max pooling keeps are what deconvolution goes back by (lesson 11).
#
# Next: `13_style_transfer_in_practice.py`. Or `09_deepface.py`, for a network that pools once.
