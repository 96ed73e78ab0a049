"""A learner's functions in the engine: each adapter agrees with minicnn's own, and the command says whose each was."""

import numpy as np
import pytest

from minicnn import Tensor, cli, images, learn, nn, ops
from minicnn.backend import kernels_for, use_backend
from minicnn.cli import main
from minicnn.demonstration import styles
from minicnn.faces import training as faces_training
from minicnn.kernels.geometry import slide
from minicnn.learn import adapters, catalogue, examining, own_engine
from minicnn.learn.verdict import Verdict
from minicnn.style import estimate


def solution(name):
    return catalogue.find(name).function


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.fixture
def definitions():
    with use_backend("numpy"):
        yield kernels_for(np.zeros(1))


WINDOWS = [
    {"padding": 1},
    {"stride": 2},
    {"stride": 2, "padding": 2},
    {"padding": ((0, 1), (2, 0))},
    {"stride": 3, "padding": "same"},
]


@pytest.mark.parametrize("options", WINDOWS, ids=str)
@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_of_a_learner_is_minicnns(definitions, options, groups):
    x, w, b = normal(2, 7, 8, 4), normal(3, 3, 4 // groups, 6), normal(6)
    window = slide("conv", (7, 8), 3, **options)
    expected = definitions.conv(x, w, b, window, groups)
    for adapt, name in ((adapters.conv_by_conv_forward, "conv_forward"), (adapters.conv_by_im2col, "im2col")):
        conv = adapt(solution(name))["conv"]
        np.testing.assert_allclose(conv(x, w, b, window, groups), expected, atol=1e-12)
        np.testing.assert_allclose(conv(x, w, None, window, groups), expected - b, atol=1e-12)
    mine, dy = adapters.conv_gradients(solution("conv_gradient")), normal(*expected.shape, seed=1)
    for name, arguments in (
        ("conv_gradient_to_input", (dy, w, (7, 8), window, groups)),
        ("conv_gradient_to_filters", (dy, x, window, groups)),
    ):
        np.testing.assert_allclose(mine[name](*arguments), getattr(definitions, name)(*arguments), atol=1e-12)


@pytest.mark.parametrize("options", [{"stride": 2}, {"stride": 1}, {"stride": 3, "padding": 1}], ids=str)
def test_pooling_of_a_learner_is_minicnns(definitions, options):
    x, window = normal(2, 7, 8, 3), slide("pool", (7, 8), 2, **options)
    mine = adapters.pools(solution("pool_forward"))
    y, switches = mine["max_pool"](x, window)
    expected, theirs = definitions.max_pool(x, window)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(switches, theirs)
    assert switches.dtype == theirs.dtype
    dy = normal(*y.shape, seed=1)
    gradient = adapters.max_pool_gradients(solution("max_pool_gradient"))["max_pool_gradient"]
    back = definitions.max_pool_gradient(dy, theirs, (7, 8), window)
    np.testing.assert_allclose(gradient(dy, theirs, (7, 8), window), back, atol=1e-12)
    mean = mine["avg_pool"](x, window, False)
    if "padding" in options:
        assert mean is NotImplemented
    else:
        np.testing.assert_allclose(mean, definitions.avg_pool(x, window, False), atol=1e-12)


def test_gram_matrices_and_adam_of_a_learner_are_minicnns(definitions):
    features, dgram = normal(2, 12, 3), normal(2, 3, 3, seed=1)
    mine = adapters.grams(solution("gram_matrix"))
    np.testing.assert_allclose(mine["gram"](features), definitions.gram(features), atol=1e-12)
    expected = definitions.gram_gradient(dgram, features, None)
    np.testing.assert_allclose(mine["gram_gradient"](dgram, features, None), expected, atol=1e-12)
    p, g, mean, square = normal(4, 3, 2)
    rule = (0.1, 1e-3, 0.9, 0.99, -0.5, 0.5)
    found = adapters.adam_steps(solution("adam"))["adam_step"](p, g, mean, abs(square), *rule)
    theirs = [p.copy(), g, mean.copy(), abs(square)]
    definitions.adam_step(*theirs, *rule)
    for array, other in zip(found, (theirs[0], *theirs[2:]), strict=True):
        np.testing.assert_allclose(array, other, atol=1e-14)


@pytest.mark.parametrize(
    ("adapted", "arguments"),
    [
        (lambda: adapters.conv_by_conv_forward(len)["conv"], lambda w: (0, 0, 0, w, 1)),
        (lambda: adapters.conv_by_im2col(len)["conv"], lambda w: (0, 0, 0, w, 1)),
        (lambda: adapters.conv_gradients(len)["conv_gradient_to_input"], lambda w: (0, 0, 0, w, 1)),
        (lambda: adapters.conv_gradients(len)["conv_gradient_to_filters"], lambda w: (0, 0, w, 1)),
        (lambda: adapters.pools(len)["max_pool"], lambda w: (0, w)),
        (lambda: adapters.pools(len)["avg_pool"], lambda w: (0, w, False)),
        (lambda: adapters.max_pool_gradients(len)["max_pool_gradient"], lambda w: (0, 0, 0, w)),
    ],
)
@pytest.mark.parametrize(
    "window",
    [slide("x", (9,), 3), slide("x", (9, 9, 9), 2), slide("x", (9, 9), (2, 3)), slide("x", (9, 9), 2, dilation=2)],
    ids=["signal", "volume", "oblong", "holes"],
)
def test_what_the_exercises_do_not_ask_is_left_to_minicnn(adapted, arguments, window):
    assert adapted()(*arguments(window)) is NotImplemented


# All of them together


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Every solution that an engine can use. Files count as right unless they say WRONG."""
    place = tmp_path / "mine"
    place.mkdir()
    for name in own_engine.NAMES:
        (place / f"{name}.py").write_text(learn.solution(name), encoding="utf-8")
    monkeypatch.setattr(
        examining,
        "examine",
        lambda exercise, file, seconds: Verdict(exercise.name, "WRONG" not in file.read_text("utf-8")),
    )
    return place


def small_network():
    layers = (
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm(4, activation="relu"),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, bias=False),
    )
    return nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4, 3))


def gradients_of(network, x):
    network.train()
    network.zero_grad()
    loss = ops.cross_entropy(network(Tensor(x)), np.array([0, 2]))
    loss.backward()
    return [loss.data, *(p.grad for p in network.parameters())]


def test_a_network_of_a_learners_functions_has_minicnns_gradients(folder):
    x, network = normal(2, 8, 8, 3).astype(np.float32), small_network()
    expected = gradients_of(network, x)
    engine = own_engine.OwnEngine(folder, 1000)
    with engine.installed():
        found = gradients_of(network, x)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)
    asked = {name for name, part in engine.parts.items() if part.calls}
    assert asked == {
        *("conv_forward", "conv_gradient", "pool_forward", "max_pool_gradient", "walk_back"),
        *("linear", "batch_norm", "softmax_cross_entropy"),
    }
    assert all(part.difference < 1e-5 and not part.problem for part in engine.parts.values())
    assert gradients_of(network, x)[0] == expected[0]  # minicnn's again


def test_triplets_of_a_learner_are_minicnns(folder):
    encodings, people = normal(8, 5).astype(np.float32), np.repeat(np.arange(4), 2)

    def cost():
        leaf = Tensor(encodings, requires_grad=True)
        found = faces_training.mine_triplets(leaf, people, strategy="batch-hard", margin=0.2)
        loss = faces_training.batch_triplet_loss(leaf, found, margin=0.2, reduction="mean")
        loss.backward()
        return found, loss.data, leaf.grad

    expected = cost()
    engine = own_engine.OwnEngine(folder, 1000)
    with engine.installed():
        for mine, theirs in zip(cost(), expected, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
        assert len(faces_training.mine_triplets(encodings, people, strategy="all", margin=0.2))
    assert engine.parts["batch_hard"].calls == engine.parts["batch_hard"].others == 1
    assert engine.parts["sum_to"].calls == 0 or engine.parts["sum_to"].difference < 1e-5


def test_what_was_broadcast_is_summed_by_the_learner(folder):
    engine = own_engine.OwnEngine(folder, 1000)
    b = Tensor(np.ones(3), requires_grad=True)
    with engine.installed():
        (b + np.ones((4, 3))).backward(np.arange(12.0).reshape(4, 3))
    np.testing.assert_array_equal(b.grad, [18, 22, 26])
    assert engine.parts["sum_to"].calls == 1


def broken(folder, name, old, new):
    file = folder / f"{name}.py"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_a_function_that_raises_or_differs_is_named(folder):
    broken(folder, "conv_forward", "    K = len(w)\n", "    K = len(w)\n    raise ValueError('too tired')\n")
    broken(folder, "gram_matrix", "return A @ A.T", "return A @ A.T * 1.5")
    broken(folder, "adam", '"""A step', '"""WRONG: a step')
    (folder / "linear.py").unlink()
    engine = own_engine.OwnEngine(folder, 1000)
    with engine.installed():
        ops.conv(normal(1, 5, 5, 1), normal(3, 3, 1, 1))
        ops.conv(normal(1, 5, 5, 1), normal(3, 3, 1, 1))
        ops.gram_matrix(Tensor(normal(1, 4, 4, 2)))
    said = " ".join(engine.report().split())
    assert "conv_forward raised ValueError: too tired; minicnn's took over." in said
    assert "gram_matrix differs from minicnn's by up to 50% of the largest number." in said
    assert "Not right yet, and so not used: adam." in said and "Not yours yet: linear." in said
    assert "conv_forward 1" not in said  # it has no row
    assert engine.parts["conv_forward"].others == 2


def test_minicnn_takes_over_when_the_time_is_used_up(folder):
    engine = own_engine.OwnEngine(folder, 1e-9)
    with engine.installed():
        for _ in range(3):
            ops.conv(normal(1, 5, 5, 1), normal(3, 3, 1, 1))
    part = engine.parts["conv_forward"]
    assert (part.calls, part.others) == (1, 2)
    assert "Calls that minicnn computed, after 1e-09 s of yours: conv_forward 2." in " ".join(engine.report().split())


def test_time_inside_a_call_is_counted_once():
    clock = own_engine.Clock(1e9)
    outer, inner = own_engine.Part("outer", clock), own_engine.Part("inner", clock)

    def nested():
        with clock.aside():
            return inner.call(lambda: sum(range(50_000)), lambda: 0, (), compare=False)

    assert outer.call(nested, lambda: 0, (), compare=False) == sum(range(50_000))
    assert 0 < outer.seconds < inner.seconds and clock.spent == outer.seconds + inner.seconds and not clock.inner


# The command


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("photo.png", "painting.png"):
        images.save(name, np.random.default_rng(len(name)).random((32, 32, 3)))
    monkeypatch.setattr(estimate, "_seconds_of_a_step", lambda *_: (0.1, (32, 32)))


def test_a_picture_is_painted_by_a_learners_functions(folder, pictures, capsys):
    words = ["style", "photo.png", "painting.png", "-o", "out.png", "--size", "32", "--steps=1"]
    assert main(["learn", "use", str(folder), *words]) == 0
    said = capsys.readouterr().out
    assert images.load("out.png").shape == (32, 32, 3)
    assert "out.png: tiny_vgg, 1 steps" in said and all(len(line) < 80 for line in said.splitlines())
    for name in ("conv_forward", "conv_gradient", "pool_forward", "gram_matrix", "adam", "walk_back"):
        assert f"\n  {name} " in said
    assert "Yours, not needed by this command: im2col, max_pool_gradient" in said
    assert "times slower than minicnn's for the same calls." in said


def test_an_empty_folder_is_told_where_to_start(tmp_path, pictures, capsys):
    (tmp_path / "empty").mkdir()
    words = ["style", "photo.png", "painting.png", "-o", "out.png", "--size", "32", "--steps", "1"]
    assert main(["learn", "use", "empty", *words]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Not yours yet: conv_forward, im2col," in said
    assert said.endswith("No function in this run was yours. Start one with: minicnn learn start conv_forward")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["."], "learn use: COMMAND is ''; expected style, demo, face"),
        ([".", "train"], "learn use: COMMAND is 'train'; expected style, demo, face"),
        (["nowhere", "demo"], "learn use: FOLDER 'nowhere' does not exist; expected a folder of solved exercises"),
        (["--seconds", "0", ".", "demo"], "learn use: seconds is 0.0; expected a number above 0"),
        (["--seconds", "nan", ".", "demo"], "learn use: seconds is nan; expected a number above 0"),
    ],
)
def test_bad_input_is_one_line(words, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["learn", "use", *words]) == 2
    assert capsys.readouterr().err == f"minicnn: {line}\n"


def test_a_demonstration_is_small_and_its_status_is_passed_on(tmp_path, monkeypatch, capsys):
    def use(*words):
        chosen = cli.parser().parse_args(["learn", "use", str(tmp_path), *words])
        return chosen.run(chosen)

    sizes, before = [], (styles.SIZE, styles.STEPS)
    monkeypatch.setattr(cli, "run", lambda inner: sizes.append((styles.SIZE, styles.STEPS)) or 3)
    assert use("demo") == use("style", "a.png", "b.png", "-o", "c.png") == 3
    assert use("face", "identify", "g.h5", "a.png", "--json") == 3
    assert sizes == [(64, 5), before, before] and (styles.SIZE, styles.STEPS) == before != (64, 5)
    said = capsys.readouterr()
    assert [text.count("Not yours yet") for text in said] == [2, 1]  # not where programs read


def test_options_that_are_given_stay():
    from minicnn.cli import learn_use

    assert learn_use._small(["style", "a", "b", "--size", "32", "--steps=9"]) == ["--levels", "1"]
    assert learn_use._small(["face", "identify", "g", "a.png"]) == learn_use._small(["demo"]) == []
    assert learn_use._small(["style"]) == ["--size", "64", "--steps", "5", "--levels", "1"]
    small = " ".join(learn_use._small(["face", "train"]))
    few = "--pictures 4 --test-people 8 --softmax 1 0.01 --comparing 1 0.001 --batch 4 2"
    assert small == f"--people 12 {few}"
    assert " ".join(learn_use._small(["face", "train", "--people", "9"])) == few


@pytest.mark.thorough
def test_the_files_of_a_folder_are_checked_before_they_are_used(tmp_path, pictures, capsys):
    for name in ("gram_matrix", "pool_forward"):
        (tmp_path / f"{name}.py").write_text(learn.solution(name), encoding="utf-8")
    broken(tmp_path, "pool_forward", "window.max(", "window.min(")
    words = ["style", "photo.png", "painting.png", "-o", "out.png", "--size", "32", "--steps", "1"]
    assert main(["learn", "use", ".", *words]) == 0
    said = capsys.readouterr().out
    assert "\n  gram_matrix " in said and "Not right yet, and so not used: pool_forward." in said


@pytest.mark.thorough
def test_the_demonstration_is_made_by_a_learners_functions(folder, tmp_path, capsys):
    assert main(["learn", "use", "--seconds", "5", str(folder), "demo", "--out", str(tmp_path / "demo")]) == 0
    said = capsys.readouterr().out
    assert "starry night: 5 steps" in said and "\n  conv_forward " in said and "\n  linear " in said
    assert images.load(tmp_path / "demo" / "result-woodcut_wave.png").shape[0] == 64


@pytest.mark.thorough
def test_an_encoder_is_trained_by_a_learners_functions(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = ["--people", "6", "--pictures", "2", "--test-people", "4", "--batch", "3", "2"]
    assert main(["learn", "use", "--seconds", "5", str(folder), "face", "train", "-o", "faces.h5", *small]) == 0
    said = capsys.readouterr().out
    for name in ("batch_norm", "softmax_cross_entropy", "max_pool_gradient", "triplet_loss", "batch_hard"):
        assert f"\n  {name} " in said
