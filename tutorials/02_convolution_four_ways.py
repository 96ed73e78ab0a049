# %% [markdown]
# # Lesson 2: convolution, four ways
#
# A convolution slides a small filter over a signal, a picture or a volume, and asks at every place: how much does
# this look like my filter? That is all. It is also nearly all the work of a vision network (lesson 20 counts it), so it
# is worth writing more than once: first so that you can read it, then so that it is fast.
#
# minicnn holds several implementations of one formula. The slowest *defines* what is right, the others must agree
# with it. In this lesson you write the formula yourself, then open each implementation in turn. Where you write, there
# is a hole and a check: `minicnn tutorial play 2` stops there, and `minicnn tutorial open 2` gives you a file with its
# holes.
#
# Letters, as in the course: N pictures in a batch, H rows, W columns, C channels. Pictures are (N, H, W, C), filters
# (height, width, C_in, C_out).

# %%
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data

import minicnn
from minicnn import Tensor, gradcheck, images, nn, ops
from minicnn.backend import kernels_for
from minicnn.kernels import conv as im2col
from minicnn.kernels import naive_conv as loops
from minicnn.kernels.geometry import slide
from minicnn.learn.holes import check

minicnn.use_backend("numpy")  # ops.conv runs the readable kernels, so that you can step into them
random = np.random.default_rng(0)
INK, BLUE, RED, GREEN, GREY = "#222222", "#2f6690", "#c8553d", "#8a9a5b", "#777777"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## The idea, in one dimension
#
# The filter (1, 0, −1) compares each number's left neighbour with its right one. Where the signal is flat it says 0;
# where the signal steps up it says so, with a minus sign.
#
# **You write** it: at each place where the filter fits, the sum of what meets. No padding, and no NumPy function that
# does it for you.


# %% tags=["hole"] minutes=5
def slide_over(signal, taps):
    """Return the sum of signal · taps at each place where the filter fits. signal: (N,). taps: (K,), K <= N."""
    outputs = len(signal) - len(taps) + 1
    return np.array([sum(signal[o + k] * taps[k] for k in range(len(taps))) for o in range(outputs)])


# %% tags=["check"]
signal = np.array([0.0, 0, 0, 1, 1, 1, 1, 0, 0])
edge = np.array([1.0, 0, -1])
slips = {
    "You turned the filter around. Here its first tap meets the first number.": [0, 1, 1, 0, 0, -1, -1],
    "The last place is missing: a filter of K fits at N − K + 1 places.": [0, -1, -1, 0, 0, 1],
    "The filter hangs over the edge; no padding is asked for.": [0, 0, -1, -1, 0, 0, 1, 1, 0],
}
check("slide_over(signal, edge)", slide_over(signal, edge), [0, -1, -1, 0, 0, 1, 1], slips)

# %%
response = slide_over(signal, edge)
print("signal  ", signal)
print("response", response)

# %% [markdown]
# A word about the name. In mathematics, *convolution* turns the filter around first. Deep learning does not bother:
# the filter is learned, so it may as well be learned the other way round. What everyone calls convolution here is,
# strictly, cross-correlation. Keep the turned filter in mind, though. It comes back below, on the way back.

# %%
assert np.array_equal(response, np.correlate(signal, edge, mode="valid"))
assert np.array_equal(response, np.convolve(signal, edge[::-1], mode="valid"))

# %% [markdown]
# ## First way: loops
#
# In two dimensions, with channels and several filters, nothing new happens; there are only more loops. For each
# picture n, output row and column, filter j: add up pixel times weight, over the filter's rows, columns and channels.
#
# **You write** it, as slowly as you like: seven loops are fine.


# %% tags=["hole"] minutes=15
def conv_loops(x, w):
    """Return the convolution of x (N, H, W, C_in) with w (height, width, C_in, C_out), by loops, without padding."""
    N, H, W, C_in = x.shape
    height, width, _, C_out = w.shape
    y = np.zeros((N, H - height + 1, W - width + 1, C_out))
    for n in range(N):
        for row in range(y.shape[1]):
            for column in range(y.shape[2]):
                for j in range(C_out):
                    for kr in range(height):
                        for kc in range(width):
                            for c in range(C_in):
                                y[n, row, column, j] += x[n, row + kr, column + kc, c] * w[kr, kc, c, j]
    return y


# %% tags=["check"]
x = random.standard_normal((2, 6, 5, 3))
w = random.standard_normal((3, 3, 3, 4))
y = ops.conv(x, w).data
slips = {
    "You turned the filters around. Pixel (row + kr, column + kc) meets tap (kr, kc).": ops.conv(x, w[::-1, ::-1]),
    "Only the last product is left: the products add up, +=.": x[:, 2:, 2:, -1:] * w[2, 2, -1],
    "The last row and column are missing: a filter of 3 fits at H − 3 + 1 places.": y[:, :-1, :-1],
    "The channels are not added up: only the first counts.": ops.conv(x[..., :1], w[:, :, :1]),
    "One filter answers for all: each j has filters of its own.": np.repeat(y[..., :1], 4, axis=-1),
}
check("conv_loops(x, w)", conv_loops(x, w), y, slips)
print(f"x {x.shape}  w {w.shape}  ->  y {y.shape}")

# %% [markdown]
# Ours are in `minicnn/kernels/naive_conv.py`; open it. The loops are written once, as a generator named `products`
# that visits every pair (pixel, weight) that meets, and says to which output the product belongs. The gradient to the
# input and the gradient to the filters visit *the same* pairs. They only add the product up somewhere else:
#
#     forward                y[…]  += x[…]  · w[…]
#     gradient to input      dx[…] += w[…]  · dy[…]
#     gradient to filters    dw[…] += x[…]  · dy[…]
#
# `slide` works out where the window goes and is shared by all implementations.

# %%
window = slide("lesson 2", x.shape[1:-1], size=(3, 3))
for at_x, at_w, at_y in list(loops.products(x.shape, w.shape, window, groups=1))[:5]:
    print(f"y{at_y} += x{at_x} · w{at_w}")

assert np.allclose(loops.naive_conv(x, w, None, window, 1), y, rtol=0, atol=1e-12)

# %% [markdown]
# ## Second way: one matrix product
#
# Computers multiply matrices better than they do anything else; people have polished that for fifty years. So turn
# the convolution into one. Cut out the patch under each position of the window and lay it down as a row. This is
# called *im2col*, and it is how `minicnn/kernels/conv.py` defines the convolution. The filters, laid down the same way,
# become columns. Then
#
#     rows (positions × taps)  @  filters (taps × C_out)  =  outputs (positions × C_out)
#
# Here it is for a picture of 4×4 pixels and one filter of 3×3.

# %%
tiny = np.arange(16.0).reshape(1, 4, 4, 1)
sharpen = np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]).reshape(3, 3, 1, 1)
window = slide("lesson 2", (4, 4), size=(3, 3))
patches = im2col.im2col(tiny, window)  # (N, output rows, output columns, 3, 3, C)
rows = patches.reshape(4, 9)
product = rows @ sharpen.reshape(9, 1)
print(rows.astype(int))
assert np.array_equal(product.reshape(2, 2), ops.conv(tiny, sharpen).data[0, :, :, 0])
assert np.array_equal(rows[0], tiny[0, :3, :3, 0].ravel())


# %%
def draw_matrix(ax, left, top, matrix, colours, title):
    """A matrix as a grid of numbers, with a colour for each row or each cell."""
    height, width = matrix.shape
    for i in range(height):
        for j in range(width):
            colour = colours[i] if isinstance(colours[i], str) else colours[i][j]
            ax.add_patch(plt.Rectangle((left + j, top + i), 1, 1, facecolor=colour, edgecolor="white", lw=2.5))
            ax.text(left + j + 0.5, top + i + 0.5, f"{matrix[i, j]:g}", ha="center", va="center", color=INK)
    ax.text(left + width / 2, top - 0.35, title, ha="center", va="bottom", color=INK, fontsize=12)


PLAIN = "#e8e4da"
tints = ["#f3c9bd", "#cfdde8", "#dfe4c8", "#efe0b9"]  # one for each position of the window
fig, ax = plt.subplots(figsize=(12, 5.3), layout="constrained")
first_window = [[tints[0] if i < 3 and j < 3 else PLAIN for j in range(4)] for i in range(4)]
draw_matrix(ax, 0, 2.5, tiny[0, :, :, 0], first_window, "picture, 4×4")
draw_matrix(ax, 5.2, 2.5, rows, tints, "each position's patch as a row, 4×9")
draw_matrix(ax, 15.6, 0, sharpen.reshape(9, 1), [PLAIN] * 9, "filter, 9×1")
draw_matrix(ax, 18, 2.5, product, tints, "output, 4×1")
for corner, width, height in (((0, 2.5), 3, 3), ((5.2, 2.5), 9, 1), ((18, 2.5), 1, 1)):
    ax.add_patch(plt.Rectangle(corner, width, height, fill=False, edgecolor=RED, lw=2.5, zorder=3))
for across, sign in ((4.6, "→"), (14.9, "@"), (17.3, "=")):
    ax.text(across, 4.5, sign, fontsize=20, ha="center", va="center", color=GREY)
ax.set(xlim=(-0.1, 20), ylim=(9.1, -1), aspect="equal")
ax.set_axis_off()
fig.savefig("im2col.png", dpi=150)
plt.show()

# %% [markdown]
# Pixel 5 stands in all four rows: im2col copies a pixel once for each window that sees it, which in a large picture and
# with a 3×3 filter is nine times. It buys speed with memory.
#
# And the gradients come for free. If Y = X @ F, then dF = Xᵀ @ dY and dX = dY @ Fᵀ, whatever X and F stand for. One
# step is left, for the input: dX holds a gradient for every *copy* of a pixel, and copies add up (lesson 1!). Laying
# the rows back into the picture and adding where they overlap is `col2im`. Lay back rows of ones, and each pixel counts
# its copies. **Predict** the sixteen numbers.

# %% tags=["predict"]
uses = im2col.col2im(np.ones_like(patches), (4, 4), window)[0, :, :, 0]
print(uses.astype(int))

# %% tags=["answer"]
assert uses[0, 0] == 1 and uses[1, 1] == 4 and uses.sum() == rows.size

# %% [markdown]
# ## Third way: compiled, without the matrix
#
# For one layer of a real network (64 channels, a photograph of 512×512) the matrix of rows takes 512·512 · 9·64 numbers
# of four bytes, 600 megabytes. All of it is written to memory and read back, only to be thrown away. And none of it is
# new: each row repeats numbers that stand in the picture already. So `minicnn/fast/cpu/conv.py` makes no
# matrix. It multiplies a dozen rows at a time by a panel of filters, and reads each row where it lies in the picture; a
# small table says where. Numba compiles this to machine code; several threads work on different outputs.
#
# Same numbers, less traffic. The readable version stays, as the definition. What is fast is attached from outside: a
# *backend* is a set of functions with the names of their definitions, and `kernels_for` says which backend computes on
# an array. Where `minicnn/fast` cannot be used, the definition computes.

# %%
window = slide("lesson 2", x.shape[1:-1], size=(3, 3))
with minicnn.use_backend("numba"):
    compiled = kernels_for(x)
assert np.allclose(compiled.conv(x, w, None, window, 1), y, rtol=0, atol=1e-12)

# %% [markdown]
# ## Fourth way: a thread an output
#
# A graphics card has thousands of multipliers, and runs thousands of threads that all do the same for another output.
# What such a thread does can be said in Python, too. It is one body of the loops above, without the loops over n and o:
# the card is those loops. Few of us have one at hand, so this cell shows the kernel and does not run it. Lesson 22 runs
# it in slow motion, without a card.

# %%
path = Path(minicnn.__file__).parent / "fast" / "cuda" / "naive_conv.py"
if path.exists():  # all of minicnn/fast may be taken away
    source = path.read_text(encoding="utf-8")
    kernel = source[source.index("@cuda.jit\ndef _forward") : source.index("@cuda.jit\ndef _gradient_to_input")]
    print(kernel.rstrip())
    assert kernel.count("for ") == 4 and "cuda.grid(1)" in kernel  # three dimensions of taps, and the channels

# %% [markdown]
# ## They must agree
#
# Not on one easy case, but on steps of the window (*strides*), holes between the taps (*dilation*), zeros around the
# picture (*padding*), channels that keep to themselves (*groups*), and one, two and three dimensions. In float64 the
# three that run here agree to 1e-12, forward and both gradients. (The fourth is held to the same, in the tests.)

# %%
ways = [
    (loops.naive_conv, loops.naive_conv_gradient_to_input, loops.naive_conv_gradient_to_filters),
    (im2col.conv, im2col.conv_gradient_to_input, im2col.conv_gradient_to_filters),
    (compiled.conv, compiled.conv_gradient_to_input, compiled.conv_gradient_to_filters),
]
cases = [  # x, w, where the window goes, groups
    ((2, 9, 3), (4, 3, 5), {}, 1),
    ((1, 7, 6, 2), (3, 3, 2, 4), {"padding": 1}, 1),
    ((2, 7, 8, 3), (3, 2, 3, 4), {"stride": (2, 3), "padding": "same"}, 1),
    ((1, 9, 9, 2), (3, 3, 2, 3), {"dilation": 2, "padding": ((0, 1), (2, 1))}, 1),
    ((1, 6, 6, 4), (3, 3, 2, 6), {"stride": 2, "padding": 1}, 2),
    ((1, 5, 4, 6, 2), (2, 3, 3, 2, 3), {"stride": (1, 2, 1)}, 1),
]
for x_shape, w_shape, options, groups in cases:
    window = slide("lesson 2", x_shape[1:-1], w_shape[:-2], **options)
    x, w = random.standard_normal(x_shape), random.standard_normal(w_shape)
    b = random.standard_normal(w_shape[-1])
    results = []
    for forward, gradient_to_input, gradient_to_filters in ways:
        y = forward(x, w, b, window, groups)
        dy = np.cos(np.arange(y.size)).reshape(y.shape)  # any cotangent will do, as long as it is not all ones
        dx = gradient_to_input(dy, w, x_shape[1:-1], window, groups)
        dw = gradient_to_filters(dy, x, window, groups)
        results.append((y, dx, dw))
    worst = max(np.abs(a - b).max() for result in results[1:] for a, b in zip(result, results[0], strict=True))
    print(f"x {x_shape!s:17} w {w_shape!s:16} y {results[0][0].shape!s:17} largest difference {worst:.0e}")
    assert worst < 1e-12

# %% [markdown]
# ## How large is the output?
#
# A filter with `size` taps and `dilation` d (holes between the taps) spans (size − 1)·d + 1 pixels. It can stop at
#
# $$\text{output} = \left\lfloor \frac{\text{input} + \text{before} + \text{after} - \text{span}}{\text{stride}}
# \right\rfloor + 1$$
#
# places. That is the whole arithmetic, for each dimension by itself. **You write** it down.


# %% tags=["hole"] minutes=3
def output_size(n, size, stride=1, dilation=1, before=0, after=0):
    """Return how many places a filter of `size` taps has in a row of n pixels, with zeros before and after it."""
    span = (size - 1) * dilation + 1
    return (n + before + after - span) // stride + 1


# %% tags=["check"]
rows = [(32, 3, 1, 1, 1, 1), (224, 7, 2, 1, 3, 3), (10, 3, 1, 3, 0, 0), (6, 3, 2, 1, 0, 1), (9, 2, 3, 2, 1, 1)]
slips = {
    "The holes are forgotten: `dilation` widens the span.": [32, 112, 8, 3, 4],
    "One place is missing: the filter stops at the beginning, too, and after that (…) / stride times.": [
        31,
        111,
        3,
        2,
        2,
    ],
    "There are no half places: divide by //.": [32, 112.5, 4, 3, 11 / 3],
    "There are zeros on both sides: before + after.": [31, 111, 4, 2, 3],
    "The span of 3 taps with dilation 3 is 7: two gaps of 3, and the last tap.": [32, 112, 2, 3, 3],
}
check("output_size of five rows", [output_size(*row) for row in rows], [32, 112, 4, 3, 3], slips)

# %%
print("input  size  stride  dilation  padding   output")
for n, size, stride, dilation, pad in [(32, 3, 1, 1, 1), (224, 7, 2, 1, 3), (28, 5, 1, 1, 0), (10, 3, 1, 3, 0)]:
    y = ops.conv(np.zeros((1, n, 1)), np.zeros((size, 1, 1)), stride=stride, dilation=dilation, padding=pad)
    print(f"{n:5}  {size:4}  {stride:6}  {dilation:8}  {pad:7}   {y.shape[1]:6}")
    assert y.shape[1] == output_size(n, size, stride, dilation, pad, pad)

# %% [markdown]
# `padding="same"` asks for ⌈input / stride⌉ outputs and works out how much padding that takes. Mind the detail that
# has cost many people an afternoon: if the padding is odd, TensorFlow puts the spare one *after*. PyTorch's
# `padding=1` pads both sides. The output has the same size, and different numbers, because the windows stop at other
# pixels. Weights trained under one rule go subtly wrong under the other. minicnn's "same" is TensorFlow's.
#
# Below, a filter looks at 1 2 3 4 5 6 and writes down what it sees. **Predict** its three answers under each rule.

# %% tags=["predict"]
ramp = np.arange(1.0, 7).reshape(1, 6, 1)  # 1 2 3 4 5 6
look = np.array([1.0, 10, 100]).reshape(3, 1, 1)  # writes the three pixels that it sees side by side, last one first
same = slide("lesson 2", (6,), 3, stride=2, padding="same")
print("same needs", same.before, "before and", same.after, "after")
tensorflow = ops.conv(ramp, look, stride=2, padding="same").data.ravel()
both_sides = ops.conv(ramp, look, stride=2, padding=1).data.ravel()
print("same (TensorFlow):", tensorflow)
print("padding=1        :", both_sides)

# %% [markdown] tags=["answer"]
# The first window of "same" begins at the 1, so it sees 1 2 3 and writes 321; the last one sees 5 6 and the spare zero.
# With padding=1 the first one begins a pixel earlier, at a zero. Not one of the answers is the same.

# %% tags=["answer"]
assert (same.before, same.after, same.output) == ((0,), (1,), (3,))
assert np.array_equal(tensorflow, [321, 543, 65]) and np.array_equal(both_sides, [210, 432, 654])

# %% [markdown]
# ## Signals and volumes
#
# Nothing in the formula says "picture". The course has two examples. A heartbeat of 14 samples (ECG, one channel)
# meets 16 filters of 5; and a body scan of 14×14×14 voxels (CT) meets 16 filters of 5×5×5. The same operation does
# both.

# %%
heartbeat = nn.Conv1d(1, 16, 5, seed=0)
scan = nn.Conv3d(1, 16, 5, seed=0)
from_ecg = heartbeat(np.zeros((1, 14, 1), np.float32))
from_ct = scan(np.zeros((1, 14, 14, 14, 1), np.float32))
for name, layer, y in (("ECG", heartbeat, from_ecg), ("CT ", scan, from_ct)):
    weights = sum(p.size for p in layer.parameters())
    print(f"{name} filters {layer.w.shape!s:18} output {y.shape!s:20} {weights} weights, biases included")

assert from_ecg.shape == (1, 10, 16)
assert from_ct.shape == (1, 10, 10, 10, 16)

# %% [markdown]
# ## The way back is a convolution, too
#
# Pixel i was multiplied by tap k for output i − k. So its gradient collects dy at i − k, times tap k: the index runs
# *backward*. That is a convolution of dy with the filter turned by 180°, now sliding over the edge on all sides (pad
# by size − 1), and with the roles of input and output channels swapped.

# %%
corner = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
print(f"{corner}\nturned by 180°:\n{corner[::-1, ::-1]}")

x = random.standard_normal((2, 7, 6, 3))
w = random.standard_normal((3, 3, 3, 4))
window = slide("lesson 2", (7, 6), (3, 3))
dy = random.standard_normal((2, 5, 4, 4))
dx = loops.naive_conv_gradient_to_input(dy, w, (7, 6), window, 1)

turned = w[::-1, ::-1].swapaxes(2, 3)  # (height, width, C_out, C_in)
as_convolution = ops.conv(dy, turned, padding=2).data
print("gradient to the input:", dx.shape, " largest difference", np.abs(as_convolution - dx).max())
assert np.allclose(as_convolution, dx, rtol=0, atol=1e-12)

# %% [markdown]
# The gradient to the filters is a convolution as well. Tap k met pixel o + k for output o, and collects x · dy over
# all o: slide dy, as large as it is, over x. The pictures of the batch play the part of channels, since the sum runs
# over them.

# %%
dw = loops.naive_conv_gradient_to_filters(dy, x, window, 1)
batch_as_channels = x.transpose(3, 1, 2, 0)  # (C_in, H, W, N)
dy_as_filters = dy.transpose(1, 2, 0, 3)  # (output H, output W, N, C_out)
as_convolution = ops.conv(batch_as_channels, dy_as_filters).data.transpose(1, 2, 0, 3)
print("gradient to the filters:", dw.shape, " largest difference", np.abs(as_convolution - dw).max())
assert np.allclose(as_convolution, dw, rtol=0, atol=1e-12)

# %% [markdown]
# And finite differences, which know nothing of all this, have the last word, as in lesson 1.

# %%
inputs = [Tensor(x[:1], name="x"), Tensor(w, name="w"), Tensor(random.standard_normal(4), name="b")]
report = gradcheck(lambda x, w, b: ops.conv(x, w, b, stride=2, padding="same"), inputs)
print(report)
assert report.ok

# %% [markdown]
# ## On a real picture
#
# Long before filters were learned, people designed them. Sobel's pair, from 1968, compares left with right and above
# with below. Here they look at Rear Admiral Grace Hopper, who wrote one of the first compilers.

# %%
photograph = images.load(get_sample_data("grace_hopper.jpg", asfileobj=False), size=256)
grey = photograph @ np.array([0.299, 0.587, 0.114], np.float32)  # how bright each colour looks to the eye

rightward = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
filters = np.stack([rightward, rightward.T], axis=-1)[:, :, None, :]  # (3, 3, 1 channel in, 2 channels out)
edges = ops.conv(grey[None, :, :, None], filters, padding="same").data[0]
strength = np.hypot(edges[..., 0], edges[..., 1])
assert edges.shape == (*grey.shape, 2)

fig, panels = plt.subplots(1, 4, figsize=(13, 4.2), layout="constrained")
inside = np.s_[1:-1, 1:-1]  # at the rim the filter sees the zeros of the padding
limit = float(np.quantile(np.abs(edges), 0.99))
shown = {
    "the picture": (grey, {"cmap": "gray", "vmin": 0, "vmax": 1}),
    "right minus left": (edges[..., 0], {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}),
    "below minus above": (edges[..., 1], {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}),
    "strength of the edge": (strength, {"cmap": "gray_r", "vmin": 0, "vmax": 1.3 * limit}),
}
for ax, (title, (values, colours)) in zip(panels, shown.items(), strict=True):
    ax.imshow(values[inside], **colours)
    ax.set_title(title)
for ax in panels:
    ax.set_axis_off()
fig.savefig("edges.png", dpi=150)
plt.show()

# %% [markdown]
# The first layer of a trained network finds filters much like these by itself. Nobody tells it to.
#
# ## What the ways cost
#
# A convolution multiplies N · output positions · taps · C_in · C_out times, whichever way you write it. The time for
# one multiplication tells the ways apart. (No `assert` here: times depend on your machine and on what else it does. The
# first use of the compiled kernels on a machine takes longer, because it compiles them.) **Predict**: how many times
# slower are the loops?


# %% tags=["predict"]
def nanoseconds_a_product(conv, x, w, dtype=np.float32):
    x, w = x.astype(dtype), w.astype(dtype)
    window = slide("lesson 2", x.shape[1:-1], w.shape[:-2], padding=1)
    small = slide("lesson 2", (4, 4), w.shape[:-2], padding=1)
    conv(x[:, :4, :4], w, None, small, 1)  # warm up
    started = time.perf_counter()
    y = conv(x, w, None, window, 1)
    return (time.perf_counter() - started) / (y.size * w[..., 0].size) * 1e9


tiny_layer = random.standard_normal((1, 8, 8, 8)), random.standard_normal((3, 3, 8, 8))
layer = random.standard_normal((1, 112, 112, 64)), random.standard_normal((3, 3, 64, 64))
print("nanoseconds for one product of pixel and weight")
print(f"  loops   {nanoseconds_a_product(loops.naive_conv, *tiny_layer):10.3f}   (on a tiny layer; life is short)")
print(f"  im2col  {nanoseconds_a_product(im2col.conv, *layer):10.3f}")
print(f"  numba   {nanoseconds_a_product(compiled.conv, *layer):10.3f}")

# %% [markdown] tags=["answer"]
# Some four powers of ten lie between the first way and the other two, for the same formula and the same numbers. The
# third never holds more than a block of the matrix, which saves memory above all.

# %% [markdown]
# ## What you have now
#
# - A convolution is one formula; loops define it, a matrix product or compiled code makes it fast, and they must agree.
# - im2col copies a pixel for every window that sees it; on the way back the copies' gradients add up.
# - Both gradients are convolutions, too: with the filter turned, and with the batch as channels.
# - Output sizes are one line of arithmetic. Where the padding goes is not a detail: "same" is not the same everywhere.
#
# **Try it**
#
# 1. Step into `ops.conv` with a debugger: `_prepare`, which checks, `fused_conv`, then `conv` in `kernels/conv.py`.
#    Stop in `im2col` and look at the shape of `views`, and at `views.base`: sliding windows cost nothing until they
#    are copied.
# 2. Blur the photograph: a 9×9 filter whose entries are all 1/81. Then subtract the blurred picture from the sharp
#    one, and add the difference to the sharp one. What do you see?
# 3. What happens to the edges if the filter is turned by 180°?
# 4. Feed `nn.Conv1d` something that beats: `np.sin(np.linspace(0, 6 * np.pi, 14))`. Which of the 16 random filters
#    responds most?
# 5. Count the multiplications of a 5×5 filter, and of two 3×3 filters one after the other. Both see 5×5 pixels.
# 6. Write it from memory: `minicnn learn start conv_forward`, then `im2col`, then `conv_gradient`; `minicnn learn
#    check` runs your file and says what is wrong with it.
# 7. Run a whole network on a convolution of yours: give `conv_loops` the arguments of `conv` in `kernels/conv.py`, then
#    `minicnn.backend.register("mine", conv=…)` and `use_backend("mine")`. The definitions compute all the rest.
#
# **Where to look in the source**
#
# - `minicnn/kernels/conv.py`: the contract, one formula and three functions, and its definition, the matrix product.
#   `naive_conv.py`: the loops.
# - `minicnn/fast/cpu/conv.py`: the third way. Read `conv_gradient_to_input`: the turned filter; `places.py` has the
#   tables, and what a stride does to them.
# - `minicnn/fast/cuda/naive_conv.py`: the fourth way, and beside it `conv.py`, whose threads share what they read.
# - `minicnn/backend.py`: how a backend is chosen, and how to add your own.
# - `minicnn/kernels/geometry.py`: output sizes, "same", receptive fields.
# - `minicnn/ops/convolution.py`: the operation that puts a convolution on the tape.
#
# Next: `03_style_transfer_by_hand.py`. Or `19_winograd.py`: the same convolution with fewer multiplications.
