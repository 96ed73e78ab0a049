# %% [markdown]
# # If your notes say something else
#
# You compare your notes with a slide, the slide with the exercise, the exercise with a blog, and no two agree. A
# constant is missing, a prime is lost, a σ has moved, DeepFace did what FaceNet did. Who is right? Mostly all of them,
# for it does not matter. Some slips are misprints, a few sentences are wrong, and then it matters a lot. This page
# computes every variant on the course's own inputs, next to ours.
#
# It belongs to deeplearning.ai's fourth course, week 4. It begins with a table from the course's letters to our names.
# Then come the differences that are worth a closer look, one section each. [The ledger](#The-ledger) at the end lists
# every claim of five readers' notes, lecture by lecture, each with its verdict.
#
# | The course | Means | Here |
# |---|---|---|
# | C, S, G | content, style and generated picture | arguments `content`, `style`, `generated` |
# | `a^[l](C)` | features of C at layer l | `network.features(C, ["block4_conv2"])["block4_conv2"]` |
# | n_H, n_W, n_C | height, width, channels of features | the shape (N, H, W, C) of a Tensor; N pictures |
# | f^[l], p^[l], s^[l] | filter, padding, stride | `w`, `padding=`, `stride=` of `minicnn.ops.conv` |
# | W^[l], b^[l] | filters and biases | `w` (f, f, C_in, C_out) and `b` of `minicnn.nn.Conv2d` |
# | z^[l], a^[l] | before and after the activation | features `block1_conv1.linear` and `block1_conv1` |
# | J_content(C, G) | content cost | `minicnn.style.content_cost` |
# | G^[l]_kk′ | Gram matrix, channels by channels | `minicnn.style.gram_matrix` |
# | J_style^[l](S, G) | style cost of one layer | `minicnn.style.layer_style_cost` |
# | J_style, λ^[l] | style cost of all, weight of a layer | `minicnn.style.style_cost(…, layers={name: λ})` |
# | J(G), α, β | total cost and its weights | `minicnn.style.total_cost(…, alpha=10, beta=40)` |
# | f(x^(i)) | encoding of a picture | `encoder(x)`, say of `minicnn.models.tiny_facenet` |
# | d(img1, img2) | how different two faces are | `minicnn.faces.distance`, ‖f − g‖², the square |
# | τ | the most that passes as one person | `threshold=` of `minicnn.faces.Gallery`: same means d ≤ τ |
# | A, P, N, and α again | anchor, positive, negative; the margin | `minicnn.faces.triplet_loss(…, margin=0.2)` |
# | ŷ, w_k, b | "the same person", weights of the features | `minicnn.faces.PairHead` |
#
# G is a picture in one formula and a matrix in the next, α a weight in one lecture and a margin in another, and C is
# content, or channels. Ask of a letter which lecture it stands in.

# %%
import inspect
import textwrap
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np

import minicnn
from minicnn import InputError, Tensor, faces, lessons, models, nn, no_grad, ops, style, visualize, zoo
from minicnn.datasets import replays
from minicnn.datasets.synthetic_faces import Population
from minicnn.faces.evaluation import area_under_roc
from minicnn.faces.heads import chi_square
from minicnn.learn.tensorflow_random import course_draws, tensorflow_normal
from minicnn.lessons import LECTURES
from minicnn.models import deep_face
from minicnn.visualize import plots

minicnn.use_backend("numpy")
INK, BLUE, RED, SAND, GREY = "#222222", "#2f6690", "#c8553d", "#e0a030", "#777777"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})


def normal(shape, operation_seed, mean, deviation, skip=0):
    """What tf.random.normal draws where its seed is 1."""
    return tensorflow_normal(shape, 1, operation_seed, skip) * np.float32(deviation) + np.float32(mean)


C, G = course_draws((1, 4, 4, 3), 2)  # features, as the course drew them
S = C  # its exercise on style takes the same two
DRAWS = [(6, 0.1), (1, 1), (3, 4)]
A, P, N = (normal((3, 128), 1, mean, deviation, k * 3 * 128 * 256) for k, (mean, deviation) in enumerate(DRAWS))
_, H, W, channels = G.shape


def compare(what, variant, ours):
    """Print both, and return their ratio."""
    print(f"{what:<32} {float(variant):>12.7g}   ours {float(ours):>9.7g}   ratio {variant / ours:.7g}")
    return variant / ours


# %% [markdown]
# ## The constant in front
#
# The slide on the content cost has ½, as Gatys, Ecker and Bethge have. The exercise divides by 4 · n_H · n_W · n_C, and
# so do we. The style cost is divided by (2 · n_H · n_W · n_C)² in both, also where it is written 4 · n_C² · (n_H ·
# n_W)²; some notes have "1/C" there, a constant that nobody says more of. Take it for one over the channels, then.
#
# Do these change the picture that comes out?

# %% tags=["predict"]
squares = np.square(C - G).sum()
content = compare("content: ½", squares / 2, style.content_cost(C, G).item())
assert np.isclose(squares / 2, 677.460, rtol=1e-5) and np.isclose(style.content_cost(C, G).item(), 7.056877, rtol=1e-6)
assert np.isclose(content, 2 * H * W * channels)


def gram(features):
    """(1, H, W, C) -> (C, C), as on the slide: G_kk′ = Σ_ij a_ijk · a_ijk′."""
    return np.einsum("nijk,nijl->kl", features, features)


both = np.square(gram(S) - gram(G)).sum()
layer = style.layer_style_cost(S, G).item()
assert np.isclose(both / (2 * H * W * channels) ** 2, layer) and np.isclose(layer, 14.017808, rtol=1e-6)
per_channel = compare("style: 1/C", both / channels, layer)

# %% tags=["answer"]
assert np.isclose(per_channel, 4 * channels * (H * W) ** 2)

# %% [markdown] tags=["answer"]
# No, if the weights go with them. A factor that is the same for every picture moves no minimum; it is a part of α or β.
# Whoever writes ½ must divide α by 96 here to get our picture, and by two million at a layer of VGG with 128 × 128 × 64
# features. So ½ and 1/(4 · n_H · n_W · n_C) are both right, α = 10 is not the same in both, and a weight without its
# constant means nothing. (`minicnn.style` has them all: `content_cost(…, form="gatys")`.)

# %% [markdown]
# ## Sum or mean
#
# The triplet loss of the slide and of the exercise is a sum over the triplets. Most programs take the mean, so that the
# learning rate does not depend on the size of the batch.

# %%
loss = faces.triplet_loss(A, P, N).item()
mean = faces.triplet_loss(A, P, N, reduction="mean").item()
assert np.isclose(loss, 527.2598, rtol=1e-6) and np.isclose(mean, 175.753, rtol=1e-5)
assert np.isclose(compare("triplets: mean", mean, loss), 1 / len(A))

# %% [markdown]
# With a batch of 1,000 it is a factor of 1,000, and plain gradient descent takes steps as much shorter. Adam divides by
# the size of the gradient and hardly notices.
#
# ## The prime that got lost
#
# One version of the style slide writes the Gram matrix of S with a_ijk · a_ijk′ and that of G with a_ijk · a_ijk. Is it
# another constant?

# %% tags=["predict"]
without_prime = np.broadcast_to(np.diag(gram(G))[:, None], (channels, channels))  # no k′ is left: every column alike
print(np.round(without_prime, 1))
lost = np.square(gram(S) - without_prime).sum() / (2 * H * W * channels) ** 2
compare("style: k′ lost in the Gram of G", lost, layer)
same = np.square(gram(S) - np.broadcast_to(np.diag(gram(S))[:, None], gram(S).shape)).sum()
print(f"and for G = S, where it should be 0: {same / (2 * H * W * channels) ** 2:.4f}")

# %% tags=["answer"]
assert same > 1 and style.layer_style_cost(S, S).item() == 0

# %% [markdown] tags=["answer"]
# It is a misprint. Without k′ all columns are alike, and which channels fire *together* is forgotten. The cost is not
# even zero for the style itself, so no picture can ever have that style. Test a formula where you know the answer.

# %% [markdown]
# ## The sigmoid, inside or outside
#
# The head that compares two encodings is a logistic regression on |f_k − g_k|:
#
# $$\hat y = \sigma \left( \sum_k w_k \, |f(x^{(i)})_k - f(x^{(j)})_k| + b \right)$$
#
# Notes have been seen with the σ inside: ŷ = Σ_k w_k · σ(|f_k − g_k|) + b. Both give a number. Why can the second not
# be what is meant?

# %% tags=["predict"]
f, g = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (A, P))
w, b = np.full(128, -2.0), 5.0


def sigma(x):
    return 1 / (1 + np.exp(-x))


outside = sigma(np.abs(f - g) @ w + b)
inside = sigma(np.abs(f - g)) @ w + b
print("outside:", np.round(outside, 4), "  inside:", np.round(inside, 2))
assert ((outside > 0) & (outside < 1)).all() and (np.abs(inside) > 1).all()
head = faces.PairHead("l1")
head.w, head.b = Tensor(w), Tensor(b)

# %% tags=["answer"]
assert np.allclose(ops.sigmoid(head(f, g)).data, outside)  # the head leaves the σ to its loss

# %% [markdown] tags=["answer"]
# ŷ shall be a probability, and only what leaves a σ lies between 0 and 1. Inside, the σ squeezes |f_k − g_k|, which is
# never negative, to between ½ and 1: even equal features count ½ each, and b has to make up for half of the sum of all
# weights. A misprint.

# %% [markdown]
# ## The rate that is missing
#
# G := G − dG, says the slide, without a learning rate. Is one of 1 meant?

# %% tags=["predict"]
start = Tensor(G.astype(np.float64), requires_grad=True)
style.content_cost(C.astype(np.float64), start).backward()
left_by_rate = {}
for rate in (1, 2 * H * W * channels):
    moved = start.data - rate * start.grad
    left = style.content_cost(C.astype(np.float64), moved).item() / style.content_cost(C, G).item()
    print(f"content, one step at rate {rate:>2}: {left:8.4%} of the cost is left")
    assert rate == 1 or left < 1e-9
    left_by_rate[rate] = left
start.grad = None
style.layer_style_cost(S.astype(np.float64), start).backward()
for rate in (0.1, 1, 10):
    moved = start.data - rate * start.grad
    left = style.layer_style_cost(S.astype(np.float64), moved).item() / layer
    print(f"style,   one step at rate {rate:>3}: {left:8.2%} of the cost is left")

# %% [markdown] tags=["answer"]
# A rate has a unit: it undoes the constant in front of the cost. With the slide's ½ a rate of 1 is perfect for content,
# in one step, if features are what you change. With the exercise's constant it takes 96. For style there is no such
# number, and for pixels, behind a network, none at all. So a rate is missing there; the exercise lets Adam choose the
# steps.

# %% [markdown]
# ## The threshold, on d or on its root
#
# "Same if d ≤ τ", says one slide, "open if dist < 0.7" the exercise. They differ at one point only, where it cannot
# matter to anybody; we say d ≤ τ everywhere. The other difference is not so small: in the lecture d is the *square*, ‖f
# − g‖², as in FaceNet; the exercise takes the norm, its root.

# %%
print("   d    root   one person, if d ≤ 0.7   if root < 0.7")
answers = {}
for degrees in (30, 43, 60):  # between two encodings of length 1
    f, g = np.array([[1.0, 0.0]]), np.array([[np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]])
    d, root = faces.distance(f, g).item(), np.linalg.norm(f - g)
    assert np.isclose(d, root**2)
    answers[degrees] = bool(d <= 0.7), bool(root < 0.7)
    print(f"{d:6.3f} {root:6.3f}   {answers[degrees][0]!s:<24} {answers[degrees][1]}")
assert answers == {30: (True, True), 43: (True, False), 60: (False, False)}

# %% [markdown]
# On the root 0.7 is strict: it is 0.49 on the square. Whoever takes the exercise's 0.7 for d lets people pass that the
# exercise keeps out. And neither is yours: a threshold belongs to one encoder and to pictures like those it was
# measured on (`minicnn face calibrate`).
#
# ## Digits that no float32 gives
#
# The notebook prints 63.193256 in the Gram matrix and 14.01649 for the style cost; float32 gives 63.1888 and 14.017808.
# The notebook was run on a card that rounds what goes into a matrix product to 10 bits, TF32 (lesson 3 takes it apart).


# %%
def ten_bits(values):
    """As TF32 sees them."""
    mantissa, exponent = np.frexp(values.astype(np.float64))
    return np.ldexp(np.round(mantissa * 2**11) / 2**11, exponent)


drawn = course_draws((3, 2), 1)[0]
rounded = (ten_bits(drawn) @ ten_bits(drawn).T)[0, 0]
compare("Gram [0, 0] in TF32", rounded, (drawn @ drawn.T)[0, 0])
in_tf32 = style.layer_style_cost(ten_bits(S), ten_bits(G)).item()
compare("style in TF32", in_tf32, layer)
assert f"{rounded:.6f}" == "63.193256" and f"{in_tf32:.5f}" == "14.01649"

# %% [markdown]
# Older notebooks, of TensorFlow 1, print other numbers again. Their formulas are the same; their random inputs are not,
# because operations were numbered otherwise.

# %%
old_C, old_G = (normal((1, 4, 4, 3), operation, 1, 4) for operation in (3, 9))
old_A, old_P, old_N = (normal((3, 128), 1, mean, deviation) for mean, deviation in DRAWS)
old_drawn = normal((3, 2), 3, 1, 4)
then = {
    "content": (style.content_cost(old_C, old_G).item(), 6.76559),
    "style": (style.layer_style_cost(old_C, old_G).item(), 9.19028),
    "triplets": (faces.triplet_loss(old_A, old_P, old_N).item(), 528.143),
    "Gram [0, 0]": ((old_drawn @ old_drawn.T)[0, 0], 6.42230511),
}
for name, (here, printed) in then.items():
    print(f"{name:<12} {here:.7g}, and TensorFlow 1 printed {printed}")
    assert np.isclose(here, printed, rtol=2e-6)

# %% [markdown]
# ## Where the session has gone
#
# Those notebooks also begin with `tf.reset_default_graph()` and `sess = tf.InteractiveSession()`. TensorFlow 1 first
# drew a graph of everything and computed later, when a session asked for it; a graph from the cell above was still
# there, and had to be reset. Here an operation runs when you call it and notes how to go back. `backward` walks back
# and lets go. There is one graph for each cost, it lasts until `backward`, and nothing is left that could be reset.

# %%
x = Tensor([3.0], requires_grad=True)
y = ops.square(x)
print(y)  # the number is there already
y.sum().backward()
print(x.grad)
again = y.sum()
try:
    again.backward()
    raise AssertionError("it went back twice")
except InputError as problem:
    print(problem)

# %% [markdown]
# ## Braces that became fraction bars
#
# The slide writes ‖f(A) − f(P)‖² with a *brace* under it, and under the brace "d(A, P)": this is what we call d. Copied
# out, the brace became a fraction bar:
#
# $$\frac{\lVert f(A) - f(P) \rVert^2}{d(A, P)} + \alpha \le \frac{\lVert f(A) - f(N) \rVert^2}{d(A, N)}$$
#
# Twice more it happened. Where f = 0 is tried, a brace says that the norm is then 0, and the copy divides by it. And
# next to "choose triplets that are hard", d(A, P) ≈ d(A, N) became (d(A, P) + α) / d(A, P) ≤ d(A, N) / d(A, N).
#
# **Predict**: take a thousand random triplets, and the course's three. Which of them satisfy the fractions?

# %% tags=["predict"]
ALPHA = 0.2
random = np.random.default_rng(0)
triplets_of_noise = random.normal(0, 0.3, (3, 1000, 8))
for who, (a, p, n) in (("the course's 3", (A, P, N)), ("1,000 at random", triplets_of_noise)):
    near, far = faces.distance(a, p), faces.distance(a, n)
    meant = near + ALPHA <= far
    as_fractions = near / near + ALPHA <= far / far
    hard = (near + ALPHA) / near <= far / far
    print(f"{who:<16} as meant {meant.mean():4.0%}, as fractions {as_fractions.mean():.0%} and {hard.mean():.0%}")
with np.errstate(invalid="ignore"):
    divided = np.float64(0) / 0
print("and ‖0 − 0‖² / 0 is", divided)

# %% tags=["answer"]
assert 0.1 < meant.mean() < 0.9 and not as_fractions.any() and not hard.any() and np.isnan(divided)
brackets = near - far + ALPHA  # what stands in the loss, before the maximum
assert (brackets < 0).any() and (brackets > 0).any()

# %% [markdown] tags=["answer"]
# None, ever. Each fraction is a number divided by itself, so the first says 1 + α ≤ 1 and the last 1 + α/d ≤ 1, and no
# network could help. Another brace, under the bracket of the loss, says "≥ 0" in the copy. That is not a law either: it
# is the case in which the triplet counts. Where the bracket is negative, the maximum makes it 0.

# %% [markdown]
# ## Edges to objects, and not coarse to fine
#
# The lecture goes from edges to dogs. One set of notes says that layers see coarser things first and finer details
# further up. Both sound plausible, and they are opposites. Two questions decide, and both can be asked of networks at
# hand. How much of a picture *can* a unit see? And what do the pictures that it likes best have in common?
#
# The first is arithmetic (lesson 11). For the second we draw fourteen people, nine pictures each, and look for the nine
# patches that excite each unit of `tiny_facenet` most. A unit that asks for an edge finds it in anybody. One that asks
# for a head of a certain kind should find the same person again and again.
#
# **Predict**: from block 1 to block 4, how many of the nine patches are of one person? By luck it is about two.

# %% tags=["predict"]
encoder = models.tiny_facenet()
PEOPLE, EACH = 14, 9
album = Population(seed=0, size=64).pictures(range(1000, 1000 + PEOPLE), EACH, threads=2)
people, number = album.people - 1000, np.arange(len(album.images)) % EACH
portraits = album.images.astype(np.float32) / 255

LAYERS = [
    "block1_conv1",
    "block2_conv1",
    "block2_conv2",
    "block3_conv1",
    "block3_conv2",
    "block4_conv1",
    "block4_conv2",
]
best = visualize.top_patches(encoder, LAYERS, portraits, progress=False)


def most_of_one(labels):
    """labels (U, 9) of nine patches: how many of them are of the same person, (U,)."""
    return np.array([np.bincount(row).max() for row in labels])


fields, grids, of_one = {}, {}, {}
for stage in LAYERS:
    fields[stage] = best[stage].fields.size[0]
    grids[stage] = len(best[stage].fields.rows)
    of_one[stage] = most_of_one(people[best[stage].numbers])
    print(
        f"{stage:13} sees {fields[stage]:2} of 64 pixels a side, at {grids[stage]:2}×{grids[stage]:<2} places; "
        f"{of_one[stage].mean():.1f} of nine patches are of one person"
    )
by_luck = most_of_one(np.array([random.permutation(people)[:9] for _ in range(2000)])).mean()
print(f"nine pictures at random: {by_luck:.1f}\n")

for name, network in (("tiny_vgg", models.tiny_vgg()), ("VGG-19", models.vgg19())):
    convolutions = [stage for stage in network.layer_names if "_conv" in stage]
    seen = [visualize.fields_of(network, stage, (600, 600)).size[0] for stage in convolutions]
    assert seen == sorted(set(seen))  # every layer sees more than the one before
    first = {stage[:6]: field for stage, field in reversed([*zip(convolutions, seen, strict=True)])}
    print(f"{name} sees {seen[0]} to {seen[-1]} pixels a side; the first layers of its blocks {sorted(first.values())}")

# %% tags=["answer"]
per_layer = [of_one[stage].mean() for stage in LAYERS]
assert per_layer == sorted(per_layer) and per_layer[0] < by_luck + 0.5 and per_layer[-1] > per_layer[0] + 1.2
assert [*fields.values()] == sorted(fields.values()) and [*grids.values()] == sorted(grids.values(), reverse=True)
assert seen[-1] == 252 and seen[0] == 3  # of VGG-19, whose pictures have 224

shown = [stage for stage in LAYERS if stage in ("block1_conv1", "block2_conv2", "block3_conv2", "block4_conv2")]
fig = plt.figure(figsize=(13, 3.7), layout="constrained")
panels = fig.subplot_mosaic([[*shown, "curve"]], width_ratios=(1, 1, 1, 1, 1.45))
for stage in shown:
    unit = int(np.argmax(of_one[stage] + 1e-3 * best[stage].values.max(axis=1)))
    panels[stage].imshow(plots.nine(best[stage].of([unit]).crops[0]), interpolation="nearest")
    panels[stage].set_title(f"{stage}\n{fields[stage]}×{fields[stage]} pixels", fontsize=11)
    panels[stage].set_xlabel(f"unit {unit}: {of_one[stage][unit]} of one person", fontsize=10)
    panels[stage].set(xticks=[], yticks=[])
    panels[stage].spines[:].set_visible(False)
curve = panels["curve"]
curve.plot([*fields.values()], per_layer, "o-", color=BLUE, lw=2.5, ms=7)
curve.axhline(by_luck, color=GREY, ls="--", lw=1)
curve.text(62, by_luck - 0.02, "nine at random", color=GREY, ha="right", va="top")
curve.text(5, per_layer[0] + 0.02, "block 1", color=BLUE, weight="bold", va="center")
curve.text(60, per_layer[-1] + 0.12, "block 4", color=BLUE, weight="bold", ha="right")
curve.set(xlabel="pixels a side that a unit sees", ylabel="of one person, of nine", ylim=(1.8, 4.8))
curve.set_title("The more a unit sees,\nthe more it means somebody", loc="left")
curve.grid(alpha=0.25)
fig.savefig("edges_to_people.png", dpi=150)
plt.show()

# %% [markdown] tags=["answer"]
# Edges to objects. A unit of block 1 has three pixels to judge by: it cannot see anything coarse. Further up, each unit
# sees more of the picture and means something rarer. Nothing that it sees becomes *finer*: pools throw small things
# away, and the grid of places gets coarser by half with every block. What gets finer is the distinction, from "dark to
# the left" to "this kind of head". Perhaps that was meant. Lesson 11 counts the classes for a network of photographs.

# %% [markdown]
# ## Pooled once or five times
#
# DeepFace pools once, behind its first convolution, for more would lose where small things are. One set of notes asks
# the right question: ResNet and YOLO make their maps much smaller than that, so is the argument wrong?
#
# Measure it as lesson 9 does: fix the features of one convolution, pool them again and again, and let a linear map say
# where the left eye is. Then count how far real networks go. Ours say so themselves. Of ResNet-50, YOLO and YOLOv3 the
# papers say at which layers a step is taken.
#
# **Predict**: which of these networks pools most often: VGG-19, ResNet-50 or DeepFace?


# %% tags=["predict"]
def regress(features, targets, new_features):
    """What a linear map, found on features (N, …) and targets (N, 2) by ridge regression, says of new features."""
    a, b = (f.reshape(len(f), -1) for f in (features, new_features))
    a, b = a - a.mean(axis=0), b - a.mean(axis=0)
    products = (a @ a.T).astype(float)
    ridge = 0.1 * np.trace(products) / len(a) * np.eye(len(a))
    return (b @ a.T) @ np.linalg.solve(products + ridge, targets - targets.mean(axis=0)) + targets.mean(axis=0)


learn, new = people < 11, people >= 11  # other people to test with
eyes = album.landmarks[:, 0]
always_the_same = np.linalg.norm(eyes[new] - eyes[learn].mean(axis=0), axis=1).mean()
pixels_off = []
with no_grad():
    maps = Tensor(encoder.features(portraits, ["block1_conv1"])["block1_conv1"].data[..., ::2])
    for _ in range(5):
        found = regress(maps.data[learn], eyes[learn], maps.data[new])
        pixels_off.append(np.linalg.norm(found - eyes[new], axis=1).mean())
        maps = ops.max_pool(maps, 2)
print(f"the eye, after 0 to 4 poolings: {np.round(pixels_off, 2)} pixels off; one place for all: {always_the_same:.2f}")


def step_of(network, stage, side):
    """Pixels from one place of a layer to the next, from its receptive fields."""
    first_rows = visualize.fields_of(network, stage, (side, side)).rows[:, 0]
    middle = len(first_rows) // 2
    return first_rows[middle + 1] - first_rows[middle]


HALVINGS = {  # "p" a pool that halves, "c" a convolution that does, in their order
    "DeepFace 2014": "pc",
    "VGG-19 2014": "ppppp",
    "ResNet-50 2015": "cpccc",  # He, Zhang, Ren & Sun, table 1
    "YOLO 2016": "cppppc",  # Redmon, Divvala, Girshick & Farhadi, figure 3
    "YOLOv3 2018": "ccccc",  # Redmon & Farhadi, table 1
}
built = {"DeepFace 2014": (deep_face.build(initial="zeros"), "L6", 152), "VGG-19 2014": (network, "block5_pool", 512)}
print(f"\n{'network':<16} pools  steps in all")
for name, halvings in HALVINGS.items():
    print(f"{name:<16} {halvings.count('p'):>5} {2 ** len(halvings):>6}")
    if name in built:
        assert step_of(*built[name]) == 2 ** len(halvings)
for name, build, stage, side in (
    ("FaceNet's heir, Inception-ResNet-v1", models.inception_resnet_v1, "Block8_6", 160),
    ("OpenFace's nn4.small2", models.nn4_small2, "inception_5b", 96),
):
    places = len(visualize.fields_of(build(), stage, (side, side)).rows)
    print(f"{name}: {side}×{side} pixels become {places}×{places} places")
    assert places == 3

# %% tags=["answer"]
assert pixels_off[1] < 1.05 * pixels_off[0]  # the first costs nothing
assert pixels_off[4] > 1.12 * pixels_off[1] and pixels_off[4] > pixels_off[3] > pixels_off[2]
assert 448 / 2 ** len(HALVINGS["YOLO 2016"]) == 7 and 224 / 2 ** len(HALVINGS["ResNet-50 2015"]) == 7

fig, (left, right) = plt.subplots(1, 2, figsize=(12.5, 4.2), layout="constrained")
left.plot(range(5), pixels_off, "o-", color=BLUE, lw=2.5, ms=8)
left.axhline(always_the_same, color=GREY, ls="--", lw=1)
left.text(0, always_the_same - 0.02, "one place for all faces", color=GREY, va="top")
left.annotate("DeepFace", (1, pixels_off[1]), (1, pixels_off[1] - 0.16), color=RED, weight="bold", ha="center")
left.set(xlabel="max poolings of one layer's features", ylabel="pixels off", xticks=range(5), ylim=(1.2, 2.35))
left.set_title("Where is the eye? The first pooling is free", loc="left")
left.grid(alpha=0.25)
for row, halvings in enumerate(HALVINGS.values()):
    for place, kind in enumerate(halvings):
        right.barh(row, 0.92, left=place + 0.04, height=0.62, color=RED if kind == "p" else "#9fb8cf")
    right.text(len(halvings) + 0.15, row, f"1/{2 ** len(halvings)}", va="center", weight="bold")
right.set_yticks(range(len(HALVINGS)), HALVINGS)
right.set(xlabel="times that a map is halved", xlim=(0, 7), xticks=range(7))
right.invert_yaxis()
right.spines["left"].set_visible(False)
right.tick_params(left=False)
right.set_title("Halved by a pool, or by a convolution's step", loc="left")
right.text(5.6, -0.1, "pool", color=RED, weight="bold")
right.text(5.6, 0.35, "convolution", color="#6f93b5", weight="bold")
fig.savefig("pooled_once.png", dpi=150)
plt.show()

# %% [markdown] tags=["answer"]
# Both are right, and ResNet is a surprise: it has *one* max pool, early, as DeepFace has. (A mean over all places comes
# at the very end.) It makes its maps smaller by convolutions with steps, and YOLOv3 has no pool at all.
#
# What DeepFace's argument is about is measured on the left, and it holds: what lies open in the features of one layer
# is lost by the third and fourth pooling. But a network that is *trained* through its steps may move the place into the
# values (lesson 12 reads it from them), has more channels after every step to do so, and asks for less: ResNet wants to
# know what there is. YOLO also says where, by four numbers for each cell, and YOLOv3 adds finer grids for small things.
# And the networks of faces that came after DeepFace go down to 3×3 places, with shared filters, and recognise faces
# better, by what their authors report. So pooling once was right for *that* network, with filters of its own for each
# place of an aligned face, and is no law.

# %% [markdown]
# ## Who was first
#
# "Introduced by" is the easiest thing to get wrong in notes, and in lectures: the paper that made an idea famous gets
# it. Nothing here can be computed, so the sources have to do.
#
# - **Siamese networks** are credited to DeepFace (2014) or FaceNet (2015). Bromley, Guyon, LeCun, Säckinger and Shah
#   had them in 1993: "Signature verification using a Siamese time delay neural network". Chopra, Hadsell and LeCun
#   brought them to faces in 2005.
# - **Triplets with a margin** are credited to FaceNet. Schultz and Joachims learned from relative comparisons in 2003,
#   and FaceNet itself names Weinberger, Blitzer and Saul (2005), *large margin nearest neighbours*.
# - **χ² between features of faces** is credited to DeepFace. Ahonen, Hadid and Pietikäinen compared histograms by it in
#   2004.
# - **Gram matrices of a network's features** are credited to "A neural algorithm of artistic style" (August 2015). The
#   same three had made textures from them in May. Statistics of filters' responses are older: Portilla and Simoncelli
#   2000.
# - **The deconvnet** of Zeiler and Fergus (2014) is that of Zeiler, Taylor and Fergus (2011), which was there to learn.
#
# The signatures of 1993 came from a pen on a tablet, so they were signals, and "time delay" is what convolution in one
# dimension was called then (lesson 15). Two networks with the same weights looked at two signatures, and the angle
# between what they said was compared.
#
# DeepFace itself was *trained as a classifier*: 4,030 people, a softmax over them, on top of a layer of 4,096 numbers
# (section 3 of the paper). The softmax is dropped, the 4,096 numbers are the encoding. No triplets took part. A Siamese
# training of the finished network comes later in the paper, as one of three ways to compare encodings (section 4). It
# is an addition. FaceNet, a year later, dropped the classifier and trained by triplets alone.

# %% [markdown]
# ## How to tell a convention from a misprint
#
# On one input every variant has some ratio to ours, and nothing is told by it. So draw a hundred inputs, and look at
# the ratio on each.


# %%
def k_lost(style_features, generated):
    """The style cost with the misprint."""
    mine = np.broadcast_to(np.diag(gram(generated))[:, None], (channels, channels))
    return np.square(gram(style_features) - mine).sum() / (2 * H * W * channels) ** 2


random = np.random.default_rng(0)
many = {name: [] for name in ("content: ½", "style: 1/C", "triplets: mean", "style: k′ lost")}
for _ in range(100):
    one, other = random.normal(1, 4, (2, 1, 4, 4, 3))
    three = random.normal(0, 0.02, (3, 3, 128))  # near each other, so that all are active
    many["content: ½"].append(np.square(one - other).sum() / 2 / style.content_cost(one, other).item())
    ours = style.layer_style_cost(one, other).item()
    many["style: 1/C"].append(np.square(gram(one) - gram(other)).sum() / channels / ours)
    many["style: k′ lost"].append(k_lost(one, other) / ours)
    means, sums = (faces.triplet_loss(*three, reduction=how).item() for how in ("mean", "sum"))
    many["triplets: mean"].append(means / sums)
spread = {name: max(values) / min(values) for name, values in many.items()}
assert spread.pop("style: k′ lost") > 3 and all(np.isclose(value, 1) for value in spread.values())

fig, ax = plt.subplots(figsize=(9, 3.2), layout="constrained")
for i, (name, values) in enumerate(many.items()):
    colour = RED if "lost" in name else BLUE
    ax.plot(values, np.full(100, i), "|", color=colour, ms=22, alpha=0.6)
    label = f"{min(values):.3g} … {max(values):.3g}" if colour == RED else f"{values[0]:.4g}"
    x, ha = (min(values) / 1.3, "right") if max(values) < 1 else (max(values) * 1.3, "left")
    ax.text(x, i, label, color=colour, va="center", ha=ha)
ax.axvline(1, color=GREY, lw=1)
ax.set(xscale="log", yticks=range(len(many)), yticklabels=many, xlabel="ratio to ours, on a hundred random inputs")
ax.text(1, -0.5, " ours", color=GREY)
ax.set(xlim=(0.05, 5e4), ylim=(-0.6, len(many) - 0.4))
ax.set_title("A convention has one ratio. A misprint has many", loc="left")
fig.savefig("notes_that_differ.png", dpi=150)
plt.show()

# %% [markdown]
# So you can judge the next one by yourself: compute both, on two inputs. One ratio, and it is a convention. Two, and it
# is a mistake, yours or theirs.
#
# ## The ledger
#
# Five sets of notes were read for it, all of each. They are called a to e here. a and b follow the lectures one by one,
# b mostly in screenshots. c is the slides and pages of the exercise, copied out. d is a page of remarks. e is about
# faces only, DeepFace above all. x is the exercise itself, with the numbers that its notebook prints. What they claim
# is said in our words, and what several of them claim stands here once.
#
# | Verdict | Means |
# |---|---|
# | same | as in the lecture, and as here; the numbers agree |
# | convention | another constant, name or habit, right if it is kept up throughout |
# | misprint | not what its author meant, and what was meant is clear |
# | wrong | meant, and not so |
#
# What can be computed is computed while the table is made: a row whose claim and verdict do not hold stops this page.
# The other rows name their source. Each row also names the lesson that covers it.

# %%
SAME, CONVENTION, MISPRINT, WRONG = VERDICTS = ("same", "convention", "misprint", "wrong")


class Row(NamedTuple):
    """A claim, in our words. notes: who makes it, letters of a to e and x. lesson: its name, without the number.

    holds: whether what was computed bears the verdict out; None where nothing can be computed, and source says who says
    so. here: what came out. section: the one above that has more.
    """

    notes: str
    claim: str
    verdict: str
    lesson: str
    why: str = ""
    holds: bool | None = None
    here: str = ""
    source: str = ""
    section: str = ""


LEDGER: dict[str, list[Row]] = {}  # by lecture


def reason(row, link):
    """What stands behind a verdict. link: makes something of a section's heading."""
    parts = [row.why, row.here and f"Here: {row.here}.", row.source and f"Source: {row.source}."]
    return " ".join(filter(None, [*parts, row.section and f"See {link(row.section)}."]))


def lesson_of(row):
    """ "6 triplets". The number is looked up, so it stays right when lessons move."""
    found = lessons.find(row.lesson)
    return f"{found.number} {found.topic.replace('_', ' ')}"


def markdown_of(rows):
    """A table for a page."""
    lines = ["| Claim | Notes | Verdict | Why | Lesson |", "|---|---|---|---|---|"]
    for row in rows:
        verdict = row.verdict if row.verdict == SAME else f"**{row.verdict}**"
        why = reason(row, lambda section: f"[{section}](#{section.replace(' ', '-')})")
        cells = (row.claim, row.notes, verdict, why, lesson_of(row))
        lines.append("".join(f"| {cell.replace('|', '&#124;')} " for cell in cells) + "|")
    return "\n".join(lines)


def text_of(rows):
    """The same for a terminal."""
    lines = []
    for row in rows:
        said = textwrap.wrap(f"{row.claim} (lesson {lesson_of(row)})", 90) + textwrap.wrap(reason(row, repr), 90)
        labels = [row.verdict, row.notes, *[""] * len(said)]
        lines += [f"  {label:<11} {line}" for label, line in zip(labels, said, strict=False)]
    return "\n".join(lines)


def enter(lecture, *rows):
    """Hold the rows of a lecture to what was computed, keep them, and show them."""
    for row in rows:
        assert row.holds or (row.holds is None and row.source), f"{lecture}: {row.claim} {row.here}"
    LEDGER[lecture] = [*rows]
    if "get_ipython" in globals():  # a notebook, or a page
        from IPython.display import Markdown, display

        display(Markdown(markdown_of(rows)))
    else:
        print(f"\n{lecture}\n{text_of(rows)}")


# %% [markdown]
# The rows on faces share a door. Ten of the fourteen drawn people are enrolled, with one picture each. The other four
# are strangers.

# %%
KNOWN = 10
codes = faces.encode(encoder, album.images)
one, other = np.triu_indices(len(codes), 1)
apart, same_person = faces.distance(codes[one], codes[other]), people[one] == people[other]
calibration = faces.calibrate(apart, same_person, target_far=0.01)
door = faces.Gallery(encoder, threshold=calibration)
weights_before = [parameter.data.copy() for parameter in encoder.parameters()]
for person in range(KNOWN):
    door.enroll(f"person {person}", album.images[people == person][0])
badges = codes[number == 0]
strangers = door.identify(album.images[people >= KNOWN])
refused = sum(not found for found in strangers)
ada, ben = album.images[people == 0], album.images[people == 1]
print(f"{KNOWN} enrolled; τ for one {calibration.threshold:.2f}, for ten {calibration.for_gallery(KNOWN):.2f}")

# %% [markdown]
# ### What is face recognition?

# %%
opens, stays_shut = door.verify("person 0", ada[1]), door.verify("person 0", ben[1])
one_by_one = [door.verify(f"person {person}", ada[1]).distance for person in range(KNOWN)]
found = door.identify(ada[1], matches=KNOWN)
somebody_else = np.arange(PEOPLE) != people[:, None]
passes = faces.distance(codes[:, None], badges[None]) <= calibration.threshold
for_one, for_any = passes[somebody_else].mean(), (passes & somebody_else).any(axis=1).mean()
source = np.random.default_rng(0)
held_up = np.stack([replays.rephotograph(picture, seed=source) for picture in album.images[number == 1][:KNOWN]])
shares = [
    np.mean(faces.distance(visitors, badges[:KNOWN]) <= calibration.threshold)
    for visitors in (codes[number == 1][:KNOWN], faces.encode(encoder, held_up))
]
convolutions = [sum(isinstance(m, nn.Conv2d) for m in model.modules()) for model in (encoder, models.tiny_vgg())]

enter(
    "What is face recognition?",
    Row("abcde", "Verification gets a picture and a name, and says whether they belong together.", SAME,
        "verification_and_recognition",
        holds=bool(opens) and not stays_shut, here=f"{opens}; {stays_shut}"),
    Row("e", "Verification gets a picture, a name and an ID.", MISPRINT, "verification_and_recognition",
        "A name *or* an ID: one of them says who it should be.",
        holds=[*inspect.signature(faces.Gallery.verify).parameters] == ["self", "name", "image"],
        here="`verify(name, image)`"),
    Row("abcd", "Recognition gets a picture and K people, and says which of them it is, or “not recognised”.", SAME,
        "verification_and_recognition",
        holds=found.name == "person 0" and refused > 0.8 * len(strangers),
        here=f"{found.name} is found, and {refused} of {len(strangers)} pictures of strangers are not recognised"),
    Row("e", "Recognition says which of the K people it is.", WRONG, "verification_and_recognition",
        "Somebody is always the nearest, so a door must be able to say nobody.",
        holds=all(stranger.nearest for stranger in strangers),
        here=f"all {len(strangers)} pictures of strangers have a nearest name"),
    Row("abc", "For K = 100, verification has to be right 99.9 % of the time, or better.", SAME,
        "verification_and_recognition",
        "Good for a hundred people, hopeless for a million: to let in one stranger in a hundred there, one "
        "comparison in 10⁸ may err.",
        holds=0.904 < 0.999**100 < 0.905 and np.isclose(1 - 0.99**1e-6, 1e-8, rtol=0.01),
        here=f"0.999¹⁰⁰ = {0.999**100:.1%}; to the power of a million 10^{1e6 * np.log10(0.999):.0f}"),
    Row("d", "K comparisons are K chances to err.", SAME, "verification_and_recognition",
        "A little fewer, as two errors may fall on one stranger.",
        holds=0.09 < 1 - 0.999**100 < 0.1, here=f"1 − 0.999¹⁰⁰ = {1 - 0.999**100:.2%}, where 100 · 0.1 % is 10 %"),
    Row("d", "Recognition is recognition, done K times.", MISPRINT, "verification_and_recognition",
        "Verification, done K times.",
        holds=np.allclose([match.distance for match in found.matches], sorted(one_by_one), atol=1e-5),
        here=f"the {KNOWN} distances of one `identify` are those of {KNOWN} times `verify`"),
    Row("cde", "Recognition is the harder of the two.", SAME, "verification_and_recognition",
        holds=for_any > 2 * for_one,
        here=f"by one threshold somebody passes as a given other person {for_one:.1%} of the time, as one of "
             f"{PEOPLE - 1} {for_any:.0%}"),
    Row("b", "Verification is built first, as a part of recognition.", SAME, "verification_and_recognition",
        holds=found.nearest == f"person {np.argmin(one_by_one)}",
        here="`identify` names the smallest of the K distances, if it is small enough"),
    Row("ae", "Liveness detection tells a person from a picture of one.", SAME, "liveness",
        "It has to be built in addition, for a distance does not see it.",
        holds=shares[0] > 0.9 and shares[1] > 0.4,
        here=f"by distance alone {shares[0]:.0%} pass in the flesh, {shares[1]:.0%} on a screen or on paper"),
    Row("e", "Liveness detection is much used, above all in China.", SAME, "liveness",
        "How common it is, nothing here can tell.", source="the lecture, which shows such a door"),
    Row("a", "Faces are recognised in pictures and in films.", SAME, "verification_and_recognition",
        "A film is many pictures.",
        holds=np.allclose(codes[people == 0][:3], [faces.encode(encoder, x[None])[0] for x in ada[:3]], atol=1e-4),
        here="three frames get the same encodings together as one by one"),
    Row("a", "ConvNets serve both, faces and art.", SAME, "style_transfer_by_hand",
        holds=min(convolutions) > 5,
        here=f"{convolutions[0]} convolutions in tiny_facenet, {convolutions[1]} in tiny_vgg"),
)  # fmt: skip

# %% [markdown]
# ### One shot learning

# %%
of_one_person, of_two = apart[same_person].mean(), apart[~same_person].mean()
on_the_line = np.count_nonzero(apart == calibration.threshold)
right = {}
queries = (number > 2) & (people < KNOWN)
for enrolled in (1, 3):
    bank = np.stack([codes[people == person][:enrolled] for person in range(KNOWN)])
    nearest = faces.distance(codes[queries][:, None, None], bank[None]).min(axis=2).argmin(axis=1)
    right[enrolled] = np.mean(nearest == people[queries])
outputs = {count: nn.Linear(128, count, seed=0) for count in (4, 5, 6)}
sizes = {count: sum(parameter.size for parameter in layer.parameters()) for count, layer in outputs.items()}
with no_grad():
    four = ops.softmax(outputs[4](codes[people >= KNOWN])).data
before = door.verify("person 0", ada[1]).distance
door.enroll("a newcomer", album.images[people == KNOWN][0])
after = door.verify("person 0", ada[1]).distance
unmoved = all(np.array_equal(p.data, w) for p, w in zip(encoder.parameters(), weights_before, strict=True))

enter(
    "One shot learning",
    Row("abcde", "One picture of each person has to be enough to know them by.", SAME, "one_shot",
        holds=right[1] > 0.8,
        here=f"with one picture of each of {KNOWN}, {right[1]:.0%} of the others are nearest to their own"),
    Row("b", "The obvious way has five outputs and a softmax: four people, and none of them.", SAME, "one_shot",
        holds=sizes[5] == 5 * 129,
        here=f"behind 128 features that is a layer of {sizes[5]} weights, for four pictures"),
    Row("a", "That softmax has four outputs, or five.", MISPRINT, "one_shot",
        "Five. Four are without “none of them”, and share 100 % among the four, whoever comes.",
        holds=np.allclose(four.sum(axis=1), 1), here="four outputs add up to 1 for every stranger"),
    Row("abde", "It works badly, since so few pictures teach no network, and does not scale.", SAME, "one_shot",
        "To train an encoder on *other* people, a softmax is fine: DeepFace did.",
        source="measured in the lesson, in thirty offices"),
    Row("b", "When somebody joins, a sixth output is needed, and training begins again.", SAME, "one_shot",
        holds=sizes[6] == sizes[5] + 129,
        here=f"{sizes[6]} weights instead of {sizes[5]}: the file for five does not fit"),
    Row("abcde", "Instead learn d(img1, img2), how different two pictures are.", SAME, "one_shot",
        holds=not faces.distance(codes, codes).any() and of_one_person < 0.5 * of_two,
        here=f"0 for the same picture, {of_one_person:.2f} for the same person, {of_two:.2f} for two"),
    Row("abde", "d is a *similarity* function.", CONVENTION, "one_shot",
        "The lecture says so, too. It is large where pictures are unlike: a similarity would be −d, or e⁻ᵈ.",
        holds=np.isclose(area_under_roc(apart, same_person), area_under_roc(-np.exp(-apart), same_person), atol=1e-6),
        here="both put the pairs into the same order"),
    Row("cd", "d ≤ τ means the same person, d > τ another.", SAME, "verification_and_recognition",
        holds=bool(faces.distances.is_same(0.7, 0.7)) and not faces.distances.is_same(np.nextafter(0.7, 1), 0.7),
        here="0.7 passes at τ = 0.7, the next number does not"),
    Row("ax", "d < τ means the same person.", CONVENTION, "verification_and_recognition",
        holds=on_the_line <= 1, here=f"of {len(apart):,} pairs {on_the_line} make a difference",
        section="The threshold, on d or on its root"),
    Row("x", "τ = 0.7.", CONVENTION, "verification_and_recognition",
        "On the root of d. It is 0.49 on d, and belongs to one encoder.",
        holds=answers[43] == (True, False), here=f"for these drawn people {calibration.threshold:.2f} on d",
        section="The threshold, on d or on its root"),
    Row("e", "d(img1, img2) = τ.", MISPRINT, "verification_and_recognition", "d ≤ τ.",
        holds=(apart == 0.7).sum() == 0, here=f"of {len(apart):,} pairs none has d = 0.7"),
    Row("d", "The network says how similar a picture is to each of the K people, and to a category “unknown”.", WRONG,
        "one_shot", "It has no output for a person, nor for nobody. It encodes; unknown is who is too far from all.",
        holds=codes.shape[1] == 128 and unmoved,
        here=f"{codes.shape[1]} numbers with {KNOWN} people enrolled, and with {KNOWN + 1}"),
    Row("a", "New people are added without training.", SAME, "one_shot",
        holds=unmoved and before == after, here="one more enrolled: no weight has moved, and no distance"),
    Row("c", "Several pictures of each person, in other light and on other days, make it more accurate.", SAME,
        "one_shot", "If the threshold is set anew: strangers have more to resemble, too.",
        holds=right[3] >= right[1],
        here=f"{right[1]:.0%} nearest to their own with one picture, {right[3]:.0%} with three"),
    Row("c", "Cropped to the face, pictures are recognised more reliably.", SAME, "finding_faces",
        "Turned into place, even more.",
        source="measured in the lesson on DeepFace, on faces in place and as they come"),
)  # fmt: skip

# %% [markdown]
# ### Siamese network

# %%
w = Tensor(np.random.default_rng(0).normal(0, 1, (5, 4)), requires_grad=True)
left_input, right_input = np.random.default_rng(1).normal(0, 1, (2, 1, 5))


def gradient_of_twins(left, right):
    """Of w, where a twin that is switched off looks with a copy that takes no gradient."""
    fixed, w.grad = Tensor(w.data.copy()), None
    twin, other_twin = Tensor(left_input) @ (w if left else fixed), Tensor(right_input) @ (w if right else fixed)
    ops.sum(ops.square(twin - other_twin)).backward()
    return w.grad


in_order = area_under_roc(apart, same_person)
both, first_twin, second_twin = (gradient_of_twins(*on) for on in ((1, 1), (1, 0), (0, 1)))
with_top = deep_face.build(include_top=True, initial="zeros")
head, kept = with_top.layer_names[-1], built["DeepFace 2014"][0].layer_names[-1]
lengths = [card.embedding for card in (deep_face.CARD, models.nn4_small2().card, models.inception_resnet_v1().card)]
lengths.append(models.inception_resnet_v1(embedding=512).card.embedding)
shifted = [ops.max_pool(np.roll([0.0, 0, 0, 7, 0, 0, 4, 0], by)[None, :, None], 2).data[0, :, 0] for by in (0, 2, 1)]
noise_codes = Tensor(np.random.default_rng(2).normal(0, 0.1, (3, 4, 8)), requires_grad=True)
faces.triplet_loss(noise_codes[0], noise_codes[1], noise_codes[2]).backward()

enter(
    "Siamese network",
    Row("abd", "One network looks at both pictures, with the same weights, and d compares what it says.", SAME, "pairs",
        holds=np.allclose(both, first_twin + second_twin) and not np.allclose(both, first_twin),
        here="the gradient of the shared weights is the sum of both calls'"),
    Row("de", "There are two identical networks.", CONVENTION, "pairs",
        "There is one, called twice, or once with both pictures in a batch. Nothing has to be copied.",
        holds=np.allclose(faces.encode(encoder, ada[:2]), codes[people == 0][:2], atol=1e-4),
        here="two pictures get the same encodings in one call as in others"),
    Row("ab", "The softmax is left out. What a fully connected layer says is the encoding.", SAME, "pairs",
        holds=isinstance(encoder.find("embedding"), nn.Linear) and kept == "F7",
        here="`embedding` in tiny_facenet, `F7` in DeepFace"),
    Row("bcd", "An encoding has 128 numbers.", CONVENTION, "triplets", "FaceNet's has. It is a choice.",
        holds=lengths == [4096, 128, 128, 512],
        here="4,096 in DeepFace, 128 in nn4.small2, 128 or 512 in Inception-ResNet-v1"),
    Row("a", "The weights of the network define the encoding; they are what is learned.", SAME, "triplets",
        holds=noise_codes.grad is not None and np.abs(noise_codes.grad).max() > 0,
        here="the loss has a gradient for encodings, and so for what made them"),
    Row("abcde", "‖f(xᵢ) − f(xⱼ)‖² should be small for one person, and large for two.", SAME, "triplets",
        holds=in_order > 0.98, here=f"tiny_facenet puts {in_order:.1%} of the pairs of people it never met in order"),
    Row("bx", "d is the norm, not its square.", CONVENTION, "triplets", "The order is the same, a threshold is not.",
        holds=np.isclose(area_under_roc(np.sqrt(apart), same_person), in_order),
        here=f"τ = {calibration.threshold:.2f} on the square is {np.sqrt(calibration.threshold):.2f} on the norm",
        section="The threshold, on d or on its root"),
    Row("e", "First encodings are learned, then a similarity of them, by triplets.", WRONG, "triplets",
        "Triplets teach the encoder. The distance has nothing to learn.",
        holds=np.abs(noise_codes.grad).max() > 0 and not hasattr(faces.distance, "parameters"),
        here="the triplet loss has gradients for f(A), f(P) and f(N), and for nothing else"),
    Row("e", "“Siamese” comes from twins who share a body.", SAME, "pairs", source="Bromley et al. 1993",
        section="Who was first"),
    Row("e", "It has nothing to do with Thailand.", WRONG, "pairs",
        "The twins Chang and Eng, after whom such twins are named, were born in Siam, as Thailand was called, in 1811.",
        source="any biography of theirs"),
    Row("e", "The idea is older than DeepFace.", SAME, "pairs",
        source="Bromley et al. 1993; for faces Chopra et al. 2005", section="Who was first"),
    Row("e", "The idea was introduced by DeepFace.", WRONG, "pairs", "The same page says otherwise some lines before.",
        source="as above", section="Who was first"),
    Row("e", "DeepFace (CVPR 2014) learns encodings of faces that were turned to the front.", SAME, "deepface",
        "By a model of the head in three dimensions.", source="Taigman, Yang, Ranzato and Wolf 2014, section 2"),
    Row("e", "It is one ConvNet, trained on labels by a plain softmax loss.", SAME, "pairs",
        holds=head == "F8" and len(with_top.layer_names) == len(built["DeepFace 2014"][0].layer_names) + 2,
        here="`F8`, which tells people apart, lies on top of the encoder", source="the same, section 3"),
    Row("e", "Its encoding has 4,096 numbers.", SAME, "pairs",
        holds=deep_face.CARD.embedding == 4096, here="`F7` gives 4,096"),
    Row("e", "The layer before the last gives the encoding, and is left out afterwards.", MISPRINT, "pairs",
        "The last is left out, the layer before it is what is kept.",
        holds=head not in built["DeepFace 2014"][0].layer_names and kept in with_top.layer_names,
        here="`deepface()` ends with `F7`; `include_top=True` adds `F8`"),
    Row("e", "DeepFace used no triplets. FaceNet did.", SAME, "pairs",
        "It used no pairs either while it learned; a Siamese variant was tried afterwards.",
        source="Taigman et al., sections 3 and 4; Schroff et al. 2015", section="Who was first"),
    Row("e", "Max pooling tolerates small shifts.", SAME, "pooling",
        holds=np.array_equal(shifted[0], shifted[2]) is False and (shifted[0] == shifted[2]).any(),
        here=f"{shifted[0].astype(int)} becomes {shifted[2].astype(int)} when the input moves by one: some numbers "
             "stay"),
    Row("e", "But if the input is shifted, the output should be, too.", SAME, "pooling", "It is, by half as much.",
        holds=np.array_equal(shifted[1], np.roll(shifted[0], 1)),
        here="moved by two, the output moves by one, and is the same"),
    Row("e", "Pooling several times would lose where small things are.", SAME, "deepface",
        holds=pixels_off[4] > 1.12 * pixels_off[1],
        here=f"an eye is found to {pixels_off[1]:.2f} pixels after one pooling, to {pixels_off[4]:.2f} after four",
        section="Pooled once or five times"),
    Row("e", "Its first layers are a kind of preprocessing that adapts.", SAME, "deepface",
        source="the same, section 3"),
    Row("e", "So one should pool once, early. ResNet and YOLO do not; is that right?", CONVENTION, "deepface",
        "Both are. ResNet pools once, early, and goes on by steps of convolutions; YOLO pools four times.",
        holds=HALVINGS["ResNet-50 2015"].count("p") == 1 and HALVINGS["YOLO 2016"].count("p") == 4,
        here="maps shrink to 1/32 and 1/64, DeepFace's to 1/4", section="Pooled once or five times"),
)  # fmt: skip

# %% [markdown]
# ### Triplet loss

# %%
draws = np.random.default_rng(3).normal(0, 0.25, (3, 1000, 8))
anchors, positives, negatives = (Tensor(values, requires_grad=True) for values in draws)
near, far = faces.distance(draws[0], draws[1]), faces.distance(draws[0], draws[2])
active = near - far + ALPHA > 0
terms = faces.triplet_loss(*draws, reduction="none").data
faces.triplet_loss(anchors, positives, negatives).backward()
by_formula = 2 * (draws[2] - draws[1]) * active[:, None]


def gradient_of_active(rows, reduction):
    """Of the anchor of the first triplet that counts, where the loss is that of some rows."""
    a = Tensor(draws[0][rows], requires_grad=True)
    faces.triplet_loss(a, draws[1][rows], draws[2][rows], reduction=reduction).backward()
    return a.grad[np.argmax(active[rows])]


alone = np.flatnonzero(active)
with_easy = {how: gradient_of_active(slice(None), how) for how in ("sum", "mean")}
without = {how: gradient_of_active(alone, how) for how in ("sum", "mean")}
diluted = np.linalg.norm(with_easy["mean"]) / np.linalg.norm(without["mean"])


def mined(strategy):
    """(triplets of the drawn people, the share of them that count)."""
    chosen = faces.mine_triplets(codes, people, strategy=strategy, margin=ALPHA, seed=0)
    return chosen, np.mean(faces.batch_triplet_loss(codes, chosen, margin=ALPHA, reduction="none").data > 0)


_, random_active = mined("random")
hardest, hardest_active = mined("batch-hard")
distances = faces.distance(codes[:, None], codes[None])
mine = people[:, None] == people
furthest = np.where(mine, distances, -1).argmax(axis=1)
nearest = np.where(mine, np.inf, distances).argmin(axis=1)
any_three = mined("all")[0][::40]
unlike = [
    np.square(portraits[chosen[:, 0]] - portraits[chosen[:, side]]).mean()
    for side in (1, 2)
    for chosen in (hardest, any_three)
]
in_right_order = np.mean(distances[hardest[:, 0], hardest[:, 2]] > distances[hardest[:, 0], hardest[:, 1]])
try:
    faces.mine_triplets(badges, np.arange(PEOPLE), strategy="all")
    no_triplet = ""
except InputError as problem:
    no_triplet = str(problem).partition(";")[0]
nothing = np.zeros((3, 1, 8))
at_alpha = [[[0.0, 0]], [[0.5, 0]], [[np.sqrt(0.25 + ALPHA) + 1e-9, 0]]]
hinge = ALPHA * np.maximum(0, 1 - (far - near) / ALPHA)
step = 1e-4
more, less = (faces.triplet_loss(*draws, margin=ALPHA + by).item() for by in (step, -step))
slope = (more - less) / (2 * step)

enter(
    "Triplet loss",
    Row("abcde", "A is a picture of somebody, P another of the same person, N one of somebody else.", SAME, "triplets",
        holds=all(people[a] == people[p] != people[n] and a != p for a, p, n in hardest),
        here=f"so in all {len(hardest)} triplets that were mined"),
    Row("a", "The triplet loss trains a Siamese network.", SAME, "triplets", "One encoder, called three times.",
        holds=all(np.abs(values.grad).max() > 0 for values in (anchors, positives, negatives)),
        here="A, P and N all get a gradient"),
    Row("abce", "To want ‖f(A) − f(P)‖² ≤ ‖f(A) − f(N)‖² is not enough: f = 0, or any constant, has it.", SAME,
        "triplets",
        holds=[faces.triplet_loss(*nothing, margin=margin).item() for margin in (0, ALPHA)] == [0, ALPHA],
        here=f"f = 0 costs nothing at α = 0, and {ALPHA} at α = {ALPHA}"),
    Row("abcde", "‖f(A) − f(P)‖² + α ≤ ‖f(A) − f(N)‖², with a margin α > 0.", SAME, "triplets",
        holds=np.array_equal(near + ALPHA <= far, terms == 0) or np.mean((near + ALPHA <= far) == (terms == 0)) > 0.998,
        here=f"of 1,000 triplets the {np.mean(terms == 0):.0%} that have it cost nothing"),
    Row("a", "The same with −α on the right.", CONVENTION, "triplets", "All terms but α on the left.",
        holds=np.mean((near - far <= -ALPHA) == (near + ALPHA <= far)) > 0.998, here="it holds for the same triplets"),
    Row("c", "The two norms are divided by d(A, P) and d(A, N).", MISPRINT, "triplets", "Braces, not bars.",
        holds=not as_fractions.any(), here="read as fractions it holds for none of 1,000",
        section="Braces that became fraction bars"),
    Row("c", "The two norms are divided by 0.", MISPRINT, "triplets", "A brace again: for f = 0 each of them *is* 0.",
        holds=bool(np.isnan(divided)), here="0 / 0 is no number", section="Braces that became fraction bars"),
    Row("c", "Hard triplets have (d(A, P) + α) / d(A, P) ≤ d(A, N) / d(A, N).", MISPRINT, "triplets",
        "d(A, P) ≈ d(A, N) was meant. The arrows below say that training pushes d(A, P) down and d(A, N) up.",
        holds=not hard.any(), here="true for none of 1,000", section="Braces that became fraction bars"),
    Row("e", "The margin keeps encodings from being all 0.", SAME, "triplets", "Or all anything else.",
        holds=faces.triplet_loss(*np.ones((3, 1, 8)), margin=ALPHA).item() == ALPHA,
        here=f"all 1 costs {ALPHA} as well"),
    Row("e", "It makes distances between positives *far* smaller than those between negatives.", WRONG, "triplets",
        "Smaller by α, and no more.",
        holds=faces.triplet_loss(*at_alpha, margin=ALPHA).item() == 0,
        here=f"d(A, P) = 0.25 and d(A, N) = {0.25 + ALPHA} cost nothing"),
    Row("d", "The margin is that of support vector machines.", CONVENTION, "triplets",
        "The hinge is the same, and the word. But theirs is 2/‖w‖, and made large; α is chosen, and stays.",
        holds=np.allclose(hinge, terms), here="L = α · max(0, 1 − (d(A, N) − d(A, P)) / α), on 1,000 triplets"),
    Row("e", "α is not learned.", SAME, "triplets", "It would fall without end.",
        holds=np.isclose(slope, active.sum(), rtol=0.02),
        here=f"∂L/∂α = {slope:.0f}, the number of triplets that count: never negative"),
    Row("abcdex", "L = max(‖f(A) − f(P)‖² − ‖f(A) − f(N)‖² + α, 0).", SAME, "triplets",
        holds=np.isclose(loss, 527.2598, rtol=1e-6), here=f"{loss:.4f}, as the exercise prints"),
    Row("c", "[z]₊ is max(z, 0).", SAME, "triplets",
        holds=np.allclose(ops.relu(near - far + ALPHA).data, terms), here="a ReLU of the bracket gives the terms"),
    Row("ad", "A bracket stays open in the sum, a bar stands alone in the maximum.", MISPRINT, "triplets",
        "J = Σ L(A⁽ⁱ⁾, P⁽ⁱ⁾, N⁽ⁱ⁾), and a norm has two bars on each side.",
        holds=np.isclose(terms.sum(), faces.triplet_loss(*draws).item()), here="the terms add up to the loss"),
    Row("c", "What stands before the comma in the maximum is ≥ 0.", MISPRINT, "triplets", "If the triplet counts.",
        holds=bool((near - far + ALPHA < 0).any()), here=f"it is negative for {np.mean(~active):.0%} of 1,000",
        section="Braces that became fraction bars"),
    Row("bd", "Below 0 the network does not care how far below.", SAME, "triplets",
        holds=not anchors.grad[~active].any(), here="no gradient at all"),
    Row("a", "d(A, P) is minimised while d(A, N) is *maximised*.", WRONG, "triplets",
        "Until N is α further away, no more.",
        holds=not negatives.grad[~active].any() and bool(negatives.grad[active].any()),
        here="past that, N gets no gradient"),
    Row("ace", "J is the sum over the triplets.", SAME, "triplets",
        holds=np.isclose(faces.triplet_loss(A, P, N).item(), loss), here=f"{loss:.4f}"),
    Row("e", "Or their mean.", CONVENTION, "triplets",
        holds=np.isclose(mean / loss, 1 / 3), here=f"{mean:.3f}, a third", section="Sum or mean"),
    Row("x", "The loss is 528.143.", CONVENTION, "triplets", "TensorFlow 1, whose random inputs are others.",
        holds=np.isclose(then["triplets"][0], 528.143, rtol=2e-6), here=f"{then['triplets'][0]:.3f} on those",
        section="Digits that no float32 gives"),
    Row("abd", "To train, several pictures of each person are needed.", SAME, "triplets",
        holds=bool(no_triplet), here=no_triplet),
    Row("d", "So it is not one-shot.", CONVENTION, "one_shot",
        "The training is not. The door is: it knows people the training never saw, by one picture each.",
        holds=right[1] > 0.8, here=f"{right[1]:.0%} with one picture"),
    Row("bc", "Say, 10,000 pictures of 1,000 people: ten of each.", SAME, "triplets",
        holds=1000 * 10 * 9 * 9990 == 899_100_000, here=f"they make {1000 * 10 * 9 * 9990:,} triplets"),
    Row("abcde", "Triplets at random soon have nothing to teach.", SAME, "triplets",
        holds=random_active < 0.05, here=f"for tiny_facenet {random_active:.1%} of them count"),
    Row("abcde", "Choose hard ones, where d(A, P) and d(A, N) are close.", SAME, "triplets",
        "Not too soon: the lesson has a network that gives up.",
        holds=hardest_active > 10 * random_active, here=f"of the hardest, {hardest_active:.0%} count"),
    Row("a", "These show like poses, in like conditions.", WRONG, "triplets",
        "A and N do. A and P are hard where they do not.",
        holds=unlike[0] > 1.05 * unlike[1] and unlike[2] < 0.9 * unlike[3],
        here=f"the pixels of A and P differ by {unlike[0]:.3f} in the hardest, {unlike[1]:.3f} in others, those of A "
             f"and N by {unlike[2]:.3f} and {unlike[3]:.3f}"),
    Row("e", "Take the furthest positive and the nearest negative of each anchor in the batch.", SAME, "triplets",
        "From the encodings of the moment, for all pairs at once.",
        holds=np.array_equal(hardest, np.stack([np.arange(len(codes)), furthest, nearest], axis=1)),
        here="as `strategy=\"batch-hard\"` does"),
    Row("e", "These are called hard triplets.", CONVENTION, "triplets",
        "Batch-hard, since Hermans, Beyer and Leibe (2017). Others call hard only where N is nearer than P.",
        holds=0 < in_right_order < 1, here=f"{in_right_order:.0%} of them are in the right order"),
    Row("e", "Easy triplets do no harm, they only take time.", CONVENTION, "triplets",
        "In a sum. In a mean they make every step smaller.",
        holds=np.allclose(with_easy["sum"], without["sum"]) and np.isclose(diluted, active.mean()),
        here=f"they leave the gradient of the sum as it is, and {diluted:.0%} of that of the mean"),
    Row("e", "∂L/∂f(A) = 2(f(A) − f(P)) − 2(f(A) − f(N)) = 2(f(N) − f(P)).", SAME, "triplets",
        "Where the triplet counts, else 0.",
        holds=np.allclose(anchors.grad, by_formula), here="the tape finds the same for 1,000"),
    Row("e", "Automatic differentiation does that by itself.", SAME, "tensors_and_the_tape",
        holds=np.allclose(anchors.grad + positives.grad + negatives.grad, 0),
        here="and the three gradients add up to 0"),
    Row("abe", "Companies train on 10 to 100 million pictures, or more.", SAME, "triplets",
        "FaceNet on 100 to 200 million, of eight million people.",
        holds=11 < 1e8 / 100 / 86400 < 12,
        here=f"at a hundred pictures a second, 100 million take {1e8 / 100 / 86400:.1f} days, once",
        source="Schroff et al. 2015, section 5"),
    Row("abe", "So download what others have trained.", SAME, "triplets",
        holds={"openface", "facenet_128", "facenet_512"} <= {row.name for row in zoo.catalog()},
        here="`minicnn weights list` has three encoders of photographs"),
    Row("b", "With a pretrained network, map faces to 128 numbers.", SAME, "triplets",
        holds=zoo.catalogue.find("facenet_128").options["embedding"] == 128, here="`facenet_128` in the catalogue"),
    Row("bc", "The triplet loss is a good way to learn an encoding.", SAME, "triplets",
        holds=in_order > 0.98,
        here=f"tiny_facenet was finished by it: {in_order:.1%} of new people's pairs in " "order"),
    Row("ac", "It is from FaceNet: Schroff et al. 2015, “A unified embedding for face recognition and clustering”.",
        SAME, "triplets", "The paper is. Triplets with a margin are older.", source="CVPR 2015",
        section="Who was first"),
)  # fmt: skip

# %% [markdown]
# ### Face verification and binary classification

# %%
u, v = np.random.default_rng(4).uniform(0.05, 1, (2, 6, 8))
weights, bias = np.linspace(-2, -0.5, 8), 1.5
pair_heads = {kind: faces.PairHead(kind, 8) for kind in ("l1", "l2", "chi2")}
for pair_head in pair_heads.values():
    pair_head.w, pair_head.b = Tensor(weights), Tensor(bias)
said = {kind: pair_head.probability(u, v).data for kind, pair_head in pair_heads.items()}
others = {"l2": np.square(u - v), "chi2": chi_square(u, v).data}
signed = sigma((u - v) @ weights + bias), sigma((v - u) @ weights + bias)
stored = door.identify(ada[1], matches=KNOWN + 1).matches
anew = faces.distance(faces.encode(encoder, ada[1:2]), faces.encode(encoder, album.images[number == 0][:KNOWN]))
again = {f"person {person}": distance for person, distance in enumerate(anew)}

enter(
    "Face verification and binary classification",
    Row("de", "ŷ = σ(Σₖ wₖ · |f(x⁽ⁱ⁾)ₖ − f(x⁽ʲ⁾)ₖ| + b): a logistic regression on two encodings.", SAME, "pairs",
        holds=np.allclose(said["l1"], sigma(np.abs(u - v) @ weights + bias)), here="`PairHead(\"l1\")` says the same"),
    Row("a", "ŷ = w · σ(f(x⁽ⁱ⁾) − f(x⁽ʲ⁾)) + b.", MISPRINT, "pairs", "σ goes outside.",
        holds=bool((np.abs(inside) > 1).all()), here=f"{inside[0]:.0f} is no probability",
        section="The sigmoid, inside or outside"),
    Row("a", "The difference stands there without bars.", MISPRINT, "pairs", "With them: who is first must not matter.",
        holds=not np.allclose(*signed) and np.allclose(pair_heads["l1"].probability(v, u).data, said["l1"]),
        here=f"without, ŷ = {signed[0][0]:.2f} becomes {signed[1][0]:.2f} when the pictures change places"),
    Row("a", "That difference is the Manhattan distance.", CONVENTION, "pairs",
        "The *sum* of |f − g| is, where all weights are equal. The head learns a weighted one.",
        holds=np.allclose(np.abs(u - v) @ np.ones(8), np.linalg.norm(u - v, ord=1, axis=1)),
        here="they agree for w = 1"),
    Row("ade", "Euclid's distance or χ² would do, too.", SAME, "pairs", "χ² needs encodings without negative numbers.",
        holds=all(np.allclose(said[kind], sigma(phi @ weights + bias)) for kind, phi in others.items()),
        here="`PairHead(\"l2\")` and `PairHead(\"chi2\")`"),
    Row("e", "χ² is a similarity.", CONVENTION, "pairs", "A distance: it is 0 where two encodings are equal.",
        holds=not chi_square(u, u).data.any() and bool((chi_square(u, v).data > 0).all()),
        here=f"0 for the same, {chi_square(u, v).data.sum(axis=1).mean():.1f} on average for others"),
    Row("ad", "Both pictures go through the same weights.", SAME, "pairs",
        holds=np.allclose(both, first_twin + second_twin),
        here="the gradient of the shared weights is the sum of both calls'"),
    Row("ade", "Encodings of those who are known can be computed beforehand.", SAME, "verification_and_recognition",
        "Then the visitor's alone is left to do at the door, instead of K + 1.",
        holds=all(np.isclose(match.distance, again[match.name], atol=1e-5) for match in stored if match.name in again),
        here="the stored ones give the same distances as new ones"),
    Row("a", "It works about as well as triplets.", SAME, "pairs",
        "In the lesson's race the head even wins: a small network, and drawn people.", source="measured in the lesson"),
    Row("a", "Source: DeepFace, Taigman et al. 2014.", SAME, "pairs",
        "Weighted χ² is its section 4.1, the Siamese variant with |f − g| its section 4.2. Both compare encodings "
        "that a classifier has learned.", source="CVPR 2014, pages 1701 to 1708"),
    Row("a", "There are programs: OpenFace, facenet, DeepFace.", SAME, "triplets",
        "The DeepFace that is named is somebody else's: Facebook published no weights.",
        holds={"openface", "facenet_512", "deepface"} <= {row.name for row in zoo.catalog()},
        here="the catalogue has the first two's weights, and of the third's architecture S. Ghosh's"),
    Row("ce", "A distance and a threshold are enough to say whether it is one person.", SAME,
        "verification_and_recognition",
        holds=calibration.accuracy > 0.97, here=f"{calibration.accuracy:.1%} of the pairs of drawn people"),
    Row("c", "One encoding serves both, verification and recognition.", SAME, "verification_and_recognition",
        holds=np.allclose(sorted(one_by_one), [match.distance for match in found.matches], atol=1e-5),
        here="the distances are the same"),
)  # fmt: skip

# %% [markdown]
# ### What is neural style transfer?

# %%
painting = np.random.default_rng(6).random((32, 32, 3), dtype=np.float32)
photograph = portraits[0][::2, ::2]
eyes_of_style = models.tiny_vgg()
untouched = [parameter.data.copy() for parameter in eyes_of_style.parameters()]
QUICK = {"steps": 4, "levels": 1, "seed": 0, "progress": False}
made = {
    name: style.transfer(photograph, painting, model=eyes_of_style, optimizer=name, **QUICK)
    for name in ("adam", "lbfgs", "gd")
}
recipes = style.presets()
course = recipes["course"]
frozen_weights = all(np.array_equal(p.data, w) for p, w in zip(eyes_of_style.parameters(), untouched, strict=True))

enter(
    "What is neural style transfer?",
    Row("a", "Content C and style S go in, out comes a picture G with C's content in S's style.", SAME,
        "style_transfer_by_hand",
        holds=made["adam"].image.shape == photograph.shape,
        here=f"`style.transfer(C, S)`: {' × '.join(map(str, photograph.shape))}, as C"),
    Row("ad", "It uses features of early and of deep layers of a trained network, such as VGG.", SAME,
        "style_transfer_by_hand",
        holds=set(course.style_layers) == {f"block{b}_conv1" for b in range(1, 6)},
        here=f"the course: {', '.join(course.style_layers)}"),
    Row("a", "It is a kind of transfer learning.", SAME, "transfer_learning",
        "Features that were learned for one task serve another.",
        holds=np.all([p.data.any() for p in eyes_of_style.parameters()]),
        here="`tiny_vgg` learned to name ten classes"),
    Row("a", "The network is *adapted* to the new task.", WRONG, "style_transfer_by_hand", "The picture is.",
        holds=frozen_weights and not np.array_equal(made["adam"].image, photograph),
        here="after three runs no weight has changed"),
    Row("ac", "Source: Gatys et al. 2015, “A neural algorithm of artistic style”.", SAME, "style_transfer_by_hand",
        "The slides' pictures are Justin Johnson's.", source="arXiv 1508.06576", section="Who was first"),
    Row("d", "First one has to understand what the layers see.", SAME, "what_convnets_learn",
        source="the next lecture"),
)  # fmt: skip

# %% [markdown]
# ### What are deep ConvNets learning?

# %%
top = best["block3_conv2"]
enter(
    "What are deep ConvNets learning?",
    Row("ac", "For a unit, find the nine patches that excite it most. Then for other units.", SAME,
        "what_convnets_learn",
        holds=top.values.shape[1] == 9 and bool((np.diff(top.values) <= 0).all()),
        here=f"nine for each of the {len(top.units)} units of block3_conv2, the strongest first"),
    Row("ac", "Layer 1 finds edges and colours.", SAME, "what_convnets_learn", "There is no room for more.",
        holds=fields["block1_conv1"] == 3,
        here=f"a unit sees 3×3 pixels, and {of_one['block1_conv1'].mean():.1f} of its nine patches are of one "
             "person, as by luck"),
    Row("ac", "Layer 2 finds textures and round shapes, layer 3 more intricate ones and parts of things.", SAME,
        "what_convnets_learn", "In Zeiler and Fergus's network.",
        holds=fields["block2_conv1"] < fields["block3_conv1"] < 32,
        here=f"{fields['block2_conv1']} and {fields['block3_conv1']} of 64 pixels a side in tiny_facenet",
        source="Zeiler and Fergus 2014, figure 2"),
    Row("ac", "Layers 4 and 5 find dogs' breeds, keyboards, flowers.", SAME, "what_convnets_learn",
        "Of photographs. The lesson counts which units became objects, and which did not.",
        holds=per_layer[-1] > per_layer[0] + 1.2,
        here=f"of drawn people: {per_layer[-1]:.1f} of nine patches of one person", source="the same"),
    Row("a", "From layer to layer it gets from simple to complex.", SAME, "what_convnets_learn",
        holds=per_layer == sorted(per_layer),
        here="of nine patches, of one person: " + ", ".join(f"{value:.1f}" for value in per_layer),
        section="Edges to objects, and not coarse to fine"),
    Row("d", "Deeper layers see finer details.", WRONG, "what_convnets_learn",
        "They see more, at fewer places, and tell more apart.",
        holds=per_layer == sorted(per_layer) and [*grids.values()] == sorted(grids.values(), reverse=True),
        here=f"from 3 pixels at {grids['block1_conv1']}² places to {fields['block4_conv2']} at "
             f"{grids['block4_conv2']}²", section="Edges to objects, and not coarse to fine"),
    Row("a", "Source: Zeiler and Fergus, “Visualizing and understanding convolutional networks”.", SAME,
        "what_convnets_learn", source="arXiv 1311.2901; ECCV 2014"),
)  # fmt: skip

# %% [markdown]
# ### Cost function

# %%
aims, doubled = (C.astype(np.float64), S[:, ::-1].astype(np.float64) / 2), []
for alpha, beta in ((10, 40), (20, 80)):
    moving = Tensor(G.astype(np.float64), requires_grad=True)
    both_costs = style.content_cost(aims[0], moving), style.layer_style_cost(aims[1], moving)
    style.total_cost(*both_costs, alpha, beta).backward()
    doubled.append(moving.grad)
direction = [gradient / np.linalg.norm(gradient) for gradient in doubled]
costs = [float(style.content_cost(C, C + step * (G - C)).item()) for step in (0, 0.5, 1)]
falls = {name: [step["total"] for step in result.history] for name, result in made.items()}
canvas = np.random.default_rng(7).random((100, 100, 3), dtype=np.float32)
from_noise = style.transfer(canvas, painting, model=eyes_of_style, init="noise", **QUICK | {"steps": 1})

enter(
    "Cost function",
    Row("acdx", "J(G) = α · J_content(C, G) + β · J_style(S, G).", SAME, "style_transfer_by_hand",
        holds=style.total_cost(0.2, 0.8) == 34 and np.isclose(style.total_cost(0.3, 0.5, 3, 8), 4.9),
        here="34 for 0.2 and 0.8, as the exercise prints"),
    Row("d", "J(G) is the sum of the two.", CONVENTION, "style_transfer_by_hand",
        "With α = β = 1. Further down the same notes have weights.",
        holds=style.total_cost(0.2, 0.8, 1, 1) == 1.0, here="0.2 + 0.8 = 1"),
    Row("a", "α and β say how much content counts against style.", SAME, "style_transfer_in_practice",
        "One of them would do.",
        holds=np.allclose(*direction), here="twice both, and the gradient points the same way"),
    Row("ad", "Both costs measure how similar two pictures are.", CONVENTION, "style_transfer_by_hand",
        "How unlike they are.",
        holds=costs[0] == 0 < costs[1] < costs[2],
        here=f"0 for C itself, {costs[1]:.2f} half-way to G, {costs[2]:.2f} at G"),
    Row("acd", "G begins at random, say as 100×100×3.", SAME, "style_transfer_by_hand", "Many begin at the photograph.",
        holds=from_noise.image.shape == (100, 100, 3), here="`init=\"noise\"`"),
    Row("acd", "Gradient descent changes the picture.", SAME, "style_transfer_by_hand",
        holds=frozen_weights and falls["gd"][-1] < falls["gd"][0],
        here=f"J from {falls['gd'][0]:.3f} to {falls['gd'][-1]:.3f} in four steps, and no weight moved"),
    Row("d", "Or another optimizer does.", SAME, "style_transfer_in_practice",
        holds=falls["lbfgs"][-1] < falls["lbfgs"][0] and falls["adam"][-1] < falls["adam"][0],
        here=f"L-BFGS to {falls['lbfgs'][-1]:.3f}, Adam to {falls['adam'][-1]:.3f}"),
    Row("ac", "G := G − dG.", CONVENTION, "style_transfer_by_hand", "A rate has been left out, to be simple.",
        holds=bool(left_by_rate[96] < 1e-9 < left_by_rate[1]),
        here=f"on the content cost a step at rate 1 leaves {left_by_rate[1]:.0%}, at 96 nothing",
        section="The rate that is missing"),
    Row("c", "G₁ := G − dJ/dG.", MISPRINT, "style_transfer_by_hand", "G on both sides: it is repeated.",
        holds=len(falls["gd"]) >= 4, here=f"{len(falls['gd'])} values of J, one for each G",
        section="The rate that is missing"),
    Row("cx", "The graph is reset, and an interactive session installed.", CONVENTION, "tensors_and_the_tape",
        "TensorFlow 1. Nothing here is left to be reset.",
        holds=y.data.tolist() == [9.0], here="3² is 9 at once, without a session",
        section="Where the session has gone"),
    Row("c", "Such a session is the default by itself, so that `sess.run` need not be called.", SAME,
        "tensors_and_the_tape", "In TensorFlow 1: `eval()` and `run()` then find it.",
        source="its documentation of InteractiveSession"),
)  # fmt: skip

# %% [markdown]
# ### Content cost function

# %%
unrolled = [features.reshape(-1, channels).T for features in (C, G)]
single = [name for name, recipe in recipes.items() if sum(weight > 0 for weight in recipe.content_layers.values()) == 1]

enter(
    "Content cost function",
    Row("acd", "Compare the activations of layer l of a trained network, for C and for G.", SAME,
        "style_transfer_by_hand",
        holds=costs[0] == 0, here="0 where they are equal"),
    Row("acd", "If they are alike, the contents are.", SAME, "style_transfer_in_practice", "To that layer.",
        source="measured in the lesson, which restores a photograph from each"),
    Row("ac", "J_content = ½ ‖a(C) − a(G)‖².", CONVENTION, "style_transfer_by_hand",
        "As in the paper. It takes α / 96 to get the same picture.",
        holds=np.isclose(content, 2 * H * W * channels), here=f"{squares / 2:.3f}, {content:.0f} times ours",
        section="The constant in front"),
    Row("d", "The same without a constant.", CONVENTION, "style_transfer_by_hand",
        holds=np.isclose(squares / costs[2], 4 * H * W * channels),
        here=f"{squares:.2f}, {squares / costs[2]:.0f} times ours", section="The constant in front"),
    Row("cx", "J_content = Σ (a(C) − a(G))² / (4 · n_H · n_W · n_C).", SAME, "style_transfer_by_hand",
        holds=np.isclose(costs[2], 7.056877, rtol=1e-6), here=f"{costs[2]:.6f}, as the exercise prints"),
    Row("x", "It is 6.76559.", CONVENTION, "style_transfer_by_hand", "TensorFlow 1, whose random inputs are others.",
        holds=np.isclose(then["content"][0], 6.76559, rtol=2e-6), here=f"{then['content'][0]:.5f} on those",
        section="Digits that no float32 gives"),
    Row("c", "First unroll both by `tf.transpose` and `tf.reshape`.", CONVENTION, "style_transfer_by_hand",
        "A sum does not mind the order. Style needs it.",
        holds=np.isclose(np.square(unrolled[0] - unrolled[1]).sum(), squares), here="the sum is the same without"),
    Row("c", "`get_shape().as_list()` gives the dimensions.", CONVENTION, "style_transfer_by_hand",
        "TensorFlow 1 again.",
        holds=Tensor(G).shape == (1, 4, 4, 3), here="`G.shape` does"),
    Row("ac", "Take a layer half-way up, not one of the first or the last.", SAME, "style_transfer_in_practice",
        source="measured in the lesson"),
    Row("ad",
        "A shallow layer wants the same pixels, a deep one the same things: the layer sets how much detail stays.",
        SAME, "style_transfer_in_practice", source="measured in the lesson"),
    Row("c", "One layer is enough for content.", SAME, "style_transfer_in_practice",
        holds=len(single) > len(recipes) / 2, here=f"{len(single)} of the {len(recipes)} presets have one"),
)  # fmt: skip

# %% [markdown]
# ### Style cost function

# %%
flat = G.reshape(-1, channels).astype(np.float64)
centred = flat - flat.mean(axis=0)
as_covariance = np.allclose(centred.T @ centred / (H * W), np.cov(flat.T, bias=True))
scaled = centred / flat.std(axis=0)
as_correlation = np.allclose(scaled.T @ scaled / (H * W), np.corrcoef(flat.T))
raw = flat.T @ flat / (H * W)
moved_about = np.random.default_rng(8).permutation(S.reshape(-1, channels)).reshape(S.shape)
worth = {"one": {"a": 1.0}, "both": {"a": 0.2, "b": 0.8}}
summed = style.style_cost({"a": S, "b": G}, {"a": G, "b": S}, worth["both"]).item()

enter(
    "Style cost function",
    Row("acd", "Style is the correlation between channels.", CONVENTION, "style_transfer_in_practice",
        "Without centring and scaling. All three can paint.",
        holds=not np.allclose(raw, np.corrcoef(flat.T), atol=0.1),
        here=f"channels 1 and 2: {raw[0, 1]:.2f} in G/M, {np.corrcoef(flat.T)[0, 1]:.2f} as a correlation"),
    Row("d", "It would be a correlation if channels had zero mean.", CONVENTION, "style_transfer_in_practice",
        "A covariance, then. For a correlation they need a deviation of 1, too. (In signal processing ΣXY is called "
        "one as it is.)",
        holds=as_covariance and as_correlation and not np.allclose(np.cov(flat.T), np.corrcoef(flat.T), atol=0.1),
        here="the Gram matrix of centred channels is M times `np.cov`; `np.corrcoef` takes scaled ones"),
    Row("cd", "The style matrix is n_C × n_C.", SAME, "style_transfer_by_hand",
        holds=style.gram_matrix(G).shape == (1, 3, 3), here="3×3 for three channels"),
    Row("acd", "G_kk′ = Σᵢ Σⱼ a_ijk · a_ijk′, for S.", SAME, "style_transfer_by_hand",
        holds=np.allclose(style.gram_matrix(S).data[0], gram(S), rtol=1e-5), here=f"G₁₁ = {gram(S)[0, 0]:.2f}"),
    Row("c", "G_kk′ = Σᵢ Σⱼ a_ijk · a_ijk, for G.", MISPRINT, "style_transfer_by_hand", "The second k lost its prime.",
        holds=bool(same > 1), here=f"the style itself would cost {same / (2 * H * W * channels) ** 2:.1f} instead of 0",
        section="The prime that got lost"),
    Row("x", "The first entry of the Gram matrix is 63.193256.", CONVENTION, "style_transfer_by_hand", "TF32.",
        holds=f"{rounded:.6f}" == "63.193256",
        here=f"{rounded:.6f} with ten bits, {(drawn @ drawn.T)[0, 0]:.4f} in float32",
        section="Digits that no float32 gives"),
    Row("x", "It is 6.42230511.", CONVENTION, "style_transfer_by_hand", "TensorFlow 1, whose random inputs are others.",
        holds=np.isclose(then["Gram [0, 0]"][0], 6.42230511, rtol=2e-6), here=f"{then['Gram [0, 0]'][0]:.5f} on those",
        section="Digits that no float32 gives"),
    Row("d", "An entry is two channels, multiplied place by place.", MISPRINT, "style_transfer_by_hand",
        "And then the sum over all places, as the formula below it says.",
        holds=np.isclose((G[0, :, :, 0] * G[0, :, :, 1]).sum(), gram(G)[0, 1], rtol=1e-5),
        here=f"the product is {H}×{W} numbers, their sum is the entry"),
    Row("d", "It works with a layer's activation *function*.", MISPRINT, "style_transfer_by_hand",
        "With its activations.",
        holds=style.gram_matrix(G).shape == (1, 3, 3), here="a Gram matrix is one of numbers"),
    Row("c", "J_style = 1/C · ‖G(S) − G(G)‖²_F.", CONVENTION, "style_transfer_by_hand",
        "C is not said to be anything. If it is the number of channels, β has to be 3072 times smaller.",
        holds=np.isclose(per_channel, 4 * channels * (H * W) ** 2), here=f"{per_channel:.0f} times ours",
        section="The constant in front"),
    Row("c", "And that *equals* the sum over k and k′ over (2 · n_H · n_W · n_C)².", CONVENTION,
        "style_transfer_by_hand", "If C stands for all of that.",
        holds=np.isclose(np.linalg.norm(gram(S) - gram(G)) ** 2 / (2 * H * W * channels) ** 2, layer),
        here="the squared Frobenius norm is the sum of squares; with C = (2 · n_H · n_W · n_C)² the two agree"),
    Row("cx", "J_style = Σₖ Σₖ′ (G(S) − G(G))² / (2 · n_H · n_W · n_C)².", SAME, "style_transfer_by_hand",
        holds=np.isclose(layer, 14.017808, rtol=1e-6), here=f"{layer:.6f}"),
    Row("x", "It is 14.01649.", CONVENTION, "style_transfer_by_hand", "TF32 again.",
        holds=f"{in_tf32:.5f}" == "14.01649", here=f"{in_tf32:.5f} with ten bits",
        section="Digits that no float32 gives"),
    Row("x", "It is 9.19028.", CONVENTION, "style_transfer_by_hand", "TensorFlow 1, whose random inputs are others.",
        holds=np.isclose(then["style"][0], 9.19028, rtol=2e-6), here=f"{then['style'][0]:.5f} on those",
        section="Digits that no float32 gives"),
    Row("d", "It is ‖G(S) − G(G)‖² with Frobenius's norm; a constant in front does not matter, for there is another.",
        SAME, "style_transfer_by_hand", "β takes it up.",
        holds=bool(np.allclose(many["style: 1/C"], many["style: 1/C"][0])), here="one ratio on a hundred inputs",
        section="How to tell a convention from a misprint"),
    Row("acdx", "J_style = Σ λ⁽ˡ⁾ · J_style⁽ˡ⁾ over some layers.", SAME, "style_transfer_by_hand",
        holds=np.isclose(summed, 0.2 * layer + 0.8 * style.layer_style_cost(G, S).item()),
        here=f"{summed:.4f} with 0.2 and 0.8"),
    Row("c", "λ has a w above it.", MISPRINT, "style_transfer_by_hand",
        "λ⁽ˡ⁾ without one, as further down in the same notes.",
        holds="layers" in inspect.signature(style.style_cost).parameters, here="`layers={name: λ}`"),
    Row("cd", "Several layers are better than one.", SAME, "style_transfer_in_practice",
        source="measured in the lesson, where each layer alone leaves another far from the style"),
    Row("c", "Lowering it makes G follow the style of S.", SAME, "style_transfer_in_practice",
        "Its style, and not S: places do not count.",
        holds=bool(style.layer_style_cost(S, moved_about).item() < 1e-6 and np.abs(S - moved_about).max() > 1),
        here="S with its places shuffled costs nothing"),
)  # fmt: skip

# %% [markdown]
# ### 1D and 3D generalizations

# %%
signal, volume = np.zeros((1, 14, 1), np.float32), np.zeros((1, 14, 14, 14, 1), np.float32)
of_signal, of_volume = nn.Conv1d(1, 16, 5, seed=0)(signal).shape, nn.Conv3d(1, 16, 5, seed=0)(volume).shape
moving_dot = np.zeros((2, 5, 5, 5, 1))
for frame in range(5):
    moving_dot[0, frame, 2, frame], moving_dot[1, frame, 2, 4 - frame] = 1, 1
detector = moving_dot[0][..., None]  # a filter that is the film of a dot going right
motion = ops.conv(moving_dot, detector).data.ravel()

enter(
    "1D and 3D generalizations",
    Row("acd", "Convolution works in one dimension and in three as it does in two.", SAME, "convolution_four_ways",
        holds=len(of_signal) == 3 and len(of_volume) == 5, here="one `ops.conv` for all"),
    Row("a", "An electrocardiogram is a voltage at each moment: 14 numbers, say.", SAME, "convnets_on_ecg",
        holds=signal.shape == (1, 14, 1), here="14×1, one channel"),
    Row("a", "14×1 with 16 filters of 5×1 gives 10×16.", SAME, "convnets_on_ecg",
        holds=of_signal == (1, 10, 16), here=f"{of_signal[1]}×{of_signal[2]}"),
    Row("a", "For one dimension, recurrent networks are what one really uses.", WRONG, "convnets_on_ecg",
        "Often, and not always: the lecture says that both are used.",
        source="the lesson, where a ConvNet tells five rhythms apart"),
    Row("a", "A CT has height, width and depth: 14×14×14, say.", SAME, "convnets_on_volumes",
        holds=volume.shape == (1, 14, 14, 14, 1), here="14×14×14×1"),
    Row("a", "14×14×14×1 with 16 filters of 5×5×5×1 gives 10×10×10×16.", SAME, "convnets_on_volumes",
        holds=of_volume == (1, 10, 10, 10, 16), here="×".join(map(str, of_volume[1:]))),
    Row("a", "A film is a volume, with time as depth, in which motion can be found.", SAME, "convnets_on_volumes",
        holds=bool(motion[0] == 5 and motion[1] == 1),
        here=f"one filter says {motion[0]:.0f} of a dot that goes right, {motion[1]:.0f} of one that goes left"),
)  # fmt: skip

# %% [markdown]
# ### What came of it
#
# How many of the claims are right as they stand, and how many of the others are a matter of habit? **Predict**, then
# look.

# %% tags=["predict"]
rows = [row for entries in LEDGER.values() for row in entries]
counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in VERDICTS}
computed = sum(row.holds is not None for row in rows)
print(f"{len(rows)} rows, {computed} of them computed:", ", ".join(f"{count} {name}" for name, count in counts.items()))

# %% tags=["answer"]
assert [*LEDGER] == [lecture.lecture for lecture in LECTURES] and {row.verdict for row in rows} == {*VERDICTS}
assert counts[SAME] > len(rows) / 2 and counts[WRONG] < counts[CONVENTION]

fig, ax = plt.subplots(figsize=(10, 4.6), layout="constrained")
colours = dict(zip(VERDICTS, ("#c9d6e2", BLUE, SAND, RED), strict=True))
for y, entries in enumerate(LEDGER.values()):
    start = 0
    for verdict, colour in colours.items():
        count = sum(row.verdict == verdict for row in entries)
        ax.barh(y, count, left=start, color=colour, height=0.72)
        if count:
            ink = "white" if colour in (BLUE, RED) else INK
            ax.text(start + count / 2, y, count, ha="center", va="center", color=ink)
        start += count
ax.set_yticks(range(len(LEDGER)), LEDGER)
ax.invert_yaxis()
ax.spines[["left", "bottom"]].set_visible(False)
ax.tick_params(left=False, bottom=False, labelbottom=False)
for place, (verdict, colour) in enumerate(colours.items()):
    key = {"color": "#8aa5bf" if verdict == SAME else colour, "weight": "bold", "transform": ax.transAxes}
    ax.text(0.72, 0.36 - 0.075 * place, f"■ {counts[verdict]} {verdict}", **key)
ax.set_title("What five sets of notes say about eleven lectures", loc="left")
fig.savefig("ledger.png", dpi=150)
plt.show()

# %% [markdown] tags=["answer"]
# Most of it is right. Where notes differ from the slides it is a habit, most of all in constants. Misprints sit in
# formulas, and a formula can be tried. What is wrong is mostly a sentence that says a little too much: "maximised",
# "far smaller", "adapted", "introduced by".

# %% [markdown]
# ## Your turn
#
# 1. Add another variant of yours to `many`. σ inside, say, or the maximum of the triplet loss outside the sum.
# 2. The exercise lists α = 10 and β = 40. What are they if both costs are written as sums, without any constant?
# 3. `minicnn learn start compute_layer_style_cost`: make one of these slips on purpose. Is it found out?
# 4. Enter a claim of your own notes: a `Row` with what you compute as `holds`. If it does not hold, the page stops.
