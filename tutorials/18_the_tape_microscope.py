# %% [markdown]
# # Lesson 18: the tape microscope
#
# "Why is this gradient what it is?" is the question that comes with every network, and mostly it stays unanswered:
# there is a number, `w.grad[1, 0, 0, 1] = 0.0749`, and it came out of some machine. But the machine does nothing but
# multiply and add. So the answer exists: *these* products, from *these* places, and here they are.
#
# In this lesson you record a small network, walk through it forward and backward, take one gradient apart until nothing
# is left over, see one output of a convolution as five programs see it, and catch a wrong gradient at its place.

# %%
import io

import matplotlib.pyplot as plt
import numpy as np

import minicnn
from minicnn import GradcheckError, Tensor, gradcheck, op, ops
from minicnn.datasets.paintings import PAINTINGS
from minicnn.tape.stepper import Stepper

random = np.random.default_rng(0)
INK, BLUE, RED, GREY = "#222222", "#2f6690", "#c8553d", "#777777"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## Record
#
# Eight pictures of 8×8 pixels, dark, with one bright bar each: four bars stand, four lie. A convolution of two filters,
# ReLU, the mean over the picture, and a linear layer that shall say which is which.

# %%
pictures, lying = np.zeros((8, 8, 8, 1)), np.arange(8) % 2
for picture, flat in zip(pictures, lying, strict=True):
    at = random.integers(1, 7)
    picture[(at, slice(1, 7)) if flat else (slice(1, 7), at)] = 1
pictures += random.normal(0, 0.1, pictures.shape)

w = Tensor(random.normal(0, 0.5, (3, 3, 1, 2)), requires_grad=True)
b = Tensor(np.zeros(2), requires_grad=True)
v = Tensor(random.normal(0, 1, (2, 2)), requires_grad=True)

with minicnn.record() as tape:
    hidden = ops.conv(pictures, w, b, activation="relu")
    features = hidden.mean(axis=(1, 2))
    loss = ops.cross_entropy(ops.linear(features, v), lying)
    loss.backward()

tape.show()
assert [step.name for step in tape] == ["conv", "relu", "mean", "linear", "cross_entropy"]

# %% [markdown]
# Each row is an operation: what it made of what, the range of its values, and of the gradient that came back to it.
# You asked for one convolution with `activation="relu"` and got two rows: on a tape nothing is fused, so that you can
# see between them. What has no name in your program is called after its operation, `conv_1`.
#
# ## Step
#
# `tape.step()` opens a debugger on this recording, and `minicnn step SCRIPT.py` does so for any program. It knows a
# debugger's words (next, previous, break, watch, print) and one that others lack: `backward` takes you from an
# operation into its way back. Here a list of commands plays your part.

# %%
commands = ["next", "backward", "watch w.grad", "continue", "print w.grad[:, :, 0, 0]", "quit"]
stepper = Stepper(tape, stdin=io.StringIO("\n".join(commands)), stdout=io.StringIO())
stepper.cmdloop()
print(stepper.stdout.getvalue())
assert stepper.tape.moments[stepper.at] == (tape.steps[0], True)

# %% [markdown]
# ## Why?
#
# Now the number itself. By the chain rule
#
# $$\frac{\partial L}{\partial w_{k, c, j}} = \sum_{n, o} \frac{\partial L}{\partial y_{n, o, j}} \, x_{n, o + k, c}
# \qquad \text{over pictures n and places o,}$$
#
# a sum of 8 · 6 · 6 = 288 products. `tape.why` lists them, the largest first. (w[k, c, j]: k the place in the filter, a
# row and a column; c the input's channel, j the output's.) Let us ask for the largest of all.

# %%
index = tuple(int(i) for i in np.unravel_index(np.abs(w.grad).argmax(), w.shape))
why = tape.why(w, index)
print(why)
assert index == (1, 0, 0, 1) and f"{w.grad[index]:.4f}" == "0.0749"
assert abs(why.remainder) < 1e-12
assert len(why.products) + why.zeros == 8 * 6 * 6

# %% [markdown]
# They sum to the gradient, and *nothing is left over*: the remainder is the rounding of some hundred additions. "No
# gradient came back there" is the ReLU: where its input was negative, nothing passes.
#
# Each product says where its two factors stand, so we can lay them on the pictures that they come from.
#
# **Predict**: four pictures have a standing bar, four a lying one. Which of the eight have a part in this gradient? The
# weight stands in the left column of its filter.

# %% tags=["predict"]
shares = np.zeros(pictures.shape[:3])
for product in why.products:
    n, row, column, _ = product.position
    shares[n, row, column] += product.value
assert np.isclose(shares.sum(), w.grad[index])

fig, panels = plt.subplots(2, 8, figsize=(11, 3.4), layout="constrained")
largest = np.abs(shares).max()
for n, (above, below) in enumerate(panels.T):
    above.imshow(pictures[n, :, :, 0], cmap="bone", vmin=-0.5, vmax=1.2)
    below.imshow(shares[n], cmap="RdBu_r", vmin=-largest, vmax=largest)
    below.set_xlabel(f"{shares[n].sum():+.4f}", color=RED if shares[n].sum() > 0 else BLUE)
    for ax in (above, below):
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
fig.suptitle(f"Who wants w[{', '.join(map(str, index))}] to move: {w.grad[index]:.4f} in all", x=0.02, ha="left")
fig.savefig("who_wants_it.png", dpi=150)
plt.show()

by_picture = shares.sum(axis=(1, 2))

# %% tags=["answer"]
assert by_picture[[2, 4, 6]].min() > 0.02 and np.abs(by_picture[[0, 1, 3, 5, 7]]).max() < 0.002

# %% [markdown] tags=["answer"]
# A gradient is a vote, and this is the count. Three standing bars pull at this weight, and hardly anything else does.
# On lying bars this filter is below zero, and ReLU lets no gradient through. And the first bar stands so far to the
# right that this weight, in the left column of its filter, never gets there.

# %% [markdown]
# And where did ∂L/∂y come from? Ask again, one step further; each answer ends with the next question.

# %%
first = why.products[0]
print(tape.why("conv_1", first.at))
print(tape.why("hidden", first.at))
print(tape.why(features, (first.at[0], first.at[3])))

# %% [markdown]
# ## One output, every way it is computed
#
# The loops of `kernels/naive_conv.py`, the matrix product of `kernels/conv.py` (lesson 2), the compiled kernels and
# those for a GPU (lesson 22) form the same products. They differ in who meets whom, and when. Take an output at the
# border, with padding:

# %%
with minicnn.record() as padded:
    y = ops.conv(pictures, w, b, padding="same")
pixel = padded.pixel(y, (3, 0, 4, 1))
print(pixel)
by_hand = b.data[1] + sum(
    pictures[3, 0 + r - 1, 4 + c - 1, 0] * w.data[r, c, 0, 1] for r in range(3) for c in range(3) if 0 + r - 1 >= 0
)
assert np.isclose(by_hand, y.data[3, 0, 4, 1]) and pixel.padding == 3

# %% [markdown]
# ## A wrong gradient, caught
#
# Somebody writes an operation, the mean of neighbours, and forgets on the way back that a mean divides. `gradcheck`
# says that it is wrong. The microscope says *what* it does. **Predict** the slope that it finds, and the one that it
# should find.


# %% tags=["predict"]
@op
def mean_of_pairs(x):
    """(x[0] + x[1]) / 2, (x[2] + x[3]) / 2, … along the last axis."""

    def backward(dy):
        return np.repeat(dy, 2, axis=-1)  # and the half?

    return (x[..., ::2] + x[..., 1::2]) / 2, backward


try:
    gradcheck(mean_of_pairs, Tensor(random.normal(size=(2, 6)), name="x"))
    raise AssertionError("the bug slipped through")
except GradcheckError as found:
    print(found)

x = Tensor(random.normal(size=(2, 6)), requires_grad=True)
with minicnn.record() as suspicious:
    ops.sum(ops.square(mean_of_pairs(x))).backward()
slope = suspicious.why(x, (0, 3))
print(slope)
(product,) = slope.products

# %% tags=["answer"]
assert product.at == (0, 1) and np.isclose(product.factor, 1)  # ∂y[0, 1]/∂x[0, 3]: it should be a half

# %% [markdown] tags=["answer"]
# One product, from the right place, with the slope 1. Move x[0, 3] by one and the mean moves by a half: so here it is.
# (`gradcheck` names the ratio: twice what it should be, at every entry.)

# %% [markdown]
# ## The page
#
# `save_html` writes all of it as one file for the browser, which needs no network: the graph, every array as a heat
# map, formulas, and the code that ran. The arrow keys step, `b` goes into the backward, and a click on an output of a
# convolution tells every way it is computed. In a notebook, the tape as the last line of a cell shows the same:

# %%
tape.save_html("tape.html")
tape  # in a notebook and on a page it shows itself: click an operation, or use the arrow keys

# %% [markdown]
# It also takes a real network. A tape keeps its own copies, so large arrays become statistics and a picture in the
# page; `why` and `pixel` still know every number.

# %%
network = minicnn.models.tiny_vgg()
picture = PAINTINGS["woodcut_wave"](32)
with minicnn.record() as real:
    logits = network(picture[None])
    ops.cross_entropy(logits, np.array([8])).backward()
real.save_html("tiny_vgg.html")
print(f"{len(real)} operations, of which the last is")
print(real.why("predictions.w", (5, 8)))

# %% [markdown]
# ## Your turn
#
# 1. Follow one product of the last answer back to the picture, by `why` alone. How many questions does it take?
# 2. Set `b.data[0] = -100` in the first network and record again. What does `why` say of `w[0, 0, 0, 0]`? The filter is
#    dead; would more training wake it?
# 3. Write a ReLU whose backward passes `dy` where *dy* is positive. What does `gradcheck` say, what the microscope?
# 4. Record two steps of training in one `with`. Which names do the weights have in the second step, and why?
# 5. `minicnn step` this lesson itself, and `break cross_entropy`. Then `minicnn step --page lesson.html` it.
# 6. `minicnn learn start conv_gradient`. If `minicnn learn check` refuses your dw, find a wrong element and ask `why`.
#
# **Where to look in the source**
#
# - `minicnn/tape/recorder.py`: what is kept, and how `@op` lets the tape look on at the price of one question.
# - `minicnn/tape/products.py`: how a convolution's products are found, and those of an operation that nobody knows.
# - `minicnn/tape/pixels.py`: one output, five programs.
#
# Next, if you want to know how all this becomes fast: `19_winograd.py`. If not, `notes_that_differ.py`.
