# %% [markdown]
# # Lesson 19: Winograd, the same convolution with fewer multiplications
#
# Lesson 2 wrote one convolution in several ways, and all of them multiplied equally often: each output of a 3×3 filter
# took 9 multiplications a channel. It looks as if there were nothing to save. There is: *two and a quarter* are
# enough. The outputs stay the same, digit for digit if you calculate with fractions. Whether that makes it faster is
# another question, and the last one here.
#
# In this lesson you do it on paper with four numbers, find out why it works, derive the matrices that minicnn uses,
# build the layer with both gradients, and learn what it costs: a few additions, some memory, one decimal digit.
#
# The idea is Shmuel Winograd's (1980), with roots in Toom's and Cook's way to multiply long numbers (1963, 1966).
# Lavin and Gray brought it to neural networks (2015). Open `minicnn/fast/cpu/winograd/` beside this lesson.
#
# Letters, as in the paper: d is a piece of the input (data), g a filter, Y the outputs. F(m, r) means: m outputs of a
# filter with r taps.

# %%
import time
from fractions import Fraction
from itertools import pairwise
from math import prod

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data
from numpy.lib.stride_tricks import sliding_window_view

import minicnn
from minicnn import gradcheck, images, op, ops, resources
from minicnn.fast.cpu import blas, winograd
from minicnn.fast.cpu import conv as compiled
from minicnn.fast.cpu.winograd import definition
from minicnn.kernels import conv as im2col
from minicnn.kernels.geometry import slide

minicnn.use_backend("numpy")
random = np.random.default_rng(0)
INK, BLUE, RED, GREEN, SAND, GREY = "#222222", "#2f6690", "#c8553d", "#8a9a5b", "#f4efe6", "#777777"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## Four instead of six
#
# Three taps slide over four numbers and stop at two places. Two outputs, three multiplications each:
#
# $$\begin{align*} y_0 &= d_0 g_0 + d_1 g_1 + d_2 g_2 \\ y_1 &= d_1 g_0 + d_2 g_1 + d_3 g_2 \end{align*}$$

# %%
d0, d1, d2, d3 = 2, 5, 3, 4
g0, g1, g2 = 1, 2, 3

y0 = d0 * g0 + d1 * g1 + d2 * g2
y1 = d1 * g0 + d2 * g1 + d3 * g2
print(f"six multiplications:  y0 = {y0}, y1 = {y1}")

# %% [markdown]
# Now F(2, 3). First add, then multiply four times, then add again:

# %%
m0 = (d0 - d2) * g0
m1 = (d1 + d2) * ((g0 + g1 + g2) / 2)
m2 = (d2 - d1) * ((g0 - g1 + g2) / 2)
m3 = (d3 - d1) * g2

print(f"four multiplications: y0 = {m0 + m1 + m2:g}, y1 = {m1 - m2 + m3:g}")
assert (y0, y1) == (m0 + m1 + m2, m1 - m2 + m3) == (21, 23)

# %% [markdown]
# The halves and sums of the g do not count. A filter meets thousands of pixels, and its four sums are formed once for
# all of them. What remains for each pair of outputs: four multiplications and eight additions.
#
# Here it is as a picture. Blue lines add, red lines subtract.

# %%
B_T = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]])  # sums of the data
G = np.array([[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]])  # sums of the filter
A_T = np.array([[1, 1, 1, 0], [0, 1, -1, 1]])  # sums of the products
d, g = np.array([d0, d1, d2, d3]), np.array([g0, g1, g2])
assert np.array_equal(A_T @ ((G @ g) * (B_T @ d)), [y0, y1])


def draw_column(ax, across, heights, names, values, colour):
    """A column of boxes, each with its name and, large, its value."""
    for up, name, value in zip(heights, names, values, strict=True):
        box = {"boxstyle": "round,pad=0.45", "facecolor": SAND, "edgecolor": INK}
        ax.text(across, up, f"{name}", ha="center", va="center", fontsize=12, color=INK, bbox=box)
        number = f"{value:g}".replace("-", "−")
        ax.text(across, up + 0.27, number, ha="center", va="bottom", fontsize=15, color=colour, weight="bold")


def draw_sums(ax, start, end, froms, tos, matrix):
    """A line from each input to each sum that it is part of."""
    for i, row in enumerate(matrix):
        for j, factor in enumerate(row):
            if factor:
                ax.plot([start, end], [froms[j], tos[i]], color=BLUE if factor > 0 else RED, lw=2, zorder=0)


rows, pair = (3, 2, 1, 0), (2.1, 0.9)
fig, ax = plt.subplots(figsize=(11, 5.2), layout="constrained")
draw_sums(ax, 0.13, 1.6, rows, rows, B_T)
draw_sums(ax, 5.45, 7.07, rows, pair, A_T)
draw_column(ax, 0, rows, ("d0", "d1", "d2", "d3"), d, BLUE)
draw_column(ax, 1.9, rows, ("d0 − d2", "d1 + d2", "d2 − d1", "d3 − d1"), B_T @ d, BLUE)
sums = ("g0", "(g0 + g1 + g2) / 2", "(g0 − g1 + g2) / 2", "g2")
draw_column(ax, 3.6, rows, sums, G @ g, GREEN)
draw_column(ax, 5.3, rows, ("m0", "m1", "m2", "m3"), (B_T @ d) * (G @ g), INK)
draw_column(ax, 7.2, pair, ("y0", "y1"), (y0, y1), INK)
for up in rows:
    ax.text(2.58, up, "×", ha="center", va="center", fontsize=18, color=GREY)
    ax.text(4.78, up, "=", ha="center", va="center", fontsize=18, color=GREY)
for across, title in ((0.95, "Bᵀd: four additions"), (3.6, "four multiplications"), (6.25, "Aᵀm: four additions")):
    ax.text(across, 3.8, title, ha="center", fontsize=13, color=INK, weight="bold")
ax.text(3.6, -0.5, "Gg: once for each filter", ha="center", fontsize=11, color=GREEN, weight="bold")
ax.text(0.95, -0.5, "adds", ha="right", fontsize=11, color=BLUE, weight="bold")
ax.text(1.05, -0.5, "subtracts", ha="left", fontsize=11, color=RED, weight="bold")
ax.set(xlim=(-0.4, 7.6), ylim=(-0.65, 4.05))
ax.set_axis_off()
fig.savefig("winograd_on_paper.png", dpi=150)
plt.show()

# %% [markdown]
# So F(2, 3) is three matrices, and ⊙ means "element by element":
#
# $$y = A^T [ (G g) \odot (B^T d) ]$$
#
# Is it right for *all* numbers? We need not try them all. Both sides are linear in d and linear in g, so it is enough
# that they agree when one sample is 1 and one tap is 1 and everything else is 0: twelve cases. Sample s and tap k meet
# at output s − k.


# %%
def is_filtering(A_T, G, B_T):
    """Whether Aᵀ[(G g) ⊙ (Bᵀ d)] filters d with g, whatever d and g are."""
    outputs, taps, samples = len(A_T), G.shape[1], B_T.shape[1]
    return all(
        list(A_T @ (G[:, k] * B_T[:, s])) == [int(o == s - k) for o in range(outputs)]
        for s in range(samples)
        for k in range(taps)
    )


assert is_filtering(A_T, G, B_T)
assert not is_filtering(A_T, G, np.abs(B_T))  # one wrong sign, and it notices

# %% [markdown]
# ## Why: a convolution is a product of polynomials
#
# Who finds such sums? Nobody needs to. Multiply two polynomials by hand and watch the coefficients of the result:
#
# $$(u_0 + u_1 z)(g_0 + g_1 z + g_2 z^2) = u_0 g_0 + (u_0 g_1 + u_1 g_0) z + (u_0 g_2 + u_1 g_1) z^2 + u_1 g_2 z^3$$
#
# Each coefficient is a sum of u_i · g_j with i + j fixed: a convolution. Six multiplications.
#
# But a polynomial is known by its *values*, too, and values are cheap to multiply: the product's value at a point is
# the product of the two values there. The product has degree 3, so four values fix it. Hence the recipe: evaluate u
# and g at four points, multiply the values (four multiplications!), and find the cubic that passes through them.
#
# Good points are small ones: 0, 1 and −1 cost additions only. The fourth is ∞. Far out, only the leading term counts,
# so "the value at ∞" is the leading coefficient, and it multiplies like any other value.

# %%
u_curve, g_curve = np.polynomial.Polynomial([2, -1]), np.polynomial.Polynomial([g0, g1, g2])
product = u_curve * g_curve
print("u·g, coefficients by hand:", product.coef)
for z in (0, 1, -1):
    print(f"at {z:2}: {u_curve(z):2g} · {g_curve(z):g} = {product(z):2g}")
    assert product(z) == u_curve(z) * g_curve(z)
print(f"at  ∞: {u_curve.coef[-1]:2g} · {g_curve.coef[-1]:g} = {product.coef[-1]:2g}")
assert product.coef[-1] == u_curve.coef[-1] * g_curve.coef[-1]

# %%
z = np.linspace(-1.5, 1.6, 200)
fig, (left, right) = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained", sharey=True)
left.plot(z, u_curve(z), color=BLUE, lw=2.5)
left.plot(z, g_curve(z), color=GREEN, lw=2.5)
left.text(1.2, 1.4, "u = 2 − z", color=BLUE, weight="bold", ha="center")
left.text(0.85, 7, "g = 1 + 2z + 3z²", color=GREEN, weight="bold", ha="right")
free = np.polynomial.Polynomial([0, -1, 0, 1])  # z·(z − 1)·(z + 1): zero at all three points
for away in (-8, -4, 4, 8):
    right.plot(z, (product + away * free)(z), color="#d5d0c6", lw=1.5)
right.plot(z, product(z), color=RED, lw=3)
for point, across, up in ((-1, -0.78, 7.1), (0, 0.08, 0.75), (1, 0.75, 8.2)):  # across, up: where the label stands
    for ax in (left, right):
        ax.axvline(point, color="#dddddd", lw=1, zorder=0)
    for curve, colour in ((u_curve, BLUE), (g_curve, GREEN)):
        left.plot(point, curve(point), "o", color=colour, ms=9)
    right.plot(point, product(point), "o", color=RED, ms=10, zorder=3)
    text = f"{u_curve(point):g} · {g_curve(point):g} = {product(point):g}"
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    right.text(across, up, text, color=INK, fontsize=13, weight="bold", ha="left" if point < 1 else "right", bbox=box)
left.set_title("Evaluate both at 0, 1 and −1 …", loc="left")
right.set_title("… multiply the values: which cubic passes through them?", loc="left")
right.text(0.03, 10.1, "at ∞: (−1) · 3 = −3, so it is the red one", color=RED, ha="center", weight="bold", bbox=box)
for ax in (left, right):
    ax.set(xlabel="z", xticks=(-1, 0, 1), ylim=(-1.5, 11), xlim=(-1.5, 1.6))
fig.savefig("polynomials.png", dpi=150)
plt.show()

# %% [markdown]
# That is not our filter yet: the product turns 2 numbers into 4, and the filter turns 4 into 2. Write the product with
# a fixed g as a matrix T. The filter is the same matrix, *transposed*:
#
# $$T = \begin{bmatrix} g_0 & 0 \\ g_1 & g_0 \\ g_2 & g_1 \\ 0 & g_2 \end{bmatrix} \text{ maps u to u·g,} \qquad
# T^T = \begin{bmatrix} g_0 & g_1 & g_2 & 0 \\ 0 & g_0 & g_1 & g_2 \end{bmatrix} \text{ maps d to y.}$$
#
# And a transpose comes for free, because the recipe is a product of matrices. Let E_n evaluate a polynomial with n
# coefficients (at all points), and let C find the coefficients from the values. Then
#
# $$\begin{align*} T &= C \, \text{diag}(E_3 \, g) \, E_2 & \text{evaluate, multiply, interpolate} \\
# T^T &= E_2^T \, \text{diag}(E_3 \, g) \, C^T & \text{the same, read from right to left} \end{align*}$$
#
# That is the *transposition principle*: who multiplies cheaply, filters cheaply. Compare with y = Aᵀ[(G g) ⊙ (Bᵀ d)],
# and here are our three matrices: Aᵀ = E₂ᵀ, G = E₃, Bᵀ = Cᵀ.
#
# C is Lagrange's interpolation. For point p, take the polynomial that is zero at all other points, Π (z − q), and
# divide by its value at p, so that it is 1 there. We put that divisor into G, where it is paid once for each filter;
# then Bᵀ holds whole numbers if the points are whole. For ∞ take Π (z − q) over all points: it is zero at each of
# them, with 1 as its leading coefficient.
#
# With fractions instead of floats there is nothing to round, and the test above is a proof.


# %%
def times(p, q):
    """The product of two polynomials, lists of coefficients, lowest power first: a convolution."""
    result = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            result[i + j] += a * b
    return result


def zero_at(points):
    """The coefficients of Π (z − q)."""
    polynomial = [Fraction(1)]
    for q in points:
        polynomial = times(polynomial, [-q, Fraction(1)])
    return polynomial


def evaluate(points, coefficients):
    """The matrix that evaluates a polynomial at the points and, last, at ∞."""
    powers = [[p**k for k in range(coefficients)] for p in points]
    at_infinity = [Fraction(0)] * (coefficients - 1) + [Fraction(1)]
    return np.array([*powers, at_infinity])


def toom_cook(*points, taps=3):
    """Aᵀ, G and Bᵀ of F(m, taps) from m + taps − 2 points; ∞ is added."""
    points = [Fraction(p) for p in points]
    outputs = len(points) + 2 - taps
    A_T, G, B_T = evaluate(points, outputs).T, evaluate(points, taps), []
    for i, p in enumerate(points):
        others = points[:i] + points[i + 1 :]
        B_T.append([*zero_at(others), Fraction(0)])
        G[i] /= prod(p - q for q in others)
    return A_T, G, np.array([*B_T, zero_at(points)])


def show(name, matrix):
    width = max(len(str(entry)) for entry in matrix.flat)
    for i, row in enumerate(matrix):
        print(f"{name if i == 0 else '':5}" + "  ".join(f"{entry!s:>{width}}" for entry in row))


small = toom_cook(0, 1, -1)
for name, matrix in zip(("Aᵀ", "G", "Bᵀ"), small, strict=True):
    show(name, matrix)
assert is_filtering(*small)
assert np.array_equal(small[0], A_T)
assert np.array_equal(np.abs(small[1]), np.abs(G)) and np.array_equal(small[2][1:], B_T[1:])

# %% [markdown]
# Ours from paper, but for one sign: the first rows of G and Bᵀ are both negative, and the signs cancel.
#
# Two more points, 2 and −2, give F(4, 3): four outputs with six multiplications instead of twelve. These are the
# matrices that minicnn ships; see `minicnn/fast/cpu/winograd/__init__.py`.

# %%
large = toom_cook(0, 1, -1, 2, -2)
for name, matrix in zip(("Aᵀ", "G", "Bᵀ"), large, strict=True):
    show(name, matrix)
assert is_filtering(*large)
for derived, shipped in zip(large, (winograd.A_T, winograd.G, winograd.B_T), strict=True):
    assert np.array_equal(derived.astype(np.float64), shipped)

# %% [markdown]
# In general F(m, r) takes m + r − 1 multiplications, one for each sample that it sees. Winograd proved that nobody can
# do with fewer. (Multiplications by fixed numbers do not count in his theorem. They will in ours, further down.)
#
# ## Two dimensions
#
# A picture's tile is a column of rows. Filter it with F(m, 3) *vertically*, where each "number" is a whole row; each
# "multiplication" of two rows is then a filtering itself, and for that we use F(m, 3) *horizontally*. So the
# multiplications multiply, and the matrices act from both sides:
#
# $$Y = A^T [ (G g G^T) \odot (B^T d B) ] A$$
#
# F(2×2, 3×3) takes 4·4 = 16 multiplications for four outputs, instead of 36. F(4×4, 3×3) takes 6·6 = 36 for sixteen,
# instead of 144.


# %%
def both_sides(matrix, tiles):
    """matrix · tile · matrixᵀ. A tile's rows and columns are the first two axes; others go along."""
    rows, columns, *others = tiles.shape
    half = matrix @ tiles.reshape(rows, -1)  # down the columns, all at once
    whole = matrix @ half.reshape(-1, columns, half.shape[1] // columns)  # along the rows
    return whole.reshape(len(matrix), len(matrix), *others)


def as_floats(matrices, dtype=np.float64):
    return [matrix.astype(np.float64).astype(dtype) for matrix in matrices]


for name, matrices in (("F(2×2, 3×3)", small), ("F(4×4, 3×3)", large)):
    A_T, G, B_T = as_floats(matrices)
    m, n = A_T.shape
    d, g = random.standard_normal((n, n)), random.standard_normal((3, 3))
    Y = both_sides(A_T, both_sides(G, g) * both_sides(B_T, d))
    assert np.allclose(Y, ops.conv(d[None, :, :, None], g[:, :, None, None]).data[0, :, :, 0], rtol=0, atol=1e-12)
    print(f"{name}: {n * n} multiplications instead of {9 * m * m}, {9 * m * m / n**2:g} times fewer")

# %% [markdown]
# A larger picture is cut into *tiles*. The outputs, 4×4 each, lie side by side. The inputs that they see, 6×6, overlap
# by two pixels. Here is one tile on its way. The filter is Sobel's, which looks for edges between left and right.

# %%
photograph = images.load(get_sample_data("grace_hopper.jpg", asfileobj=False), size=(76, 64))
grey = photograph @ np.array([0.299, 0.587, 0.114])  # float64 from here on
sobel = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
face = grey[5:39, 15:49]

A_T, G, B_T = as_floats(large)
down, across = 16, 20  # where the tile begins
d = face[down : down + 6, across : across + 6]
V, U = both_sides(B_T, d), both_sides(G, sobel)
M = U * V
Y = both_sides(A_T, M)
edges = ops.conv(face[None, :, :, None], sobel[:, :, None, None]).data[0, :, :, 0]
assert np.allclose(Y, edges[down : down + 4, across : across + 4], rtol=0, atol=1e-12)


# %%
def draw_tile(ax, left, tile, title, **colours):
    """A tile as coloured squares, one unit each, in the middle of the row."""
    top = (12 - len(tile)) / 2
    ax.imshow(tile, extent=(left, left + len(tile), top + len(tile), top), interpolation="nearest", **colours)
    ax.text(left + len(tile) / 2, 2.6, title, ha="center", va="bottom", fontsize=12, color=INK)


def root(tile):
    """Signed roots, so that small numbers can be seen beside large ones."""
    return np.sign(tile) * np.sqrt(np.abs(tile))


fig, ax = plt.subplots(figsize=(14, 4), layout="constrained")
grey_levels = {"cmap": "gray", "vmin": face.min(), "vmax": face.max()}
ax.imshow(face, extent=(0, 12, 12, 0), interpolation="nearest", **grey_levels)
pixel = 12 / len(face)
for step in np.arange(1, len(face) - 1, 4) * pixel:
    for line in (((step, step), (pixel, 12 - pixel)), ((pixel, 12 - pixel), (step, step))):
        ax.plot(*line, color="white", lw=0.6, alpha=0.8)
frame = {"fill": False, "lw": 2.5, "zorder": 3}
for inset, side, colour in ((0, 6, RED), (1, 4, BLUE)):
    start = (across + inset) * pixel, (down + inset) * pixel
    ax.add_patch(plt.Rectangle(start, side * pixel, side * pixel, edgecolor=colour, **frame))
draw_tile(ax, 14, d, "d\n6×6 pixels", **grey_levels)
for left_side, tile, title in (
    (22, V, "V = BᵀdB\nsums of pixels"),
    (30, U, "U = GgGᵀ\nsums of taps"),
    (38, M, "M = V ⊙ U\n36 products"),
    (46, Y, "Y = AᵀMA\n4×4 outputs"),
):
    brightest = root(np.abs(tile).max())
    draw_tile(ax, left_side, root(tile), title, cmap="RdBu_r", vmin=-brightest, vmax=brightest)
for left_side, sign in ((13, "→"), (21, "→"), (29, "⊙"), (37, "="), (45, "→")):
    ax.text(left_side, 6, sign, fontsize=20, ha="center", va="center", color=GREY)
for start, side, colour in (((14, 3), 6, RED), ((46, 4), 4, BLUE)):
    ax.add_patch(plt.Rectangle(start, side, side, edgecolor=colour, **frame))
ax.set(xlim=(-0.2, 50.3), ylim=(12.2, -0.2), aspect="equal")
ax.set_axis_off()
fig.savefig("one_tile.png", dpi=150)
plt.show()

# %% [markdown]
# ## Channels: thirty-six matrix products
#
# One tile and one filter save nothing: the sums cost more than the products that they replace. A layer is another
# matter. It has many channels on both sides, and
#
# - a tile of an input channel is transformed once, and then meets the filters of *all* output channels;
# - the sum over input channels may be taken *before* the outputs are transformed, since Aᵀ M A is linear. So that is
#   done once for each output channel.
#
# What is left between the transforms: take one of the 36 elements of the tile, call it ξ. For each tile t and output
# channel j it wants the sum over input channels c
#
# $$M_{\xi, t, j} = \sum_c V_{\xi, t, c} \, U_{\xi, c, j}$$
#
# and that is a matrix product, (tiles × C_in) @ (C_in × C_out), one for each ξ. Computers are good at those.


# %%
def input_tiles(x, m):
    """The (m + 2)×(m + 2) pixels that each m×m outputs see: (m + 2, m + 2, tiles, C). One row of zeros around x."""
    _, H, W, C = x.shape
    hang_over = [-length % m for length in (H, W)]  # the last tiles may
    padded = np.pad(x, [(0, 0), (1, 1 + hang_over[0]), (1, 1 + hang_over[1]), (0, 0)])
    windows = sliding_window_view(padded, (m + 2, m + 2), axis=(1, 2))[:, ::m, ::m]  # (N, rows, columns, C, …, …)
    return windows.transpose(4, 5, 0, 1, 2, 3).reshape(m + 2, m + 2, -1, C)


def output_tiles(y, m):
    """y in tiles of m×m, side by side: (m, m, tiles, C)."""
    N, H, W, C = y.shape
    padded = np.pad(y, [(0, 0), (0, -H % m), (0, -W % m), (0, 0)])
    cut = padded.reshape(N, padded.shape[1] // m, m, padded.shape[2] // m, m, C)
    return cut.transpose(2, 4, 0, 1, 3, 5).reshape(m, m, -1, C)


def from_tiles(tiles, shape):
    """Back from output_tiles to (N, H, W, C)."""
    N, H, W, C = shape
    m = len(tiles)
    cut = tiles.reshape(m, m, N, -(-H // m), -(-W // m), C).transpose(2, 3, 0, 4, 1, 5)
    return cut.reshape(N, cut.shape[1] * m, cut.shape[3] * m, C)[:, :H, :W]


def filtered(x, U, A_T, B_T):
    """x under filters that are transformed already: U is (m + 2, m + 2, C_in, C_out)."""
    V = both_sides(B_T, input_tiles(x, len(A_T)))
    M = V @ U  # for all ξ at once: (…, tiles, C_in) @ (…, C_in, C_out)
    return from_tiles(both_sides(A_T, M), (*x.shape[:3], U.shape[-1]))


x, w = random.standard_normal((2, 13, 10, 5)), random.standard_normal((3, 3, 5, 4))
for name, matrices in (("F(2×2, 3×3)", small), ("F(4×4, 3×3)", large)):
    A_T, G, B_T = as_floats(matrices)
    apart = np.abs(filtered(x, both_sides(G, w), A_T, B_T) - ops.conv(x, w, padding=1).data).max()
    print(f"{name}: largest difference to ops.conv {apart:.0e}")
    assert apart < 1e-12

# %% [markdown]
# ## The way back
#
# **To the input.** Lesson 2 found that this gradient is a convolution, too: of dy, with the filters turned by 180° and
# input and output channels swapped. Must turned filters be transformed again? No. Turn the *tile* instead: mirror it,
# filter it, mirror the result. Mirrors can be built into the matrices. Reverse the columns of Bᵀ and the rows of Aᵀ,
# and the same U filters the other way round. Swapping the channels is transposing each of the 36 matrices U[ξ], and a
# transpose costs nothing.

# %%
A_T, G, B_T = large
assert is_filtering(A_T[::-1], G[:, ::-1], B_T[:, ::-1])  # (reversed columns of G: g is turned)

# %% [markdown]
# **To the filters.** Walk backward through the steps, as in lesson 1. Each is linear in what it gets, so its backward
# is the transposed matrix:
#
# | forward | backward |
# |---|---|
# | $U = G g G^T$ | $dM = A \, dY A^T$ |
# | $M_\xi = V_\xi U_\xi$ | $dU_\xi = V_\xi^T dM_\xi$ |
# | $Y = A^T M A$ | $dg = G^T dU \, G$ |
#
# So both gradients save as much as the forward does. Here is the operation; finite differences are its judge.


# %%
@op
def conv3x3(x, w):
    """F(4×4, 3×3) with one row of zeros around x. x: (N, H, W, C_in), w: (3, 3, C_in, C_out)."""
    A_T, G, B_T = as_floats(large, x.dtype)
    U = both_sides(G, w)

    def backward(dy):
        dx = filtered(dy, U.swapaxes(2, 3), A_T[::-1], B_T[:, ::-1])
        V = both_sides(B_T, input_tiles(x, 4))
        dM = both_sides(A_T.T, output_tiles(dy, 4))
        dw = both_sides(G.T, V.swapaxes(2, 3) @ dM)
        return dx, dw

    return filtered(x, U, A_T, B_T), backward


report = gradcheck(conv3x3, [random.standard_normal((2, 5, 6, 2)), random.standard_normal((3, 3, 2, 3))])
print(report)
assert report.ok

# %% [markdown]
# minicnn's definition, `minicnn/fast/cpu/winograd/definition.py`, is this in some seventy lines; step into it. Here it
# meets im2col on a layer of real size: 64 channels, 56×56 pixels.

# %%
x, w = random.standard_normal((1, 56, 56, 64)), random.standard_normal((3, 3, 64, 64))
dy = random.standard_normal((1, 56, 56, 64))
window = slide("lesson 19", (56, 56), (3, 3), padding=1)
pairs = {
    "forward": (definition.forward(x, w, None, (1, 1), (56, 56)), im2col.conv(x, w, None, window, 1)),
    "gradient to input": (
        definition.gradient_to_input(dy, w, (1, 1), (56, 56)),
        im2col.conv_gradient_to_input(dy, w, (56, 56), window, 1),
    ),
    "gradient to filters": (
        definition.gradient_to_filters(dy, x, (1, 1)),
        im2col.conv_gradient_to_filters(dy, x, window, 1),
    ),
}
for name, (ours, reference) in pairs.items():
    relative = np.abs(ours - reference).max() / np.abs(reference).max()
    print(f"{name:20} relative error {relative:.0e}")
    assert relative < 1e-12
assert np.allclose(conv3x3(x, w).data, pairs["forward"][0], rtol=0, atol=1e-10)

# %% [markdown]
# ## What is saved, counted honestly
#
# Four times fewer multiplications, but the sums are work, too. Processors multiply and add in one instruction, so we
# count those. The direct way takes 9 · C_in · C_out for each pixel. For ours, count the products, and for each
# transform one multiply-add for every entry that is not zero, times the columns and rows that it is applied to. (That
# is generous to the direct way. The entries for p and −p share sums; see the exercises.)
#
# VGG-19 is a famous network of sixteen 3×3 layers; lesson 20 takes it apart. Its first layers see large pictures of few
# channels, its last ones small pictures of many. **Predict**: which layer saves least? And does any save four times?


# %% tags=["predict"]
def work(matrices, side, C_in, C_out):
    """Multiply-adds of each step, for a picture of side × side, over those of the direct way."""
    A_T, G, B_T = matrices
    m, n = A_T.shape
    tiles = (-(-side // m)) ** 2
    direct = 9 * side**2 * C_in * C_out
    return {
        "products": n * n * tiles * C_in * C_out / direct,
        "input": np.count_nonzero(B_T) * (n + n) * tiles * C_in / direct,
        "output": np.count_nonzero(A_T) * (n + m) * tiles * C_out / direct,
        "filters": np.count_nonzero(G) * (3 + n) * C_in * C_out / direct,
    }


VGG19 = {  # side of the picture, channels in and out, how many such layers
    "block1_conv1": (224, 3, 64, 1),
    "block1_conv2": (224, 64, 64, 1),
    "block2_conv1": (112, 64, 128, 1),
    "block2_conv2": (112, 128, 128, 1),
    "block3_conv1": (56, 128, 256, 1),
    "block3_conv2 … 4": (56, 256, 256, 3),
    "block4_conv1": (28, 256, 512, 1),
    "block4_conv2 … 4": (28, 512, 512, 3),
    "block5_conv1 … 4": (14, 512, 512, 4),
}
shares = {name: work(large, side, C_in, C_out) for name, (side, C_in, C_out, _) in VGG19.items()}
for name, (side, C_in, C_out, _) in VGG19.items():
    saved = 1 / sum(shares[name].values())
    print(f"{name:17} {side:3}×{side:<3}  {C_in:3} → {C_out:3} channels   {saved:.2f} times less work")

# %% [markdown] tags=["answer"]
# The first saves least, then the last, and none saves four times.

# %% tags=["answer"]
assert max(1 / sum(share.values()) for share in shares.values()) < 4
assert 1 / sum(shares["block1_conv1"].values()) < 1.5 < 3.7 < 1 / sum(shares["block3_conv2 … 4"].values())
assert shares["block1_conv1"]["output"] > shares["block1_conv1"]["products"]

# %% tags=["answer"]
sides = np.arange(1, 57)
each_time = [work(large, side, 512, 512) for side in sides]
saved_each_time = np.array([1 / sum(share.values()) for share in each_time])
saved_remembered = np.array([1 / (sum(share.values()) - share["filters"]) for share in each_time])

fig, (left, right) = plt.subplots(1, 2, figsize=(14, 5), layout="constrained", width_ratios=(1.15, 1))
begin = np.zeros(len(shares))
for step, colour in (("products", BLUE), ("input", GREEN), ("output", "#e0b973"), ("filters", RED)):
    widths = np.array([100 * share[step] for share in shares.values()])
    label = "products" if step == "products" else f"transform of the {step}"
    left.barh(list(shares), widths, left=begin, color=colour, height=0.72, label=label)
    begin += widths
for row, total in enumerate(begin):
    left.text(total + 1, row, f"{100 / total:.1f}×", va="center", color=INK, weight="bold")
left.axvline(25, color=GREY, lw=1, ls=":")
left.invert_yaxis()
left.set(xlabel="multiply-adds, % of the direct way", xlim=(0, 80))
left.set_title("VGG-19 at 224 pixels: few channels save little", loc="left")
left.tick_params(axis="y", length=0)
left.legend(frameon=False, loc="center right", bbox_to_anchor=(1, 0.55))
right.plot(sides, saved_remembered, "-", color=BLUE, lw=2)
right.plot(sides, saved_each_time, "-", color=RED, lw=2)
right.axhline(1, color=INK, lw=1)
right.text(56, 1.06, "nothing saved", ha="right", color=INK)
right.text(30, 4.03, "filters transformed once", ha="right", color=BLUE, weight="bold")
right.text(30, 2.15, "filters transformed each time", ha="left", color=RED, weight="bold")
right.set(xlabel="side of the picture, pixels", ylabel="times less work", ylim=(0, 4.4))
right.set(xlim=(0, 57), xticks=range(0, 57, 8))
right.set_title("512 channels: small pictures save little, too", loc="left")
right.grid(alpha=0.25)
fig.savefig("work_saved.png", dpi=150)
plt.show()

assert saved_each_time[3] < 1 < 3.5 < saved_remembered[3]  # one tile: 4×4 pixels

# %% [markdown] tags=["answer"]
# Three things eat the saving:
#
# - **Few channels.** The input's transform is shared by C_out filters, the output's by C_in channels. The first layer
#   sees 3 colours, and transforms more than it multiplies.
# - **Small pictures.** Tiles hang over the edge: 14 pixels take tiles for 16, and 5 take tiles for 8. Hence the saw.
# - **Few tiles for each filter.** G g Gᵀ is spread over the tiles of the picture. For one tile it costs more than the
#   direct convolution. But filters that do not change need it only once. In style transfer the network is frozen, and
#   minicnn remembers U (see `minicnn/fast/cpu/winograd/filters.py`).

# %% [markdown]
# And a multiply-add is not a multiply-add. In a matrix product it runs at the processor's full speed; a transform
# waits for memory. V and M hold 36/16 = 2.25 numbers for every pixel, channel by channel. So `compiled.py` takes a
# block of tiles all the way from x to y before it begins the next, and V and M never leave the cache.
#
# ## Precision: why not larger tiles?
#
# Tiles of 6×6 outputs would save five times, of 8×8 nearly six. We can derive their matrices in one line. But more
# outputs want more points, and ±1, ±2 are spent. Next come ±1/2, then ±4, and their powers grow: Aᵀ of F(8, 3) holds
# 4⁷ = 16384. Large terms are added and must cancel to leave a small result; what each was rounded by, remains.
#
# How large are the terms? Let d and g be random with variance 1. An output in 1-D has variance 3. The terms that are
# added to make it have variance Σ Aᵀ² · |G|² · |Bᵀ|², with the squared lengths of the rows of G and Bᵀ. The root of
# the ratio says how much larger than the result they are; in 2-D it acts twice, so the ratio itself.
#
# Then we measure, in float32 and against float64, on a layer with 64 channels. And once more with V and U rounded to
# half precision (float16) before the products, which is how graphics cards multiply fastest.
#
# **Predict**: of float32's seven digits, how many are left at 4×4, and how many at 8×8? And for 6×6, which two more
# points are better beside 0, ±1, ±2: the fractions ±1/2, or ±3, which are whole numbers?

# %% tags=["predict"]
half = Fraction(1, 2)
tilings = {
    "F(2×2, 3×3)": toom_cook(0, 1, -1),
    "F(4×4, 3×3)": toom_cook(0, 1, -1, 2, -2),
    "F(6×6, 3×3)": toom_cook(0, 1, -1, 2, -2, half, -half),
    "F(6×6, 3×3), ±3": toom_cook(0, 1, -1, 2, -2, 3, -3),
    "F(8×8, 3×3)": toom_cook(0, 1, -1, 2, -2, half, -half, 4, -4),
}
assert all(is_filtering(*matrices) for matrices in tilings.values())  # with fractions, all are exact


def cancellation(matrices):
    """How much larger than the result the terms are that are added to make it, in 2-D."""
    A_T, G, B_T = (matrix.astype(np.float64) ** 2 for matrix in matrices)
    return (A_T @ (G.sum(axis=1) * B_T.sum(axis=1))).max() / 3


def relative_error(y, reference):
    return np.abs(y - reference).max() / np.abs(reference).max()


x = np.maximum(random.standard_normal((1, 48, 48, 64)), 0).astype(np.float32)  # as after a ReLU
w = (random.standard_normal((3, 3, 64, 64)) / 17).astype(np.float32)
window = slide("lesson 19", (48, 48), (3, 3), padding=1)
reference = im2col.conv(x.astype(np.float64), w.astype(np.float64), None, window, 1)


def through_half(array):
    return array.astype(np.float16).astype(np.float32)


saved, single, halved = {"direct": 1.0}, {}, {}
single["direct"] = relative_error(im2col.conv(x, w, None, window, 1), reference)
halved["direct"] = relative_error(im2col.conv(through_half(x), through_half(w), None, window, 1), reference)
print("                 times fewer products   terms : result   error in float32   V and U in float16")
print(f"{'direct':16} {1:12} {'':20} {single['direct']:18.0e} {halved['direct']:18.0e}")
for name, matrices in tilings.items():
    A_T, G, B_T = as_floats(matrices, np.float32)
    m, n = A_T.shape
    saved[name] = 9 * m * m / n**2
    U, V = both_sides(G, w), both_sides(B_T, input_tiles(x, m))
    single[name] = relative_error(from_tiles(both_sides(A_T, V @ U), x.shape), reference)
    halved[name] = np.nan  # hopeless for the last two: half precision holds three digits, cancellation takes four
    if cancellation(matrices) < 1000:
        M = through_half(V) @ through_half(U)
        halved[name] = relative_error(from_tiles(both_sides(A_T, M), x.shape), reference)
    row = f"{name:16} {saved[name]:12.2f} {cancellation(matrices):20.0f} {single[name]:18.0e} {halved[name]:18.0e}"
    print(row.replace("nan", "  –"))

# %% [markdown] tags=["answer"]
# Five digits and a half are left at 4×4, two and a half at 8×8. The cancellation foretells the order of the errors, and
# also that points matter: with ±3 instead of ±1/2, F(6×6) loses two digits more.

# %% tags=["answer"]
assert single["F(2×2, 3×3)"] < single["F(4×4, 3×3)"] < 2e-5
assert single["F(8×8, 3×3)"] > 50 * single["F(6×6, 3×3)"]
assert single["F(6×6, 3×3), ±3"] > 30 * single["F(6×6, 3×3)"]  # the choice of points matters
assert halved["F(4×4, 3×3)"] > 3 * halved["F(2×2, 3×3)"]

# %% [markdown]
# So where to stop? Count again, for all 3×3 layers of VGG-19, with filters that are remembered.


# %%
def network_saving(matrices):
    total = direct = 0
    for side, C_in, C_out, layers in VGG19.values():
        share = work(matrices, side, C_in, C_out)
        direct += layers * side**2 * C_in * C_out
        total += layers * side**2 * C_in * C_out * (sum(share.values()) - share["filters"])
    return direct / total


sizes = [name for name in tilings if "±" not in name]
less_work = {name: network_saving(tilings[name]) for name in sizes}
memory = {name: len(tilings[name][2]) ** 2 / 9 for name in sizes}

fig, (left, right) = plt.subplots(1, 2, figsize=(14, 5), layout="constrained", width_ratios=(1.35, 1))
names = ["direct", *sizes]
left.semilogy([saved[name] for name in names], [single[name] for name in names], "o-", color=BLUE, lw=2, ms=8)
left.semilogy([saved[name] for name in names[:4]], [halved[name] for name in names[:4]], "o-", color=RED, lw=2, ms=8)
left.semilogy(saved["F(6×6, 3×3)"], single["F(6×6, 3×3), ±3"], "o", mfc="white", mec=BLUE, mew=2, ms=8)
left.text(4.96, single["F(6×6, 3×3), ±3"], "6×6 with points ±3", ha="right", va="center", color=BLUE)
left.text(3.3, 5e-7, "float32", color=BLUE, weight="bold", ha="center")
left.text(1.7, 1.1e-3, "products in half precision", color=RED, weight="bold", ha="center")
for name in names:
    across, up = (0.09, 1) if name == names[-1] else (0, 1 / 3)
    place = {"ha": "left" if across else "center", "va": "center", "color": INK}
    left.text(saved[name] + across, single[name] * up, name.removeprefix("F(").partition(",")[0], **place)
left.set(xlabel="times fewer products", ylabel="relative error", ylim=(4e-8, 0.1), xlim=(0.75, 6.3))
left.set_title("Larger tiles lose digits: slowly, then fast", loc="left")
left.grid(alpha=0.25)
short = [name.removeprefix("F(").partition(",")[0] for name in sizes]
colours = [BLUE if name == "F(4×4, 3×3)" else "#bcc8d2" for name in sizes]
right.barh(short, less_work.values(), color=colours, height=0.7)
for row, name in enumerate(sizes):
    right.text(less_work[name] + 0.06, row, f"{less_work[name]:.1f}×", va="center", color=INK, weight="bold")
    text = f"U: {memory[name]:.1f} × the filters' memory"
    right.text(0.1, row, text, va="center", color="white" if colours[row] == BLUE else INK)
right.invert_yaxis()
right.set(xlabel="times less work, transforms included", xlim=(0, 5.2))
right.set_title("VGG-19 at 224 pixels, by tile", loc="left")
right.tick_params(axis="y", length=0)
fig.savefig("precision.png", dpi=150)
plt.show()

step = {name: less_work[name] / less_work[previous] for previous, name in pairwise(sizes)}
print("each step's gain:", {name: f"{gain - 1:.0%}" for name, gain in step.items()})
assert step["F(4×4, 3×3)"] > 1.6 and step["F(6×6, 3×3)"] < 1.1 < step["F(8×8, 3×3)"] < 1.2

# %% [markdown]
# - 2×2 loses nothing. What its sums cost, its shorter sums of products give back: over C_in, not over 9 · C_in.
# - From 2×2 to 4×4 two thirds more is saved, for about one digit. Of float32's seven, five remain; a picture shows
#   less than three.
# - From 4×4 to 6×6: 8 %. The error grows again, so do the transforms (the part that waits for memory), and
#   the filters take seven times their memory instead of four.
# - From 6×6 to 8×8: 14 %, and more than two digits are gone.
#
# minicnn stops at 4×4. In half precision one would stop at 2×2.
#
# ## How long does it take?
#
# Counting is not timing. Here are lesson 2's im2col and our F(4×4, 3×3), both in NumPy, in float32 and on one thread.
# (No `assert`: times depend on your machine and on what else it does.) Ours multiplies a fourth as often. **Predict**:
# how many times faster is it?


# %% tags=["predict"]
def milliseconds(function, repeat=5):
    function()  # warm up
    took = []
    for _ in range(repeat):
        started = time.perf_counter()
        function()
        took.append(time.perf_counter() - started)
    return 1e3 * min(took)


x = random.standard_normal((1, 112, 112, 64)).astype(np.float32)
w = random.standard_normal((3, 3, 64, 64)).astype(np.float32)
window = slide("lesson 19", (112, 112), (3, 3), padding=1)
A_T, G, B_T = as_floats(large, np.float32)
U, V = both_sides(G, w), both_sides(B_T, input_tiles(x, 4))
with blas.on_one_thread:
    for name, function in {
        "im2col": lambda: im2col.conv(x, w, None, window, 1),
        "Winograd": lambda: filtered(x, U, A_T, B_T),
        "    transform of the input": lambda: both_sides(B_T, input_tiles(x, 4)),
        "    36 matrix products": lambda: V @ U,
    }.items():
        print(f"{name:28} {milliseconds(function):6.1f} ms")

# %% [markdown] tags=["answer"]
# Unless your machine is an unusual one, it is *slower*. The products do take a fraction of im2col's time; but in NumPy
# each step runs over the whole layer, V and M go out to memory and come back, and the sums that we called cheap take
# more than the multiplications that they save.

# %% [markdown]
# Fewer operations are not less time, unless somebody sees to it. The compiled kernel cuts the tiles into blocks that
# stay in the cache. `ops.conv` chooses it by itself; beside it, lesson 2's compiled product on the same layer.

# %%
threads = resources.threads()
minicnn.set_threads(1)
with minicnn.use_backend("numba"):
    print(f"lesson 2, compiled           {milliseconds(lambda: compiled.conv(x, w, None, window, 1)):6.1f} ms")
    print(f"ops.conv                     {milliseconds(lambda: ops.conv(x, w, padding=1)):6.1f} ms")
minicnn.set_threads(threads)

# %% [markdown]
# ## What you have now
#
# - A convolution is a product of polynomials. Values multiply one by one, and m + r − 1 of them are enough.
# - Transposed, the product becomes a filter. Nested, it filters pictures. With channels, ⊙ becomes matrix products.
# - The gradients come the same way: mirrored tiles and a transposed U; each step backwards.
# - It saves where channels are many and tiles are not few, and each larger tile pays with digits.
#
# **Try it**
#
# 1. Karatsuba multiplied long numbers before Toom did, with three products instead of four. Look at
#    `toom_cook(0, 1, taps=2)`: there he is, if `is_filtering` agrees.
# 2. Bᵀ of F(4, 3) has 22 entries that are not zero, but Bᵀd takes 12 multiply-adds. Begin with s = d4 − 4·d2 and
#    t = d3 − 4·d1; rows 1 and 2 are s + t and s − t. Find the others. Then look how `micro_kernel.py` does it.
# 3. Give F(4×4, 3×3) the points 0, ±1, 2 and −1/2. How much smaller is the error? And what becomes of exercise 2?
# 4. `toom_cook(0, 1, -1, 2, -2, taps=5)` filters with 5 taps. Which of its matrices do you know already, and why?
#    How many multiplications does a 5×5 filter take for each output?
# 5. With a stride of 2 only every other output is wanted, in both directions. How many products does F(4×4, 3×3) then
#    save? (Do not measure. Count.)
# 6. Stop in `definition.forward` with a debugger and look at `_input_tiles(x, before, output).strides`. Tiles overlap,
#    so it shows some pixels up to four times. Why does that take no memory?
#
# **Where to look in the source**
#
# - `minicnn/fast/cpu/winograd/__init__.py`: the formula and the matrices that you derived.
# - `minicnn/fast/cpu/winograd/definition.py`: the definition, forward and both gradients.
# - `minicnn/fast/cpu/winograd/compiled.py`: the same by blocks, compiled.
# - `minicnn/fast/cpu/winograd/filters.py`: U of frozen filters, remembered.
# - `minicnn/fast/cpu/micro_kernel.py`: the innermost loops, emitted for registers from these very matrices.
# - `minicnn/fast/cpu/fused_conv.py`: where a convolution chooses its kernels, and takes ReLU and pooling along.
#
# Next: `20_vgg_and_weights_from_hdf5.py`. Or stay with speed: `21_registers.py`.
