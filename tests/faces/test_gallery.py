"""Who is enrolled and who is recognized: everything that a gallery does in memory."""

import functools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minicnn
from minicnn import nn
from minicnn.errors import InputError
from minicnn.faces import Gallery, PairHead, calibrate, distance, encode, scoring
from minicnn.faces.encoding import identity
from minicnn.faces.lookup import Lookup
from minicnn.faces.records import Records
from minicnn.faces.settings import Settings
from minicnn.models.card import ModelCard
from minicnn.models.network import Network

SIZE, D = 4, 3
CARD = ModelCard("as it is", (SIZE, SIZE), "none", embedding=D, metric="squared_l2")


class Corner(nn.Module):
    """The colour of the upper left pixel: an encoding that a test can choose."""

    name = "corner"

    def __init__(self):
        self.w = minicnn.Tensor(np.eye(3, dtype=np.float32), requires_grad=True)

    def forward(self, x):
        return minicnn.ops.matmul(x[:, 0, 0], self.w)


def encoder(metric="squared_l2"):
    return Network(ModelCard("as it is", (SIZE, SIZE), "none", embedding=D, metric=metric), [Corner()])


def picture(*colour):
    """The picture of which `colour` is the encoding."""
    return np.broadcast_to(np.asarray(colour, np.float32), (SIZE, SIZE, 3))


@pytest.fixture
def gallery():
    """Ann near (0, 0, 0), Bob at (1, 0, 0), Cleo at (0, 1, 0)."""
    gallery = Gallery(encoder(), threshold=0.1)
    gallery.enroll("Ann", [picture(0, 0, 0), picture(0.1, 0, 0)])
    gallery.enroll("Bob", picture(1, 0, 0))
    gallery.enroll("Cleo", picture(0, 1, 0))
    return gallery


# Who is in it


def test_enrols_one_picture_or_several(gallery):
    assert gallery.list() == ["Ann", "Bob", "Cleo"]
    assert gallery.people == {"Ann": 2, "Bob": 1, "Cleo": 1}
    assert len(gallery) == 3 and "Ann" in gallery and "Dan" not in gallery and None not in gallery
    np.testing.assert_array_equal(gallery.encodings("Ann"), np.float32([[0, 0, 0], [0.1, 0, 0]]))
    report = gallery.enroll("Bob", (picture(1, i, 0) for i in (0.1, 0.2)))
    assert (report.added, report.total, gallery.people["Bob"]) == ((0, 1), 3, 3)
    assert str(gallery.enroll("Dan", picture(0, 0, 1))) == "Dan: 1 added, 1 picture in all"
    assert str(gallery.enroll("Dan", picture(0, 0, 0.9))) == "Dan: 1 added, 2 pictures in all"
    gallery.remove("Dan")
    assert repr(gallery) == "<Gallery of as it is: 3 people, 6 pictures>"


def test_a_name_may_have_200_letters(gallery):
    assert gallery.enroll("x" * 200, picture(0.5, 0, 0)).name == "x" * 200 in gallery


def test_a_picture_that_is_there_already_is_passed_over(gallery):
    report = gallery.enroll("Ann", [picture(0.1, 0, 0), picture(0, 0.2, 0), picture(0, 0.2 + 1e-6, 0)])
    assert (report.added, report.duplicates, report.total) == ((1,), (0, 2), 3)
    assert "picture 1 is enrolled already" in str(report)
    assert gallery.enroll("Ann", picture(0, 0, 0)).duplicates == (0,)
    assert next(report.notes(("a.jpg", "b.jpg", "c.jpg"))).startswith("a.jpg is")


def test_a_picture_far_from_all_others_of_the_person_is_told(gallery):
    report = gallery.enroll("Ann", [picture(0, 0.2, 0), picture(0, 0, 1)])
    assert report.added == (0, 1)
    [(which, how_far)] = report.outliers
    assert which == 1 and how_far == pytest.approx(1.0)
    assert "picture 2 is 1 or more from all others of Ann: is it the same person?" in str(report)


def test_a_first_picture_is_no_outlier(gallery):
    assert gallery.enroll("Dan", picture(0.5, 0.5, 0.5)).outliers == ()


def test_a_picture_near_somebody_else_is_told(gallery):
    report = gallery.enroll("Dan", [picture(0.9, 0, 0), picture(0.5, 0.5, 0.5)])
    [(which, who, how_far)] = report.lookalikes
    assert (which, who) == (0, "Bob") and how_far == pytest.approx(0.01)
    assert "picture 1 is only 0.01 from Bob: is that the same person?" in str(report)
    # Those of the person herself do not count, however near.
    assert gallery.enroll("Ann", picture(0.05, 0, 0)).lookalikes == ()


def test_removes_and_renames(gallery):
    assert gallery.remove("Ann") == 2
    assert gallery.list() == ["Bob", "Cleo"]
    assert gallery.identify(picture(0, 0, 0)).nearest == "Bob"
    gallery.rename("Bob", "Robert")
    gallery.rename("Cleo", "Cleo")
    assert gallery.list() == ["Robert", "Cleo"]
    assert gallery.verify("Robert", picture(1, 0, 0))
    with pytest.raises(InputError, match="rename: 'Cleo' is in the gallery already"):
        gallery.rename("Robert", "Cleo")


def test_a_name_has_one_spelling():
    """é as one letter or as two: people see one name, so there is one."""
    gallery = Gallery(encoder(), threshold=0.1)
    gallery.enroll("Jose\u0301", picture(0, 0, 0))
    gallery.enroll(" Jos\u00e9 ", picture(0.1, 0, 0))
    assert gallery.people == {"Jos\u00e9": 2}
    assert "Jose\u0301" in gallery and gallery.verify("Jose\u0301", picture(0, 0, 0))
    assert gallery.remove("Jose\u0301") == 2


@pytest.mark.parametrize(
    "name", ["", "  ", "a\nb", "\x1b[2J", "\u202eevil", "\ud800", "x" * 201, None, 7, b"Ann", ["Ann"]]
)
def test_names_that_no_line_can_show_are_refused(gallery, name):
    before = gallery.people
    for refused in (
        lambda: gallery.enroll(name, picture(0, 0, 1)),
        lambda: gallery.rename("Ann", name),
        lambda: gallery.remove(name),
    ):
        with pytest.raises(InputError, match=r"name is .*; expected") as caught:
            refused()
        assert str(caught.value).isprintable() and len(str(caught.value)) < 200
    assert gallery.people == before and name not in gallery


def test_a_name_may_look_like_a_path(gallery):
    gallery.enroll("../Ann/李", picture(0, 0, 1))
    assert gallery.identify(picture(0, 0, 1)).name == "../Ann/李"


def test_unknown_names_are_told_with_those_that_are_known(gallery):
    for refused in (lambda: gallery.verify("Dan", picture(0, 0, 0)), lambda: gallery.rename("Dan", "Eve")):
        with pytest.raises(InputError, match="'Dan' is not in the gallery; it has Ann, Bob, Cleo"):
            refused()
    with pytest.raises(InputError, match="it has nobody"):
        Gallery(encoder(), threshold=1).encodings("Dan")


# Is it this person?


def test_verifies_up_to_the_threshold(gallery):
    yes, no = gallery.verify("Bob", picture(1, 0.3, 0)), gallery.verify("Bob", picture(1, 0.4, 0))
    assert yes and yes.same and yes.distance == pytest.approx(0.09) and yes.threshold == 0.1
    assert not no and no.distance == pytest.approx(0.16)
    assert str(yes) == "Bob (0.09 ≤ 0.1)" and str(no) == "not Bob (0.16 > 0.1)"
    gallery.threshold = 0.2
    assert gallery.verify("Bob", picture(1, 0.4, 0))
    gallery.threshold = no.distance  # at the threshold is within
    assert gallery.verify("Bob", picture(1, 0.4, 0))


def test_verify_takes_one_picture(gallery):
    assert gallery.verify("Bob", picture(1, 0, 0)[None])
    with pytest.raises(InputError, match="verify: image holds 2 pictures; expected one"):
        gallery.verify("Bob", [picture(1, 0, 0)] * 2)


def test_the_name_comes_first(gallery):
    for function in ("verify", "enroll"):
        with pytest.raises(InputError) as caught:
            getattr(gallery, function)(picture(1, 0, 0), "Bob")
        expected = "the arguments are (ndarray, 'Bob'); expected the name first, then the image"
        assert str(caught.value) == f"{function}: {expected}"
    with pytest.raises(InputError, match=r"verify: the arguments are \(bob.jpg, 'Bob'\); expected the name first"):
        gallery.verify("bob.jpg", "Bob")
    gallery.enroll("Ann", picture(0, 0, 0))
    for name in ("Ann", "Dan"):  # a path, unless it is somebody's name
        with pytest.raises(InputError, match=r"nowhere.jpg.* does not exist"):
            gallery.enroll(name, "nowhere.jpg")


# Who is it?


def test_identifies_with_everything_that_there_is_to_know(gallery):
    found = gallery.identify(picture(0.9, 0, 0))
    assert found and found.recognized and (found.name, found.nearest, found.runner_up) == ("Bob", "Bob", "Ann")
    assert found.distance == pytest.approx(0.01) and found.margin == pytest.approx(0.64 - 0.01)
    assert found.threshold == 0.1
    assert [match.name for match in found.matches] == ["Bob", "Ann", "Cleo"]
    assert [match.distance for match in found.matches] == pytest.approx([0.01, 0.64, 1.81])
    assert str(found) == "Bob: Bob is nearest, at 0.01: within 0.1; next is Ann, 0.63 farther"


def test_a_stranger_is_not_recognized_and_it_is_said_why(gallery):
    found = gallery.identify(picture(0, 0, 0.9))
    assert not found and found.name is None and found.nearest == "Ann"
    assert str(found).startswith("not recognized: Ann is nearest, at 0.81: farther than 0.1")


def test_several_pictures_give_as_many_answers(gallery):
    found = gallery.identify([picture(0, 1, 0), picture(1, 0, 0)], matches=2)
    assert [answer.name for answer in found] == ["Cleo", "Bob"]
    assert [len(answer.matches) for answer in found] == [2, 2]
    assert gallery.identify([]) == []
    assert gallery.identify(np.stack([picture(0, 0, 0)]))[0].name == "Ann"


def test_of_one_person_there_is_no_runner_up(gallery):
    gallery.remove("Bob")
    gallery.remove("Cleo")
    found = gallery.identify(picture(0, 0, 0))
    assert found.name == "Ann" and found.runner_up is None and found.margin is None and len(found.matches) == 1
    assert "next" not in str(found)


def test_nobody_enrolled():
    with pytest.raises(InputError, match="identify: nobody is in the gallery"):
        Gallery(encoder(), threshold=1).identify(picture(0, 0, 0))


@pytest.mark.parametrize("matches", [1, 0, True, 2.5, "3", None])
def test_so_many_matches_cannot_be_listed(gallery, matches):
    with pytest.raises(InputError, match="identify: matches is"):
        gallery.identify(picture(0, 0, 0), matches=matches)


def test_records_of_people_are_added_removed_renamed_and_sorted():
    first, second, third = np.eye(3, dtype=np.float32)
    both = Records.empty(3).add("Ann", np.stack([first, second])).add("Bob", third[None])
    assert both.people == ("Ann", "Bob") and both.labels.tolist() == [0, 0, 1] and both.counts == {"Ann": 2, "Bob": 1}
    assert both.add("Ann", second[None]) is both  # exactly the same
    assert both.add("Bob", second[None]).labels.tolist() == [0, 0, 1, 1]  # of another person
    more = both.add("Ann", np.stack([first, third]))
    assert more.labels.tolist() == [0, 0, 1, 0] and more.encodings.tolist() == [
        *both.encodings.tolist(),
        third.tolist(),
    ]
    assert more.grouped().labels.tolist() == [0, 0, 0, 1] and both.grouped() is both
    assert more.grouped().encodings.tolist() == [first.tolist(), second.tolist(), third.tolist(), third.tolist()]
    assert both.remove("Cy") is both and both.rename("Cy", "Di") is both and both.rename("Ann", "Ann") is both
    left = both.remove("Ann")
    assert left.people == ("Bob",) and left.labels.tolist() == [0] and left.encodings.tolist() == [third.tolist()]
    assert both.remove("Bob").labels.tolist() == [0, 0] and len(both.of("Cy")) == 0
    assert both.rename("Ann", "Ada").counts == {"Ada": 2, "Bob": 1}
    merged = both.rename("Ann", "Bob")
    assert merged.people == ("Bob",) and merged.labels.tolist() == [0, 0, 0]
    assert merged.encodings.tolist() == [third.tolist(), first.tolist(), second.tolist()]
    assert more.rename("Ann", "Bob").counts == {"Bob": 3}  # the third is in both


# How far is a person?


def naive(found, labels, people, score, neighbours):
    """What scoring promises, one person after the other."""
    result = np.empty((len(found), people))
    for i, row in enumerate(found):
        for person in range(people):
            mine = sorted(row[labels == person])
            result[i, person] = {
                "min": mine[0],
                "mean": sum(mine) / len(mine),
                "nearest": sum(mine[:neighbours]) / len(mine[:neighbours]),
            }[score]
    return result


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from(scoring.SCORES), st.integers(1, 5))
def test_people_are_scored_as_a_loop_would(seed, score, neighbours):
    random = np.random.default_rng(seed)
    people = int(random.integers(1, 6))
    labels = random.permutation(np.concatenate([np.arange(people), random.integers(0, people, random.integers(0, 12))]))
    found = random.integers(0, 5, (3, len(labels))) / 4  # with ties
    scores = scoring.people_distances(found, labels, people, score, neighbours)
    np.testing.assert_allclose(scores, naive(found, labels, people, score, neighbours), rtol=1e-12)


@pytest.mark.parametrize("work", [0, 15, 1 << 20])  # blocks of one encoding, of three, and of all
def test_distances_are_the_same_in_blocks_of_any_size(work, monkeypatch):
    random = np.random.default_rng(4)
    queries, encodings = random.random((2, 5)), random.random((8, 5))
    monkeypatch.setattr(scoring, "WORK", work)
    found = scoring.all_distances(scoring.by_metric("squared_l2"), queries, encodings)
    np.testing.assert_allclose(found, ((queries[:, None] - encodings) ** 2).sum(axis=2), rtol=1e-12)


@pytest.mark.parametrize("metric", ["squared_l2", "l2", "cosine", "chi2"])
@pytest.mark.parametrize("score", scoring.SCORES)
def test_the_nearest_people_are_those_of_a_loop(metric, score):
    random = np.random.default_rng(3)
    labels = random.permutation(np.repeat(np.arange(7), [1, 1, 2, 3, 4, 6, 9]))
    encodings, queries = (random.random((n, 5), np.float32) for n in (len(labels), 4))
    found = np.empty((len(queries), len(labels)))
    for i, query in enumerate(queries.astype(np.float64)):
        for j, other in enumerate(encodings.astype(np.float64)):
            if metric == "chi2":
                found[i, j] = ((query - other) ** 2 / (query + other)).sum()
            else:
                found[i, j] = distance(query, other, metric=metric)
    expected = naive(found, labels, 7, score, 2)
    lookup = Lookup(Records(tuple("ABCDEFG"), labels, encodings), Settings(1.0, score=score, neighbours=2), metric)
    for count in (1, 3, 20):
        for row, matches in zip(expected, lookup.nearest(queries, count), strict=True):
            best = np.argsort(row, kind="stable")[:count]
            assert [match.name for match in matches] == ["ABCDEFG"[i] for i in best]
            assert [match.distance for match in matches] == pytest.approx(row[best].tolist(), rel=1e-12)
    assert lookup.from_person(queries[:1], "G") == pytest.approx(expected[0, 6], rel=1e-12)


def test_distances_of_everybody_from_everybody(gallery):
    gallery.enroll("Ann", picture(0, 0, 0.2))  # not beside the other two
    found, labels = gallery.distances()
    assert labels.tolist() == [0, 0, 0, 1, 2]
    everything = np.concatenate([gallery.encodings(name) for name in gallery.list()]).astype(np.float64)
    np.testing.assert_allclose(found, np.square(everything[:, None] - everything).sum(axis=2), rtol=1e-12)


# A threshold for one comparison is none for many


@functools.cache
def calibrated():
    """Pairs of different people at 0.001, 0.002, … and those of one person near 0."""
    different = np.arange(1, 1001) / 1000
    distances = np.concatenate([np.full(500, 0.0005), different])
    return calibrate(distances, np.arange(1500) < 500, target_far=0.1)


def test_the_more_are_compared_the_stricter_the_threshold():
    calibration = calibrated()
    gallery = Gallery(encoder(), threshold=calibration)
    assert gallery.comparisons == 1  # as if one were there
    gallery.enroll("Ann", picture(0, 0, 0))
    assert gallery.comparisons == 1 and gallery.identification_threshold == gallery.threshold == calibration.threshold
    for i in range(9):
        gallery.enroll(f"number {i}", picture(1, i / 10, 1))
    assert gallery.comparisons == 10
    # 1 − (1 − 0.1)^(1/10) = 0.0105 of a thousand pairs: ten pass.
    assert gallery.identification_threshold == pytest.approx(0.0105, abs=0.001)
    near = picture(0.2, 0, 0)
    assert gallery.verify("Ann", near) and gallery.verify("Ann", near).threshold == calibration.threshold
    found = gallery.identify(near)
    assert not found and found.nearest == "Ann" and found.threshold == gallery.identification_threshold
    assert "near enough for one comparison (0.1), not for 10 (0.0" in found.why
    assert gallery.identify(picture(0.05, 0, 0)).name == "Ann"


def test_pictures_count_as_comparisons_where_the_nearest_counts():
    for score, expected in (("min", 5), ("mean", 2), ("nearest", 2)):
        gallery = Gallery(encoder(), threshold=calibrated(), score=score)
        gallery.enroll("Ann", [picture(0, 0, i / 4) for i in range(4)])
        gallery.enroll("Bob", picture(1, 0, 0))
        assert gallery.comparisons == expected
        assert gallery.identification_threshold == calibrated().for_gallery(expected)


def test_a_calibrated_gallery_knows_how_sure_it_is():
    calibration = calibrated()
    gallery = Gallery(encoder(), threshold=calibration)
    gallery.enroll("Ann", picture(0, 0, 0))
    verification = gallery.verify("Ann", picture(0.1, 0, 0))
    assert verification.probability == calibration.probability(verification.distance)
    assert "probability" in str(verification)
    gallery.threshold = 0.3
    assert gallery.calibration is None and gallery.verify("Ann", picture(0, 0, 0)).probability is None
    assert gallery.identification_threshold == 0.3


# Scored by a head


@pytest.mark.parametrize("kind", ["l1", "l2", "chi2"])
def test_a_head_scores_what_is_stored(kind):
    head = PairHead(kind, D)
    head.w.data = np.float32([-9, -2, -5])
    gallery = Gallery(encoder(), threshold=0.5, head=head)
    gallery.enroll("Ann", picture(0, 0, 0))
    gallery.enroll("Bob", picture(0.2, 0.3, 0))
    query = np.float32([0.1, 0.9, 0])
    found = gallery.identify(picture(*query))
    for name, how_far in found.matches:
        probability = head.probability(query, gallery.encodings(name)[0]).numpy()
        assert how_far == pytest.approx(1 - probability, rel=1e-5)
        assert gallery.verify(name, picture(*query)).distance == pytest.approx(how_far, rel=1e-9)
    assert gallery.head is head


def test_a_head_refuses_signed_encodings_with_a_reason():
    class Signed(Corner):
        def forward(self, x):
            return super().forward(x) - 0.5

    gallery = Gallery(Network(CARD, [Signed()]), threshold=0.5, head=PairHead("chi2", D))
    gallery.enroll("Ann", picture(0, 0, 0))
    with pytest.raises(InputError, match=r"chi2: . holds -0\.5; expected numbers of 0 or more"):
        gallery.enroll("Bob", picture(1, 0, 0))
    assert gallery.list() == ["Ann"]


# Pictures


def test_pictures_of_all_kinds_give_the_same_encodings():
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (5, SIZE, SIZE, 3), np.uint8)
    floats = pixels.astype(np.float32) / np.float32(255)
    expected = encode(encoder(), floats)
    np.testing.assert_array_equal(expected, floats[:, 0, 0])
    kinds = (pixels, floats.astype(np.float64), list(pixels), iter(floats), minicnn.Tensor(floats), floats[:, ::1, :])
    for images in kinds:
        encodings = encode(encoder(), images, batch_size=2)
        assert encodings.dtype == np.float32
        np.testing.assert_array_equal(encodings, expected)
    np.testing.assert_array_equal(encode(encoder(), pixels[0]), expected[:1])
    assert encode(encoder(), []).shape == (0, D)


def test_the_encoder_is_left_as_it_was():
    network = encoder().train()
    encode(network, picture(0, 0, 0))
    assert network.training and all(module.training for module in network.modules())
    assert all(p.requires_grad and p.data.flags.writeable for p in network.parameters())


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("ann.jpg", "path 'ann.jpg' does not exist"),
        (Path("ann.jpg"), "path 'ann.jpg' does not exist"),
        (["ann.jpg"], "path 'ann.jpg' does not exist"),
        (None, "picture 1 is a NoneType"),
        (b"ann.jpg", "picture 1 is a bytes"),
        ([[[[0.0] * 3] * 4] * 4], "picture 1 is a list"),
        (np.zeros((4, 4), np.float32), r"picture 1 has shape \(4, 4\)"),
        (np.zeros((4, 4, 1), np.float32), r"picture 1 has shape \(4, 4, 1\); as it is expects \(4, 4, 3\)"),
        ([np.zeros((4, 4, 3), np.float32), np.zeros((5, 5, 3), np.float32)], r"picture 2 has shape \(5, 5, 3\)"),
        (np.zeros((4, 4, 3), int), "picture 1 has dtype int64; expected floats in"),
        (np.full((4, 4, 3), np.nan), "picture 1 holds NaN or infinity"),
        (np.full((4, 4, 3), 255.0), "x goes from 255 to 255; expected RGB in"),
        (np.zeros((0, 4, 4, 3), np.float32), "images of 'Ann' are an empty list; expected one or more"),
    ],
)
def test_other_pictures_are_refused_and_nothing_changes(gallery, images, message):
    before = gallery.encodings("Ann")
    with pytest.raises(InputError, match=message) as caught:
        gallery.enroll("Ann", images)
    assert str(caught.value).isprintable()
    np.testing.assert_array_equal(gallery.encodings("Ann"), before)


def test_encodings_that_are_not_finite_are_refused(gallery):
    layer = gallery.encoder.layers[0]
    layer.w.data = np.diag(np.float32([np.nan, 1, 1]))  # one number is enough
    with pytest.raises(InputError, match="the encoding of picture 1 holds NaN or infinity; are the weights sound"):
        gallery.enroll("Dan", picture(0, 0, 0))
    layer.forward = lambda x: minicnn.Tensor([[0, 0, 0], [np.nan, 0, 0], [0, 0, 0]])
    with pytest.raises(InputError, match="the encoding of picture 2 holds NaN or infinity; are the weights sound"):
        gallery.enroll("Dan", [picture(0, 0, 0)] * 3)
    assert "Dan" not in gallery


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (None, "images is a NoneType; expected an array"),
        ("ann.jpg", "images is 'ann.jpg'; expected an array"),
        ({"ann": 1}, "images is a dict; expected an array"),
        (np.zeros((4, 3)), r"images has shape \(4, 3\); expected \(H, W, 3\) or \(N, H, W, 3\)"),
        (np.zeros((1, 1, 4, 4, 3)), r"images has shape \(1, 1, 4, 4, 3\)"),
    ],
)
def test_what_is_no_picture_has_no_encoding(images, message):
    with pytest.raises(InputError, match=f"^encode: {message}"):
        encode(encoder(), images)


def test_encodings_are_as_long_as_the_card_says():
    liar = Network(ModelCard("liar", (SIZE, SIZE), "none", embedding=5, metric="l2"), [Corner()])
    with pytest.raises(InputError, match=r"^encode: liar gives \(1, 3\); its card says \(N, 5\)"):
        encode(liar, picture(0, 0, 0))
    assert encode(liar, []).shape == (0, 5)


def test_a_metric_of_no_name_scores_nothing():
    with pytest.raises(InputError, match=r"^metric is 'l3'; expected one of squared_l2, l2, .*, chi2$"):
        scoring.by_metric("l3")


# Made with nonsense


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": None}, "threshold is None; expected a finite number or a Calibration"),
        ({"threshold": np.nan}, "threshold is nan"),
        ({"threshold": True}, "threshold is True"),
        ({"threshold": "0.5"}, "threshold is '0.5'"),
        ({"head": "l1"}, "head is a str; expected a PairHead"),
        ({"head": PairHead("l1", 5)}, "head is for encodings of 5 numbers; expected 3"),
        ({"score": "best"}, "score is 'best'; expected one of min, mean, nearest"),
        ({"neighbours": 0}, "neighbours is 0"),
        ({"neighbours": True}, "neighbours is True"),
    ],
)
def test_a_gallery_cannot_be_made_so(options, message):
    with pytest.raises(InputError, match=f"^Gallery: {message}"):
        Gallery(encoder(), **{"threshold": 1.0, **options})


@pytest.mark.parametrize(
    "network",
    [
        None,
        nn.Flatten(),
        *(Network(ModelCard("vgg", (4, 4), "none", **facts), []) for facts in ({}, {"embedding": 3}, {"metric": "l2"})),
    ],
)
def test_only_networks_for_faces_can_have_one(network):
    with pytest.raises(InputError, match=r"^encoder is .*; expected a network"):
        Gallery(network, threshold=1.0)


def test_another_encoder_is_known_by_weights_preprocessing_and_metric():
    one = identity(encoder())
    assert one == identity(encoder()) and one["preprocessing"] == "none"
    other = encoder()
    other.layers[0].w.data = other.layers[0].w.data * np.float32(1.0000001)
    assert identity(other)["weights_sha256"] != one["weights_sha256"]
    assert identity(encoder("l2")) != one
    other.layers[0].w.data = np.eye(3, dtype=np.float32).reshape(9, 1)
    assert identity(other)["weights_sha256"] != one["weights_sha256"]
    card = ModelCard("wide", (4, 6), "half", embedding=3, metric="l2")
    assert identity(Network(card, [Corner()])) == {
        "model": "wide",
        "weights_sha256": one["weights_sha256"],
        "preprocessing": "half",
        "metric": "l2",
        "embedding": 3,
        "input_height": 4,
        "input_width": 6,
    }
