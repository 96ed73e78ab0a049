# %% [markdown]
# # Lesson 16: ConvNets on volumes and films
#
# A CT scanner does not take a picture, it fills a box with numbers. The lecture's box has 14×14×14 *voxels*, as a box's
# pixels are called, and its 16 filters are little boxes of 5×5×5. A film is a box as well: rows, columns, and time.
#
# What is the third dimension good for? In this lesson you meet two questions that *no* single slice can answer, however
# long a network looks at it, and answer both with a convolution that has one loop more.
#
# Scans and films are *drawn* (`minicnn/datasets/volumes.py`). It is a demonstration of convolutions, and no diagnosis.

# %%
import matplotlib.pyplot as plt
import numpy as np

from minicnn import Tensor, nn, no_grad, ops, optim
from minicnn.datasets import batches, volumes
from minicnn.learn.holes import check

random = np.random.default_rng(0)
INK, BLUE, RED, GREEN, SAND, GREY = "#222222", "#2f6690", "#c8553d", "#8a9a5b", "#f4efe6", "#777777"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
SCAN = {"cmap": "bone", "vmin": -1.1, "vmax": 0.7, "interpolation": "nearest"}

# %% [markdown]
# ## 14×14×14×1 meets 5×5×5×1
#
# **Predict**: the shape that 16 filters make of it, without padding; the number of weights; and how many times a number
# is multiplied by another. Compare with one slice and filters of 5×5.

# %% tags=["predict"]
scans, labels = volumes.lungs(600, seed=random)
layer = nn.Conv3d(1, 16, 5, seed=0)
x = scans[:1]
y = layer(x).data
weights = sum(parameter.size for parameter in layer.parameters())
print(f"{x.shape[1:]} with filters {layer.w.shape} -> {y.shape[1:]}")
print(f"{weights:,} weights, {y[0].size * 5**3:,} products; one slice: {16 * 5 * 5 + 16} and {10 * 10 * 16 * 5**2:,}")

# %% tags=["answer"]
assert y.shape == (1, 10, 10, 10, 16) and weights == 16 * 5**3 + 16

# %% [markdown] tags=["answer"]
# 10×10×10×16: each dimension by itself, 14 − 5 + 1. The price is in the last line. The box costs fifty times as many
# products as the slice, ten for the places and five for the filter.
#
# That is why films and scans are fed to networks in small boxes.

# %% [markdown]
# **You write** it: one loop more than for a picture (lesson 2). A thousand places are few enough for loops over depth,
# height and width; the product of a box with all filters can be one call of NumPy.


# %% tags=["hole"] minutes=10
def through_the_box(x, w, b):
    """Return the convolution of one volume without padding: x (D, H, W), w (d, h, w, C), b (C,) -> (…, …, …, C)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[:3])  # places, then what lies in the window
    return np.einsum("dhwijk,ijkc->dhwc", windows, w) + b


# %% tags=["check"]
volume, w = np.sin(np.arange(210.0)).reshape(6, 7, 5), np.cos(np.arange(48.0)).reshape(3, 2, 2, 4)
b = np.array([1.0, 2, 3, 4])
expected = ops.conv(volume[None, ..., None], w[:, :, :, None], b).data[0]
slips = {
    "The bias is missing.": expected - b,
    "The filter is turned around: voxel (d + i, …) meets weight (i, …).": (
        ops.conv(volume[None, ..., None], w[::-1, ::-1, ::-1, None], b).data[0]
    ),
    "The last place of each dimension is missing: D − d + 1 fit.": expected[:-1, :-1, :-1],
    "The filters are added up; each has a channel of its own.": expected.sum(axis=-1),
    "The sum over the depth of the filter is missing: that is its first slice alone.": (
        ops.conv(volume[None, :4, :, :, None], w[:1, :, :, None], b).data[0]
    ),
}
check("through_the_box", through_the_box(volume, w, b), expected, slips)

# %%
w, b = layer.w.data.astype(float), layer.b.data.astype(float)
by_hand = through_the_box(x[0, ..., 0].astype(float), w[:, :, :, 0], b)
assert np.allclose(by_hand, ops.conv(x.astype(float), w, b).data[0], rtol=0, atol=1e-12)
assert np.allclose(by_hand, y[0], atol=1e-4)

# %% [markdown]
# ## Nodule or vessel?
#
# In the middle of each scan is a bright disc, air around it. A *nodule*, which a doctor wants to find, is a ball. A
# *vessel*, of which a lung is full, is a tube that comes out of the page. Other vessels run about, and sometimes the
# chest's wall shows.
#
# **Predict**: here are the middle slices of eight scans. Four are nodules. Which?

# %% tags=["predict"]
fig, panels = plt.subplots(2, 4, figsize=(9.5, 5.2), layout="constrained")
for number, ax in enumerate(panels.flat):
    ax.imshow(scans[number, 7, :, :, 0], **SCAN)
    ax.set_title(str(number))
    ax.set_axis_off()
fig.savefig("middle_slices.png", dpi=110)
plt.show()

# %% tags=["answer"]
fig, panels = plt.subplots(4, 8, figsize=(12, 6.6))
fig.subplots_adjust(left=0.08, right=0.99, top=0.93, bottom=0.02, wspace=0.06, hspace=0.06)
for row, number in zip(panels, (0, 1, 2, 3), strict=True):
    for ax, depth in zip(row, (0, 2, 4, 6, 7, 9, 11, 13), strict=True):
        ax.imshow(scans[number, depth, :, :, 0], **SCAN)
        ax.set(xticks=[], yticks=[])
        if number == 0:
            ax.set_title(f"slice {depth}")
    found = volumes.FINDINGS[labels[number]]
    row[0].set_ylabel(f"{number}: {found}", color=RED if found == "nodule" else BLUE, weight="bold")
fig.savefig("slices.png", dpi=120)
plt.show()

# %% [markdown] tags=["answer"]
# The odd ones. You could not know: in the middle slice ball and tube are the same disc. Leaf through the slices, and
# the tube goes on from the first to the last, while the ball is gone after a few.
#
# A radiologist leafs. A shortcut is to look from the side and keep the brightest voxel on each line of sight, which is
# called a *maximum intensity projection*.

# %% tags=["answer"]
fig, panels = plt.subplots(2, 4, figsize=(9.5, 5.4), layout="constrained")
for number, ax in enumerate(panels.flat):
    ax.imshow(scans[number, :, 4:10, :, 0].max(axis=1), **SCAN)
    found = volumes.FINDINGS[labels[number]]
    ax.set_title(f"{number}: {found}", color=RED if found == "nodule" else BLUE)
    ax.set(xticks=[], yticks=[])
panels[0, 0].set_ylabel("depth")
panels[1, 0].set_ylabel("depth")
fig.savefig("projections.png", dpi=110)
plt.show()

# %% [markdown]
# ## One slice against the box
#
# Two networks with the same plan: 5 wide filters, a pool, 3 wide filters, a pool, a dense layer. One gets the middle
# slice, the other the box. To be fair, the flat one gets more channels and twice the epochs, so that it has *more*
# weights and *more* steps than the other.
#
# **Predict** for each: how often is it right about the 600 scans that it learned from, and how often about 300 others?


# %% tags=["predict"]
def network(dimensions, answers):
    conv, pool, first, second = (
        (nn.Conv2d, nn.MaxPool2d, 16, 48) if dimensions == 2 else (nn.Conv3d, nn.MaxPool3d, 8, 16)
    )
    source = np.random.default_rng(0)
    return nn.Sequential(
        conv(1, first, 5, activation="relu", seed=source),  # 14 -> 10
        pool(2),  # -> 5
        conv(first, second, 3, activation="relu", seed=source),  # -> 3
        pool(3),  # -> 1
        nn.Flatten(),
        nn.Linear(second, answers, initial="glorot", seed=source),
    )


def train(model, x, labels, epochs):
    optimizer, order = optim.Adam(model.parameters(), lr=0.005), np.random.default_rng(1)
    for _ in range(epochs):
        for some, right in batches(x, labels, batch_size=30, seed=order):
            loss = ops.cross_entropy(model(some), right)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


def share_right(model, x, labels):
    with no_grad():
        return float(np.mean(model(Tensor(x)).data.argmax(axis=1) == labels))


def compare(boxes, labels, other_boxes, other_labels, answers):
    """Shares of right answers: of the flat network on what it learned and on others, and the same of the deep one."""
    shares = []
    for dimensions, epochs, seen, others in (
        (2, 12, boxes[:, 7], other_boxes[:, 7]),
        (3, 6, boxes, other_boxes),
    ):
        model = train(network(dimensions, answers), seen, labels, epochs)
        size = sum(parameter.size for parameter in model.parameters())
        shares += [share_right(model, seen, labels), share_right(model, others, other_labels)]
        print(f"{dimensions}-D, {size:,} weights: learned {shares[-2]:.0%}, others {shares[-1]:.0%}")
    return *shares, model


other_scans, other_labels = volumes.lungs(300, seed=random)
flat_learned, flat, _, deep, reader = compare(scans, labels, other_scans, other_labels, 2)

# %% tags=["answer"]
assert flat < 0.62 and flat_learned > flat + 0.1
assert deep > 0.95

# %% [markdown] tags=["answer"]
# Look at the flat one's two numbers. On the scans it learned from it gets far more than half; on others it tosses a
# coin. There was nothing to learn, so it learned the noise by heart. That is what overfitting looks like when the
# answer is not in the picture, and no regularization would help: more data, a larger network, a longer training, all in
# vain. The box gives the answer away.

# %% [markdown]
# How much of the box is needed? Cover all slices but the middle ones with air, and ask the network that has learned.
#
# **Predict**: how many of the 14 slices must be left? And what does it call a tube of which four are left?

# %% tags=["predict"]
thickness = [1, 2, 4, 6, 8, 10, 12, 14]
by_thickness = []
for kept in thickness:
    thin = np.full_like(other_scans, volumes.AIR)
    inside = np.s_[7 - kept // 2 : 7 - kept // 2 + kept]
    thin[:, inside] = other_scans[:, inside]
    by_thickness.append(share_right(reader, thin, other_labels))
    if kept == 4:
        with no_grad():
            called = np.bincount(reader(Tensor(thin)).data.argmax(axis=1), minlength=2)
print("slices kept:", dict(zip(thickness, (f"{share:.0%}" for share in by_thickness), strict=True)))
print("with four:", ", ".join(f"{count} called {name}" for count, name in zip(called, volumes.FINDINGS, strict=True)))

# %% tags=["answer"]
assert max(by_thickness[:3]) < 0.65 and by_thickness[-1] == deep
assert called[volumes.FINDINGS.index("nodule")] > 270 and by_thickness[4] > 0.95

# %% [markdown] tags=["answer"]
# A tube of which four slices are left ends above and below, as a ball does, and a nodule it is called. Eight slices are
# enough: longer than any of the balls.

# %% [markdown]
# ## A film is a volume
#
# A ball moves left, right, up or down. Put the frames behind each other: 14 frames of 14×14, time is depth. The same
# network takes it, nothing has to be changed.
#
# **Predict**: how often does the middle frame give the direction away?

# %% tags=["predict"]
films, directions = volumes.films(600, seed=random)
other_films, other_directions = volumes.films(300, seed=random)
_, flat_film, _, deep_film, director = compare(films, directions, other_films, other_directions, 4)

# %% tags=["answer"]
assert flat_film < 0.36 and deep_film > 0.95

fig, panels = plt.subplots(4, 7, figsize=(11, 6.6), width_ratios=(1, 1, 1, 1, 1, 0.15, 1.2))
fig.subplots_adjust(left=0.07, right=0.99, top=0.93, bottom=0.02, wspace=0.06, hspace=0.08)
for direction, row in enumerate(panels):
    for ax, frame in zip(row, (0, 3, 7, 10, 13), strict=False):
        ax.imshow(films[direction, frame, :, :, 0], cmap="gray", vmin=-0.2, vmax=1.1)
        if direction == 0:
            ax.set_title(f"frame {frame}", color=RED if frame == 7 else INK)
    axis = 1 if direction < 2 else 2  # look along the rows, or along the columns
    from_aside = films[direction, :, :, :, 0].max(axis=axis)
    row[6].imshow(from_aside if direction < 2 else from_aside.T, cmap="gray", vmin=-0.2, vmax=1.1)
    row[6].set_ylabel("time ↓" if direction < 2 else "place ↓")
    row[0].set_ylabel(volumes.DIRECTIONS[direction], color=BLUE, weight="bold")
    row[5].set_axis_off()
panels[0, 6].set_title("from aside")
for row in panels:
    for ax in row:
        ax.set(xticks=[], yticks=[])
fig.savefig("films.png", dpi=120)
plt.show()

# %% [markdown] tags=["answer"]
# One frame says where the ball is, not where it goes. Seen from aside, through time, a movement is a *slanted line*,
# and a slanted line is what filters are good at: what an edge is to rows and columns, a speed is to time and place. A
# filter of 5×5×5 that finds it is a detector of motion, and the eye has cells like that.
#
# Play the films backwards. If the network measures motion, left must become right and up must become down.

# %%
backwards = other_films[:, ::-1].copy()
turned_round = np.array([1, 0, 3, 2])[other_directions]
shuffled = other_films[:, random.permutation(14)]
of_backwards = share_right(director, backwards, turned_round)
print(f"backwards, the opposite direction: {of_backwards:.0%}")
print(f"frames shuffled: {share_right(director, shuffled, other_directions):.0%}")
assert of_backwards > 0.95 and share_right(director, shuffled, other_directions) < 0.8

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.3), layout="constrained", width_ratios=(1, 1.15))
for place, (shares, guess) in enumerate((((flat, deep), 0.5), ((flat_film, deep_film), 0.25))):
    for offset, share, colour in zip((-0.2, 0.2), shares, (GREY, BLUE), strict=True):
        left.bar(place + offset, share, 0.36, color=colour)
        left.text(place + offset, share + 0.015, f"{share:.0%}", ha="center", color=colour, weight="bold")
    left.hlines(guess, place - 0.45, place + 0.45, color=INK, ls="--", lw=1)
left.text(0.47, 0.5, "guessing", fontsize=9, va="center")
left.set(ylim=(0, 1.12), title="one slice (grey) against the box")
left.set_xticks((0, 1), ("nodule or vessel", "direction of motion"))
left.yaxis.set_major_formatter("{x:.0%}")
right.plot(thickness, by_thickness, "o-", color=BLUE, lw=2.5)
right.axhline(0.5, color=INK, ls="--", lw=1)
right.set(xlabel="slices that are kept", ylim=(0.4, 1.05), xticks=thickness, title="nodule or vessel")
right.yaxis.set_major_formatter("{x:.0%}")
right.grid(alpha=0.25)
fig.savefig("flat_and_deep.png", dpi=140)
plt.show()

# %% [markdown]
# ## What went wrong
#
# Nothing, and that should worry you: 100% is the sign of a question made for the answer. Real nodules hang on vessels,
# vessels bend, and slices of a real scan are often thicker than they are wide. And a whole scan has 512×512×300 voxels:
# the first layer's 16 channels alone take five gigabytes. In practice people cut boxes around what a cheaper network
# points at, take a few slices as channels ("2.5-D"), or split a filter of 3×3×3 into 3×3 in the slice and 3 across
# (R(2+1)D, Tran et al. 2018).
#
# ## What you have now
#
# - 14×14×14×1 with 16 filters of 5×5×5 gives 10×10×10×16. Every dimension counts for itself.
# - Where the answer lies across slices, no network on a slice finds it; it learns the noise instead.
# - Time can be a dimension like the others. Motion is a slanted line through it.
#
# **Try it**
#
# 1. Give the flat network the 14 slices as 14 *channels*: `boxes[..., 0].transpose(0, 2, 3, 1)`. Does it do as well?
#    What does it cost, and what can it not do that the other can? (Move the nodule three slices up.)
# 2. Train the flat network on the maximum intensity projection from aside. How good is a radiologist's shortcut?
# 3. Count the products of 3×3×3 against 3×3×1 followed by 1×1×3, a place and a pair of channels (27 and 12). Build it,
#    with `nn.Conv3d(…, (1, 3, 3))`.
# 4. A ball that does not move at all is a fifth class. Is it harder than the others?
# 5. Make the nodules smaller, `radius` in `volumes.py`. Where does the box fail, too?
# 6. Turn a scan so that depth becomes height: `scan.swapaxes(0, 1)`. Must the network know the result? Does it?
# 7. `minicnn learn start conv_forward`, for pictures. Write one for volumes from it, and hold it against `by_hand`
#    above: the two agree to 1e-12, or one of them is wrong.
#
# **Where to look in the source**
#
# - `minicnn/kernels/conv.py`: im2col for any number of dimensions, with no line for each.
# - `minicnn/nn/convolution.py`: what `Conv1d`, `Conv2d` and `Conv3d` do not share: a 1, a 2 and a 3.
# - `minicnn/datasets/volumes.py`: balls, tubes, and an ellipsoid seen from inside.
#
# You have met all eleven lectures now; `notes_that_differ.py` holds other people's notes to them. Next:
# `17_gradient_checking.py`.
