# %% [markdown]
# # Lesson 24: whose Gram?
#
# One sky, one face, one painting: style transfer puts swirls on all of it. Users of every program for it ask for a
# style *for each part* of a picture. That takes one idea, a Gram matrix of a region, and one decision that most
# programs make without a word: who belongs to a region, deep inside the network, where a position sees fifty pixels?
# You make the matrix, measure how far one style bleeds into the next, and paint a picture in two styles.

# %%
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data

from minicnn import Tensor, frozen, images, models, no_grad, ops, style
from minicnn.datasets.paintings import PAINTINGS
from minicnn.models.fields import fields_of
from minicnn.style.regions import seen as belonging

SIDE = 128  # pixels
INK, BLUE, RED, GREY = "#222222", "#2f6690", "#c8553d", "#999999"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})

photograph = images.load(get_sample_data("grace_hopper.jpg", asfileobj=False), size=(SIDE * 6 // 5, SIDE))[:SIDE]
sky, window = PAINTINGS["starry_night"](SIDE), PAINTINGS["stained_glass"](SIDE)
network = models.tiny_vgg(pooling="avg")
LAYER = "block3_conv1"


def features(picture, layer=LAYER):
    """What a layer says at each place of a picture (H, W, 3): (1, h, w, C)."""
    with no_grad():
        return network.features(np.asarray(picture, np.float32)[None], [layer])[layer]


def gram(F):
    """The Gram matrix of all places, as a mean: (C, C)."""
    return ops.gram_matrix(F).numpy()[0] / (F.shape[1] * F.shape[2])


def apart(G, H):
    """How different two Gram matrices are, over the size of the second: 0 for equal ones."""
    return np.linalg.norm(G - H) / np.linalg.norm(H)


def show(pictures, file, title):
    """{caption: picture} in a row."""
    figure, panels = plt.subplots(1, len(pictures), figsize=(2.5 * len(pictures), 3.1), layout="constrained")
    for ax, (caption, picture) in zip(panels, pictures.items(), strict=True):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="lanczos")
        ax.set_title(caption, fontsize=11)
        ax.set_axis_off()
    figure.suptitle(title, x=0.01, ha="left")
    figure.savefig(file, dpi=120)
    plt.show()


# %% [markdown]
# ## A Gram matrix has no places
#
# It counts which channels respond together, and forgets where. So shuffle the places of a layer as you like: the matrix
# stays. And what if a picture is half sky and half window?
#
# **Predict**: is its Gram matrix nearer to the sky's, nearer to the window's, or what?

# %% tags=["predict"]
half = SIDE // 2
both = np.concatenate([sky[:, :half], window[:, half:]], axis=1)
F = features(both)
shuffled = np.random.default_rng(0).permutation(F.numpy().reshape(-1, F.shape[-1])).reshape(F.shape)
print(f"shuffled and not: {apart(gram(Tensor(shuffled)), gram(F)):.0e}")
mean = (gram(features(sky)) + gram(features(window))) / 2
for name, other in (("the sky's", gram(features(sky))), ("the window's", gram(features(window))), ("their mean", mean)):
    print(f"half sky, half window, from {name:13}: {apart(gram(F), other):.2f}")

# %% tags=["answer"]
assert apart(gram(Tensor(shuffled)), gram(F)) < 1e-4
assert apart(gram(F), mean) < min(apart(gram(F), gram(features(sky))), apart(gram(F), gram(features(window))))

show(
    {"half sky, half window": both, "sky": sky, "window": window, "photograph": photograph},
    "halves.png",
    "What we have",
)

# %% [markdown] tags=["answer"]
# It is nearest to their mean. Whoever asks for this matrix gets *both styles everywhere*: nothing in it says which of
# them belongs to the left. The place must come from outside.

# %% [markdown]
# ## A guide
#
# Let $g_p$ say how much place $p$ belongs to a region, from 0 to 1, and let places count by it:
#
# $$G_{ij} = \frac{\sum_p g_p\,F_{pi}F_{pj}}{\sum_p g_p}$$
#
# It is what you had, where $g$ is 1 everywhere. Divided by $\sum g$ it is a mean: a small region asks for as much
# style per place as a large one. (Gatys et al., 2017, multiply $F$ by a guide $T$ with $\sum T^2 = 1$: so $g = T^2$.)
# Write it yourself: `minicnn learn start guided_gram`.


# %%
def guided(F, g):
    """The Gram matrix of a region, (C, C). g: (1, h, w, 1)."""
    return ops.gram_matrix(F * np.sqrt(g)).numpy()[0] / g.sum()


left = np.zeros((SIDE, SIDE), np.float32)
left[:, :half] = 1
height, width = F.shape[1:3]
zoomed = images.resize(left[:, :, None], height, width)[None].round()
for name, g in (("left", zoomed), ("right", 1 - zoomed)):
    from_sky, from_window = (apart(guided(F, g), gram(features(each))) for each in (sky, window))
    print(f"{name:5} half: {from_sky:.2f} from the sky, {from_window:.2f} from the window")

# %% [markdown]
# ## Who is inside?
#
# The guide above is the mask, zoomed to the size of the layer. It is what most programs do, and it looks innocent. But
# a position of this layer sees more than one pixel.
#
# Ask the left half for another Gram matrix, and look at the gradient: which pixels does it want to change? There are
# two kinds of guide. *Zoomed* takes a position whose middle lies in the region. *Inside* takes one that sees nothing
# but the region. **Predict**: how many pixels right of the border are moved by each?


# %% tags=["predict"]
def moved(g, layer, target):
    """How much each column of the picture is moved for the sake of a region: the mean |gradient|, (W,)."""
    image = Tensor(both[None].astype(np.float32), requires_grad=True)
    with frozen(network):
        found = network.features(image, [layer])[layer]
        ops.sum(ops.square(ops.gram_matrix(found * np.sqrt(g)) * (1 / g.sum()) - target)).backward()
    values = np.abs(image.grad[0]).mean(axis=(0, 2))
    return np.where(values > 1e-6 * values.max(), values, 0)  # less is rounding, of kernels that compute tile by tile


columns = {}
LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1")
for layer in LAYERS:
    target = gram(features(window, layer))
    spans = fields_of(network, layer, (SIDE, SIDE)).columns
    size = features(both, layer).shape[1:3]
    zoomed = images.resize(left[:, :, None], *size)[None].round()
    columns[layer] = moved(zoomed, layer, target), moved(belonging(network, layer, left), layer, target)
    field = (spans[:, 1] - spans[:, 0]).max()
    reach = [np.flatnonzero(values).max() + 1 - half for values in columns[layer]]
    print(
        f"{layer}: a position sees {field:2} pixels; moved beyond the border: zoomed {reach[0]:2}, inside {reach[1]:2}"
    )

# %% tags=["answer"]
for layer, (zoomed_moves, inside_moves) in columns.items():
    spans = fields_of(network, layer, (SIDE, SIDE)).columns
    field = (spans[:, 1] - spans[:, 0]).max()
    assert not inside_moves[half:].any()
    assert not zoomed_moves[half + field // 2 + 1 :].any()
assert columns["block4_conv1"][0][half:].any() and columns["block3_conv1"][0][half:].any()

figure, panels = plt.subplots(1, 2, figsize=(11.5, 3.9), sharey=True, layout="constrained")
for axis, kind, title in zip(
    panels, (0, 1), ("zoomed: the style bleeds", "inside: it stops at the border"), strict=True
):
    for layer, colour in zip(LAYERS[1:], (GREY, BLUE, RED), strict=True):
        values = columns[layer][kind]
        axis.plot(np.arange(SIDE) - half + 0.5, values / values.max(), color=colour, lw=2, label=layer)
    axis.axvline(0, color=INK, lw=1.2, ls="--")
    axis.set(title=title, xlabel="pixels from the border", xlim=(-half, half))
panels[0].set_ylabel("mean |gradient|, over its largest")
panels[0].legend(frameon=False)
figure.savefig("bleeding.png", dpi=130)
plt.show()

# %% [markdown] tags=["answer"]
# A zoomed guide bleeds by half of what a position sees, and more with every layer. From the deepest layers it is a good
# part of a small picture: that is how a face gets stars on its chin. *Inside* it is nothing at all. That has a price,
# too: look left of the border, where the gradient fades. A strip just inside belongs to nobody's style at the deep
# layers, and only the first ones paint it.
#
# minicnn takes *inside*. Where a region is so small that no position sees only it, half of the field has to lie
# inside, then a quarter, and at last whoever is nearest counts: a thin region keeps a style.

# %% [markdown]
# ## Two styles in one picture
#
# A mask for each style, soft at the edge: the window for her, the sky for what is behind her. Beside it are the two
# ways to do without: mix both styles over all of it, or paint twice and glue the halves together along the mask.
#
# **Predict**: in which of the three does each region have its own style, and which of them has a seam?

# %% tags=["predict"]
y, x = np.mgrid[:SIDE, :SIDE] / SIDE
head = 1 / (1 + np.exp(18 * (np.hypot((x - 0.5) / 0.3, (y - 0.4) / 0.42) - 1)))
body = 1 / (1 + np.exp(18 * (np.hypot((x - 0.5) / 0.62, (y - 1.12) / 0.5) - 1)))
her = np.maximum(head, body).astype(np.float32)
masks = [her, 1 - her]
how = {"model": network, "steps": 80, "progress": False}
alone = [style.transfer(photograph, each, **how).image for each in (window, sky)]
results = {
    "mixed": style.transfer(photograph, [window, sky], **how).image,
    "glued": alone[0] * her[:, :, None] + alone[1] * (1 - her[:, :, None]),
    "regions": style.transfer(photograph, [window, sky], masks=masks, **how).image,
}


def own_style(picture, layer=LAYER):
    """How far each region is from its own style, and from the other's: ((own, other), (own, other))."""
    grams = [guided(features(picture, layer), belonging(network, layer, mask)) for mask in masks]
    targets = [gram(features(each, layer)) for each in (window, sky)]
    return [[apart(grams[i], targets[i]), apart(grams[i], targets[1 - i])] for i in (0, 1)]


for name, picture in results.items():
    (hers, not_hers), (behind, not_behind) = own_style(picture)
    print(f"{name:8} she: {hers:.2f} from the window, {not_hers:.2f} from the sky; ", end="")
    print(f"behind her: {behind:.2f} from the sky, {not_behind:.2f} from the window")

# %% tags=["answer"]
mixed, regions = own_style(results["mixed"]), own_style(results["regions"])
assert regions[0][0] < mixed[0][0] and regions[1][0] < mixed[1][0]
assert all(own < other for own, other in regions)

show({"photograph": photograph, "her mask": her, **results}, "two_styles.png", "The window for her, the sky behind her")

# %% [markdown] tags=["answer"]
# Mixed, both are everywhere. Glued, each region has its own, and along the mask two pictures shine through each other
# that know nothing of each other. With regions it is one picture: content and smoothness are asked of it as a whole, so
# that strokes end, or go on, where the edge is.

# %% [markdown]
# ## One region is no region
#
# A guide that is 1 everywhere changes nothing. "Nothing" can be tested to the last bit.

# %%
short = {"model": network, "steps": 5, "progress": False}
plain = style.transfer(photograph, window, **short).image
everywhere = style.transfer(photograph, window, masks=[np.ones((SIDE, SIDE))], **short).image
assert np.array_equal(plain, everywhere)

# %% [markdown]
# ## What you have now
#
# - A Gram matrix has no places. A guide gives it some.
# - Divide by what the guide adds up to: then a region's style does not depend on its size.
# - Whose a pixel is, is a question of the picture. Whose a *position* is, is a question of all that it sees.
# - A zoomed mask bleeds by half a receptive field. A mask that counts only what sees nothing else does not bleed.
#
# **Try it**
#
# 1. Let only her be painted: `masks=[her]`. What happens to what is nobody's? (Its style is its own.)
# 2. Make the edge of her mask sharp, and then very soft. Where does one style end?
# 3. Take `style_masks=[left, None]`: what is the style of *a part* of a painting?
# 4. Make her region smaller and smaller. When does `belonging` begin to let positions in that see more?
# 5. Use `guided` with $g^2$ in the place of $g$. Which places of a soft edge lose?
# 6. The same on the command line: `minicnn style photo.jpg window.png sky.png --masks her.png rest.png -o out.png`.
#
# **Where to look in the source**
#
# - `minicnn/style/regions.py`: masks, maps of colours, and who belongs (`seen`). `objective.py`: the costs of regions.
#
# Next: `25_the_same_minimum_another_picture.py`, where one picture is written in other numbers.
