# %% [markdown]
# # Lesson 7: pairs, chi-square and DeepFace
#
# Triplets ask which of two is nearer. There is a plainer question: here are two pictures, is it one person, yes or no?
# A network that answers it is called *Siamese*, after twins who share a body, as two famous ones from Siam did: one
# encoder looks at both pictures, and a small *head* on top compares what it saw. The name is from Bromley, Guyon,
# LeCun, Säckinger and Shah (1993), who compared signatures. DeepFace (Taigman, Yang, Ranzato and Wolf 2014) is often
# named with it; it tried such a training as an addition, to an encoder that had learned otherwise.
#
# In this lesson you compare encodings in three ways, derive where chi-square comes from and what it refuses, let
# weights find out which features can be trusted, train the twins, and then go DeepFace's way, in its own order.
#
# Letters: f and g are the encodings of two pictures, D numbers each; y is 1 for one person and 0 for two, ŷ the
# network's answer.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

import minicnn
from minicnn import InputError, Tensor, faces, gradcheck, nn, no_grad, ops, optim
from minicnn.datasets import doodles
from minicnn.faces.evaluation import area_under_roc
from minicnn.faces.heads import chi_square

minicnn.use_backend("numpy")
random = np.random.default_rng(0)
INK, BLUE, RED, GREEN, SAND, GREY = "#222222", "#2f6690", "#c8553d", "#8a9a5b", "#f4efe6", "#777777"
COLOURS = {"l1": GREEN, "l2": BLUE, "chi2": RED}
NAMES = {"l1": "|f − g|", "l2": "(f − g)²", "chi2": "(f − g)² / (f + g)"}
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## From two encodings to a probability
#
# Compare number by number, weigh what comes out, add up, and press the sum between 0 and 1 (by a *sigmoid*):
#
# $$z = \sum_k w_k \, \varphi(f_k, g_k) + b \qquad \hat y = \frac{1}{1 + e^{-z}}$$
#
# φ is |f − g|, or (f − g)², or $\chi^2 = \frac{(f - g)^2}{f + g}$. (Without weights the first adds up to the Manhattan
# distance, the second to the square of Euclid's.) The weights are negative: the larger the difference, the less likely
# it is one person. The cost is the cross-entropy, and its gradient is as simple as can be: $\frac{\partial L}{\partial
# z} = \hat y - y$.
#
# From there the chain rule goes on into the encodings. Take χ² apart by the quotient rule:
#
# $$\frac{\partial \chi^2}{\partial f} = \frac{(f - g)(f + 3g)}{(f + g)^2} \qquad
# \frac{\partial \chi^2}{\partial g} = -\frac{(f - g)(3f + g)}{(f + g)^2}$$

# %%
f, g = (Tensor(random.uniform(0.1, 2, (1, 4)), requires_grad=True) for _ in range(2))
for kind in NAMES:
    head = faces.PairHead(kind, dimensions=4)
    f.grad = g.grad = None
    ops.binary_cross_entropy(head(f, g), [1.0]).backward()
    with no_grad():
        error = head.probability(f, g).item() - 1  # ŷ − y
    difference, total = f.data - g.data, f.data + g.data
    slope = {
        "l1": np.sign(difference),
        "l2": 2 * difference,
        "chi2": difference * (f.data + 3 * g.data) / total**2,
    }[kind]
    by_hand = error * head.w.data * slope
    print(f"{kind:5} ŷ = {error + 1:.3f}, ∂L/∂f = {f.grad[0].round(4)}, by hand {by_hand[0].round(4)}")
    assert np.allclose(f.grad, by_hand, rtol=1e-5)
    report = gradcheck(lambda f, g, head=head: head(f, g), [f.data, g.data])
    assert report.ok
print(report)

# %% [markdown]
# ## One encoder, called twice
#
# There is one set of weights. Both calls use it, so both send a gradient to it, and the gradients *add up* (lesson 1:
# what is used twice collects twice). Nobody has to copy anything. To see it, stop the gradient of one twin, then that
# of the other, and add.

# %%
w = Tensor(random.normal(0, 1, (5, 4)), requires_grad=True, name="w")
x, y = random.normal(0, 1, (2, 1, 5))


def gradient_of_twins(left, right):
    """Of w, where a twin that is switched off looks with a copy that takes no gradient."""
    fixed = Tensor(w.data.copy())
    w.grad = None
    f, g = ops.relu(Tensor(x) @ (w if left else fixed)), ops.relu(Tensor(y) @ (w if right else fixed))
    ops.binary_cross_entropy(faces.PairHead("l2", 4)(f, g), [1.0]).backward()
    return w.grad.copy()


both, left_only, right_only = gradient_of_twins(1, 1), gradient_of_twins(1, 0), gradient_of_twins(0, 1)
print(f"both {np.linalg.norm(both):.4f}; left + right, differing by {np.abs(both - left_only - right_only).max():.0e}")
assert np.allclose(both, left_only + right_only) and not np.allclose(both, left_only)

# %% [markdown]
# ## Where chi-square comes from
#
# Suppose that a feature *counts* something: how often a pattern was seen in the picture. Features behind a ReLU are a
# little like that. Count the same thing twice and you do not get the same number. A count that is 100 on average
# strays by about 10, one that is 4 by about 2, for a count strays by the root of its mean (Poisson). So a difference of
# 5 is nothing between 100 and 105, and a lot between 1 and 6.
#
# (f − g)² is twice the mean on average, so large counts drown small ones. Divide by f + g, which is also about twice
# the mean, and what is left is 1, whatever the mean.

# %%
means = np.geomspace(2, 200, 13)
counts = random.poisson(means, (2, 4000, len(means))).astype(float)
noise = {
    "l1": np.abs(counts[0] - counts[1]).mean(axis=0),
    "l2": np.square(counts[0] - counts[1]).mean(axis=0),
    "chi2": chi_square(*counts).data.mean(axis=0),
}
for kind, values in noise.items():
    print(
        f"{NAMES[kind]:20} of two counts of one thing: {values[0]:6.2f} where it is {means[0]:.0f}, "
        f"{values[-1]:6.2f} where it is {means[-1]:.0f}"
    )
assert np.allclose(noise["chi2"], 1, atol=0.15) and np.allclose(noise["l2"] / (2 * means), 1, atol=0.15)

# %% [markdown]
# People of counts, then: 32 features. Some count what is rare, some what is frequent, and each says as much of a person
# as any other. A picture counts. No weights yet, all features alike. How often is a pair of one person nearer than a
# pair of two? **Predict** the order of the three.

# %% tags=["predict"]
D = 32
TYPICAL = np.geomspace(2, 300, D)


def pairs_of_counts(count):
    """(f, g, same): the first half one person, the second half two."""
    people = np.square(np.sqrt(TYPICAL) + random.normal(0, 0.4, (3 * count // 2, D)))
    first = np.arange(count)
    second = np.where(first < count // 2, first, first + count // 2)
    return random.poisson(people[first]), random.poisson(people[second]), (first < count // 2).astype(float)


f, g, same = (values.astype(np.float32) for values in pairs_of_counts(4000))
plain = {kind: area_under_roc(-faces.PairHead(kind, D)(f, g).data, same) for kind in NAMES}
for kind, share in plain.items():
    print(f"{NAMES[kind]:20} in the right order: {share:.1%}")

# %% [markdown] tags=["answer"]
# χ² knows how counts stray, and that is worth a lot. The others listen to the frequent features above all.

# %% tags=["answer"]
assert plain["chi2"] > plain["l1"] > plain["l2"]

# %% [markdown]
# But what if the weights may learn? Show the three heads pairs, and let them find out by themselves.


# %%
def fit(kind, steps=150):
    """A head trained on the pairs of counts, by the cross-entropy. Its weights begin alike."""
    head = faces.PairHead(kind, D)
    with no_grad():
        head.w.data /= np.std(head(f, g).data)  # counts are large: begin where the sigmoid is not flat
        head.b.data -= np.mean(head(f, g).data)
    optimizer = optim.Adam(head.parameters(), learning_rate=float(np.abs(head.w.data).mean()))
    for _ in range(steps):
        optimizer.learning_rate *= 0.98
        loss = ops.binary_cross_entropy(head(f, g), same)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return head


others = [values.astype(np.float32) for values in pairs_of_counts(2000)]
heads = {kind: fit(kind) for kind in NAMES}
learned = {kind: area_under_roc(-head(*others[:2]).data, others[2]) for kind, head in heads.items()}
for kind, share in learned.items():
    print(f"{NAMES[kind]:20} weights all alike {plain[kind]:.1%}, learned {share:.1%}")
assert learned["l1"] > plain["l1"] + 0.02 and learned["l2"] > plain["l2"] + 0.04
assert abs(learned["chi2"] - plain["chi2"]) < 0.03 and min(learned.values()) > 0.86

# %%
relative = {kind: head.w.data / head.w.data[-1] for kind, head in heads.items()}
steepness = {kind: np.polyfit(np.log(TYPICAL), np.log(np.abs(w)), 1)[0] for kind, w in relative.items()}
print("weights fall as a power of the typical count:", {kind: f"{power:.2f}" for kind, power in steepness.items()})
assert -1.25 < steepness["l2"] < -0.75 < steepness["l1"] < -0.3 and abs(steepness["chi2"]) < 0.15

fig, (left, right) = plt.subplots(1, 2, figsize=(12.5, 4.8), layout="constrained")
for kind, colour in COLOURS.items():
    left.loglog(means, noise[kind], "o-", color=colour, lw=2)
    left.text(means[-1] * 1.12, noise[kind][-1], NAMES[kind], color=colour, weight="bold", va="center")
    right.loglog(TYPICAL, np.abs(heads[kind].w.data) / np.abs(heads[kind].w.data).mean(), "o", color=colour, ms=6)
    line = np.exp(np.polyval(np.polyfit(np.log(TYPICAL), np.log(np.abs(relative[kind])), 1), np.log(TYPICAL)))
    line *= np.abs(heads[kind].w.data[-1]) / np.abs(heads[kind].w.data).mean()
    right.loglog(TYPICAL, line, color=colour, lw=1.5, alpha=0.6)
    right.text(340, line[-1], f"{NAMES[kind]}: {learned[kind]:.0%}", color=colour, weight="bold", va="center")
left.set(xlabel="how often it is counted", xlim=(1.7, 1500))
left.set_title("What two counts of one thing differ by", loc="left")
right.set(xlabel="how often it is counted", xlim=(1.7, 4000))
right.set_title("The weights that the heads have learned", loc="left")
for ax in (left, right):
    ax.set_xticks((2, 10, 50, 200), ("2", "10", "50", "200"))
    ax.set_xticks((), minor=True)
    ax.grid(alpha=0.25)
fig.savefig("chi_square.png", dpi=150)
plt.show()

# %% [markdown]
# Look at what they found. The weights of (f − g)² fall about as 1 over the typical count, those of |f − g| as 1 over
# its root, and χ²'s are flat. The heads have *discovered* how counts stray, and all three end up alike. χ² had it built
# in: no weight to learn, and for a person with fewer counts than usual it is right as well, which no fixed weight can
# be.
#
# ## What chi-square refuses
#
# All this rests on f and g being 0 or more. The encodings of lesson 6 are not, they are points all around a sphere.
# **Predict** what χ² makes of them.

# %% tags=["predict"]
for a, b in ((0.5, 0.4), (0.5, -0.4), (0.5, -0.49), (0.4, -0.5)):
    print(f"f = {a}, g = {b:5}: (f − g)² = {(a - b) ** 2:.2f}, (f − g)² / (f + g) = {(a - b) ** 2 / (a + b):7.2f}")
try:
    faces.PairHead("chi2", 2)(np.array([[0.5, 0.2]]), np.array([[0.4, -0.1]]))
    raise AssertionError("this should not have been reached")
except InputError as refusal:
    print(f"\n{refusal}")

# %% [markdown] tags=["answer"]
# A tiny move of g multiplies the "distance" by ten, and one more step makes it *negative*: nearer than the same picture
# twice. So χ² wants an encoder that ends with a ReLU, as DeepFace's does.

# %% [markdown]
# ## Train the twins
#
# Now for pictures. Eighty doodled people; an encoder that ends with a ReLU, so that every head may sit on it. A batch
# is P people with K pictures each; its pairs of one person are few and those of two are many, so we draw as many of
# these as there are of those. And we test on people that nobody has trained with.

# %%
pictures, who = doodles.album(people=80, each=6, seed=random)
strangers, their_names = doodles.album(people=50, each=4, seed=random)
sampler = faces.PeopleSampler(who, people=10, pictures=4)


def pairs_among(people, source):
    """(first, second, same): all pairs of one person, and as many of two."""
    first, second = np.triu_indices(len(people), 1)
    same = people[first] == people[second]
    chosen = np.concatenate([np.flatnonzero(same), source.choice(np.flatnonzero(~same), same.sum(), replace=False)])
    return first[chosen], second[chosen], same[chosen]


def new_encoder(source):
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(doodles.SIZE**2, 64, activation="relu", seed=source),
        nn.Linear(64, 32, activation="relu", seed=source),
    )


def training(encoder, loss_of, parameters, epochs):
    """All people, epoch by epoch; yields the seconds that each took. loss_of(encodings, people) of a batch."""
    optimizer = optim.Adam(parameters, learning_rate=0.002)
    for epoch in range(epochs):
        start = time.perf_counter()
        for rows in sampler.epoch(epoch):
            loss = loss_of(encoder(Tensor(pictures[rows])), who[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        yield time.perf_counter() - start


def twins(kind, epochs=16):
    """The encoder, the head, and their training, which is still to be run."""
    source = np.random.default_rng(0)
    encoder, head = new_encoder(source), faces.PairHead(kind, 32)

    def loss_of(encodings, people):
        first, second, same = pairs_among(people, source)
        return ops.binary_cross_entropy(head(encodings[first], encodings[second]), same)

    return encoder, head, training(encoder, loss_of, [*encoder.parameters(), *head.parameters()], epochs)


def train_twins(kind):
    encoder, head, run = twins(kind)
    for _ in run:
        pass
    return encoder, head


first, second, same = pairs_among(their_names, random)
pixels = np.square(strangers[first] - strangers[second]).sum(axis=(1, 2, 3))
results = {"pixels": faces.evaluate_pairs(pixels, same)}
answers = {}
for kind in NAMES:
    encoder, head = train_twins(kind)
    with no_grad():
        encodings = encoder(Tensor(strangers))
        answers[kind] = head.probability(encodings[first], encodings[second]).data
    results[kind] = faces.evaluate_pairs(1 - answers[kind], same)
for name, result in results.items():
    print(
        f"{NAMES.get(name, name):20} {result.accuracy:.1%} of the strangers' pairs right ± {result.standard_error:.1%}"
    )
assert results["pixels"].accuracy < 0.65 and all(results[kind].accuracy > 0.75 for kind in NAMES)

# %%
fig, panels = plt.subplot_mosaic(
    [["how", "0", "1", "2", "3"], ["how", "4", "5", "6", "7"]], figsize=(13, 4.8), width_ratios=(2.6, 1, 1, 1, 1)
)
fig.subplots_adjust(left=0.04, right=0.99, top=0.88, bottom=0.11, wspace=0.1, hspace=0.35)
probability = answers["chi2"]
for truth, colour, label, place in ((True, BLUE, "one person", 0.98), (False, RED, "two people", 0.5)):
    panels["how"].hist(probability[same == truth], np.linspace(0, 1, 26), color=colour, alpha=0.55)
    panels["how"].text(place, 0.9, label, color=colour, weight="bold", ha="right", transform=panels["how"].transAxes)
panels["how"].set(xlabel="ŷ, the probability of one person", yticks=[], xlim=(0, 1))
panels["how"].set_title("Strangers, as the χ² head sees them", loc="left")
order = np.argsort(probability)
examples = [order[same[order]][[-1, -10, 10, 0]], order[~same[order]][[0, 10, -10, -1]]]
for place, pair in enumerate(np.concatenate(examples)):
    ax = panels[str(place)]
    gap = np.full((doodles.SIZE, 1), 0.5)
    ax.imshow(np.hstack([strangers[first[pair], :, :, 0], gap, strangers[second[pair], :, :, 0]]), cmap="bone")
    ax.set_title("one person" if same[pair] else "two people", fontsize=9, color=BLUE if same[pair] else RED)
    right_answer = (probability[pair] > 0.5) == same[pair]
    ax.set_xlabel(
        f"ŷ = {probability[pair]:.2f}" + ("" if right_answer else ": wrong"), color=INK if right_answer else RED
    )
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
fig.savefig("twins.png", dpi=150)
plt.show()

# %% [markdown]
# ## Pairs against triplets
#
# Which is better, a head on pairs or the triplets of lesson 6? Ask only what can be answered: the same encoder from the
# same first weights, the same people, the same batches, the same clock. After each epoch we put all pairs of the
# strangers in order, nearest first, and count how often a pair of one person comes before a pair of two. (Measuring
# stops the clock. Triplets need encodings of one length; so that is what they are given, in training and after. And
# they may train for twice as many epochs.) **Predict** the winner.

# %% tags=["predict"]
EPOCHS = {"pairs, χ² head": 16, "triplets": 32}
everyone = np.triu_indices(len(strangers), 1)
one_person = their_names[everyone[0]] == their_names[everyone[1]]


def triplets(epochs):
    """The same encoder and its training by random triplets of each batch."""
    source = np.random.default_rng(0)
    encoder = new_encoder(source)

    def loss_of(encodings, people):
        encodings = ops.l2_normalize(encodings)
        chosen = faces.mine_triplets(encodings, people, strategy="random", seed=source)
        return faces.batch_triplet_loss(encodings, chosen, reduction="mean")

    return encoder, faces.distance, training(encoder, loss_of, encoder.parameters(), epochs)


def in_order(encoder, kind, measure):
    """The share of the strangers' pairs, one of one person and one of two, that are in the right order."""
    with no_grad():
        codes = encoder(Tensor(strangers))
        codes = (ops.l2_normalize(codes) if kind == "triplets" else codes).data
        d = measure(codes[everyone[0]], codes[everyone[1]])
        return area_under_roc(d if kind == "triplets" else -d.data, one_person)


race = {}
for kind, epochs in EPOCHS.items():
    encoder, measure, run = triplets(epochs) if kind == "triplets" else twins("chi2", epochs)
    race[kind] = np.array([(seconds, in_order(encoder, kind, measure)) for seconds in run])
    race[kind][:, 0] = race[kind][:, 0].cumsum()
pairs, threes = race.values()
bell = min(pairs[-1, 0], threes[-1, 0])
at_bell = {kind: np.interp(bell, *run.T) for kind, run in race.items()}
print(f"after 16 epochs each: pairs {pairs[15, 1]:.1%}, triplets {threes[15, 1]:.1%} in the right order")
print(f"triplets after 32: {threes[-1, 1]:.1%}")
print(f"after {bell:.1f} s each: " + ", ".join(f"{kind} {share:.1%}" for kind, share in at_bell.items()))

# %% tags=["answer"]
assert pairs[-1, 1] > threes[15, 1] + 0.01 and pairs[-1, 1] > threes[-1, 1] - 0.02 and threes[-1, 1] > 0.7

# %% tags=["answer"]
fig, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
for (kind, run), colour in zip(race.items(), (RED, BLUE), strict=True):
    ax.plot(*run.T, "o-", color=colour, ms=3.5, lw=2)
    ax.annotate(kind, run[-1], (6, 3), textcoords="offset points", color=colour, weight="bold", va="bottom")
ax.set(xlabel="seconds of training", xlim=(0, 1.2 * threes[-1, 0]), ylim=(None, 0.96))
ax.yaxis.set_major_formatter("{x:.0%}")
ax.set_title("Strangers' pairs in the right order, epoch by epoch", loc="left")
ax.grid(alpha=0.25)
fig.savefig("pairs_and_triplets.png", dpi=150)
plt.show()

# %% [markdown] tags=["answer"]
# After as many epochs the head wins, and triplets that train for twice as many do not pull ahead: the head *learns*
# what counts how much, and every pair of its batch has something to say, where most triplets soon are easy (lesson 6,
# which also has the remedy). By the clock it depends on the machine, for an epoch of triplets takes less time: look at
# your figure. It is one result, of a small encoder and random triplets. What stays true: a distance can be searched
# among a million encodings at once, and has no head to lose.

# %% [markdown]
# And a pair head gives what a distance does not: a probability, and a threshold that comes with it. What it costs:
# every comparison runs through the head, and it has to be stored with the encoder. (`Gallery(…, head=head)` does so,
# and `minicnn face train --loss pair` trains one.) The encodings of those who are known are computed once and kept,
# with a head as with a distance (lesson 4): only the D differences and their weights come anew for everybody.
#
# ## DeepFace, in its own order
#
# Was DeepFace trained as twins, or as a classifier? You will read both. The paper says (its sections in brackets):
#
# - The encoder was trained as a *classifier*. Its last layer, F8, has an output for each of the 4,030 people of the
#   training pictures; softmax, cross-entropy (3 and 5.2). No pairs and no triplets.
# - Then F8 is dropped. F7, 4096 numbers behind a ReLU, is the encoding. Each number is divided by its largest value
#   among the training pictures, then all of them by their length (3).
# - Encodings are compared in three ways (4): by the inner product, where nothing is learned; by χ² with weights that an
#   SVM finds (4.1); and, as something that was tested too, by a Siamese network, |f − g| with learned weights, in which
#   only the two topmost layers are trained (4.2). On the benchmark's own pairs that overfitted; it took pictures of
#   100,000 more people (5.3).
#
# So: a classifier, and twins as an addition. (A year later FaceNet left the classifier away and learned the distance
# itself, by triplets.) Go the same way with the doodles. An SVM's loss you know from lesson 6: the hinge, and small
# weights.
#
# **Predict**: can a network that never saw a pair tell pairs of strangers? It was asked for one of eighty names.

# %% tags=["predict"]
source = np.random.default_rng(0)
classifier, F8 = new_encoder(source), nn.Linear(32, 80, seed=source)
optimizer = optim.Adam([*classifier.parameters(), *F8.parameters()], learning_rate=0.002)
for _ in range(60):
    for rows in np.split(source.permutation(len(pictures)), 12):
        loss = ops.cross_entropy(F8(classifier(Tensor(pictures[rows]))), who[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
with no_grad():
    F7 = classifier(Tensor(pictures)).data
    named = np.mean(F8(Tensor(F7)).data.argmax(axis=1) == who)
largest = np.maximum(F7.max(axis=0), 1e-6)
print(f"as a classifier: {named:.0%} of its own pictures named rightly; F8 is dropped now")


def normalized(features):
    return ops.l2_normalize(features / Tensor(largest))


def encoded(images):
    with no_grad():
        return normalized(classifier(Tensor(images))).data


def fit_head(head, parameters, loss_of, steps, rate):
    optimizer = optim.Adam(parameters, learning_rate=rate)
    for _ in range(steps):
        loss = loss_of(head)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


known, unknown = encoded(pictures), encoded(strangers)
f, g = unknown[first], unknown[second]
deepface = {"inner product": faces.evaluate_pairs(1 - np.sum(f * g, axis=1), same)}  # of nothing that was learned

one, other, of_one = pairs_among(who, source)
svm = faces.PairHead("chi2", 32)
sign = 2.0 * of_one - 1


def hinge(head):
    return ops.mean(ops.maximum(1 - sign * head(known[one], known[other]), 0.0)) + 0.0001 * ops.sum(ops.square(head.w))


fit_head(svm, svm.parameters(), hinge, 150, 0.05)
with no_grad():
    deepface["χ², weights by an SVM"] = faces.evaluate_pairs(-svm(f, g).data, same)

lower, top_layer, head = classifier.layers[1], classifier.layers[2], faces.PairHead("l1", 32)
with no_grad():
    below = [lower(Tensor(images.reshape(len(images), -1))).data for images in (pictures, strangers)]
frozen = lower.w.data.copy()


def siamese(head):
    people = source.choice(80, 10, replace=False)
    rows = np.flatnonzero(np.isin(who, people))
    codes = normalized(top_layer(Tensor(below[0][rows])))
    a, b, truth = pairs_among(who[rows], source)
    return ops.binary_cross_entropy(head(codes[a], codes[b]), truth)


fit_head(head, [*top_layer.parameters(), *head.parameters()], siamese, 200, 0.002)
with no_grad():
    codes = normalized(top_layer(Tensor(below[1])))
    deepface["Siamese, two layers"] = faces.evaluate_pairs(-head(codes[first], codes[second]).data, same)
for name, result in deepface.items():
    print(
        f"classifier, then {name:22} {result.accuracy:.1%} of the strangers' pairs right ± {result.standard_error:.1%}"
    )

# %% tags=["answer"]
assert named > 0.95 and np.array_equal(lower.w.data, frozen)
assert deepface["inner product"].accuracy > results["pixels"].accuracy + 0.08
assert all(result.accuracy > results["pixels"].accuracy + 0.1 for result in deepface.values())
assert max(result.accuracy for result in deepface.values()) > deepface["inner product"].accuracy + 0.03

fig, ax = plt.subplots(figsize=(9, 3.9), layout="constrained")
bars = {"pixels": (results["pixels"], GREY)}
bars |= {f"classifier, {name}": (result, BLUE) for name, result in deepface.items()}
bars |= {f"twins from the start, {NAMES[kind]}": (results[kind], RED) for kind in NAMES}
for place, (name, (result, colour)) in enumerate(bars.items()):
    ax.barh(place, result.accuracy, color=colour, alpha=0.45, height=0.7)
    ax.errorbar(result.accuracy, place, xerr=result.standard_error, color=colour, capsize=3, lw=1.5)
    beside = 0.505 if result.accuracy > 0.65 else result.accuracy + result.standard_error + 0.005
    ax.text(beside, place, f"{name}: {result.accuracy:.0%}", va="center", color=INK)
ax.axvline(0.5, color=INK, lw=0.8)
ax.set(xlim=(0.5, 0.9), yticks=[])
ax.invert_yaxis()
ax.xaxis.set_major_formatter("{x:.0%}")
ax.set_title("Strangers' pairs told rightly (guessing: 50%), ± one standard error", loc="left")
ax.spines["left"].set_visible(False)
fig.savefig("deepface_in_small.png", dpi=150)
plt.show()

# %% [markdown] tags=["answer"]
# It can. Who has to tell eighty people apart needs features of faces, and some of these serve for others as well. A few
# weights on top, found from pairs, help; and to train with pairs from the start is no worse here. (Most bars
# are close, and 600 pairs decide: do not read their order.)

# %% [markdown]
# ## Filters of one's own
#
# DeepFace straightens a face first, so that eyes are where eyes are in all pictures. Then why should a filter that
# looks at eyes be the one that looks at chins? Its later layers are *locally connected*: a convolution whose filters
# are not shared, each place of the picture has its own. That takes parameters. Its layer L4 makes 55×55×16 numbers by
# windows of 9×9×16:

# %%
shared, local = 9 * 9 * 16 * 16, 55 * 55 * 9 * 9 * 16 * 16
print(f"L4 as a convolution: {shared:,} weights; locally connected: {local:,}")
small = nn.LocallyConnected2d(2, 3, 3, input_size=6, seed=0)
print("a small one:", {name: parameter.shape for name, parameter in small.named_parameters()})
assert small.w.size == 4 * 4 * nn.Conv2d(2, 3, 3, seed=0).w.size

x = Tensor(random.normal(0, 1, (1, 6, 6, 2)).astype(np.float32))
window = x.data[0, 1:4, 2:5]
by_hand = window.ravel() @ small.w.data[1, 2].reshape(-1, 3) + small.b.data[1, 2]  # row 1, column 2 has its own filter
assert np.allclose(small(x).data[0, 1, 2], by_hand, atol=1e-5)

# %% [markdown]
# What it does to straighten a face, and what such filters are worth, is in lesson 9. In 2014 all of this together,
# several networks combined by an SVM, had 97.35% of the pairs of Labeled Faces in the Wild right. The paper
# (5.3) puts people at a little over 97.5%.
#
# ## What you have now
#
# - A Siamese network is one encoder called twice; the gradients of both calls add up in one set of weights.
# - The head weighs differences number by number: ∂L/∂f = (ŷ − y) · w · ∂φ/∂f.
# - χ² is the squared difference in units of how counts stray. It needs features of 0 or more.
# - Learned weights find out which features to trust; a good φ leaves them little to find.
# - DeepFace is a classifier whose last layer was dropped. χ² and the Siamese head came after.
#
# **Try it**
#
# 1. Let people differ where counts are frequent: `TYPICAL * np.exp(random.normal(0, 0.12, …))`. Which head is best now
#    without learning, and what do the weights of χ² learn?
# 2. Halve all counts of one picture, as a darker one would have. Which head suffers most?
# 3. End the encoder with `nn.L2Normalize()` behind the ReLU. Is χ² still allowed? And without the ReLU?
# 4. Train the twins with all pairs of a batch, not with as many of two people as of one. What becomes of ŷ? What of the
#    accuracy, and why can `evaluate_pairs` be so calm about it?
# 5. Give two features of `pairs_of_counts` to nobody: the same rate for all people. Do the heads find them?
# 6. Start a head with *positive* weights. Does it recover?
# 7. Draw `head.w` of the twins against the typical size of each encoding's number. Is it as with the counts?
# 8. From memory: `minicnn learn start pair_head`. The check knows a head that calls one person two.
#
# **Where to look in the source**
#
# - `minicnn/faces/heads.py`: χ² with its gradient, and the heads.
# - `minicnn/ops/convolution.py` at `locally_connected`, and `minicnn/models/deep_face.py`.
# - `minicnn/faces/training.py` at `_pair_loss`: half of the pairs of two people are the nearest there are.
#
# Next: `08_finding_faces.py`, which also turns a face into place, and then `09_deepface.py`.
