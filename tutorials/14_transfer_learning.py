# %% [markdown]
# # Lesson 14: transfer learning
#
# Three times this course works with a network that learned something *else* first. That is *transfer learning*: keep
# what was learned from many pictures, and use it where there are few.
#
# | Where | The network learned | What is kept | What is made for you |
# |---|---|---|---|
# | Style transfer (lesson 3) | to name what photographs show | its features | the pixels of one picture |
# | Faces at a door (lesson 4) | from a firm's 10 to 100 million faces | all of it | a threshold |
# | One shot (lesson 5) | from *other* people | all of it | a row in a table |
#
# In the second case the course says outright: download weights that others have trained (lesson 20 opens such a file).
# In the first and in the third it just does it.
#
# But what is it that is kept? You find out by taking it away. Each experiment runs with a trained network, and with the
# same network before its training, when its weights were random numbers. First it paints, then it has to tell six
# things apart of which it has seen five pictures each.

# %%
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data
from PIL import Image, ImageDraw
from scipy import ndimage

from minicnn import Tensor, images, models, nn, no_grad, ops, optim, style
from minicnn.datasets.paintings import PAINTINGS

INK, BLUE, RED, GREEN, GREY = "#222222", "#2f6690", "#c8553d", "#8a9a5b", "#777777"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})

SIDE = 96
photograph = images.load(get_sample_data("grace_hopper.jpg", asfileobj=False), size=(SIDE * 6 // 5, SIDE))[:SIDE]
paintings = {"sky": PAINTINGS["starry_night"](SIDE), "wave": PAINTINGS["woodcut_wave"](SIDE)}
paintings["window"] = PAINTINGS["stained_glass"](SIDE)

# %% [markdown]
# The network that learned is `tiny_vgg`: 50,000 photographs of 32×32 pixels, in ten classes from airplane to truck
# (CIFAR-10), an hour on two cores. It has never seen a painting. The others have the same nine convolutions, drawn from
# two seeds, and have never seen anything.

# %%
networks = {
    "trained": models.tiny_vgg(pooling="avg"),
    "untrained": models.tiny_vgg(None, pooling="avg", seed=0),
    "untrained, another": models.tiny_vgg(None, pooling="avg", seed=1),
}
STYLE_LAYERS = [f"block{block}_conv1" for block in (1, 2, 3, 4, 5)]

# %% [markdown]
# ## Who remembers the photograph?
#
# Lesson 13 gives a photograph back from what a layer saw of it: start from noise, and make the content cost small. Ask
# the same of a trained layer and of an untrained one, four blocks up.
#
# **Predict**: which of the two gives back the better photograph?

# %% tags=["predict"]
DEEP = "block4_conv1"
restored, off = {}, {}
for name in ("trained", "untrained"):
    found = style.transfer(
        photograph,
        photograph,
        model=networks[name],
        alpha=1.0,
        beta=0.0,
        total_variation=0.0,
        content_form="relative",
        content_layers={DEEP: 1.0},
        style_layers={DEEP: 1.0},
        init="noise",
        optimizer="lbfgs",
        steps=25,
        levels=1,
    )
    restored[name], off[name] = found.image, float(np.sqrt(np.mean(np.square(found.image - photograph))))
    print(f"{name:10} pixels are off by {off[name]:.2f}")

# %% [markdown] tags=["answer"]
# The untrained one, and not by a little. Random filters mix pixels without asking what they mean, and a mixture of many
# can nearly be undone. So training does not *add* knowledge of the picture. It throws most of it away.
#
# But look twice. One has her colours, and the other has her eyes and her mouth. What stays is what ten classes are told
# by, and that is lines.
#
# If you want a picture back, take random weights. (He, Wang and Hopcroft showed it in 2016, for VGG-19.) Then what is
# training good for?

# %% tags=["answer"]
assert off["untrained"] < 0.8 * off["trained"]

figure, panels = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
for ax, (name, picture) in zip(panels, {"photograph": photograph, **restored}.items(), strict=True):
    ax.imshow(picture, interpolation="lanczos")
    ax.set_title(f"{name}, off by {off[name]:.2f}" if name in off else name)
    ax.set_axis_off()
figure.savefig("who_remembers.png", dpi=130)
plt.show()

# %% [markdown]
# ## Who can paint?
#
# Now the style alone (`alpha=0`): a picture of nothing, from noise, that has the painting's Gram matrices in all five
# blocks. Each network is its own judge, and each will be content: L-BFGS sees to that.
#
# So we need judges from outside, and let no network be one of them. Three measures of pixels:
#
# - **colours**: sort all reds of both pictures, and all greens, and all blues. How far are they apart?
# - **detail**: how much changes from one pixel to the next, in shares of the contrast?
# - **strokes**: in a neighbourhood of some nine pixels, do the edges run one way (1) or every way (0)?


# %%
def colours_apart(a, b):
    return float(np.abs(np.sort(a.reshape(-1, 3), axis=0) - np.sort(b.reshape(-1, 3), axis=0)).mean())


def detail(picture):
    grey = picture.mean(axis=2)
    return float((np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()) / 2 / grey.std())


def strokes(picture):
    """The structure tensor: means of the gradient's products, and what they say about its direction."""
    grey = picture.mean(axis=2)
    x, y = (ndimage.gaussian_filter(grey, 0.7, order=order) for order in ((0, 1), (1, 0)))
    xx, xy, yy = (ndimage.gaussian_filter(product, 3) for product in (x * x, x * y, y * y))
    return float(np.hypot(xx - yy, 2 * xy).sum() / (xx + yy).sum())


# %% [markdown]
# **Predict**: what can random weights paint: colours, detail, strokes? Say yes or no to each.

# %% tags=["predict"]
made, own_cost = {}, {}
for name, network in networks.items():
    for of, painting in paintings.items():
        found = style.transfer(
            photograph,  # only its size counts, since alpha is 0
            painting,
            model=network,
            alpha=0.0,
            beta=1.0,
            total_variation=0.2,
            variation_form="mean-squared",
            style_layers=dict.fromkeys(STYLE_LAYERS, 0.2),
            style_form="relative",
            init="noise",
            optimizer="lbfgs",
            steps=25,
            levels=1,
        )
        made[name, of], own_cost[name, of] = found.image, found.history[-1]["total"]

measured = {}
print(f"{'':28} J, by itself   colours off   detail   strokes")
for of, painting in paintings.items():
    print(f"{of:7} {'the painting':20} {'':12} {'':13} {detail(painting):6.2f} {strokes(painting):9.2f}")
    for name in networks:
        picture = made[name, of]
        measured[name, of] = colours_apart(picture, painting), detail(picture), strokes(picture)
        print(
            f"{'':7} {name:20} {own_cost[name, of]:12.4f} {measured[name, of][0]:13.3f}"
            f" {measured[name, of][1]:8.2f} {measured[name, of][2]:9.2f}"
        )

# %% tags=["answer"]
colour, share, missing = ({} for _ in range(3))
for name in networks:
    colour[name] = [measured[name, of][0] for of in paintings]
    share[name] = [measured[name, of][1] / detail(paintings[of]) for of in paintings]
    missing[name] = np.mean([abs(measured[name, of][2] - strokes(paintings[of])) for of in paintings])
for name in ("untrained", "untrained, another"):
    assert max(colour[name]) < min(colour["trained"])  # colours: yes, and better
    assert max(share[name]) < 0.85 < min(share["trained"])  # detail: no
    assert missing[name] > 1.5 * missing["trained"]  # strokes: no
    assert all(own_cost[name, of] < own_cost["trained", of] for of in paintings)  # and yet they are content

assert min(share["trained"][:2]) > 1.15  # and the trained one overdoes it

figure, panels = plt.subplots(3, 4, figsize=(11.5, 9.2), layout="constrained")
for row, of in zip(panels, paintings, strict=True):
    pictures = {"the painting": paintings[of], **{name: made[name, of] for name in networks}}
    for ax, (name, picture) in zip(row, pictures.items(), strict=True):
        ax.imshow(picture, interpolation="lanczos")
        ax.set_axis_off()
        if name in networks:
            ax.set_title(
                f"{name}\ncolours off {measured[name, of][0]:.2f}, detail {measured[name, of][1]:.2f}", size=11
            )
        else:
            ax.set_title(f"{of}\ndetail {detail(picture):.2f}", size=11)
figure.savefig("who_can_paint.png", dpi=130)
plt.show()

# %% [markdown] tags=["answer"]
# Colours: yes, and better than the trained network does. Detail and strokes: no. Random weights paint the right colours
# in soft patches. The brush is gone, and so are the cuts of the wave and the leads between the panes. The trained
# network errs to the other side: in two of three it puts in more detail than there was, and its strokes are nearly
# right.
#
# And each of the untrained networks finds its own picture *better* than the trained one finds its own: look at J. A low
# cost says that the judge is content, and nothing about how much the judge can see.

# %% [markdown]
# Why? A Gram matrix of C channels could hold C different things. But a random filter answers to a bit of everything in
# its window, so all answer to much the same. Count how many channels there are *in effect*: with λ the eigenvalues of
# the Gram matrix G, $(\sum \lambda)^2 / \sum \lambda^2$ is C if all are equally strong, and 1 if all channels say one
# thing. (No eigenvalue need be computed: Σλ is the sum of G's diagonal, and Σλ² the sum of the squares of all its
# entries.)
#
# **Predict**: in the second block, with its 96 channels, how many are there?

# %% tags=["predict"]


def in_effect(network, picture):
    """How many channels there are in effect, in each style layer."""
    with no_grad():
        seen = network.features(picture[None], STYLE_LAYERS)
    grams = [ops.gram_matrix(features).data[0] for features in seen.values()]
    return np.array([np.trace(G) ** 2 / np.sum(np.square(G)) for G in grams])


channels = {name: np.mean([in_effect(n, p) for p in paintings.values()], axis=0) for name, n in networks.items()}
for name, counts in channels.items():
    print(f"{name:20}" + "   ".join(f"block {block}: {count:.1f}" for block, count in enumerate(counts, start=1)))

# %% [markdown] tags=["answer"]
# Of 96 channels there are a handful, and hardly more than one if nobody trained them. Training has set them against
# each other: this one for an edge that rises, that one for a line, another for a spot. To ask that they respond
# *together as they do in the painting* is to ask a lot. To ask it of copies of one mixture is to ask for its colours.

# %% tags=["answer"]
for name in ("untrained", "untrained, another"):
    assert channels["trained"][1] > 1.5 * channels[name][1] and channels[name][1] < 3

# %% [markdown]
# Now with her in the picture: content and style, from noise, each network on its own.

# %%
RECIPE = {
    "alpha": 0.9,
    "beta": 1.0,
    "content_form": "relative",
    "style_form": "relative",
    "content_layers": {"block3_conv2": 0.5, "block4_conv2": 0.5},
    "style_layers": dict(zip(STYLE_LAYERS, (1.0, 0.4, 0.3, 0.3, 0.2), strict=True)),
    "total_variation": 0.5,
    "variation_form": "mean-squared",
}
borrowed = {
    (name, of): style.transfer(
        photograph,
        paintings[of],
        model=networks[name],
        init="noise",
        optimizer="lbfgs",
        steps=25,
        levels=1,
        **RECIPE,
    ).image
    for of in ("sky", "wave")
    for name in ("trained", "untrained")
}
for of in ("sky", "wave"):
    shares = {name: detail(borrowed[name, of]) / detail(paintings[of]) for name in ("trained", "untrained")}
    print(f"{of}: detail in shares of the painting's", {name: round(share, 2) for name, share in shares.items()})
    assert shares["untrained"] < 0.85 < shares["trained"]

figure, panels = plt.subplots(1, 5, figsize=(15, 3.4), layout="constrained")
panels[0].imshow(photograph, interpolation="lanczos")
panels[0].set_title("photograph")
for ax, ((name, of), picture) in zip(panels[1:], borrowed.items(), strict=True):
    ax.imshow(picture, interpolation="lanczos")
    ax.set_title(f"{of}, {name}", color=BLUE if name == "trained" else RED)
for ax in panels:
    ax.set_axis_off()
figure.savefig("borrowed_eyes.png", dpi=130)
plt.show()

# %% [markdown]
# One is drawn with lines that follow cheeks and collar. The other is a photograph through wet glass, or, where the
# colours are far from hers, nobody. Whoever paints with `tiny_vgg` has borrowed edges and strokes that were learned
# from airplanes, frogs and trucks.
#
# ## Five pictures of each
#
# Now a task with labels. Six things that are none of the ten classes, drawn in any colours, on any ground, a little
# turned, mirrored or not. Of each you get five pictures.


# %%
def arc(x, y, across, down, start=0, stop=360):
    """Points of an ellipse, from one angle to another."""
    angles = np.deg2rad(np.linspace(start, stop, 24))
    return [*zip(x + across * np.cos(angles), y - down * np.sin(angles), strict=True)]


def box(left, top, right, bottom):
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def ring(x, y, outer, inner, start=0, stop=360):
    return arc(x, y, outer, outer, start, stop) + arc(x, y, inner, inner, stop, start)


THINGS = {  # polygons, each with the number of its colour
    "house": [
        (0, box(-0.6, -0.1, 0.6, 0.8)),
        (1, [(-0.8, -0.1), (0, -0.8), (0.8, -0.1)]),
        (2, box(-0.15, 0.3, 0.2, 0.8)),
        (2, box(-0.45, 0.1, -0.25, 0.3)),
    ],
    "mushroom": [
        (0, box(-0.2, 0, 0.2, 0.8)),
        (1, arc(0, 0.1, 0.8, 0.8, 0, 180)),
        (2, arc(-0.3, -0.25, 0.15, 0.13)),
        (2, arc(0.3, -0.15, 0.17, 0.14)),
        (2, arc(0.02, -0.5, 0.12, 0.1)),
    ],
    "fish": [
        (0, arc(-0.1, 0, 0.6, 0.38)),
        (0, [(0.35, 0), (0.85, -0.4), (0.85, 0.4)]),
        (1, [(-0.2, -0.35), (0.2, -0.65), (0.25, -0.3)]),
        (2, arc(-0.45, -0.08, 0.07, 0.07)),
    ],
    "umbrella": [
        (1, arc(0, 0, 0.85, 0.75, 0, 180)),
        (0, box(-0.04, 0, 0.04, 0.7)),
        (0, ring(0.15, 0.68, 0.19, 0.11, 180, 360)),
        (2, arc(0, 0, 0.28, 0.75, 0, 180)),
    ],
    "mug": [
        (0, ring(0.5, 0.1, 0.38, 0.24, -90, 90)),
        (0, box(-0.6, -0.5, 0.5, 0.7)),
        (1, box(-0.6, -0.1, 0.5, 0.25)),
        (2, arc(-0.05, -0.5, 0.55, 0.14)),
    ],
    "key": [
        (0, ring(-0.5, 0, 0.38, 0.2)),
        (0, box(-0.15, -0.09, 0.9, 0.09)),
        (1, box(0.45, 0, 0.57, 0.35)),
        (1, box(0.72, 0, 0.86, 0.42)),
    ],
}
PIXELS, FINE = 24, 96


def draw(thing, random):
    """One picture (24, 24, 3): drawn four times as large, then made small."""

    def ink(brightness):
        return tuple(np.uint8(255 * np.clip(brightness + random.uniform(-0.18, 0.18, 3), 0, 1)).tolist())

    *tones, ground = random.permutation([0.15, 0.4, 0.65, 0.9]) + random.uniform(-0.08, 0.08, 4)
    clouds = ground + random.uniform(-0.18, 0.18, 3) + random.uniform(-0.12, 0.12, (4, 4, 3))
    canvas = Image.fromarray(np.uint8(255 * np.clip(clouds, 0, 1))).resize((FINE, FINE), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(canvas)
    for _ in range(random.integers(0, 4)):
        middle, radii = random.uniform(0, FINE, 2), random.uniform(3, 16, 2)
        pen.ellipse([*(middle - radii), *(middle + radii)], fill=ink(ground + random.uniform(-0.25, 0.25)))
    angle, stretch = np.deg2rad(random.uniform(-20, 20)), random.uniform(0.85, 1.15)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = FINE / 2 * random.uniform(0.65, 0.9) * turn @ np.diag([random.choice((-1, 1)) * stretch, 1 / stretch])
    place, inks = FINE / 2 + random.uniform(-7, 7, 2), [ink(tone) for tone in tones]
    for tone, points in THINGS[thing]:
        pen.polygon([tuple(point) for point in np.array(points) @ matrix.T + place], fill=inks[tone])
    small = np.asarray(canvas.resize((PIXELS, PIXELS), Image.Resampling.BOX), np.float32) / 255
    return np.clip(small + random.normal(0, 0.02, small.shape), 0, 1).astype(np.float32)


def album(each, seed):
    """Pictures (6 · each, 24, 24, 3), and which thing is on each."""
    random = np.random.default_rng(seed)
    labels = np.tile(np.arange(len(THINGS)), each)
    return np.stack([draw([*THINGS][label], random) for label in labels]), labels


new, truth = album(50, seed=1000)  # to test with: nobody learns from these
figure, panels = plt.subplots(len(THINGS), 14, figsize=(12, 5.4), layout="constrained")
for row, (thing, line) in enumerate(zip(THINGS, panels, strict=True)):
    for column, ax in enumerate(line):
        ax.imshow(new[row + column * len(THINGS)], interpolation="nearest")
        ax.set_axis_off()
    line[0].text(-3, PIXELS / 2, thing, ha="right", va="center")
figure.savefig("six_things.png", dpi=130)
plt.show()

# %% [markdown]
# ## Which layer to borrow
#
# The simplest way: *freeze* the network, take what one of its layers puts out as a list of numbers, and fit a linear
# classifier to it. Its answer is the class with the largest score. The fit is a ridge regression (lesson 12), solved at
# once and without an optimizer.


# %%
def fit(features, labels, ridge=0.1):
    """w (numbers, classes) and b of a linear classifier."""
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread = spread + 0.1 * spread.mean()  # numbers that hardly ever change shall not be blown up
    a = (features - mean) / spread
    wanted = np.eye(len(THINGS))[labels] - 1 / len(THINGS)
    gram = a @ a.T
    w = a.T @ np.linalg.solve(gram + ridge * np.trace(gram) / len(gram) * np.eye(len(gram)), wanted)
    return w / spread[:, None], -(mean / spread) @ w


def features_of(network, pictures, layers):
    """{layer: (N, numbers)}: nine places of each map, no matter how many it has."""
    with no_grad():
        seen = network.features(pictures, layers)
    found = {}
    for layer, features in seen.items():
        n, size, _, c = features.shape
        places = min(3, size)
        cells = features.data.reshape(n, places, size // places, places, size // places, c)
        found[layer] = cells.mean(axis=(2, 4)).reshape(n, -1).astype(float)
    return found


# %% [markdown]
# **Predict**: from which layer is it best? The last one is what the ten classes were read from.

# %% tags=["predict"]
LAYERS = ["block1_conv2", "block2_conv2", "block3_conv2", "block4_conv2", "block5_conv1"]
DRAWS, FEW = range(4), 5
looking = {"trained": models.tiny_vgg(), "untrained": models.tiny_vgg(None, seed=0)}
by_layer = {name: np.zeros((len(DRAWS), len(LAYERS))) for name in looking}
for name, network in looking.items():
    tests = features_of(network, new, LAYERS)
    for draw_number in DRAWS:
        pictures, labels = album(FEW, seed=draw_number)
        for column, (layer, features) in enumerate(features_of(network, pictures, LAYERS).items()):
            w, b = fit(features, labels)
            by_layer[name][draw_number, column] = np.mean((tests[layer] @ w + b).argmax(axis=1) == truth)
    print(
        f"{name:10}" + "   ".join(f"{s:.0%}" for s in by_layer[name].mean(axis=0)), f"  by luck {1 / len(THINGS):.0%}"
    )

# %% [markdown] tags=["answer"]
# The third block. The first ones have not seen enough of the picture, and the last has become a specialist for
# airplanes and frogs: what it does not need for them it has thrown away. (Yosinski and others measured it for a larger
# network in 2014: the first layers are for everybody, the last are for the task.) The untrained network hardly gets
# better with depth: it is not the layers that help, it is what they learned.

# %% tags=["answer"]
mean = {name: shares.mean(axis=0) for name, shares in by_layer.items()}
best = int(mean["trained"].argmax())
assert LAYERS[best] in ("block3_conv2", "block4_conv2") and mean["trained"][best] > mean["trained"][-1] + 0.1
assert mean["trained"][best] > mean["trained"][0] + 0.15
assert (mean["trained"][1:] > mean["untrained"][1:] + 0.15).all()

# %% [markdown]
# ## Frozen, fine-tuned, fresh
#
# A specialist can be retrained. These are the ways to use a few labels, each with a linear layer on top:
#
# - **frozen**: only the linear layer is fitted, to the 256 numbers of the last convolution or to those of block 3;
# - **fine-tuned**: begins as *frozen, last layer* has ended. Then all weights learn, at a small rate;
# - **fresh**: the same layers with random weights. All of them learn, at a larger rate and for longer.
#
# The fresh one gets batch normalization, which `tiny_vgg` had when it was trained. (In the file it is folded into the
# convolutions. If the network that you fine-tune still has it, leave it in evaluation: thirty pictures are too few for
# statistics of their own.)
#
# **Predict** the order with 5 labels of each. And how many labels does *fresh* need to come to where *frozen* begins?

# %% tags=["predict"]
BEST, LAST = "block3_conv2", "block5_conv1"
EACH, SEEDS = (5, 20, 80), (3, 1, 1)  # fewer seeds where they take longer
PLANS = {"fine-tuned": (0.0001, (4, 4, 1)), "fresh": (0.001, (12, 8, 4))}  # rate, epochs


def body(network):
    """The layers up to LAST, with the normalization behind it if there is one; their output as (N, 256)."""
    end = max(place for place, layer in enumerate(network.body) if layer.name.startswith(LAST))
    return nn.Sequential(*network.body[: end + 1], nn.Flatten())


def right(classifier, pictures):
    """The share of right answers, about things that nobody has learned from."""
    classifier.eval()
    with no_grad():
        return float(np.mean(classifier(pictures).data.argmax(axis=1) == truth))


def learn(classifier, pictures, labels, rate, epochs, seed):
    """Adam on all weights, in batches of about 20."""
    random, optimizer = np.random.default_rng(seed), optim.Adam(classifier.parameters(), learning_rate=rate)
    for _ in range(epochs):
        for batch in np.array_split(random.permutation(len(labels)), len(labels) // 20):
            loss = ops.cross_entropy(classifier(Tensor(pictures.data[batch])), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def frozen_with_head(pictures, labels):
    """tiny_vgg's body, and on it a linear layer that is fitted to the labels."""
    trunk, head = body(models.tiny_vgg()), nn.Linear(256, len(THINGS))
    with no_grad():
        w, b = fit(trunk(pictures).data.astype(float), labels)
    head.w.data, head.b.data = (
        3 * values.astype(np.float32) for values in (w, b)
    )  # a softmax that is not too sure yet
    return nn.Sequential(trunk, head)


prepare = looking["trained"].preprocessing  # the network's own; body() begins behind it
tests, block_3 = prepare(Tensor(new)), features_of(looking["trained"], new, [BEST])[BEST]


def contest(each, seed, epochs):
    """{way: share of right answers}, all of them with the same labels."""
    raw, labels = album(each, seed)
    pictures, shares = prepare(Tensor(raw)), {}
    classifier = frozen_with_head(pictures, labels)
    shares["frozen, last layer"] = right(classifier, tests)
    w, b = fit(features_of(looking["trained"], raw, [BEST])[BEST], labels)
    shares["frozen, block 3"] = float(np.mean((block_3 @ w + b).argmax(axis=1) == truth))
    learn(classifier, pictures, labels, PLANS["fine-tuned"][0], epochs["fine-tuned"], seed)
    shares["fine-tuned"] = right(classifier, tests)
    fresh = nn.Sequential(
        body(models.tiny.build(batch_norm=True, seed=seed)), nn.Linear(256, len(THINGS), initial="zeros", seed=seed)
    )
    learn(fresh.train(), pictures, labels, PLANS["fresh"][0], epochs["fresh"], seed)
    shares["fresh"] = right(fresh, tests)
    return shares


results = {}
for place, (each, seeds) in enumerate(zip(EACH, SEEDS, strict=True)):
    epochs = {way: counts[place] for way, (_, counts) in PLANS.items()}
    runs = [contest(each, seed, epochs) for seed in range(seeds)]
    results[each] = {way: np.array([run[way] for run in runs]) for way in runs[0]}
    print(f"{each} labels of each:")
    for way, shares in results[each].items():
        print(f"    {way:20}" + "  ".join(f"{share:.0%}" for share in shares))

# %% tags=["answer"]
few, more, many = ({way: shares.mean() for way, shares in results[each].items()} for each in EACH)
assert few["frozen, last layer"] > few["fresh"] + 0.25 and few["frozen, block 3"] > few["fresh"] + 0.35
assert more["frozen, last layer"] > more["fresh"] + 0.08
assert few["fine-tuned"] > few["frozen, last layer"] + 0.02  # the specialist learns
assert many["fresh"] > few["frozen, last layer"] and more["fresh"] < few["frozen, block 3"] - 0.05
for shares in (few, more, many):
    assert shares["frozen, block 3"] > shares["fine-tuned"] - 0.05
assert many["fine-tuned"] - many["fresh"] < 0.6 * (few["fine-tuned"] - few["fresh"])  # and comes nearer

COLOURS = {"frozen, block 3": BLUE, "fine-tuned": GREEN, "frozen, last layer": GREY, "fresh": RED}
figure, (layers, labels) = plt.subplots(1, 2, figsize=(12.5, 4.8), layout="constrained", width_ratios=(1, 1.15))
for name, colour in (("trained", BLUE), ("untrained", RED)):
    layers.plot(mean[name], color=colour, lw=2.2)
    layers.plot(by_layer[name].T, "o", color=colour, ms=4, alpha=0.5)
    layers.text(2, mean[name][2] + 0.07, name, color=colour, weight="bold", ha="center")
layers.set_xticks(range(5), [f"block {block}" for block in (1, 2, 3, 4, 5)])
layers.set_title(f"Frozen, {FEW} labels of each: which layer?", loc="left")
for way, colour in COLOURS.items():
    heights = [results[each][way].mean() for each in EACH]
    labels.plot(EACH, heights, color=colour, lw=2.2)
    for each in EACH:
        labels.plot([each] * len(results[each][way]), results[each][way], "o", color=colour, ms=5, alpha=0.6)
ends = np.array([results[EACH[-1]][way].mean() for way in COLOURS])
at = ends.copy()
for upper, lower in zip(np.argsort(-ends)[:-1], np.argsort(-ends)[1:], strict=True):
    at[lower] = min(at[lower], at[upper] - 0.055)  # so that no name covers another
for (way, colour), height in zip(COLOURS.items(), at, strict=True):
    labels.text(EACH[-1] * 1.12, height, way, color=colour, va="center", weight="bold")
labels.set(xscale="log", xlim=(4.3, 330))
labels.set_xticks(EACH, [f"{each} labels" for each in EACH])
labels.minorticks_off()
labels.set_title("Borrowed or not, by labels of each", loc="left")
for ax in (layers, labels):
    ax.set_ylim(0, 1.02)
    ax.axhline(1 / len(THINGS), color=INK, lw=0.8, ls="--")
    ax.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    ax.grid(alpha=0.25, axis="y")
layers.text(0, 1 / len(THINGS) - 0.05, "by luck", color=INK, fontsize=9)
figure.savefig("frozen_or_fresh.png", dpi=130)
plt.show()

# %% [markdown] tags=["answer"]
# With five labels of each, *fresh* does little better than luck, while whoever borrows gets two answers of three right,
# or four of five from the right layer. For *fresh*, four times as many labels are not enough to come to that; sixteen
# times as many are. The more labels there are, the less is a borrowed network worth. That is why face recognition is
# trained from nothing by those who have ten to a hundred million pictures, and borrowed by everybody else.
#
# Fine-tuning turns the specialist round: its last layer learns to care about keys and mugs. But the layer that was not
# a specialist yet does as well or better, and costs no training at all. Try a few layers before you train anything.

# %% [markdown]
# ## A small rate
#
# *Fresh* learned at ten times the rate of *fine-tuned*. **Predict**: what does fine-tuning do at a hundred times its
# rate, for the same four epochs?

# %% tags=["predict"]
raw, which = album(FEW, seed=0)
pictures = prepare(Tensor(raw))
classifier = frozen_with_head(pictures, which)
deep = classifier[0][-2].w  # the filters of the last convolution
sizes, start = float(np.sqrt(np.mean(np.square(deep.data)))), deep.data.copy()
before = right(classifier, tests)
learn(classifier, pictures, which, rate=0.01, epochs=4, seed=0)
moved = float(np.sqrt(np.mean(np.square(deep.data - start))))
after = right(classifier, tests)
print(f"before: {before:.0%}; after: {after:.0%}; by luck: {1 / len(THINGS):.0%}")
print(f"a weight of the last convolution: {sizes:.3f} large, moved by {moved:.3f}")

# %% [markdown] tags=["answer"]
# In four steps it forgets all that it learned from 50,000 photographs. In every step Adam moves each weight by about
# the rate, and at this rate the weights are soon moved by as much as they are large. What is left is as random as
# *fresh*.

# %% tags=["answer"]
assert after < 0.35 < 0.5 < before and moved > 0.5 * sizes

# %% [markdown]
# ## What you have now
#
# - Training makes a network forget most of a picture. What it keeps are edges, strokes and shapes, and those can be
#   borrowed: by a painter, by a door with one picture of each employee, by six things that it never saw.
# - Random weights keep the pixels and the colours. They can paint in patches, and they are content with it.
# - Borrow from the middle for another task, from the end for the same one. Measure, for it takes a second.
# - Few labels: frozen. More: fine-tuned, at a small rate, and the linear layer first. Very many: fresh comes near.
#
# **Try it**
#
# 1. Paint with `STYLE_LAYERS[:1]` alone, trained and untrained. Is there still a difference? (The first layer sees 3×3
#    pixels.)
# 2. Give *fresh* 320 labels of each and four epochs. Has it caught up?
# 3. Fine-tune from random scores: `initial="zeros"` for the linear layer, without the fit. Follow the share of right
#    answers epoch by epoch. Why does it fall first?
# 4. Freeze all blocks but the last and fine-tune that one. How much of the gain is left, and how much of the time?
# 5. Draw a seventh thing. Does the frozen network know it from five pictures, and what does it cost the other six?
# 6. Let `models.tiny_facenet()` paint, which has learned drawn faces only (its `features` take 64×64 pixels). Whose
#    strokes are better?
# 7. `minicnn learn start softmax_cross_entropy` and `minicnn learn start batch_norm`: what the fresh network learned
#    with, there and back.
#
# **Where to look in the source**
#
# - `minicnn/models/tiny.py`: both networks, and `fold`, which takes batch normalization away.
# - `minicnn/training.py`: how `tiny_vgg` was trained; `weights/README.md` has the numbers.
# - `minicnn/nn/module.py` at `frozen`: what it means that weights do not learn.
#
# Next: `15_convnets_on_ecg.py`. Or open a file of weights that others have trained: `20_vgg_and_weights_from_hdf5.py`.
