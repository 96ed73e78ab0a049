# %% [markdown]
# # Lesson 11: What ConvNets learn
#
# A trained network is a box of numbers. You can read every one of them, and know nothing. This lesson opens the box
# with one question, asked again and again: *what makes this unit speak?*
#
# The network is `tiny_facenet`, four blocks of convolutions that learned to tell drawn people apart. Nobody told it
# what an eye is, or a beard, or a pair of glasses. You will look at its filters, find the nine pictures that excite a
# unit most, ask which of their pixels did it, in three ways that differ in one line, and let a unit paint what it would
# like best. And you will learn which of these pictures not to trust.
#
# The method is Matthew Zeiler's and Rob Fergus's (2014). Open `minicnn/visualize/` beside this lesson.

# %%
import heapq

import matplotlib.pyplot as plt
import numpy as np

from minicnn import Tensor, models, nn, no_grad, ops, visualize
from minicnn.datasets.synthetic_faces import Population
from minicnn.visualize import plots

INK, GREY = "#222222", "#777777"
plt.rcParams.update({"font.size": 11})


def show(pictures, titles, path, inches=2.6):
    """Pictures side by side, each under its title."""
    size = inches * len(pictures), inches * pictures[0].shape[0] / pictures[0].shape[1] + 0.4
    fig, panels = plt.subplots(1, len(pictures), figsize=size, layout="constrained")
    for ax, picture, title in zip(np.atleast_1d(panels), pictures, titles, strict=True):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(title, color=INK)
        ax.set_axis_off()
    fig.savefig(path, dpi=110)
    plt.show()


model = models.tiny_facenet()
people = Population(seed=0, size=64)
faces = np.stack([people.picture(person, 0).image for person in range(48)]).astype(np.float32) / 255
print(faces.shape, "faces;", len(model.layer_names), "layers")

# %% [markdown]
# ## The first layer can be read
#
# A filter of the first layer is 3×3 pixels of red, green and blue: it *is* a picture. It says most where what lies
# under it looks like it, for that is what a scalar product measures. Grey stands for zero here.

# %%
w = model.find("block1_conv1").w.data
print(f"block1_conv1: {w.shape[-1]} filters of {w.shape[0]}×{w.shape[1]} on {w.shape[2]} colours")
tiles = plots.signed(np.moveaxis(w, -1, 0), quantile=1.0)
show([plots.mosaic(tiles, 16, gap=1, zoom=4)], ["the filters of block1_conv1"], "filters.png", inches=6)

# %% [markdown]
# Colours against each other, edges, spots: every ConvNet that learned from pictures begins like this.
#
# The second layer has filters of 3×3 on *32 channels*. There is no colour for 32 channels, and here looking at weights
# ends. From now on we look at what units do.
#
# ## What a unit can see at all
#
# A *unit* is one channel of a layer, and it speaks at every place: what it says there is one number of the layer's
# output. Two layers up, it sees 3×3 units that each see 3×3 pixels. What a unit can see is called its *receptive
# field*: every layer adds (kernel − 1) steps to it, and every pool doubles the step.
#
# **Predict**: the pictures have 64×64 pixels, and every convolution here is 3×3. How many pixels a side does a unit of
# the last one, `block4_conv2`, see?

# %% tags=["predict"]
field, step, fields = 1, 1, {}
for layer in model.body:
    kernel, stride = (2, 2) if isinstance(layer, nn.MaxPool2d) else (3, 1)
    field, step = field + (kernel - 1) * step, step * stride
    fields[layer.name] = field
    print(f"{layer.name:13} sees {field:3} pixels a side, the next unit sees the same {step:2} pixels on")

# %% tags=["answer"]
assert fields["block4_conv2"] == 66

# %% [markdown] tags=["answer"]
# 66: more than the picture has. A unit of the last block can see the whole face.

# %% [markdown]
# Is that so? Ask the network: change every column of pixels, one after the other, and see which of them change what the
# units say at one place in the middle. (Of four pixels in a pool only the largest counts, so try it on some pictures of
# noise, in which everything is largest now and then. And what is less than 1e-4 is no influence, but the roundings of
# Winograd's tiles, lesson 4.)

# %%
layer, unit_row, unit_column = "block2_conv1", 16, 16
matters = np.zeros(64, bool)
for noise in np.random.default_rng(0).random((3, 1, 64, 64, 3), dtype=np.float32):
    changed = np.repeat(noise, 65, axis=0)  # the last one stays as it is
    for column in range(64):
        changed[column, :, column] = 1 - changed[column, :, column]
    with no_grad():
        said = model.features(changed, [layer])[layer].data[:, unit_row, unit_column]
    matters |= np.abs(said[:64] - said[64]).max(axis=1) > 1e-4
columns = np.flatnonzero(matters)
top, bottom, left, right = visualize.fields_of(model, layer, (64, 64)).box(unit_row, unit_column)
print(f"columns that matter: {columns[0]} … {columns[-1]}; by calculation {left} … {right - 1}")
assert (columns[0], columns[-1] + 1) == (left, right)

# %% [markdown]
# ## Nine patches
#
# Show the network many faces. For each unit remember the nine that made it speak loudest, and cut out what it saw.
#
# "Remember the nine best of very many" is a job for a *heap* of nine: the worst of the nine lies on top, and a
# newcomer only has to beat that one. A million pictures take no more memory than nine.

# %%
layer, unit = "block2_conv2", 5
best: list[tuple[float, int]] = []
for number, face in enumerate(faces):
    with no_grad():
        value = float(model.features(face[None], [layer])[layer].data[..., unit].max())
    if len(best) < 9:
        heapq.heappush(best, (value, number))
    elif value > best[0][0]:
        heapq.heapreplace(best, (value, number))

patches = visualize.top_patches(model, layer, faces, [unit])
assert [number for _, number in sorted(best, reverse=True)] == patches.numbers[0].tolist()
print("the nine loudest:", patches.numbers[0], "say", patches.values[0].round(2))

# %% [markdown]
# `top_patches` does the same for all units at once. Next come some units of every block. We let the computer choose
# units whose nine patches are like each other, and not like those of the units already chosen.
#
# **Predict**: what will the nine patches of a unit have in common, in each of the four blocks?

# %% tags=["predict"]
from minicnn.visualize.telling import telling_units

layers = ["block1_conv1", "block2_conv2", "block3_conv2", "block4_conv2"]
found = visualize.top_patches(model, layers, faces)
for name in layers:
    chosen = found[name].of(telling_units(found[name], 5))
    squares = [plots.nine(crops) for crops in chosen.crops]
    show(squares, [f"{name}, unit {u}" if u == chosen.units[0] else f"unit {u}" for u in chosen.units], f"{name}.png")

# %% [markdown] tags=["answer"]
# Edges and colours first; then rims and corners, dark hair to the left or skin below; then pieces of faces; and in the
# last block whole heads that have something in common: hair, skin, which way they look. (Grey is beyond the picture's
# border.) The network was never told any of these words. They were just what helped it to tell people apart.

# %% [markdown]
# ## Which pixels did it?
#
# The patch shows what the unit *could* see. The gradient says what it looked at: how much more would the unit say if
# this pixel were a little brighter? `backward` knows. But the gradient of a deep unit looks like snow. So people
# changed it, in one place only: on the way back through a ReLU.
#
# Let x be what came into the ReLU, and g the gradient that comes back to it:
#
#     gradient     g · [x > 0]             blocked where the ReLU was off
#     deconvnet    max(g, 0)               a ReLU on the way back, too; where it was on does not matter
#     guided       max(g, 0) · [x > 0]     both
#
# All four combinations of signs, by hand:

# %%
x = Tensor(np.array([-1.0, 2.0, -3.0, 4.0]), requires_grad=True)
g = np.array([5.0, -6.0, -7.0, 8.0])
by_hand = {"gradient": [0, -6, 0, 8], "deconvnet": [5, 0, 0, 8], "guided": [0, 0, 0, 8]}
for rule, expected in by_hand.items():
    x.grad = None
    with visualize.backward_rule(rule):
        ops.relu(x).backward(g)
    print(f"{rule:10} {x.grad}")
    assert x.grad.tolist() == expected

# %% [markdown]
# That block is the whole trick: inside it every ReLU of the network follows another rule, and behind it all is as
# before, even if something goes wrong in between. Everything else stays: convolutions go back through their transposed
# filters, and a max pool sends what comes to where its *switch* points, the pixel that won.
#
# Now on real patches: the nine of one unit, and what each rule finds in them.

# %%
from minicnn.visualize.telling import project

chosen = found["block3_conv2"].of(telling_units(found["block3_conv2"], 2))
projections = project(model, chosen)
for i, unit in enumerate(chosen.units):
    squares = [plots.nine(chosen.crops[i]), *(plots.nine(plots.signed(maps[i])) for maps in projections.values())]
    show(squares, [f"block3_conv2, unit {unit}", *projections], f"rules_{unit}.png", inches=3)

# %% [markdown]
# Deconvnet and guided backpropagation draw edges and spots that one can find in the patch; the gradient is a blot.
# Which is right?
#
# ## Beauty is not truth
#
# Here is a test that Julius Adebayo and others thought of (2018). Replace the weights of the *last* convolution with
# noise. The unit now means something else altogether, so a picture of what it looks for must change, too. We look at
# one place, in the middle, and before the unit's own ReLU, so that it has something to say either way.
#
# **Predict**: which method's pictures change most, the ugly ones or the beautiful ones?


# %% tags=["predict"]
def likeness(a, b):
    """The mean correlation of how strong two stacks of maps are, pixel by pixel."""
    a, b = (np.abs(maps).max(axis=3).reshape(len(maps), -1) for maps in (a, b))
    return np.mean([np.corrcoef(first, second)[0, 1] for first, second in zip(a, b, strict=True)])


last, unit = model.find("block4_conv2"), int(found["block4_conv2"].units[7])
methods = {"gradient": visualize.saliency, "deconvnet": visualize.deconvnet, "guided": visualize.guided_backprop}
sample = faces[:6]
place = {"layer": "block4_conv2.linear", "images": sample, "unit": unit, "position": (4, 4)}
trained = {name: method(model, **place) for name, method in methods.items()}
weights = last.w.data
last.w.data = np.random.default_rng(0).permutation(weights.reshape(-1)).reshape(weights.shape)
shuffled = {name: method(model, **place) for name, method in methods.items()}
last.w.data = weights
same = {name: likeness(trained[name], shuffled[name]) for name in methods}
for name, value in same.items():
    print(f"{name:10} {value:5.2f} alike, with the last weights shuffled")

# %% tags=["answer"]
assert same["gradient"] < same["deconvnet"] < same["guided"]

pairs = {
    f"{name}, {weights}": plots.signed(maps[name][0])
    for name in ("gradient", "guided")
    for weights, maps in (("trained", trained), ("shuffled", shuffled))
}
show([sample[0], *pairs.values()], ["a face", *pairs], "sanity.png")

# %% [markdown] tags=["answer"]
# The maps that please the eye hardly notice that the unit means something else now: they draw the edges that lower
# layers found, whoever asks. Read them as "what of the picture came up to here", not as "why". The gradient is ugly,
# and honest: it is the derivative, whatever that looks like.

# %% [markdown]
# Where honesty should also be readable, one can add up gradients along a way (*integrated gradients*, whose parts add
# up to what the unit says), average them over noisy copies (*SmoothGrad*), look where a deep layer's channels lie
# (*Grad-CAM*), or simply cover the picture piece by piece and see when the unit falls silent (*occlusion*). All four
# are in `minicnn.visualize`; here is the check that makes integrated gradients worth their name.

# %%
parts = visualize.integrated_gradients(model, "embedding", sample[0], 0, steps=64)
with no_grad():
    said = [float(model.features(x[None], ["embedding"])["embedding"].data[0, 0]) for x in (sample[0], 0 * sample[0])]
print(f"the unit says {said[0]:.2f} of the face and {said[1]:.2f} of black: {said[0] - said[1]:.2f} is to be explained")
print(f"the parts add up to {parts.sum():.2f}, in 64 steps")
assert abs(parts.sum() - (said[0] - said[1])) < 0.05 * abs(said[0] - said[1])

# %% [markdown]
# ## What a unit would like best
#
# The last question needs no pictures. Begin with noise and climb: change the *picture* by the gradient, as training
# changes the weights, until the unit can say no more. Plain pixels would end in a pattern of dots, so the picture is
# made of waves and opposed colours, and shakes a little while it is painted (Olah and others, 2017).

# %%
units = found["block3_conv2"].units[telling_units(found["block3_conv2"], 4)]
wishes = visualize.maximize(model, "block3_conv2", units.tolist(), steps=12, progress=False)
show(list(wishes.images), [f"block3_conv2, unit {unit}" for unit in units], "wishes.png")
assert (wishes.history[-1] > wishes.history[0]).all()

# %% [markdown]
# ## Go on
#
# - `minicnn learn start receptive_field` lets you write the sum above for any network, and `minicnn learn start
#   deconvnet_relu` the three rules. `minicnn learn check` tells whether they are right.
# - `minicnn see story -o story.png` puts it all into one figure, with more faces and more steps than fit in a lesson.
#   With `tiny_vgg` and `--images cifar10-test.tar`, or `squeezenet` and a folder of your own photographs, it tells
#   another story.
# - Choose a unit of block 4 that seems to see glasses. Then test it: `Population.portrait` draws the same person with
#   `Circumstances(glasses=True)` and without. Does the unit agree with you?
# - The likeness above was measured for one unit of the last layer. Shuffle lower layers, too. Where does guided
#   backpropagation begin to notice?
# - Paint with `maximize(..., jitter=0, scales=(1, 1))`. What do you lose?
# - `minicnn see invert tiny_facenet FACE -o what_is_left.png`: what does each layer still know of a face?
