# %% [markdown]
# # Lesson 26: averaged gradients
#
# One machine is too slow, so two shall train one network, each on half of every batch. What must they tell each other,
# and how often, so that the network becomes the one that a single machine would have trained? Not one *as good*: the
# same one, number by number.
#
# In this lesson two processes of your machine do it. You start them, you carry their messages, and you count the bytes.
# Then you find out what halves cannot do by themselves: statistics of a batch, and the search for triplets.
#
# You need lesson 6 for the last part.

# %%
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np

import minicnn
from minicnn import faces, nn, ops
from minicnn.datasets import doodles

minicnn.use_backend("numpy")
INK, BLUE, RED, GREEN, SAND, GREY = "#222222", "#2f6690", "#c8553d", "#8a9a5b", "#f4efe6", "#777777"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
PEOPLE, EACH, STEPS, RATE = 8, 4, 20, 0.2
random = np.random.default_rng(0)
pictures, who = doodles.album(people=PEOPLE, each=EACH, seed=random)
pictures = np.asarray(pictures, np.float64).reshape(len(who), 24, 24, 1)
order = random.permutation(len(who))
pictures, who = pictures[order], np.asarray(who)[order]
print(f"a batch: {len(who)} pictures of {PEOPLE} people")

# %% [markdown]
# ## Why an average is right
#
# The loss of a batch is a mean over its pictures, and a gradient of a sum is the sum of the gradients:
#
# $$\nabla \frac{1}{2n}\sum_{i=1}^{2n} \ell_i = \frac12\left(\nabla\frac1n\sum_{i\le n}\ell_i +
# \nabla\frac1n\sum_{i>n}\ell_i\right)$$
#
# The halves' gradients, averaged, *are* the gradient of the whole batch. Nothing is approximated. Both machines then
# take the same step from the same parameters, so they stay equal, and no parameter ever travels.
#
# The encoder, the loss and two ways to carry an array are a program in a text, because the other processes need it,
# too: they have nothing of this one. Everything is in float64.

# %%
PROGRAM = '''
import numpy as np
import minicnn
from minicnn import nn, ops

minicnn.use_backend("numpy")


def encoder(seed, normalize=False):
    """24 × 24 pixels to 16 numbers, and from these to 8 people."""
    middle = [nn.BatchNorm(12)] if normalize else []
    layers = [nn.Conv2d(1, 8, 3, stride=2, activation="relu", seed=seed)]
    layers += [nn.Conv2d(8, 12, 3, stride=2, seed=seed + 1), *middle, nn.ReLU(), nn.Flatten()]
    layers += [nn.Linear(300, 16, seed=seed + 2), nn.Linear(16, 8, seed=seed + 3)]
    network = nn.Sequential(*layers)
    for parameter in network.parameters():
        parameter.data = parameter.data.astype(np.float64)
    return network


def gradient(network, pictures, who):
    """The gradient of the mean loss, all parameters in one row."""
    for parameter in network.parameters():
        parameter.grad = None
    ops.cross_entropy(network(pictures), who).backward()
    return np.concatenate([parameter.grad.ravel() for parameter in network.parameters()])


def step(network, row, rate):
    """Plain descent with a gradient that is one row."""
    start = 0
    for parameter in network.parameters():
        size = parameter.data.size
        parameter.data = parameter.data - rate * row[start : start + size].reshape(parameter.data.shape)
        start += size


def send(stream, row):
    stream.write(np.int64(row.size).tobytes() + row.astype(np.float64).tobytes())
    stream.flush()


def receive(stream):
    (size,) = np.frombuffer(stream.read(8), np.int64)
    return np.frombuffer(stream.read(8 * int(size)), np.float64)
'''
program = {}
exec(PROGRAM, program)
encoder, gradient, step, send, receive = (program[name] for name in ("encoder", "gradient", "step", "send", "receive"))

network = encoder(seed=0)
whole = gradient(network, pictures, who)
half = len(who) // 2
first, second = (gradient(network, pictures[part], who[part]) for part in (slice(half), slice(half, None)))
print(f"{whole.size:,} parameters; the halves' gradients differ by {np.abs(first - second).max():.3f}")
print(f"their average differs from that of the whole batch by {np.abs((first + second) / 2 - whole).max():.1e}")
assert np.allclose((first + second) / 2, whole, rtol=0, atol=1e-12)

# %% [markdown]
# ## Two processes
#
# Each process gets its half of the pictures once. Then, twenty times: it sends its gradient, gets the average back, and
# takes a step. In the end it sends its parameters, so that we can see whether they are what they should be.
#
# **Predict**: after twenty steps, by how much do the parameters of the two processes differ from each other? And from
# those of one process that had the whole batch?

# %% tags=["predict"]
WORKER = (
    PROGRAM
    + f"""
import sys
given, told = sys.stdin.buffer, sys.stdout.buffer
network = encoder(seed=0)
who = receive(given).astype(int)
pictures = receive(given).reshape(len(who), 24, 24, 1)
for _ in range({STEPS}):
    send(told, gradient(network, pictures, who))
    step(network, receive(given), {RATE})
send(told, np.concatenate([parameter.data.ravel() for parameter in network.parameters()]))
"""
)


class Process:
    """A process with half of the batch. carried: bytes of gradients that went both ways."""

    def __init__(self, part):
        # The modules are found where this process finds them.
        start = f"import sys; sys.path[:] = {sys.path!r}\n"
        self.process = subprocess.Popen(
            [sys.executable, "-c", start + WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.carried = 0
        send(self.process.stdin, who[part].astype(float))
        send(self.process.stdin, pictures[part].ravel())

    def hear(self):
        row = receive(self.process.stdout)
        self.carried += row.nbytes
        return row

    def tell(self, row):
        self.carried += row.nbytes
        send(self.process.stdin, row)


def train_on_two(parts, weights):
    """Return the parameters of each process, and the bytes that each one's gradients took."""
    processes = [Process(part) for part in parts]
    try:
        for _ in range(STEPS):
            rows = [process.hear() for process in processes]
            mean = sum(weight * row for weight, row in zip(weights, rows, strict=True))
            for process in processes:
                process.tell(mean)
        carried = [process.carried for process in processes]
        return [process.hear() for process in processes], carried
    finally:
        for process in processes:
            process.process.stdin.close()
            process.process.wait()
            process.process.stdout.close()


halves = [slice(half), slice(half, None)]
(left, right), carried = train_on_two(halves, [0.5, 0.5])

# %% tags=["answer"]
alone, losses = encoder(seed=0), []
for _ in range(STEPS):
    losses.append(ops.cross_entropy(alone(pictures), who).item())
    step(alone, gradient(alone, pictures, who), RATE)
one = np.concatenate([parameter.data.ravel() for parameter in alone.parameters()])
print(f"the loss of the whole batch fell from {losses[0]:.3f} to {losses[-1]:.3f}")
print(
    f"the processes differ by {np.abs(left - right).max():.1e}, and from one process by {np.abs(left - one).max():.1e}"
)
assert np.array_equal(left, right)
assert np.abs(left - one).max() < 1e-5 and losses[-1] < losses[0]

# %% [markdown] tags=["answer"]
# From each other by nothing at all: they got the same average, bit by bit. From the one process by rounding, because it
# adds the same numbers in another order. In float32 that is a difference in the seventh digit which grows with the
# steps; nobody can tell the two networks by what they do.
#
# What if each of them added the two gradients itself, in an order of its own? a + b is b + a, also in floats. With
# three machines (a + b) + c need not be a + (b + c). Then one must add for all, or all in one order.

# %% [markdown]
# ## Halves that are no halves
#
# One machine is slower and gets eight pictures, the other one twenty-four. **Predict**: is the average still right?

# %% tags=["predict"]
uneven = [slice(8), slice(8, None)]
naive, _ = train_on_two(uneven, [0.5, 0.5])
weighted, _ = train_on_two(uneven, [8 / 32, 24 / 32])

# %% tags=["answer"]
print(
    f"averaged: off by {np.abs(naive[0] - one).max():.1e}; weighted by pictures: {np.abs(weighted[0] - one).max():.1e}"
)
assert np.abs(naive[0] - one).max() > 1e-3 and np.abs(weighted[0] - one).max() < 1e-5

# %% [markdown] tags=["answer"]
# A mean of means is the mean only if all have equally many. Weighted by the numbers of pictures it is right again. This
# happens at the end of every epoch, when the last batch is a short one.

# %% [markdown]
# ## What a network carries
#
# Per step and process, a gradient goes out and an average comes back: two numbers per parameter, however many pictures
# there are. A machine that adds for all receives p gradients. When each adds a p-th of them (a *ring*), everyone sends
# and receives 2(p − 1)/p of a gradient, which is less than two for any p.
#
# So larger batches cost no more to carry. But a large network may take longer to carry than to compute. Compare, for
# one step of 32 pictures on a network cable of 1 Gbit/s, in float32:

# %%
expected = 2 * STEPS * whole.size * 8
print(f"counted: {carried[0]:,} bytes a process; 2 × {STEPS} steps × {whole.size:,} parameters × 8: {expected:,}")
assert carried == [expected, expected]
CABLE = 125e6  # bytes per second
SIZES = {"this encoder": whole.size, "nn4.small2": 3.7e6, "FaceNet": 23.5e6, "DeepFace": 120e6}
seconds = {name: 2 * 4 * size / CABLE for name, size in SIZES.items()}
batch = 32 * 160 * 160 * 3 / CABLE
figure, ax = plt.subplots(figsize=(7.2, 3), layout="constrained")
ax.barh([*seconds], [*seconds.values()], color=BLUE, height=0.55)
ax.axvline(batch, color=RED, lw=1.5)
ax.annotate("the 32 pictures themselves", (batch * 1.15, -0.45), color=RED, fontsize=10)
for row, value in enumerate(seconds.values()):
    ax.annotate(f"{value:.2g} s", (value * 1.1, row), va="center", color=INK)
ax.set(xscale="log", xlabel="seconds per step at 1 Gbit/s", xlim=(1e-4, 60))
ax.invert_yaxis()
figure.suptitle("Gradients travel, not pictures: what one step carries", x=0.01, ha="left")
figure.savefig("averaged.png", dpi=120)
plt.show()

# %% [markdown]
# DeepFace's 120 million parameters are mostly in layers whose filters are not shared (lesson 9). They are cheap to
# compute and dear to carry. Networks of shared filters are the other way round, which is why they train well on many
# machines. Remedies, in the order in which to try them: more pictures per step, gradients in half precision, and
# sending those of the last layers while the first are still computed.

# %% [markdown]
# ## What needs the whole batch: statistics
#
# The average is right because the loss is a mean of terms *of one picture each*. Batch norm breaks that: what it does
# to a picture depends on the others in its batch.
#
# **Predict**: the same test as at first, for an encoder with batch norm. How far is the average off?

# %% tags=["predict"]
normalized = encoder(seed=0, normalize=True)
normalized.train()
whole_norm = gradient(normalized, pictures, who)
average = sum(gradient(normalized, pictures[part], who[part]) for part in halves) / 2
off = np.linalg.norm(average - whole_norm) / np.linalg.norm(whole_norm)

# %% tags=["answer"]
print(f"off by {off:.0%} of the gradient's length")
assert off > 0.05

# %% [markdown] tags=["answer"]
# Each half has subtracted its own mean and divided by its own deviation. That is another function of the parameters,
# with another gradient. It is no *error*: with large halves people train so and are content. But it is not the same.
#
# To make it the same, the machines must agree on the statistics before they go on. Sums can be added up. Each sends,
# per channel, Σx and Σx² and the number of values:

# %%
features = normalized.layers[1](normalized.layers[0](pictures)).data
sums = [(x.sum(axis=(0, 1, 2)), np.square(x).sum(axis=(0, 1, 2)), x[..., 0].size) for x in np.split(features, 2)]
total, squares, count = (sum(part) for part in zip(*sums, strict=True))
mean, variance = total / count, squares / count - (total / count) ** 2
assert np.allclose(mean, features.mean(axis=(0, 1, 2))) and np.allclose(variance, features.var(axis=(0, 1, 2)))
print(f"{2 * mean.size + 1} numbers for a layer of {mean.size} channels, and as many for the way back")

# %% [markdown]
# Two numbers a channel are nothing next to a gradient. But they are needed *in the middle*, at every such layer, and
# everyone waits for them. This is called synchronized batch norm.

# %% [markdown]
# ## What needs the whole batch: triplets
#
# A triplet has three pictures, and they may be on different machines. Each machine can only mine in its own half.
#
# **Predict**: of all triplets in the batch, what share has all three pictures in one half? And does an anchor keep its
# hardest negative?

# %% tags=["predict"]
encodings = nn.Sequential(*alone.layers[:-1])(pictures).data
everything = faces.mine_triplets(encodings, who, strategy="all")
within = sum(len(faces.mine_triplets(encodings[part], who[part], strategy="all")) for part in halves)
hardest = {(a, p): n for a, p, n in faces.mine_triplets(encodings, who, strategy="batch-hard").tolist()}
kept = sum((a < half) == (p < half) == (n < half) for (a, p), n in hardest.items())

# %% tags=["answer"]
print(f"{within:,} of {len(everything):,} triplets, {within / len(everything):.0%}, lie in one half")
print(f"{kept} of {len(hardest)} anchors find their hardest triplet at home")
assert within < 0.3 * len(everything) and kept < 0.6 * len(hardest)

# %% [markdown] tags=["answer"]
# About a quarter: the second and the third picture must be at home with the first, ½ × ½. And most anchors lose their
# hardest triplet. Mining in halves is mining in a smaller batch, and lesson 6 has shown what the size of a batch is
# worth. FaceNet took 1,800 pictures for this reason.
#
# The remedy is cheap: encodings are short. Every machine sends those of its pictures to all others, mines in all of
# them, and computes the gradient of the loss for *its* encodings. From there back it needs nobody:

# %% tags=["answer"]
each = encodings.shape[1] * encodings.itemsize
print(f"{half} encodings of {encodings.shape[1]} numbers: {half * each:,} bytes; a gradient: {whole.nbytes:,}")
assert half * each < 0.2 * whole.nbytes

# %% [markdown]
# ## What you have now
#
# - The gradient of a mean is the mean of the gradients. Two machines with halves of a batch train the same network.
# - Weight by the number of pictures, or the last batch of an epoch is wrong.
# - Per step two numbers a parameter travel, whatever the size of the batch. Pictures and parameters stay at home.
# - What looks at the whole batch must be exchanged: sums for batch norm, encodings for triplets.
#
# **Try it**
#
# 1. Give the two processes momentum. What do they have to exchange now? (Look for what is *not* equal without it.)
# 2. Let them average their *parameters* after twenty steps of their own, in place of gradients at every step. Is that
#    the same network? After one step it is: why?
# 3. Send float16. By how much does the network differ after twenty steps, and does the loss notice?
# 4. Three processes. Which order of adding do you choose, and who adds?
# 5. Kill one of the processes in the middle. What would you have to keep to go on without it?
#
# **Where to look in the source**
#
# - `minicnn/scale/`: work that needs no exchange at all, encoding and search, on many machines.
# - `minicnn/nn/`: `BatchNorm`. `minicnn/faces/mining.py`: which triplets there are.
#
# This was the last lesson. `notes_that_differ.py` holds other people's notes to them.
