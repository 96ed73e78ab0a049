# %% [markdown]
# # Lesson 9: why DeepFace pools once and shares nothing in L4 to L6
#
# Every ConvNet of this course pools again and again, and every filter looks everywhere. DeepFace (Taigman, Yang,
# Ranzato and Wolf 2014) does neither. It turns the face into place (section 2 of the paper), pools *once*, and from its
# fourth layer on gives every place of the picture filters of its own (section 3). The paper says why in a sentence
# each. Here you ask for numbers. (How it was trained, as a classifier, and how its encodings are compared: lesson 7.)
#
# Four questions: what is left over when a face was turned into place? How many pixels of an eye's place does each
# pooling cost? What are filters worth that are not shared, at the same number of multiplications? And what becomes of
# them when nobody has turned the face into place?

# %%
import matplotlib.pyplot as plt
import numpy as np

from minicnn import Tensor, models, nn, no_grad, ops, optim
from minicnn.datasets.alignment import TEMPLATES, similarity, transform
from minicnn.datasets.synthetic_faces import Circumstances, Population

random = np.random.default_rng(0)
INK, BLUE, RED, GREY = "#222222", "#2f6690", "#c8553d", "#777777"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})

PEOPLE, EACH = 24, 10
album = Population(seed=0, size=64).pictures(PEOPLE, EACH, threads=2)
print(f"{len(album.images)} pictures of {PEOPLE} drawn people, and where the eyes, the nose and the mouth are in each")

# %% [markdown]
# ## Into place, or not
#
# `similarity` finds the turn, scale and shift that bring five landmarks nearest to a template, and `transform` applies
# it (lesson 8). What a bad detector would do is the same with some turn, scale and shift left over.


# %%
def placed(number, size, *, zoom=1.0, turn=0.0, scale=0.0, shift=0.0):
    """A face brought into place, (size, size, 3), give or take some degrees, a share of its size, and pixels; and the
    map (2, 3) that did it. zoom: 1 has the hair in it, 1.35 ends at the brows.
    """
    template = size * (0.5 + zoom * (TEMPLATES["portrait"] - (0.5, 0.5 + 0.1 * (zoom > 1))))
    into_place = similarity(album.landmarks[number], template)
    angle, factor = np.deg2rad(random.uniform(-turn, turn)), 1 + random.uniform(-scale, scale)
    left_over = factor * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = left_over @ (into_place[:, 2] - size / 2) + size / 2 + random.uniform(-shift, shift, 2)
    matrix = np.column_stack([left_over @ into_place[:, :2], moved])
    return transform(album.images[number], matrix, size), matrix


# %% [markdown]
# ## In the plane, or from the front
#
# DeepFace goes further than five landmarks. It first does what we do: six points, and the similarity that brings them
# into place. Then it finds 67 points, fits a 3-D head of average shape to them, and warps the face triangle by triangle
# to where it would be if the head looked straight at us. That is *frontalization* (section 2). It takes a detector of
# 67 points, a head in 3-D and its triangles. None of it is here: FaceNet, a year later, did with a tight crop, and
# found that a similarity helps slightly at most (its summary). But what does one give away?
#
# Draw eight people as on a passport, leaning to the side, and looking to the side, by 15 to 45 degrees. Bring all of
# them into place by five landmarks, and measure how far these lie from where the same person's lie on the passport.
# And ask `tiny_facenet`, which never met the eight, how far apart it finds the two pictures. **Predict**: what is left
# of a lean of 45 degrees, and of a look to the side by 45?

# %% tags=["predict"]
model = models.tiny_facenet()
TURNED, ANGLES, EIGHT = Population(seed=0, size=64), (0, 15, 30, 45), range(2000, 2008)


def brought_into_place(picture):
    """(64, 64, 3) and its landmarks (5, 2)."""
    matrix = similarity(picture.landmarks, 64 * TEMPLATES["portrait"])
    return transform(picture.image, matrix, 64), picture.landmarks @ matrix[:, :2].T + matrix[:, 2]


def encode(images):
    with no_grad():
        return model(Tensor(np.stack(images).astype(np.float32) / 255)).data


left_over, apart, seen = {}, {}, {}
for way in ("roll", "yaw"):
    for angle in ANGLES:
        found = [brought_into_place(TURNED.portrait(person, Circumstances(**{way: angle}))) for person in EIGHT]
        crops, marks = [crop for crop, _ in found], np.array([points for _, points in found])
        if angle == 0:
            passport, codes = marks, encode(crops)
        left_over[way, angle] = np.linalg.norm(marks - passport, axis=2).mean()
        apart[way, angle] = np.square(encode(crops) - codes).sum(axis=1).mean()
        seen[way, angle] = crops[4]
        if angle:
            print(
                f"{way:4} {angle}°: landmarks {left_over[way, angle]:.2f} pixels from the passport's, "
                f"squared distance of the encodings {apart[way, angle]:.2f}"
            )

# %% tags=["answer"]
assert left_over["roll", 45] < 0.5 and left_over["yaw", 45] > 1.5
assert left_over["yaw", 15] < left_over["yaw", 30] < left_over["yaw", 45] and apart["yaw", 45] > 1.5 * apart["roll", 45]

figure, axes = plt.subplots(2, 4, figsize=(8.6, 4.9), layout="constrained")
for row, way, words in zip(axes, ("roll", "yaw"), ("leaning", "looking aside"), strict=True):
    for axis, angle in zip(row, ANGLES, strict=True):
        axis.imshow(seen[way, angle])
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        told = f"{words} {angle}°\n{left_over[way, angle]:.1f} px left over" if angle else "passport\n"
        axis.set_title(told, fontsize=10, color=RED if left_over[way, angle] > 1 else INK)
figure.suptitle("All brought into place by five landmarks", x=0.01, ha="left")
figure.savefig("left_over.png", dpi=130)
plt.show()

# %% [markdown] tags=["answer"]
# Of a lean nothing is left, of a look to the side nearly three pixels of 64: a nose that stands out of the face moves
# across it, and no turn of the picture brings it back. That is what frontalization is for. (What it brought DeepFace,
# in its own figures for Labeled Faces in the Wild, section 5.3: 87.9% with the detector's crop, 94.3% with the
# similarity alone, up to 97.0% with frontalization.)

# %% [markdown]
# ## What a pooling forgets
#
# The paper fears that a second and a third max pooling would lose the exact place of small things. So ask for a place.
# The features are those of one convolution, sixteen channels of `tiny_facenet`'s first, pooled 0 to 4 times; nothing
# else changes. From them a *linear* map has to say where the eye on the left is (its middle; drawn faces have no corner
# marked). A linear map can use what lies open in the features, and nothing that would have to be worked out.
#
# There are more features than pictures, so many maps fit them all. *Ridge regression* takes one whose weights are
# small. It is solved at once, in its dual form, K = AAᵀ: as many unknowns as pictures. (Lesson 12 asks more questions
# so.) Eighteen people to learn from, six others to test with, each face up to 3 pixels out of place. Who says the same
# place for everybody is 2.7 pixels off.
#
# **Predict**: how far off is the map after 0, 1, 2, 3 and 4 poolings, when a place is 1, 2, 4, 8 and 16 pixels wide?

# %% tags=["predict"]
POOLINGS, RIDGE = range(5), 0.1


def faces_and_eyes(numbers):
    """Faces (N, 64, 64, 3) in [0, 1], and where the left eye is, (N, 2) in pixels."""
    found = [placed(number, 64, shift=3) for number in numbers]
    eyes = [matrix[:, :2] @ album.landmarks[n][0] + matrix[:, 2] for n, (_, matrix) in zip(numbers, found, strict=True)]
    return np.stack([face for face, _ in found]).astype(np.float32) / 255, np.array(eyes)


def regress(features, targets, new_features):
    """What a linear map, found on features (N, …) and targets (N, 2), says of new features."""
    a, b = (f.reshape(len(f), -1) for f in (features, new_features))
    middle = a.mean(axis=0)
    a, b = a - middle, b - middle
    gram = (a @ a.T).astype(float)
    dual = np.linalg.solve(
        gram + RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)), targets - targets.mean(axis=0)
    )
    return (b @ a.T) @ dual + targets.mean(axis=0)


learning = np.flatnonzero(album.people < 18)
testing = np.flatnonzero(album.people >= 18)
faces, eyes = faces_and_eyes(np.repeat(learning, 2))
new_faces, new_eyes = faces_and_eyes(testing)
layer, pools = "block1_conv1", [f"block{number}_pool" for number in (1, 2, 3, 4)]
with no_grad():
    inside, new_inside = (model.features(x, [layer, *pools, "embedding"]) for x in (faces, new_faces))
    features, new_features = (Tensor(found[layer].data[..., ::2]) for found in (inside, new_inside))
guess = np.linalg.norm(new_eyes - eyes.mean(axis=0), axis=1).mean()
print(f"always the same place: {guess:.2f} pixels off")
maps, errors = [], []
for poolings in POOLINGS:
    said = regress(features.data, eyes, new_features.data)
    errors.append(np.linalg.norm(said - new_eyes, axis=1).mean())
    maps.append(new_features.data[0])
    side = features.shape[1]
    print(
        f"{poolings} poolings: {side:2}×{side:<2} places, a step of {64 // side:2} pixels; the eye {errors[-1]:.2f} off"
    )
    with no_grad():
        features, new_features = ops.max_pool(features, 2), ops.max_pool(new_features, 2)

# %% tags=["answer"]
assert errors[1] < 1.1 * errors[0]  # the first costs nothing
assert errors[4] > 1.2 * errors[1] and errors[4] > errors[3] > errors[2]  # the last are dear
assert errors[0] < 0.75 * guess and f"{guess:.1f}" == "2.7"

figure, axes = plt.subplots(1, 6, figsize=(13, 2.85), layout="constrained")
axes[0].imshow(new_faces[0], extent=(0, 64, 64, 0))
axes[0].plot(*new_eyes[0], "+", color="#ffd60a", ms=12, mew=2)
axes[0].set_title("where is the eye?")
column, row = new_eyes[0].astype(int)
at_the_eye = maps[0][row - 3 : row + 4, column - 5 : column + 6].max(axis=(0, 1))
channel = int(np.argmax(at_the_eye / maps[0].max(axis=(0, 1))))  # the one that has most to say around the eye
for poolings, axis in zip(POOLINGS, axes[1:], strict=True):
    axis.imshow(maps[poolings][..., channel], cmap="magma", extent=(0, 64, 64, 0), interpolation="nearest")
    axis.plot(*new_eyes[0], "+", color="white", ms=12, mew=2)
    words = "no pooling" if not poolings else "1 pooling" if poolings == 1 else f"{poolings} poolings"
    axis.set_title(f"{words}\n{errors[poolings]:.2f} px off", color=RED if errors[poolings] > 1.2 * errors[0] else INK)
for axis in axes:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
figure.savefig("poolings.png", dpi=130)
plt.show()

# %% [markdown] tags=["answer"]
# One pooling is free: there are four times fewer numbers to work on, and the eye is where it was. Two cost next to
# nothing here, for sixteen channels together still know more than a step of 4 pixels. Then it begins to hurt, and after
# four you might nearly guess. (In this channel skin is bright, and an eye is a hole in it. After three poolings the
# holes are closed.) A network that asks "is there a cat?" does not mind. One that lives by the distance between two
# eyes does.

# %% [markdown]
# ## But others pool more
#
# Is it right, then, to pool once and early? ResNet halves its pictures five times, and so do many detectors of the YOLO
# family, which have to say *where*. `tiny_facenet` itself has four poolings. Ask its own features the same question,
# behind each of them. There are convolutions between its poolings, and twice the channels after each. **Predict**: how
# far off is the eye now, after four?

# %% tags=["predict"]
trained = [errors[0]]
for pool in pools:
    said = regress(inside[pool].data, eyes, new_inside[pool].data)
    trained.append(np.linalg.norm(said - new_eyes, axis=1).mean())
    side, channels = inside[pool].shape[2:]
    print(f"{pool}: {side:2}×{side:<2} places, {channels:3} channels; the eye {trained[-1]:.2f} off")
said = regress(inside["embedding"].data, eyes, new_inside["embedding"].data)
at_the_end = np.linalg.norm(said - new_eyes, axis=1).mean()
print(f"the encoding, 128 numbers: {at_the_end:.2f} off; always the same place {guess:.2f}")

# %% tags=["answer"]
assert all(trained[count] < errors[count] for count in (2, 3, 4)) and trained[3] < 1.1 * errors[0]
assert trained[4] < 0.85 * errors[4] and trained[4] < errors[3] and at_the_end > 0.9 * guess

figure, axis = plt.subplots(figsize=(7, 3.8), layout="constrained")
for values, label, colour in (
    (errors, "nothing between:\none convolution, 16 channels", RED),
    (trained, "convolutions between,\n32 to 256 channels", BLUE),
):
    axis.plot(POOLINGS, values, "o-", color=colour, lw=2)
    axis.text(4.12, values[-1], label, color=colour, weight="bold", va="center", fontsize=10)
axis.axhline(guess, color=GREY, ls="--", lw=1)
axis.text(0, guess + 0.03, "always the same place", color=GREY, va="bottom")
axis.set(xlabel="poolings", xlim=(-0.1, 6.6), ylim=(1, 3))
axis.set_xticks(POOLINGS)
axis.set_title("How far off the eye is, in pixels of 64", loc="left")
figure.savefig("poolings_trained.png", dpi=130)
plt.show()

# %% [markdown] tags=["answer"]
# Both are right. A pooling alone loses the place: that is the red line, and the paper's sentence. But where there are
# learned convolutions and more channels between the poolings, a network can write *where* into *which*: the channels
# that answer tell where in the wide cell the thing was. After four poolings the eye is better known than after three
# with nothing between. That is how deep networks afford their halvings. (ResNet, by the way, has one max pooling,
# early, too; its other halvings are convolutions with a stride of 2.)
#
# DeepFace has sixteen channels and filters that are not shared. It keeps the place by keeping its maps large. And the
# encoding? It has forgotten where the eye was. So it should: who somebody is does not depend on where they stand.

# %% [markdown]
# ## Filters of one's own
#
# A convolution shares its filters because an edge may be anywhere. In a face that was put into place, an eye may not be
# anywhere. DeepFace's L4 to L6 are *locally connected*: the same windows, the same multiplications, but each place has
# its own weights: 64 times as many in the second such layer below.
#
# So the budget is equal in what it costs to run: four networks with the same first layer and one pooling, the same
# multiplications, the same pictures in the same order, the same number of steps. Half of them share filters behind the
# pooling, half do not; and half see faces in place, half see them up to 25° turned, 20% too large or too small, and 4
# of 32 pixels off. Their task is the one DeepFace was trained for: which of the people is this? (Section 3: a softmax
# over 4,030 people, labels, no pairs.) On pictures that are new.
#
# **Predict** the order of the four. Are filters of one's own worth anything where a face is not in place?

# %% tags=["predict"]
SIZE, EPOCHS, BATCH, CHANNELS = 32, 12, 28, 4
NUISANCE = {"in place": {}, "as they come": {"turn": 25, "scale": 0.2, "shift": 4}}
crops = {
    name: np.stack([placed(n, SIZE, zoom=1.35, **how)[0] for n in range(len(album.images))]).astype(np.float32) / 255
    - 0.5
    for name, how in NUISANCE.items()
}
number_of = np.arange(len(album.images)) % EACH
rows, unseen = np.flatnonzero(number_of < 7), np.flatnonzero(number_of >= 7)


def network(shared, seed):
    """C1, M2, then two layers with filters that are shared or not, then the people."""
    source = np.random.default_rng(seed)

    def layer(kernel, size):
        how = {"activation": "relu", "seed": source}
        if shared:
            return nn.Conv2d(CHANNELS, CHANNELS, kernel, **how)
        return nn.LocallyConnected2d(CHANNELS, CHANNELS, kernel, input_size=size, **how)

    return nn.Sequential(
        nn.Conv2d(3, CHANNELS, 5, activation="relu", seed=source),  # 28×28
        nn.MaxPool2d(2),  # 14×14
        layer(5, 14),  # 10×10
        layer(3, 10),  # 8×8
        nn.Flatten(),
        nn.Linear(8 * 8 * CHANNELS, PEOPLE, seed=source),
    )


def train(shared, pictures, seed):
    """The share of right answers about unseen pictures, and the network."""
    trained, source = network(shared, seed), np.random.default_rng(seed)
    optimizer = optim.Adam(trained.parameters(), learning_rate=0.002)
    for _ in range(EPOCHS):
        order = source.permutation(rows)
        for batch in np.split(order, len(order) // BATCH):
            x = np.roll(pictures[batch], source.integers(-1, 2, 2), axis=(1, 2))
            x = x * source.uniform(0.8, 1.2, (BATCH, 1, 1, 1)).astype(np.float32)  # another exposure
            loss = ops.cross_entropy(trained(Tensor(x)), album.people[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with no_grad():
        answers = trained(Tensor(pictures[unseen])).data.argmax(axis=1)
    return np.mean(answers == album.people[unseen]), trained  # of 72


shares = {}
for name, pictures in crops.items():
    for shared in (True, False):
        runs = [train(shared, pictures, seed) for seed in (0, 1)]
        shares[name, shared] = np.array([share for share, _ in runs])
        weights = sum(parameter.size for parameter in runs[0][1].parameters())
        kind = "shared" if shared else "its own"
        both = " and ".join(f"{share:.0%}" for share in shares[name, shared])
        print(f"faces {name:13} filters {kind:8} {weights:7,} weights: {both} right; by luck {1 / PEOPLE:.0%}")
mean = {key: share.mean() for key, share in shares.items()}
gain = {name: mean[name, False] - mean[name, True] for name in crops}
print(f"not to share is worth {gain['in place']:+.0%} in place, {gain['as they come']:+.0%} as they come")

# %% tags=["answer"]
assert gain["in place"] > 0.03 and sum(gain.values()) > 0.1
assert all(mean["in place", shared] > mean["as they come", shared] + 0.1 for shared in (True, False))

figure, axes = plt.subplot_mosaic(
    [["bars", "in place"], ["bars", "as they come"]], figsize=(11, 4.4), layout="constrained"
)
for place, name in enumerate(crops):
    for offset, shared, colour in ((-0.2, True, GREY), (0.2, False, BLUE)):
        axes["bars"].bar(place + offset, mean[name, shared], 0.36, color=colour)
        axes["bars"].plot([place + offset] * 2, shares[name, shared], "o", color=INK, ms=4)
        label = f"{mean[name, shared]:.0%}\n{'shared' if shared else 'its own'}"
        axes["bars"].text(place + offset, 0.02, label, ha="center", color="white", weight="bold")
    row = (crops[name][[0, 10, 21, 32, 43, 54]] + 0.5).transpose(1, 0, 2, 3).reshape(SIZE, -1, 3)
    axes[name].imshow(row)
    axes[name].set_title(f"faces {name}", loc="left")
    axes[name].set_axis_off()
axes["bars"].set_xticks((0, 1), crops)
axes["bars"].yaxis.set_major_formatter("{x:.0%}")
axes["bars"].set_title("New pictures named rightly", loc="left")
figure.savefig("shared_or_not.png", dpi=130)
plt.show()

# %% [markdown] tags=["answer"]
# Both help, and they add up: the best is a face in place, looked at by filters of their own. Four filters that must
# serve hair, eyes and chins alike are too few; four at each place are plenty, at the same number of multiplications.
#
# What do landmarks give, then? Compare the pairs of bars: for either kind of filter a face in place is named rightly
# far more often, and nothing was added to the network.
#
# **What went wrong?** Our prediction. Did you, too, expect that faces as they come gain nothing from filters of their
# own? But 25 degrees do not bring a chin to where the eyes are: even these faces are roughly in place. And look at the
# dots, which are two seeds on 72 pictures: they lie up to 15 per cent apart, so do not read the last five.

# %% [markdown]
# DeepFace still shares the filters of its first layers, C1 and C3: edges and textures are alike everywhere. The paper
# calls these layers, with the pooling between them, a preprocessing that adapts to its data (section 3).
#
# What it costs not to share: weights. DeepFace's three such layers hold 73 of the encoder's 102 million, and could be
# filled because there were four million pictures. And they take pictures of one size only, for a filter belongs to a
# place.
#
# Later networks share again. They are deeper, they see more pictures, and detectors got good enough at putting faces
# into place that what is left is learned. You met one in lesson 8.
#
# ## What you have now
#
# - Pooling throws the place away step by step. One step is free, four are not, unless learned channels keep it.
# - Filters of one's own are for pictures in which places mean something. They cost weights, not multiplications.
# - Alignment helps any network, and it is done once, by geometry, and not learned by every filter. Landmarks undo a
#   lean and not a look to the side; for that DeepFace had a head in 3-D.
#
# **Try it**
#
# 1. Pool by `ops.avg_pool` instead. Is the mean a better witness of the place than the maximum?
# 2. Let the linear map say where the tip of the nose is, or a corner of the mouth. Which is hardest to find, and why?
# 3. Give the network that shares as many *weights* as the other: more channels. Does it catch up, and at what cost?
# 4. Take two pictures of each person to learn from, then seven. From when on do filters of one's own pay?
# 5. Pool a second time, behind C1. What does it cost faces in place, and what faces as they come?
# 6. Add up the 56,344 weights by hand, layer by layer. How many of them are in the two layers that do not share?
#    (49,872.)
#
# **Where to look in the source**
#
# - `minicnn/ops/convolution.py` at `locally_connected`; `minicnn/kernels/locally_connected.py`: one filter a place.
# - `minicnn/models/deep_face.py`: the real thing, and `minicnn/datasets/alignment.py`, which brings faces into place.
#
# Next: `10_liveness.py`. Or more of what a pooling keeps and forgets: `12_pooling.py`.
