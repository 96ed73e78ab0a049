# %% [markdown]
# # Lesson 10: finding faces, or a sliding window is a convolution
#
# Encoders want a face in the middle, upright, and nothing else. A snapshot is not like that. So first the face has to
# be found: where, how large, and where the eyes are.
#
# The plain way is to cut out every window of 12×12 pixels and to ask a small network about each. That is what the
# course calls sliding windows, and it is slow, for neighbours share most of their pixels. Then it shows the trick: let
# the network slide by itself. You write both here, see that they say the same, and build the detector on it: MTCNN,
# three networks that look closer and closer (Zhang et al. 2016).
#
# Open `minicnn/models/cascade.py` and `minicnn/faces/detection.py` beside this lesson.

# %%
import time
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data

from minicnn import images, models, zoo
from minicnn.datasets.alignment import TEMPLATES, crop_by_box, crop_by_landmarks, similarity
from minicnn.datasets.synthetic_faces import Population
from minicnn.faces import distance, encode
from minicnn.faces.detection import (
    THRESHOLDS,
    Windows,
    crops,
    detect,
    pyramid,
    shifted,
    squares,
    suppress,
    windows_of_map,
)
from minicnn.faces.evaluation import area_under_roc
from minicnn.models.cascade import CELL, STRIDE

trained = zoo.here(zoo.find("mtcnn")) is not None
if not trained:
    print("the trained weights are missing (minicnn weights fetch mtcnn): random ones show what holds for any weights")
detector = models.mtcnn("mtcnn" if trained else None)
picture = images.load(str(get_sample_data("grace_hopper.jpg", asfileobj=False)), size=300)
height, width = picture.shape[:2]
YELLOW, BLUE = "#ffd60a", "#2f6690"

# %% [markdown]
# ## One window
#
# P-Net is a network for 12×12 pixels: 6,632 numbers, one answer. Its last layers would be dense in most networks; here
# they are convolutions of 1×1, which for one position is the same thing.

# %%
print(detector.summary())
one = detector.judge(picture[None, :CELL, :CELL])
print(f"the corner holds a face with {one.scores[0, 0, 0]:.3f}; to be moved by {np.round(one.shifts[0, 0, 0], 2)}")
assert one.scores.shape == (1, 1, 1)

# %% [markdown]
# ## Every window, twice
#
# First as the words say it: cut, and ask. Then give the whole picture to the same network. Nothing in it knows how
# large a picture is, so it answers with a map. The pool has stride 2, so one step in the map is 2 pixels.

# %%
small = images.resize(picture, 2 * (height // 12), 2 * (width // 12))  # every side even: no window hangs over the edge
rows, columns = ((side - CELL) // STRIDE + 1 for side in small.shape[:2])
corners = [(STRIDE * i, STRIDE * j) for i in range(rows) for j in range(columns)]

start = time.perf_counter()
windows = np.stack([small[y : y + CELL, x : x + CELL] for y, x in corners])
one_by_one = detector.judge(windows)
cutting = time.perf_counter() - start

start = time.perf_counter()
whole = detector.judge(small[None])
sliding = time.perf_counter() - start

difference = np.abs(whole.scores.ravel() - one_by_one.scores.ravel()).max()
print(f"{len(corners)} windows; largest difference of a score {difference:.1e}")
print(f"cut out one by one {1e3 * cutting:.0f} ms, slid over {1e3 * sliding:.0f} ms")
assert whole.scores.shape == (1, rows, columns) and difference < 1e-5
assert np.allclose(whole.shifts.reshape(-1, 4), one_by_one.shifts.reshape(-1, 4), atol=1e-4)

# %% [markdown]
# It is no approximation. A convolution does the same to every place, so the twelve pixels under an output are all that
# it can see; the first layer's outputs are just not computed again for each window that contains them. **Predict**: how
# much larger are the windows together than the picture?

# %% tags=["predict"]
pixels = len(corners) * CELL**2 / (small.shape[0] * small.shape[1])
print(f"every pixel lies in {pixels:.0f} windows")
assert 15 < pixels < 36  # (12 / 2)² in the middle, fewer at the edge

# %% [markdown]
# ## Faces of every size
#
# The window stays; the picture shrinks. In a picture of a third of the size, 12 pixels are 36. Each step of the pyramid
# takes 0.709 of the sides, which is half the area, so all steps together cost only twice the first.

# %%
levels = list(pyramid(picture, min_size=40))
areas = [level.shape[0] * level.shape[1] for level, _ in levels]
print("sizes:", ", ".join(f"{level.shape[1]}×{level.shape[0]}" for level, _ in levels))
print(f"all together {sum(areas) / areas[0]:.2f} of the first")
assert sum(areas) < 2.2 * areas[0]

# %% [markdown]
# ## The cascade
#
# P-Net is quick and easily taken in. That is as it should be: it must miss nobody, and what is no face can still be
# thrown out. Many windows see the same face, so of those that overlap much only the likeliest stays (non-maximum
# suppression); and each moves its sides to where it thinks the face ends. R-Net looks at the rest with 24×24 pixels,
# O-Net with 48×48, and it also says where eyes, nose and mouth are.

# %%
threshold = THRESHOLDS[0] if trained else np.quantile(detector.judge(levels[0][0][None]).scores, 0.98)
found = []
for level, scale in levels:
    seen, shifts = windows_of_map(detector.judge(level[None]), scale, threshold)
    kept = suppress(seen, 0.5)
    found.append(Windows(shifted(seen.boxes[kept], shifts[kept]), seen.scores[kept]))
proposed = Windows(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
proposed = proposed.take(suppress(proposed, 0.7))

boxes = squares(proposed.boxes)
judged = detector.refinement.judge(crops(picture, boxes, 24))
sure = judged.scores > (THRESHOLDS[1] if trained else 0)
refined = Windows(shifted(boxes[sure], judged.shifts[sure]), judged.scores[sure])
refined = refined.take(suppress(refined, 0.7))

faces = detect(picture, detector=detector)
print(f"P-Net {len(proposed.scores)} windows, R-Net {len(refined.scores)}, O-Net {len(faces.scores)} faces")
if trained:
    assert len(proposed.scores) > len(refined.scores) >= len(faces.scores) == 1
    left_eye, right_eye, nose, *mouth = faces.landmarks[0]
    assert left_eye[0] < nose[0] < right_eye[0] and nose[1] < min(y for _, y in mouth)

# %%
figure, axes = plt.subplots(1, 3, figsize=(11, 5), layout="constrained")
stages = {"P-Net": proposed.boxes, "R-Net": refined.boxes, "O-Net": faces.boxes}
for axis, (name, stage) in zip(axes, stages.items(), strict=True):
    axis.imshow(picture, extent=(0, width, height, 0))
    for left, top, right, bottom in stage[:300]:
        axis.add_patch(plt.Rectangle((left, top), right - left, bottom - top, fill=False, color=YELLOW, linewidth=1))
    axis.set(title=f"{name}: {len(stage)}", xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
for points in faces.landmarks:
    axes[2].scatter(*points.T, s=18, color=YELLOW, edgecolor="black", linewidth=0.5)
figure.savefig("lesson_10_cascade.png", dpi=90)
plt.show()

# %% [markdown]
# ## Into place
#
# With eyes, nose and mouth known, the face can be turned, scaled and shifted to where an encoder expects it: a
# similarity transform, by least squares. `minicnn face enroll`, `verify` and `identify` do just this.

# %%
if trained:
    template = 112 * TEMPLATES["arcface"]
    matrix = similarity(faces.landmarks[0], template)
    placed = faces.landmarks[0] @ matrix[:, :2].T + matrix[:, 2]
    print(f"landmarks end up {np.linalg.norm(placed - template, axis=1).mean():.1f} of 112 pixels from the template")
    assert np.linalg.norm(placed - template, axis=1).max() < 12
    figure, axis = plt.subplots(figsize=(3, 3), layout="constrained")
    axis.imshow(crop_by_landmarks(picture, faces.landmarks[0], 112), extent=(0, 112, 112, 0))
    axis.scatter(*template.T, s=30, facecolor="none", edgecolor=YELLOW, label="template")
    axis.scatter(*placed.T, s=10, color=BLUE, label="found")
    axis.set(xticks=[], yticks=[])
    axis.legend(fontsize=8)
    figure.savefig("lesson_10_aligned.png", dpi=90)
    plt.show()

# %% [markdown]
# ## Loose or tight?
#
# Where does a face end? One detector's box ends at the eyebrows, another's takes the hair in. An encoder has an
# opinion, too: it has seen only one kind of crop when it was trained. Here are sixteen drawn people, three pictures
# each, taken from some way off, and `tiny_facenet`, which learned such people with hair, ears and chin. Crop them
# tighter and looser, and count how often a pair of one person is nearer than a pair of two. Then do what happens when a
# gallery outlives its detector: enrol with one margin, and come to the door with another.

# %%
PEOPLE, MARGINS, ENROLLED = range(1000, 1016), (-0.25, 0.0, 0.25, 0.5, 1.0, 1.5), 0.5
population, encoder = Population(size=96), models.tiny_facenet()
portraits = []
for person in PEOPLE:
    for number in range(3):
        how = population.circumstances(person, number)
        portraits.append(population.portrait(person, replace(how, scale=0.55 * how.scale)))
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
assert alike[0.5] > alike[-0.25] + 0.04 and alike[0.5] > alike[1.5] + 0.01  # too tight is bad, too loose as well
assert mixed[-0.25] < alike[-0.25] - 0.05  # and two kinds of crops are worse than either
assert in_order(placed, placed) > 0.99

# %%
figure, axes = plt.subplot_mosaic(
    [["shares", "shares", "shares", "shares"], ["-0.25", "0.0", "0.5", "1.5"]],
    figsize=(7.6, 5.6),
    height_ratios=(1.7, 1),
    layout="constrained",
)
for shares, colour, label, place in (
    (alike, BLUE, "all cropped so", (0.55, 1.003)),
    (mixed, "#c8553d", "enrolled at +50%", (0.05, 0.91)),
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
    axes[name].set(xticks=[], yticks=[], title=f"{float(name):+.0%}")
figure.savefig("lesson_10_margins.png", dpi=110)
plt.show()

# %% [markdown]
# So the crop is a part of the model. Its card says which one it wants (`minicnn/models/card.py`: `landmarks`,
# `margin`), and a gallery remembers by which model it was filled. It does not remember how you cropped.
#
# ## Go on
#
# - Lower the first threshold to 0.1. What does it cost, and does anybody come in who was missed?
# - Why must a window be square for R-Net, when boxes of faces are not?
# - Turn the picture by 20, 40, 60 degrees. When is the face lost, and why?
# - Move the boxes of the last part by a tenth of their size, at random, as a poor detector would. Which margin suffers
#   least? And what if every picture is enrolled in three crops?
# - P-Net's pool is "same": on a side that is odd after the first convolution, its last window hangs over the edge. Find
#   the output that no 12×12 window gives.
