# %% [markdown]
# # Lesson 13: style transfer in practice
#
# Lesson 3 wrote the costs. This one turns the knobs. Lectures say a lot about them: that deep layers know *what* and
# forget *how*, that one style layer is not enough, that L-BFGS is faster. Each of these is a claim that can be
# measured, and here each is: predict first, then run the cell, then read on.
#
# You need a trained network, a photograph and two paintings. All of it is in the package.

# %%
import time
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data

from minicnn import Tensor, frozen, images, models, no_grad, ops, optim, style
from minicnn.datasets.paintings import PAINTINGS

SIDE = 96  # pixels: small, since this lesson makes some twenty pictures
INK, BLUE, RED, GREEN = "#222222", "#2f6690", "#c8553d", "#8a9a5b"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})

photograph = images.load(get_sample_data("grace_hopper.jpg", asfileobj=False), size=(SIDE * 6 // 5, SIDE))[:SIDE]
sky, window = PAINTINGS["starry_night"](SIDE), PAINTINGS["stained_glass"](SIDE)
network = models.tiny_vgg(pooling="avg")
BLOCKS = [f"block{block}_conv1" for block in (1, 2, 3, 4, 5)]
STYLE_LAYERS = dict(zip(BLOCKS, (0.1, 0.2, 0.4, 0.4, 0.4), strict=True))
RECIPE = {  # J = alpha · content + beta · style + total_variation · roughness, but where a cell says otherwise
    "content_layers": {"block3_conv2": 0.5, "block4_conv2": 0.5},
    "style_layers": STYLE_LAYERS,
    "style_form": "relative",
    "alpha": 0.9,
    "beta": 1.0,
    "total_variation": 1.5,
    "variation_form": "mean-squared",
    "learning_rate": 0.03,
    "schedule": "constant",
    "parametrization": "pixels",
}


def seen(picture, layers):
    """{layer: features (1, H, W, C)} of a picture (H, W, 3)."""
    with no_grad():
        return network.features(picture[None].astype(np.float32), layers)


def show(pictures, file, title):
    """{caption: picture} in a row."""
    height = 2.7 + 0.2 * max(caption.count("\n") + 1 for caption in pictures)
    figure, panels = plt.subplots(1, len(pictures), figsize=(2.3 * len(pictures), height), layout="constrained")
    for ax, (caption, picture) in zip(panels, pictures.items(), strict=True):
        ax.imshow(picture, interpolation="lanczos")
        ax.set_title(caption, fontsize=11)
        ax.set_axis_off()
    figure.suptitle(title, x=0.01, ha="left")
    figure.savefig(file, dpi=120)
    plt.show()


show({"photograph": photograph, "sky": sky, "window": window}, "pictures.png", "What we have")

# %% [markdown]
# ## What does a layer remember of a photograph?
#
# Start from noise. Make the content cost small, and nothing else: no style, no smoothness. What comes out is *a*
# picture that the layer cannot tell from the photograph. Whatever is wrong in it, the layer has forgotten.
#
# The cost is taken in its *relative* form, $\sum (F - F_C)^2 / \sum F_C^2$ with F the features, so that all layers are
# measured by one yardstick. L-BFGS is an optimizer that needs few steps; the last but one section tells how.
#
# **Predict**: from block 1 to block 5, how does the error of the pixels grow? Is there a block from which she cannot
# be recognised? And the cost that we minimise, does that grow, too?

# %% tags=["predict"]
content_alone = {"alpha": 1.0, "beta": 0.0, "total_variation": 0.0, "content_form": "relative", "init": "noise"}
restored, pixel_errors, costs_left = {}, [], []
for layer in BLOCKS:
    found = style.transfer(
        photograph,
        sky,  # not looked at, since beta is 0
        model=network,
        content_layers={layer: 1.0},
        style_layers={layer: 1.0},
        optimizer="lbfgs",
        steps=25,
        levels=1,
        **content_alone,
    )
    pixel_errors.append(float(np.sqrt(np.mean(np.square(found.image - photograph)))))
    costs_left.append(found.history[-1]["total"])
    restored[f"{layer}\noff by {pixel_errors[-1]:.2f}"] = found.image
    print(f"{layer}: pixels are off by {pixel_errors[-1]:.3f}, features by {np.sqrt(costs_left[-1]):.1%}")

# %% tags=["answer"]
assert all(earlier < later for earlier, later in pairwise(pixel_errors))
assert pixel_errors[0] < 0.03 and pixel_errors[4] > 10 * pixel_errors[0]
assert costs_left[4] < costs_left[1]  # the worst picture of them all satisfies its layer better than the second best
assert np.sqrt(costs_left[4]) < 0.1

show({"photograph\n": photograph, **restored}, "restored.png", "Content alone, from each block")

# %% [markdown] tags=["answer"]
# Block 1 gives the photograph back, to a hundredth or so. At block 2 even surfaces fill with a fine pattern, at block 3
# the colours go, at block 4 lines remain and a face, at block 5 not even that. Yet block 5 is content: to it, the last
# picture *is* the photograph, its features are off by less than a tenth. That is the whole trick of style transfer. A
# deep layer leaves a lot undecided, and whoever is asked to paint may decide it.
#
# **What went wrong here?** If your picture is worse at block 1 than 0.03, look at the start: `init="content"` would
# begin at the answer and prove nothing, and with Adam instead of L-BFGS 25 steps are too few.

# %% [markdown]
# ## One style layer, or five?
#
# Now the reverse: no content (`alpha=0`), and the style of the sky, from noise, at one layer only. Then at all five.
#
# **Predict**: a picture made for block 5 alone, which sees large pieces: will it have the sky's colours?

# %% tags=["predict"]
made = {}
for name, layers in {
    "block 1 alone": BLOCKS[:1],
    "block 3 alone": BLOCKS[2:3],
    "block 5 alone": BLOCKS[4:],
    "all five": BLOCKS,
}.items():
    made[name] = style.transfer(
        photograph,  # only its size counts, since alpha is 0
        sky,
        model=network,
        alpha=0.0,
        beta=1.0,
        total_variation=0.2,
        variation_form="mean-squared",
        style_layers=dict.fromkeys(layers, 1 / len(layers)),
        style_form="relative",
        init="noise",
        optimizer="lbfgs",
        steps=20,
        levels=1,
    ).image

in_the_sky = seen(sky, BLOCKS)
table = np.array(
    [
        [style.layer_style_cost(in_the_sky[layer], of[layer], form="relative").item() for layer in BLOCKS]
        for of in (seen(picture, BLOCKS) for picture in made.values())
    ]
)
alone, together = table[:3], table[3]
for name, row in zip(made, table, strict=True):
    print(f"{name:14}", "  ".join(f"{cost:.4f}" for cost in row), f"  worst {row.max():.4f}")

own = {"block 1 alone": 0, "block 3 alone": 2, "block 5 alone": 4}

# %% tags=["answer"]
assert all(row[i] < 2 * table[:, i].min() for row, i in zip(alone, own.values(), strict=True))  # they did their job
assert (alone.max(axis=1) > 4 * together.max()).all()  # and each left another layer far from the sky

figure, panels = plt.subplots(1, 6, figsize=(15, 3.1), layout="constrained", width_ratios=[1, 1, 1, 1, 1, 1.7])
for ax, (name, picture) in zip(panels, {"the sky": sky, **made}.items(), strict=False):
    ax.imshow(picture, interpolation="lanczos")
    ax.set_title(name, fontsize=11)
    ax.set_axis_off()
heat = panels[5]
heat.imshow(np.log10(table), cmap="magma_r", aspect="auto")
for (row, column), cost in np.ndenumerate(table):
    heat.text(column, row, f"{cost:.3f}", ha="center", va="center", color="white" if cost > 0.015 else INK, fontsize=9)
heat.set_xticks(range(5), [f"block {block}" for block in (1, 2, 3, 4, 5)], fontsize=9)
heat.set_yticks(range(4), list(made), fontsize=9)
heat.spines[:].set_visible(False)
heat.set_title("style cost that is left, judged by", fontsize=11)
figure.savefig("layers.png", dpi=120)
plt.show()

# %% [markdown] tags=["answer"]
# Block 1 alone: the right colours in crumbs. Block 5 alone: short strokes in any colour, and grit, of which five blocks
# up nothing is to be seen. Each picture made for one layer satisfies that layer, and there is another that finds it
# more than four times worse than any layer finds the picture made for all five. Nobody wins but nobody is ignored. That
# is why recipes take a layer from every block.

# %% [markdown]
# ## Gram, covariance, correlation
#
# The Gram matrix asks which channels respond *together*. Statistics has two relatives of it. With F the features, one
# row a place:
#
# | statistic | of the features | what it leaves out |
# |---|---|---|
# | Gram | $F^T F / M$ | |
# | covariance | the same of $F - \mu$ | each channel without its mean |
# | correlation | the same of $(F - \mu) / \sigma$ | each channel with deviation 1 |
#
# So each is a Gram matrix, of features that were robbed of something. Three functions say of what:


# %%
def as_it_is(features):
    return features


def without_mean(features):
    return features - features.mean(axis=(1, 2), keepdims=True)


def with_deviation_one(features):
    centred = without_mean(features)
    return centred / ops.sqrt(ops.square(centred).mean(axis=(1, 2), keepdims=True) + 1e-6)


STATISTICS = {"Gram": as_it_is, "covariance": without_mean, "correlation": with_deviation_one}


def statistic(name, features):
    _, H, W, _ = features.shape
    return ops.gram_matrix(STATISTICS[name](features)) * (1 / (H * W))


# %% [markdown]
# **Predict**: the window, made brighter everywhere by 0.2; the window with half the contrast; its pixels shuffled. Nine
# answers: which statistic notices which? Look at the first convolution before its ReLU, where everything is linear.

# %% tags=["predict"]
plain = 0.5 * window + 0.25  # with room to both sides
versions = {
    "brighter": plain + 0.2,
    "half the contrast": 0.5 * plain + 0.25,
    "shuffled": np.random.default_rng(0).permutation(plain.reshape(-1, 3)).reshape(plain.shape),
}
assert all(picture.min() >= 0 and picture.max() <= 1 for picture in versions.values())


def first_layer(picture):
    """Before the ReLU, and without the rim, where zeros are padded that do not brighten with the picture."""
    return seen(picture, ["block1_conv1.linear"])["block1_conv1.linear"][:, 1:-1, 1:-1]


changes = {}
for version, picture in versions.items():
    for name in STATISTICS:
        before, after = (statistic(name, first_layer(each)).data for each in (plain, picture))
        changes[version, name] = float(np.linalg.norm(after - before) / np.linalg.norm(before))
    print(f"{version:18}", "  ".join(f"{name} {changes[version, name]:.4f}" for name in STATISTICS))

# %% tags=["answer"]
assert changes["brighter", "Gram"] > 0.3
assert changes["brighter", "covariance"] < 1e-3 and changes["brighter", "correlation"] < 1e-3
assert abs(changes["half the contrast", "covariance"] - 0.75) < 1e-3  # a square: ½ · ½ leaves a quarter
assert changes["half the contrast", "correlation"] < 1e-2
assert min(changes["shuffled", name] for name in STATISTICS) > 0.05

# %% [markdown] tags=["answer"]
# Covariance is blind to brightness, correlation to brightness and contrast, and nobody is blind to shuffled *pixels*.
# (Lesson 3 shuffled the *features*, and the Gram matrix did not move. A filter of 3×3 pixels is why this differs.)

# %% [markdown]
# After the ReLU and deeper these are rules of thumb: where a channel is cut off depends on the brightness. So paint
# with each. The cost is that of lesson 3 but for its statistic, and the loop is yours.
#
# **Predict**: three pictures, each made for one statistic and judged by all three. Who wins each of the contests?

# %% tags=["predict"]
CONTENT_LAYER = "block3_conv2"
content = seen(photograph, [CONTENT_LAYER])[CONTENT_LAYER]
in_the_window = seen(window, BLOCKS)


def roughness(image):
    down, right = image[:, 1:] - image[:, :-1], image[:, :, 1:] - image[:, :, :-1]
    return (ops.sum(ops.square(down)) + ops.sum(ops.square(right))) / image.size


def style_distance(name, features):
    """How far the statistic is from the window's, each layer's in shares of the window's own."""
    total = 0
    for layer, weight in STYLE_LAYERS.items():
        target = statistic(name, in_the_window[layer]).data
        squares = ops.sum(ops.square(statistic(name, features[layer]) - target))
        total = total + squares * float(weight / np.sum(np.square(target)))
    return total


def paint(name, steps=20):
    image = Tensor(photograph[None].copy(), requires_grad=True)
    optimizer = optim.Adam([image], learning_rate=0.03, bounds=(0, 1))
    size = float(np.sum(np.square(content.data)))
    with frozen(network):
        for _ in range(steps):
            features = network.features(image, [*BLOCKS, CONTENT_LAYER])
            cost = 0.3 / size * ops.sum(ops.square(features[CONTENT_LAYER] - content))
            cost = cost + style_distance(name, features) + 1.5 * roughness(image)
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
    return image.data[0].copy()


painted = {name: paint(name) for name in STATISTICS}
judged = np.array(
    [
        [style_distance(judge, features).item() for judge in STATISTICS]
        for features in (seen(picture, BLOCKS) for picture in painted.values())
    ]
)
print("painted by / judged by", *STATISTICS)
for name, row in zip(painted, judged, strict=True):
    print(f"{name:22}", "  ".join(f"{distance:.3f}" for distance in row))
by_gram, by_covariance, by_correlation = judged
assert by_gram[1] > 3 * by_covariance[1] and by_gram[2] > 2 * by_correlation[2]  # what Gram did not care for
assert by_covariance[0] < 1.3 * by_gram[0] and by_correlation[0] < 1.5 * by_gram[0]  # and by Gram they are as good
assert by_covariance[1] < by_correlation[1] and by_correlation[2] < by_covariance[2]

means_alone = []
for layer in BLOCKS:
    mean = in_the_window[layer].data.mean(axis=(1, 2))[0]
    gram = statistic("Gram", in_the_window[layer]).data
    means_alone.append(float(np.sum(np.square(np.outer(mean, mean))) / np.sum(np.square(gram))))
print("μμᵀ over the Gram matrix, in squares:", ", ".join(f"{share:.0%}" for share in means_alone))

# %% tags=["answer"]
assert min(means_alone) > 0.3

show({"photograph": photograph, "window": window, **painted}, "statistics.png", "The same loop, three statistics")

# %% [markdown] tags=["answer"]
# All three paint, so there is nothing holy about the Gram matrix. And did you predict that each wins its own contest?
# The one made for Gram loses badly by the other two measures, while they do about as well by Gram. The reason is in the
# last line. After a ReLU nothing is negative, so channels have large means, and μμᵀ is a large part of the Gram matrix.
# A picture comes near it by the right means, the right colours on the whole, before it has the right *pattern*.
# Covariance takes that part away, and the pattern is all that is left to be judged by.

# %% [markdown]
# ## What α/β does
#
# J = α·J_content + β·J_style, so only the ratio counts.
#
# **Predict**: as α/β falls from 100 to 0.01, what do content and style cost, each without its weight? From where on
# does it no longer matter?

# %% tags=["predict"]
RATIOS = (100, 10, 1, 0.1, 0.01)
strip, content_costs, style_costs = {}, [], []
for ratio in RATIOS:
    found = style.transfer(photograph, window, model=network, steps=20, levels=1, **RECIPE | {"alpha": float(ratio)})
    strip[f"α/β = {ratio:g}"] = found.image
    content_costs.append(found.history[-1]["content"] / ratio)
    style_costs.append(found.history[-1]["style"])
    print(f"α/β = {ratio:6g}   content {content_costs[-1]:.4f}   style {style_costs[-1]:.4f}")

# %% tags=["answer"]
assert all(a < b for a, b in pairwise(content_costs))
assert all(a > b for a, b in pairwise(style_costs[:4]))
assert style_costs[0] > 5 * style_costs[2] and style_costs[2] < 2 * style_costs[4]  # then style has all it can get

show(strip, "ratios.png", "From the photograph to the window")

# %% [markdown] tags=["answer"]
# A seesaw, but not an even one. From 100 to 1 the style gains a lot for a little content. Below 1 it has nearly all
# that it can get in so many steps, and only content is lost. The knee is where a recipe's ratio belongs.
#
# α/β = 1 here and the course's 10/40 cannot be compared: the costs of these networks and forms have different units.

# %% [markdown]
# ## L-BFGS, Adam, plain gradient descent
#
# All three get the same gradient, and one evaluation of it costs nearly all the time. What differs is what they make
# of it. Plain descent follows it. Adam divides each pixel's step by how large its gradients usually are. L-BFGS
# remembers its last ten steps and how the gradient changed over each, guesses the curvature from that, and sometimes
# pays for a second look before it moves.
#
# **Predict** the order after equal time. And what happens to plain descent with a rate three times too large?

# %% tags=["predict"]
RATES = {"lbfgs": 1.0, "adam": 0.03, "gd": 100.0, "gd, too fast": 300.0}
NAMES = ("L-BFGS", "Adam", "plain descent", "plain descent, three times too fast")
races, finals = {}, {}
for name, rate in RATES.items():
    race, began = [], time.process_time()
    found = style.transfer(
        photograph,
        window,
        model=network,
        optimizer=name.split(",")[0],
        steps=25,
        levels=1,
        **RECIPE | {"learning_rate": rate},
        on_step=lambda _, __, costs, race=race, began=began: race.append((time.process_time() - began, costs["total"])),
    )
    races[name], finals[name] = np.array(race), found.history[-1]["total"]
    print(f"{name:13} {found.manifest['evaluations']} evaluations, {race[-1][0]:.1f} s: J = {finals[name]:.4f}")
    assert found.manifest["evaluations"] <= 30  # so equal steps are nearly equal time

# %% tags=["answer"]
assert finals["lbfgs"] < finals["adam"] and finals["lbfgs"] < finals["gd"]
assert finals["gd, too fast"] > 2 * finals["gd"]

figure, ax = plt.subplots(figsize=(11, 4), layout="constrained")
for race, final, name, colour in zip(races.values(), finals.values(), NAMES, (INK, BLUE, GREEN, RED), strict=True):
    ax.plot(race[:, 0], race[:, 1], color=colour, lw=2.5, label=f"{name}: J = {final:.3f}")
ax.set(yscale="log", xlabel="seconds of processor time", ylabel="J")
ax.set_title("The same gradient, used in three ways", loc="left")
ax.grid(alpha=0.25)
ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
figure.savefig("optimizers.png", dpi=120)
plt.show()

# %% [markdown] tags=["answer"]
# L-BFGS wins, and needs no rate. Plain descent does better than its reputation *if* you find its rate: 100 was picked
# from 3, 30, 100 and 300, which cost four runs, while three times too much makes it jump about. Adam's 0.03 suits every
# network and every cost, because Adam does not see how steep the cost is; that is why it is the default.
#
# Does the lowest cost look best? Often, but costs know nothing of beauty.

# %% [markdown]
# ## From coarse to fine
#
# A network has a window, so a brush stroke cannot be longer than it sees. Halve the picture and the stroke is twice as
# long in it. So paint it small first, enlarge, and go on: `levels=2`. Steps at half the size cost a quarter.
#
# **Predict**: with as many steps in all, which one has the lower cost at full size? And which one would still look
# painted from across the room, say at half the size?

# %% tags=["predict"]
LARGE = 128
portrait = images.load(get_sample_data("grace_hopper.jpg", asfileobj=False), size=(LARGE * 6 // 5, LARGE))[:LARGE]
large_window = PAINTINGS["stained_glass"](LARGE)


def across_the_room(picture):
    """Its style cost at half the size, by the recipe's layers, each in shares of the window's own."""
    ours, theirs = (seen(images.resize(each, LARGE // 2, LARGE // 2), BLOCKS) for each in (picture, large_window))
    return style.style_cost(theirs, ours, STYLE_LAYERS, form="relative").item()


sizes, near, far, seconds = {}, {}, {}, {}
for levels in (1, 2):
    began = time.process_time()
    found = style.transfer(portrait, large_window, model=network, steps=24, levels=levels, **RECIPE)
    seconds[levels], near[levels] = time.process_time() - began, found.history[-1]["total"]
    far[levels] = across_the_room(found.image)
    sizes[f"levels={levels}\nJ {near[levels]:.3f}, from afar {far[levels]:.3f}"] = found.image
    print(f"levels={levels}: {seconds[levels]:.1f} s, J at full size {near[levels]:.4f}, from afar {far[levels]:.4f}")

# %% tags=["answer"]
assert near[1] < near[2]
assert far[2] < 0.7 * far[1]
assert seconds[2] < seconds[1]

show({"portrait\n": portrait, **sizes}, "levels.png", "One size, and two")

# %% [markdown] tags=["answer"]
# One size reaches the lower cost, as it should: all its steps were spent on it. And still the other picture is painted
# more boldly, and in less time, for the cost at full size does not see what the coarse steps did. Two numbers that
# disagree about which picture is better: one measures what was optimised, the other what was meant.
#
# **What went wrong?** Her face. In 64 pixels, where the second picture began, eyes and mouth had no room, and what the
# coarse steps painted over, no fine step brings back: content is compared deep in the network, which forgot details in
# the first cell of this lesson. At 512 pixels half the size is room enough. More levels are for larger pictures.

# %% [markdown]
# **Exercises**
#
# 1. Restore the photograph from block 4 *with* `total_variation=0.5`. The pixels' error falls. Does the layer know
#    more now, or did you tell it something?
# 2. Which two style layers together come nearest to all five, by the worst number of their row?
# 3. Change the window's hue (`window[..., ::-1]`) and measure it by the three statistics. Explain the order.
# 4. Write a fourth statistic, the means μ alone. What can it paint, and why is it a poor one? (In 2017 Li and others
#    showed that μ and σ of *batch normalization* do surprisingly well.)
# 5. Find the knee of α/β for the sky. Is it where it is for the window?
# 6. Give Adam the rate 0.3, and L-BFGS 0.01. Which one minds more?
# 7. Start the last pair from `init="noise"`, with `levels` 1, 2 and 3.
# 8. `minicnn learn start compute_style_cost` and `minicnn learn start train_step`: the sum over the layers and a step
#    of the loop, which you used here. `minicnn learn check` knows the usual slips.
#
# **Where to look in the source**
#
# - `minicnn/style/objective.py`: what is made small. `minicnn/style/loop.py`: how, in thirty lines.
# - `minicnn/style/recipes.py`: ten systems' constants, as rows. `minicnn style --list-presets` explains them.
# - `minicnn/optim/lbfgs.py`: two loops and a line search. `minicnn/style/pyramid.py`: the sizes.
# - `minicnn/style/costs.py`: `squared_wasserstein`, μ and covariance together, as a distance between clouds.
#
# Next: `14_transfer_learning.py` takes the training away from the network that painted here. Or find out what its
# layers respond to: `11_what_convnets_learn.py`.
