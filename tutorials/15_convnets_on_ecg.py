# %% [markdown]
# # Lesson 15: ConvNets on heartbeats
#
# A convolution does not know what a picture is. Give it a row of numbers, and it slides along the row. The lecture
# shows it with an electrocardiogram (ECG), the voltage that a heart makes on the skin: 14 samples meet 16 filters of 5.
#
# In this lesson you do that by hand, then train a ConvNet to tell five kinds of rhythm apart, see it mix up two of
# them, find out why, and mend it without a single weight more.
#
# The recordings are *drawn*, by the formula of `minicnn/datasets/heartbeats.py`. This is a demonstration of
# convolutions. It is no diagnosis, and nothing that learned from drawings may come near one; the end of the lesson
# shows how easily it breaks.

# %%
import matplotlib.pyplot as plt
import numpy as np

from minicnn import Tensor, nn, no_grad, ops, optim
from minicnn.datasets import batches, heartbeats
from minicnn.datasets.heartbeats import KINDS, RATE

random = np.random.default_rng(0)
INK, BLUE, RED, GREEN, SAND, GREY = "#222222", "#2f6690", "#c8553d", "#8a9a5b", "#f4efe6", "#777777"
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## 14×1 meets 5×1
#
# One beat has five waves, and they have names: P (the atria contract), Q, R and S (the ventricles do), T (they
# recover). Each is a Gaussian here, after McSharry and others (2003). Take 14 samples of it: an array of 14×1, for
# there is one channel.
#
# **Predict** the shape of what 16 filters of 5 make of it, without padding. And how many weights are there?

# %% tags=["predict"]
times = np.linspace(-0.26, 0.39, 14)
x = heartbeats.beat(times)[:, None]  # (14, 1)
layer = nn.Conv1d(1, 16, 5, seed=1)
w, b = layer.w.data.astype(float), layer.b.data.astype(float)

by_hand = np.zeros((10, 16))
for place in range(10):
    for j in range(16):
        by_hand[place, j] = sum(x[place + k, 0] * w[k, 0, j] for k in range(5)) + b[j]

y = layer(x[None].astype(np.float32)).data[0]
weights = sum(parameter.size for parameter in layer.parameters())
print(f"{x.shape} with filters {w.shape} -> {y.shape}, {weights} weights, biases included")

# %% tags=["answer"]
assert y.shape == by_hand.shape == (10, 16) and weights == 16 * 5 + 16
assert np.allclose(by_hand, ops.conv(x[None], w, b).data[0], rtol=0, atol=1e-12)
assert np.allclose(by_hand, y, atol=1e-5)

fig, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4.3), layout="constrained", width_ratios=(1.3, 0.8, 1.2))
smooth = np.linspace(-0.3, 0.43, 300)
left.plot(smooth, heartbeats.beat(smooth), color=GREY, lw=1)
left.vlines(times, 0, x[:, 0], color=BLUE, lw=2)
left.plot(times, x[:, 0], "o", color=BLUE, ms=7)
left.axvspan(times[4] - 0.02, times[8] + 0.02, color=RED, alpha=0.13, lw=0)
for wave, (centre, _, height) in heartbeats.WAVES.items():
    left.text(centre, height + (0.06 if height > 0 else -0.13), wave, ha="center", weight="bold")
left.set(title="one beat, 14×1", xlabel="seconds", ylabel="mV", ylim=(-0.45, 1.2))
strongest = int(np.abs(by_hand[4]).argmax())
middle.bar(range(5), w[:, 0, strongest], color=RED)
middle.axhline(0, color=INK, lw=0.8)
middle.set(title=f"filter {strongest} of 16, 5×1", xlabel="tap", ylabel="weight", xticks=range(5))
limit = np.abs(by_hand).max()
right.imshow(by_hand.T, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
right.add_patch(plt.Rectangle((3.5, strongest - 0.5), 1, 1, fill=False, edgecolor=INK, lw=2.5))
right.set(title="outputs, 10×16", xlabel="place", ylabel="filter", xticks=range(10), yticks=(0, 5, 10, 15))
fig.savefig("from_14_to_10.png", dpi=140)
plt.show()

# %% [markdown]
# Ten places, for 14 − 5 + 1 = 10, and 16 numbers at each: 10×16. The framed one is filter times shaded samples. The
# same 96 weights would do for a recording of a day; a dense layer would need as many rows as there are samples.
#
# ## Five kinds
#
# A recording has four seconds of 100 samples. Persons differ, in rate and in the size of each wave; the baseline
# wanders with the breath; and there is noise.
#
# - *premature beat*: one comes too early, wide and without P, and a pause follows;
# - *no P wave*, and nothing else;
# - *wide QRS*: Q, R and S take twice their time;
# - *irregular rhythm*: every beat is normal, but the next one comes when it likes.

# %%
signals, labels = heartbeats.recordings(1000, seed=random)
others, their_labels = heartbeats.recordings(500, seed=random)  # other people, to test with
print(signals.shape, signals.dtype, np.bincount(labels))
assert signals.shape == (1000, 400, 1)

fig, panels = plt.subplots(5, 1, figsize=(10, 8), layout="constrained", sharex=True, sharey=True)
for kind, ax in enumerate(panels):
    ax.plot(np.arange(400) / RATE, signals[5 + kind, :, 0], color=INK, lw=1.2)
    ax.text(0.005, 0.97, KINDS[kind], transform=ax.transAxes, color=RED, weight="bold", va="top")
    ax.set(ylabel="mV", xlim=(0, 4), ylim=(-0.7, 1.9), yticks=(0, 1))
    ax.grid(alpha=0.25)
panels[-1].set_xlabel("seconds")
fig.savefig("five_kinds.png", dpi=130)
plt.show()

# %% [markdown]
# ## A ConvNet for signals
#
# Five layers with 16 filters of 5 each; two pools make the row four times shorter; then of every channel the largest
# and the mean value, wherever in the recording they are, and one dense layer. Nothing is new but the 1 in `Conv1d`.
#
# The last three layers may leave gaps between their taps. `dilation=4` looks at samples 0, 4, 8, 12, 16 instead of 0 to
# 4. That costs nothing: as many weights, as many multiplications. Remember it for later.


# %%
class RhythmNet(nn.Module):
    """Signals (N, 400, 1) to one number for each kind, (N, 5)."""

    def __init__(self, dilations):
        source = np.random.default_rng(0)

        def layer(C, dilation=1):
            return nn.Conv1d(C, 16, 5, padding="same", dilation=dilation, activation="relu", seed=source)

        first = [layer(1), nn.MaxPool1d(2), layer(16), nn.MaxPool1d(2)]
        self.maps = nn.Sequential(*first, *(layer(16, dilation) for dilation in dilations))
        self.head = nn.Linear(32, len(KINDS), initial="glorot", seed=source)

    def forward(self, x):
        maps = self.maps(x)
        return self.head(ops.concat([ops.max(maps, axis=1), ops.mean(maps, axis=1)], axis=1))


def train(model, epochs=8, batch=40):
    order = np.random.default_rng(1)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(epochs):
        optimizer.lr = 0.01 * (1 - epoch / epochs)
        for some, right in batches(signals, labels, batch_size=batch, seed=order):
            loss = ops.cross_entropy(model(some), right)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


def answers(model, x):
    with no_grad():
        return model(Tensor(x)).data.argmax(axis=1)


near = train(RhythmNet((1, 1, 1)))
said = answers(near, others)
of_near = np.array([np.mean(said[their_labels == kind] == kind) for kind in range(5)])
print(f"right about other people: {np.mean(said == their_labels):.0%}; guessing gives 20%")
assert np.mean(said == their_labels) > 0.7

# %% [markdown]
# Not bad for some seconds. **Predict** before you look: nearly all its mistakes are about two of the five kinds. Which
# two, and why these?

# %% tags=["predict"]
for kind, share in zip(KINDS, of_near, strict=True):
    print(f"  {kind:17} {share:.0%}")

# %% tags=["answer"]
assert of_near[1:4].min() > 0.9  # premature, no P, wide
assert of_near[[0, 4]].mean() < 0.75  # normal against irregular

# %% [markdown] tags=["answer"]
# Normal and irregular rhythm are mixed up. Three kinds can be told from *one beat*. For the irregular rhythm every beat
# is as it should be; what is wrong stands between one beat and the next.

# %% [markdown]
# How far can this network look? Count as in lesson 11, and then measure it.


# %%
def receptive_field(dilations):
    """Samples that one place of the last layer can see."""
    seen, step = 1, 1
    for size, stride, dilation in [(5, 1, 1), (2, 2, 1), (5, 1, 1), (2, 2, 1), *((5, 1, d) for d in dilations)]:
        seen += (size - 1) * dilation * step
        step *= stride
    return seen


def span_of_gradient(model):
    """The same measured: the first and the last sample that move the middle place of the last layer."""
    x = Tensor(others[:40].copy(), requires_grad=True)
    ops.sum(model.maps(x)[:, 50]).backward()
    touched = np.flatnonzero(np.abs(x.grad).max(axis=(0, 2)))
    return touched[-1] - touched[0] + 1


FAR = (1, 4, 8)
for dilations in ((1, 1, 1), FAR):
    field = receptive_field(dilations)
    print(f"dilations {dilations}: {field} samples, {field / RATE:.2f} s")
print(f"measured: {span_of_gradient(near)} samples. From beat to beat: {60 / 95:.2f} to {60 / 60:.2f} s")
assert receptive_field((1, 1, 1)) == 64 and receptive_field(FAR) == 224
assert 0.9 * 64 < span_of_gradient(near) <= 64

# %% [markdown]
# It sees 0.64 seconds. That is one beat, and hardly ever two of them. No training can teach it to compare distances
# that do not fit into its eye. So let the same layers look further apart: dilations of 1, 4 and 8, 2.24 seconds, and
# not one weight more.

# %%
far = train(RhythmNet(FAR))
said_far = answers(far, others)
of_far = np.array([np.mean(said_far[their_labels == kind] == kind) for kind in range(5)])
sizes = [sum(parameter.size for parameter in model.parameters()) for model in (near, far)]
print(f"{sizes[0]:,} weights each")
print(f"right: {np.mean(said == their_labels):.1%} near, {np.mean(said_far == their_labels):.1%} far")
print(f"normal and irregular alone: {of_near[[0, 4]].mean():.1%} near, {of_far[[0, 4]].mean():.1%} far")
assert sizes[0] == sizes[1]
assert np.mean(said_far == their_labels) > 0.9 and of_far[[0, 4]].mean() > 0.8

# %%
fig, panels = plt.subplots(1, 2, figsize=(12, 4.9), layout="constrained", sharey=True)
for ax, answer, title in zip(panels, (said, said_far), ("sees 0.64 s", "sees 2.24 s, as many weights"), strict=True):
    table = np.zeros((5, 5))
    np.add.at(table, (their_labels, answer), 1 / 100)
    ax.imshow(table, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(5, 5):
        if table[i, j] > 0.005:
            ax.text(j, i, f"{table[i, j]:.0%}", ha="center", va="center", color="white" if table[i, j] > 0.5 else INK)
    ax.set_title(f"{title}: {np.mean(answer == their_labels):.0%} right", loc="left")
    ax.set_xticks(range(5), ["normal", "premature\nbeat", "no P\nwave", "wide\nQRS", "irregular\nrhythm"])
    ax.set(xlabel="answer")
    ax.spines[:].set_visible(False)
panels[0].set_yticks(range(5), KINDS)
panels[0].set_ylabel("drawn as")
fig.savefig("near_and_far.png", dpi=140)
plt.show()

# %% [markdown]
# ## What does it look for?
#
# The first layer's filters are five numbers each, a slope or a bump; there is not much to say in 0.05 seconds. So ask
# the third layer, as in lesson 11, for the pieces that excite each unit most: the best of each recording, nine of them
# on top of each other. A place of that layer sees 32 samples.

# %%
with no_grad():
    third = Tensor(others)
    for layer in far.maps.layers[:5]:
        third = layer(third)
third = third.data[:, 4:-4]  # (N, 92, 16), where the 32 samples lie within the recording
fig, panels = plt.subplots(2, 8, figsize=(12.5, 3.6), layout="constrained", sharex=True, sharey=True)
for unit, ax in enumerate(panels.flat):
    places, loudest = third[:, :, unit].argmax(axis=1) + 4, third[:, :, unit].max(axis=1)
    for i in np.argsort(-loudest)[: 9 * (loudest.max() > 0)]:
        start = 4 * places[i] - 14
        ax.plot(np.arange(32) / RATE, others[i, start : start + 32, 0], color=BLUE, lw=1, alpha=0.6)
    if loudest.max() == 0:
        ax.text(0.16, 0.5, "silent", ha="center", color=GREY)
    ax.set(title=f"unit {unit}", xticks=(0, 0.3), yticks=(0, 1))
panels[0, 0].set_ylabel("mV")
panels[1, 0].set_ylabel("mV")
fig.supxlabel("seconds", fontsize=11)
fig.savefig("units_of_the_third_layer.png", dpi=130)
plt.show()

# %% [markdown]
# Nobody named the waves to it. There are units for the steep side of R and the dip behind it, for a QRS that is too
# wide, and some for a *flat line and then* a QRS: a detector of something that is missing. Some say nothing at all;
# their ReLU died in training, and nobody would have noticed without looking.
#
# And the whole network? *Which part of the recording did it?* Cover a fifth of a second with a straight line, and see
# by how much the right answer's lead over the second best falls. Move on.


# %%
def leads(model, x, kind):
    with no_grad():
        logits = model(Tensor(x)).data
    return logits[:, kind] - np.delete(logits, kind, axis=1).max(axis=1)


def evidence(model, signal, kind, width=20, step=4):
    """(400,): how much the lead falls, on average, when a piece around each sample is covered."""
    starts = np.arange(0, 401 - width, step)
    covered = np.repeat(signal[None], len(starts), axis=0)
    for row, start in zip(covered, starts, strict=True):
        row[start : start + width, 0] = np.linspace(row[start, 0], row[start + width - 1, 0], width)
    falls = leads(model, signal[None], kind) - leads(model, covered, kind)
    total = np.zeros(400)
    for start, fall in zip(starts, falls, strict=True):
        total[start : start + width] += fall
    return total / (width // step)


# %%
fig, panels = plt.subplots(4, 1, figsize=(11, 8), layout="constrained", sharex=True)
for ax, kind in zip(panels, (1, 2, 3, 4), strict=True):
    sure = np.flatnonzero((their_labels == kind) & (said_far == kind))[:8]
    i = sure[np.argsort(leads(far, others[sure], kind))[len(sure) // 2]]
    falls = np.maximum(evidence(far, others[i], kind), 0)
    ax.plot(np.arange(400) / RATE, others[i, :, 0], color=INK, lw=1.2)
    ax.imshow(falls[None], cmap="Oranges", extent=(0, 4, -0.8, 1.9), aspect="auto", vmin=0, alpha=0.85)
    ax.set(title=KINDS[kind], xlim=(0, 4), ylim=(-0.8, 1.9), yticks=(0, 1), ylabel="mV")
panels[-1].set_xlabel("seconds; the darker, the more the answer depends on it")
fig.savefig("evidence.png", dpi=130)
plt.show()

# %% [markdown]
# The premature beat is the premature beat; a wide QRS is seen at the QRS; a missing P at the flat line before the beat,
# with the beat. And the irregular rhythm depends on *neighbours*, on beats whose distance is odd. Cover one of them,
# and there is no distance left to measure.
#
# ## What went wrong
#
# 95% is a number about drawings like these. Change what nobody would call a change: exchange two electrodes, and the
# signal is upside down. Let the patient move, and there is three times the noise. Let another machine take 125 samples
# a second.
#
# **Predict** the share of right answers for each of the three. And will the network at least be unsure?

# %% tags=["predict"]
stretched = np.array([np.interp(np.arange(400) / 1.25, np.arange(400), signal[:, 0]) for signal in others])
harder = {
    "as drawn": others,
    "electrodes exchanged": -others,
    "three times the noise": others + random.normal(0, heartbeats.NOISE * np.sqrt(8), others.shape).astype(np.float32),
    "125 samples a second": stretched.astype(np.float32)[:, :, None],
}
survived, sure = {}, {}
for name, x in harder.items():
    with no_grad():
        chances = ops.softmax(far(Tensor(x))).data
    survived[name], sure[name] = np.mean(chances.argmax(axis=1) == their_labels), chances.max(axis=1).mean()
    print(f"{name:22} {survived[name]:.0%} right, and {sure[name]:.0%} sure of it on average")

# %% tags=["answer"]
assert survived["electrodes exchanged"] < 0.5 < 0.88 < survived["as drawn"]
assert survived["125 samples a second"] < survived["as drawn"] - 0.1
assert sure["electrodes exchanged"] > sure["as drawn"] - 0.05

# %% [markdown] tags=["answer"]
# A doctor sees at a glance what happened. The network has never seen it, and answers all the same: upside down it is as
# sure as ever, and wrong in two of three. Real recordings bring a hundred such changes at once. So: a demonstration of
# convolutions on signals. No diagnosis.

# %% [markdown]
# ## Why do the notes say RNN?
#
# The lecture says that for one-dimensional data people mostly use recurrent networks, of which the next course tells.
# You have just met the reason. A ConvNet sees as far as its receptive field and not a sample further; who wants to know
# whether *this* beat comes late compared to a minute ago has to build a field of a minute beforehand. A recurrent
# network goes along the row and carries a memory with it; it takes rows of any length, and in principle remembers
# everything. In practice it forgets, and it has to go step by step where a convolution does all places at once. Dilated
# convolutions (WaveNet, van den Oord et al. 2016) widen the field exponentially with depth, and Bai, Kolter and Koltun
# (2018) found them as good as RNNs or better on many rows of numbers. And today there is attention, which sees
# everything at once and pays for it with the square of the length.
#
# ## What you have now
#
# - 14×1 with 16 filters of 5×1 gives 10×16: one dimension is two with a loop less.
# - What lies further apart than the receptive field cannot be compared. Look there before you train longer.
# - Dilation widens the field without a weight. Here it took normal and irregular from 65% right to 87%.
# - A test set drawn like the training set tells how well the drawing was learned.
#
# **Try it**
#
# 1. Leave the irregular rhythm out of the near network's training. How good is it at the other four?
# 2. Train with a random sign for each recording. Does it survive exchanged electrodes? What does it cost?
# 3. Replace the head's maximum by the mean alone. Which kind suffers, and why? (Lesson 12 knows.)
# 4. Give it ten seconds, `heartbeats.recordings(10, seconds=10)`. It takes them. Why? Are the answers right?
# 5. Draw a kind of your own, say a T wave upside down, with `heartbeats.beat`, and add it.
# 6. Dilations of 8, 8, 8 see further still. How many samples? (400.) Better? What lies between taps that nobody looks
#    at?
# 7. `minicnn learn start conv_forward` asks for a convolution of pictures. Which of its loops goes for a signal?
#
# **Where to look in the source**
#
# - `minicnn/datasets/heartbeats.py`: the waves, their numbers and where they come from.
# - `minicnn/ops/convolution.py`: one `conv` for one, two and three dimensions.
# - `minicnn/kernels/geometry.py`: dilation, and what "same" means with it.
#
# Next: `16_convnets_on_volumes.py`.
