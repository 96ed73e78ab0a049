# %% [markdown]
# # Lesson 11: What ConvNets learn
#
# A trained network is a box of numbers. You can read every one of them and know nothing. This lesson opens the box
# with one question, asked again and again: *what makes this unit speak?*
#
# The network is `tiny_vgg`: nine convolutions in five blocks, trained to give one of ten names to the photographs of
# CIFAR-10. Nobody told it what an edge is, or a wheel, or a dog's face. You will read its filters, measure how much a
# unit can see, find the nine patches that excite it most, from layer 1 to layer 5, and count which units became
# objects and which did not. Then you will ask which pixels did it, in three ways that differ in one line, let a unit
# paint what it would like best, and learn which of these pictures not to trust.
#
# The method is Matthew Zeiler's and Rob Fergus's (2014). Open `minicnn/visualize/` beside this lesson.

# %%
import heapq
import json
import os
from math import comb
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from minicnn import Tensor, lessons, models, nn, no_grad, ops, visualize
from minicnn.datasets import cifar10
from minicnn.datasets.synthetic_faces import Population
from minicnn.visualize import plots

INK, GREY = "#222222", "#8a8a8a"
COLOURS = ["#6baed6", "#3182bd", "#fdd0a2", "#fdae6b", "#fd8d3c", "#e6550d", "#74c476", "#a63603", "#9ecae1", "#08519c"]
plt.rcParams.update({"font.size": 11, "text.color": INK, "axes.spines.top": False, "axes.spines.right": False})


def show(rows, path, titles=(), labels=(), inches=1.5):
    """Rows of (picture, caption); None leaves a gap. titles: above the columns. labels: left of the rows."""
    widths = [0.3 if cell is None else cell[0].shape[1] / cell[0].shape[0] for cell in rows[0]]
    size = inches * sum(widths) + (1.4 if labels else 0), (inches + 0.3) * len(rows) + (0.3 if titles else 0)
    grid = {"figsize": size, "width_ratios": widths, "squeeze": False, "layout": "constrained"}
    fig, panels = plt.subplots(len(rows), len(widths), **grid)
    for r, row in enumerate(rows):
        for c, (ax, cell) in enumerate(zip(panels[r], row, strict=True)):
            if cell is not None:
                ax.imshow(cell[0], vmin=0, vmax=1, interpolation="nearest")
                ax.set_xlabel(cell[1], fontsize=9.5, color=INK, labelpad=3)
            if c == 0 and labels:
                ax.set_ylabel(labels[r], rotation=0, ha="right", va="center", labelpad=8, linespacing=1.4)
            if r == 0 and titles:
                ax.set_title(titles[c], fontsize=11)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    fig.savefig(path, dpi=110)
    plt.show()


model = models.tiny_vgg()
CLASSES = model.card.classes
LAYERS = ["block1_conv1", "block2_conv2", "block3_conv2", "block4_conv2", "block5_conv1"]  # the course's layers 1 to 5

# %% [markdown]
# The photographs are not part of this project. If the environment variable `MINICNN_SHARED` names a folder with
# `data/cifar10-test.tar` in it, the lesson looks at every second picture there: 5,000 that the network has never seen,
# 500 of each class. If not, it reads what they showed from a small file that comes with the lesson, and looks at drawn
# faces where it needs a picture.

# %%
tar = Path(os.environ.get("MINICNN_SHARED", "")) / "data" / "cifar10-test.tar"
photographs = tar.is_file()
if photographs:
    pictures, labels = (array[::2] for array in cifar10.read(tar))
else:
    people = Population(seed=0, size=32)
    pictures = np.stack([people.picture(person, 0).image for person in range(48)])
print(len(pictures), "photographs" if photographs else "drawn faces", "of", pictures.shape[1:])

# %% [markdown]
# ## The first layer can be read
#
# A filter of the first layer is 3×3 pixels of red, green and blue: it *is* a picture. It says most where what lies
# under it looks like it, for that is what a scalar product measures. Grey stands for zero here.

# %%
w = model.find("block1_conv1").w.data
tiles = plots.signed(np.moveaxis(w, -1, 0), quantile=1.0)
caption = f"block1_conv1: {w.shape[-1]} filters of {w.shape[0]}×{w.shape[1]} on {w.shape[2]} colours"
show([[(plots.mosaic(tiles, 16, gap=4, zoom=12), caption)]], "filters.png")

# %% [markdown]
# Colours against each other, edges, spots: every ConvNet that learned from pictures begins like this.
#
# The second convolution has filters of 3×3 on *32 channels*. There is no colour for 32 channels, and here looking at
# weights ends. From now on we look at what units do.
#
# ## What a unit can see at all
#
# A *unit* is one channel of a layer, and it speaks at every place: what it says there is one number of the layer's
# output. Two layers up, it sees 3×3 units that each see 3×3 pixels. What a unit can see is called its *receptive
# field*: every layer adds (kernel − 1) steps to it, and every pool doubles the step.
#
# **Predict**: the pictures have 32×32 pixels, and every convolution here is 3×3. How many pixels a side does a unit of
# the last one, `block5_conv1`, see?

# %% tags=["predict"]
field, step, fields, places = 1, 1, {}, {}
for layer in model.body:
    kernel, stride = (2, 2) if isinstance(layer, nn.MaxPool2d) else (3, 1)
    field, step = field + (kernel - 1) * step, step * stride
    fields[layer.name], places[layer.name] = field, 32 // step
    role = f"  = layer {LAYERS.index(layer.name) + 1} of the course" if layer.name in LAYERS else ""
    print(f"{layer.name:13} sees {field:3} pixels a side, from {32 // step:2} places a side{role}")

# %% tags=["answer"]
assert [fields[name] for name in LAYERS] == [3, 14, 32, 68, 108]
assert [places[name] for name in LAYERS] == [32, 16, 8, 4, 2]

# %% [markdown] tags=["answer"]
# 108: more than three times the picture. From layer 4 on, a unit in the middle can see the whole photograph.

# %% [markdown]
# Is that so? Ask the network: change every column of pixels, one after the other, and see which of them change what the
# units say at one place in the middle. (Of four pixels in a pool only the largest counts, so try it on some pictures of
# noise, in which everything is largest now and then. And what is less than 1e-4 is no influence, but the roundings of
# Winograd's tiles, lesson 19.)

# %%
layer, unit_row, unit_column = "block2_conv2", 8, 8
matters = np.zeros(32, bool)
for noise in np.random.default_rng(0).random((8, 1, 32, 32, 3), dtype=np.float32):
    changed = np.repeat(noise, 33, axis=0)  # the last one stays as it is
    for column in range(32):
        changed[column, :, column] = 1 - changed[column, :, column]
    with no_grad():
        said = model.features(changed, [layer])[layer].data[:, unit_row, unit_column]
    matters |= np.abs(said[:32] - said[32]).max(axis=1) > 1e-4
columns = np.flatnonzero(matters)
top, bottom, left, right = visualize.fields_of(model, layer, (32, 32)).box(unit_row, unit_column)
print(f"columns that matter: {columns[0]} … {columns[-1]}; by calculation {left} … {right - 1}")
assert (columns[0], columns[-1] + 1) == (left, right) and right - left == fields[layer]

# %% [markdown]
# ## Nine patches
#
# Show the network many pictures. For each unit remember the nine that made it speak loudest, and cut out what it saw.
#
# "Remember the nine best of very many" is a job for a *heap* of nine: the worst of the nine lies on top, and a
# newcomer only has to beat that one. A million pictures take no more memory than nine.

# %%
layer, unit, some = "block2_conv2", 5, pictures[:300]
with no_grad():
    loudest = model.features(some.astype(np.float32) / 255, [layer])[layer].data[..., unit].max(axis=(1, 2))
best: list[tuple[float, int]] = []
for number, value in enumerate(loudest.tolist()):
    if len(best) < 9:
        heapq.heappush(best, (value, number))
    elif value > best[0][0]:
        heapq.heapreplace(best, (value, number))

patches = visualize.top_patches(model, layer, some, [unit], progress=False)
assert {number for _, number in best} == {*patches.numbers[0].tolist()}
print("the nine loudest:", patches.numbers[0], "say", patches.values[0].round(2))

# %% [markdown]
# `top_patches` does the same for all units of five layers at once. Here it keeps the hundred best of each: nine to
# look at, and the others for a question that comes later. A second network, which has learned nothing, is asked the
# same: its weights are random.
#
# Of every patch we note only which class its picture is of. So much fits into a file of text, of 20 kilobytes. If you
# have the photographs, this cell finds everything again, holds it against the file that the lesson came with, and
# writes a new one into the current folder. After a training of your own, copy that one to `tutorials/`.


# %%
def searched(network, k):
    """The k loudest pictures of all units, {layer: Patches}, and their classes, {layer: (U, k)}; −1 for silence."""
    found = visualize.top_patches(network, LAYERS, pictures, k=k, progress=False)
    return found, {name: np.where(p.values > 0, labels[p.numbers], -1) for name, p in found.items()}


def commonest(codes):
    """(class, how many) that is most frequent in each row of classes, of which −1 is none."""
    counts = np.stack([(codes == number).sum(axis=1) for number in range(len(CLASSES))], axis=1)
    return counts.argmax(axis=1), counts.max(axis=1)


def written(rows):
    """Rows of whole numbers as lines of text: nine digits a unit, "-" for silence, ten units a line."""
    words = ["".join(str(code) if code >= 0 else "-" for code in np.atleast_1d(row)) for row in rows]
    return [" ".join(words[i : i + 10]) for i in range(0, len(words), 10)]


def read(lines):
    """What written() was given, where a row has nine."""
    return np.array([[-1 if c == "-" else int(c) for c in word] for line in lines for word in line.split()])


file = "what_convnets_learn.json"
shipped = json.loads((lessons.folder() / file).read_text(encoding="utf-8"))
if photographs:
    found, hundred = searched(model, 100)
    random_nine = searched(models.tiny_vgg(None, seed=0), 9)[1]
    results = {"pictures": "every second test picture of CIFAR-10, sorted by name", "classes": CLASSES, "layers": {}}
    for name in LAYERS:
        favourite, _ = commonest(hundred[name][:, :9])
        results["layers"][name] = {
            "sees": fields[name],
            "nine": written(hundred[name][:, :9]),
            "of_hundred": written((hundred[name] == favourite[:, None]).sum(axis=1)),
            "random": written(random_nine[name]),
        }
    Path(file).write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
else:
    found = visualize.top_patches(model, LAYERS, pictures, progress=False)
    results = shipped

nine = {name: read(layer["nine"]) for name, layer in results["layers"].items()}
random_nine = {name: read(layer["random"]) for name, layer in results["layers"].items()}
of_hundred = {name: np.array(" ".join(layer["of_hundred"]).split(), int) for name, layer in results["layers"].items()}
for name in LAYERS:
    for key in ("nine", "random"):  # two machines round differently, and two pictures may change places
        ours, theirs = (np.sort(read(r["layers"][name][key]), axis=1) for r in (results, shipped))
        assert np.mean(ours == theirs) > 0.98, (name, key)

# %% [markdown]
# First look (with the photographs at hand). Of every layer you see the five units whose nine pictures agree most, each
# for another class, and the two that agree least. Below each stands its most frequent class, and how many of the nine
# are of it.


# %%
def of_classes(name):
    """{class: unit}: of every class that is some unit's most frequent, the unit that agrees most; the best first."""
    favourite, count = commonest(nine[name])
    best = {}
    for unit in np.lexsort((-of_hundred[name], -count)):  # of equals, the one that agrees in more of a hundred
        best.setdefault(int(favourite[unit]), int(unit))
    return best


def captioned(name, unit):
    """A cell of a figure: nine patches, and what they are of."""
    (favourite,), (count,) = commonest(nine[name][[unit]])
    return plots.nine(found[name].of([unit], 9).crops[0]), f"{CLASSES[favourite]} {count}/9"


if photographs:
    rows, names = [], []
    for number, name in enumerate(LAYERS, 1):
        most, least = [*of_classes(name).values()][:5], np.argsort(commonest(nine[name])[1], kind="stable")[:2]
        rows.append([*(captioned(name, u) for u in most), None, *(captioned(name, u) for u in least)])
        names.append(
            f"layer {number}\n{name}\nsees " + (f"{fields[name]}×{fields[name]}" if fields[name] < 68 else "all")
        )
    show(rows, "nine_patches.png", ["", "", "agree most", "", "", "", "agree least", ""], names)

# %% [markdown]
# Layer 1 likes edges and colours, and these are everywhere. (Seven red cars make no unit for cars: red is what it
# likes.) Layer 2 likes pieces: a rim, a leg before grass, two eyes and a nose. Layer 3 likes one kind of thing in one
# pose, as silver cars and white dogs; layers 4 and 5 whole things from many sides. But a few chosen units prove
# nothing. Count all 832 of them.
#
# Call a unit an *object unit* if at least eight of its nine pictures are of one class. By chance, with nine pictures
# drawn from ten classes, that happens to one unit in a million.
#
# **Predict**: what share of the units are object units, in each of the five layers? And in a network of the same shape
# with random weights?

# %% tags=["predict"]
chance = 10 * sum(comb(9, k) * 0.1**k * 0.9 ** (9 - k) for k in (8, 9))
living = np.isin(np.arange(10), [2, 3, 4, 5, 6, 7])  # bird, cat, deer, dog, frog, horse
print("                            units   object units    by chance  random weights   all animals or all vehicles")
share, share_random, share_kind = {}, {}, {}
for number, name in enumerate(LAYERS, 1):
    favourite, count = commonest(nine[name])
    animals = living[nine[name]].sum(axis=1)
    share[name], share_random[name] = np.mean(count >= 8), np.mean(commonest(random_nine[name])[1] >= 8)
    share_kind[name] = np.mean((animals == 0) | (animals == 9))
    print(
        f"layer {number} {name}, {fields[name]:3} pixels {len(count):5} {np.sum(count >= 8):6} {share[name]:7.1%} "
        f"{chance:13.5%} {share_random[name]:12.1%} {share_kind[name]:20.0%}"
    )

# %% tags=["answer"]
in_order = [share[name] for name in LAYERS]
assert chance < 1e-6 and in_order[0] == 0 and in_order == sorted(in_order)
assert in_order[1] < 0.1 < in_order[2] < 0.4 < 0.5 < in_order[3] < 0.75 and 0.55 < in_order[4] < 0.8
assert max(share_random.values()) < 0.02

# %% [markdown] tags=["answer"]
# None in layer 1, one unit in 25 in layer 2, nearly a quarter in layer 3, more than half in layer 4, two thirds in
# layer 5. The random network sees just as many pixels and has none: depth alone makes no objects, learning does.

# %% [markdown]
# Which units became objects, and which did not?

# %%
fig = plt.figure(figsize=(13, 7.2), layout="constrained")
upper, lower = fig.subfigures(2, 1, height_ratios=[1, 1.15])
draws = np.random.default_rng(0).integers(0, 10, (100_000, 9))
by_chance = np.bincount(commonest(draws)[1], minlength=10)[1:] / len(draws)
for number, (ax, name) in enumerate(zip(upper.subplots(1, 5, sharey=True), LAYERS, strict=True), 1):
    bars = np.bincount(commonest(nine[name])[1], minlength=10)[1:] / len(nine[name])
    ax.bar(range(1, 10), bars, color=["#c9ced3"] * 7 + ["#d1495b"] * 2, width=0.85)
    random = np.bincount(commonest(random_nine[name])[1], minlength=10)[1:] / len(nine[name])
    ax.plot(range(1, 10), random, "o-", color=INK, markersize=3.5, linewidth=1, label="random weights")
    ax.plot(range(1, 10), by_chance, ":", color=INK, linewidth=1.5, label="chance")
    ax.set_title(f"layer {number}: {share[name]:.0%} object units", fontsize=12)
    ax.set(xticks=[1, 3, 5, 7, 9], xlabel="patches of one class, of nine")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    if number == 1:
        ax.set_ylabel("units of the layer")
        ax.legend(frameon=False, fontsize=9, loc="upper right")
ax = lower.subplots()
for number, name in enumerate(LAYERS):
    favourite, count = commonest(nine[name])
    sizes = np.bincount(favourite[count >= 8], minlength=10) / len(count)
    order = np.argsort(living, kind="stable")  # vehicles first
    for c, left in zip(order, np.cumsum(sizes[order]) - sizes[order], strict=True):
        name_once = CLASSES[c] if number == 0 else None
        ax.barh(number, sizes[c], left=left, color=COLOURS[c], edgecolor="white", height=0.76, label=name_once)
    ax.barh(number, 1 - sizes.sum(), left=sizes.sum(), color="#f0f1f2", height=0.76)
    ax.text(0.99, number, f"{1 - sizes.sum():.0%} no objects", ha="right", va="center", color=GREY)
ax.set(yticks=range(5), yticklabels=[f"layer {n}" for n in range(1, 6)], xlim=(0, 1), ylim=(4.5, -0.5))
ax.set_xlabel("object units by class, of all units of the layer")
ax.tick_params(left=False)
ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
ax.spines[:].set_visible(False)
lower.legend(loc="outside upper center", ncols=10, frameon=False, handlelength=1, columnspacing=1.2, fontsize=10)
fig.savefig("objects.png", dpi=110)
plt.show()

# %% [markdown]
# Cars have the most units, airplanes a handful. And the others, a third of the last layer?

# %%
counts = np.stack([(nine["block5_conv1"] == c).sum(axis=1) for c in range(10)], axis=1)
objects = np.bincount(counts.argmax(axis=1)[counts.max(axis=1) >= 8], minlength=10)
print("object units of layer 5:", {CLASSES[c]: int(objects[c]) for c in np.argsort(-objects)})
assert objects.argmax() == CLASSES.index("automobile") and objects[CLASSES.index("airplane")] < 0.5 * objects.mean()

others = counts[counts.max(axis=1) < 8]
others = others[np.sort(others, axis=1)[:, -2:].sum(axis=1) >= 8]  # two classes make up eight or nine
first, second = np.argsort(-others, axis=1)[:, :2].T
strange = np.mean(living[first] != living[second])
print(f"of the other {np.sum(counts.max(axis=1) < 8)}, {len(others)} belong to two classes: ", end="")
print(f"{strange:.0%} of these to an animal and a vehicle")
assert len(others) > 0.6 * np.sum(counts.max(axis=1) < 8) and strange > 0.25

# %% [markdown]
# Most of the others have two favourites: eight or nine of the nine are of two classes. Some of these are relatives,
# such as car and truck; others have nothing to do with each other, such as a car and a frog. A unit need not be a word,
# and a layer is no dictionary: what counts for the classifier is what all of them say together.
#
# ## Nine are few
#
# Nine of 5,000 pictures are the far end of what a unit likes. Does it like the class, or only nine pictures of it? Look
# at the hundred best. There are 500 pictures of every class, so a unit that knows its class has a hundred to choose
# from.
#
# **Predict**: an object unit has eight or nine pictures of one class among its nine best. How many has it among its
# hundred best, in layers 2 to 5?

# %% tags=["predict"]
typical = {}
for number, name in enumerate(LAYERS[1:], 2):
    among = of_hundred[name][commonest(nine[name])[1] >= 8]
    typical[name] = np.median(among)
    print(f"layer {number}: half of the {len(among):3} object units have {typical[name]:.0f} or more of a hundred")

# %% tags=["answer"]
assert typical["block2_conv2"] < 70 and 60 < typical["block3_conv2"] < 80 < typical["block5_conv1"]

# %% [markdown] tags=["answer"]
# In layer 2 about half: these units have a taste that one class often meets, and nine patches flattered them. In layer
# 5 it is nine in ten. Nine patches show what a unit may be; only counting on says whether it is.

# %% [markdown]
# ## From coarse to fine, or from edges to objects?
#
# Some notes have it that layers detect *coarser* things first and *finer* details as one goes deeper. Hold that against
# what you have measured.

# %%
seen, grid = [fields[name] for name in LAYERS], [places[name] for name in LAYERS]
classes = [np.mean([len({*row} - {-1}) for row in nine[name].tolist()]) for name in LAYERS]
print("layer               ", *(f"{number:5}" for number in range(1, 6)))
print("sees pixels a side  ", *(f"{value:5}" for value in seen))
print("places a side       ", *(f"{value:5}" for value in grid))
print("classes in the nine ", *(f"{value:5.1f}" for value in classes))
print("object units        ", *(f"{value:5.0%}" for value in in_order))
assert seen == sorted(seen) and grid == sorted(grid, reverse=True)
assert classes == sorted(classes, reverse=True) and classes[0] > 4.5 and classes[4] < 2.2

# %% [markdown]
# Of the picture it is the other way round: layer 1 sees the finest details, 3×3 pixels at 32×32 places, and layer 5
# sees all of it at once, and knows a place only as one of 2×2. What becomes finer is the *meaning*: the nine patches of
# a unit come from five classes in layer 1 and from two in layer 5. So: fine to coarse in space, general to special in
# meaning, from edges to objects.
#
# And the lecture's dogs, keyboards and flowers? Dogs are here. A unit for keyboards is not: who learns ten classes gets
# units for what tells these ten apart. The lecture's network learned a thousand.

# %% [markdown]
# ## Which pixels did it?
#
# The patch shows what the unit *could* see, and from layer 4 on that is everything. The gradient says what it looked
# at: how much more would the unit say if this pixel were a little brighter? `backward` knows. But the gradient of a
# deep unit looks like snow. So people changed it, in one place only: on the way back through a ReLU.
#
# Let x be what came into the ReLU, and g the gradient that comes back to it:
#
# | rule | what passes | where |
# |---|---|---|
# | gradient | $g \cdot [x > 0]$ | blocked where the ReLU was off |
# | deconvnet | $\max(g, 0)$ | a ReLU on the way back, too; where it was on does not matter |
# | guided | $\max(g, 0) \cdot [x > 0]$ | both |
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
# Now on real patches: of layers 2, 3 and 4 the unit that agrees most about dogs, its nine patches, and what each rule
# finds in them. (Without the photographs these units look at faces, and make do with them.)

# %%
from minicnn.visualize.telling import project

rows, names = [], []
for number, name in enumerate(LAYERS[1:4], 2):
    unit = of_classes(name)[CLASSES.index("dog")]
    chosen = found[name].of([unit], 9)
    maps = project(model, chosen)
    squares = [chosen.crops[0], *(plots.signed(maps[rule][0]) for rule in by_hand)]
    rows.append([(plots.nine(square), "") for square in squares])
    names.append(f"layer {number}\nunit {unit}")
show(rows, "rules.png", ["nine patches", *by_hand], names, inches=2.4)

# %% [markdown]
# Deconvnet and guided backpropagation draw what one can find in the patch: in dogs two eyes and a nose, three layers
# long, small and then within a head. The gradient is snow. Which is right?
#
# ## Beauty is not truth
#
# Here is a test that Julius Adebayo and others thought of (2018). Replace the weights of the *last* convolution with
# noise. The unit now means something else altogether, so a picture of what it looks for must change, too. We look at
# one place, and before the unit's own ReLU, so that it has something to say either way.
#
# **Predict**: which method's pictures change most, the ugly ones or the beautiful ones?


# %% tags=["predict"]
def likeness(a, b):
    """The mean correlation of how strong two stacks of maps are, pixel by pixel."""
    a, b = (np.abs(maps).max(axis=3).reshape(len(maps), -1) for maps in (a, b))
    return np.mean([np.corrcoef(first, second)[0, 1] for first, second in zip(a, b, strict=True)])


last, unit = model.find("block5_conv1"), of_classes("block5_conv1")[CLASSES.index("dog")]
methods = {"gradient": visualize.saliency, "deconvnet": visualize.deconvnet, "guided": visualize.guided_backprop}
sample = pictures[found["block5_conv1"].numbers[unit, :6]].astype(np.float32) / 255
place = {"layer": "block5_conv1.linear", "images": sample, "unit": unit, "position": (1, 1)}
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
show([[(sample[0], "a picture"), *((image, name) for name, image in pairs.items())]], "sanity.png", inches=2.2)

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
with no_grad():
    said, of_black = (float(model(x[None]).data[0, 5]) for x in (sample[0], 0 * sample[0]))
parts = visualize.integrated_gradients(model, "predictions", sample[0], "dog", steps=64)
print(f"the score for dog is {said:.2f}, and {of_black:.2f} of black: {said - of_black:.2f} is to be explained")
print(f"the parts add up to {parts.sum():.2f}, in 64 steps")
assert abs(parts.sum() - (said - of_black)) < 0.05 * abs(said - of_black)

# %% [markdown]
# ## What a unit would like best
#
# The last question needs no pictures. Begin with noise and climb: change the *picture* by the gradient, as training
# changes the weights, until the unit can say no more. Plain pixels would end in a pattern of dots, so the picture is
# made of waves and opposed colours, and shakes a little while it is painted (Olah and others, 2017).
#
# Here are the wishes of the units that agree most, in layers 2 to 5, painted for the place in the middle. (In layer 1
# the filter is the wish.) Below each: what its nine photographs are of, and after the arrow what the network takes the
# painting for, where that is something else.

# %%
rows, understood = [], {}
for name in LAYERS[1:]:
    favourite, most = map(list, zip(*[*of_classes(name).items()][:7], strict=True))
    wishes = visualize.maximize(model, name, most, steps=50, position="middle", progress=False)
    assert (wishes.history[-1] > wishes.history[0]).all()
    with no_grad():
        taken = model(wishes.images).data.argmax(axis=1)
    understood[name] = np.mean(taken == favourite)
    pairs = zip(favourite, taken, strict=True)
    captions = [CLASSES[f] if f == c else f"{CLASSES[f]} → {CLASSES[c]}" for f, c in pairs]
    rows.append(list(zip(wishes.images, captions, strict=True)))
show(rows, "wishes.png", labels=[f"layer {number}" for number in range(2, 6)])
assert min(understood["block3_conv2"], understood["block4_conv2"]) >= 0.6

ships = nine["block5_conv1"][3] == CLASSES.index("ship")
assert ships.sum() >= 8 and of_hundred["block5_conv1"][3] > 90
if photographs:
    assert np.mean(found["block5_conv1"].positions[3, :9] == (0, 1)) > 0.9  # upper right

# %% [markdown]
# Spots and corners; then a dog's face, scales, legs; then a truck, a ship and a plane that one could frame. No
# photograph ever looked so, and the network takes most of them for what the nine photographs showed.
#
# One of layer 5 is odd: unit 3. Its nine best photographs are ships, so are its hundred best, and it paints a horse.
#
# **Predict**: how can that be? A hint: layer 5 has 2×2 places. All nine ships made the unit loudest at the upper right
# one, and what is "in the middle" of four? The painting above is for the lower right one.

# %% tags=["predict"]
cells = []
for position, where in (((0, 1), "upper right"), ((1, 1), "lower right")):
    wish = visualize.maximize(model, "block5_conv1", 3, steps=50, position=position, progress=False).images
    with no_grad():
        taken = CLASSES[int(model(wish).data.argmax())]
    print(f"unit 3, {where}: the network takes its wish for a {taken}")
    cells.append((wish[0], f"{where}: {taken}"))
show([cells], "two_wishes.png", inches=2.5)

# %% tags=["answer"]
assert [caption for _, caption in cells] == ["upper right: ship", "lower right: horse"]

seen_by_corner = {"upper right": (slice(1, 3), slice(0, 2)), "lower right": (slice(0, 2), slice(0, 2))}
with no_grad():
    below = model.features(pictures[:20].astype(np.float32) / 255, ["block4_pool", "block5_conv1.linear"])
filters, bias = model.find("block5_conv1").w.data[..., 3], model.find("block5_conv1").b.data[3]
for (where, taps), row in zip(seen_by_corner.items(), (0, 1), strict=True):
    by_hand = (below["block4_pool"].data * filters[taps]).sum(axis=(1, 2, 3)) + bias
    assert np.allclose(by_hand, below["block5_conv1.linear"].data[:, row, 1, 3], atol=1e-3), where

# %% [markdown] tags=["answer"]
# It is painted for another place. Where there are 2×2 places, each is a corner, and beyond it lies padding: of the 3×3
# taps of the filter each place uses four, and no two places the same four. Unit 3 is four detectors under one number:
# above on the right for ships, below for horses. Convolution treats every place alike, but not where all is border.

# %% [markdown]
# ## Go on
#
# - `minicnn learn start receptive_field` lets you write the sum above for any network, and `minicnn learn start
#   deconvnet_relu` the three rules. `minicnn learn check` tells whether they are right.
# - `minicnn see story -o story.png` puts nine patches, three ways back and the wishes into one figure, for a network
#   that learned drawn faces. With `tiny_vgg` and `--images cifar10-test.tar`, or `squeezenet` and a folder of your own
#   photographs, it tells another story.
# - Is an object unit one for the object, or for its grass and its sky? Make the pictures grey, or cover their middle,
#   and count again.
# - Silence the object units of one class (`model.find("block5_conv1").w.data[..., units] = 0`, and their biases) and
#   measure how many pictures of that class the network still gets right. How many of another?
# - The likeness above was measured for one unit of the last layer. Shuffle lower layers, too. Where does guided
#   backpropagation begin to notice?
# - Paint with `maximize(..., jitter=0, scales=(1, 1))`. What do you lose?
# - `minicnn see invert tiny_vgg PICTURE -o what_is_left.png`: what does each layer still know of a picture?
#
# Next: `12_pooling.py`. Or back to `03_style_transfer_by_hand.py`: style transfer paints with these layers.
