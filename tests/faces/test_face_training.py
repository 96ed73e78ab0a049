"""Training an encoder of faces: it learns, in both phases it resumes to the same bits, and frozen layers stay."""

import json
import signal
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from PIL import Image

from minicnn import hdf5, models, nn
from minicnn.cli import Parser, face_train
from minicnn.errors import InputError
from minicnn.faces import measurement, training, training_pictures
from minicnn.faces.encoding import encode
from minicnn.faces.measurement import evaluation_pairs, measure
from minicnn.faces.training import CosineClassifier, FacePlan, named_layers, train_encoder
from minicnn.gradients.checking import gradcheck
from minicnn.models import tiny_face
from minicnn.models.card import ModelCard
from minicnn.models.network import Network
from minicnn.tensor import Tensor

PEOPLE, EACH, SIZE = 6, 6, 16
CARD = ModelCard("small", (SIZE, SIZE), "half", embedding=8, metric="squared_l2")
PLAN = FacePlan(people=3, pictures=3, softmax=(3, 0.05), comparing=(3, 0.1), shift=1, seed=2)


def test_pairs_are_all_of_one_person_and_as_many_of_two_half_of_them_the_nearest():
    people, places = np.repeat(np.arange(4), 3), np.repeat([0.0, 1.0, 10.0, 30.0], 3)
    encodings = Tensor(np.stack([np.arange(12.0) / 1000 + places, places], axis=1))
    compared = []

    def head(f, g):
        compared.extend(zip(*(np.round(1000 * (t.data[:, 0] - t.data[:, 1])).astype(int) for t in (f, g)), strict=True))
        return Tensor(np.zeros(len(f.data)))

    loss, facts = training._pair_loss(head, encodings, people, np.random.default_rng(3))
    same = [(i, j) for i, j in compared if people[i] == people[j]]
    others = [(i, j) for i, j in compared if people[i] != people[j]]
    assert len({*same}) == len(same) == len({*others}) == len(others) == 4 * 3
    assert all({people[i], people[j]} == {0, 1} for i, j in others[:6])  # the nearest; the rest are drawn
    assert loss.item() == pytest.approx(np.log(2)) and facts == {"right": 0.5}


def small():
    random = np.random.default_rng(0)
    convolution = nn.Conv2d(3, 8, 3, stride=2, bias=False, padding=1, seed=random, name="block1_conv1")
    norm = nn.BatchNorm(8, activation="relu", name="block1_conv1_norm")
    dense = nn.Linear(128, 8, seed=random, name="embedding")
    pool, normalize = nn.AvgPool2d(2, name="block1_pool"), nn.L2Normalize(name="normalize")
    return Network(CARD, [convolution, norm, pool], [nn.Flatten(name="flatten"), dense, normalize])


def faces(seed=0, noise=100):
    """People who are four by four patches of colour, under noise: (images uint8, who)."""
    random = np.random.default_rng(7)
    people = np.repeat(np.arange(PEOPLE), EACH)
    clean = random.integers(0, 256, (PEOPLE, 4, 4, 3)).repeat(SIZE // 4, axis=1).repeat(SIZE // 4, axis=2)
    noisy = clean[people] + np.random.default_rng(seed).normal(0, noise, (len(people), SIZE, SIZE, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8), people


def train(encoder, folder, plan=PLAN, name="c.npz", **options):
    return train_encoder(encoder, *faces(), plan, checkpoint=folder / name, progress=False, **options)


def everything(model):
    return {**{n: p.data for n, p in model.named_parameters()}, **dict(model.named_state())}


def assert_same_bits(one, other):
    for name, array in everything(one).items():
        np.testing.assert_array_equal(array, everything(other)[name], err_msg=name)


def separation(encoder):
    """How much further apart two people are than two pictures of one, on noise that was not in training."""
    images, people = faces(seed=9)
    encodings = encode(encoder, images)
    first, second = np.triu_indices(len(people), 1)
    d = np.square(encodings[first] - encodings[second]).sum(axis=1)
    same = people[first] == people[second]
    return d[~same].mean() / d[same].mean()


@pytest.mark.parametrize(
    "change",
    [
        {"comparing": (0, 0.1)},
        {"softmax": (0, 0.1), "comparing": (12, 0.1)},
        {"softmax": (0, 0.1), "comparing": (12, 0.1), "loss": "pair"},
    ],
    ids=["softmax", "triplets", "pairs"],
)
def test_each_phase_alone_draws_people_apart(tmp_path, change):
    encoder = small()
    before = separation(encoder)
    train(encoder, tmp_path, replace(PLAN, **change))
    assert separation(encoder) > 1.3 * before
    assert not encoder.training


@pytest.mark.parametrize(("loss", "interrupted_at"), [("triplet", 5), ("triplet", 15), ("pair", 20)])
def test_an_interrupted_run_resumes_to_the_same_bits(tmp_path, monkeypatch, loss, interrupted_at):
    plan = replace(PLAN, loss=loss)
    whole = small()
    whole_head = train(whole, tmp_path, plan, "whole.npz")

    steps, true_prepare = [], training._prepare

    def interrupt(*arguments):
        steps.append(1)
        if len(steps) == interrupted_at:
            signal.raise_signal(signal.SIGINT)  # what Ctrl-C sends
        return true_prepare(*arguments)

    monkeypatch.setattr(training, "_prepare", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(small(), tmp_path, plan, "cut.npz")
    monkeypatch.undo()
    assert len(steps) == interrupted_at
    resumed = small()
    head = train(resumed, tmp_path, plan, "cut.npz", resume=True)
    assert_same_bits(whole, resumed)
    if loss == "pair":
        assert_same_bits(whole_head, head)


@pytest.mark.parametrize(("people", "batch"), [(3, 9), (24, 18)])
def test_an_epoch_shows_every_picture_once_and_then_people_are_compared(tmp_path, monkeypatch, people, batch):
    told, shown = {}, []
    monkeypatch.setattr(training, "take_steps", lambda _, optimizer, step, steps, run, **rest: told.update(locals()))
    monkeypatch.setattr(training, "_prepare", lambda images, *_: shown.append(images[:, 0, 0, 0]) or images / 36)
    numbers = np.arange(36, dtype=np.float32)
    images = np.broadcast_to(numbers[:, None, None, None], (36, SIZE, SIZE, 3))
    plan = replace(PLAN, people=people, comparing=(4, 0.1))
    train_encoder(small(), images, numbers.astype(int) // 6, plan, checkpoint=tmp_path / "c", progress=False)
    batches = 36 // min(people * 3, 36)
    assert (told["steps"], told["run"].shown, told["run"].known) == (7 * batches, 36, 6)
    found = [told["step"](number) for number in range(batches)]
    assert sorted(np.concatenate(shown)) == numbers.tolist() != np.concatenate(shown).tolist()
    assert {step.title for step in found} == {"softmax 1/3"} and told["step"](batches).title == "softmax 2/3"
    assert shown[-1].tolist() != shown[0].tolist()  # each epoch in an order of its own
    compared = told["step"](3 * batches)
    assert compared.title == "triplets 1/4" and {*compared.shown} == {"active", "distance"}
    assert np.unique(shown[-1] // 6, return_counts=True)[1].tolist() == [3] * (batch // 3)
    assert told["step"](7 * batches - 1).title == "triplets 4/4"
    optimizer = told["optimizer"]
    assert (optimizer.momentum, optimizer.weight_decay, optimizer.nesterov) == (0.9, 5e-4, True)
    classifiers = [p for p in optimizer.parameters if p.shape == (6, 8)]  # a direction for each of six people
    assert len(classifiers) == 1
    assert told["rest"] == {
        "checkpoint": tmp_path / "c", "resume": False, "checkpoint_every": 50, "progress": False
    }  # fmt: skip


def test_the_mean_distance_is_that_of_all_pairs():
    x = np.random.default_rng(0).normal(size=(5, 3))
    first, second = np.triu_indices(5, 1)
    assert training._mean_distance(x) == pytest.approx(np.square(x[first] - x[second]).sum(axis=1).mean())
    assert training._mean_distance(x[:2]) == pytest.approx(np.square(x[0] - x[1]).sum())
    assert training._mean_distance(x[:1]) == 0


def test_a_checkpoint_of_other_pictures_is_refused(tmp_path):
    train(small(), tmp_path, replace(PLAN, softmax=(1, 0.05), comparing=(0, 0.1)))
    images, people = faces()
    with pytest.raises(InputError, match="was made with"):
        train_encoder(
            small(), images[:-1], people[:-1], PLAN, checkpoint=tmp_path / "c.npz", resume=True, progress=False
        )


def test_frozen_blocks_keep_their_bits_and_the_rest_learns(tmp_path):
    encoder, untouched = small(), small()
    train(encoder, tmp_path, replace(PLAN, frozen=("block1",)))
    after, before = everything(encoder), everything(untouched)
    for name in before:
        assert np.array_equal(after[name], before[name]) == name.startswith("block1"), name
    assert all(parameter.requires_grad for parameter in encoder.parameters())


def test_the_layers_of_a_block_and_of_a_name():
    encoder = small()
    assert [layer.name for layer in named_layers(encoder, ["block1"])] == [
        "block1_conv1",
        "block1_conv1_norm",
        "block1_pool",
    ]
    assert [layer.name for layer in named_layers(encoder, ["embedding"])] == ["embedding"]
    with pytest.raises(InputError, match="freeze 'block9' is unknown; small has block1, flatten, embedding, normalize"):
        named_layers(encoder, ["block9"])


def test_the_cosine_classifier_against_its_formula():
    random = np.random.default_rng(0)
    classifier = CosineClassifier(5, 3, scale=4.0, angle=0.3, seed=1)
    x = random.normal(size=(4, 5))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    labels = np.array([0, 2, 1, 2])
    w = classifier.w.data.astype(np.float64)
    logits = 4 * (x @ (w / np.linalg.norm(w, axis=1, keepdims=True)).T - 0.3 * np.eye(3)[labels])
    expected = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(4), labels])
    assert classifier.loss(Tensor(x), labels).item() == pytest.approx(expected, rel=1e-5)
    classifier.w.data = w
    gradcheck(lambda encodings: classifier.loss(encodings, labels), [x])
    lengths = np.linalg.norm(CosineClassifier(400, 50, scale=1.0, angle=0.0).w.data, axis=1)
    np.testing.assert_allclose(lengths, 1, atol=0.15)  # so that a step turns them as far in any number of dimensions


def test_all_pairs_are_measured_and_a_head_tells_the_nearest_first():
    encodings, count = np.float32([[0], [3]]), 100_002
    first, second = np.zeros(count, np.int64), np.ones(count, np.int64)
    assert (measurement._apart(encodings, first, second, None) == 9).all()

    def head(f, g):
        return Tensor(f[:, 0] - g[:, 0])

    assert measurement._apart(encodings, first[:2], second[:2], head).tolist() == [3, 3]


def test_measuring_tells_a_good_encoder_from_a_poor_one():
    people = np.repeat(np.arange(40), 5)
    random = np.random.default_rng(0)
    centres = random.normal(size=(40, 16))
    results = []
    for noise in (0.1, 3.0):
        encodings = centres[people] + noise * random.normal(size=(200, 16))
        encodings /= np.linalg.norm(encodings, axis=1, keepdims=True)
        results.append(measure(encodings.astype(np.float32), people))
    good, poor = results
    assert good.evaluation.accuracy > 0.99
    assert good.val > 0.99 >= 0.9 > poor.evaluation.accuracy
    assert poor.val < 0.5
    assert max(good.far, poor.far) <= 1e-3


def test_pairs_of_an_evaluation_are_two_in_each_fold_or_more():
    for people, said in (
        ([0, 0, 1, 1], "2 people with 2 pictures at most"),
        ([0, 1, 2, 3], "4 people with 1 picture at most"),
        ([0, 0, 0], "1 person with 3 pictures at most"),
    ):
        with pytest.raises(InputError, match=f"^pairs: {said} are too few; expected four people or more with two"):
            evaluation_pairs(np.array(people))
    found = evaluation_pairs(np.repeat(np.arange(4), [1, 2, 2, 2]))
    assert found.fold.tolist() == [0, 0, 1, 1] and found.same.sum() == 2
    found = evaluation_pairs(np.repeat(np.arange(20), 25))
    assert len(found.same) == 6000 and found.fold.max() == 9  # as in LFW
    assert evaluation_pairs(np.repeat(np.arange(19), 2)).fold.max() == 8
    found = evaluation_pairs(
        np.repeat(np.arange(4), [1, 9, 9, 9])
    )  # nine pairs of the one picture with another person's
    assert len(found.fold) == 2 * 18


def test_the_logit_of_a_head_is_near_where_a_distance_is_far():
    random, people = np.random.default_rng(0), np.repeat(np.arange(12), 4)
    encodings = (random.normal(size=(12, 3))[people] + random.normal(size=(48, 3)) / 3).astype(np.float32)
    by_distance = measure(encodings, people)
    by_head = measure(encodings, people, head=lambda f, g: Tensor(1 - np.square(f - g, dtype=np.float64).sum(axis=1)))
    assert by_head.evaluation.accuracy == by_distance.evaluation.accuracy > 0.8
    assert (by_head.val, by_head.far) == (by_distance.val, by_distance.far)
    assert by_head.threshold == pytest.approx(by_distance.threshold - 1, abs=1e-5)


def test_tiny_facenet_is_small_enough_to_ship_and_folds():
    encoder = models.tiny_facenet(None)
    assert sum(parameter.size for parameter in encoder.parameters()) < 3e6  # 6 MB of float16
    trained = tiny_face.build(batch_norm=True, seed=3)
    random = np.random.default_rng(0)
    for name, array in list(trained.named_state()):
        low = 0.5 if name.endswith("variance") else -0.5
        trained.set_state(name, random.uniform(low, low + 1, array.shape).astype(np.float32))
    trained.eval()
    x = random.random((2, 64, 64, 3), dtype=np.float32)
    expected = trained(x).data
    np.testing.assert_allclose(tiny_face.fold(trained)(x).data, expected, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"people": 1}, "people of a batch is 1; expected 2"),
        ({"pictures": 1}, "pictures of a batch is 1; expected 2"),
        ({"loss": "hinge"}, "loss is 'hinge'; expected one of triplet, pair"),
        ({"softmax": (3, 0.0)}, "softmax is 3 0.0; expected"),
        ({"comparing": (-1, 0.1)}, "comparing is -1 0.1; expected EPOCHS of 0 or more"),
        ({"margin": -0.1}, "margin is -0.1; expected a number of 0 or more"),
        ({"margin": np.inf}, "margin is inf; expected a number of 0 or more"),
        ({"softmax": (3, np.inf)}, "softmax is 3 inf; expected EPOCHS of 0 or more, a positive RATE"),
        ({"hidden": 1.1}, "hidden is 1.1; expected a number from 0 to 1"),
        ({"hidden": -0.1}, "hidden is -0.1; expected a number from 0 to 1"),
        ({"loss": "pair", "head": "chi2"}, "head is 'chi2', but small ends with signed"),
        ({"frozen": ("block7",)}, "freeze 'block7' is unknown"),
    ],
)
def test_bad_plans(tmp_path, change, message):
    with pytest.raises(InputError, match=f"^face train: {message}"):
        train(small(), tmp_path, replace(PLAN, **change))
    assert not list(tmp_path.iterdir())


def test_plans_at_the_limits_are_taken():
    for hidden in (0, 1):
        plan = FacePlan(people=2, pictures=2, softmax=(0, 1e-9), comparing=(0, 1e9), margin=0, hidden=hidden)
        assert (plan.people, plan.margin, plan.hidden) == (2, 0, hidden)


def test_bad_pictures(tmp_path):
    images, people = faces()
    checkpoint = tmp_path / "c.npz"
    with pytest.raises(InputError, match="one person alone, 3"):
        train_encoder(small(), images, np.full(len(images), 3), PLAN, checkpoint=checkpoint)
    with pytest.raises(InputError, match=r"images have shape \(36, 8, 16, 3\)"):
        train_encoder(small(), images[:, :8], people, PLAN, checkpoint=checkpoint)
    other = Network(ModelCard("vgg", (SIZE, SIZE), "half"), [nn.Flatten(name="flatten")])
    with pytest.raises(InputError, match="vgg is not an encoder of faces; expected one such as tiny_facenet"):
        train_encoder(other, images, people, PLAN, checkpoint=checkpoint)


def test_drawn_pictures_that_are_kept_must_be_those(tmp_path):
    def drawn():
        return training_pictures.drawn(0, 2, 1, 2, size=32, folder=tmp_path, progress=False)

    images, *_ = drawn()
    (kept,) = tmp_path.glob("faces-training-*.npy")
    np.testing.assert_array_equal(drawn()[0], images)
    for other in (images[:1], images.astype(np.float32)):
        np.save(kept, other)
        with pytest.raises(
            InputError, match=r"holds \(\d, 32, 32, 3\) \w+; expected \(2, 32, 32, 3\) uint8; delete it"
        ):
            drawn()
    kept.write_bytes(b"words")
    with pytest.raises(InputError, match=r"^face train: '.*faces-training-.*' holds no pictures \(.*\); delete it"):
        drawn()


def command(*options):
    parser = Parser()
    face_train.add(parser.add_subparsers())
    return face_train.run(parser.parse_args(["train", *options]))


SHORT = ("--batch", "2", "2", "--softmax", "1", "0.01", "--comparing", "1", "0.01")


def test_the_command_draws_trains_measures_and_writes(tmp_path, capsys, monkeypatch):
    out = tmp_path / "drawn.h5"
    clock = iter([100.0, 550.0])
    monkeypatch.setattr(face_train, "time", SimpleNamespace(monotonic=clock.__next__))
    command("--people", "2", "--pictures", "2", "--test-people", "4", *SHORT, "--json", "-o", str(out))
    said = json.loads(capsys.readouterr().out)
    assert said["people"] == 2 and said["pictures"] == 4 and said["minutes"] == 7.5
    assert set(said["baselines"]) == {"raw pixels (L2)", "3 principal components (L2)"}
    assert models.tiny_facenet(out).load_report.complete
    with h5py.File(out) as file:
        assert file.attrs["accuracy"] == said["after"]["accuracy"]
    assert len(list(tmp_path.glob("faces-*.npy"))) == 2  # kept for a run that goes on


def test_the_command_goes_on_from_a_file_with_a_folder(tmp_path, capsys, no_packages):
    random = np.random.default_rng(0)
    for person in range(4):
        (tmp_path / "people" / f"p{person}").mkdir(parents=True)
        for number in range(2):
            picture = random.integers(0, 256, (64, 70, 3), dtype=np.uint8)
            Image.fromarray(picture).save(tmp_path / "people" / f"p{person}" / f"{number}.png")
    start, out, data = tmp_path / "start.h5", tmp_path / "tuned.h5", str(tmp_path / "people")
    hdf5.save(models.tiny_facenet(None, seed=4), start)
    tuned = ("--init", str(start), "--freeze", "block1,block2", "--data", data, "--test", data, "-o", str(out))
    command(*tuned, "--loss", "pair", *SHORT)
    said = capsys.readouterr().out
    assert "cropped at the centre of each picture" in said and "before " in said and "pair head " in said
    before, after = (dict(models.tiny_facenet(path).named_parameters()) for path in (start, out))
    for name, parameter in after.items():
        kept = np.allclose(parameter.data, before[name].data, atol=1e-3, rtol=1e-3)  # float16
        assert kept or not name.startswith(("block1", "block2")), name
    assert not np.array_equal(after["embedding.b"].data, before["embedding.b"].data)
    assert (tmp_path / "tuned.head.h5").is_file()


@pytest.mark.parametrize("init", [True, False])
def test_without_pictures_for_a_test_nothing_is_measured(tmp_path, capsys, no_packages, init):
    for number in range(4):
        path = tmp_path / "people" / f"p{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((32, 32, 3), 60 * number, np.uint8)).save(path)
    out, start = tmp_path / "net.h5", tmp_path / "start.h5"
    hdf5.save(models.tiny_facenet(None, seed=4), start)
    given = ["--init", str(start)] if init else []
    command("--data", str(tmp_path / "people"), *given, *SHORT, "--json", "-o", str(out))
    said = json.loads(capsys.readouterr().out)
    assert said.keys() == {"file", "people", "pictures", "minutes"} and (said["people"], said["pictures"]) == (2, 4)
    attributes = hdf5.summary(out).attributes
    assert attributes["faces"] == "photographs" and "accuracy" not in attributes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "nowhere"], "no folder 'nowhere'"),
        (["--batch", "4", "1"], "pictures of a batch is 1"),
        (["--people", "1"], "people is 1; expected at least 2"),
        (["--softmax", "x", "1"], "softmax is x 1; expected EPOCHS and RATE"),
        (["--freeze", "block1"], "without --init"),
        (["--init", "nowhere.h5"], "'nowhere.h5' is neither a file nor in the catalogue"),
        (["--test", "there"], "with --data"),
        (["--resume"], "no checkpoint"),
        (["-o", "no/folder/x.h5"], "folder that does not exist"),
        (["--loss", "pair", "--head", "chi2"], "head is 'chi2', but tiny_facenet ends"),
    ],
)
def test_bad_options_give_one_line(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message) as problem:
        command(*options)
    assert "\n" not in str(problem.value)
    assert not list(tmp_path.iterdir())


def test_patches_are_hidden_in_pictures_of_any_sides():
    """They are rectangles of one colour, of at most so much of each side, in about half of the pictures."""
    images = np.zeros((200, 10, 40, 3), np.float32)
    hidden = training._hide(images, 0.5, np.random.default_rng(0)).any(axis=3)
    sides = [(part.any(axis=1).sum(), part.any(axis=0).sum(), part.sum()) for part in hidden if part.any()]
    assert 60 < len(sides) < 110
    assert all(height * width == pixels for height, width, pixels in sides)
    assert 4 <= max(height for height, _, _ in sides) <= 5 and 15 <= max(width for _, width, _ in sides) <= 20
