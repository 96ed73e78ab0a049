# %% [markdown]
# # Lesson 8: finding faces, or a sliding window is a convolution
#
# Encoders want a face in the middle, upright, and nothing else. A snapshot is not like that. So first the face has to
# be found: where, how large, and where the eyes are.
#
# The plain way is to cut out every window of 12×12 pixels and to ask a small network about each. That is what the
# course calls sliding windows, and it is slow, for neighbours share most of their pixels. Then it shows the trick: let
# the network slide by itself. You write both here, see that they say the same, and build the detector on it: MTCNN,
# networks that look closer and closer (Zhang et al. 2016). You teach the first yourself, on drawn people. Where you
# write, there is a hole and a check: `minicnn tutorial play 8` stops there, and `minicnn tutorial open 8` gives you a
# file with holes.
#
# Open `minicnn/models/cascade.py` and `minicnn/faces/detection.py` beside this lesson.

# %%
import time
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data

from minicnn import images, models, ops, optim, zoo
from minicnn.datasets.alignment import TEMPLATES, crop_by_box, crop_by_landmarks, similarity
from minicnn.datasets.synthetic_faces import Population
from minicnn.faces import distance, encode
from minicnn.faces.detection import Windows, crops, detect, pyramid, shifted, squares, suppress, windows_of_map
from minicnn.faces.evaluation import area_under_roc
from minicnn.learn.holes import check
from minicnn.models.cascade import CELL, STRIDE

random = np.random.default_rng(0)
INK, BLUE, RED, YELLOW = "#222222", "#2f6690", "#c8553d", "#ffd60a"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
detector = models.mtcnn(None)  # drawn at random: it has learned nothing yet
picture = images.load(str(get_sample_data("grace_hopper.jpg", asfileobj=False)), size=300)
height, width = picture.shape[:2]

# %% [markdown]
# ## One window
#
# The first network, P-Net, is one for 12×12 pixels: 6,632 numbers. It answers with a score, how likely there is a face,
# and with four shifts, by which the window's sides should move to fit it. Its last layers would be dense in most
# networks; here they are convolutions of 1×1, which for one position is the same thing.

# %%
print(detector.summary())
one = detector.judge(picture[None, :CELL, :CELL])
print(f"the corner holds a face with {one.scores[0, 0, 0]:.3f}; to be moved by {np.round(one.shifts[0, 0, 0], 2)}")
assert one.scores.shape == (1, 1, 1)

# %% [markdown]
# ## Every window, twice
#
# First as the words say it: cut, and ask. Then give the whole picture to the same network. Nothing in it knows how
# large a picture is, so it answers with a map. Its pool has stride 2, so one step in the map is 2 pixels.
#
# **You write** both. `detector.judge` takes pictures in a batch, (N, H, W, 3), and answers with scores and shifts.


# %% tags=["hole"] minutes=8
def cut_out(picture):
    """Return all windows of 12×12 pixels in steps of 2, row by row. picture: (H, W, 3) -> (windows, 12, 12, 3)."""
    rows, columns = ((side - CELL) // STRIDE + 1 for side in picture.shape[:2])
    corners = [(STRIDE * i, STRIDE * j) for i in range(rows) for j in range(columns)]
    return np.stack([picture[y : y + CELL, x : x + CELL] for y, x in corners])


def asked_one_by_one(picture):
    """Return the network's answers for every window of a picture."""
    return detector.judge(cut_out(picture))


def slid_over(picture):
    """Return the network's answers for a whole picture (H, W, 3), with scores (1, rows, columns)."""
    return detector.judge(picture[None])


# %% tags=["check"]
part = picture[:18, :22]
every = np.lib.stride_tricks.sliding_window_view(part, (CELL, CELL), axis=(0, 1)).transpose(0, 1, 3, 4, 2)
slips = {
    "The windows are in the order of columns; take a row of them after the other.": (
        every[::2, ::2].transpose(1, 0, 2, 3, 4).reshape(-1, 12, 12, 3)
    ),
    "The windows follow each other in steps of 1; the network's pool makes steps of 2.": every.reshape(-1, 12, 12, 3),
    "The last row and column of windows are missing: (H − 12) / 2 + 1 of them fit.": (
        every[:-1:2, :-1:2].reshape(-1, 12, 12, 3)
    ),
    "The windows do not overlap; their steps are 2 pixels, not 12.": every[::12, ::12].reshape(-1, 12, 12, 3),
}
check("cut_out", cut_out(part), every[::2, ::2].reshape(-1, 12, 12, 3), slips)
check("asked_one_by_one", asked_one_by_one(part).scores.shape, (24, 1, 1))
check("slid_over", slid_over(part).scores.shape, (1, 4, 6))

# %% [markdown]
# **Predict**: how far will the two answers be apart?

# %% tags=["predict"]
small = images.resize(picture, 2 * (height // 12), 2 * (width // 12))  # every side even: no window hangs over the edge
start = time.perf_counter()
one_by_one = asked_one_by_one(small)
cutting = time.perf_counter() - start

start = time.perf_counter()
whole = slid_over(small)
sliding = time.perf_counter() - start

difference = np.abs(whole.scores.ravel() - one_by_one.scores.ravel()).max()
count, rows, columns = len(one_by_one.scores), *whole.scores.shape[1:]
pixels = count * CELL**2 / small[..., 0].size
print(f"{count} windows; largest difference of a score {difference:.1e}")
print(f"cut out one by one {1e3 * cutting:.0f} ms, slid over {1e3 * sliding:.0f} ms")
print(f"every pixel lies in {pixels:.0f} windows")

# %% [markdown] tags=["answer"]
# It is no approximation. A convolution does the same to every place, so the twelve pixels under an output are all that
# it can see; the first layer's outputs are just not computed again for each of the windows that contain them: (12 / 2)²
# in the middle, fewer at the edge.

# %% tags=["answer"]
assert whole.scores.shape == (1, rows, columns) and difference < 1e-5
assert np.allclose(whole.shifts.reshape(-1, 4), one_by_one.shifts.reshape(-1, 4), atol=1e-4)
assert 15 < pixels < 36

# %% [markdown]
# ## Teach it
#
# Sixteen drawn people, three pictures each, and we know where their faces are. Windows that share more than 60% with a
# face's square (of the area that both cover) are faces; those that share less than 30% are none; what is between,
# nobody should have to judge. The shifts are learned from the faces only.
#
# **You write** how much two boxes share. A box is (left, top, right, bottom).


# %% tags=["hole"] minutes=8
def overlap(a, b):
    """Return the area that boxes share, over the area that they cover together. a, b: (…, 4), broadcast -> (…)."""
    across = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    down = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    shared = np.maximum(across, 0) * np.maximum(down, 0)
    area_a, area_b = ((box[..., 2] - box[..., 0]) * (box[..., 3] - box[..., 1]) for box in (a, b))
    return shared / (area_a + area_b - shared)


# %% tags=["check"]
box = np.array([0.0, 0, 4, 4])
others = np.array([[0.0, 0, 4, 4], [2, 2, 6, 6], [1, 1, 3, 3], [6, 7, 8, 9], [5, 0, 9, 4]])
slips = {
    "Boxes that do not touch share nothing: a width or height below zero is zero.": [1, 1 / 7, 1 / 4, 6 / 14, -4 / 36],
    "What both share is counted twice in the area that they cover.": [1 / 2, 1 / 8, 1 / 5, 0, 0],
    "That is the shared area alone, in pixels.": [16, 4, 4, 0, 0],
    "That is in parts of the first box; both count.": [1, 1 / 4, 1 / 4, 0, 0],
    "That is in parts of the smaller box; both count.": [1, 1 / 4, 1, 0, 0],
}
check("overlap", overlap(box, others), [1, 1 / 7, 1 / 4, 0, 0], slips)

# %%
PEOPLE = range(1000, 1016)
population = Population(size=96)


def portrait(person, number, scale=0.55):
    """A picture from some way off: image, box and landmarks."""
    how = population.circumstances(person, number)
    return population.portrait(person, replace(how, scale=scale * how.scale))


def as_floats(image):
    return image.astype(np.float32) / np.float32(255)


def square_of(one):
    return squares(np.array([one.box], float))[0]


def around(truth, count=30):
    """Squares that nearly fit."""
    side = truth[2] - truth[0]
    moved = truth + side * np.tile(random.uniform(-0.25, 0.25, (count, 2)), 2)
    return moved + side * random.uniform(-0.1, 0.1, (count, 1)) * [-1, -1, 1, 1]


def anywhere(count=60, side=96):
    """Squares of all sizes."""
    length = random.uniform(CELL, 0.75 * side, (count, 1))
    corner = random.uniform(0, 1, (count, 2)) * (side - length)
    return np.concatenate([corner, corner + length], axis=1)


def school(one, boxes):
    """(windows, whether they are faces, shifts) of those boxes about which there is no doubt."""
    truth = square_of(one)
    share = overlap(boxes, truth)
    boxes, share = boxes[(share < 0.3) | (share > 0.6)], share[(share < 0.3) | (share > 0.6)]
    shifts = (truth - boxes) / np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    return crops(as_floats(one.image), boxes, CELL), (share > 0.6).astype(np.float32), shifts.astype(np.float32)


def teach(windows, faces, shifts, steps=400, batch=128):
    """Score by the cross-entropy, shifts by the squared error. Returns the share of windows told rightly."""
    own = [parameter for name, parameter in detector.named_parameters() if name.startswith("pnet")]
    optimizer = optim.Adam(own, learning_rate=0.003)
    for step in range(steps):
        chosen = random.integers(len(windows), size=batch)
        y, answer = detector(windows[chosen]).reshape(batch, 6), faces[chosen]
        seen = ops.binary_cross_entropy(y[:, 1] - y[:, 0], answer)
        moved = ops.sum(ops.square(y[:, 2:] - shifts[chosen]) * answer[:, None]) / answer.sum()
        optimizer.learning_rate = 0.003 if step < 0.7 * steps else 0.001
        optimizer.zero_grad()
        (seen + 5 * moved).backward()
        optimizer.step()
    return np.mean((detector.judge(windows).scores.ravel() > 0.5) == faces)


portraits = [portrait(person, number) for person in PEOPLE for number in range(3)]
lessons = [school(one, np.concatenate([around(square_of(one)), anywhere()])) for one in portraits]
windows, is_face, shifts = (np.concatenate(parts) for parts in zip(*lessons, strict=True))
right = teach(windows, is_face, shifts)
print(f"{len(windows):,} windows, {is_face.mean():.0%} of them faces; {right:.1%} told rightly")
assert right > 0.9 > 1 - is_face.mean()

# %% [markdown]
# ## Faces of every size
#
# The window stays; the picture shrinks. In a picture of half the size, 12 pixels are 24. Each step of this *pyramid*
# takes 0.709 of the sides, which is half the area, so all steps together cost only twice the first. Here is a class of
# eight whom the network has never met.

# %%
SCALES = (0.4, 0.55, 0.7, 0.5, 0.65, 0.45, 0.75, 0.6)
pupils = [portrait(3000 + i, 0, scale) for i, scale in enumerate(SCALES)]
upper, lower = (np.concatenate([as_floats(one.image) for one in row], axis=1) for row in (pupils[:4], pupils[4:]))
photo = np.concatenate([upper, lower])
truth = np.array([square_of(one) + 96 * np.tile([i % 4, i // 4], 2) for i, one in enumerate(pupils)])

levels = list(pyramid(photo, min_size=24))
areas = [level.shape[0] * level.shape[1] for level, _ in levels]
print("sizes:", ", ".join(f"{level.shape[1]}×{level.shape[0]}" for level, _ in levels))
print(f"all together {sum(areas) / areas[0]:.2f} of the first")
assert sum(areas) < 2.2 * areas[0]

# %% [markdown]
# Many windows see the same face. So of those that overlap much only the likeliest stays, which is called *non-maximum
# suppression*. **Predict**: how many of the eight will P-Net find? And how many of its windows will hold no face?


# %% tags=["predict"]
def proposed(picture, threshold, min_size=24):
    """The windows of all sizes that P-Net takes for faces, moved to where it thinks the face ends."""
    found = [
        windows_of_map(detector.judge(level[None]), scale, threshold) for level, scale in pyramid(picture, min_size)
    ]
    boxes = np.concatenate([shifted(seen.boxes, shifts) for seen, shifts in found])
    return Windows(boxes, np.concatenate([seen.scores for seen, _ in found]))


def judged(boxes):
    """(how many of the eight are found, how many boxes hold none of them)."""
    share = overlap(truth[:, None], boxes[None])
    return int(np.sum(share.max(axis=1, initial=0) > 0.5)), int(np.sum(share.max(axis=0) < 0.3))


everything = proposed(photo, 0.7)
likeliest = everything.take(suppress(everything, 0.4))
found, wrong = judged(likeliest.boxes)
print(f"{len(everything.scores)} windows, of which {len(likeliest.scores)} stay")
print(f"{found} of 8 faces found, and {wrong} windows that hold none")

# %% [markdown] tags=["answer"]
# It misses hardly anybody, and is easily taken in. Six thousand numbers and twelve pixels are not much to know a face
# by.

# %% tags=["answer"]
assert found >= 7 and wrong >= 5 and len(everything.scores) > 3 * len(likeliest.scores)

# %% [markdown]
# Then raise the threshold, until the wrong ones are gone. **Predict**: what will be left of the faces?

# %% tags=["predict"]
THRESHOLDS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
by_threshold = []
for threshold in THRESHOLDS:
    seen = proposed(photo, threshold)
    by_threshold.append(judged(seen.boxes[suppress(seen, 0.4)]))
    print(f"from {threshold:5}: {by_threshold[-1][0]} of 8 found, {by_threshold[-1][1]:2} wrong")

# %% tags=["answer"]
fewest = next((faces for faces, mistaken in by_threshold if mistaken == 0), 0)
assert by_threshold[0][0] >= 7 and fewest <= 4


def draw(ax, picture, boxes, title):
    weight = {"lw": 1.5} if len(boxes) < 100 else {"lw": 0.8, "alpha": 0.35}
    ax.imshow(picture, extent=(0, picture.shape[1], picture.shape[0], 0))
    for left, top, right, bottom in boxes:
        ax.add_patch(plt.Rectangle((left, top), right - left, bottom - top, fill=False, color=YELLOW, **weight))
    ax.set(xlim=(0, picture.shape[1]), ylim=(picture.shape[0], 0))
    ax.set_title(title, loc="left")
    ax.set_axis_off()


fig, panels = plt.subplots(1, 3, figsize=(14, 3.3), layout="constrained", width_ratios=(1.3, 1.3, 1))
draw(panels[0], photo, everything.boxes, f"from 0.7: {len(everything.scores)} windows")
draw(panels[1], photo, likeliest.boxes, f"the likeliest: {len(likeliest.scores)}, {found} of 8 found")
curve = panels[2]
for values, colour, label in zip(zip(*by_threshold, strict=True), (BLUE, RED), ("found", "wrong"), strict=True):
    curve.plot(range(len(THRESHOLDS)), values, "o-", color=colour, lw=2, label=label)
curve.set_xticks(range(len(THRESHOLDS)), [f"{threshold:g}" for threshold in THRESHOLDS])
curve.set(xlabel="threshold", ylim=(0, None))
curve.set_title("faces found, of 8, and wrong windows", loc="left")
curve.legend(frameon=False)
curve.grid(alpha=0.25)
fig.savefig("cascade.png", dpi=150)
plt.show()

# %% [markdown] tags=["answer"]
# Where no window is wrong any more, half of the faces or more are gone, too. No threshold mends a network that sees too
# little.

# %% [markdown]
# ## The cascade
#
# So MTCNN keeps a low threshold: what is no face can still be thrown out, and who is missed is lost. Its second
# network, R-Net, looks closer, at 24×24 pixels, and only where the first one saw something; it went to school with the
# first one's mistakes. The third, O-Net, does the same at 48×48, and it also says where eyes, nose and mouth are. Each
# is slower than the one before and has less to look at.
#
# ## A photograph
#
# Our P-Net works on people whom it never met. They were drawn by the same program, though. Here is Grace Hopper, who
# was not. (And, if you have fetched its weights, what the cascade says that photographs have taught.) **Predict**: what
# will ours say?

# %% tags=["predict"]
seen = proposed(picture, 0.95, min_size=40)
ours = seen.take(suppress(seen, 0.4))
shown = {f"P-Net, taught by drawings: {len(ours.scores)}": ours.boxes}
if zoo.here(zoo.find("mtcnn")) is not None:
    faces = detect(picture, detector=models.mtcnn())
    shown[f"MTCNN, taught by photographs: {len(faces.scores)}"] = faces.boxes
    left_eye, right_eye, nose, *mouth = faces.landmarks[0]
    assert len(faces.scores) == 1
    assert left_eye[0] < nose[0] < right_eye[0] and nose[1] < min(y for _, y in mouth)
else:
    print("the weights that photographs have taught are not here: minicnn weights fetch mtcnn")
fig, panels = plt.subplots(1, len(shown), figsize=(4.6 * len(shown), 5.2), layout="constrained", squeeze=False)
for ax, (title, boxes) in zip(panels[0], shown.items(), strict=True):
    draw(ax, picture, boxes, title)
fig.savefig("faces_found.png", dpi=150)
plt.show()

# %% [markdown] tags=["answer"]
# It sees faces in her ribbons, her collar and her sleeves, and is as sure of these as of half of the class. No drawn
# person ever wore a uniform. A detector knows no more than what it was shown, the windows without a face above all.

# %% tags=["answer"]
middles = (ours.boxes[:, :2] + ours.boxes[:, 2:]) / 2
assert np.sum(np.abs(middles - (118, 130)).max(axis=1) > 60) >= 2  # far from her face

# %% [markdown]
# ## Into place
#
# With eyes, nose and mouth known, the face can be turned, scaled and shifted to where an encoder expects it: a
# similarity transform, by least squares. Here is the portrait whose head leans most, with the landmarks that it was
# drawn with. `minicnn face enroll`, `verify` and `identify` do this with O-Net's.

# %%
leaning = max(portraits, key=lambda one: abs(one.landmarks[1, 1] - one.landmarks[0, 1]))
template = 112 * TEMPLATES["portrait"]
matrix = similarity(leaning.landmarks, template)
placed = leaning.landmarks @ matrix[:, :2].T + matrix[:, 2]
before, after = (
    (points[1, 1] - points[0, 1]) / (points[1, 0] - points[0, 0]) for points in (leaning.landmarks, placed)
)
print(f"the line through the eyes rises by {abs(before):.0%} before, by {abs(after):.0%} after")
print(f"landmarks end up {np.linalg.norm(placed - template, axis=1).mean():.1f} of 112 pixels from the template")
assert abs(after) < abs(before) / 2 and np.linalg.norm(placed - template, axis=1).max() < 12

fig, (left, right) = plt.subplots(1, 2, figsize=(8, 4.3), layout="constrained")
left.imshow(leaning.image, extent=(0, 96, 96, 0))
left.scatter(*leaning.landmarks.T, s=18, color=YELLOW, edgecolor="black", linewidth=0.5)
left.set_title("as it is found", loc="left")
right.imshow(crop_by_landmarks(leaning.image, leaning.landmarks, 112, template="portrait"), extent=(0, 112, 112, 0))
right.scatter(*template.T, s=70, facecolor="none", edgecolor=YELLOW, lw=1.5, label="template")
right.scatter(*placed.T, s=18, color=BLUE, edgecolor="white", linewidth=0.5, label="placed")
right.set_title("as the encoder wants it", loc="left")
right.legend(fontsize=10, loc="lower right")
for ax in (left, right):
    ax.set_axis_off()
fig.savefig("aligned.png", dpi=150)
plt.show()

# %% [markdown]
# ## Loose or tight?
#
# Where does a face end? One detector's box ends at the eyebrows, another's takes the hair in. An encoder has an
# opinion, too: it has seen only one kind of crop when it was trained. Here are our sixteen people again, and
# `tiny_facenet`, which learned such people with hair, ears and chin. Crop them tighter and looser, and count how often
# a pair of one person is nearer than a pair of two. Then do what happens when a gallery outlives its detector: enrol
# with one margin, and come to the door with another.
#
# **Predict**: which is worse, a box that is a quarter too small, or one that is two and a half times as large? And what
# if one side is enrolled at +50%, the other comes at −25%?

# %% tags=["predict"]
MARGINS, ENROLLED = (-0.25, 0.0, 0.25, 0.5, 1.0, 1.5), 0.5
encoder = models.tiny_facenet()
first, second = np.triu_indices(len(portraits), 1)
same = first // 3 == second // 3


def encoded(cut):
    return encode(encoder, np.stack([cut(portrait) for portrait in portraits]))


by_margin = {m: encoded(lambda portrait, m=m: crop_by_box(portrait.image, portrait.box, 64, margin=m)) for m in MARGINS}
placed = encoded(lambda portrait: crop_by_landmarks(portrait.image, portrait.landmarks, 64, template="portrait"))


def in_order(left, right):
    return area_under_roc(distance(left[first], right[second]), same)


alike = {m: in_order(codes, codes) for m, codes in by_margin.items()}
mixed = {m: in_order(by_margin[ENROLLED], codes) for m, codes in by_margin.items()}
for m in MARGINS:
    print(f"box {m:+.0%}: {alike[m]:.1%} of the pairs in order; enrolled at {ENROLLED:+.0%}: {mixed[m]:.1%}")
print(f"by the eyes, the nose and the mouth: {in_order(placed, placed):.1%}")

# %% tags=["answer"]
assert alike[0.5] > alike[-0.25] + 0.04 and alike[0.5] > alike[1.5] + 0.01  # too tight is bad, too loose as well
assert mixed[-0.25] < alike[-0.25] - 0.05  # and two kinds of crops are worse than either
assert in_order(placed, placed) > 0.99

# %% tags=["answer"]
figure, axes = plt.subplot_mosaic(
    [["shares", "shares", "shares", "shares"], ["-0.25", "0.0", "0.5", "1.5"]],
    figsize=(8.5, 6.2),
    height_ratios=(1.7, 1),
    layout="constrained",
)
for shares, colour, label, place in (
    (alike, BLUE, "all cropped so", (0.55, 1.003)),
    (mixed, RED, "enrolled at +50%", (0.05, 0.91)),
):
    axes["shares"].plot(MARGINS, [shares[m] for m in MARGINS], "o-", color=colour, lw=2)
    axes["shares"].text(*place, label, color=colour, weight="bold")
axes["shares"].set(ylim=(None, 1.02), yticks=(0.85, 0.9, 0.95, 1))
axes["shares"].set(xlabel="the box made larger by", title="Pairs in the right order")
axes["shares"].xaxis.set_major_formatter("{x:+.0%}")
axes["shares"].yaxis.set_major_formatter("{x:.0%}")
axes["shares"].grid(alpha=0.25)
for name in ("-0.25", "0.0", "0.5", "1.5"):
    axes[name].imshow(crop_by_box(portraits[4].image, portraits[4].box, 64, margin=float(name)))
    axes[name].set_title(f"{float(name):+.0%}".replace("-", "−"))
    axes[name].set_axis_off()
figure.savefig("margins.png", dpi=150)
plt.show()

# %% [markdown] tags=["answer"]
# Too tight is worse: what is cut off, nobody can bring back. And two kinds of crops are worse than either.

# %% [markdown]
# So the crop is a part of the model. Its card says which one it wants (`minicnn/models/card.py`: `landmarks`,
# `margin`), and a gallery remembers by which model it was filled. It does not remember how you cropped.
#
# ## What you have now
#
# - A network without dense layers slides by itself; what it says of a window does not change.
# - One window, a pyramid of pictures, and suppression find faces of every size.
# - A first look that misses nobody is wrong often. What it sees is for closer looks to judge, not for a threshold.
# - A detector knows what it was taught, and an encoder knows one kind of crop.
#
# **Try it**
#
# 1. P-Net's pool is "same": on a side that is odd after the first convolution, its last window hangs over the edge.
#    Find the output that no 12×12 window gives. (Cut and slide over `small[:-1]`, and compare; you are right when all
#    others agree to 1e-5.)
# 2. Call `proposed(photo, threshold)` with 0.1 and with 0.99. What does it cost, and who is lost?
# 3. Why must a window be square for R-Net, when boxes of faces are not?
# 4. Turn the photo by 20, 40, 60 degrees. When are the faces lost, and why?
# 5. Move the boxes of the last part by a tenth of their size, at random, as a poor detector would. Which margin suffers
#    least? And what if every picture is enrolled in three crops?
# 6. Show P-Net windows of Grace Hopper's collar and ribbons as what they are, no faces, and teach it again. What
#    becomes of the eight?
#
# **Where to look in the source**
#
# - `minicnn/models/cascade.py`: the three networks. `minicnn/faces/detection.py`: how they work together.
# - `minicnn/kernels/crop.py`: a window of any size, brought to 12, 24 or 48 pixels.
#
# Next: `09_deepface.py`, what a face in place is worth. Or `10_liveness.py`: whose face is it that was found?
