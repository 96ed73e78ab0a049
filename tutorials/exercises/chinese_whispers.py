"""Exercise: who belongs together, by listening to neighbours."""

import numpy as np

from minicnn.learn.exercise import Case, Exercise, Slip


def chinese_whispers(distances, threshold, rounds):
    """Sort faces that nobody has named: everybody takes up the name that is loudest around them, again and again.

        neighbours of i: every j ≠ i with d_ij ≤ τ        w_ij = 1 − d_ij / 2
        label_i ← argmax over names of Σ w_ij over the neighbours that bear the name

    distances: (N, N), symmetric, from 0 to 2. threshold: τ. rounds: how often everybody has a turn.

    At first everybody bears their own number, 0 to N − 1. In each round they take turns in this order, and hear what
    those before them have just become. Of names as loud, take the smallest. Whoever has no neighbours keeps the name.
    Return the labels, whole numbers (N,). (Elsewhere the order is drawn anew in each round.)
    """
    labels = np.arange(len(distances))
    for _ in range(rounds):
        for i in range(len(labels)):
            near = [j for j in range(len(labels)) if j != i and distances[i, j] <= threshold]
            if near:
                votes = np.bincount(labels[near], weights=1 - distances[i, near] / 2)
                labels[i] = votes.argmax()
    return labels


def _others(d, i, threshold):
    return (d <= threshold) & (np.arange(len(d)) != i)


def _whispered(vote, near=_others, at_once=False, turns=None):
    """The algorithm with another way to vote, vote(names, distances), or other neighbours, or turns."""

    def answer(distances, threshold, rounds):
        labels = np.arange(len(distances))
        for _ in range(turns or rounds):
            heard = labels.copy() if at_once else labels
            for i, d in enumerate(distances):
                chosen = near(d, i, threshold)
                if chosen.any():
                    labels[i] = vote(heard[chosen], d[chosen])
        return labels

    return answer


def _loudest(names, d):
    return np.bincount(names, weights=1 - d / 2).argmax()


def _last_of_loudest(names, d):
    votes = np.bincount(names, weights=1 - d / 2)
    return np.flatnonzero(votes == votes.max())[-1]


def _on_a_line(*places):
    return np.abs(np.subtract.outer(places, places))


def _drawn(people, each, seed):
    def arguments():
        random = np.random.default_rng(seed)
        who = random.permutation(np.repeat(np.arange(people), each))
        points = random.standard_normal((people, 8))[who] + 0.5 * random.standard_normal((len(who), 8))
        distances = np.linalg.norm(points[:, None] - points, axis=2)
        return [2 * distances / distances.max(), 0.7, 8]

    return arguments


EXERCISE = Exercise(
    function=chinese_whispers,
    title="who belongs together, if nobody has a name",
    lecture="What is face recognition?",
    read="tutorials/23_real_people.py",
    imports="import numpy as np",
    cases=(
        Case(
            "five faces on a line, and one far away",
            lambda: [_on_a_line(0.0, 0.1, 0.25, 0.9, 1.0, 1.95), 0.3, 3],
            {"": [1, 1, 1, 4, 4, 5]},
        ),
        Case(
            "at the threshold, and as loud",
            lambda: [_on_a_line(0.0, 0.5, 1.0), 0.5, 1],
            {"": [1, 1, 1]},
        ),
        Case("three people with six pictures each", _drawn(3, 6, 0)),
        Case("eight people with four pictures each", _drawn(8, 4, 1)),
        Case("one round", lambda: [*_drawn(5, 5, 2)()[:2], 1]),
        Case("twelve people with five pictures each", _drawn(12, 5, 3)),
    ),
    slips=(
        Slip(
            "all at once",
            "Your faces all speak at the same time. Here they take turns, and each hears what those before it have "
            "just become.",
            _whispered(_loudest, at_once=True),
        ),
        Slip(
            "heads are counted",
            "You count neighbours. A near one is to be louder than a far one.",
            _whispered(lambda names, d: np.bincount(names).argmax()),
        ),
        Slip(
            "far ones are loud",
            "Your weights grow with the distance, so that the farthest neighbour is the loudest.",
            _whispered(lambda names, d: np.bincount(names, weights=d).argmax()),
        ),
        Slip(
            "everybody hears themselves",
            "Whoever listens to themselves hears their own name loudest: d = 0. Neighbours are the others.",
            _whispered(_loudest, near=lambda d, i, threshold: d <= threshold),
        ),
        Slip(
            "the nearest decides",
            "You take up the name of the nearest neighbour. Several who bear one name are louder together.",
            _whispered(lambda names, d: names[d.argmin()]),
        ),
        Slip(
            "no threshold",
            "You listen to everybody. Neighbours are those within the threshold.",
            _whispered(_loudest, near=lambda d, i, threshold: np.arange(len(d)) != i),
        ),
        Slip(
            "below the threshold",
            "Whose distance is exactly the threshold is a neighbour: d ≤ τ, as everywhere.",
            _whispered(_loudest, near=lambda d, i, threshold: (d < threshold) & (np.arange(len(d)) != i)),
        ),
        Slip(
            "one round only",
            "After one round it is not over. What is a round in your function, and how many are there to be?",
            _whispered(_loudest, turns=1),
        ),
        Slip(
            "last of equals",
            "Where two names are as loud, you take the larger one instead of the smaller.",
            _whispered(_last_of_loudest),
        ),
        Slip(
            "the smallest name wins",
            "The smallest name in the neighbourhood wins with you, however quiet it is. So it runs along every chain "
            "of neighbours, and joins whom a single pair of look-alikes joins.",
            _whispered(lambda names, d: names.min()),
        ),
        Slip(
            "renumbered",
            "Your groups are right, but you number them anew. A group bears the name that won.",
            lambda *arguments: np.unique(chinese_whispers(*arguments), return_inverse=True)[1],
        ),
        Slip(
            "nobody near",
            "Somebody has no neighbours, and you ask for the loudest of nothing.",
            raises="an empty sequence",
        ),
    ),
    hints=(
        "It is a rumour: you repeat what you hear most. What do you hear if you stand between two groups? And if you "
        "stand alone?",
        "Two loops, over rounds and over faces, and one array of labels that changes while you go. For face i, who are "
        "the neighbours, which names do they bear, and how loud is each name in all?",
        "np.bincount(labels[near], weights=1 - distances[i, near] / 2) is how loud every name is; its argmax() is the "
        "smallest of the loudest.",
    ),
)
