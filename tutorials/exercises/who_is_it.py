"""Exercise: who is this?"""

import numpy as np

from minicnn.faces import encode
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import answer
from minicnn.learn.people import STRANGER, THRESHOLD, database, distances, encoder, picture


def who_is_it(image, database, model):
    """Somebody at the door says nothing. Who is it, if it is anybody we know?

        identity = argmin over names of ‖e(image) − database[name]‖₂, if that least distance is ≤ τ; else None

    image: the picture at the door, an array (64, 64, 3).
    database: {name: the encoding, (128,), of the one picture that we have of this person}.
    model: the encoder; `encode(model, image)` gives the encodings of a batch, here (1, 128).

    Return (min_dist, identity): the least distance, also if it is too large, and a name or None.
    τ is THRESHOLD, at the top of this file.
    """
    encoding = encode(model, image)[0]
    distances = {name: np.linalg.norm(encoding - known) for name, known in database.items()}
    nearest = min(distances, key=lambda name: distances[name])
    return distances[nearest], nearest if distances[nearest] <= THRESHOLD else None


def _case(title, who, number):
    return Case(title, lambda: [picture(who, number), database(), encoder()], tolerance=1e-4)


def _by(decide):
    """An answer from all distances."""
    return lambda image, database, model: decide(distances(image, database))


def _nearest(known):
    name = min(known, key=known.get)
    return known[name], name


def _first(known):
    """Whoever comes first of those within the threshold."""
    within = [(d, name) for name, d in known.items() if d <= THRESHOLD]
    return within[0] if within else (_nearest(known)[0], None)


def _judged(d, name):
    return d, name if d <= THRESHOLD else None


def _told_of_the_known(instead):
    """The least distance of those who get a name, and something instead of it for the others."""
    return _by(lambda known: _nearest(known) if _nearest(known)[0] <= THRESHOLD else (instead, None))


BEGINNINGS = (1.0, 10.0, 100.0, 1000.0, np.inf)  # of a search for the least

EXERCISE = Exercise(
    function=who_is_it,
    title="who is this, if it is anybody we know?",
    lecture="One shot learning",
    read="tutorials/05_one_shot.py",
    imports=f"import numpy as np\n\nfrom minicnn.faces import encode\n\nTHRESHOLD = {THRESHOLD}  # τ",
    observe=answer("min_dist", "identity"),
    cases=(
        _case("Ada", "Ada", 1),
        _case("Jules", "Jules", 1),
        _case("Eden with another face", "Eden", 1),
        _case("Frankie, who looks like Gale", "Frankie", 1),
        _case("Billie in bad light: nobody is near enough", "Billie", 2),
        _case("a stranger", STRANGER, 0),
    ),
    slips=(
        Slip(
            "always a name",
            "Those who are known are found. But a stranger, too, is nearest to somebody, and you gave him that name.",
            _by(_nearest),
        ),
        Slip(
            "first within the threshold",
            "Frankie is taken for Gale: you stop at the first who is near enough. Who else may be?",
            (
                _by(_first),
                _by(lambda known: _first(known) if min(known.values()) <= THRESHOLD else ([*known.values()][-1], None)),
            ),
        ),
        Slip(
            "squared",
            "Your distances are the squares of the right ones, and the threshold was found for distances.",
            _by(lambda known: _judged(_nearest(known)[0] ** 2, _nearest(known)[1])),
        ),
        Slip(
            "furthest",
            "You found the person whom the picture resembles least.",
            _by(lambda known: _judged(*max((d, name) for name, d in known.items()))),
        ),
        Slip(
            "order",
            "Both answers are right, but they stand in the wrong order.",
            _by(lambda known: _judged(*_nearest(known))[::-1]),
        ),
        Slip(
            "course's threshold",
            "Your distances are right, but you are stricter than this encoder asks for. The course's 0.7 belongs to "
            "the course's encoder.",
            _by(lambda known: (_nearest(known)[0], _nearest(known)[1] if _nearest(known)[0] < 0.7 else None)),
        ),
        Slip(
            "number",
            "You return where in the database the person stands. A door wants a name.",
            (
                _by(lambda known: (min(known.values()), int(np.argmin([*known.values()])))),
                _by(lambda known: _judged(min(known.values()), int(np.argmin([*known.values()])))),
            ),
        ),
        Slip(
            "everybody is a stranger",
            "Your distances are right, but nobody gets a name any more. Which side of the threshold is near?",
            _by(lambda known: (_nearest(known)[0], _nearest(known)[1] if _nearest(known)[0] > THRESHOLD else None)),
        ),
        Slip(
            "only the first",
            "You come home after the first person of the database. Is there a `return` inside your loop?",
            (
                _by(lambda known: _judged(*next((d, name) for name, d in known.items()))),
                _by(lambda known: next((d, name) for name, d in known.items())),
            ),
        ),
        Slip(
            "distance of the known only",
            "Your names are right. But where nobody is near enough, the least distance is still to be told.",
            tuple(_told_of_the_known(instead) for instead in (None, 0.0, THRESHOLD, *BEGINNINGS)),
        ),
        Slip(
            "last of the loop",
            "Your distances are right, and the name is always that of the last person in the database. The name "
            "belongs to the least distance: keep both at the same place in the loop.",
            (
                _by(lambda known: (min(known.values()), [*known][-1])),
                _by(lambda known: _judged(min(known.values()), [*known][-1])),
            ),
        ),
        Slip(
            "least not kept",
            "Everybody is compared with the distance that you began with. What is the least one so far, after Ada?",
            tuple(_by(lambda known, begin=begin: (begin, None)) for begin in BEGINNINGS),
        ),
    ),
    hints=(
        "verify compares with one encoding. Here you compare with all. Of which do you keep the name? And what if it "
        "is far away, too?",
        "Encode the picture once. Go through database.items(), keep the least distance so far and whose it is. Compare "
        "with THRESHOLD only when all were seen.",
        "Begin with min_dist = np.inf; in the loop `if dist < min_dist: min_dist, identity = dist, name`; afterwards "
        "`if min_dist > THRESHOLD: identity = None`.",
    ),
)
