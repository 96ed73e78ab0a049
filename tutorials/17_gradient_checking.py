# %% [markdown]
# # Lesson 17: Why is this gradient wrong?
#
# A wrong forward shows itself: the picture is upside down, the loss is not a number. A wrong *gradient* does not. The
# network still learns, only worse, and you blame the learning rate. So gradients are not believed but checked, against
# finite differences. Lesson 1 told how; this lesson is about what comes after "FAILED": finding out *why*.
#
# You will write a convolution with a bug that nearly everybody has written once, watch it learn all the same, and then
# look at the numbers until they tell what is wrong. Open `minicnn/gradients/checking.py` and
# `minicnn/gradients/slips.py` beside this lesson.

# %%
import textwrap

import matplotlib.pyplot as plt
import numpy as np

import minicnn
from minicnn import GradcheckError, Tensor, gradcheck, op, ops
from minicnn.learn.holes import check

minicnn.use_backend("numpy")
random = np.random.default_rng(0)
INK, BLUE, RED, GREY = "#222222", "#2f6690", "#c8553d", "#999999"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## A convolution by hand
#
# One picture, one channel, no padding. The kernel slides over x, and each output is a sum of products:
#
# $$y_o = \sum_k x_{o + k} \, w_k$$
#
# Backwards, x[i] was seen by output o = i − k, with the weight w[k]. So $dx_i = \sum_k dy_{i - k} \, w_k$: a sum over
# the same products, read from the other end. "That is a convolution of dy with w", says the book, and off we go: put
# enough zeros around dy, slide w over it.


# %%
def slide(x, w):
    """x: (H, W), w: (kh, kw) -> (H - kh + 1, W - kw + 1)."""
    H, W = x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1
    return sum(x[i : i + H, j : j + W] * w[i, j] for i, j in np.ndindex(w.shape))


@op
def my_conv(x, w):
    def backward(dy):
        kh, kw = w.shape
        dx = slide(np.pad(dy, ((kh - 1, kh - 1), (kw - 1, kw - 1))), w)
        dw = slide(x, dy)
        return dx, dw

    return slide(x, w), backward


# %% [markdown]
# **Predict**, before you go on: is it right? Both gradients? Here is a first test, the kind that people do. Two layers
# shall learn what two other layers do. If a gradient were wrong, the loss would not go down, would it?

# %% tags=["predict"]
pictures = [Tensor(random.standard_normal((12, 12))) for _ in range(8)]
teacher = [random.standard_normal((3, 3)) for _ in range(2)]
wanted = [slide(slide(picture.data, teacher[0]), teacher[1]) for picture in pictures]


def train(conv, steps=60, rate=0.1):
    """The loss at each of many steps downhill, all of the same length."""
    first, second = (Tensor(np.random.default_rng(s).standard_normal((3, 3)), requires_grad=True) for s in (1, 2))
    history = []
    for _ in range(steps):
        loss = sum(
            ops.mean(ops.square(conv(conv(p, first), second) - y)) for p, y in zip(pictures, wanted, strict=True)
        )
        loss = loss * (1 / len(pictures))
        loss.backward()
        for w in (first, second):
            w.data -= rate * w.grad / np.linalg.norm(w.grad)
            w.grad = None
        history.append(loss.item())
    return history


with_my_conv = train(my_conv)
print(f"loss {with_my_conv[0]:.1f} → {with_my_conv[-1]:.1f}")

# %% tags=["answer"]
assert with_my_conv[-1] < with_my_conv[0] / 30

# %% [markdown] tags=["answer"]
# It goes down, to a fortieth. Most people would stop here.

# %% [markdown]
# Now ask finite differences: move one number of the input by a millionth, to either side, and see how far the result
# moves.

# %%
x, w = random.standard_normal((5, 6)), random.standard_normal((3, 3))
dy = random.standard_normal((3, 4))  # how much each output matters: random, never all ones (lesson 1 told why)


def numeric(f, x, h=1e-6):
    """The gradient of Σ dy · f(x), element by element."""
    slopes = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = h
        slopes[index] = np.sum(dy * (f(x + step) - f(x - step))) / (2 * h)
    return slopes


leaf = Tensor(x, requires_grad=True)
my_conv(leaf, w).backward(dy)
by_backward, by_differences = leaf.grad, numeric(lambda x: slide(x, w), x)
print(np.round(by_backward[:2], 3))
print(np.round(by_differences[:2], 3))
assert not np.allclose(by_backward, by_differences, atol=0.1)

# %% [markdown]
# Wrong, everywhere. But *how* wrong? Here is the idea of this lesson: **every bug has a face.** Plot what backward says
# over what is true, one dot an element. A right gradient lies on the diagonal.
#
# **Predict** where the dots lie for four that we spoil on purpose: a wrong sign, a forgotten 2, nothing passed on where
# x < 0, one column counted half. And for ours?


# %% tags=["predict"]
def family(x):
    """Bugs with a known cause: (what backward says, what is true)."""
    true = numeric(lambda x: slide(x, w), x)
    half = true.copy()
    half[:, 0] *= 0.5
    return {
        "right": (true, true),
        "the sign": (-true, true),
        "a forgotten 2": (0.5 * true, true),
        "nothing passed on where x < 0": (np.where(x < 0, 0, true), true),
        "one column counted half": (half, true),
        "ours": (by_backward, true),
    }


fig, panels = plt.subplots(2, 3, figsize=(11, 6.6), layout="constrained", sharex=True, sharey=True)
for ax, (name, (said, true)) in zip(panels.flat, family(x).items(), strict=True):
    ax.axline((0, 0), slope=1, color=GREY, lw=1)
    good = np.isclose(said, true, atol=1e-5)
    ax.plot(true[good], said[good], "o", color=BLUE, ms=6)
    ax.plot(true[~good], said[~good], "o", color=RED, ms=6)
    ax.set_title(name, loc="left", color=INK)
    ax.set(aspect="equal")
for ax in panels[1]:
    ax.set_xlabel("finite differences")
for ax in panels[:, 0]:
    ax.set_ylabel("backward")
fig.savefig("faces_of_bugs.png", dpi=150)
plt.show()

# %% [markdown] tags=["answer"]
# A line of another slope is a factor; a flat line, something that is not passed on. The last one is a cloud. A cloud
# means: the right *kind* of numbers in the wrong combination.

# %% [markdown]
# For a convolution there is a usual suspect. Look at the formula once more: $dx_i = \sum_k dy_{i - k} \, w_k$ has a
# *minus* where $y_o = \sum_k x_{o + k} \, w_k$ has a plus. As k goes up, dy is read backwards. So if dy is read
# forwards, as `slide` does, it is w that has to be turned around.
#
# `gradcheck` knows this suspect, and many others. It has the true gradient, by differences, so it can form what each
# slip would make of it: *what would the gradient be, if w were reversed?* If that is what backward says, here and at
# other inputs and for other weights of the outputs, the slip has its name.

# %%
try:
    gradcheck(my_conv, [x, w])
    raise AssertionError("the bug slipped through")
except GradcheckError as found:
    print(found)
    report = found.report

assert [finding.kind for finding in report.findings] == ["kernel"]
assert report.inputs[1].ok  # the gradient to w was right all along

# %% [markdown]
# Read it line by line, as you would read it at night:
#
# - *which input*: x, all of it. w is fine, so the forward and dw are above suspicion.
# - *the worst element*, with both values. That is where to put a breakpoint.
# - *the pattern*: the gradient is right for a reversed w. Where two slips give the same numbers, both are named.
# - *not a kink*: differences of other steps say the same, so it is not they that are wrong.
# - *first bad backend*: even the readable one is wrong. So it is the formula, and no slip in a fast kernel.
#
# **You write** it again, with that mended. `slide` is there already.


# %% tags=["hole"] minutes=5
@op
def my_conv_mended(x, w):
    """Return (y, backward): x (H, W) with w (kh, kw), and a function of dy that returns the gradients to x and w."""

    def backward(dy):
        kh, kw = w.shape
        dx = slide(np.pad(dy, ((kh - 1, kh - 1), (kw - 1, kw - 1))), w[::-1, ::-1])
        return dx, slide(x, dy)

    return slide(x, w), backward


# %% tags=["check"]
picture, kernel = (Tensor(array, requires_grad=True) for array in (x, w))
y = my_conv_mended(picture, kernel)
check(
    "my_conv_mended",
    y,
    slide(x, w),
    {"The forward was right: nothing is turned there.": slide(x, w[::-1, ::-1])},
)
dy = np.cos(np.arange(y.size)).reshape(y.shape)
y.backward(dy)
padded = np.pad(dy, [(side - 1, side - 1) for side in w.shape])
slips = {
    "It is still the kernel as it was: x[i] was seen by output i − k, so the kernel runs backward.": slide(padded, w),
    "It is turned along one axis only; turn both.": slide(padded, w[::-1]),
    "It is mirrored left to right only; turn both axes.": slide(padded, w[:, ::-1]),
    "It is transposed. Turning by 180° reverses both axes.": slide(padded, w.T),
    "dy is turned as well as the kernel; turn one of them.": slide(padded[::-1, ::-1], w[::-1, ::-1]),
}
check("the gradient to x", picture.grad, slide(padded, w[::-1, ::-1]), slips)
slips = {"The gradient to w was right: nothing is turned there.": slide(x, dy)[::-1, ::-1]}
check("the gradient to w", kernel.grad, slide(x, dy), slips)

# %%
print(gradcheck(my_conv_mended, [x, w]))
mended = train(my_conv_mended)
print(f"loss with the bug {with_my_conv[-1]:.1f}, without {mended[-1]:.1f}")
assert mended[-1] < 0.5 * with_my_conv[-1]

# %%
fig, ax = plt.subplots(figsize=(8, 3.8), layout="constrained")
for history, colour, name in ((with_my_conv, RED, "kernel not flipped"), (mended, BLUE, "flipped")):
    ax.semilogy(history, color=colour, lw=2)
    ax.text(len(history) + 0.5, history[-1], name, color=colour, va="center", weight="bold")
ax.set(xlabel="step", ylabel="loss", xlim=(0, 77), xticks=range(0, 61, 10))
ax.set_title("It learns with the wrong gradient, too", loc="left")
fig.savefig("learning_with_a_bug.png", dpi=150)
plt.show()

# %% [markdown]
# ## What went wrong, in other cases
#
# Three more that you will meet. **Predict** the report of each before you run it: which input, which pattern?


# %% tags=["predict"]
@op
def add_bias(x, b):
    return x + b, lambda dy: (dy, dy[0])  # b serves every row of x


@op
def windows(x):
    def backward(dy):
        dx = np.zeros_like(x)
        for o in range(len(dy)):
            dx[o : o + 3] = dy[o]
        return dx

    return np.array([x[o : o + 3].sum() for o in range(len(x) - 2)]), backward


@op
def sigmoid(x):
    y = 1 / (1 + np.exp(-x))
    return y, lambda dy: dy * y


kinds = []
for broken, inputs in (
    (add_bias, [random.standard_normal((5, 3)), random.standard_normal(3)]),
    (windows, [random.standard_normal(7)]),
    (sigmoid, [random.standard_normal((3, 4))]),
):
    try:
        gradcheck(broken, inputs)
        raise AssertionError("the bug slipped through")
    except GradcheckError as found:
        (finding,) = found.report.findings
        print(f"{broken.__name__}: {finding.kind}")
        print(textwrap.indent(textwrap.fill(finding.text, 75), "    "))
        kinds.append(finding.kind)

# %% tags=["answer"]
assert kinds == ["broadcast", "fan-out", "factor"]

# %% [markdown]
# ## When finite differences are wrong
#
# ReLU has a kink at 0. A difference that steps across it mixes the slopes of both sides, 0 and 1, and gives something
# in between that is the slope of nothing. Who is wrong then, backward or the difference? Nobody. `gradcheck` looks at
# both sides: on a smooth function their slopes come together as the step shrinks, at a kink they do not. Then it says
# *inconclusive*, which is neither passed nor failed. (It weighs the outputs by random numbers, as we did with `dy`, so
# each slope that it prints is one of relu times such a number.)

# %%
report = gradcheck(ops.relu, np.array([-1.0, 3e-8, 2.0]))
print(report)
assert report.verdict == "inconclusive" and not report.failed and not report.ok

steps = np.logspace(-10, -2, 60)
fig, ax = plt.subplots(figsize=(8, 3.8), layout="constrained")
for name, f, at, colour in (("relu at 3e-8", lambda v: max(v, 0.0), 3e-8, RED), ("tanh at 0.9", np.tanh, 0.9, BLUE)):
    right = [(f(at + h) - f(at)) / h for h in steps]
    left = [(f(at) - f(at - h)) / h for h in steps]
    ax.semilogx(steps, right, color=colour, lw=2)
    ax.semilogx(steps, left, color=colour, lw=2, ls="--")
    ax.text(1.3e-2, right[-1], name, color=colour, va="center", weight="bold")
ax.axvline(1e-6, color=GREY, lw=1)
ax.text(1.15e-6, 1.07, "gradcheck's step", color=GREY)
ax.set(xlabel="step h", ylabel="slope to the right (—) and left (- -)", xlim=(1e-10, 0.3), ylim=(-0.08, 1.15))
ax.set_title("Left and right agree where a slope exists", loc="left")
fig.savefig("kink.png", dpi=150)
plt.show()

# %% [markdown]
# The cure is to check somewhere else. An operation of minicnn that has kinks is checked on inputs that stay away from
# them (`distinct` in `minicnn/gradients/cases.py`).
#
# ## What a check cannot see
#
# It compares your backward with *your forward*. If both are wrong in the same way, they agree. And it only sees the
# inputs that you give it:


# %%
@op
def careful_relu(x):
    return np.maximum(x, 0), lambda dy: dy * (x > 0) * (x < 10)  # who would ever pass more than ten?


assert gradcheck(careful_relu, random.standard_normal((3, 4)))  # passes!
try:
    gradcheck(careful_relu, np.array([-1.0, 0.5, 12.0, 20.0]))
    raise AssertionError("the bug slipped through")
except GradcheckError as found:
    print(found.report.findings[0].text)

# %% [markdown]
# ## What you have now
#
# - A loss that goes down proves nothing about a gradient.
# - Compare analytic and numeric gradients element by element, with random weights `dy` of the outputs, in float64.
# - Every bug has a face: look at *which* entries are wrong and at the *ratio* before you look at the code.
# - At a kink differences decide nothing. Check elsewhere.
#
# In a terminal, `minicnn gradcheck` does this for every operation that minicnn has, on every backend, and
# `minicnn gradcheck conv` for one.
#
# **Try it**
#
# 1. Let `dw` in `my_conv` be `slide(x, dy)[::-1, ::-1]`. What does the report say now, and of which input?
# 2. Leave out the padding of `dy` on one side only, and crop. Find the pattern "shifted".
# 3. Write `softmax` with the gradient of `sigmoid`, dy · y · (1 − y). Why is it *almost* right? Which path is missing?
# 4. Write `def add_bias(x, b): … dy.mean(axis=0)`. Could you tell this bug from the loss curve? What would it do to
#    training with a batch of 1,000?
# 5. Find an operation and a bug that `gradcheck` calls "none that is known", plot its face, and think of the gradient
#    that such a slip gives, as a function of the true one. `minicnn/gradients/slips.py` is where to write it.
# 6. `minicnn learn start conv_gradient`: the same with channels and many filters. `minicnn learn check` tells whether
#    it is right, and has a hint if not.
# 7. `minicnn learn start numeric_gradient`, then `gradient_check`: write the check yourself. Twelve bugs are let loose
#    on it, and those that survive are shown; so are healthy operations that it calls wrong.
#
# **Where to look in the source**
#
# - `minicnn/gradients/checking.py`: the comparison. `differences.py`: slopes, kinks, rounding.
# - `minicnn/gradients/slips.py`: what each slip gives. `slopes.py`: factors and powers. `sums.py`: projections.
# - `minicnn/gradients/evidence.py`: other inputs, so that zeros and ones hide nothing.
# - `tutorials/manual/gradient_checks.md`: 120 planted bugs and what is said of each; other libraries' checks.
#
# Next: `18_the_tape_microscope.py`. Or back to the engine that you check: `01_tensors_and_the_tape.py`.
