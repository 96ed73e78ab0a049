"""Exercise: is this the person they say they are?"""

import numpy as np

from minicnn.faces import encode
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import answer
from minicnn.learn.people import THRESHOLD, database, distances, encoder, picture


def verify(image, identity, database, model):
    """Somebody at the door says who they are. Is it true?

        d = ‖e(image) − database[identity]‖₂        the door opens if d ≤ τ

    image: the picture at the door, an array (64, 64, 3).
    identity: the name that they give, which is in the database.
    database: {name: the encoding, (128,), of the one picture that we have of this person}.
    model: the encoder; `encode(model, image)` gives the encodings of a batch, here (1, 128).

    Return (dist, door_open): d, a number, and True or False. τ is THRESHOLD, at the top of this file.
    """
    dist = np.linalg.norm(encode(model, image)[0] - database[identity])
    return dist, bool(dist <= THRESHOLD)


def _case(title, who, number, identity):
    return Case(title, lambda: [picture(who, number), identity, database(), encoder()], tolerance=1e-4)


def _by(decide):
    """An answer from the distance d to the person named, and from all distances."""

    def answered(image, identity, database, model):
        known = distances(image, database)
        return decide(known[identity], known)

    return answered


EXERCISE = Exercise(
    function=verify,
    title="is this the person they say they are?",
    lecture="What is face recognition?",
    read="tutorials/04_verification_and_recognition.py",
    imports=f"import numpy as np\n\nfrom minicnn.faces import encode\n\nTHRESHOLD = {THRESHOLD}  # τ",
    observe=answer("dist", "door_open"),
    cases=(
        _case("Ada, who says that she is Ada", "Ada", 1, "Ada"),
        _case("Harper, who says the truth, too", "Harper", 1, "Harper"),
        _case("Dana, who says that she is Jules", "Dana", 1, "Jules"),
        _case("Billie in bad light: a little too far away", "Billie", 2, "Billie"),
        _case("Frankie, who looks like Gale and says that he is", "Frankie", 1, "Gale"),
    ),
    slips=(
        Slip(
            "squared",
            "Your distances are the squares of the right ones. The threshold was found for distances, so somebody a "
            "little too far away passes.",
            _by(lambda d, _: (d**2, d**2 <= THRESHOLD)),
        ),
        Slip(
            "turned",
            "Your distances are right, but the door opens for strangers and stays shut for Ada.",
            _by(lambda d, _: (d, d > THRESHOLD)),
        ),
        Slip(
            "nearest",
            "You look for the nearest of all. That answers another question: at this door they say who they are, and "
            "there is one encoding to compare with.",
            _by(lambda d, known: (min(known.values()), min(known.values()) <= THRESHOLD)),
        ),
        Slip(
            "absolute",
            "You add up differences without their sign. ‖·‖₂ is the length of an arrow in 128 dimensions: Pythagoras.",
            lambda image, identity, database, model: (
                (d := np.abs(encode(model, image)[0] - database[identity]).sum()),
                d <= THRESHOLD,
            ),
        ),
        Slip(
            "course's threshold",
            "Your distances are right, but you are stricter than this encoder asks for. The course's 0.7 belongs to "
            "the course's encoder.",
            _by(lambda d, _: (d, d < 0.7)),
        ),
        Slip(
            "order",
            "Both answers are right, but they stand in the wrong order.",
            _by(lambda d, _: (d <= THRESHOLD, d)),
        ),
        Slip(
            "always",
            "Your distances are right, but your door is open for everybody.",
            _by(lambda d, _: (d, True)),
        ),
        Slip(
            "cosine",
            "Yours is 1 − cos of the angle between the two, half of the distance's square. τ is for distances.",
            _by(lambda d, _: (d**2 / 2, d**2 / 2 <= THRESHOLD)),
        ),
        Slip(
            "mean",
            "Your distances are too small by √128: is there a mean below the root? ‖·‖₂ is the root of a sum.",
            _by(lambda d, _: (d / 128**0.5, d / 128**0.5 <= THRESHOLD)),
        ),
        Slip(
            "difference of the lengths",
            "You compare how long the two encodings are, and all are of length 1. How far apart are their ends?",
            _by(lambda d, _: (0.0, True)),
        ),
        Slip(
            "a batch of one",
            "encode answers for a batch, here of one picture, and your distance is still a batch of one.",
            (
                _by(lambda d, _: (np.array([d]), np.array([d]) <= THRESHOLD)),
                _by(lambda d, _: (np.array([d]), d <= THRESHOLD)),
            ),
        ),
    ),
    hints=(
        "There are two encodings: one is in the database, under a name; one you make from the picture. What does it "
        "mean if they are near each other?",
        "encode(model, image) has the shape (1, 128): take its only row. Subtract the encoding in the database, and "
        "take the norm of the difference. Then compare that with THRESHOLD.",
        "dist = np.linalg.norm(encode(model, image)[0] - database[identity]), and return dist together with "
        "dist <= THRESHOLD.",
    ),
)
