"""Exercise: the triplets that teach most."""

import numpy as np

from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import answer


def batch_hard(embeddings, labels):
    """The triplets of a batch that teach most: for each anchor the furthest positive and the nearest negative.

    embeddings: (N, D). labels: (N,) integers, who is who. A positive is *another* picture of the anchor's person, a
        negative one of somebody else.

    Return an array of whole numbers (T, 3), rows (anchor, positive, negative) of embeddings, in the order of the
    anchors. Who has only one picture in the batch is nobody's positive, and no anchor. Of equals take the first.
    Distances are ‖·‖₂; their squares lead to the same triplets.
    """
    distances = np.linalg.norm(embeddings[:, None] - embeddings, axis=2)
    same = labels[:, None] == labels
    positive = same & ~np.eye(len(labels), dtype=bool)
    triplets = [
        (a, np.where(positive[a], distances[a], -np.inf).argmax(), np.where(same[a], np.inf, distances[a]).argmin())
        for a in range(len(labels))
        if positive[a].any()
    ]
    return np.array(triplets)


def _chosen(positive, negative, alone=False):
    """One triplet an anchor, by what is made of (distances, whether it may be chosen) of the others."""

    def triplets(embeddings, labels):
        d = np.linalg.norm(embeddings[:, None] - embeddings, axis=2)
        same = labels[:, None] == labels
        others = same & ~np.eye(len(labels), dtype=bool)
        anchors = [a for a in range(len(labels)) if alone or others[a].any()]
        return np.array([(a, positive(d[a], others[a]), negative(d[a], ~same[a])) for a in anchors])

    return triplets


def _furthest(d, allowed):
    return np.where(allowed, d, -np.inf).argmax()


def _nearest(d, allowed):
    return np.where(allowed, d, np.inf).argmin()


def _drawn(people, each, seed):
    def arguments():
        random = np.random.default_rng(seed)
        labels = random.permutation(np.repeat(np.arange(people), each))
        return random.standard_normal((len(labels), 4)) + 2 * random.standard_normal((people, 4))[labels], labels

    return arguments


def _hardest_only(embeddings, labels):
    """The one triplet of the batch that is hardest."""
    triplets = batch_hard(embeddings, labels)
    near, far = (np.linalg.norm(embeddings[triplets[:, 0]] - embeddings[triplets[:, i]], axis=1) for i in (1, 2))
    return triplets[[np.argmax(near - far)]]


def _itself(embeddings, labels):
    """Without leaving the anchor out of its own positives."""
    d = np.linalg.norm(embeddings[:, None] - embeddings, axis=2)
    same = labels[:, None] == labels
    return np.array([(a, _furthest(d[a], same[a]), _nearest(d[a], ~same[a])) for a in range(len(labels))])


def _ruled_out_by_zero(embeddings, labels, lonely=True):
    """Distances times who may be chosen; with or without anchors that have one picture only."""
    d = np.linalg.norm(embeddings[:, None] - embeddings, axis=2)
    same = labels[:, None] == labels
    anchors = [a for a in range(len(labels)) if lonely or same[a].sum() > 1]
    return np.array([(a, (d[a] * same[a]).argmax(), (d[a] * ~same[a]).argmin()) for a in anchors])


def _among_selected(embeddings, labels):
    """Where the furthest and the nearest stand among those who may be chosen."""
    triplets = []
    for a in batch_hard(embeddings, labels)[:, 0]:
        d, same = np.linalg.norm(embeddings - embeddings[a], axis=1), labels == labels[a]
        triplets.append((a, d[same].argmax(), d[~same].argmin()))
    return np.array(triplets)


def _last(choice, d, allowed):
    """The last one instead of the first, of equals."""
    return len(d) - 1 - choice(d[::-1], allowed[::-1])


def _all(embeddings, labels):
    people = range(len(labels))
    return np.array(
        [
            (a, p, n)
            for a in people
            for p in people
            for n in people
            if a != p and labels[a] == labels[p] and labels[a] != labels[n]
        ]
    )


EXERCISE = Exercise(
    function=batch_hard,
    title="the triplets that teach most",
    lecture="Triplet loss",
    read="tutorials/06_triplets.py",
    imports="import numpy as np",
    observe=answer(arrays=True),
    cases=(
        Case(
            "five points on a line, two people",
            lambda: [np.array([[0.0], [1], [3], [4], [9]]), np.array([0, 0, 1, 0, 1])],
            {"": [[0, 3, 2], [1, 3, 2], [2, 4, 3], [3, 0, 2], [4, 2, 3]]},
        ),
        Case("four people with three pictures each", _drawn(4, 3, 0)),
        Case(
            "somebody with a single picture",
            lambda: [np.array([[0.0], [1], [2], [5]]), np.array([7, 7, 3, 7])],
            {"": [[0, 3, 2], [1, 3, 2], [3, 0, 2]]},
        ),
        Case(
            "two pictures that are equal",
            lambda: [np.array([[1.0], [1], [2], [2]]), np.array([0, 0, 1, 1])],
            {"": [[0, 1, 2], [1, 0, 2], [2, 3, 0], [3, 2, 0]]},
        ),
        Case("six people with four pictures each", _drawn(6, 4, 1)),
    ),
    slips=(
        Slip(
            "easiest positive",
            "Your positives are the nearest ones. What is there to learn from two pictures that are alike already?",
            _chosen(_nearest, _nearest),
        ),
        Slip(
            "easiest negative",
            "Your negatives are the furthest ones. A triplet with a negative that is far away has a loss of zero.",
            _chosen(_furthest, _furthest),
        ),
        Slip(
            "easiest of both",
            "These are the easiest triplets of all: every one the wrong way round.",
            _chosen(_nearest, _furthest),
        ),
        Slip(
            "negative of anybody",
            "Your negative is the nearest picture, whoever is on it. It has to be somebody else.",
            lambda embeddings, labels: np.array(
                [
                    (
                        a,
                        p,
                        np.where(
                            np.arange(len(labels)) == a, np.inf, np.linalg.norm(embeddings - embeddings[a], axis=1)
                        ).argmin(),
                    )
                    for a, p, _ in batch_hard(embeddings, labels)
                ]
            ),
        ),
        Slip(
            "positive of anybody",
            "Your positive is the furthest picture, whoever is on it. It has to be the same person.",
            lambda embeddings, labels: np.array(
                [
                    (a, np.linalg.norm(embeddings - embeddings[a], axis=1).argmax(), n)
                    for a, _, n in batch_hard(embeddings, labels)
                ]
            ),
        ),
        Slip(
            "its own positive",
            "Somewhere a picture is its own positive, and the distance to itself is 0. Two equal pictures, or somebody "
            "with one picture only, show it.",
            (_itself, _chosen(lambda d, allowed: (d * allowed).argmax(), _nearest)),
        ),
        Slip(
            "zeros are near",
            "Where you rule somebody out, you leave a distance of 0, and nothing is nearer than 0.",
            (
                _ruled_out_by_zero,
                lambda embeddings, labels: _ruled_out_by_zero(embeddings, labels, lonely=False),
                _chosen(_furthest, lambda d, allowed: (d * allowed).argmin()),
            ),
        ),
        Slip(
            "lonely anchors",
            "Somebody with a single picture became an anchor. Who should be the positive?",
            _chosen(_furthest, _nearest, alone=True),
        ),
        Slip(
            "one for the batch",
            "You found the one hardest triplet of the batch. Every anchor has one of its own.",
            _hardest_only,
        ),
        Slip(
            "numbers of a selection",
            "You count among those who may be chosen, and not among all: number 2 of somebody's pictures is not number "
            "2 of the batch.",
            lambda embeddings, labels: _among_selected(embeddings, labels),
        ),
        Slip(
            "last of equals",
            "Where two are equally far away, you take the last of them instead of the first.",
            _chosen(lambda d, allowed: _last(_furthest, d, allowed), lambda d, allowed: _last(_nearest, d, allowed)),
        ),
        Slip(
            "order",
            "Your triplets stand in the order (anchor, negative, positive).",
            lambda embeddings, labels: batch_hard(embeddings, labels)[:, [0, 2, 1]],
        ),
        Slip(
            "distances",
            "You return how far they are. Who is it?",
            (
                _chosen(lambda d, allowed: d[allowed].max(), lambda d, allowed: d[allowed].min()),
                _chosen(lambda d, allowed: d[allowed].max() ** 2, lambda d, allowed: d[allowed].min() ** 2),
            ),
        ),
        Slip(
            "lying down",
            "Your triplets are the columns of the array. Here they are its rows.",
            lambda embeddings, labels: batch_hard(embeddings, labels).T,
        ),
        Slip(
            "every triplet",
            "These are all triplets that there are. Of each anchor's, one is wanted.",
            _all,
        ),
        Slip(
            "nobody to choose from",
            "Somebody with a single picture has nobody to choose from. What becomes of this anchor?",
            raises="an empty sequence",
        ),
    ),
    hints=(
        "Take one anchor. Who may be its positive, who its negative? And of these, which one makes the loss largest?",
        "Make the (N, N) distances first. For an anchor a, labels == labels[a] says who is the same person; a itself "
        "is to be left out. Set what may not be chosen to −∞ before an argmax, and to +∞ before an argmin.",
        "np.linalg.norm(embeddings[:, None] - embeddings, axis=2) are the distances. "
        "np.where(labels == labels[a], np.inf, distances[a]).argmin() is the negative of anchor a.",
    ),
)
