# %% [markdown]
# # Lesson 1: tensors and the tape
#
# A neural network learns by asking one question, millions of times: *if I change this number a little, how does the
# result change?* The answer is called a gradient. In this lesson you take gradients by hand, let the engine take
# them, look inside the engine while it does, write an operation of your own, catch a wrong gradient red-handed, and
# train a small network with all of it.
#
# Open three short files beside this lesson: `minicnn/tensor.py` is the array that remembers, `graph.py` what it
# remembers and the walk back, `operation.py` what makes an operation of a function. You will meet all three.
# Set a breakpoint wherever you are curious: every line that runs here is Python that you can step into.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np

import minicnn
from minicnn import GradcheckError, InputError, Tensor, gradcheck, no_grad, op, ops, optim
from minicnn.graph import Node
from minicnn.learn.holes import check

minicnn.use_backend("numpy")  # the readable kernels, so that a debugger never lands in compiled code
INK, BLUE, RED, GREEN, SAND = "#222222", "#2f6690", "#c8553d", "#8a9a5b", "#f4efe6"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## What a gradient is
#
# Take a function of two numbers:
#
# $$f(x, y) = x^2 \cdot y + y \qquad f(3, 2) = 20$$
#
# Nudge x by a hair and watch f. The quotient "how much f moved, over how much x moved" settles at a number: the
# derivative of f with respect to x. The gradient is the list of these numbers, one for each input.


# %%
def f(x, y):
    return x * x * y + y


for h in (1, 0.1, 0.001, 0.00001):
    slope_x = (f(3 + h, 2) - f(3, 2)) / h
    slope_y = (f(3, 2 + h) - f(3, 2)) / h
    print(f"h = {h:<8g} slope in x {slope_x:9.5f}    slope in y {slope_y:9.5f}")

assert math.isclose(slope_x, 12, rel_tol=1e-4) and math.isclose(slope_y, 10, rel_tol=1e-4)

# %% [markdown]
# So the gradient at (3, 2) is (12, 10). (In y, f is a straight line, so there every nudge tells the truth.)
#
# Nudging is honest but dear: one more run of f for every input. A small network has a million inputs, its weights.
# Walking *backward* gets all of them in one go.
#
# Cut f into its smallest steps and give each result a name:
#
# $$\begin{align*} a &= x \cdot x & 9 \\ b &= a \cdot y & 18 \\ f &= b + y & 20 \end{align*}$$
#
# Now walk from the last step to the first and ask at each: how much does f change if this value changes? We write
# `da` for "the derivative of f with respect to a".

# %%
x, y = 3.0, 2.0
a = x * x
b = a * y

df = 1.0  # f changes exactly as much as f
db = df  # f = b + y: a sum hands its gradient to both sides …
dy = df  # … so here is a first part of dy
da = db * y  # b = a · y: a factor receives the gradient times the other factor
dy += db * a  # y was used a second time, so a second part is *added*
dx = da * x + da * x  # a = x · x: x is both factors, and both parts are added

print(f"by hand: dx = {dx}, dy = {dy}")
assert (dx, dy) == (12, 10)

# %% [markdown]
# You have just done *backpropagation*. Two things made it work: each step knew its own little rule, and a value
# that was used twice added up what came back to it.
#
# ## The engine does the same
#
# A `Tensor` is a NumPy array that remembers how it was made. `requires_grad=True` says: I will want the derivative
# with respect to this one. `backward()` walks back and leaves the answers in `.grad`.

# %%
x = Tensor(3.0, requires_grad=True, name="x")
y = Tensor(2.0, requires_grad=True, name="y")
a = (x * x).retain_grad()  # retain_grad: keep the gradient of this intermediate value too, so that we can look at it
b = (a * y).retain_grad()
result = b + y
print(result)

# %% [markdown]
# Where does it remember? Each operation left a `Node`: its name, the function that carries a gradient back, and
# where its inputs came from (another node, or one of your Tensors). A node knows its depth, which is one more than
# that of its deepest input. So the backward walk is simple: take the deepest node that waits, run it, hand the parts
# to its inputs. When a node's turn comes, everything that used its result has already reported.
#
# This list of nodes is what people call the *tape*. Here it is, deepest first, and the oldest of those equally deep.


# %%
def tape(tensor):
    """The nodes behind a Tensor, deepest first."""
    waiting, found = [tensor._node], {}  # the underscore says: the engine's own; today we look inside
    while waiting:
        node = waiting.pop()
        if isinstance(node, Node):
            found[-node.depth, node.age] = node
            waiting += node.inputs
    return [found[key] for key in sorted(found)]


for node in tape(result):
    print(f"{node.name:4}  reads  {', '.join(source.name for source in node.inputs)}")

assert [node.name for node in tape(result)] == ["add", "mul", "mul"]

# %%
result.backward()
print(f"by the engine: dx = {x.grad}, dy = {y.grad}, da = {a.grad}, db = {b.grad}")
assert (x.grad, y.grad, a.grad, b.grad) == (dx, dy, da, db)

# %% [markdown]
# The same numbers, because it is the same walk. Here it is as a picture: values go from left to right, gradients
# come back from right to left. The number on an arrow is the part that comes back along it; where two arrows leave a
# box, its gradient is the sum of both parts.

# %%

places = {"x": (0, 1), "y": (1.25, 0), "a = x·x": (1.25, 1), "b = a·y": (2.5, 1), "f = b + y": (3.75, 0.5)}
values = {"x": x, "y": y, "a = x·x": a, "b = a·y": b, "f = b + y": result}
parts = [  # from, to, how the arrow bends, the part of the gradient that comes back along it
    ("x", "a = x·x", -0.3, a.grad * x.data),
    ("x", "a = x·x", 0.3, a.grad * x.data),
    ("a = x·x", "b = a·y", 0, b.grad * y.data),
    ("y", "b = a·y", 0, b.grad * a.data),
    ("b = a·y", "f = b + y", 0, 1.0),
    ("y", "f = b + y", 0, 1.0),
]

fig, ax = plt.subplots(figsize=(10, 4.2), layout="constrained")
for start, end, bend, part in parts:
    style = {"arrowstyle": "-|>", "color": "#999999", "lw": 1.5, "connectionstyle": f"arc3,rad={bend}"}
    style |= {"shrinkA": 24 if len(start) == 1 else 48, "shrinkB": 50}
    ax.annotate("", places[end], places[start], arrowprops=style)
    (x0, y0), (x1, y1) = places[start], places[end]
    middle = (x0 + x1) / 2, (y0 + y1) / 2 - 0.56 * bend
    box = {"boxstyle": "circle,pad=0.2", "facecolor": "white", "edgecolor": "none"}
    ax.text(*middle, f"{part:g}", ha="center", va="center", color=RED, fontsize=11, bbox=box)
for name, (across, up) in places.items():
    gradient = 1.0 if values[name] is result else float(values[name].grad)
    box = {"boxstyle": "round,pad=0.5", "facecolor": SAND, "edgecolor": INK}
    ax.text(across, up, name, ha="center", va="center", fontsize=13, color=INK, bbox=box)
    ax.text(across, up + 0.19, f"{float(values[name].data):g}", ha="center", color=BLUE, fontsize=15, weight="bold")
    ax.text(across, up - 0.27, f"{gradient:g}", ha="center", color=RED, fontsize=15, weight="bold")
ax.set(xlim=(-0.35, 4.3), ylim=(-0.35, 1.4))
ax.text(4.25, 1.3, "value, forward →", color=BLUE, ha="right", weight="bold")
ax.text(4.25, 1.16, "← gradient, backward", color=RED, ha="right", weight="bold")
ax.set_axis_off()
fig.savefig("tape.png", dpi=150)
plt.show()

# %% [markdown]
# What the walk no longer needs, it frees at once, so a graph can be walked only once. Ask again, and the engine says
# so in one line instead of giving you a wrong number.

# %%
try:
    result.backward()
    raise AssertionError("the second walk should have been refused")
except InputError as refusal:
    print(refusal)

# %% [markdown]
# ## An operation: forward and backward, side by side
#
# All operations of minicnn look alike. One function computes the result, and inside it a second function says how a
# gradient flows back. What the way back needs from the way forward is simply *there*: the inner function sees the
# variables of the outer one. (Python calls this a closure.)
#
# Inside the function, x and y are plain NumPy arrays: `@op` unwraps the Tensors, wraps the result and puts a node on
# the tape.
#
# `backward` receives `dy`, one number for each element of y: how much the final result changes when that element
# changes. This is called the *cotangent*. It does not return the slope of the operation; it returns the slope of *the
# final result*, seen through the operation. That is the chain rule, one link at a time.
#
# **You write** one: softsign, a gentle S from −1 to 1.
#
# $$y = \frac{x}{1 + |x|} \qquad \text{its slope:} \quad \frac{1}{(1 + |x|)^2}$$


# %% tags=["hole"] minutes=6
@op
def softsign(x):
    """Return (y, backward): x / (1 + |x|), elementwise, and a function of dy that returns the gradient to x."""
    size = 1 + np.abs(x)

    def backward(dy):
        return dy / size**2

    return x / size, backward


# %% tags=["check"]
x = Tensor([-3.0, -0.5, 0.0, 0.5, 3.0], requires_grad=True)
y = softsign(x)
slips = {
    "The |x| has lost its bars.": [1.5, -1, 0, 1 / 3, 0.75],
    "That is the slope; the first thing to return is y.": 1 / (1 + np.abs(x.data)) ** 2,
}
check("softsign", y, [-3 / 4, -1 / 3, 0, 1 / 3, 3 / 4], slips)
dy = np.array([1.0, 2, 3, 4, 5])
y.backward(dy)
slope = 1 / (1 + np.abs(x.data)) ** 2
slips = {
    "That is the slope of softsign; of the final result it is dy times that.": slope,
    "That is dy as it came: times the slope.": dy,
    "The slope has a square below the line.": dy / (1 + np.abs(x.data)),
    "That is dy times y; times the slope of y.": dy * y.data,
}
check("the gradient to x", x.grad, dy * slope, slips)
x.grad = None

# %%
y = softsign(x)
print(y)

# %% [markdown]
# What is "the final result" here? We have not made one, y has five numbers. So we must say how much each of them
# matters to us, and hand that in.

# %%
y.backward([1.0, 1.0, 1.0, 1.0, 10.0])
print("slope, seen through y:", x.grad)
assert np.allclose(x.grad, np.array([1, 1, 1, 1, 10]) / (1 + np.abs(x.data)) ** 2)

# %% [markdown]
# ## Used twice, copied many times: gradients add up
#
# You met the first rule above. A value that is used in several places collects a part from each: *fan-out in the
# forward is a sum in the backward.*

# %%
x = Tensor(3.0, requires_grad=True)
total = x * 2 + x * 5 + x
total.backward()
print("three uses: 2 + 5 + 1 =", x.grad)
assert x.grad == 8

# %% [markdown]
# May the engine add the second part to the first in place, and save an array? Only if nobody else holds that array. So
# each gradient on its way (`Cotangent` in `graph.py`) carries a flag, `owned`. It is set for arrays that the walk made
# itself, and for those of an operation that promises, by `@op(fresh=True)`, that its backward returns new arrays and
# keeps none of them. Without the flag, the sum goes into a new array, and that one the walk owns.
#
# Addition promises nothing: it hands one array to both of its inputs. Below, that is the very array that you passed in.

# %%
x = Tensor(np.zeros(3), requires_grad=True)
double = x * 2
mine = np.ones(3)
(double + double).backward(mine)
print("x.grad", x.grad, " and your array is still", mine)
assert np.array_equal(x.grad, [4, 4, 4]) and np.array_equal(mine, [1, 1, 1])

# %% [markdown]
# Broadcasting is the same thing in disguise. Below, a bias of shape (3,) meets a batch of shape (4, 3), and NumPy
# quietly uses each of its numbers four times, once a row. So each of them collects four gradients: *what was copied
# along an axis in the forward is summed along that axis in the backward.* See `sum_to` in `graph.py`; it is a few
# lines, and every operation profits from it.

# %%
batch = Tensor(np.zeros((4, 3)))
bias = Tensor([0.1, 0.2, 0.3], requires_grad=True)
cotangent = np.arange(12.0).reshape(4, 3)
(batch + bias).backward(cotangent)
print(f"{cotangent}\nsummed down the rows: {bias.grad}")
assert np.array_equal(bias.grad, cotangent.sum(axis=0)) and bias.grad.shape == bias.shape

# %% [markdown]
# Gradients also add up from one `backward()` to the next, until you clear them. Forgetting to clear is the most
# common mistake in a training loop; we will not make it below.
#
# ## How do you know that a gradient is right?
#
# A wrong gradient raises no error. The network still learns, only worse, and you look for the reason everywhere
# else. So check each backward against the slow and honest way: nudge and watch.
#
# Nudge to both sides, f(x + h) − f(x − h), and divide by 2h: the error then shrinks with h² instead of h. But h must
# not be too small either, because subtracting two nearly equal numbers loses digits. The picture shows the valley
# between the two evils, and why gradient checks run in float64: in float32 there is hardly a valley at all.

# %%
points = np.linspace(-2, 2, 200)
exact = 1 / (1 + np.abs(points)) ** 2
steps = np.logspace(-11, -1, 61)


def softsign_values(values):
    return values / (1 + np.abs(values))


def typical_error(difference, dtype):
    """The middle error over all points, for each step."""
    x = points.astype(dtype)
    return [np.median(np.abs(difference(x, dtype(h)) - exact)) for h in steps]


def one_sided(x, h):
    return (softsign_values(x + h) - softsign_values(x)) / h


def central(x, h):
    return (softsign_values(x + h) - softsign_values(x - h)) / (2 * h)


curves = {  # errors, colour, where the label stands
    "one-sided, float64": (typical_error(one_sided, np.float64), GREEN, (2e-6, 5e-6)),
    "central, float64": (typical_error(central, np.float64), BLUE, (2e-5, 6e-13)),
    "central, float32": (typical_error(central, np.float32), RED, (1.5e-4, 6e-3)),
}
fig, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
for name, (errors, colour, place) in curves.items():
    ax.loglog(steps, errors, color=colour, lw=2)
    lowest = int(np.argmin(errors))
    ax.plot(steps[lowest], errors[lowest], "o", color=colour)
    ax.text(*place, name, color=colour, ha="right", weight="bold")
ax.set(xlabel="step h", ylabel="error of the slope", ylim=(1e-13, 10), xlim=(1e-11, 0.1))
ax.set_title("Too large a step bends, too small a step rounds", loc="left")
ax.text(1.5e-11, 2.5, "← rounding", color="#777777")
ax.text(0.07, 2.5, "curvature →", color="#777777", ha="right")
ax.grid(alpha=0.25)
fig.savefig("step_size.png", dpi=150)
plt.show()

best = {name: min(errors) for name, (errors, *_) in curves.items()}
print("best error:", {name: f"{error:.0e}" for name, error in best.items()})
assert best["central, float64"] < best["one-sided, float64"] < best["central, float32"]

# %% [markdown]
# `minicnn.gradcheck` does this for every element of every input and compares with what backward says. Here is your
# softsign.

# %%
random = np.random.default_rng(0)
report = gradcheck(softsign, random.standard_normal((4, 3)))
print(report)
assert report.ok

# %% [markdown]
# Now plant a bug, the kind that slips in at midnight: the square is forgotten. The forward is perfect, every value
# looks right.


# %%
@op
def softsign_at_midnight(x):
    size = 1 + np.abs(x)

    def backward(dy):
        return dy / size  # should be size**2

    return x / size, backward


try:
    gradcheck(softsign_at_midnight, [Tensor([0.0, 0.5, 3.0], name="x")])
    raise AssertionError("the bug slipped through")
except GradcheckError as found:
    print(found)

# %% [markdown]
# At x = 0 even the wrong rule is right, since 1 = 1². One lucky point proves nothing, so gradcheck tries them all. And
# the pattern names what you forgot: your gradient has one factor 1 + |x| more than the true one, dy/(1 + |x|)².
#
# ## Why all ones lie
#
# To check an operation with many outputs, we weigh them and add them up. It is tempting to weigh each with one. Take
# softmax, which turns scores into shares: e to the score, divided by the sum of all of these. Here is one whose
# gradient is nonsense: always zero. Check `lazy_softmax(x).sum()`. **Predict**: is it found out?


# %% tags=["predict"]
@op
def lazy_softmax(x):
    """The right values; a backward that always says: nothing changes."""
    y = np.exp(x - x.max())
    y /= y.sum()

    def backward(dy):
        return np.zeros_like(dy)

    return y, backward


logits = np.array([0.2, -1.0, 1.5])
report = gradcheck(lambda x: lazy_softmax(x).sum(), logits)
print("weighed with ones:", report)

# %% tags=["answer"]
assert report.ok

# %% [markdown] tags=["answer"]
# It passes! The outputs of softmax always sum to one, so their sum *does not* change, whatever x does. Zero is the
# right answer to the wrong question. Weigh the outputs with random numbers and there is no such luck. That is what
# gradcheck does by itself when you give it a function with many outputs.

# %%
try:
    gradcheck(lazy_softmax, [Tensor(logits, name="logits")])
    raise AssertionError("the bug slipped through")
except GradcheckError as found:
    print("weighed at random:", found)

assert gradcheck(ops.softmax, logits)  # ours is right

# %% [markdown]
# ## Remembering nothing
#
# The tape costs memory. When you only want a result and no gradient, as when a trained network is at work, say so.

# %%
x = Tensor(3.0, requires_grad=True)
remembered = x * x
with no_grad():
    forgotten = x * x
print(f"{remembered}\n{forgotten}")
assert remembered.requires_grad and not forgotten.requires_grad
assert remembered.item() == forgotten.item()

# %% [markdown]
# ## Put it to work: two spirals
#
# Two arms of points wind around each other. Which arm does a point belong to? No straight line can tell, so this
# needs a network with hidden layers: three matrix products with a bend after the first two. The bend is your own
# `softsign`.
#
# N is the number of points. Shapes: points (N, 2), hidden (N, 32), scores (N, 1).

# %%
N = 240
random = np.random.default_rng(1)
arm = np.arange(N) % 2
radius = np.sqrt(random.uniform(0.02, 1, N))
angle = 3 * np.pi * radius + np.pi * arm + random.normal(0, 0.15, N)
points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
labels = arm[:, None].astype(float)


def new_parameters(seed):
    random = np.random.default_rng(seed)
    parameters = {}
    for layer, (inputs, outputs) in enumerate([(2, 32), (32, 32), (32, 1)], start=1):
        weights = random.normal(0, np.sqrt(2 / inputs), (inputs, outputs))
        parameters[f"w{layer}"] = Tensor(weights, requires_grad=True)
        parameters[f"b{layer}"] = Tensor(np.zeros(outputs), requires_grad=True)
    return parameters


def network(parameters, points):
    hidden = softsign(points @ parameters["w1"] + parameters["b1"])
    hidden = softsign(hidden @ parameters["w2"] + parameters["b2"])
    return hidden @ parameters["w3"] + parameters["b3"]  # above zero: the second arm


# %% [markdown]
# The cost is the cross-entropy: small when the network is confident and right, large when it is confident and
# wrong. First check the whole chain, cost included, with respect to every weight. If this passes, learning rests on
# solid ground.

# %%
start = new_parameters(seed=2)
names = list(start)


def cost_of(*parameters):
    scores = network(dict(zip(names, parameters, strict=True)), Tensor(points[:20]))
    return ops.binary_cross_entropy(scores, labels[:20])


report = gradcheck(cost_of, list(start.values()))
print(report)
assert report.ok

# %% [markdown]
# Training is four lines: forward, clear, backward, step downhill. Here is plain gradient descent, with nothing
# hidden in a library.

# %%
STEPS = 500


def train_by_hand(parameters, rate):
    costs = []
    for _ in range(STEPS):
        cost = ops.binary_cross_entropy(network(parameters, Tensor(points)), labels)
        for parameter in parameters.values():
            parameter.grad = None  # clear, or this step's gradients land on top of the last one's
        cost.backward()
        for parameter in parameters.values():
            parameter.data -= rate * parameter.grad
        costs.append(cost.item())
    return costs


def accuracy(parameters):
    with no_grad():
        return float(np.mean((network(parameters, Tensor(points)).data > 0) == labels))


descended = new_parameters(seed=2)
costs_by_hand = train_by_hand(descended, rate=0.2)
print(f"gradient descent: cost {costs_by_hand[0]:.3f} to {costs_by_hand[-1]:.3f}, {accuracy(descended):.1%} right")
assert costs_by_hand[-1] < costs_by_hand[0]

# %% [markdown]
# It goes down, slowly. `minicnn.optim` has better walkers. Adam gives each weight a stride of its own: the mean of
# its recent gradients over the root of their mean square. The loop stays the same.

# %%
parameters = new_parameters(seed=2)
optimizer = optim.Adam(parameters.values(), learning_rate=0.02)
costs_of_adam = []
for _ in range(STEPS):
    cost = ops.binary_cross_entropy(network(parameters, Tensor(points)), labels)
    optimizer.zero_grad()
    cost.backward()
    optimizer.step()
    costs_of_adam.append(cost.item())

print(f"Adam:             cost {costs_of_adam[0]:.3f} to {costs_of_adam[-1]:.3f}, {accuracy(parameters):.1%} right")
assert costs_of_adam[0] == costs_by_hand[0]  # the same start
assert costs_of_adam[-1] < costs_by_hand[-1] / 2 and accuracy(parameters) > 0.97

# %%
grid = np.linspace(-1.25, 1.25, 200)
everywhere = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)

fig, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4.3), layout="constrained")
panels = {left: ("gradient descent", descended), middle: ("Adam", parameters)}
for ax, (name, trained) in panels.items():
    with no_grad():
        probability = ops.sigmoid(network(trained, Tensor(everywhere))).data.reshape(200, 200)
    ax.imshow(probability, extent=(-1.25, 1.25) * 2, origin="lower", cmap="RdBu", vmin=-0.8, vmax=1.8)
    ax.contour(grid, grid, probability, levels=[0.5], colors="white", linewidths=2)
    for which, colour in ((0, RED), (1, BLUE)):
        ax.scatter(*points[arm == which].T, s=18, color=colour, edgecolor="white", linewidth=0.5)
    ax.set_title(f"{name}, {STEPS} steps: {accuracy(trained):.0%} right")
    ax.set_axis_off()
right.semilogy(costs_by_hand, color=GREEN, lw=2)
right.semilogy(costs_of_adam, color=INK, lw=2)
right.text(STEPS, costs_by_hand[-1] * 0.55, "gradient descent", color=GREEN, ha="right", weight="bold")
right.text(STEPS, costs_of_adam[-1] * 1.8, "Adam", color=INK, ha="right", weight="bold")
right.set(xlabel="step", title="cost")
right.grid(alpha=0.25)
fig.savefig("spirals.png", dpi=150)
plt.show()

# %% [markdown]
# ## What you have now
#
# - A gradient says how the result moves when an input moves.
# - An operation is a forward and its backward, side by side. The tape links them; `backward()` walks it deepest first.
# - What is used twice, or copied by broadcasting, adds up what comes back.
# - A backward is right when finite differences agree, in float64, under a random cotangent.
#
# **Try it**
#
# 1. Set a breakpoint in `backward` of your `softsign`, train one step, and look at the call stack: `walk_back` runs
#    your node, and you are called. Step out twice and watch it choose the next node.
# 2. Comment out the line that clears the gradients. What does the cost do?
# 3. Write `@op def cube(x)` and check it. Then multiply its gradient by 1.01, by 1.001, by 1.0001: how wrong may it be
#    before `gradcheck` notices? Which of its arguments decides?
# 4. Run `gradcheck(ops.abs, np.array([1e-7, 1.0]))`. Nobody made a mistake, and yet it does not pass. Why?
# 5. Fit the spirals with 8 hidden units instead of 32, or with `ops.tanh` instead of `softsign`.
#
# `minicnn learn list` shows exercises that check themselves. Those for this lesson are parts of an engine:
# `minicnn learn start walk_back`, then `sum_to`, `linear` and `adam`. `conv_gradient` is easier after lesson 2. With
# `minicnn learn use . style` yours paint a picture.
#
# **Where to look in the source**
#
# - `minicnn/graph.py` at `class Node` and `walk_back`: the walk you drew. `class Cotangent`: who owns an array.
# - `minicnn/operation.py` at `def op`: how a function on arrays becomes an operation on Tensors.
# - `minicnn/ops/arithmetic.py`: +, · and their kin; its end gives them to Tensor as operators.
# - `minicnn/ops/activations.py`: relu, sigmoid, softmax, each with its backward at its side.
# - `minicnn/gradients/checking.py` and `cases.py`: the check, and one row for every operation we have.
#
# Next: `02_convolution_four_ways.py`. Or, to see a tape from inside, `18_the_tape_microscope.py`.
