# %% [markdown]
# # Lesson 25: the same minimum, another picture
#
# An optimizer moves numbers. So far these were the pixels, one by one. Write the same picture as a sum of small
# pictures, and move those: no picture is lost and none is won, so the lowest cost is what it was. What comes out is
# another picture all the same. This lesson shows why, by hand first and then in paint.
#
# You need lesson 3, or a notion of what a cost of style is.

# %%
import dataclasses

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data

from minicnn import Tensor, frozen, images, models, optim, style
from minicnn.datasets.paintings import PAINTINGS
from minicnn.style.objective import Objective
from minicnn.style.parametrization import PyramidAdam, enlarge, gather

SIDE = 96
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
photograph = images.load(get_sample_data("grace_hopper.jpg", asfileobj=False), size=(SIDE * 6 // 5, SIDE))[:SIDE]
sky = PAINTINGS["starry_night"](SIDE)


def show(pictures, file, title, columns=None):
    """{caption: picture} in rows."""
    columns = columns or len(pictures)
    rows = -(-len(pictures) // columns)
    figure, panels = plt.subplots(rows, columns, figsize=(2.3 * columns, 2.65 * rows + 0.4), layout="constrained")
    for ax, (caption, picture) in zip(panels.flat, pictures.items(), strict=True):
        ax.imshow(np.clip(picture, 0, 1), interpolation="lanczos")
        ax.set_title(caption, fontsize=11)
        ax.set_axis_off()
    figure.suptitle(title, x=0.01, ha="left")
    figure.savefig(file, dpi=120)
    plt.show()


# %% [markdown]
# ## A picture as a sum of pictures
#
# Take a picture p₀ of full size, p₁ of half its sides, p₂ of a quarter. Enlarge the small ones bilinearly, E₁ and E₂,
# and add them all up: x = start + p₀ + E₁p₁ + E₂p₂ + …. This is a *parametrization* of the picture x: the pyramid.
#
# Enlarging is linear. In one dimension it is a matrix with the numbers ¾ and ¼, twice as high as it is wide. The way
# back for gradients is its transpose, whatever it is: each number of a small picture collects what the pixels say that
# it went to. A test for any pair of such functions: $\langle E x, y \rangle = \langle x, E^T y \rangle$ for random x
# and y.

# %%
matrix = np.stack([enlarge(one.reshape(1, 4, 1, 1), (8, 1)).data.ravel() for one in np.eye(4)], axis=1)
print(matrix)
random = np.random.default_rng(0)
x, y = random.standard_normal((1, 24, 17, 3)), random.standard_normal((1, 47, 34, 3))
left, right = np.vdot(enlarge(x, (47, 34)).data, y), np.vdot(x, gather(y))
print(f"⟨Ex, y⟩ = {left:.12f}, ⟨x, Eᵀy⟩ = {right:.12f}")
assert np.isclose(left, right, rtol=1e-12)
assert np.allclose(matrix.sum(axis=1), 1)  # a grey picture stays grey

# %% [markdown]
# ## One minimum, two ways there
#
# A cost that nobody needs a network for: the squared distance to the photograph. It has one minimum, the photograph.
# Start from grey. Adam moves the pixels, or the levels of a pyramid, each by a smaller step.
#
# **Predict**: after five steps, one of the two pictures is sharp and faint, the other blurred and bold. Which is which?
# Does it matter after two hundred?


# %% tags=["predict"]
def descend(kind, cost, start, steps, rate, keep=()):
    """Return the last picture, and {step: picture} of those to keep."""
    leaf, kept = Tensor(start[None].copy(), requires_grad=True), {}
    optimizer = kind([leaf], rate, bounds=(0.0, 1.0))
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        cost(leaf).backward()
        optimizer.step()
        if step in keep:
            kept[step] = leaf.data[0].copy()
    return leaf.data[0].copy(), kept


WAYS = {"pixels": optim.Adam, "pyramid": PyramidAdam}
grey = np.full_like(photograph, 0.5)
STOPS = (1, 5, 20, 200)
stages = {}
for name, kind in WAYS.items():
    _, kept = descend(kind, lambda image: (image - photograph[None]).square().sum(), grey, max(STOPS), 0.02, STOPS)
    stages |= {f"{name}, step {step}": picture for step, picture in kept.items()}
show(
    stages,
    "one_minimum.png",
    "Two ways to one minimum: apart at first, together at last",
    columns=len(STOPS),
)


# %% tags=["answer"]
def coarse(picture):
    """What is left in patches of 8×8 pixels."""
    return picture.reshape(SIDE // 8, 8, SIDE // 8, 8, 3).mean(axis=(1, 3))


def errors(picture):
    """(of the patches, of what is finer), as root mean squares."""
    off = picture - photograph
    broad = coarse(off).repeat(8, axis=0).repeat(8, axis=1)
    return np.sqrt(np.mean(broad**2)), np.sqrt(np.mean((off - broad) ** 2))


for caption, picture in stages.items():
    print("{:20} patches {:.3f}, details {:.3f}".format(caption, *errors(picture)))
(broad, fine), (their_broad, their_fine) = (errors(stages[f"{name}, step 5"]) for name in WAYS)
assert their_broad < 0.8 * broad and their_fine > 0.9 * fine
assert all(sum(errors(stages[f"{name}, step 200"])) < 0.02 for name in WAYS)

# %% [markdown] tags=["answer"]
# The pixels' is sharp and faint. Adam divides by the size of the gradient, so each number goes about one rate a step,
# the pixel of a large error like the pixel of a small one. A pixel needs 0.5 / 0.02 = 25 steps to become white. In the
# pyramid a pixel is pushed by every level at once, and where a whole patch is too dark all levels agree.
#
# After two hundred steps both are the photograph. Only the way was another. **Who stops early, stops elsewhere.**

# %% [markdown]
# ## The first step
#
# In numbers: x = Ep. The gradient of p is Eᵀg, so plain descent moves p by −Eᵀg and the picture by −EEᵀg: the gradient,
# blurred. The minimum is where g = 0 and then Eᵀg = 0, too. With Adam it is nearly the sign of g, or of its patches.
#
# Now the cost of lesson 3, content and style, as tiny_vgg sees them. Its gradient at the photograph is mostly fine.
#
# **Predict**: how much of the first step is left when it is averaged over patches of 8×8 pixels?

# %% tags=["predict"]
network = models.tiny_vgg(pooling="avg")
GRAM = {"content_form": "course", "style_form": "relative", "alpha": 0.5, "total_variation": 0.8}
with frozen(network):
    objective = Objective(network, dataclasses.replace(network.card.recipe, **GRAM), photograph, [(sky, 1.0)])
    first = {name: descend(kind, lambda x: objective(x)[0], grey * 0 + photograph, 1, 0.03)[0] - photograph
             for name, kind in WAYS.items()}  # fmt: skip
left = {name: np.mean(coarse(step) ** 2) / np.mean(step**2) for name, step in first.items()}
show({f"{name}\n{left[name]:.0%} is left in patches": 0.5 + 4 * step for name, step in first.items()},
     "first_step.png", "The first step, 4 times as strong")  # fmt: skip

# %% tags=["answer"]
assert left["pixels"] < 0.3 < left["pyramid"]

# %% [markdown] tags=["answer"]
# The pixels go up and down beside each other, and of that little is left. This is how ringing comes about: of all
# pictures that lower the cost, those of fine lines are nearest, if every pixel may move by itself. The pyramid spends
# most of its step on patches.

# %% [markdown]
# ## In paint
#
# **Predict**: forty steps each, same start, same cost. Which picture has the lower cost? Which one the wider colours?

# %% tags=["predict"]
HOW = {"model": network, "steps": 40, "levels": 1, "scales": (1.0,), "schedule": "constant", **GRAM}
painted = {name: style.transfer(photograph, sky, parametrization=name, **HOW) for name in WAYS}
halved = style.transfer(photograph, sky, **HOW | {"scales": (1.0, 0.5, 0.25), "smallest_scale": 24})
captions = {f"{name}\nJ {result.history[-1]['total']:.4f}": result.image for name, result in painted.items()}
show({"photograph\n": photograph, **captions, "pixels, and the cost\nof halves too": halved.image},
     "in_paint.png", "The same cost twice, and another cost")  # fmt: skip

# %% tags=["answer"]
moved = {name: np.mean(coarse(result.image - photograph) ** 2) for name, result in painted.items()}
for name, result in painted.items():
    print(f"{name:8} J {result.history[-1]['total']:.4f}, moved {moved[name]:.5f} in patches")
assert moved["pyramid"] > 1.2 * moved["pixels"]
totals = [result.history[-1]["total"] for result in painted.values()]
assert max(totals) < 0.2 * painted["pixels"].history[0]["total"]

# %% [markdown] tags=["answer"]
# The pixels came a little lower: the number does not say which picture you would hang. The pyramid's patches went
# further from the photograph, towards the colours of the sky, and the face came with them. Neither is at the minimum.
# This cost has many valleys, and the parametrization decides which of them is near.
#
# **The third picture is another matter.** Its cost is summed over the picture, its half and its quarter. Its minimum
# *has* moved: fine lines vanish in a half, so they no longer please it there, and a stroke must be a stroke at all
# three sizes. A parametrization changes the way. Another cost changes the goal.

# %% [markdown]
# ## What you have now
#
# - Every picture can be reached in either parametrization, so the minimum is the same.
# - An optimizer takes equal steps in *its* numbers. What is near in them is painted first.
# - Nobody runs style transfer to the minimum. So the way is part of the picture.
#
# **Try it**
#
# 1. `optim.SGD` in the second section, on pixels and on the pyramid's own levels (as Tensors; `enlarge` is an
#    operation). Is the way another there, too?
# 2. A pyramid of a single coarse level, without p₀. What can it not reach?
# 3. Forty steps from `init="noise"`. Which of the two forgets the noise first, and why?
# 4. Print `parametrization.sizes_of((96, 96))`, and leave out its last levels (`COARSEST`). What do the colours do?
#
# **Where to look in the source**
#
# - `minicnn/style/parametrization.py`: `enlarge`, its adjoint, and an Adam that never stores the levels.
# - `minicnn/style/scales.py`: the cost over halves. `minicnn/style/run.py`: where both come in.
#
# Next: `26_averaged_gradients.py`, where two processes train one network.
