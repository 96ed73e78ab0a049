"""Around the loop: sizes from coarse to fine, runs that were killed, runs made again, and runs that go wrong."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from toy_network import toy

import minicnn
from minicnn import Tensor, hdf5, images, models, nn, style
from minicnn.errors import InputError, MissingFileError
from minicnn.style import checkpoints, job, manifests, pyramid
from minicnn.style.checkpoints import Checkpoint
from minicnn.style.run import Run
from minicnn.style.scales import halves
from minicnn.style.trace import Diverged, Trace

OPTIMIZERS = {"adam": 0.02, "lbfgs": 0.05, "gd": 0.5}


@pytest.fixture
def model():
    return toy()


@pytest.fixture
def pictures():
    coarse = np.random.default_rng(0).random((2, 9, 10, 3), dtype=np.float32)
    return np.stack([images.resize(picture, 34, 40) for picture in coarse])


def ctrl_c(step, image, costs):
    os.kill(os.getpid(), signal.SIGINT)


# --- from coarse to fine ---------------------------------------------------------------------------------------


def test_sizes_are_halves_of_the_picture():
    assert pyramid.sizes(300, 512, 3) == [(75, 128), (150, 256), (300, 512)]
    assert pyramid.sizes(512, 301, 2) == [(256, 151), (512, 301)]
    assert pyramid.sizes(100, 80, 1) == [(100, 80)]
    assert pyramid.sizes(100, 80, 9) == [(25, 20), (50, 40), (100, 80)]
    assert pyramid.sizes(31, 500, 3) == [(31, 500)] and pyramid.sizes(500, 32, 3) == [(250, 16), (500, 32)]


def test_what_has_its_size_already_is_copied():
    given = np.random.default_rng(0).random((1, 5, 7, 3))
    copy = pyramid.resampled(given, (5, 7))
    np.testing.assert_array_equal(copy, given)
    assert not np.shares_memory(copy, given)


def test_levels_of_zero_begin_where_the_recipe_says_or_a_little_above(model, pictures):
    sides = (20, 128, 255, 256, 511, 512, 1024, 2047)
    assert [pyramid.levels(side, 128) for side in sides] == [1, 1, 1, 2, 2, 3, 4, 4]
    for long, least in ((256, 128), (300, 128), (1000, 128), (1000, 192), (1024, 192)):
        assert least <= pyramid.sizes(long, long, pyramid.levels(long, least))[0][0] < 2 * least
    wide = [images.resize(picture, 34, 256) for picture in pictures]
    result = style.transfer(*wide, model=model, levels=0, steps=2)
    assert result.manifest["sizes"] == [[17, 128], [34, 256]]
    assert result.manifest["recipe"]["levels"] == 2  # as it was run, whatever later versions take 0 for
    assert style.transfer(*wide, model=model, levels=0, coarsest=129, steps=1).manifest["sizes"] == [[34, 256]]


@pytest.mark.parametrize("network", [models.tiny_vgg, models.squeezenet])
def test_a_network_of_its_own_recipe_has_wider_strokes_in_larger_pictures(network):
    recipe = network(weights=None).card.recipe
    assert [len(halves(recipe, (side, side))) for side in (128, 256, 512, 1024)] == [1, 2, 3, 4]


def test_a_checkpoint_is_due_ten_seconds_after_the_last(tmp_path, monkeypatch):
    times = iter([100.0, 109.9, 110.0, 112.0, 121.9, 122.0])
    monkeypatch.setattr(checkpoints, "time", SimpleNamespace(monotonic=lambda: next(times)))
    kept = Checkpoint(tmp_path / "c.npz", {})
    assert not kept.due() and kept.due()
    kept.write({}, {})
    assert not kept.due() and kept.due()


def test_a_run_is_kept_before_and_after_its_first_step(model, pictures):
    content, painting = pictures
    recipe = replace(model.card.recipe, steps=2)

    def fresh(start):
        return Run(model, recipe, content, [(painting, 1.0)], start)

    run = fresh(content)
    facts, arrays = run.state()
    assert "best" not in arrays and np.array_equal(arrays["image"][0], content)
    assert np.array_equal(run.result, content)
    run.finish(lambda: None)
    other = fresh(painting)
    other.load_state(facts, arrays)
    other.finish(lambda: None)
    assert np.array_equal(other.result, run.result) and not np.array_equal(run.result, content)
    facts, arrays = run.state()
    third = fresh(painting)
    third.load_state(facts, arrays)
    assert arrays["best"].tobytes() == third.trace.best.tobytes() and np.array_equal(third.result, run.result)
    third.trace.best = painting  # the best picture, and not the last one, is the result
    assert np.array_equal(third.result, painting)


def test_contents_and_styles_of_smaller_sizes_are_pictures(model, monkeypatch):
    """Sharp edges overshoot where a picture is made smaller."""
    seen = []
    monkeypatch.setattr(Run, "_objective_of", lambda self, content, styles: seen.extend((content, styles[0][0])))
    edges = np.kron(np.random.default_rng(0).random((2, 11, 13)) > 0.5, np.ones((1, 4, 4)))
    content, painting = np.repeat(edges[..., None], 3, axis=3).astype(np.float32)
    Run(model, replace(model.card.recipe, levels=2), content, [(painting, 1.0)], content).objective()
    for picture in seen:
        assert picture.shape == (22, 26, 3) and (picture.min(), picture.max()) == (0, 1)


def test_every_size_has_its_share_of_the_steps():
    assert pyramid.shares(150, 3) == [50, 50, 50]
    assert pyramid.shares(11, 3) == [5, 3, 3]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_goes_from_coarse_to_fine(model, pictures, optimizer):
    seen = []

    def watch(step, image, costs):
        seen.append((step, image.shape))

    how = {"model": model, "optimizer": optimizer, "learning_rate": OPTIMIZERS[optimizer], "init": "noise"}
    result = style.transfer(*pictures, **how, levels=2, steps=25, on_step=watch)
    assert result.manifest["sizes"] == [[17, 20], [34, 40]]
    assert [shape for _, shape in seen] == [(17, 20, 3)] * 13 + [(34, 40, 3)] * 12
    assert [step for step, _ in seen] == list(range(1, 26))
    assert result.image.shape == (34, 40, 3)
    fine = [row["total"] for row in result.history[14:]]
    alone = style.transfer(*pictures, **how, steps=1).history
    assert fine[0] < alone[0]["total"]  # what was done when small need not be done again
    assert fine[-1] < fine[0]


def test_few_steps_are_taken_at_the_largest_size(model, pictures):
    result = style.transfer(*pictures, model=model, levels=3, steps=1)
    assert result.manifest["sizes"] == [[34, 40]]


# --- optimizers in one loop ------------------------------------------------------------------------------------


@pytest.mark.parametrize("clamp", ["step", "end"])
def test_lbfgs_goes_lower_than_adam_in_as_many_evaluations(model, pictures, clamp):
    lbfgs = style.transfer(*pictures, model=model, steps=20, optimizer="lbfgs", learning_rate=0.05, clamp=clamp)
    evaluations = lbfgs.manifest["evaluations"]
    adam = style.transfer(*pictures, model=model, steps=evaluations, learning_rate=0.02, clamp=clamp)
    assert lbfgs.history[-1]["total"] < adam.history[-1]["total"]
    totals = [row["total"] for row in lbfgs.history]
    assert [row["step"] for row in lbfgs.history] == list(range(21))
    assert all(later < earlier for earlier, later in itertools.pairwise(totals))
    assert lbfgs.image.min() >= 0
    assert lbfgs.image.max() <= 1


def test_a_trace_tells_iterates_from_trials():
    trace = Trace()
    picture = np.zeros((1, 1, 3), np.float32)
    for cost in (9.0, 11.0, 5.0, 7.0):  # from 9 a step tries 11, 5 and 7 and goes to 5
        trace.look(picture + cost, {"total": cost})
    trace.took_a_step(9.0)
    trace.look(picture + 4, {"total": 4.0})
    trace.took_a_step(5.0)
    trace.look(picture + 4, {"total": 4.0})
    trace.arrived()
    assert [row["total"] for row in trace.history] == [9.0, 5.0, 4.0]
    assert [row["total"] for row in trace.state()["seen"]] == [4.0]  # nothing from before the last iterate
    assert trace.best[0, 0, 0] == 4
    assert trace.evaluations == 6


def test_a_run_ends_with_the_picture_that_was_looked_at_last_even_if_it_is_not_new():
    trace = Trace()
    picture = np.zeros((1, 1, 3), np.float32)
    for cost in (9.0, 5.0, 7.0, 5.0):  # a step from 9 tries 5 and 7 and goes to 5
        trace.look(picture + cost, {"total": cost})
    trace.took_a_step(9.0)
    trace.arrived()
    assert [row["total"] for row in trace.history] == [9.0, 5.0] and trace.last == {"step": 1, "total": 5.0}


def test_a_cost_that_is_not_finite_ends_a_trace():
    trace = Trace()
    for cost in (np.nan, np.inf):
        trace.look(np.zeros((1, 1, 3), np.float32), {"total": cost})
        with pytest.raises(Diverged, match=f"^the cost became {cost} at step 0$"):
            trace.took_a_step(cost)
    assert trace.best is None and trace.history == [] and trace.steps == trace.steps_here == 0


def test_the_state_of_a_trace_goes_on_elsewhere():
    trace, other = Trace(), Trace()
    trace.look(np.ones((1, 1, 3), np.float32), {"total": 2.0})
    trace.took_a_step(2.0)
    trace.look(np.zeros((1, 1, 3), np.float32), {"total": 1.0})
    other.load_state(trace.state() | {"more": 1}, trace.best)
    assert other.state() == trace.state() and not hasattr(other, "more") and other.best is trace.best
    other.took_a_step(1.0)
    assert other.steps == other.steps_here == 2 and other.last == {"step": 1, "total": 1.0}
    other.begin_size()
    assert (other.steps, other.steps_here, other.lowest, other.best) == (2, 0, np.inf, None)


# --- what goes wrong -------------------------------------------------------------------------------------------


def test_a_cost_that_becomes_nan_on_the_way_leaves_the_best_picture_and_advice(model, pictures, monkeypatch):
    cost = style.objective.Objective.__call__
    calls = itertools.count()

    def breaking(objective, image):
        if next(calls) == 4:
            image.data[:] = np.nan
        return cost(objective, image)

    monkeypatch.setattr(style.objective.Objective, "__call__", breaking)
    result = style.transfer(*pictures, model=model, steps=50)
    (note,) = [note for note in result.manifest["notes"] if "nan" in note]
    assert "step 4" in note
    assert "learning_rate below 0.02" in note
    assert np.isfinite(result.image).all()
    assert len(result.history) == 4
    assert result.manifest["interrupted"] is False


def test_a_run_that_never_gets_lower_comes_with_advice(model, pictures):
    def notes(steps, rate):
        result = style.transfer(*pictures, model=model, optimizer="gd", steps=steps, learning_rate=rate)
        return [note for note in result.manifest["notes"] if "no step led below the cost" in note]

    (note,) = notes(2, 1e9)
    assert "learning_rate below 1e+09" in note
    assert not notes(1, 1e9)  # a single step says nothing
    assert not notes(3, 0.5)
    for began, count in ((2.0, 1), (2.1, 0), (0.0, 0)):  # nothing is below a cost of 0
        trace = SimpleNamespace(steps_here=2, lowest=min(began, 2.0), history=[{"total": t} for t in (9, began, 3, 4)])
        assert len(job._standstill(SimpleNamespace(trace=trace, recipe=model.card.recipe))) == count


def test_a_grey_picture_comes_with_advice(model, pictures):
    how = {"alpha": 0.0, "beta": 0.0, "total_variation": 1e4, "variation_form": "means", "optimizer": "lbfgs"}
    result = style.transfer(*pictures, model=model, init="noise", steps=40, **how)
    assert "grey" in result.manifest["notes"][-1]
    assert not any("grey" in note for note in style.transfer(*pictures, model=model, steps=2).manifest["notes"])
    paler, pale = np.array([0, 0.038]), np.array([0, 0.04])  # they deviate by 0.019 and 0.02
    assert job._greyness(paler, pale) == [
        "the picture is nearly one grey (its values deviate by 0.019 from their mean); "
        "try init='content', a smaller total_variation or another learning_rate"
    ]
    assert not job._greyness(pale, pale) and not job._greyness(paler, paler)


# --- nothing lost ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("stop", [2, 5, 7])  # in the first size, at its end, in the second
def test_a_run_that_was_stopped_goes_on_to_the_same_picture(model, pictures, tmp_path, optimizer, stop):
    how = {"model": model, "steps": 9, "levels": 2, "optimizer": optimizer, "init": "noise"}
    how |= {"learning_rate": OPTIMIZERS[optimizer]}
    whole = style.transfer(*pictures, **how)

    def interrupt(step, image, costs):
        if step == stop:
            ctrl_c(step, image, costs)

    kept = tmp_path / "run.checkpoint"
    half = style.transfer(*pictures, **how, checkpoint=kept, on_step=interrupt)
    assert half.manifest["interrupted"]
    assert half.image.shape == whole.image.shape
    rest = style.transfer(*pictures, **how, checkpoint=kept, resume=True)
    np.testing.assert_array_equal(rest.image, whole.image)
    assert rest.history == whole.history
    assert not kept.exists()


def test_a_killed_process_goes_on_to_the_same_picture(pictures, tmp_path):
    for name, picture in zip(("content", "painting"), pictures, strict=True):
        images.save(tmp_path / f"{name}.png", picture)
    program = (
        "import sys, time\n"
        "from minicnn import style\n"
        "from minicnn.style import checkpoints\n"
        "from toy_network import toy\n"
        "checkpoints.EVERY = 0\n"
        "slow = lambda *_: time.sleep(0.05)\n"
        "style.transfer('content.png', 'painting.png', model=toy(), steps=80, checkpoint='kept', on_step=slow)\n"
    )
    paths = [str(Path(minicnn.__file__).parents[1]), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    victim = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, env=environment)
    kept, files = tmp_path / "kept", (tmp_path / "content.png", tmp_path / "painting.png")
    deadline = time.monotonic() + 100
    while not kept.exists() and victim.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    victim.kill()
    assert victim.wait() != 0
    # The settings know the pictures by their names, as the killed process did.
    before = os.getcwd()
    os.chdir(tmp_path)
    try:
        how = {"model": toy(), "steps": 80}
        rest = style.transfer("content.png", "painting.png", **how, checkpoint="kept", resume=True)
        whole = style.transfer("content.png", "painting.png", **how)
    finally:
        os.chdir(before)
    assert files[0].exists()
    np.testing.assert_array_equal(rest.image, whole.image)


def test_a_checkpoint_of_another_run_is_refused_with_the_difference(model, pictures, tmp_path):
    kept = tmp_path / "kept"

    def interrupt(step, image, costs):
        raise KeyboardInterrupt

    style.transfer(*pictures, model=model, steps=5, checkpoint=kept, on_step=interrupt)
    assert not kept.exists()  # the step was not finished, so nothing is new
    style.transfer(*pictures, model=model, steps=5, checkpoint=kept, on_step=ctrl_c)
    with pytest.raises(InputError, match=r"another run, recipe: alpha 0\.1 where 0\.2 is asked for"):
        style.transfer(*pictures, model=model, steps=5, alpha=0.2, checkpoint=kept, resume=True)
    begun = r'init "content" where \{"shape": \[34, 40, 3\], "sha256": .* is asked for; start without resume'
    with pytest.raises(InputError, match=begun) as caught:
        style.transfer(*pictures, model=model, steps=5, init=pictures[1], checkpoint=kept, resume=True)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="content: sha256"):
        style.transfer(pictures[1], pictures[1], model=model, steps=5, checkpoint=kept, resume=True)
    with np.load(kept) as file:
        arrays = dict(file)
    written = json.loads(arrays["text"].tobytes())
    del written["settings"]["recipe"]["stride"]  # as if the recipes of then had had none
    with open(tmp_path / "old", "wb") as file:
        np.savez(file, **arrays | {"text": np.frombuffer(json.dumps(written).encode(), np.uint8)})
    with pytest.raises(InputError, match="another run, recipe: stride nothing where null is asked for"):
        style.transfer(*pictures, model=model, steps=5, checkpoint=tmp_path / "old", resume=True)
    with pytest.raises(MissingFileError, match="no checkpoint"):
        style.transfer(*pictures, model=model, checkpoint=tmp_path / "none", resume=True)
    with pytest.raises(InputError, match="without a checkpoint"):
        style.transfer(*pictures, model=model, resume=True)
    content = kept.read_bytes()
    for broken in (b"", b"no archive", content[: len(content) // 2], content[:-30]):
        kept.write_bytes(broken)
        with pytest.raises(InputError, match="is not a style checkpoint") as caught:
            style.transfer(*pictures, model=model, steps=5, checkpoint=kept, resume=True)
        assert "\n" not in str(caught.value)


def test_the_difference_of_two_runs_is_told_down_to_the_part_also_where_one_lacks_it(tmp_path):
    def said(written, wanted):
        Checkpoint(tmp_path / "kept", written).write({}, {})
        with pytest.raises(InputError) as caught:
            Checkpoint(tmp_path / "kept", wanted).read()
        return str(caught.value).partition("another run, ")[2].removesuffix("; start without resume")

    recipe = {"a": 1, "b": {"c": 2, "d": 3}}
    assert said({"recipe": recipe}, {"recipe": recipe | {"b": {"c": 2, "d": 4}}}) == (
        "recipe: b: d 3 where 4 is asked for"
    )
    assert said({"recipe": {"a": 1}}, {"recipe": {"a": 1, "new": None}}) == (
        "recipe: new nothing where null is asked for"
    )
    assert said({"recipe": {"a": 1, "old": None}}, {"recipe": {"a": 1}}) == (
        "recipe: old null where nothing is asked for"
    )
    assert said({"init": "content"}, {"init": {"sha256": 7}}) == 'init "content" where {"sha256": 7} is asked for'
    assert said({"a": "x" * 38}, {"a": 1}) == f'a "{"x" * 38}" where 1 is asked for'
    assert said({"a": "x" * 39}, {"a": 1}) == f'a "{"x" * 38}… where 1 is asked for'


def test_a_checkpoint_that_lacks_a_part_is_refused_in_one_line(model, pictures, tmp_path):
    kept = tmp_path / "kept"
    style.transfer(*pictures, model=model, steps=5, checkpoint=kept, on_step=ctrl_c)
    with np.load(kept) as file:
        arrays = dict(file)
    text = json.loads(arrays.pop("text").tobytes())
    del text["facts"]["trace"]["lowest"]
    with open(kept, "wb") as file:
        np.savez(file, text=np.frombuffer(json.dumps(text).encode(), np.uint8), **arrays)
    with pytest.raises(InputError, match="lacks a part of the run") as caught:
        style.transfer(*pictures, model=model, steps=5, checkpoint=kept, resume=True)
    assert "\n" not in str(caught.value)


# --- made again ------------------------------------------------------------------------------------------------


def test_a_manifest_tells_the_versions_of_what_computes():
    found = manifests.versions()
    assert found["minicnn"] == minicnn.__version__ and found["numpy"] == np.__version__
    assert found["python"] == ".".join(map(str, sys.version_info[:3])) and set(found) > {"numba", "scipy", "pillow"}


def test_a_manifest_is_written_in_full(tmp_path):
    manifests.write(tmp_path / "m.json", {"notes": ["Zoë’s"], "size": [1]})
    assert (tmp_path / "m.json").read_text(
        encoding="utf-8"
    ) == '{\n "notes": [\n  "Zoë’s"\n ],\n "size": [\n  1\n ]\n}\n'


def test_a_run_is_complete_where_its_manifest_tells_of_no_interruption(tmp_path):
    path = tmp_path / "m.json"
    assert manifests.complete(path, {}) is False
    for told, complete in (({"interrupted": False}, True), ({"interrupted": True}, False), ({}, False)):
        manifests.write(path, {"size": 3, **told})
        assert manifests.complete(path, {"size": 3}) is complete
    with pytest.raises(InputError, match="is of another run, size 3 where 4 is asked for"):
        manifests.complete(path, {"size": 4})


@pytest.fixture
def made(pictures, tmp_path, monkeypatch):
    """A picture made from files in the folder that is now the current one, and its manifest in a file."""
    monkeypatch.chdir(tmp_path)
    for name, picture in zip(("content", "painting"), pictures, strict=True):
        images.save(f"{name}.png", picture)
    model = models.tiny_vgg()
    styles = [("painting.png", 2.0), ("content.png", 1.0)]
    result = style.transfer(
        "content.png", styles, model=model, preset="johnson", size=32, steps=3, init="noise", seed=5, style_scale=0.7
    )
    manifests.write(Path("made.json"), result.manifest)
    return result


def test_a_manifest_makes_the_same_picture_again(made):
    again = style.transfer(**style.from_manifest("made.json"))
    np.testing.assert_array_equal(again.image, made.image)
    assert again.history == made.history
    assert json.loads(Path("made.json").read_text(encoding="utf-8")) == json.loads(json.dumps(made.manifest))


def test_a_manifest_of_before_a_setting_was_there_has_its_default_and_not_the_cards(made):
    manifest = json.loads(json.dumps(made.manifest))
    wanted = {name: manifest["recipe"].pop(name) for name in ("schedule", "scales", "coarsest", "smallest_scale")}
    manifests.write(Path("made.json"), manifest)
    found = style.from_manifest("made.json")
    assert {name: found[name] for name in wanted} == wanted | {"scales": (1.0,)}


def test_a_manifest_finds_its_pictures_beside_it_and_tells_all_that_was_asked_for(made, tmp_path, monkeypatch):
    manifest = json.loads(json.dumps(made.manifest)) | {"tile": 64}
    manifest["model"] |= {"pooling": "avg", "stride": 2}  # as the model was given
    manifests.write(Path("made.json"), manifest)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    found = style.from_manifest("../made.json")
    model, recipe = found.pop("model"), manifest["recipe"]
    assert (model.pooling, model.stride) == ("avg", 2)
    del recipe["summary"]
    styles = [(Path("../painting.png"), 2.0), (Path("../content.png"), 1.0)]
    settings = {"preset": "johnson", "init": "noise", "seed": 5, "size": 32, "style_scale": 0.7, "keep_colours": None}
    assert found == {"content": Path("../content.png"), "style": styles, "tile": 64, **settings, **recipe}


@pytest.mark.parametrize("place", ["sub/a.png", "../sub/a.png", "../a.png"])
def test_a_picture_is_found_where_it_was_and_beside_the_manifest(tmp_path, monkeypatch, place):
    """In the first of these places whose file is the picture, even if there is another file in one before it."""
    places = "sub/a.png", "../sub/a.png", "../a.png"
    for name in ("sub", "here/sub"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    Path(place).write_bytes(b"the picture")
    source = manifests.of_picture(place, None) | {"path": "sub/a.png"}
    assert manifests._found(source, Path("../made.json")) == Path(place)
    for each in places:
        Path(each).write_bytes(b"the picture" if each == place else b"another")
    assert manifests._found(source, Path("../made.json")) == Path(place)
    Path(place).write_bytes(b"another")
    with pytest.raises(InputError, match=r"a\.png' is not the picture that it was then"):
        manifests._found(source, Path("../made.json"))


def test_a_manifest_tells_what_has_changed(made, pictures):
    images.save("painting.png", pictures[0])
    with pytest.raises(InputError, match=r"'painting\.png' is not the picture that it was"):
        style.from_manifest("made.json")
    Path("painting.png").unlink()
    with pytest.raises(MissingFileError, match=r"painting\.png' does not exist"):
        style.from_manifest("made.json")


def test_a_manifest_tells_that_the_weights_are_others(made):
    manifest = json.loads(json.dumps(made.manifest))
    wanted, manifest["model"]["sha256"] = manifest["model"]["sha256"], "0" * 64
    manifests.write(Path("made.json"), manifest)
    told = rf"has other weights now \(SHA-256 {wanted[:12]}…; expected 000000000000…\)"
    with pytest.raises(InputError, match=told):
        style.from_manifest("made.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"recipe": 3}', "\0", "[" * 100_000])
def test_what_is_no_manifest_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "odd.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="manifest") as caught:
        style.from_manifest(tmp_path / "odd.json")
    assert "\n" not in str(caught.value)


def test_a_model_of_no_file_cannot_be_made_again(model, pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images.save("content.png", pictures[0])
    result = style.transfer("content.png", "content.png", model=model, steps=1)
    manifests.write(Path("made.json"), result.manifest)
    with pytest.raises(InputError, match="came from no file of weights"):
        style.from_manifest("made.json")


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ("content", "a picture came from memory and no file"),
        ("array", "the run began with a picture of its own; pass it"),
    ],
)
def test_a_picture_of_no_file_cannot_be_read_again(model, pictures, tmp_path, init, message):
    init = pictures[1] if init == "array" else init
    manifests.write(tmp_path / "m.json", style.transfer(*pictures, model=model, steps=1, init=init).manifest)
    with pytest.raises(InputError, match=rf"^manifest '.*m\.json': {message}"):
        style.from_manifest(tmp_path / "m.json")


class Named(nn.Module):
    """Arrays under these names, in this order."""

    def __init__(self, **arrays):
        for name, array in arrays.items():
            setattr(self, name, Tensor(array, requires_grad=True))


def test_weights_are_known_by_their_names_and_shapes_and_not_by_their_order():
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(2, np.float32)
    known = manifests.of_weights(Named(a=a, b=b))
    assert manifests.of_weights(Named(b=b, a=a)) == known
    assert manifests.of_weights(Named(a=a.reshape(3, 2), b=b)) != known != manifests.of_weights(Named(a=a, c=b))


def test_weights_are_known_by_what_they_are_and_not_by_their_file(tmp_path):
    model = models.tiny_vgg()
    hdf5.save(model, tmp_path / "copy.h5")
    copy = models.tiny_vgg(tmp_path / "copy.h5")
    assert manifests.of_weights(copy) == manifests.of_weights(model)
    copy.parameters()[0].data = copy.parameters()[0].data + 1e-3
    assert manifests.of_weights(copy) != manifests.of_weights(model)
