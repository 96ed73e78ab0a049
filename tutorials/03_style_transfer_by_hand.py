# %% [markdown]
# # Lesson 3: style transfer by hand
#
# Take a photograph and a painting. Find a picture that shows what the photograph shows, painted as the painting is
# painted. In 2015 Gatys, Ecker and Bethge found out how: write down a number that says how bad a picture is, the
# *cost*, and walk downhill, pixel by pixel. No network is trained. A trained network only looks, and we change what
# it looks at.
#
# In this lesson you write each part of the cost yourself, check it against the numbers of the deeplearning.ai course
# and against minicnn's own, and then write the loop: first as the course states it, from noise by plain gradient
# descent, and then as people run it. It takes less than a minute. Where you write, there is a hole and a check:
# `minicnn tutorial play 3` stops there, and `minicnn tutorial open 3` gives you a file with holes.
#
# What a layer of the network puts out of a picture are its *features*: C channels, each a map of H rows and W columns
# that says where the layer saw what it looks for. Their shape is (1, H, W, C), as in the course.

# %%
import random as python_random

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data

import minicnn
from minicnn import Tensor, frozen, gradcheck, images, models, no_grad, ops, optim, style
from minicnn.datasets.paintings import PAINTINGS
from minicnn.learn.holes import check

minicnn.use_backend("numpy")
INK, BLUE, RED, GREEN = "#222222", "#2f6690", "#c8553d", "#8a9a5b"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## Numbers that everybody can check
#
# The course checks each exercise on random features from TensorFlow. You need no TensorFlow for them. Its random
# numbers come from Philox, which is not a stream but a scrambler: put in a counter and a key, and out come four
# numbers that look random. The same counter and key give the same numbers on any machine, so we can make them here.
#
# Two steps: Philox makes random bits; Box and Muller's formula turns pairs of evenly spread numbers into normal ones.


# %%
def philox(counters, seed, operation_seed):
    """Four arrays of random 32-bit numbers, one of each for every counter (Salmon et al. 2011)."""
    low_half, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    counters = counters.astype(np.uint64)
    words = [counters & low_half, counters >> shift]
    words += [np.full_like(counters, operation_seed & 0xFFFFFFFF), np.full_like(counters, operation_seed >> 32)]
    keys = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):  # ten rounds: multiply, swap the halves, mix in the key
        first = np.uint64(0xD2511F53) * words[0]
        second = np.uint64(0xCD9E8D57) * words[2]
        words = [
            (second >> shift) ^ words[1] ^ np.uint64(keys[0]),
            second & low_half,
            (first >> shift) ^ words[3] ^ np.uint64(keys[1]),
            first & low_half,
        ]
        keys = [(keys[0] + 0x9E3779B9) & 0xFFFFFFFF, (keys[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return words


def between_zero_and_one(word):
    """23 random bits become the fraction of a float32 between 1 and 2; then 1 is taken off."""
    bits = (word.astype(np.uint32) & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)
    return bits.view(np.float32) - np.float32(1)


def tensorflow_normal(shape, operation_seed, mean, deviation, seed=1):
    """What tf.random.normal(shape, mean, deviation) draws on a CPU, in float32."""
    count = int(np.prod(shape))
    a, b, c, d = (between_zero_and_one(word) for word in philox(np.arange(-(-count // 4)), seed, operation_seed))
    normal = []
    for first, second in ((a, b), (c, d)):
        radius = np.sqrt(-2 * np.log(np.maximum(first, np.float32(1e-7))))
        angle = np.float32(2 * np.pi) * second
        normal += [np.sin(angle) * radius, np.cos(angle) * radius]
    values = np.stack(normal, axis=1).ravel()[:count].reshape(shape)
    return values * np.float32(deviation) + np.float32(mean)


# After tf.random.set_seed(1), each operation receives the next number of Python's own generator as its seed.
generator = python_random.Random(1)
first_seed, second_seed = (generator.randint(0, 2**31 - 1) for _ in range(2))
one = tensorflow_normal((1, 4, 4, 3), first_seed, mean=1, deviation=4)
other = tensorflow_normal((1, 4, 4, 3), second_seed, mean=1, deviation=4)
print(f"the first features of the course's exercise: {one[0, 0, 0]}, {one.dtype}")

# %% [markdown]
# ## The content cost
#
# The network looks at the photograph, and at our picture. If at every place every channel responds alike, both show
# the same. So the content cost is the squared difference, summed, over 4·H·W·C:
#
# $$J_\text{content} = \frac{1}{4 \, H W C} \sum (a_\text{content} - a_\text{generated})^2$$
#
# **You write** it with `ops`, on Tensors: that puts it on the tape, and its gradient comes for free.


# %% tags=["hole"] minutes=5
def content_cost(content, generated):
    """Return the content cost, a Tensor. content, generated: features, Tensors (1, H, W, C)."""
    _, H, W, C = generated.shape
    return ops.sum(ops.square(content - generated)) / (4 * H * W * C)


# %% tags=["check"]
slips = {
    "The 4 below the line is missing.": 28.2275,
    "That is half of the sum, as Gatys wrote it; the course divides by 4·H·W·C.": 677.460,
    "You divided by H·W only: the channels count, too.": 21.170631,
    "That is the sum of the differences as they are, or of their absolute values. Square them first.": (
        np.abs(one - other).sum() / (4 * one.size)
    ),
}
check("content_cost", content_cost(Tensor(one), Tensor(other)), 7.056877, slips)
assert isinstance(content_cost(Tensor(one), Tensor(other)), Tensor), "content_cost gives no Tensor: compute with ops"

# %%
print("content cost:", content_cost(Tensor(one), Tensor(other)).item())
assert np.isclose(content_cost(Tensor(one), Tensor(other)).item(), style.content_cost(one, other).item(), rtol=3e-6)

# %% [markdown]
# Had you forgotten the 4, it would be 28.2275. Each slip leaves a fingerprint, and the check above knows some of them.
#
# ## The Gram matrix
#
# Style is not *what is where*. A painter's dashes and colours may stand anywhere. So throw the places away and keep
# only *which channels respond together*. Lay the features out as a matrix A with one row for each channel and one
# column for each place. The Gram matrix G = A·Aᵀ holds the dot product of every pair of rows: G[i, j] is large where
# channel i and channel j are active in the same places.
#
# **You write** two functions: the product, and the matrix A of features, which come as (1, H, W, C). Mind the order in
# which their numbers lie in memory.


# %% tags=["hole"] minutes=6
def gram_matrix(A):
    """Return the Gram matrix (C, C) of A (C, places), an array or a Tensor."""
    return A @ A.T


def one_row_a_channel(features):
    """Return features (1, H, W, C), an array or a Tensor, as a matrix (C, H·W)."""
    _, H, W, C = features.shape
    return features.reshape(H * W, C).T  # reshape first, then turn: a plain reshape to (C, H·W) mixes up the channels


# %% tags=["check"]
A = tensorflow_normal((3, 2), first_seed, mean=1, deviation=4)
gram = style.gram_matrix(A.T.reshape(1, 1, 2, 3)).data[0]
slips = {
    "That is Aᵀ·A, places with places. Which product has an entry for each pair of channels?": A.T @ A,
    "That is A times A, number by number. A matrix product is @.": A * A,
    "That is divided by the number of places. Here it is not.": gram / 2,
}
check("gram_matrix(A)", gram_matrix(A), gram, slips)
slips = {
    "A plain reshape to (C, H·W) mixes up the channels: reshape to (H·W, C), then turn.": one.reshape(3, 16),
    "Each row is a place. Turn it: each row is to be a channel.": one.reshape(16, 3),
}
check("one_row_a_channel(features)", one_row_a_channel(Tensor(one)), np.moveaxis(one[0], -1, 0).reshape(3, -1), slips)

# %%
print(gram_matrix(A))
assert np.allclose(gram_matrix(A)[0], [63.1888, -26.72128, -7.73202], rtol=3e-6)
assert np.allclose(gram_matrix(one_row_a_channel(Tensor(one))).data, style.gram_matrix(Tensor(one)).data[0], rtol=1e-5)

# %% [markdown]
# Does it really forget the places? Shuffle them. **Predict**: what does the content cost say, what the Gram matrix?

# %% tags=["predict"]
shuffled = np.random.default_rng(0).permutation(one.reshape(16, 3)).reshape(one.shape)
before, after = (gram_matrix(one_row_a_channel(Tensor(features))).data for features in (one, shuffled))
print(f"content cost of shuffling the places: {content_cost(Tensor(one), Tensor(shuffled)).item():.3f}")
print(f"largest change of the Gram matrix:    {np.abs(after - before).max():.6f}")

# %% [markdown] tags=["answer"]
# The content cost is up in arms, the Gram matrix does not move.

# %% tags=["answer"]
assert np.allclose(before, after, rtol=1e-5) and content_cost(Tensor(one), Tensor(shuffled)).item() > 4

# %% [markdown]
# ## The style cost
#
# Of one layer: the squared difference of the two Gram matrices. It is divided by 4·C²·(H·W)², because G has C²
# entries and each is a sum over H·W places.
#
# $$J_\text{layer} = \frac{1}{4 \, C^2 (H W)^2} \sum (G_\text{style} - G_\text{generated})^2$$
#
# **You write** it, from the two functions above.


# %% tags=["hole"] minutes=6
def layer_style_cost(style_features, generated):
    """Return the style cost of one layer, a Tensor. style_features, generated: Tensors (1, H, W, C)."""
    _, H, W, C = generated.shape
    G_style = gram_matrix(one_row_a_channel(style_features))
    G_generated = gram_matrix(one_row_a_channel(generated))
    return ops.sum(ops.square(G_style - G_generated)) / (4 * C**2 * (H * W) ** 2)


# %% tags=["check"]
slips = {
    "The features are reshaped to (C, H·W) without turning: stripes, not channels.": 2.92039,
    "The Gram matrices are Aᵀ·A, places with places.": 29.5381,
    "It is divided by H·W once. Each entry is a sum over H·W places, and it is squared: so is H·W.": 224.285,
    "It is divided by C once; there are C² entries.": 3 * 14.017808,
    "The 4 below the line is missing.": 56.0712,
    "That is the mean of the squares. What it is divided by is written above.": 4 * 256 * 14.017808,
}
check("layer_style_cost", layer_style_cost(Tensor(one), Tensor(other)), 14.017808, slips)

# %%
cost = layer_style_cost(Tensor(one), Tensor(other)).item()
print("style cost of one layer:", cost)
assert np.isclose(cost, 14.017808, rtol=3e-6)
assert np.isclose(cost, style.layer_style_cost(one, other).item(), rtol=1e-5)
assert layer_style_cost(Tensor(one), Tensor(one)).item() == 0

# %% [markdown]
# What goes wrong here goes wrong silently. Below are the four slips that everybody makes. **Predict**: each of them
# gives another number, but which is the worst to have, because it looks most like a right one?

# %% tags=["predict"]
rows = one.reshape(16, 3).T, other.reshape(16, 3).T  # right: reshape, then turn
mixed = one.reshape(3, 16), other.reshape(3, 16)


def style_of(A, B):
    """The formula, of two matrices (C, places)."""
    return np.square(gram_matrix(A) - gram_matrix(B)).sum() / (4 * 3**2 * 16**2)


assert np.isclose(style_of(*rows), 14.017808, rtol=1e-5)
slips = {
    "reshaped to (C, H·W) without turning": style_of(*mixed),
    "Aᵀ·A, places with places": style_of(*(A.T for A in rows)),
    "divided by H·W instead of its square": 16 * style_of(*rows),
    "forgot the 4": 4 * style_of(*rows),
}
for slip, value in slips.items():
    print(f"{value:9.4f}  {slip}")

# %% [markdown] tags=["answer"]
# The first. It is of the right size, its matrix has the right shape, it is zero for equal pictures, and an optimizer
# can walk down it; only that its "channels" are stripes of the picture. The others change the size of the number, and
# then a weight in the loop can hide them: find them here.

# %% tags=["answer"]
assert np.allclose(list(slips.values()), [2.92039, 29.5381, 224.285, 56.0712], rtol=1e-5)

# %% [markdown]
# Of the whole network: a weighted sum over several layers, since dashes are seen by the early ones and whole swirls
# by the later ones. And the total: content and style, weighed against each other, α · J_content + β · J_style.
#
# **You write** both.


# %% tags=["hole"] minutes=5
def style_cost(style_features, generated, layers):
    """Return Σ weight · J_layer. style_features, generated: {name: Tensor (1, H, W, C)}. layers: {name: weight}."""
    total = 0
    for name, weight in layers.items():
        total = total + weight * layer_style_cost(style_features[name], generated[name])
    return total


def total_cost(content, style, alpha=10, beta=40):
    """Return J, from the content cost and the style cost."""
    return alpha * content + beta * style


# %% tags=["check"]
two_layers = {"early": 0.2, "late": 0.8}
seen_in_style = {"early": Tensor(one), "late": Tensor(other)}
seen_in_picture = {"early": Tensor(other), "late": Tensor(other)}
slips = {
    "The weights are left out.": 14.017808,
    "That is the mean over the layers; their weights are in `layers`.": 14.017808 / 2,
    "The weights are those of the other layer.": 0.8 * 14.017808,
    "That is the last layer alone: add up over all.": 0,
}
cost = style_cost(seen_in_style, seen_in_picture, two_layers)  # the late layers agree and add nothing
check("style_cost", cost, 0.2 * 14.017808, slips)
slips = {
    "The weights are swapped: alpha is that of the content.": [16, 3.9],
    "That is 10 and 40 whatever was asked: use alpha and beta.": [34, 23],
}
found = [total_cost(0.2, 0.8), total_cost(0.3, 0.5, alpha=3, beta=8)]
check("total_cost", found, [34, 4.9], slips)

# %%
cost = cost.item()
assert np.isclose(cost, style.style_cost(seen_in_style, seen_in_picture, two_layers).item(), rtol=1e-5)

print("total:", found)
assert total_cost(0.2, 0.8) == style.total_cost(0.2, 0.8)

# %% [markdown]
# The values are right. And the gradients? They come from the tape; finite differences say whether to believe it.

# %%
target = Tensor(one.astype(np.float64))


def cost_of_features(features):
    return total_cost(content_cost(target, features), layer_style_cost(target, features))


print(gradcheck(cost_of_features, [Tensor(other.astype(np.float64), name="features")]))

# %% [markdown]
# ## A page about digits
#
# Compare with the course's notebook and you may frown. It prints 7.056877 for the content cost, as we do. But for the
# Gram matrix it prints 63.193256 where we have 63.1888, and for the style cost 14.01649, not 14.017808. These are not
# roundings of our numbers. Who is right?
#
# A float32 keeps 23 bits after the leading one, about seven digits. Some graphics cards multiply *matrices* in a
# faster format, TF32: before the product, each number is rounded to 10 bits, about three digits. Content needs no
# matrix product, so its digits agree. Gram matrices are nothing else. If this suspicion is right, rounding A to 10
# bits *before* an exact product should give the course's numbers, all digits of them.


# %%
def round_to_ten_bits(values):
    """The nearest float32 of which only the first 10 of the 23 bits are in use: what TF32 sees."""
    bits = values.astype(np.float32).view(np.uint32)
    dropped = 13
    halfway_up = np.uint32((1 << (dropped - 1)) - 1) + ((bits >> np.uint32(dropped)) & np.uint32(1))  # ties to even
    kept = (bits + halfway_up) >> np.uint32(dropped) << np.uint32(dropped)
    return kept.view(np.float32)


A_seen, one_seen, other_seen = (round_to_ten_bits(values).astype(np.float64) for values in (A, one, other))
print("A                  ", A.ravel())
print("A as TF32 sees it  ", A_seen.astype(np.float32).ravel())
gram_in_tf32 = f"{gram_matrix(A_seen)[0, 0]:.6f}"
style_in_tf32 = f"{layer_style_cost(Tensor(one_seen), Tensor(other_seen)).item():.5f}"
print(f"Gram matrix [0, 0]: {gram_in_tf32}    the course: 63.193256")
print(f"style cost:         {style_in_tf32}     the course: 14.01649")
assert gram_in_tf32 == "63.193256" and style_in_tf32 == "14.01649"

# %% [markdown]
# Digit by digit. So the course was run on such a card, and its printed numbers are good to four digits. Both answers
# are "right"; they answer for different arithmetic. When two programs disagree in the fourth digit, do not shrug and
# do not despair. Ask which number format each of them used.
#
# ## Two pictures and a network
#
# Now for real. The photograph is Grace Hopper's, which comes with matplotlib; the painting, a church window, is drawn
# by minicnn. Both are 128 by 128 pixels: our formula divides by H·W once for both, so they must be equally large.
# (minicnn's own cost divides each Gram matrix by its own number of places, so there they may differ.)
#
# The network is `tiny_vgg`: nine convolutions in five blocks, trained by this engine on small photographs. Between two
# blocks a *pool* halves the map's height and width: of every 2×2 numbers it keeps the largest, or here their mean. Its
# layers bear the names that the course uses for its big brother, VGG-19.
#
# From here on we switch to the compiled kernels. Every step runs the network forward and backward, sixty times; the
# readable kernels give the same numbers, only later.

# %%
minicnn.use_backend("numba")
photograph = images.load(get_sample_data("grace_hopper.jpg", asfileobj=False), size=(152, 128))[:128]
painting = PAINTINGS["stained_glass"](128)
network = models.tiny_vgg(pooling="avg")  # Gatys' advice: average pooling lets the gradient reach every pixel

CONTENT_LAYER = "block3_conv2"
STYLE_LAYERS = {f"block{block}_conv1": 0.2 for block in (1, 2, 3, 4, 5)}  # as in the course

with no_grad():
    seen_in_photograph = network.features(photograph[None], [*STYLE_LAYERS, CONTENT_LAYER])
    seen_in_painting = network.features(painting[None], STYLE_LAYERS)
for name, features in seen_in_photograph.items():
    print(f"{name}  {features.shape!s:20} typical size {np.sqrt(np.mean(features.data**2)):.2f}")

assert photograph.shape == painting.shape == (128, 128, 3)

# %% [markdown]
# ## The algorithm as the course states it
#
# Three lines, and you have all that they need:
#
# 1. Begin with G at random, 100×100×3.
# 2. J(G) = α · J_content(C, G) + β · J_style(S, G), with α = 10 and β = 40.
# 3. G := G − ε · ∂J/∂G, again and again.
#
# No photograph to begin with, no optimizer with a name, no clipping. One number is missing, the rate ε. J is divided by
# the number of features, so a single pixel moves it very little: expect tiny gradients, and rates far above those that
# train networks.

# %%
ALPHA, EPSILON = 10, 100
photograph_100 = images.load(get_sample_data("grace_hopper.jpg", asfileobj=False), size=(119, 100))[:100]
painting_100 = PAINTINGS["stained_glass"](100)
noise = np.random.default_rng(0).random((1, 100, 100, 3), dtype=np.float32)
with no_grad():
    target_content = network.features(photograph_100[None], [CONTENT_LAYER])[CONTENT_LAYER]
    target_style = network.features(painting_100[None], STYLE_LAYERS)


def J(G, beta=40):
    """The cost of the course, and nothing else."""
    seen = network.features(G, [*STYLE_LAYERS, CONTENT_LAYER])
    content = content_cost(target_content, seen[CONTENT_LAYER])
    return total_cost(content, style_cost(target_style, seen, STYLE_LAYERS), ALPHA, beta)


G = Tensor(noise, requires_grad=True)
with frozen(network):
    J(G).backward()
print(f"one pixel's gradient, in the mean: {np.abs(G.grad).mean():.5f}")
assert np.abs(G.grad).mean() < 0.001

# %% [markdown]
# **You write** the loop. J(G) gives the cost of a Tensor; call it inside `with frozen(network):`, so that no gradients
# of the weights are computed. Keep the costs and the pictures, to look at afterwards.


# %% tags=["hole"] minutes=10
def as_stated(G, epsilon, steps, beta=40):
    """Return (costs, pictures): J(G, beta) before each step and after the last, and the picture (H, W, 3) at that time.

    G: the array (1, H, W, 3) to begin with, which stays as it is. Both have steps + 1 entries.
    """
    costs, pictures = [], []
    with frozen(network):
        for step in range(steps + 1):
            G = Tensor(G, requires_grad=True)
            cost = J(G, beta)
            costs.append(cost.item())
            pictures.append(G.data[0])
            if step < steps:
                cost.backward()
                G = G.data - epsilon * G.grad
    return np.array(costs), pictures


# %% tags=["check"]
kept = noise.copy()
costs, pictures = as_stated(noise, 100, steps=1)
check("the number of costs and of pictures, for one step", [len(costs), len(pictures)], [2, 2])
slips = {
    "It did not move: G is to be replaced by G − ε · gradient.": noise[0],
    "It walked uphill: the gradient points to where J grows.": noise[0] + 100 * G.grad[0],
    "It moved by the gradient alone: times ε.": noise[0] - G.grad[0],
    "It is clipped to 0 … 1. The algorithm as stated does not.": np.clip(noise[0] - 100 * G.grad[0], 0, 1),
}
check("the picture after one step", pictures[1], noise[0] - 100 * G.grad[0], slips)
check("the costs", costs, [J(Tensor(picture[None])).item() for picture in (noise[0], pictures[1])])
check("the picture to begin with", noise, kept, {"It is changed in place; make a new array.": pictures[1][None]})

# %% [markdown]
# **Predict**: three steps at the rates 10, 100 and 1000. Is ten times the rate ten times as fast?

# %% tags=["predict"]
tried = {epsilon: as_stated(noise, epsilon, steps=3)[0] for epsilon in (10, 100, 1000)}
for epsilon, costs in tried.items():
    print(f"rate {epsilon:4}:  J = " + "  →  ".join(f"{cost:.3g}" for cost in costs))

# %% [markdown] tags=["answer"]
# From 10 to 100 it gains. At 1000 the first step already goes beyond the valley and up the other side, the next starts
# higher and goes further still, and after three J is a number with sixteen digits. Too small a rate only takes long;
# too large a one does not take less long, it never arrives.

# %% tags=["answer"]
assert tried[10][3] < tried[10][0] and tried[100][3] < tried[10][3]
assert tried[1000][3] > 1000 * tried[1000][0]

# %% [markdown]
# So ε = 100, and a hundred steps. **Predict**: what will you recognise first, and when?

# %% tags=["predict"]
stated, on_the_way = as_stated(noise, EPSILON, steps=100)
falls = np.diff(stated) < 0
print(f"J from {stated[0]:.3f} to {stated[-1]:.3f}; it falls in {falls.sum()} of {len(falls)} steps")

SHOWN = (0, 3, 10, 30, 60, 100)
fig, panels = plt.subplots(1, len(SHOWN) + 1, figsize=(15, 2.7), layout="constrained", width_ratios=[1] * 6 + [1.35])
for ax, step in zip(panels, SHOWN, strict=False):
    ax.imshow(np.clip(on_the_way[step], 0, 1), interpolation="lanczos")
    ax.set_title(f"step {step}\nJ = {stated[step]:.3f}" if step else f"noise\nJ = {stated[0]:.3f}")
    ax.set_axis_off()
curve = panels[-1]
curve.plot(stated, color=INK, lw=2)
curve.plot(SHOWN, stated[list(SHOWN)], "o", color=RED)
curve.set(yscale="log", xlabel="step", title="J falls at every step")
curve.set_yticks((0.1, 0.2, 0.5), ("0.1", "0.2", "0.5"))
curve.minorticks_off()
curve.grid(alpha=0.25)
fig.savefig("as_stated.png", dpi=150)
plt.show()

# %% [markdown] tags=["answer"]
# J falls at every single step: this is what "plain" buys. Her glasses and her cap come out of the grain after some
# thirty steps, and then she does. No pixel of the photograph was ever copied; only features were compared.

# %% tags=["answer"]
assert falls.all() and stated[-1] < stated[0] / 5

# %% [markdown]
# ## The start and the optimizer that people use
#
# The programs that you can download do two things differently. They start from the *photograph*, where the content cost
# is zero to begin with. And they walk with *Adam*, which divides each pixel's gradient by that pixel's usual size. Its
# rate is then a length, in shares of the way from black to white.
#
# Same J, sixty steps each, two starts and two ways to walk. **Predict**: which of the two counts for more after ten
# steps? And after sixty?

# %% tags=["predict"]


def with_adam(G, learning_rate, steps, beta=40):
    """As `as_stated`, but for line 3."""
    G = Tensor(G.copy(), requires_grad=True)
    optimizer = optim.Adam([G], learning_rate=learning_rate)
    costs, pictures = [], []
    with frozen(network):
        for _ in range(steps + 1):
            optimizer.zero_grad()
            cost = J(G, beta)
            cost.backward()
            costs.append(cost.item())
            pictures.append(G.data[0].copy())
            optimizer.step()
    return np.array(costs), pictures


ways = {
    "noise, descent": (stated[:61], on_the_way[:61]),
    "noise, Adam": with_adam(noise, 0.05, steps=60),
    "photograph, descent": as_stated(photograph_100[None], EPSILON, steps=60),
    "photograph, Adam": with_adam(photograph_100[None], 0.05, steps=60),
}
for name, (costs, _) in ways.items():
    print(f"{name:20} J = " + "   ".join(f"{costs[step]:.3f} at step {step}" for step in (0, 10, 30, 60)))

# The β of the next section, and the rates as they are:
louder = {
    "descent": as_stated(photograph_100[None], EPSILON, steps=2, beta=1000)[0],
    "Adam": with_adam(photograph_100[None], 0.05, steps=10, beta=1000)[0],
}
for name, costs in louder.items():
    print(f"β = 1000, {name:8} J from {costs[0]:.3g} to {costs[-1]:.3g} in {len(costs) - 1} steps")

# %% [markdown] tags=["answer"]
# After ten steps it is the start: ten steps from the photograph are worth more than sixty from noise, if both descend
# plainly. After sixty it is both: Adam from noise has come to about where descent is from the photograph, and Adam from
# the photograph is below them all.
#
# The best reason for Adam is in the last two lines. The rate of plain descent was right for *one* J. Change β and it
# must be found again; at this one J explodes in two steps. Adam's 0.05 is five hundredths of the way from black to
# white whatever J is, so nobody has to look for it. Its price: J need not fall at every step any more.
#
# And noise? It has a use still. From the photograph there is one answer, and it stays close to the photograph. From
# noise every seed gives another.

# %% tags=["answer"]
after = {step: {name: costs[step] for name, (costs, _) in ways.items()} for step in (10, 60)}
for costs in after.values():
    assert costs["photograph, descent"] < 0.8 * costs["noise, descent"]
    assert costs["photograph, Adam"] < 0.9 * costs["noise, Adam"]
assert after[10]["photograph, descent"] < 0.6 * after[10]["noise, Adam"]  # at first the start is all
assert after[10]["photograph, descent"] < after[60]["noise, descent"]
assert after[60]["noise, Adam"] < 0.8 * after[60]["noise, descent"]
assert 0.8 < after[60]["noise, Adam"] / after[60]["photograph, descent"] < 1.3
assert after[60]["photograph, Adam"] < 0.95 * after[60]["photograph, descent"]
assert (np.diff(ways["photograph, descent"][0]) < 0).all()
assert louder["descent"][-1] > 100 * louder["descent"][0] and louder["Adam"][-1] < 0.5 * louder["Adam"][0]

fig = plt.figure(figsize=(13, 6.6), layout="constrained")
left, right = fig.subfigures(1, 2, width_ratios=(1.55, 1))
rows = left.subplots(4, 5)
colours = dict(zip(ways, (INK, GREEN, BLUE, RED), strict=True))
for row, (name, (_, pictures)) in zip(rows, ways.items(), strict=True):
    for ax, step in zip(row, (0, 3, 10, 30, 60), strict=True):
        ax.imshow(np.clip(pictures[step], 0, 1), interpolation="lanczos")
        ax.set_axis_off()
        if name == "noise, descent":
            ax.set_title(f"step {step}")
    start, walk = name.split(", ")
    row[0].text(-6, 50, f"{start},\n{walk}", ha="right", va="center", color=colours[name], weight="bold")
curve = right.subplots()
for name, (costs, _) in ways.items():
    curve.plot(costs, color=colours[name], lw=2.2, label=name)
curve.set(yscale="log", xlabel="step", title="J, the same for all")
curve.set_yticks((0.05, 0.1, 0.2, 0.5), ("0.05", "0.1", "0.2", "0.5"))
curve.minorticks_off()
curve.legend(frameon=False)
curve.grid(alpha=0.25)
fig.savefig("four_ways.png", dpi=150)
plt.show()

# %% [markdown]
# ## What else people change
#
# Her face is there, but where is the window? Look at the sizes of the features, above: they are one and less. In the
# course's network they run into the hundreds. The content cost grows with the square of the features, the style cost
# with their *fourth power* (a Gram matrix is a product already, and it is squared): features of half the size leave a
# quarter of the content cost, and a sixteenth of the style cost. So alpha = 10 and beta = 40, tuned to large features,
# leave us little style. We keep alpha, and raise beta.
#
# One more term. A picture can lower its cost with speckle that the network likes and the eye does not: the pictures
# above are full of it. So we also charge for roughness: the squared differences of neighbouring pixels.

# %%
half, other_half = Tensor(one / 2), Tensor(other / 2)
assert np.isclose(content_cost(half, other_half).item(), 7.056877 / 4, rtol=3e-6)
assert np.isclose(layer_style_cost(half, other_half).item(), 14.017808 / 16, rtol=3e-6)

BETA, ROUGHNESS = 1000, 4


def roughness(image):
    down = image[:, 1:] - image[:, :-1]
    right = image[:, :, 1:] - image[:, :, :-1]
    return (ops.sum(ops.square(down)) + ops.sum(ops.square(right))) / image.size


# %% [markdown]
# ## The loop
#
# What learns here? Not the network: it is *frozen*, its weights take no gradient and cannot be written to. The one
# thing that requires a gradient is the image. We start from the photograph, now at 128 by 128, and walk with Adam. Each
# step: look, weigh, walk back, move the pixels a little. Then clip them to [0, 1], because a pixel cannot be blacker
# than black.
#
# **Predict**: which of the three costs, content, style and total, begins at zero? And which way will each of them go?

# %% tags=["predict"]
STEPS = 60
image = Tensor(photograph[None].copy(), requires_grad=True, name="image")
optimizer = optim.Adam([image], learning_rate=0.05)
history = {"content": [], "style": [], "total": []}
weights_before = [parameter.data.copy() for parameter in network.parameters()]

with frozen(network):
    for step in range(STEPS):
        seen = network.features(image, [*STYLE_LAYERS, CONTENT_LAYER])
        content = content_cost(seen_in_photograph[CONTENT_LAYER], seen[CONTENT_LAYER])
        painted = style_cost(seen_in_painting, seen, STYLE_LAYERS)
        cost = total_cost(content, painted, ALPHA, BETA) + ROUGHNESS * roughness(image)

        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        np.clip(image.data, 0, 1, out=image.data)

        for name, value in (("content", ALPHA * content), ("style", BETA * painted), ("total", cost)):
            history[name].append(value.item())
        if step % 10 == 0 or step == STEPS - 1:
            print(f"step {step:2}   " + "   ".join(f"{name} {history[name][-1]:8.4f}" for name in history))

result = image.data[0]
images.save("styled.png", result)

# %% [markdown] tags=["answer"]
# The content cost begins at zero, since we start from the photograph. It leaps up while the style cost falls from its
# cliff, and then comes down with it: at first any way to the style will do, later one is found that keeps the face.
# That is the bargain that alpha and beta strike.

# %% tags=["answer"]
assert history["content"][0] < 1e-6 and history["content"][-1] < 0.9 * max(history["content"])
assert history["total"][-1] < history["total"][0] / 3
assert history["style"][-1] < history["style"][0] / 10
assert result.min() >= 0 and result.max() <= 1
for parameter, before in zip(network.parameters(), weights_before, strict=True):
    assert parameter.grad is None and np.array_equal(parameter.data, before)  # the network only looked

# %%
fig, panels = plt.subplots(1, 4, figsize=(14, 4.2), layout="constrained")
for ax, picture, title in zip(
    panels, (photograph, painting, result), ("content", "style", f"after {STEPS} steps"), strict=False
):
    ax.imshow(picture, interpolation="lanczos")
    ax.set_title(title)
    ax.set_axis_off()
curve = panels[3]
for name, colour in (("total", INK), ("style", RED), ("content", BLUE)):
    curve.plot(np.maximum(history[name], 1e-3), color=colour, lw=2, label=name)
curve.set(yscale="log", xlabel="step", title="cost", ylim=(0.01, None), box_aspect=1)
curve.legend(frameon=False)
curve.grid(alpha=0.25)
fig.savefig("style_transfer.png", dpi=150)
plt.show()

# %% [markdown]
# What did the network see? Here are Gram matrices of its second block: the photograph's, our picture's, the
# painting's. Ours began as the first and has become the last. (We show roots, so that small entries can be seen.)

# %%
layer = "block2_conv1"
with no_grad():
    seen_in_result = network.features(result[None], [layer])
grams = {
    name: gram_matrix(one_row_a_channel(features[layer])).data
    for name, features in (
        ("photograph", seen_in_photograph),
        ("our picture", seen_in_result),
        ("painting", seen_in_painting),
    )
}
fig, panels = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
brightest = max(np.sqrt(gram).max() for gram in grams.values())
for ax, (name, gram) in zip(panels, grams.items(), strict=True):
    ax.imshow(np.sqrt(gram), cmap="magma", vmin=0, vmax=brightest, interpolation="nearest")
    away = np.linalg.norm(gram - grams["painting"]) / np.linalg.norm(grams["painting"])
    ax.set_title(f"{name}\n{away:.0%} away from the painting" if away else f"{name}\n")
    ax.set_axis_off()
fig.savefig("gram_matrices.png", dpi=150)
plt.show()

distance = {name: np.linalg.norm(gram - grams["painting"]) for name, gram in grams.items()}
assert distance["our picture"] < distance["photograph"] / 3

# %% [markdown]
# ## The same in one call
#
# `minicnn.style.transfer` is this loop, with a progress bar, and with the painting's Gram matrices formed only once.
# Tell it everything that we chose, and it walks the same way. Twenty steps are enough to see that.

# %%
theirs = style.transfer(
    photograph,
    painting,
    model=network,
    preset="course",
    preprocessing="cifar10",  # as the network has learned; the course's own is for VGG-19
    content_layers={CONTENT_LAYER: 1.0},
    style_layers=STYLE_LAYERS,
    alpha=ALPHA,
    beta=BETA,
    total_variation=ROUGHNESS,
    variation_form="mean-squared",
    init="content",
    optimizer="adam",
    learning_rate=0.05,
    clamp="step",
    steps=20,
)
by_hand = np.array(history["total"][:20])
by_transfer = np.array([costs["total"] for costs in theirs.history[:20]])
apart = np.abs(by_transfer / by_hand - 1)
for step in (0, 10, 19):
    print(f"step {step:2}: by hand {by_hand[step]:.6f}, transfer {by_transfer[step]:.6f}")
assert apart[0] < 1e-5  # the same cost …
assert apart.max() < 0.02  # … and the same way down; float32 roundings grow a little with every step

# %% [markdown]
# ## What you have now
#
# - The content cost compares place by place. The style cost compares Gram matrices, which forget the places.
# - A wrong cost raises no error. Each slip has its number, and one of them looks right.
# - Two right programs may differ in the fourth digit: ask for the number format.
# - The network is frozen; the gradient goes to the pixels.
# - The algorithm as stated works, and J falls at every step. The photograph and Adam save steps, and a search for ε.
#
# You have written neural style transfer.
#
# **Try it**
#
# 1. Run the algorithm as stated from two other seeds. Does J end at the same number? Do you get the same picture?
# 2. Set `ALPHA = 0`. What remains is a *texture*: the window's glass, and nobody in it.
# 3. Use only `{"block1_conv1": 1.0}` for the style, then only `{"block4_conv1": 1.0}`. Which one has the colours,
#    which one the pieces of glass?
# 4. Take the content from `block1_conv1`, and then from `block5_conv1`. What does the network remember of a face, four
#    pools up?
# 5. Find the largest ε at which J still falls at all of the hundred steps, within ten per cent. Then do it again at
#    50×50. Does ε grow or shrink, and can you say why from the formula of the content cost?
# 6. Try the other paintings, `"starry_night"` and `"woodcut_wave"`, and a photograph of your own:
#    `images.load("me.jpg", size=(128, 128))`.
# 7. Write all of it again without looking. The course's exercises are here, with its numbers: `minicnn learn start
#    compute_content_cost`, then `gram_matrix`, `compute_layer_style_cost`, `compute_style_cost`, `total_cost` and
#    `train_step`. `minicnn learn check` knows the slips from above, and more.
#
# **Where to look in the source**
#
# - `minicnn/style/costs.py`: each cost in a few lines, as you wrote them.
# - `minicnn/style/objective.py` at `class Objective` and `minicnn/style/loop.py` at `descend`: your loop.
# - `minicnn/models/tiny.py` and `minicnn/models/vgg.py`: the network that looks.
# - `minicnn/ops/losses.py` at `gram_matrix`: its backward is a matrix product, too.
#
# Next: `04_verification_and_recognition.py`, the first of seven lessons on faces. Or stay with style, and turn its
# knobs: `13_style_transfer_in_practice.py`.
