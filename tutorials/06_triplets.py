# %% [markdown]
# # Lesson 6: triplets, and which of them teach
#
# We want a network that turns a picture of a face into a few numbers, an *encoding*: two pictures of one person shall
# have encodings near each other, pictures of two people encodings far apart. Nobody can say which numbers these should
# be. But anybody can say which of two pictures should be *nearer*, and from that a network can learn.
#
# In this lesson you write the triplet loss and its gradient, watch a network cheat its way to a perfect score, and find
# out which triplets teach, and which are dangerous.
#
# Letters: A is the *anchor*, a picture of somebody; P, the *positive*, another one of the same person; N, the
# *negative*, a picture of somebody else. α is the margin, and D says how many numbers an encoding has: 128 in FaceNet,
# 3 and 16 here.

# %%
import copy
import time
import warnings
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

import minicnn
from minicnn import GradcheckError, Tensor, faces, gradcheck, nn, no_grad, op, ops, optim
from minicnn.datasets import doodles
from minicnn.learn.holes import check

minicnn.use_backend("numpy")
random = np.random.default_rng(0)
INK, BLUE, RED, GREEN, SAND, GREY = "#222222", "#2f6690", "#c8553d", "#8a9a5b", "#f4efe6", "#777777"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## People, quickly drawn
#
# A lesson should not take an hour, so our people are doodles of 24×24 grey pixels, from `minicnn/datasets/doodles.py`.
# A *person* is fifteen numbers: how wide the face is, how far apart the eyes are, and so on. A *picture* adds what
# changes from day to day: where the head is and how it leans, the light, the background, the mood. The encoder shall
# see the first and be blind to the second.

# %%
pictures, who = doodles.album(people=100, each=6, seed=random)  # to learn from
strangers, their_names = doodles.album(people=60, each=4, seed=random)  # to test with: people the encoder never met
print(f"{len(pictures)} pictures of 100 people to learn from, {len(strangers)} of 60 others to test with")
for trait, (low, high) in list(doodles.TRAITS.items())[:3]:
    print(f"  {trait}: from {low} to {high}")

# %% [markdown]
# How alike are two pictures? The obvious measure is the squared distance, ‖x − y‖²: subtract, square, add up. Take it
# of the pixels, and ask for every stranger: is the picture nearest to this one of the same person?


# %%
def squared_distances(x):
    """(N, …) -> (N, N)."""
    x = x.reshape(len(x), -1)
    lengths = np.square(x).sum(axis=1)
    return np.maximum(lengths[:, None] + lengths - 2 * x @ x.T, 0)


def right_neighbours(x, people):
    """The share of pictures whose nearest other picture is of the same person."""
    d = squared_distances(x)
    np.fill_diagonal(d, np.inf)
    return float(np.mean(people[d.argmin(axis=1)] == people))


by_pixels = right_neighbours(strangers, their_names)
print(f"by pixels, the nearest picture is of the same person {by_pixels:.0%} of the time; by luck {3 / 239:.0%}")
assert 3 / 239 < by_pixels < 0.25

# %%
d = squared_distances(strangers)
same = their_names[:, None] == their_names
nearest_other = np.where(same, np.inf, d).argmin(axis=1)
own = np.where(same & ~np.eye(len(d), dtype=bool), d, np.inf).argmin(axis=1)
mistaken = [a for a in range(len(d)) if d[a, nearest_other[a]] < d[a, own[a]]]
shown = sorted(mistaken, key=lambda a: d[a, nearest_other[a]] - d[a, own[a]])[:3]  # the worst three

fig, panels = plt.subplots(len(shown), 3, figsize=(6.2, 6.8))
fig.subplots_adjust(left=0.02, right=0.98, top=0.86, bottom=0.05, hspace=0.22, wspace=0.05)
for row, a in zip(panels, shown, strict=True):
    for ax, i, colour in zip(row, (a, own[a], nearest_other[a]), (INK, BLUE, RED), strict=True):
        ax.imshow(strangers[i, :, :, 0], cmap="bone", vmin=-0.5, vmax=0.5, interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        if i != a:
            ax.set_xlabel(f"at {d[a, i]:.0f} from the anchor", color=colour)
for ax, title, colour in zip(panels[0], ("anchor", "positive", "negative"), (INK, BLUE, RED), strict=True):
    ax.set_title(title, color=colour, weight="bold")
fig.suptitle("Pixels see the light, not the person", x=0.02, ha="left")
fig.savefig("pixels.png", dpi=150)
plt.show()

# %% [markdown]
# In every row the first two pictures are of one person, even their nearest two, and still somebody else is nearer.
# Pixels compare light and background, for these fill more of the picture than a nose does.
#
# ## The loss
#
# Schroff, Kalenichenko and Philbin wrote down in 2015 (FaceNet) what we want. The anchor shall be nearer to the
# positive than to the negative, and not only by a hair: by a margin α.
#
# $$\lVert A - P \rVert^2 + \alpha \le \lVert A - N \rVert^2$$
#
# What is missing to that is the loss, and where nothing is missing it is zero:
#
# $$L = \sum \max(\lVert A - P \rVert^2 - \lVert A - N \rVert^2 + \alpha, \, 0)$$
#
# **You write** it, with `ops`.


# %% tags=["hole"] minutes=8
def triplet_loss(anchor, positive, negative, margin=0.2):
    """Return the loss of T triplets, a Tensor with one number. anchor, positive, negative: Tensors (T, D)."""
    near = ops.sum(ops.square(anchor - positive), axis=1)
    far = ops.sum(ops.square(anchor - negative), axis=1)
    return ops.sum(ops.maximum(near - far + margin, 0.0))


# %% tags=["check"]
A, P, N = (Tensor(np.random.default_rng(seed).normal(0, 1, (4, 3))) for seed in (1, 2, 6))
near, far = (np.square(A.data - other.data).sum(axis=1) for other in (P, N))
hinge = np.maximum(near - far + 0.2, 0)
slips = {
    "That is the mean over the triplets; their sum is asked for.": hinge.mean(),
    "The maximum belongs inside the sum: one happy triplet pays for another's misery.": max(
        (near - far + 0.2).sum(), 0
    ),
    "The margin is missing.": np.maximum(near - far, 0).sum(),
    "Positive and negative are swapped.": np.maximum(far - near + 0.2, 0).sum(),
    "The distances are not squared: a root has crept in.": np.maximum(np.sqrt(near) - np.sqrt(far) + 0.2, 0).sum(),
    "Nothing is cut off at zero: a triplet that is content has no negative loss.": (near - far + 0.2).sum(),
    "There is one number for each triplet; add them up.": hinge,
}
check("triplet_loss", triplet_loss(A, P, N), hinge.sum(), slips)

# %%
for A, P, N, margin, expected in (
    ([[1, 1]], [[1, 1]], [[1, 1]], 5, 5),  # all three the same: only the margin is left
    ([[1, 1]], [[1, 1]], [[0, 0]], 3, 1),
    ([[1, 1]], [[0, 0]], [[1, 1]], 0, 2),  # the wrong way round
    ([[0, 0]], [[0, 0]], [[0, 0]], -2, 0),  # below zero counts as zero
    ([[1, 0], [1, 0]], [[1, 0], [1, 0]], [[0, 1], [0, 1]], 3, 2),  # two triplets, a *sum*
):
    A, P, N = (Tensor(np.array(points, float)) for points in (A, P, N))
    mine, theirs = triplet_loss(A, P, N, margin).item(), faces.triplet_loss(A, P, N, margin=margin).item()
    print(f"margin {margin:2}: {mine:g}")
    assert mine == theirs == expected

# %% [markdown]
# The maximum belongs *inside* the sum. Put it outside, and one happy triplet pays for another's misery.
#
# ## Its gradient, by hand
#
# Take one triplet whose loss is not zero; it is called *active*. Then L = ‖A − P‖² − ‖A − N‖² + α, without a maximum.
# The slope of ‖x − y‖² in x is 2(x − y). N stands in one term, P in one, A in both:
#
# $$\begin{align*} \frac{\partial L}{\partial N} &= -2(N - A) = 2(A - N) \\
# \frac{\partial L}{\partial P} &= 2(P - A) \\
# \frac{\partial L}{\partial A} &= 2(A - P) - 2(A - N) = 2(N - P) \end{align*}$$
#
# A itself has dropped out of its own gradient!
#
#
# Add up the three: zero. A triplet cannot push the whole cloud of encodings anywhere, it only moves them against each
# other. For a triplet that is not active all three are zero, of course.

# %%
A, P, N = (Tensor(np.array([point]), requires_grad=True) for point in ((0.0, 0.0), (0.9, 0.4), (0.5, -0.5)))
loss = triplet_loss(A, P, N)
loss.backward()
for name, tensor, by_hand in (("A", A, 2 * (N - P)), ("P", P, 2 * (P - A)), ("N", N, 2 * (A - N))):
    print(f"∂L/∂{name} = {tensor.grad[0]}, by hand {by_hand.data[0]}")
    assert np.allclose(tensor.grad, by_hand.data)
assert np.allclose(A.grad + P.grad + N.grad, 0)

# %% [markdown]
# Now write it as an operation of its own, forward and backward side by side (lesson 1 told how), and let finite
# differences be the judge. Eight triplets of encodings of five numbers, some active, some not.
#
# **You write** it: A, P and N are arrays here. Return the loss, and a function that returns the three gradients.


# %% tags=["hole"] minutes=12
@op
def my_triplet_loss(A, P, N, *, margin=0.2):
    """Return (loss, backward). A, P, N: arrays (T, D). backward(dy) returns the gradients to A, P and N."""
    terms = np.square(A - P).sum(axis=1) - np.square(A - N).sum(axis=1) + margin
    active = (terms > 0)[:, None]

    def backward(dy):
        return 2 * dy * active * (N - P), 2 * dy * active * (P - A), 2 * dy * active * (A - N)

    return np.maximum(terms, 0).sum(), backward


# %% tags=["check"]
points = [Tensor(random.normal(0, 1, (8, 5)), name=name, requires_grad=True) for name in ("A", "P", "N")]
loss = my_triplet_loss(*points)
check("my_triplet_loss", loss, faces.triplet_loss(*points))
loss.backward(3.0)
A, P, N = (point.data for point in points)
active = 3.0 * (faces.triplet_loss(*points, reduction="none").data > 0)[:, None]
both = {
    "dy is left out: the chain rule multiplies by it.": 1 / 3,
    "The slope of a square has a 2.": 1 / 2,
    "The sign is wrong.": -1,
}
for name, point, by_hand, without in (
    ("A", points[0], 2 * (N - P), "A stands in both terms: the part of ‖A − N‖² is missing."),
    ("P", points[1], 2 * (P - A), ""),
    ("N", points[2], 2 * (A - N), ""),
):
    slips = {words: factor * active * by_hand for words, factor in both.items()}
    slips |= {"Triplets that are not active pull as well: their loss is zero, and so is its slope.": 3.0 * by_hand}
    slips |= {without: active * 2 * (A - P)} if without else {}
    check(f"the gradient to {name}", point.grad, active * by_hand, slips)


# %%
@op
def forgetful_triplet_loss(A, P, N):
    terms = np.square(A - P).sum(axis=1) - np.square(A - N).sum(axis=1) + 0.2
    active = (terms > 0)[:, None]

    def backward(dy):  # as if the anchor stood in the first term only
        return 2 * dy * active * (A - P), 2 * dy * active * (P - A), 2 * dy * active * (A - N)

    return np.maximum(terms, 0).sum(), backward


report = gradcheck(my_triplet_loss, points)
print(report)
assert report.ok
assert 0 < np.count_nonzero(faces.triplet_loss(*points, reduction="none").data) < 8

try:
    gradcheck(forgetful_triplet_loss, points)
    raise AssertionError("the bug slipped through")
except GradcheckError as found:
    print(found)

# %% [markdown]
# What does the gradient *do*? Walk downhill with the three points themselves. P comes to A, N flees from A, and A goes
# where P − N points. As soon as N is far enough away, all stand still.

# %%
spots = [np.array(point) for point in ((0.0, 0.0), (0.9, 0.4), (0.5, -0.5))]
path = [spots]
while (gap := np.sum((spots[0] - spots[1]) ** 2) - np.sum((spots[0] - spots[2]) ** 2) + 0.2) > 0:
    A, P, N = spots
    spots = [A - 0.02 * 2 * (N - P), P - 0.02 * 2 * (P - A), N - 0.02 * 2 * (A - N)]
    path.append(spots)
path = np.array(path)
near, far = (np.sum((spots[0] - spots[i]) ** 2) for i in (1, 2))
print(f"after {len(path) - 1} steps ‖A − P‖² + 0.2 = {near + 0.2:.2f} ≤ {far:.2f} = ‖A − N‖²")
assert len(path) > 3 and np.allclose(path.mean(axis=1), path[0].mean(axis=0))  # the three move about their middle

# %%
COLOURS = dict(zip("APN", (INK, BLUE, RED), strict=True))
fig, panels = plt.subplots(1, 2, figsize=(11, 5.2), layout="constrained")
for ax, at, title in zip(panels, (0, -1), ("active: P is too far, N too near", "at peace"), strict=True):
    now = path[at]
    near, far = (np.hypot(*(now[0] - now[i])) for i in (1, 2))
    needed = np.sqrt(near**2 + 0.2)
    ax.add_patch(plt.Circle(now[0], needed, facecolor=SAND, edgecolor=GREY, ls="--"))
    ax.add_patch(plt.Circle(now[0], near, facecolor="none", edgecolor=BLUE, alpha=0.5))
    for i, name in enumerate("APN"):
        if at == -1:
            ax.plot(*path[:, i].T, color=COLOURS[name], lw=2, alpha=0.5)
        ax.plot(*now[i], "o", color=COLOURS[name], ms=13)
        ax.annotate(name, now[i], color="white", ha="center", va="center", weight="bold", fontsize=9)
    if at == 0:
        downhill = (now[1] - now[2], now[0] - now[1], now[2] - now[0])
        for i, label in enumerate(("2(P − N)", "2(A − P)", "2(N − A)")):
            tip = now[i] + 0.5 * downhill[i]
            colour = COLOURS["APN"[i]]
            ax.annotate("", tip, now[i], arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 2.5, "shrinkA": 9})
            beside = [(0.06, 0.0), (0.02, -0.1), (0.06, -0.02)][i]
            ax.text(*(tip + beside), label, color=colour, weight="bold", va="center")
    ax.set_title(title, loc="left")
    ax.set(xlim=(-1.25, 1.45), ylim=(-1.25, 1.25), aspect="equal")
    ax.set_axis_off()
panels[1].text(*(path[-1][0] + (0, -np.sqrt(near**2 + 0.2) - 0.09)), "N has to stay outside", color=GREY, ha="center")
fig.savefig("triplet_gradient.png", dpi=150)
plt.show()

# %% [markdown]
# ## Is α the margin of a support vector machine?
#
# Some notes call α a "support vector margin". FaceNet calls it a margin, and nothing more is usual. But the two are
# relatives. A support vector machine (SVM) learns a score z = w·x + b with the *hinge loss*, max(0, 1 − yz), y = ±1: be
# right, and by 1, and nothing more is asked of you. Take z = ‖A − N‖² − ‖A − P‖² as the score of a triplet, which
# should be positive. Then the triplet loss is max(0, α − z), the same hinge, with α for 1.
#
# They come closer still. If P and N are of the same length, as encodings are, the squares cancel, and the score is
# linear in A: z = w·A with w = 2(P − N). There is a plane halfway between P and N; α asks that A is α / ‖w‖ on the
# right side of it.

# %%
anywhere = np.random.default_rng(1).normal(0, 1, (3, 200, 5))
A, P, N = anywhere / np.linalg.norm(anywhere, axis=2, keepdims=True)
score = np.square(A - N).sum(axis=1) - np.square(A - P).sum(axis=1)
w = 2 * (P - N)
assert np.allclose(score, np.sum(w * A, axis=1))
margin = 0.2
hinge = np.maximum(0, 1 - score / margin)
assert np.isclose(faces.triplet_loss(A, P, N, margin=margin).item(), margin * hinge.sum())
width = margin / np.linalg.norm(w, axis=1)
print(f"α = {margin} for every triplet; on A's side of the plane that is {width.min():.3f} to {width.max():.3f}")
assert width.max() > 1.5 * width.min()

active = score < margin
gradients = []
for chosen in (np.full(200, True), active):
    tensors = [Tensor(points, requires_grad=True) for points in (A, P, N)]
    triplet_loss(*(tensor[chosen] for tensor in tensors)).backward()
    gradients.append([tensor.grad for tensor in tensors])
assert all(np.allclose(everything, some) for everything, some in zip(*gradients, strict=True))
print(f"{active.sum()} of 200 triplets are active; without the others the gradients are the same")

# %% [markdown]
# So the active triplets are what support vectors are to an SVM: what alone decides. (Schultz and Joachims did train an
# SVM on such comparisons, in 2003; FaceNet names them, and Weinberger, Blitzer and Saul, 2005, who brought the margin.)
#
# And the difference? An SVM *seeks* the widest margin: it asks for a 1 and makes ‖w‖ small, so that 1 / ‖w‖ becomes as
# wide as the data allow. Our α is a number that you choose. Nobody makes anything wide; w is not even a weight, but two
# other encodings. Call α the margin.

# %% [markdown]
# ## A network learns, with a margin and without
#
# The encoder: 576 pixels, one or more hidden layers of 64, D numbers out. At the end each encoding is divided by its
# length, so that all of them lie on a sphere. (Else the network could win a margin by making everything larger.)
#
# `train` is the loop that you know. Which triplets of a batch are learned from, `faces.mine_triplets` chooses, by a
# `strategy`; more of that soon. `faces.batch_triplet_loss` is your loss, of the rows of one batch. And
# `faces.CollapseMonitor` looks on.


# %%
def new_encoder(D, hidden=1):
    source = np.random.default_rng(0)
    widths = [doodles.SIZE**2] + [64] * hidden
    layers = [nn.Linear(*pair, activation="relu", seed=source) for pair in pairwise(widths)]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, D, initial="glorot", seed=source), nn.L2Normalize())


def encode(encoder, images):
    with no_grad():
        return encoder(Tensor(images)).data


def learn(encoder, batch, people, optimizer, strategy, margin, source):
    """One step; returns the mean loss of the triplets, the share of them that is active, and the encodings."""
    encodings = encoder(Tensor(batch))
    triplets = faces.mine_triplets(encodings, people, strategy=strategy, margin=margin, seed=source)
    terms = faces.batch_triplet_loss(encodings, triplets, margin=margin, reduction="none")
    loss = terms.mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item(), np.count_nonzero(terms.data) / len(triplets), encodings


# %% [markdown]
# What is α for? Let us do without. Eight people, and encodings of three numbers, so that we can look at them: points on
# a globe. Every triplet of a batch takes part. **Predict**: where on the globe will eight people end up?

# %% tags=["predict"]
few, few_names = doodles.album(people=8, each=60, seed=random)
batches = faces.PeopleSampler(few_names, people=8, pictures=4)
monitor = faces.CollapseMonitor(margin=0.0, patience=5)
globes = {"before": encode(new_encoder(3, hidden=3), few)}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for margin in (0.0, 0.2):
        encoder, source = new_encoder(3, hidden=3), np.random.default_rng(0)
        optimizer = optim.Adam(encoder.parameters(), learning_rate=0.005)
        for step in range(321):
            rows = batches.batch(step)
            loss, active, encodings = learn(encoder, few[rows], few_names[rows], optimizer, "all", margin, source)
            if margin == 0:
                monitor.update(loss, encodings, active)
            if step in (0, 40, 80, 160, 320):
                print(f"α = {margin}, step {step:3}: mean loss {loss:.5f}, {active:.0%} active")
        globes[f"α = {margin:g}"] = encode(encoder, few)
for warning in said:
    print(f"\n{warning.category.__name__}: {warning.message}")
typical = {name: np.sqrt(squared_distances(e).mean()) for name, e in globes.items()}
print("typical distance:", {name: f"{value:.3f}" for name, value in typical.items()})

# %% tags=["answer"]
assert typical["α = 0"] < 0.03 and typical["α = 0.2"] > 0.6
assert all(warning.category is faces.CollapseWarning for warning in said)  # it comes at 0.01, which is near here
assert right_neighbours(globes["α = 0.2"], few_names) > 0.6

# %% tags=["answer"]
fig, panels = plt.subplots(1, 3, figsize=(13, 4.9), subplot_kw={"projection": "3d"})
fig.subplots_adjust(left=0, right=1, top=0.88, bottom=0, wspace=-0.05)
longitude, latitude = np.meshgrid(np.linspace(0, 2 * np.pi, 25), np.linspace(-np.pi / 2, np.pi / 2, 13))
globe = np.stack([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)])
for ax, (name, points) in zip(panels, globes.items(), strict=True):
    ax.plot_wireframe(*(0.98 * globe), color="#dddddd", lw=0.5)
    ax.scatter(*points.T, c=plt.cm.Dark2(few_names), s=45, depthshade=False, edgecolor="white", linewidth=0.5)
    ax.set(xlim=(-0.72, 0.72), ylim=(-0.72, 0.72), zlim=(-0.72, 0.72), box_aspect=(1, 1, 1))
    ax.set_axis_off()
    ax.set_title(f"{name}\n{right_neighbours(points, few_names):.0%} of the nearest are right", fontsize=13)
fig.savefig("collapse.png", dpi=150)
plt.show()

# %% [markdown] tags=["answer"]
# Without a margin the network has found a perfect answer to the question we asked: put everybody on one point. Then all
# distances are zero, ‖A − P‖² ≤ ‖A − N‖² holds, and nobody can complain. The loss fell as it should! Look at the loss
# alone, and you will not see it; that is what the monitor's other two numbers are for.
#
# With α the point does not pay: every triplet would cost α. Such a run may come close to the point all the same, where
# its loss is nearly α, and take a while to get away: look at its step 40.

# %% [markdown]
# ## Which triplets teach?
#
# P people with K pictures each make P·K anchors, each with K − 1 positives, each with (P − 1)·K negatives:

# %%
batch_people, batch_pictures = 8, 4
sampler = faces.PeopleSampler(who, people=batch_people, pictures=batch_pictures)
some = sampler.batch(0)
every_triplet = faces.mine_triplets(encode(new_encoder(16), pictures[some]), who[some], strategy="all")
print(f"{len(some)} pictures, {len(every_triplet):,} triplets")
assert len(every_triplet) == 8 * 4 * 3 * (7 * 4)

everybody = 100 * 6 * 5 * (99 * 6)
print(f"among all {len(pictures)} pictures: {everybody:,}; with 1,000 people × 10: {1000 * 10 * 9 * 9990:,}")

# %% [markdown]
# Nobody learns from a billion triplets, so we have to choose. The simplest is to draw: for every pair of one person
# some negative, whoever comes. Train ten times through all the people, ten *epochs*. **Predict**: at first, four of
# five triplets are active. How many after ten epochs?


# %% tags=["predict"]
def train(encoder, strategy, epochs, rate, first_epoch=0, monitor=None):
    """Trains it in place; returns for every epoch the share of active triplets and strangers' right neighbours."""
    optimizer, source = optim.Adam(encoder.parameters(), learning_rate=rate), np.random.default_rng(1)
    history = []
    for epoch in range(first_epoch, first_epoch + epochs):
        shares = []
        for rows in sampler.epoch(epoch):
            loss, active, encodings = learn(encoder, pictures[rows], who[rows], optimizer, strategy, 0.2, source)
            shares.append(active)
            if monitor:
                monitor.update(loss, encodings, active)
        history.append((np.mean(shares), right_neighbours(encode(encoder, strangers), their_names)))
    return np.array(history)


untrained = new_encoder(16)
beginner = copy.deepcopy(untrained)
at_random = train(beginner, "random", 10, 0.002)
for epoch in (0, 4, 9):
    print(f"epoch {epoch + 1:2}: {at_random[epoch, 0]:.0%} of the triplets active, {at_random[epoch, 1]:.0%} right")

# %% [markdown] tags=["answer"]
# About one in five. The better it gets, the less there is to learn from chance.

# %% tags=["answer"]
assert at_random[-1, 0] < 0.25 < 0.6 < at_random[0, 0] and at_random[-1, 1] > 2 * by_pixels

# %% [markdown]
# Here is why. Each triplet of a batch has two numbers, how
# far away P is and how far N. That makes it a dot on a map, and the map has three countries:
#
# - *hard*: N is nearer than P. Wrong!
# - *semi-hard*: the order is right, but the margin is missing. FaceNet learned from these.
# - *easy*: nothing left to do, and no gradient.

# %%
crowd = np.concatenate([sampler.batch(number) for number in (0, 1)])
maps = {"before": untrained, "after ten epochs": beginner}
fig, panels = plt.subplots(1, 2, figsize=(11.5, 5.4), layout="constrained", sharex=True, sharey=True)
for ax, (name, encoder) in zip(panels, maps.items(), strict=True):
    encodings = encode(encoder, pictures[crowd])
    d = squared_distances(encodings)
    counts = {}
    for strategy in ("all", "hard", "semi-hard", "batch-hard"):
        triplets = faces.mine_triplets(encodings, who[crowd], strategy=strategy, margin=0.2)
        a, p, n = triplets.T
        counts[strategy] = len(triplets)
        if strategy == "all":
            ax.plot(d[a, p], d[a, n], ".", color=INK, ms=2, alpha=0.2, mec="none", rasterized=True)
        if strategy == "batch-hard":
            ax.plot(d[a, p], d[a, n], "o", color=RED, ms=7, mec="white", mew=0.7)
    shares = {country: counts[country] / counts["all"] for country in ("hard", "semi-hard")}
    shares["easy"] = 1 - sum(shares.values())
    print(f"{name}: " + ", ".join(f"{country} {share:.1%}" for country, share in shares.items()))
    u = np.array([0, 4])
    ax.fill_between(u, 0 * u, u, color=RED, alpha=0.16, lw=0)
    ax.fill_between(u, u, u + 0.2, color="#e0a030", alpha=0.35, lw=0)
    ax.fill_between(u, u + 0.2, 5, color=GREEN, alpha=0.16, lw=0)
    for country, place, colour in (("hard", (2.55, 0.55), RED), ("easy", (0.35, 3.2), "#5d6b33")):
        ax.text(*place, f"{country} {shares[country]:.0%}", color=colour, fontsize=14, weight="bold")
    ax.text(2.32, 2.52, f"semi-hard {shares['semi-hard']:.0%}", color="#8a5a00", rotation=45, weight="bold")
    ax.set(xlim=(0, 3.6), ylim=(0, 3.6), aspect="equal", xlabel="‖A − P‖²", title=name)
panels[0].set_ylabel("‖A − N‖²")
panels[1].plot([], [], "o", color=RED, mec="white", ms=7, label="the hardest of each anchor")
panels[1].legend(frameon=False, loc="lower right")
fig.savefig("map_of_triplets.png", dpi=150)
plt.show()
assert shares["easy"] > 0.75  # after

# %% [markdown]
# After ten epochs nearly all dots are in the green country. But look at the large ones: for each anchor its *furthest*
# positive with its *nearest* negative, in this batch. They are still where the learning is. To learn from these is
# called *batch-hard* (Hermans, Beyer and Leibe 2017).
#
# Let two copies of our beginner go on for twelve epochs: one with random triplets, one with the hardest. And let a
# third try the hardest from the very first step, without having learned anything. (It takes larger steps, only to get
# sooner to where small ones lead as well.) **Predict**: in which order will the three arrive?

# %% tags=["predict"]
with_chance, with_hardest = copy.deepcopy(beginner), copy.deepcopy(beginner)
runs = {
    "random": train(with_chance, "random", 12, 0.001, first_epoch=10),
    "batch-hard": train(with_hardest, "batch-hard", 12, 0.001, first_epoch=10),
}
hasty = copy.deepcopy(untrained)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    runs["batch-hard at once"] = train(hasty, "batch-hard", 10, 0.005, monitor=faces.CollapseMonitor(0.2, patience=10))
for name, history in runs.items():
    print(f"{name:19} active {history[0, 0]:.0%} → {history[-1, 0]:.0%}, right {history[-1, 1]:.0%}")
print(f"\n{said[0].category.__name__}: {said[0].message}")

# %% tags=["answer"]
assert runs["batch-hard"][-1, 0] > 4 * runs["random"][-1, 0]
assert runs["batch-hard"][-6:, 1].mean() > runs["random"][-6:, 1].mean() + 0.02
assert runs["batch-hard at once"][-1, 1] < at_random[-1, 1] and runs["batch-hard at once"][-1, 0] > 0.98
assert [warning.category for warning in said] == [faces.CollapseWarning]

# %% tags=["answer"]
fig, (left, right) = plt.subplots(1, 2, figsize=(13, 4.6), layout="constrained")
first, then = np.arange(1, 11), np.arange(10, 23)
styles = {"random": (BLUE, -1), "batch-hard": (RED, -1), "batch-hard at once": (GREY, 0)}
for ax, column, title in ((left, 0, "Share of triplets that are active"), (right, 1, "Strangers' nearest are right")):
    ax.plot(first, at_random[:, column], color=BLUE, lw=2.5)
    for name, (colour, start) in styles.items():
        history = runs[name][:, column]
        epochs, values = (first, history) if start == 0 else (then, np.append(at_random[-1, column], history))
        ax.plot(epochs, values, color=colour, lw=2.5, ls="--" if start == 0 else "-")
        place = (epochs[-1] + 0.3, values[-1]) if start else (5, values[-1] + (-0.06 if column == 0 else 0.035))
        ax.text(*place, name, color=colour, weight="bold", va="center")
    ax.axvline(10, color=GREY, lw=0.8, ls=":")
    ax.set(xlim=(1, 28), ylim=(0, 1.05 if column == 0 else None), xlabel="epoch")
    ax.set_title(title, loc="left")
    ax.set_xticks((1, 5, 10, 15, 20))
    ax.yaxis.set_major_formatter("{x:.0%}")
    ax.grid(alpha=0.25)
right.axhline(by_pixels, color=GREY, lw=0.8)
right.text(28, by_pixels + 0.008, "pixels", color=GREY, ha="right")
fig.savefig("mining.png", dpi=150)
plt.show()

# %% [markdown] tags=["answer"]
# Batch-hard finds something to learn in every batch, and is worth it. But the network that began with it has given up.
# All its triplets are active, a *full* share, and yet nothing is learned: the loss stands at α, which is what a triplet
# costs when its three encodings are one. Again all sit on one point. The hardest triplets of a network that knows
# nothing are noise, the picture in the worst light and the one in the best, and noise pulls everywhere at once.

# %% [markdown]
# So: first learn something easy, then the hard things. `minicnn face train` warms its network up as a classifier before
# it turns to batch-hard; FaceNet took semi-hard ones; ours began at random. And whatever you do, look at three numbers:
# the loss, the share of active triplets, and the distance between encodings.
#
# ## How many pictures is many?
#
# We have 600. The course says that commercial systems learn from 10 million pictures, or 100 million. DeepFace had 4.4
# million of 4,030 people, and FaceNet 100 to 200 million of 8 million people (these two are what the papers say of
# themselves, sections 5.1 and 5). What does that mean for two cores?
#
# Count multiplications. Each picture takes one for each weight, and training up to three: forwards, for the gradient of
# the weights, and for that of what came in. Our encoder has 37,888 weights. FaceNet's largest takes 1.6 billion
# multiplications a picture, forwards; that is its authors' figure, and three times as many in training is our guess.
#
# **Predict**: how long does one pass through 200 million pictures take on your machine? With our small encoder, and
# with FaceNet's, if all of it ran as fast as the largest product of two matrices that you can think of?

# %% tags=["predict"]
some_encoder = new_encoder(16)
start = time.perf_counter()
train(some_encoder, "random", 1, 0.001)
ours = len(pictures) / (time.perf_counter() - start)  # pictures a second
square = random.normal(0, 1, (1024, 1024)).astype(np.float32)
fastest = np.inf
for _ in range(3):
    start = time.perf_counter()
    square @ square
    fastest = min(fastest, time.perf_counter() - start)
speed = 1024**3 / fastest  # multiplications a second
small, large = 2 * 576 * 64 + 3 * 64 * 16, 3 * 1_600_000_000
print(f"a picture in training: {small:,} multiplications with our encoder, {large:,} with FaceNet's")
print(f"here: {ours:,.0f} pictures a second with ours; {speed:.1e} multiplications a second in a large product")
for whose, count in (
    ("this lesson's", 600),
    ("DeepFace's", 4_400_000),
    ("the course's, from", 10_000_000),
    ("the course's, to", 100_000_000),
    ("FaceNet's", 200_000_000),
):
    print(
        f"{whose:18} {count:11,} pictures, once: {count / ours / 3600:6.2f} hours with ours, "
        f"{count * large / speed / 3600:9,.2f} with FaceNet's"
    )

# %% tags=["answer"]
assert small == 76_800 and large == 62_500 * small and 200_000_000 * large == 960_000_000_000_000_000

# %% [markdown] tags=["answer"]
# The toy sees them all in some hours. FaceNet's encoder takes 62,500 times the multiplications, 10¹⁸ in all: months or
# years for *one* pass. (FaceNet was trained for 1,000 to 2,000 hours on a cluster of CPUs, section 3.3. DeepFace's 15
# passes took three days on GPUs, section 5.2.)
#
# Is so much needed? FaceNet's Table 6 has an answer, for a smaller network after 700 hours. At a FAR of 0.001 it passes
# 76% of the pairs of one person with 2.6 million pictures, 85% with 26 million, and 86% with 260 million. Ten times as
# many brought nine points, the next ten times one. So who has two cores fetches an encoder that others have trained,
# and at most trains its last layers. (`minicnn weights list` names some, by OpenFace, by facenet, and a DeepFace.)

# %% [markdown]
# ## What you have now
#
# - A triplet says: nearer to this one than to that one, by α. Its gradients are 2(N − P), 2(P − A), 2(A − N).
# - The triplet loss is a hinge, as an SVM's is. Its active triplets decide, as support vectors do; but α is chosen, and
#   an SVM's margin is sought.
# - Without α one point for all is a perfect answer. With it, training can still get stuck there, at a loss of α.
# - Most triplets are easy soon and have no gradient. Mining finds the others, in each batch, by distance.
# - A network is judged by people it never met.
# - A hundred million pictures are nothing for two cores. Take trained weights.
#
# **Try it**
#
# 1. Leave out `nn.L2Normalize()` and print the typical length of an encoding while it trains. What does α mean then?
# 2. Train with "semi-hard" and with "batch-all" for 22 epochs from the start. Which is better after 5, which after 22?
# 3. Take plain distances, `squared=False`, in `mine_triplets` and `batch_triplet_loss`. Does it collapse at once, too?
#    Compare the gradients of ‖x‖² and ‖x‖ near zero. What did Hermans, Beyer and Leibe have in mind?
# 4. `margin="soft"` replaces max(x + α, 0) with ln(1 + eˣ). What loss does a collapsed network show then?
# 5. Write the mean loss over *all* triplets of a batch with one matrix of distances, broadcasting, and no loop. Compare
#    with `faces.batch_triplet_loss(…, reduction="mean")`. How much memory would a batch of 1,000 take?
# 6. Make the people more alike (narrow the ranges in `doodles.TRAITS`). Where
#    does `right_neighbours` fall to that of pixels?
# 7. Set a breakpoint in `learn`, and look at the encodings of the batch and at the triplets that "batch-hard" takes of
#    it.
# 8. From memory: `minicnn learn start triplet_loss`, with the course's numbers, and `minicnn learn start batch_hard`.
#
# **Where to look in the source**
#
# - `minicnn/faces/losses.py`: the loss with its gradient; the one of a whole batch copies no encoding.
# - `minicnn/faces/mining.py` and `minicnn/kernels/triplet.py`: the strategies, readable. `minicnn/fast/cpu/triplet.py`:
#   compiled.
# - `minicnn/faces/collapse.py`: how it is noticed. `minicnn/faces/training.py`: the real thing.
#
# Next: `07_pairs.py`. Or `14_transfer_learning.py`: what can be borrowed from who had a hundred million pictures.
