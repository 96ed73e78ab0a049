# %% [markdown]
# # Lesson 20: VGG, and weights from HDF5
#
# A trained network is two things: a recipe that fits on a page, and a few million numbers that somebody's computer
# searched for days. The recipe is code. The numbers come in a file. Between the two a lot can go wrong, and the worst
# of it goes wrong silently.
#
# In this lesson you open such a file with nothing but `h5py`, read a network off the shapes in it, find out where the
# parameters of VGG-19 sit and where its work is done, load the numbers by hand, and then load them wrongly in seven
# ways, to know each by its looks. Last come files that nobody should load, half the bytes, and batch normalization
# that vanishes into a convolution.
#
# Letters, as always: N pictures, H rows, W columns, C channels; I channels go into a convolution, O come out.

# %%
import copy
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import h5py
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data
from PIL import Image, ImageColor, ImageDraw

import minicnn
from minicnn import InputError, hdf5, images, models, nn, no_grad, ops, zoo
from minicnn.models import imagenet, tiny

minicnn.use_backend("numpy")
random = np.random.default_rng(0)
INK, BLUE, RED, GREEN, SAND, GREY = "#222222", "#2f6690", "#c8553d", "#8a9a5b", "#f4efe6", "#777777"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## A file that is a folder
#
# HDF5 is a filing cabinet in one file. It has folders, called *groups*; arrays, called *datasets*; and notes that are
# pinned to either, called *attributes*. It always begins with the same eight bytes, so that nobody takes it for
# something else.
#
# The weights of `tiny_vgg` come with minicnn. It is the network that painted in lesson 3.

# %%
path = zoo.path("tiny_vgg")
print(f"{path.name}, {path.stat().st_size:,} bytes, begins with {path.read_bytes()[:8]}")
assert path.read_bytes()[:8] == b"\x89HDF\r\n\x1a\n"

with h5py.File(path, "r") as file:
    for note, value in file.attrs.items():
        print(f"  {note}: {value}")
    print("dataset          shape               dtype      numbers      bytes")
    for name, dataset in file.items():
        size, taken = dataset.size, dataset.id.get_storage_size()
        print(f"{name:16} {dataset.shape!s:19} {dataset.dtype} {size:10,} {taken:10,}")

# %% [markdown]
# Up to here no number was read. A `Dataset` is a promise: it knows its shape and its dtype, and `dataset[...]` goes and
# gets it. That is good manners with files of half a gigabyte. Ours has four megabytes, so get them all.
#
# Two things to see. The numbers are `float16`, two bytes each; what that costs we will measure. And they were
# compressed, but look how little that saved. Trained weights look like noise, and noise does not compress.

# %%
with h5py.File(path, "r") as file:
    stored = {name: dataset[...] for name, dataset in file.items()}
    taken = sum(dataset.id.get_storage_size() for dataset in file.values())

numbers = sum(array.size for array in stored.values())
print(f"{numbers:,} numbers in {taken:,} bytes: {taken / numbers:.2f} bytes a number, where float32 takes 4")
assert numbers == 2_244_330 and 1.5 < taken / numbers < 2

# %% [markdown]
# ## What the shapes say
#
# A kernel of shape (3, 3, 96, 192) belongs to a convolution with windows of 3×3 that turns 96 channels into 192. The
# order is *HWIO*: height, width, in, out. TensorFlow and Keras keep it so, and so does minicnn, because pictures are
# NHWC and a patch of a picture then lies in memory just as a filter does.
#
# How do we know that it is HWIO? O must be last, for the bias has as many numbers. I must be third, for it is what the
# layer before put out. So the shapes alone tell the whole chain of layers.

# %%
kernels = {name.removesuffix(".w"): array.shape for name, array in stored.items() if array.ndim == 4}
for name, (height, width, C_in, C_out) in kernels.items():
    print(f"{name}: {height}×{width}, {C_in:3} → {C_out:3} channels")
    assert stored[f"{name}.b"].shape == (C_out,)
for before, after in pairwise(kernels.values()):
    assert before[3] == after[2]
assert kernels["block1_conv1"][2] == 3  # red, green, blue

# %% [markdown]
# But which of the two threes is the height? And do the rows count from the top? Here the shapes are silent. Only a
# calculation tells. One output of the first layer, by hand:

# %%
w, b = (stored[f"block1_conv1.{part}"].astype(np.float64) for part in "wb")
x = random.random((1, 32, 32, 3))
y = ops.conv(x, w, b, padding="same").data

row, column, j = 10, 20, 5
by_hand = exchanged = b[j]
for kr in range(3):
    for kc in range(3):
        for c in range(3):
            pixel = x[0, row - 1 + kr, column - 1 + kc, c]
            by_hand += pixel * w[kr, kc, c, j]
            exchanged += pixel * w[kc, kr, c, j]  # as if the width came first

print(f"by hand {by_hand:.6f}, ops.conv {y[0, row, column, j]:.6f}; rows and columns exchanged {exchanged:.6f}")
assert np.isclose(by_hand, y[0, row, column, j]) and not np.isclose(exchanged, by_hand, rtol=1e-3)

# %% [markdown]
# Both sums run without complaint, and one of them is wrong. Remember this, it is the theme of the second half.
#
# ## VGG's table
#
# In 2014 Karen Simonyan and Andrew Zisserman asked: what if we use nothing but 3×3 windows, and many layers? Their
# answer is so regular that people still learn on it. Five blocks; in each a few 3×3 convolutions with ReLU, then a pool
# that halves the picture (of every 2×2 numbers it keeps the largest); the channels double from block to block until
# they are 512. VGG-19 has 16 convolutions and, on top, three dense layers: 19 with weights. `tiny_vgg` is the same in
# small.
#
# Why 3×3? Two of them, one upon the other, see 5×5 pixels, for 2 · 9 · C² weights instead of 25 · C²; three see 7×7,
# for 27 · C² instead of 49 · C². And there is a ReLU after each.
#
# What a layer's output sees of the picture is its *receptive field*. It is easily counted. The field begins with one
# pixel and a step of one. A window of 3 adds 2 steps to it. A pool of 2×2 adds one step, and doubles the step.
#
# So from a list of shapes we can tell for every layer: how large is the picture there, how many parameters does it
# have, how many multiply-adds does it take, how far does it see?


# %%
class Row(NamedTuple):
    name: str
    side: int
    channels: int
    parameters: int
    work: int
    field: int


def table(kernels, side):
    """A Row for each convolution. kernels: {blockB_convI: HWIO}; between two blocks lies a pool of 2×2."""
    rows, field, step, block = [], 1, 1, "block1"
    for name, (height, width, C_in, C_out) in kernels.items():
        if not name.startswith(block):
            field, step, side = field + step, 2 * step, side // 2
            block = name.partition("_")[0]
        field += (height - 1) * step
        weights = height * width * C_in * C_out
        rows.append(Row(name, side, C_out, weights + C_out, weights * side * side, field))
    return rows


network = models.tiny_vgg()
summary = network.summary((1, 32, 32, 3))
print(summary)
told = {line.split()[0]: line.split() for line in summary.splitlines()[2:-2]}
for row in table(kernels, side=32):
    assert told[row.name][-2] == f"{row.parameters:,}" and told[row.name][-1] == f"{row.field}×{row.field}"
    assert told[row.name][2:4] == [f"{row.side},", f"{row.side},"]

# %% [markdown]
# Our table agrees with `summary()`, which walks through the real layers. Now the big one, at the size it was made for:
# sixteen convolutions and three dense layers. **Predict**: in which layer sit most of the parameters? And which ones do
# most of the work?

# %% tags=["predict"]
widths, depths = (64, 128, 256, 512, 512), (2, 2, 4, 4, 4)
channels = [3, *(width for width, depth in zip(widths, depths, strict=True) for _ in range(depth))]
names = [f"block{block}_conv{i}" for block, depth in enumerate(depths, 1) for i in range(1, depth + 1)]
vgg19 = table({name: (3, 3, *pair) for name, pair in zip(names, pairwise(channels), strict=True)}, side=224)
convolutions = len(vgg19)
for name, C_in, C_out in (("fc1", 7 * 7 * 512, 4096), ("fc2", 4096, 4096), ("predictions", 4096, 1000)):
    vgg19.append(Row(name, 1, C_out, C_in * C_out + C_out, C_in * C_out, 224))  # a dense layer sees everything

for row in vgg19:
    print(f"{row.name:12} {row.side:3}×{row.side:<3} ×{row.channels:4}", end="")
    print(f" {row.parameters:12,} parameters {row.work / 1e9:6.2f} G multiply-adds   sees {min(row.field, 224):3}")
without_top = sum(row.parameters for row in vgg19[:convolutions])
total, work = sum(row.parameters for row in vgg19), sum(row.work for row in vgg19)
print(f"{total:,} parameters, {without_top:,} of them in convolutions; {work / 1e9:.1f} G multiply-adds")

# %% tags=["answer"]
assert (without_top, total) == (20_024_384, 143_667_240)  # as published
assert total == sum(p.size for p in imagenet.build("vgg19", include_top=True, drawn=False).parameters())

# %% tags=["answer"]
fig, panels = plt.subplots(3, 1, figsize=(14, 8.4), height_ratios=(1.25, 1, 1), sharex=True)
fig.subplots_adjust(left=0.01, right=0.99, top=0.96, bottom=0.05, hspace=0.14)
shapes, parameters_panel, work_panel = panels
colours = [BLUE] * convolutions + [RED] * 3
for i, row in enumerate(vgg19):
    height = row.side / 224 if row.side > 1 else 0.025
    half, lean = 0.04 + 0.30 * row.channels / 4096 ** (1 if row.side == 1 else 0.75), 0.28 * height
    left, right, down = i - half - lean / 2, i + half - lean / 2, -height / 2
    faces = {  # front, top, side of a slab: as high as the picture, as thick as it has channels
        "front": ([(left, down), (right, down), (right, -down), (left, -down)], 0.85),
        "top": (
            [(left, -down), (right, -down), (right + lean, -down + lean / 3), (left + lean, -down + lean / 3)],
            0.45,
        ),
        "side": (
            [(right, down), (right + lean, down + lean / 3), (right + lean, -down + lean / 3), (right, -down)],
            0.65,
        ),
    }
    for corners, opacity in faces.values():
        shapes.add_patch(plt.Polygon(corners, facecolor=colours[i], edgecolor="white", lw=0.8, alpha=opacity))
    text = f"{row.side}×{row.side}\n{row.channels}" if row.side > 1 else f"{row.channels:,}"
    shapes.text(i, 0.62, text, ha="center", va="bottom", fontsize=9, color=INK)
    sees = f"{row.field}" if row.field <= 224 and row.side > 1 else "all"
    shapes.text(i, -0.66, sees, ha="center", va="top", fontsize=10, color=GREEN, weight="bold")
shapes.text(-0.75, -0.66, "sees", ha="right", va="top", fontsize=10, color=GREEN, weight="bold")
shapes.set(ylim=(-0.85, 0.95), xlim=(-1.4, len(vgg19) - 0.4))
shapes.set_title("VGG-19: what each layer puts out, and how many pixels a side of the picture it sees", loc="left")
shapes.set_axis_off()
for ax, values, title in (
    (
        parameters_panel,
        [row.parameters / 1e6 for row in vgg19],
        "Millions of parameters: seven of ten sit in one layer",
    ),
    (work_panel, [row.work / 1e9 for row in vgg19], "Billions of multiply-adds: all the work is in the convolutions"),
):
    ax.bar(range(len(vgg19)), values, color=colours, width=0.72)
    for i, value in enumerate(values):
        text = f"{value:.0f}" if value >= 10 else f"{value:.2g}" if value >= 0.01 else f"{value:.0g}"
        ax.text(i, value + max(values) * 0.02, text, ha="center", va="bottom", fontsize=10, color=INK)
    ax.set_title(title, loc="left")
    ax.set(yticks=[], ylim=(0, 1.15 * max(values)))
    ax.spines["left"].set_visible(False)
work_panel.set_xticks(range(len(vgg19)), [row.name.replace("_", "\n") for row in vgg19], fontsize=9)
for ax in (parameters_panel, work_panel):
    ax.tick_params(axis="x", length=0)
fig.savefig("vgg19.png", dpi=150)
plt.show()

fc1 = vgg19[convolutions]
assert fc1.parameters > 0.7 * total and fc1.work < 0.01 * work
assert sum(row.work for row in vgg19[:convolutions]) > 0.99 * work

# %% [markdown] tags=["answer"]
# Parameters and work live apart. A convolution uses each weight once for every pixel, a dense layer uses each weight
# once. So a file *without top* has a seventh of the bytes and does nearly all of the work. And it takes pictures of
# any size, because only `fc1` ever counted on 7×7.

# %% [markdown]
# How far a layer sees decides what it can be about: in block 2 an edge of the glasses, at the end of block 3 an eye
# with half a nose, in block 4 a face.

# %%
photograph = images.load(get_sample_data("grace_hopper.jpg", asfileobj=False), size=(266, 224))[:224]
fig, (left, right) = plt.subplots(1, 2, figsize=(13, 5.6), width_ratios=(1.2, 1))
fig.subplots_adjust(left=0.01, right=0.99, top=0.94, bottom=0.02, wspace=0.02)
for layer, (count, label) in enumerate([(7, "picture"), (5, "first 3×3"), (3, "second 3×3"), (1, "third 3×3")]):
    for position in range(-(count // 2), count // 2 + 1):
        left.plot(
            position, layer, "s", ms=26, color=SAND if layer == 0 else BLUE, mec=INK, alpha=1 if count > 1 else 0.9
        )
        for below in (-1, 0, 1) if layer else ():
            left.plot([position, position + below], [layer - 0.19, layer - 0.81], color=GREY, lw=1, zorder=0)
    left.text(-4.1, layer, label, ha="right", va="center", color=INK)
    left.text(4.1, layer, f"sees {2 * layer + 1}", ha="left", va="center", color=GREEN, weight="bold")
left.set(xlim=(-6.4, 6), ylim=(-0.6, 3.6))
left.set_title("Three small windows see as far as one of 7, for 27 weights instead of 49", loc="left")
left.set_axis_off()
right.imshow(photograph)
shown = ("block1_conv2", "block2_conv2", "block3_conv2", "block3_conv4", "block4_conv2", "block4_conv4", "block5_conv2")
row_centre, column_centre = 96, 108
for row in vgg19:
    if row.name in shown:
        side = row.field
        corner = column_centre - side / 2, row_centre - side / 2
        right.add_patch(plt.Rectangle(corner, side, side, fill=False, ec="white", lw=3.2))
        right.add_patch(plt.Rectangle(corner, side, side, fill=False, ec=RED, lw=1.6))
        if side > 20:
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85}
            place = corner[0] + side - 2, min(corner[1] + side - 2, 221)
            right.text(
                *place, f"{row.name[5]}.{row.name[-1]}", ha="right", va="bottom", fontsize=9, color=RED, bbox=box
            )
right.set(xlim=(0, 224), ylim=(224, 0))
right.set_title("What one output of block.convolution sees", loc="left")
right.set_axis_off()
fig.savefig("receptive_fields.png", dpi=150)
plt.show()

# %% [markdown]
# ## Loading by hand
#
# `tiny_vgg(weights=None)` is the recipe with random numbers, drawn as one draws them before a training. Its parameters
# bear the names that the file has. So loading is three lines. From float16 to float32 nothing is lost: every float16
# is also a float32.

# %%
minicnn.use_backend("numba")  # from here on the network runs often; the compiled kernels give the same, only sooner
untrained = models.tiny_vgg(weights=None)
by_hand = models.tiny_vgg(weights=None)

with h5py.File(path, "r") as file:
    for name, parameter in by_hand.named_parameters():
        parameter.data = file[name][...].astype(np.float32)

loaded = models.tiny_vgg(weights=None)
print(hdf5.load(loaded, path))
assert all(np.array_equal(a.data, b.data) for a, b in zip(by_hand.parameters(), loaded.parameters(), strict=True))

# %% [markdown]
# Equal to the bit. `hdf5.load` does the same, and more carefully: it checks every name and shape before it replaces the
# first array, it refuses what is not finite, and it opens the file in a process of its own. We come to that.
#
# ## Before and after
#
# Does the network see now? It knows ten classes of CIFAR-10, photographs of 32×32 pixels. So here are pictures of that
# size, drawn with polygons and ellipses, each time in other colours and at another place. It has never seen a drawing.
# (Step over the next cell: it holds nothing but corners, in per cent of the picture. Two corners are an ellipse's box,
# and a number in front is how bright the body's colour is.)

# %%
HORSE = """
1.0   28,34 76,62
1.0   60,45 74,18 84,20 76,52
1.0   72,16 80,12 96,30 90,35 78,27
0.85  32,50 38,50 37,88 33,88
0.85  40,50 46,50 45,88 41,88
0.85  62,50 68,50 67,88 63,88
0.85  70,50 76,50 75,88 71,88
0.5   30,42 24,40 18,70 24,68"""
ANTLERS = """
0.6   70,14 72,14 64,-2 62,-2
0.6   78,14 80,14 72,-2 70,-2
0.6   68,6 70,6 78,-2 76,-2
0.6   76,6 78,6 86,-2 84,-2"""
AIRPLANE = """
1.0   6,50 14,46 80,46 94,30 99,30 93,52 85,55 14,56
0.75  42,50 60,50 78,78 70,78
0.85  46,46 56,46 70,30 64,30
0.75  82,50 92,50 99,60 93,60"""
AUTOMOBILE = """
1.0   4,52 22,48 34,34 68,34 82,48 96,54 96,68 4,68
#3c4650 27,48 36,38 50,38 50,48
#3c4650 53,48 53,38 66,38 75,48
black 13,58 33,78
black 67,58 87,78
white 18,63 28,73
white 72,63 82,73"""
DOG = """
1.0   24,18 76,78
0.5   14,24 34,68
0.5   66,24 86,68
black 36,38 44,46
black 56,38 64,46
1.25  36,50 64,74
black 44,51 56,60
1.0   20,75 80,125"""
SHIP = """
#23507d -50,66 150,66 150,150 -50,150
1.0   5,58 95,58 85,76 15,76
white 25,46 75,46 75,58 25,58
white 35,36 62,36 62,46 35,46
0.8   50,20 58,20 58,36 50,36"""
DRAWINGS = {  # colours at the top, at the bottom, of the body; parts
    "airplane": ("#78aae1", "#c3d7f0", "#d7dce6", AIRPLANE),
    "automobile": ("#d7d7dc", "#6e6e6e", "#be2828", AUTOMOBILE),
    "deer": ("#4b6437", "#647d41", "#916437", HORSE + ANTLERS),
    "dog": ("#c8beb4", "#788c5a", "#be966e", DOG),
    "horse": ("#8ca596", "#5a8c3c", "#643c23", HORSE),
    "ship": ("#aac8e6", "#d7e1eb", "#5a2d32", SHIP),
}


def draw(name, random, side=32):
    """A picture of the class, (side, side, 3) in [0, 1]."""
    *colours, parts = DRAWINGS[name]
    above, below, body = (np.clip(ImageColor.getrgb(c) + random.normal(0, 12, 3), 0, 255) for c in colours)
    size, shift, mirror = random.uniform(0.8, 1.05), random.uniform(-0.07, 0.07, 2), random.choice([-1, 1])
    fine = 4 * side  # drawn four times as large, so that edges are smooth
    down = np.linspace(0, 1, fine)[:, None, None].repeat(fine, axis=1)
    canvas = Image.fromarray(((1 - down) * above + down * below).astype(np.uint8))
    pen = ImageDraw.Draw(canvas)
    for part in parts.split("\n")[1:]:
        colour, *corners = part.split()
        bright = np.clip(float(colour) * body, 0, 255) if colour[0].isdigit() else ImageColor.getrgb(colour)
        points = np.array([corner.split(",") for corner in corners], float) / 100 - 0.5
        points = (points * size * [mirror, 1] + shift + 0.5) * fine
        if len(points) == 2:
            pen.ellipse([*points.min(axis=0), *points.max(axis=0)], fill=tuple(map(int, bright)))
        else:
            pen.polygon(points.ravel().tolist(), fill=tuple(map(int, bright)))
    return np.asarray(canvas, np.float32).reshape(side, 4, side, 4, 3).mean(axis=(1, 3)) / np.float32(255)


EACH = 4
drawings = np.stack([draw(name, random) for name in DRAWINGS for _ in range(EACH)])
classes = network.card.classes
labels = np.repeat([classes.index(name) for name in DRAWINGS], EACH)


def recognised(network):
    """The part of the drawings whose class the network tells."""
    with no_grad():
        return float(np.mean(network(drawings).data.argmax(axis=1) == labels))


print(f"recognised before: {recognised(untrained):.0%}, after: {recognised(loaded):.0%}")
assert recognised(untrained) < 0.4 and recognised(loaded) > 0.9

# %%
with no_grad():
    probabilities = {
        "random numbers": ops.softmax(untrained(drawings[::EACH])).data,
        "numbers from the file": ops.softmax(loaded(drawings[::EACH])).data,
    }
fig, panels = plt.subplots(2, len(DRAWINGS), figsize=(14, 5.6), height_ratios=(1, 1.1), sharey="row")
fig.subplots_adjust(left=0.07, right=0.99, top=0.94, bottom=0.09, wspace=0.08, hspace=0.1)
for i, (name, (upper, lower)) in enumerate(zip(DRAWINGS, panels.T, strict=True)):
    upper.imshow(drawings[i * EACH])
    upper.set_title(name)
    upper.set_axis_off()
    for (label, rows), colour, shift in zip(probabilities.items(), ("#c9c2b4", BLUE), (-0.2, 0.2), strict=True):
        lower.barh(np.arange(10) + shift, rows[i], height=0.4, color=colour, label=label)
    lower.set(xlim=(0, 1.02), xticks=(0, 1), yticks=range(10), yticklabels=classes)
    lower.tick_params(axis="y", length=0)
panels[1, 0].invert_yaxis()
panels[1, 0].legend(frameon=False, fontsize=9, loc="lower right")
fig.supxlabel("probability", fontsize=11, y=0.01)
fig.savefig("before_and_after.png", dpi=150)
plt.show()

# %% [markdown]
# The same code, other numbers. What changed can even be seen, in the first layer at least: its kernels have three
# channels, so they are little pictures themselves. Grey means zero. The strongest come first.


# %%
def mosaic(kernels):
    """(3, 3, 3, 32) -> a picture of all 32, each as bright as it can be, in 4 rows of 8."""
    bright = 0.5 + 0.5 * kernels / np.abs(kernels).max(axis=(0, 1, 2))
    tiles = np.ones((4, 8, 4, 4, 3))  # with a white line of one pixel between them
    tiles[:, :, :3, :3] = bright.transpose(3, 0, 1, 2).reshape(4, 8, 3, 3, 3)
    return tiles.transpose(0, 2, 1, 3, 4).reshape(16, 32, 3)[:-1, :-1]


at_first, trained = (model.find("block1_conv1").w.data for model in (untrained, loaded))
strongest = np.argsort(-np.linalg.norm(trained.reshape(27, 32), axis=0))
fig, panels = plt.subplots(1, 2, figsize=(14, 3.9))
fig.subplots_adjust(left=0.01, right=0.99, top=0.92, bottom=0.01, wspace=0.06)
for ax, (label, kernels_of_one) in zip(panels, (("drawn at random", at_first), ("trained", trained)), strict=True):
    ax.imshow(mosaic(kernels_of_one[..., strongest]))
    ax.set_title(f"The 32 kernels of block1_conv1, {label}", loc="left")
    ax.set_axis_off()
fig.savefig("kernels.png", dpi=150)
plt.show()

# %% [markdown]
# Edges, light against dark, one colour against another. Nobody asked for them.
#
# And look again, from left to right: the same kernels, only stronger, smoother. How can that be? `seed=0` drew our
# random numbers, and the training began with seed 0, too, so it began with the very same ones. Hours later each kernel
# still remembers where it came from.

# %%
for name in ("block1_conv1", "block3_conv1"):
    pairs = zip(
        *(model.find(name).w.data.reshape(-1, kernels[name][3]).T for model in (untrained, loaded)), strict=True
    )
    alike = np.mean([np.corrcoef(before, after)[0, 1] for before, after in pairs])
    print(f"{name}: correlation of a kernel before training with itself after {alike:.2f}")
    assert alike > 0.3

# %% [markdown]
# ## Keras's layout, by hand
#
# Most weights in the world were written by Keras. Its `.h5` has a group for each layer, and two attributes that say
# what is what: `layer_names` of the file, `weight_names` of each group. Write one yourself, with our first block in it.


# %%
def write_as_keras(path, layers, **notes):
    """layers: {name: {variable: array}}."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"layer_names": np.array([*layers], "S"), **notes})
        for layer, variables in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = np.array([f"{layer}/{variable}:0" for variable in variables], "S")
            for variable, array in variables.items():
                group[f"{layer}/{variable}:0"] = array


FIRST = ("block1_conv1", "block1_conv2")
block = {name: {"kernel": loaded.find(name).w.data, "bias": loaded.find(name).b.data} for name in FIRST}
write_as_keras("first_block.h5", block)


def show(name, item):
    notes = [f"{key} = {[text.decode() for text in value]}" for key, value in item.attrs.items()]
    print(f"  {name:38}", *notes, getattr(item, "shape", ""))


with h5py.File("first_block.h5", "r") as file:
    show("/", file)
    file.visititems(show)  # walks through all groups in groups

# %% [markdown]
# (The layer's name stands there twice. The second time it is part of the weight's own name, which in a model inside a
# model is that of the inner layer.)
#
# Read it back: for every layer and every weight that is listed, cut the name into its parts, and look for the parameter
# it belongs to. Keras calls it `kernel` and `bias`, the mathematics `w` and `b`.


# %%
def load_as_keras(model, path):
    parameters, ours = dict(model.named_parameters()), {"kernel": "w", "bias": "b"}
    with h5py.File(path, "r") as file:
        for layer in file.attrs["layer_names"]:
            for name in file[layer].attrs["weight_names"]:
                variable = name.decode().rpartition("/")[2].removesuffix(":0")
                parameters[f"{layer.decode()}.{ours[variable]}"].data = file[layer][name][...]


def new_block():
    layers = [
        nn.Conv2d(C_in, 32, 3, padding="same", activation="relu", name=name)
        for name, C_in in zip(FIRST, (3, 32), strict=True)
    ]
    return nn.Sequential(*layers)


one, other = new_block(), new_block()
load_as_keras(one, "first_block.h5")
print(hdf5.load(other, "first_block.h5"))
assert all(np.array_equal(a.data, b.data) for a, b in zip(one.parameters(), other.parameters(), strict=True))

hdf5.save(one, "as_keras.h5", layout="keras")
assert hdf5.inspect("as_keras.h5") == hdf5.inspect("first_block.h5")  # names, shapes, dtypes: as we wrote them

# %% [markdown]
# On the command line, `minicnn weights inspect first_block.h5` shows such a file, and which network it fits.
#
# That was the easy case. Here is the same kernel in five files:
#
# | written by | its name |
# |---|---|
# | minicnn | `block1_conv1.w` |
# | Keras 2 | `block1_conv1/block1_conv1/kernel:0` |
# | Keras 3, as `.h5` | `model_weights/block1_conv1/sequential/block1_conv1/kernel` |
# | Keras 3, as `.weights.h5` | `layers/conv2d/vars/0`, and the layer's name in an attribute, if at all |
# | Keras 1 | anything: SqueezeNet's is called `conv1/uniform1`, and only the order tells kernel from bias |
#
# `minicnn/hdf5/formats.py` knows them all. What does it say when a file holds only part of a network?

# %%
try:
    models.tiny_vgg("first_block.h5")
    raise AssertionError("a fifth of the arrays should not be enough")
except InputError as refusal:
    print(refusal)

partly = models.tiny_vgg(weights=None)
report = hdf5.load(partly, "first_block.h5", strict=False)  # "I know. Take what there is."
print(report)
assert not report.complete and len(report.loaded) == 4 and len(report.missing) == 16

# %% [markdown]
# ## Seven mistakes that raise no error
#
# All shapes fit, all numbers are there, nothing complains, and the pictures are wrong. Everybody who loads weights
# makes one of these mistakes some day. So make them now, on purpose:
#
# - **red and blue exchanged.** Some networks were trained on BGR, since that is how their camera library read pictures.
# - **means not subtracted.** Every network wants its pictures prepared as they were in training.
# - **mirrored, turned, rows and columns exchanged.** Theano, where many old weights come from, turned kernels by 180°:
#   it calculated convolutions as mathematicians write them (lesson 2). And who says that H comes before W?
# - **in and out exchanged.** The shape (3, 3, 96, 96) does not tell which 96 is which.
# - **OIHW, reshaped.** Theano and PyTorch keep kernels as (out, in, height, width). For that the shape does not fit, so
#   somebody writes `.reshape` until it does. A reshape moves no number. It only counts them off anew. What was meant is
#   `.transpose(2, 3, 1, 0)`.
#
# Each amounts to something simple, if you look from the other side. A network with mirrored kernels, shown a picture,
# computes what the right network computes of the mirrored picture, mirrored. So for the first five mistakes we can name
# the picture that the right network would have to see, to be just as wrong. Then check it.
#
# **Predict**: all drawings were recognised. Order the seven mistakes. Which does no harm at all, and which are deadly?


# %% tags=["predict"]
class Mistake(NamedTuple):
    network: nn.Module
    picture: object  # what the right network would have to be shown to see the same; None if there is no such picture
    back: object  # how its features lie then


def reordered(change, only="block"):
    """The network with change(w) for each kernel w of the layers whose names begin so."""
    wrong = copy.deepcopy(network)
    for name, parameter in wrong.named_parameters():
        if parameter.ndim == 4 and name.startswith(only):
            parameter.data = np.ascontiguousarray(change(parameter.data))
    return wrong


mean, deviation = (np.array(getattr(network.preprocessing, name), np.float32) for name in ("mean", "deviation"))
uncentred = copy.deepcopy(network)
uncentred.preprocessing = replace(network.preprocessing, mean=(0.0, 0.0, 0.0))


def as_it_is(x):
    return x


def mirrored(x):
    return x[:, :, ::-1]


def turned(x):
    return x[:, ::-1, ::-1]


def transposed(x):
    return x.transpose(0, 2, 1, 3)


def exchanged_colours(x):
    return ((x - mean) / deviation)[..., ::-1] * deviation + mean


mistakes = {
    "no mistake": Mistake(network, as_it_is, as_it_is),
    "red and blue\nexchanged": Mistake(reordered(lambda w: w[:, :, ::-1], "block1_conv1"), exchanged_colours, as_it_is),
    "means not\nsubtracted": Mistake(uncentred, lambda x: x + mean, as_it_is),
    "mirrored": Mistake(reordered(lambda w: w[:, ::-1]), mirrored, mirrored),
    "turned by 180°": Mistake(reordered(lambda w: w[::-1, ::-1]), turned, turned),
    "rows and columns\nexchanged": Mistake(reordered(lambda w: w.transpose(1, 0, 2, 3)), transposed, transposed),
    "in and out\nexchanged": Mistake(
        reordered(lambda w: w.swapaxes(2, 3) if w.shape[2] == w.shape[3] else w), None, None
    ),
    "OIHW, reshaped": Mistake(reordered(lambda w: w.transpose(3, 2, 0, 1).reshape(w.shape)), None, None),
}

LAYERS = ("block1_conv2", "block3_conv2")
small = images.resize(photograph, 96, 96)[None]


def apart(a, b):
    """The distance of a from b, relative to b."""
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


found = {}
with no_grad():
    right = {name: features.data for name, features in network.features(small, LAYERS).items()}
    print(f"{'mistake':30} recognised   features of {' and '.join(LAYERS)} are off by")
    for title, (wrong, picture, back) in mistakes.items():
        seen = {name: features.data for name, features in wrong.features(small, LAYERS).items()}
        found[title] = recognised(wrong), seen
        off = "".join(f"{apart(seen[name], right[name]):9.0%}" for name in LAYERS)
        print(f"{title.replace(chr(10), ' '):30} {found[title][0]:9.0%} {off}")
        if picture is not None:  # the right network, shown another picture, sees just the same
            there = network.features(np.ascontiguousarray(picture(small)), LAYERS)
            assert all(apart(back(there[name].data), seen[name]) < 1e-4 for name in LAYERS)

# %% [markdown] tags=["answer"]
# To see features that have many channels, take the three directions in which the right ones vary most and call them
# red, green and blue. The wrong ones are shown in the same three.


# %% tags=["answer"]
def colouring(features):
    """A function that shows features (1, H, W, C) of a layer as a picture (H, W, 3)."""
    points = features.reshape(-1, features.shape[-1])
    centre = points.mean(axis=0)
    _, directions = np.linalg.eigh(np.cov(points - centre, rowvar=False))
    main = directions[:, -3:][:, ::-1]
    low, high = np.percentile((points - centre) @ main, (2, 98), axis=0)
    return lambda features: np.clip(((features[0] - centre) @ main - low) / (high - low), 0, 1)


paint = {name: colouring(features) for name, features in right.items()}
SIDE, STEP = 96, 105  # of a tile, and from one to the next
sheet = np.ones((3 * STEP, len(mistakes) * STEP, 3))
fig, ax = plt.subplots(figsize=(14, 7.2))
fig.subplots_adjust(left=0.03, right=1, top=1, bottom=0.01)
for i, (title, mistake) in enumerate(mistakes.items()):
    part, seen = found[title]
    sees = np.full((SIDE, SIDE, 3), 0.94) if mistake.picture is None else np.clip(mistake.picture(small)[0], 0, 1)
    for row, tile in enumerate((sees, *(paint[name](seen[name]) for name in LAYERS))):
        repeat = SIDE // len(tile)
        place = sheet[row * STEP :, i * STEP :]
        place[:SIDE, :SIDE] = tile.repeat(repeat, axis=0).repeat(repeat, axis=1)
    centre = i * STEP + SIDE / 2
    ax.text(centre, -6, title, ha="center", va="bottom", fontsize=12, color=RED if i else INK)
    if mistake.picture is None:
        ax.text(centre, SIDE / 2, "no picture\nat all", ha="center", va="center", color=GREY)
    for height, colour in ((1, "#ebe7de"), (part, BLUE if part > 0.9 else RED)):
        ax.add_patch(plt.Rectangle((centre - 30, 3 * STEP + 56), 60, -44 * height, color=colour, lw=0))
    ax.text(centre, 3 * STEP + 8, f"{part:.0%}", ha="center", va="bottom", color=INK, weight="bold", fontsize=13)
ax.imshow(sheet)
for row, label in enumerate(("sees, as it were", *LAYERS, "recognised")):
    ax.text(-6, row * STEP + (SIDE / 2 if row < 3 else 30), label, ha="right", va="center", rotation=90, color=INK)
ax.set(xlim=(-15, len(mistakes) * STEP), ylim=(3 * STEP + 60, -32))
ax.set_axis_off()
fig.savefig("mistakes.png", dpi=110)
plt.show()

parts = {title.replace("\n", " "): part for title, (part, _) in found.items()}
assert abs(parts["mirrored"] - parts["no mistake"]) < 0.1
assert max(parts["turned by 180°"], parts["rows and columns exchanged"]) < 0.6
assert max(parts["in and out exchanged"], parts["OIHW, reshaped"]) < 0.4
off = {title: apart(seen[LAYERS[-1]], right[LAYERS[-1]]) for title, (_, seen) in found.items()}
assert off["mirrored"] > 1 and off["means not\nsubtracted"] < 0.6

# %% [markdown] tags=["answer"]
# Four drawings of each of six things are a poor statistic. On the 10,000 test pictures of CIFAR-10 it goes like this:
#
# | mistake | right |
# |---|---|
# | none | 88.5 % |
# | mirrored | 88.6 % |
# | red and blue exchanged | 78.2 % |
# | means not subtracted | 77.1 % |
# | turned by 180° | 36.5 % |
# | rows and columns exchanged | 33.0 % |
# | in and out exchanged, or reshaped | 10.0 %, which is guessing |
#
# Three things to take home.
#
# - **Mirrored does no harm.** In training, half of the pictures were mirrored, so left and right mean nothing to this
#   network. Upside down it has never seen.
# - **Features lie.** Mirrored features are "100 % off" and all is well; those without means are half as far off, and
#   eleven points are gone. What counts is what comes out at the end.
# - **The small mistakes are the dear ones.** Zero per cent is found the same day. Eleven points less are taken for
#   "well, it is only a small network", and stay for years; our drawings did not even show them. So compare on many
#   pictures, and with a number that somebody has published.

# %% [markdown]
# How does a loader get it right? Shapes tell HWIO from OIHW, because hardly any kernel is as wide as it has channels.
# That a kernel is turned, no shape can tell. So Keras notes who wrote a file, in the attribute `backend`. Here is our
# block as Theano has it, with the note and without.

# %%
turned_block = {name: {**variables, "kernel": variables["kernel"][::-1, ::-1]} for name, variables in block.items()}
as_theano = {
    name: {**variables, "kernel": variables["kernel"].transpose(3, 2, 0, 1)} for name, variables in turned_block.items()
}
write_as_keras("by_theano.h5", as_theano, backend="theano")
print(hdf5.load(other, "by_theano.h5"))
assert all(np.array_equal(a.data, b.data) for a, b in zip(one.parameters(), other.parameters(), strict=True))

write_as_keras("by_nobody.h5", turned_block)
print(hdf5.load(other, "by_nobody.h5"))
assert np.array_equal(other.find("block1_conv2").w.data, one.find("block1_conv2").w.data[::-1, ::-1])  # still turned

# %% [markdown]
# The second is wrong, and nobody could have known. Read the notes of a loader. And if you write files, say in them what
# you did.
#
# ## What is refused
#
# A file from the net may be damaged, or made by someone who means harm. HDF5 is a large library in C, and a few wrong
# bytes in a file can crash it or send it round in circles. So minicnn opens a file in a process of its own, with little
# time and little memory (`minicnn/hdf5/isolation.py`). Should that one die, you get a message; your notebook lives on.
#
# And whatever is wrong, the network stays as it was, and you get one line.

# %%
victim = new_block()
untouched = [parameter.data.copy() for parameter in victim.parameters()]


def refused(what, expected, load=lambda: hdf5.load(victim, "broken.h5")):
    """Prints why."""
    try:
        load()
    except InputError as refusal:
        print(f"{what}\n    {refusal}")
        assert expected in str(refusal)
        assert all(np.array_equal(p.data, was) for p, was in zip(victim.parameters(), untouched, strict=True))
    else:
        raise AssertionError(f"{what} should have been refused")


broken = Path("broken.h5")
broken.write_text("<!DOCTYPE html><p>Please sign in to download", encoding="utf-8")
refused("A web page, saved as .h5:", "not HDF5")

broken.write_bytes(path.read_bytes()[:2_000_000])
refused("A download that broke off:", "truncated")

broken.write_bytes(path.read_bytes())
with h5py.File(broken, "r+") as file:
    file["block3_conv1.w"][1, 1, 0, 0] *= 1.01
refused("Of 2,244,330 numbers one is changed:", "SHA-256", lambda: models.tiny_vgg(broken))

write_as_keras(broken, {name: {**variables, "bias": variables["bias"] * np.nan} for name, variables in block.items()})
refused("Numbers that are none:", "NaN")

write_as_keras(broken, block)
with h5py.File(broken, "r+") as file:
    group = file["block1_conv1/block1_conv1"]
    del group["kernel:0"]
    group.create_dataset("kernel:0", (3, 3, 3, 32), "f4", chunks=(3, 3, 3, 32))  # a shape, and nothing behind it
refused("More promised than there is:", "holds none of them")

with h5py.File(broken, "r+") as file:
    group = file["block1_conv1/block1_conv1"]
    del group["kernel:0"]
    group["kernel:0"] = h5py.ExternalLink("somebody_elses.h5", "/diary")
refused("A link that leads out of the file:", "link to another file")

refused("Another network's:", "fit none of", lambda: models.recognise("first_block.h5"))

# %% [markdown]
# One more, and this one is *not* refused. A whole model of Keras may have a `Lambda` layer: a Python function, stored
# as bytecode, in the attribute `model_config`. Who builds the model from that runs the code of a stranger. minicnn
# never looks at it. The recipe is our own; of the file we want the numbers.

# %%
write_as_keras("model_weights.h5", block)
configuration = {"class_name": "Lambda", "config": {"function": ["4wEAAAAAAAAA…"], "name": "harmless"}}
with h5py.File("model_weights.h5", "r") as source, h5py.File("whole_model.h5", "w") as file:
    file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": [configuration]}})
    source.copy(source["/"], file, "model_weights")
print(hdf5.load(victim, "whole_model.h5"))
assert np.array_equal(victim.find("block1_conv2").w.data, one.find("block1_conv2").w.data)

# %% [markdown]
# ## Half the bytes
#
# Our file keeps each number in two bytes. A float16 has one bit for the sign, five for the exponent and ten for the
# digits behind the leading one. So two things can go wrong. A number may be too large or too small for the exponent;
# and of its digits, 13 of float32's 23 are cut off.
#
# Is there room? Every number of the network, by its size:

# %%
sizes = np.abs(np.concatenate([array.ravel() for array in stored.values()]).astype(np.float64))
largest, smallest_normal = float(np.finfo(np.float16).max), float(np.finfo(np.float16).tiny)
print(f"float16 goes up to {largest:g}; our largest is {sizes.max():.3g}")
print(f"below {smallest_normal:.2g} it loses digits, as {np.mean(sizes < smallest_normal):.2%} of our numbers do")
assert sizes.max() < largest / 1000 and np.mean(sizes < smallest_normal) < 0.01

too_large = copy.deepcopy(network)
too_large.find("block1_conv1").w.data = network.find("block1_conv1").w.data * 1e6
try:
    hdf5.save(too_large, "half.h5", dtype="float16")
    raise AssertionError("infinity should have been refused")
except InputError as refusal:
    print(refusal)

# %% [markdown]
# And the digits? What was cut off, the file no longer has. But we know how rounding works: the rest may lie anywhere
# within half a unit of the last place, up or down. So cut once more. Move every number by such a rest, drawn at random,
# and see what the network makes of it. Then cut off one more bit, and another, and watch the *logits*, the ten numbers
# that go into the softmax.
#
# **Predict**: how many of the ten bits can go before the first drawing is taken for something else?


# %% tags=["predict"]
rough = models.tiny_vgg(weights=None)


def logits_with(change):
    """Of the drawings, by the network with change(array) for each array of the file."""
    for name, parameter in rough.named_parameters():
        parameter.data = change(stored[name]).astype(np.float32)
    return rough(drawings).data


def keep(bits):
    """Round to so many bits behind the leading one."""

    def rounded(array):
        fraction, exponent = np.frexp(array.astype(np.float32))  # fraction · 2^exponent, 0.5 ≤ |fraction| < 1
        return np.ldexp(np.round(np.ldexp(fraction, bits + 1)), exponent - bits - 1)

    return rounded


def another_rest(array):
    return array + (random.random(array.shape, np.float32) - 0.5) * np.spacing(np.abs(array)).astype(np.float32)


for name in stored:  # float16 has ten such bits: rounding to ten leaves all but the tiniest as they are
    assert np.array_equal(keep(10)(stored[name]), stored[name])

with no_grad():
    logits = network(drawings).data
    error, agree = {}, {}
    for bits, change in {10: another_rest, **{bits: keep(bits) for bits in range(7, 1, -1)}}.items():
        rough_logits = logits_with(change)
        error[bits] = apart(rough_logits, logits)
        agree[bits] = float(np.mean(rough_logits.argmax(axis=1) == logits.argmax(axis=1)))
        print(f"{bits:2} bits: logits off by {error[bits]:8.3%}, the same answer for {agree[bits]:.0%} of the drawings")

each_bit = (error[2] / error[7]) ** (1 / 5)
print(f"each bit less makes the error {each_bit:.2f} times as large")

# %% tags=["answer"]
assert error[10] < 0.001 and agree[10] == 1 and agree[4] == 1 and error[2] < 0.15
assert 1.7 < each_bit < 2.3

# %% tags=["answer"]
fig, (left, right) = plt.subplots(1, 2, figsize=(14, 4.8))
fig.subplots_adjust(left=0.02, right=0.98, top=0.93, bottom=0.12, wspace=0.14)
exponents = np.log2(sizes[sizes > 0])
left.hist(exponents, bins=np.arange(-26, 18, 0.5), color=BLUE, histtype="stepfilled")
top = left.get_ylim()[1]
for start, end, colour, label in ((-14, 16, SAND, "float16: all ten bits"), (-24, -14, "#fbe3dc", "fewer and fewer")):
    left.axvspan(start, end, color=colour, zorder=0)
    left.text((start + end) / 2, top * 1.05, label, ha="center", color=INK)
powers = {-24: "2⁻²⁴", -16: "2⁻¹⁶", -8: "2⁻⁸", 0: "1", 8: "2⁸", 16: "2¹⁶"}
left.set(xlim=(-26, 18), ylim=(0, top * 1.15), yticks=[])
left.set_xticks(list(powers), powers.values())
left.set_xlabel("size of a number")
left.set_title("Two million weights have room in the exponent", loc="left")
bits = np.array(list(error))
right.semilogy(bits, list(error.values()), "o-", color=RED, lw=2, ms=8)
for kept, name in ((10, "float16"), (7, "bfloat16")):
    right.text(kept + 0.1, error[kept] * 1.7, f"{name}: {error[kept]:.2%}", color=INK, weight="bold")
right.text(1.8, 6e-5, "same answers", color=INK)
for kept in bits:
    share = f"{agree[kept]:.0%}"
    right.text(kept, 5e-5, share, ha="center", va="top", color=BLUE if agree[kept] == 1 else RED, weight="bold")
right.set(xlim=(1.4, 12.2), ylim=(3e-5, 0.4), xlabel="bits kept behind the leading one", xticks=range(2, 11))
right.set_yticks((1e-4, 1e-3, 1e-2, 1e-1), ("0.01%", "0.1%", "1%", "10%"))
right.set_yticks((), minor=True)
right.set_title("Each bit less doubles the error of the logits", loc="left")
right.grid(alpha=0.25)
fig.savefig("half_precision.png", dpi=150)
plt.show()

# %% [markdown] tags=["answer"]
# So the rounding costs less than a thousandth in the logits, and not one answer. More than half of the ten bits may go,
# and our drawings still do not show it. (They are few and clear; photographs would begin to. Phones keep eight bits a
# weight.)

# %% [markdown]
# In *training* it would be another matter: there a weight takes thousands of steps, and most are smaller than its last
# place.
#
# ## Batch normalization, folded away
#
# One thing was in the training that is not in the file. After each convolution stood a batch normalization. For every
# channel it takes off the mean, divides by the deviation, and then multiplies by γ and adds β, both learned:
#
# $$y = \gamma \, \frac{x * w - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta$$
#
# While it trains, μ and σ² are those of the batch. Afterwards they are constants, averaged over the training. Then all
# of this is a factor s and a shift for each channel; and what multiplies a channel may as well multiply the kernel that
# makes it:
#
# $$s = \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}} \qquad y = x * (s \, w) + (\beta - s \, \mu)$$
#
# Kernels are HWIO, O is last, so broadcasting finds the right axis by itself.


# %%
def fold(convolution, norm):
    """w and b of one convolution that does what both do."""
    s = norm.gamma.data / np.sqrt(norm.variance + norm.eps)
    return convolution.w.data * s, norm.beta.data - s * norm.mean


convolution = nn.Conv2d(3, 32, 3, padding="same", bias=False, seed=random)
norm = nn.BatchNorm(32)
norm.gamma.data, norm.beta.data = (
    random.uniform(0.5, 2, 32).astype(np.float32),
    random.normal(0, 1, 32).astype(np.float32),
)
norm.mean, norm.variance = random.normal(0, 1, 32).astype(np.float32), random.uniform(0.01, 1, 32).astype(np.float32)
norm.eval()  # use the constants, not the batch's

w, b = fold(convolution, norm)
with no_grad():
    two_layers = norm(convolution(drawings)).data
    one_layer = ops.conv(drawings, w, b, padding="same").data
print(f"folded, the result is off by {apart(one_layer, two_layers):.0e}")
assert apart(one_layer, two_layers) < 1e-5

norm.eps = 1e-5  # what PyTorch takes; Keras, and we, take 1e-3
w, b = fold(convolution, norm)
wrong = apart(ops.conv(drawings, w, b, padding="same").data, two_layers)
print(f"with another library's ε it is off by {wrong:.1%}")
assert 0.001 < wrong < 0.5

# %% [markdown]
# (An eighth mistake that raises no error. ε is not in the file, because nobody trained it.)
#
# Now a whole network: `tiny_vgg` as it goes into training, with nine norms. We let it see the drawings once, so that
# its statistics are not trivial, and fold it layer by layer into the plain one.

# %%
with_norms = tiny.build(batch_norm=True, seed=1)
for module in with_norms.modules():
    if isinstance(module, nn.BatchNorm):
        module.momentum = 0.0  # remember the last batch, and nothing else
with no_grad():
    with_norms.train()(drawings)
with_norms.eval()

plain = models.tiny_vgg(weights=None)
for name in kernels:
    layer = plain.find(name)
    layer.w.data, layer.b.data = fold(with_norms.find(name), with_norms.find(f"{name}_norm"))
plain.top = with_norms.top

with no_grad():
    off = apart(plain(drawings).data, with_norms(drawings).data)
before, after = (sum(p.size for p in model.parameters()) for model in (with_norms, plain))
print(f"{before:,} parameters and the statistics become {after:,}; the logits are off by {off:.0e}")
assert off < 1e-4 and after == numbers
assert all(
    np.allclose(a.data, b.data, atol=1e-6)
    for a, b in zip(plain.parameters(), tiny.fold(with_norms).parameters(), strict=True)
)

# %% [markdown]
# The features are written once instead of twice, and the file holds less that can be read wrongly. minicnn does it for
# the large face networks too, as soon as they are frozen (`minicnn/fast/cpu/folds.py`).
#
# ## What you have now
#
# - A weights file is a folder of named arrays. Names and shapes tell the network; the order of axes they tell only in
#   part, and the preprocessing not at all.
# - VGG's parameters sit in the first dense layer, its work in the convolutions. Without top, a file is a seventh.
# - To load is: match names, check shapes, copy. All the rest is care.
# - The wrong order along an axis of the picture is a right network that looks at a wrong picture. The wrong order
#   between channels is noise.
# - Compare with a published number. Nothing else finds the small mistakes.
#
# **Try it**
#
# 1. Get CIFAR-10 as a tar of pictures and check the table: `cifar10.read("cifar10-test.tar")` in `minicnn/datasets`
#    gives pictures and labels, `accuracy` in `minicnn/training.py` counts. One mistake is missing in it: hand the
#    network pictures from 0 to 255. What do you expect?
# 2. Turn the kernels of the *first* layer only. Why is that no better than turning all of them?
# 3. `in and out exchanged` changed five of nine kernels. Which, and why only these? What became of the other four?
# 4. Draw something of your own into `DRAWINGS`: a truck, a bird, a frog. Which is the hardest to get recognised?
# 5. `minicnn weights fetch squeezenet` gets a real file of Keras 1. Look at it with `minicnn weights inspect
#    squeezenet`, then load it by hand into `models.squeezenet()`. Its layers' names have slashes, and some groups lack
#    `weight_names`.
# 6. Fold a convolution that has a bias. (Then β − s · μ is not all.)
# 7. Change the sign of one kernel of `block1_conv2`, its bias, and the matching slice of `block2_conv1`. Does the
#    network stay the same? What if you *exchange* two kernels instead? How many files hold the same network?
# 8. `minicnn learn start receptive_field`: the column "sees", for any list of layers. `minicnn learn check` has
#    networks with larger strides.
# 9. Set a breakpoint in `_match_layers` of `minicnn/hdf5/matches.py`, load `first_block.h5`, and watch the names meet.
#
# **Where to look in the source**
#
# - `minicnn/models/vgg.py`: VGG in forty lines. `minicnn/models/imagenet.py`: the two large ones, and SqueezeNet.
# - `minicnn/hdf5/formats.py`: where each program keeps its names. `axes.py` beside it: the orders of axes.
# - `minicnn/hdf5/loader.py`: first everything is read and checked, then it is replaced.
# - `minicnn/hdf5/isolation.py` and `reader.py`: the process that reads what strangers wrote.
# - `minicnn/zoo/catalogue.py`: where trained weights are to be had, and how their pictures want to be prepared.
#
# Next: `21_registers.py`. Or use what you have loaded: `14_transfer_learning.py`.
