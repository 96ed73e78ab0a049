"""The defaults of all options, and the lines that commands print, in full."""

import argparse
import contextlib
import dataclasses
import io
import json
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import minicnn
from minicnn import lessons, resources, survey
from minicnn.cli import (
    face_finder,
    gradcheck,
    main,
    outcome,
    parser,
    paths,
    run,
    step,
    style,
    style_presets,
    tutorial,
)
from minicnn.cli import weights as weights_command
from minicnn.errors import InputError, MissingFileError
from minicnn.style import estimate
from minicnn.text import WIDTH


def actions(found, words=()):
    """(words, parser) of every command that runs."""
    below = [action for action in found._actions if isinstance(action.choices, dict)]
    if not below:
        yield " ".join(words), found
    for action in below:
        for name, child in action.choices.items():
            yield from actions(child, (*words, name))


OPTIONS = [
    (words, action)
    for words, found in actions(parser())
    for action in found._actions
    if action.default is not argparse.SUPPRESS
]

# Of what is not None or False when nothing is given.
DEFAULTS = {
    "demo": {"out": "minicnn-demo"},
    "style": {"device": "cpu", "style": [], "depth": 8, "profile": "srgb"},
    "face identify": {"matches": 3},
    "face detect": {"min_size": 40.0, "weights": "mtcnn"},
    "face calibrate": {"far": 0.001},
    "face blur": {"min_size": 20.0},
    "face cluster": {"least": 2},
    "face encode": {"per_shard": 1000},
    "face search": {"matches": 5},
    "face follow": {"every": 1, "min_size": 40.0},
    "face train": {
        "out": "tiny_facenet.h5",
        "freeze": "",
        "people": 1000,
        "pictures": 10,
        "test_people": 200,
        "loss": "triplet",
        "head": "l1",
        "seed": 0,
        "device": "cpu",
        "checkpoint_every": 50,
    },
    "see story": {"weights": "tiny_facenet", "count": 2, "steps": 128, "seed": 0},
    "see patches": {"count": 18},
    "see invert": {"steps": 200, "seed": 0},
    "see maximize": {"steps": 200, "seed": 0},
    "see style": {"size": 128, "steps": 200, "seed": 0},
    "step": {"backend": "numpy", "most": 5000},
    "gradcheck": {"backend": [], "seeds": 1},
    "tutorial notebook": {"to": "minicnn-lessons"},
    "tutorial html": {"to": "minicnn-lessons"},
    "learn check": {"seconds": 10},
    "learn grade": {"seconds": 10, "memory": 2},
    "learn use": {"seconds": 45},
    "train": {"out": "tiny_vgg.h5", "batch_size": 128, "seed": 0, "checkpoint_every": 100},
    "weights convert": {"layout": "minicnn", "dtype": "float32"},
    "bench": {"only": [], "device": "cpu"},
}


def test_the_defaults_of_all_options():
    found = {}
    for words, action in OPTIONS:
        if action.default is not None and action.default is not False and action.default != []:
            found.setdefault(words, {})[action.dest] = action.default
    expected = {words: {k: v for k, v in row.items() if v != []} for words, row in DEFAULTS.items()}
    assert found == {words: row for words, row in expected.items() if row}


@pytest.mark.parametrize(("words", "action"), OPTIONS, ids=[f"{words} {action.dest}" for words, action in OPTIONS])
def test_a_default_is_the_one_that_the_help_says(words, action):
    said = re.search(r"\(default: ([\w.-]+)\)", action.help or "")
    if said and action.default not in (None, []):
        assert str(action.default).removesuffix(".0") == said[1]
    flag = isinstance(action, argparse._StoreTrueAction)
    assert action.default is False if flag else action.default is not False


def test_how_many_values_options_take():
    found = {(words, action.dest): action.nargs for words, action in OPTIONS}
    pairs = {key for key, count in found.items() if isinstance(count, int) and count > 1}
    assert pairs == {
        ("face train", "softmax"),
        ("face train", "comparing"),
        ("face train", "batch"),
        ("face why", "images"),
        ("train", "cycle"),
    }
    assert all(found[key] == 2 for key in pairs)
    about = {action.dest: action.help for words, action in OPTIONS if words == "face train"}
    told = {"softmax": "classification", "comparing": "triplets or pairs"}
    assert {name: about[name] for name in told} == {
        name: f"epochs and peak learning rate of {what}" for name, what in told.items()
    }
    required = {(words, a.dest) for words, a in OPTIONS if a.required and a.option_strings}
    out = {(words, "out") for words, _ in actions(parser()) if words.startswith("see ")}
    out |= {(words, "out") for words in ("style", "weights convert", "face blur", "face encode", "face why")}
    assert required == {("train", "data"), *out}


def test_what_commands_take_that_nobody_gives():
    given = {words: command._defaults for words, command in actions(parser())}
    flags = {(w, key): value for w, row in given.items() for key, value in row.items() if isinstance(value, bool | str)}
    methods = {(f"see {name}", "method"): name for name in ("deconv", "guided", "saliency", "gradcam", "occlusion")}
    assert flags == {("face search", "any_quality"): True, **methods}


def test_what_every_option_is_read_as():
    kinds = {}
    for _, action in OPTIONS:
        if action.type is not None:
            kinds.setdefault(action.type.__name__, set()).add(action.dest)
    assert {"size", "steps", "seed", "levels", "tile", "people", "pictures", "count", "most", "tier"} <= kinds["int"]
    assert {"alpha", "beta", "threshold", "margin", "min_size", "seconds", "learning_rate"} <= kinds["float"]


def test_the_program_says_its_version_and_its_statuses(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0 and capsys.readouterr().out == f"minicnn {minicnn.__version__}\n"
    assert (outcome.DONE, outcome.NO, outcome.REFUSED, outcome.NO_VERDICT) == (0, 1, 2, 3)
    assert (outcome.INTERNAL, outcome.INTERRUPTED) == (70, 130)
    with pytest.raises(SystemExit) as left:
        main(["learn", "hint"])
    assert left.value.code == 2
    assert capsys.readouterr().err == ("minicnn: learn hint (see --help): the following arguments are required: NAME\n")


# How a command ends


@pytest.fixture
def concluded(capsys):
    def conclude(run, detailed=False):
        status = outcome.conclude(run, detailed=detailed)
        return status, capsys.readouterr().err

    return conclude


def fail(problem):
    def run():
        raise problem

    return run


@pytest.mark.parametrize(
    ("problem", "status", "line"),
    [
        (InputError("x is 1"), 2, "x is 1"),
        (outcome.NoVerdict("no face"), 3, "no face"),
        (KeyboardInterrupt("odd"), 130, "interrupted"),
        (MemoryError("of 3 GB"), 2, "not enough memory (of 3 GB)"),
        (OSError("pipe"), 2, "output cannot be written (pipe)"),
        (FileNotFoundError(2, "No such file", "a"), 2, "'a' cannot be used (No such file)"),
        (InputError("x" * 400), 2, "x" * 400),
        (InputError("a" + "x" * 398 + "yz"), 2, "a" + "x" * 132 + "…" + "x" * 264 + "yz"),
    ],
)
def test_what_stops_a_command_in_full(concluded, problem, status, line):
    assert concluded(fail(problem)) == (status, f"minicnn: {line}\n")


def test_an_error_of_our_own_says_where_and_what_to_do(concluded):
    place = f"{Path(__file__).name}:{fail.__code__.co_firstlineno + 2}"
    assert concluded(fail(ValueError("odd"))) == (
        70,
        f"minicnn: an error of minicnn's own: ValueError: odd ({place}); add --traceback to see where it comes from, "
        "and report it where you have minicnn from, with what minicnn doctor says\n",
    )
    status, said = concluded(fail(ValueError("odd")), detailed=True)
    assert status == 70 and said.startswith("Traceback (most recent call last):\n")


def test_a_command_may_return_nothing_or_its_status(concluded):
    assert concluded(lambda: None) == (0, "") and concluded(lambda: 1) == (1, "") and concluded(lambda: 0) == (0, "")
    assert concluded(fail(BrokenPipeError())) == (0, "")


@pytest.mark.parametrize("given", [{}, {"json": False}, {"json": True}, {"script": "a.py"}])
def test_only_programs_read_undisturbed_and_only_scripts_draw_where_they_like(monkeypatch, given):
    done = []
    monkeypatch.setattr("minicnn.backend.quiet", lambda: done.append("quiet"))
    monkeypatch.setattr(paths, "check", lambda chosen: done.append("checked"))
    monkeypatch.setenv("MPLBACKEND", "a window")
    chosen = SimpleNamespace(run=lambda found: done.append(found) or 3, **given)
    assert run(chosen) == 3
    assert done == [*["quiet"] * given.get("json", False), "checked", chosen]
    assert os.environ["MPLBACKEND"] == ("a window" if "script" in given else "agg")


@pytest.mark.parametrize(
    ("problems", "status"),
    [
        ([], 1),
        ([outcome.NoVerdict("a")], 3),
        ([outcome.NoVerdict("a"), InputError("b")], 2),
        ([InputError("b"), ValueError("c")], 70),
        ([outcome.NoVerdict("a"), outcome.NoVerdict("b")], 3),
    ],
)
def test_of_several_pictures_the_most_serious_status_counts(capsys, problems, status):
    def look(picture):
        if isinstance(picture, Exception):
            raise picture
        return picture

    rows = []

    def run():
        rows.extend(outcome.each(["good", *problems], look))
        return 1

    assert outcome.conclude(run, detailed=False) == status
    assert rows[0] == ("good", "good", None) and len(capsys.readouterr().err.splitlines()) == len(problems)
    for problem, (picture, found, row) in zip(problems, rows[1:], strict=True):
        assert picture is problem and found is None
        assert row["error"] == row["picture"] == str(problem) and row["status"] in (2, 3, 70)
    assert outcome.conclude(lambda: 0, detailed=False) == 0  # nothing is remembered


def test_only_many_pictures_have_a_bar(monkeypatch):
    import tqdm

    bars = []
    monkeypatch.setattr(tqdm, "tqdm", lambda pictures, title, **options: bars.append((title, options)) or pictures)
    for pictures, bar in ((["a"], "looking"), (["a", "b"], None), (["a", "b"], "looking")):
        assert [found for _, found, _ in outcome.each(pictures, str.upper, bar=bar)] == [p.upper() for p in pictures]
    assert bars == [("looking", {"leave": False, "unit": " pictures", "disable": None})]


def test_signs_are_spelt_where_a_stream_lacks_them():
    spelt = "≤×→…–−·±²�αβγΔΣ√ᵀ₂é猫".encode("ascii", "minicnn.spelt").decode()
    assert spelt == r"<=x->...--*+-^2?alphabetagammaDeltasumsqrt^T_2\xe9\u732b"
    assert "a→b·c".encode("ascii", "minicnn.spelt") == b"a->b*c"  # the letters after a sign are kept


def test_notes_stand_on_standard_error(capsys):
    outcome.note("a\x1bb")
    outcome.note_passed_over("folder", "2 .heic")
    outcome.note_passed_over("folder", "")
    outcome.print_json({"name": "é"})
    seen = capsys.readouterr()
    assert seen.err == "note: a�b\nnote: folder: skipped unsupported files: 2 .heic\n"
    assert seen.out == '{\n "name": "\\u00e9"\n}\n'


def test_what_is_said_without_a_bar_is_printed(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "tqdm", raising=False)
    outcome.say("a result")
    outcome.say("a note", sys.stderr)
    assert "tqdm" not in sys.modules  # which nothing needs
    assert capsys.readouterr() == ("a result\n", "a note\n")


def test_a_stream_that_is_closed_is_replaced_and_a_closed_output_is_refused(monkeypatch):
    for stream in ("stdin", "stderr"):
        closed = io.StringIO()
        closed.close()
        with monkeypatch.context() as patched:
            patched.setattr(sys, stream, closed)
            outcome._open_streams()
            number = getattr(sys, stream).fileno()
            assert not getattr(sys, stream).closed
            getattr(sys, stream).close()
            os.close(number)  # it was still taken
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", None)
        with pytest.raises(InputError, match=r"^standard output is closed; expected a terminal, a file or a pipe$"):
            outcome._open_streams()
        sys.stdout.close()


def test_what_a_stream_cannot_encode_is_spelt_in_output_only(monkeypatch):
    with monkeypatch.context() as patched:
        given, told = (io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2))
        for stream, found in {"stdin": given, "stdout": told, "stderr": io.StringIO()}.items():
            patched.setattr(sys, stream, found)
        outcome._open_streams()  # one of them has no encoding, as a notebook's has none
        assert (given.errors, told.errors) == ("strict", "minicnn.spelt")


def test_checkpoints_are_neither_lost_nor_made_up(tmp_path):
    checkpoint = tmp_path / "c.npz"
    paths.check_checkpoint("train", checkpoint, False)
    with pytest.raises(MissingFileError) as said:
        paths.check_checkpoint("train", checkpoint, True)
    assert str(said.value) == f"train: no checkpoint {str(checkpoint)!r} (it does not exist); start without --resume"
    checkpoint.touch()
    paths.check_checkpoint("train", checkpoint, True)
    with pytest.raises(InputError) as said:
        paths.check_checkpoint("train", checkpoint, False)
    assert str(said.value) == f"train: {str(checkpoint)!r} is there from an earlier run; add --resume, or delete it"


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("weights", "vgg16", [Path("here.h5")]),
        ("init", "vgg16", [Path("here.h5")]),
        ("weights", "vgg19", ["vgg19"]),  # which is not here
        ("weights", "vgg16.h5", ["vgg16.h5"]),
        ("content", "vgg16", ["vgg16"]),
        ("images", ["vgg16", "b.png"], ["vgg16", "b.png"]),
        ("images", [], []),
        ("gallery", None, []),
        ("gallery", "", [""]),
    ],
)
def test_weights_to_read_are_the_file_of_their_name(monkeypatch, name, given, read):
    monkeypatch.setattr("minicnn.zoo.here", lambda row: Path("here.h5") if row.name == "vgg16" else None)
    assert list(paths._read(SimpleNamespace(**{name: given}), name)) == read
    assert list(paths._read(SimpleNamespace(), name)) == []


@pytest.mark.parametrize(("system", "alike"), [("darwin", True), ("linux", False)])
def test_files_that_are_not_there_yet_differ_by_case_unless_the_system_ignores_it(monkeypatch, tmp_path, system, alike):
    with monkeypatch.context() as patched:
        patched.setattr(sys, "platform", system)
        patched.setattr(paths.os.path, "normcase", str)
        found = [paths.same(tmp_path / name, tmp_path / "new.h5") for name in ("New.H5", "new.h5", "new.h6")]
    assert found == [alike, True, False]


# doctor

FOUND = {
    "works": True,
    "minicnn": {"version": "1.2", "folder": "/m"},
    "python": "3.11",
    "system": "Linux",
    "libraries": [
        *({"name": name, "version": "1", "problem": None} for name in "abcde"),
        {"name": "numba", "version": None, "problem": "halted"},
        {"name": "scipy", "version": "2", "problem": "broken"},
    ],
    "pytorch": "2.0",
    "processor": {"name": "A Fast One", "instruction_sets": ["AVX"], "cores": 8, "available": 4, "quota": 2.5},
    "blas": {
        "libraries": [
            {"name": "openblas", "version": None, "architecture": "Zen", "threads": 4, "file": "/usr/lib/libblas.so"}
        ],
        "held": True,
        "numpy_uses": "mkl",
    },
    "backends": [
        {"name": "numpy", "works": True, "seconds": 0.25, "why": ""},
        {"name": "cuda", "works": False, "seconds": 1, "why": "no GPU"},
    ],
    "gpus": [],
    "compiled_kernels": {
        "bytes": 2_000_000,
        "compiled": 3,
        "kernels": 5,
        "folder": "/c",
        "lasting": True,
        "writable": True,
    },
    "weights": {
        "folders": ["/w"],
        "files": [
            {"name": "tiny", "path": "/w/tiny.h5", "bytes": 5000, "link": None},
            {"name": "lost", "path": None, "problem": "no lost.h5", "link": None},
            {"name": "vgg", "path": None, "problem": "not here", "link": "a link"},
        ],
    },
}
SAID = """\
minicnn     1.2 in /m
Python      3.11 on Linux
libraries   a 1, b 1, c 1, d 1
            e 1
            numba is not installed: halted
            scipy 2: broken
            PyTorch 2.0, for comparison
processor   A Fast One
            4 of 8 cores for this process, CPU quota 2.5
            AVX
BLAS        openblas Zen, 4 threads (libblas.so)
            can be limited to one thread, as the kernels require
backends    numpy works; first convolution in 0.2 s
            cuda  no: no GPU
GPU         none: no NVIDIA driver found
kernels     3 of 5 compiled, 2.0 MB in /c
weights     tiny: 5.0 kB, /w/tiny.h5
            lost: no lost.h5
            searched /w
            1 more available: minicnn weights list
result      minicnn works here
"""


def diagnosed(monkeypatch, capsys, **changes):
    monkeypatch.setattr("minicnn.diagnosis.diagnose", lambda: {**FOUND, **changes})
    return main(["doctor"]), capsys.readouterr().out


def test_a_diagnosis_in_full(monkeypatch, capsys):
    assert diagnosed(monkeypatch, capsys) == (0, SAID)


@pytest.mark.parametrize(
    ("changes", "status", "lines"),
    [
        ({"works": False}, 1, ["result      minicnn's default backend does not work here"]),
        ({"pytorch": None}, 0, ["            no PyTorch; only bench uses it"]),
        ({"libraries": FOUND["libraries"][:4]}, 0, []),
        ({"gpus": ["A", "B"]}, 0, ["GPU         A", "            B"]),
        ({"blas": {"problem": "lost"}}, 0, ["BLAS        lost"]),
        (
            {"blas": {**FOUND["blas"], "held": False}},
            0,
            ["            NumPy's mkl cannot be limited to one thread: results may differ in the last bits"],
        ),
        ({"compiled_kernels": {"problem": "lost"}}, 0, ["kernels     lost"]),
        (
            {"compiled_kernels": {**FOUND["compiled_kernels"], "lasting": False, "writable": False}},
            0,
            ["            not kept after this process: no permanent folder is writable; set NUMBA_CACHE_DIR to one"],
        ),
        (
            {"compiled_kernels": {**FOUND["compiled_kernels"], "writable": False}},
            0,
            ["            this folder is not writable"],
        ),
        (
            {"processor": {**FOUND["processor"], "quota": None, "instruction_sets": []}},
            0,
            ["            4 of 8 cores for this process", "            instruction sets unknown to NumPy"],
        ),
    ],
)
def test_what_is_odd_is_told(monkeypatch, capsys, changes, status, lines):
    found, said = diagnosed(monkeypatch, capsys, **changes)
    assert found == status and [line for line in said.splitlines() if line not in SAID.splitlines()] == lines
    found, said = main(["doctor", "--json"]), capsys.readouterr().out
    assert found == status and json.loads(said) == json.loads(json.dumps({**FOUND, **changes}))


@pytest.mark.parametrize(("links", "last"), [(["a"], "1"), (["a", "b"], "2"), ([], None), ([None], None)])
def test_weights_that_can_be_had_are_counted(monkeypatch, capsys, links, last):
    here = FOUND["weights"]["files"][0]
    absent = [{"name": "vgg", "path": None, "problem": "not here", "link": link} for link in links]
    _, said = diagnosed(monkeypatch, capsys, weights={"folders": ["/w"], "files": [{**here, "link": "c"}, *absent]})
    lines = said.splitlines()
    told = [line.split()[0] for line in lines if line.endswith("more available: minicnn weights list")]
    assert told == ([last] if last else []) and sum("vgg: not here" in line for line in lines) == links.count(None)


# gradcheck, step, style, tutorial, weights, face


@pytest.mark.parametrize(
    ("verdicts", "rows", "said"),
    [
        (["passed"], 1, "1 row on 1 backend: 1 passed"),
        (["passed", "FAILED"], 1, "1 row on 2 backends: 1 passed, 1 FAILED"),
        (["passed", "passed", "inconclusive", "passed"], 2, "2 rows on 2 backends: 3 passed, 1 inconclusive"),
    ],
)
def test_the_sum_of_a_gradcheck(verdicts, rows, said):
    found = [SimpleNamespace(verdict=verdict, worst=1.26e-7) for verdict in verdicts]
    assert gradcheck._sum(found, rows) == said
    assert [gradcheck._cell(one) for one in found] == [v if v != "passed" else "1.3e-07" for v in verdicts]


def test_a_gradcheck_in_full(monkeypatch, capsys):
    def outcome_of(row, backend, verdict, entries, worst, report=""):
        return survey.Outcome(row, "op", backend, verdict, entries, worst, ("noise",), report)

    found = [
        [outcome_of("a", "numpy", "passed", 7, 1e-7), outcome_of("a", "simulated-cuda", "FAILED", 1200, 0.5, "bad a")],
        [
            outcome_of("longest", "numpy", "inconclusive", 12, float("inf"), "odd"),
            outcome_of("longest", "simulated-cuda", "passed", 3, 2.5e-9),
        ],
    ]
    rows = [SimpleNamespace(name=name) for name in ("a", "longest")]
    asked = []
    monkeypatch.setattr(survey, "rows", lambda names: rows)
    monkeypatch.setattr(survey, "backends", lambda names: (["numpy", "simulated-cuda"], {"fast": "no fast"}))
    monkeypatch.setattr(survey, "survey", lambda *given, **options: asked.append((*given, options)) or iter(found))
    assert main(["gradcheck", "--seeds", "3"]) == 1
    told, error = capsys.readouterr()
    assert re.sub(r" in \d+ s\n", " in N s\n", told) == (
        "row      entries         numpy  simulated-cuda\n"
        "a           1200       1.0e-07        FAILED\n"
        "longest       12  inconclusive       2.5e-09\n"
        "\nbad a\n"
        "\nodd\n"
        "\n2 rows on 2 backends: 2 passed, 1 FAILED, 1 inconclusive in N s\n"
        "not tried: no fast\n"
    )
    assert error == "" and asked == [(rows, ["numpy", "simulated-cuda"], {"seeds": 3})]
    assert main(["gradcheck", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    plain = [{**dataclasses.asdict(one), "patterns": ["noise"]} for row in found for one in row]
    plain[2]["worst"] = None  # JSON has no infinity
    assert told == {"rows": plain, "not_tried": {"fast": "no fast"}}
    found[0].pop()
    assert main(["gradcheck", "--json"]) == 0


def test_backends_that_were_not_tried_are_told_last(monkeypatch, capsys):
    monkeypatch.setattr(survey, "backends", lambda names: (["numpy"], {"cuda": "no driver", "abacus": "no beads"}))
    assert main(["gradcheck", "relu"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["not tried: no driver", "not tried: no beads"]
    assert main(["gradcheck", "relu", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["not_tried"] == {"cuda": "no driver", "abacus": "no beads"}


@pytest.mark.parametrize("before", [True, False])
def test_a_painting_begins_with_its_notes_and_says_that_it_compiles(monkeypatch, capsys, before):
    monkeypatch.setattr(resources, "compiled_before", lambda: before)
    style.begin(["one", "two"])
    said = capsys.readouterr()
    assert said.out == "note: one\nnote: two\n"
    assert said.err == ("" if before else "compiling the kernels, once per machine; later runs start at once\n")


@pytest.mark.parametrize(
    ("memory", "tile", "anyway", "found"),
    [
        (90, 512, False, 64),  # nine tenths of what is free are enough
        (91, 512, False, 512),
        (91, 512, True, 64),
        (91, None, True, 64),
        (91, None, False, None),
    ],
)
def test_what_can_be_afforded(monkeypatch, capsys, memory, tile, anyway, found):
    expected = estimate.Estimate(memory, 60.0, 800, 10, free=100, fitting=300, tile=tile)
    asked = []
    monkeypatch.setattr(estimate, "estimate", lambda *given: asked.append(given) or expected)
    job = SimpleNamespace(model="m", recipe="r", content="c", styles="s", settings={"tile": 64})
    given = SimpleNamespace(anyway=anyway)
    if found:
        assert style.affordable(given, job, " and more") == found
    else:
        with pytest.raises(
            InputError, match=r"^transfer: size 800 takes about .* as this machine has free: --size 300 fits"
        ):
            style.affordable(given, job, " and more")
    said = capsys.readouterr()
    assert asked == [("m", "r", "c", "s", 64)] and said.err == f"{expected} and more\n"
    note = "note: the estimate exceeds the free memory, so tiles of 512 pixels are used\n"
    assert said.out == (note if found == 512 else "")


@pytest.mark.parametrize(
    ("steps", "begins"), [([], 0), ([0, 1, 2], 0), ([0, 1, 2, 2, 3], 3), ([0, 1, 1, 2, 3, 3], 5), ([0, 0], 1)]
)
def test_where_the_last_size_of_a_picture_begins(steps, begins):
    assert style._last_size(steps) == begins


@pytest.mark.parametrize(
    ("totals", "steps", "fall"),
    [
        ([8.0, 2.5, 3.0], [0, 1, 2], "2 steps, J 8 → 2.5"),
        ([9.0, 4.0, 12345.6, 3.0], [0, 1, 1, 2], "2 steps, J 1.235e+04 → 3"),
        ([], [], "0 steps"),
    ],
)
def test_what_is_said_of_a_picture(capsys, totals, steps, fall):
    history = [{"step": step, "total": total} for step, total in zip(steps, totals, strict=True)]
    manifest = {"notes": ["known", "new"], "interrupted": not totals}
    job = SimpleNamespace(notes=["known"], model=SimpleNamespace(card=SimpleNamespace(name="toy")))
    style._say(Path("out.png"), job, SimpleNamespace(manifest=manifest, history=history))
    left = "" if totals else "interrupted: the same command with --resume continues from here\n"
    assert capsys.readouterr().out == f"note: new\n{left}out.png: toy, {fall}\n"


@pytest.mark.parametrize(
    ("number", "text"),
    [(100, "100"), (100_000, "1e5"), (0.001, "1e-3"), (0.5, "0.5"), (1e-6, "1e-6"), (1234.5, "1234.5")],
)
def test_numbers_of_presets_are_as_short_as_can_be(number, text):
    assert style_presets._short(number) == text
    assert style_presets._weights([0.2, 0.2]) == "0.2" and style_presets._weights([0.2, 0.25]) == "0.2 0.25"


def test_a_row_of_the_map_of_lessons():
    lines = list(tutorial._lines("A lecture with a long title", ["1 one", "2 two"], "fig", "learn", ["a", "b", "c"]))
    assert lines == [
        "A lecture with a      1 one               fig             learn             a",
        "  long title          2 two                                                 b",
        "                                                                            c",
    ]


def test_lessons_without_a_place_on_the_map_are_listed_below_it(monkeypatch, capsys):
    placed = {topic for row in (*lessons.LECTURES, *lessons.ENGINE) for topic in row.lessons}
    everything = lessons.lessons()
    others = [lesson for lesson in everything if lesson.topic not in placed]
    assert main(["tutorial", "list"]) == 0
    lines = capsys.readouterr().out
    assert lines.startswith("THE COURSE, BY LECTURE\n") and "\n\nTHE ENGINE, BY PART\n" in lines
    said, _, rest = lines.partition("Other lessons\n")[2].partition("\n\n")
    assert rest.splitlines() == [
        "Each figure is drawn by the lesson. Copy a lesson with: minicnn tutorial open NUMBER.",
        "Start an exercise with: minicnn learn start NAME.",
    ]
    assert others and said.splitlines() == [f"  {lesson.name}: {lesson.title}" for lesson in others]
    monkeypatch.setattr(lessons, "lessons", lambda: [lesson for lesson in everything if lesson.topic in placed])
    assert main(["tutorial", "list"]) == 0
    said = capsys.readouterr().out
    assert "Other lessons" not in said and said.count("\n\n") == 2


def test_what_a_benchmark_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr("minicnn.bench.runner.run", lambda only, **options: asked.append((only, options)))
    usual = {"out": Path("bench.json"), "quick": False, "rounds": None, "device": "cpu", "against": None}
    given = {"out": Path("b.json"), "quick": True, "rounds": 3, "device": "cuda", "against": Path("other")}
    assert main(["bench"]) == 0
    words = ["--quick", "--rounds", "3", "--device", "cuda", "--against", "other", "--out", "b.json"]
    assert main(["bench", "--only", "pools", "style", *words]) == 0
    assert asked == [([], usual), (["pools", "style"], given)]


@pytest.mark.parametrize(("columns", "width"), [(60, 60), (200, WIDTH)])
def test_a_lesson_is_played_as_wide_as_the_terminal_but_no_wider_than_text(monkeypatch, columns, width):
    def player(lesson, *, width):
        return SimpleNamespace(play=lambda: played.append((lesson, width)))

    played = []
    monkeypatch.setattr("minicnn.lessons.player.Player", player)
    monkeypatch.setattr(lessons, "find", lambda name: f"lesson {name}")
    monkeypatch.setattr("shutil.get_terminal_size", lambda: SimpleNamespace(columns=columns))
    assert main(["tutorial", "play", "6"]) == 0
    assert played == [("lesson 6", width)]


def test_ways_through_the_lessons_in_full(monkeypatch, capsys):
    what, rest = f"do {'x' * 61} and that is all", f"{'y' * 71} z"  # a line has 72 letters
    ways = (
        lessons.Way("Short", "For those " + "hurried " * 9, (lessons.Stage("dots", what, 119),)),
        lessons.Way("Long", "For all", (lessons.Stage("", rest, 5), lessons.Stage("ends", "look back", 1145))),
    )
    monkeypatch.setattr(lessons, "PATHS", ways)
    titles = {"dots": SimpleNamespace(number=1, title="Dots"), "ends": SimpleNamespace(number=None, title="Ends")}
    monkeypatch.setattr(lessons, "find", titles.get)
    assert main(["tutorial", "paths"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "SHORT: about 119 minutes",
        "For those" + " hurried" * 8,
        "hurried",
        f"   119  1 Dots: do {'x' * 61}",
        "        and that is all",
        "",
        "LONG: about 19 hours",
        "For all",
        f"     5  {'y' * 71}",
        "        z",
        "  1145  Ends: look back",
        "",
        "Minutes are estimates. Read a lesson with: minicnn tutorial play NUMBER.",
    ]
    assert (tutorial._hours(120), tutorial._hours(119)) == ("2 hours", "119 minutes")
    assert main(["tutorial", "paths", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[1] == {
        "name": "Long",
        "about": "For all",
        "stages": [
            {"lesson": "", "what": rest, "minutes": 5},
            {"lesson": "ends", "what": "look back", "minutes": 1145},
        ],
    }


@pytest.mark.parametrize(
    ("words", "made", "failed", "line"),
    [
        ([], ["one", "two"], [], "2 of 2 lessons: open site/index.html"),
        (["manual"], [], [], "0 of 0 lessons: open site/manual.html"),
        (["manual", "one"], ["one"], [], "1 of 1 lessons: open site/index.html"),
        (["two", "one"], ["two", "one"], ["one"], "1 of 2 lessons: open site/index.html"),
    ],
)
def test_pages_are_made_of_the_lessons_asked_for(monkeypatch, capsys, words, made, failed, line):
    asked = []
    monkeypatch.setattr("minicnn.lessons.notebooks.need", lambda *packages: None)
    monkeypatch.setattr("minicnn.lessons.shelf.chosen", lambda names: list(names) or ["one", "two"])
    monkeypatch.setattr(tutorial, "_progress", lambda found: contextlib.nullcontext(found))
    monkeypatch.setattr(
        "minicnn.lessons.pages.build", lambda found, to, *, step, say: asked.append((found, to, step)) or failed
    )
    assert main(["tutorial", "html", *words, "--to", "site"]) == bool(failed)
    assert capsys.readouterr().out.replace("\\", "/") == f"{line}\n" and asked == [(made, Path("site"), made)]


@pytest.mark.parametrize(("more", "needed"), [([], ["jupytext"]), (["--run"], ["jupytext", "nbclient", "ipykernel"])])
def test_notebooks_are_made_of_the_lessons_asked_for(monkeypatch, capsys, more, needed):
    def write(found, to, *, execute, step):
        asked.append((found, to, execute, step))
        return [to / f"{name}.ipynb" for name in found]

    asked, packages = [], []
    monkeypatch.setattr("minicnn.lessons.notebooks.need", lambda *given: packages.append(given))
    monkeypatch.setattr("minicnn.lessons.shelf.chosen", lambda names: list(names) or ["one", "two"])
    monkeypatch.setattr(tutorial, "_progress", lambda found: contextlib.nullcontext(found))
    monkeypatch.setattr("minicnn.lessons.notebooks.write", write)
    for names in (["two"], []):
        assert main(["tutorial", "notebook", *names, "--to", "made", *more]) == 0
        made = names or ["one", "two"]
        lines = [*(str(Path("made", f"{name}.ipynb")) for name in made), "Open them with: jupyter lab made"]
        assert capsys.readouterr().out.splitlines() == lines
        assert asked.pop() == (made, Path("made"), bool(more), made if more else [])
    assert packages == [("tutorial notebook", *needed)] * 2


@pytest.mark.parametrize(("counts", "hidden"), [([2, 3], None), ([], True)])
def test_a_bar_counts_the_cells_of_all_lessons(monkeypatch, counts, hidden):
    asked, advanced = [], []
    bar = SimpleNamespace(update=lambda: advanced.append(1) or True)
    monkeypatch.setattr("tqdm.tqdm", lambda **options: asked.append(options) or contextlib.nullcontext(bar))
    monkeypatch.setattr("minicnn.lessons.notebooks.notebook_of", lambda count: SimpleNamespace(cells=range(count)))
    with tutorial._progress(counts) as step:
        assert step() is None and advanced == [1]
    assert asked == [{"total": sum(counts), "unit": "cell", "disable": hidden, "leave": False}]


def test_arrays_of_a_file_in_columns():
    row = SimpleNamespace(name="block1/w", shape=(3, 3, 3, 64), dtype="float32")
    scalar = SimpleNamespace(name="x" * 80, shape=(), dtype="int8")
    lines = list(weights_command._arrays(SimpleNamespace(rows=[row, scalar], parameters=1729)))
    assert lines == [
        f"{'array':<47}  shape       dtype    parameters",
        f"{'block1/w':<47}  3×3×3×64    float32       1,728",
        f"{'x' * 15}…{'x' * 31}  one number  int8              1",
        "2 arrays, 1,729 parameters",
    ]
    assert weights_command._written(len, {}) == "len"
    assert weights_command._written(len, {"top": True, "k": "a"}) == "len(top=True, k='a')"


@pytest.mark.parametrize(
    ("words", "cycles"),
    [([["18", "0.1"]], ((18, 0.1),)), ([["1", "1e-9"], ["2", "3"]], ((1, 1e-9), (2, 3.0)))],
)
def test_cycles_of_training(words, cycles):
    from minicnn.cli.train import _cycles

    assert _cycles(words) == cycles
    for bad in (["0", "0.1"], ["1", "0"], ["1", "inf"], ["1", "-1"], ["1.5", "1"], ["1", "nan"]):
        with pytest.raises(InputError) as said:
            _cycles([*words, bad])
        given = ", ".join(" ".join(pair) for pair in [*words, bad])
        assert str(said.value) == f"train: cycle is {given}; expected EPOCHS of at least 1 and a positive RATE"


def test_a_program_that_ends_by_itself_is_stepped_through(tmp_path, monkeypatch, capsys):
    path = tmp_path / "two.py"
    before = sys.argv, sys.path
    for last, told in (("sys.exit(3)", "two.py ended with status 3\n"), ("sys.exit(0)", ""), ("pass", "")):
        path.write_text(
            f"import sys, minicnn\nminicnn.Tensor([1.0]) * 2\nprint(sys.argv[1:], sys.path[0])\n{last}\n",
            encoding="utf-8",
        )
        monkeypatch.chdir(tmp_path)
        assert main(["step", "--page", "page.html", str(path), "-x"]) == 0
        seen = capsys.readouterr()
        assert seen.out == f"['-x'] {tmp_path.resolve()}\nwrote page.html: 1 operations\n" and seen.err == told
        assert (sys.argv, sys.path) == before
    path.write_text("import minicnn\nminicnn.Tensor([1.0]) * 2\nraise KeyboardInterrupt\n", encoding="utf-8")
    assert main(["step", "--page", "page.html", str(path)]) == 130
    assert capsys.readouterr().err == "two.py was interrupted\n"
    assert main(["step", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"minicnn: step: SCRIPT.py is {tmp_path}; is a folder\n"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_a_program_runs_as_python_would_run_it(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "script.py").write_text(
        "import sys\nfound = sys.argv, sys.path, __name__, __file__\n", "utf-8"
    )
    link = tmp_path / "link.py"
    link.symlink_to(tmp_path / "real" / "script.py")
    before = sys.argv, sys.path
    variables, status = step._run_recorded(link, ["--more"], contextlib.nullcontext())
    folder = os.path.realpath(tmp_path / "real")
    assert variables["found"] == ([str(link), "--more"], [folder, *sys.path], "__main__", str(link)) and status == 0
    assert (sys.argv, sys.path) == before


def test_a_face_in_words_and_for_programs():
    quality = SimpleNamespace(_asdict=lambda: {"sharpness": 0.123456, "problem": 2})
    points = [[1.005, 2], [3, 4.126], [5, 6], [7, 8], [9, 10]]
    face = SimpleNamespace(
        box=np.array([1.234, 2.0, 11.239, 30.0]), number=2, score=0.98765, turn=90, landmarks=points, quality=quality
    )
    told = face_finder.described(face)
    assert (told["face"], told["box"], told["xywh"]) == (2, [1.23, 2.0, 11.24, 30.0], [1.23, 2.0, 10.01, 28.0])
    assert (told["score"], told["turn"], told["quality"]) == (0.9877, 90, {"sharpness": 0.1235, "problem": 2.0})
    assert list(told["landmarks"].values())[1] == [3.0, 4.13] and len(told["landmarks"]) == 5
    assert face_finder.described(face_finder.Place(np.zeros((2, 2, 3)), {})) == {}


def test_which_of_several_faces_counts_is_said(capsys):
    face = SimpleNamespace(box=np.array([0.0, 10.0, 20.0, 40.0]), number=3, among=4)
    face_finder.say_which("a.png", face, "was taken")
    assert capsys.readouterr().err == "note: a.png: 4 faces; number 3 at 10,25 was taken\n"
    face.among = 1
    face_finder.say_which("a.png", face, "was taken")
    face_finder.say_which("a.png", object(), "was taken")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("several", "missed", "count", "strict", "which", "lines"),
    [
        (0, 0, 9, False, "largest", []),
        (1, 0, 3, True, "largest", []),
        (1, 0, 4, True, "largest", ["1 picture holds several faces; the largest was taken"]),
        (2, 0, 4, True, "centre", ["2 pictures hold several faces; the most central was taken"]),
        (2, 0, 4, True, 2, ["2 pictures hold several faces; that of --face was taken"]),
        (0, 1, 1, False, "largest", ["1 picture without a face was skipped"]),
        (0, 2, 1, False, "largest", ["2 pictures without a face were skipped"]),
        (0, 2, 1, True, "largest", []),
    ],
)
def test_what_happened_to_many_pictures_is_said_at_the_end(capsys, several, missed, count, strict, which, lines):
    looker = SimpleNamespace(several=several, missed=missed, count=count, strict=strict, which=which)
    face_finder.Looker.conclude(looker)
    assert [line.partition(";")[0] for line in capsys.readouterr().err.splitlines()] == [
        f"note: {line.split(';')[0]}" for line in lines
    ]


@pytest.mark.parametrize("count", [3, 4])
def test_only_pictures_with_several_faces_are_told_of_and_counted(monkeypatch, capsys, count):
    from minicnn.faces import snapshots

    def choose(found, which):
        face = SimpleNamespace(number=2, box=np.array([0, 10, 20, 40]), among=len(found), quality="a quality")
        face.crop_for = lambda card: f"{which} of {len(found)}"
        return face

    shown = iter([[SimpleNamespace(turn=0)], [SimpleNamespace(turn=90)] * 2])
    monkeypatch.setattr(snapshots, "find", lambda image: next(shown))
    monkeypatch.setattr(snapshots, "choose", choose)
    looking = looker(count=count, drawn=False)
    looking.looks = True
    (one,), (other,) = (looking.look(np.zeros((9, 9, 3)), f"{name}.png", number) for number, name in enumerate("ab"))
    assert (one.crop, one.quality, one.among, one.picture) == ("largest of 1", "a quality", 1, 0)
    assert (other.crop, other.face.number, other.among, other.picture) == ("largest of 2", 2, 2, 1)
    assert (looking.several, looking.missed) == (1, 0)
    turned = "note: b.png: found a face after rotating the picture by 90°\n"
    which = "note: b.png: 2 faces; number 2 at 10,25 was taken for --face largest; --face chooses another, or all\n"
    assert capsys.readouterr().err == turned + which * (count == 3)


def test_pictures_in_folders_are_found_in_order(tmp_path):
    for name in ("b.png", "a.JPG", "deep/c.webp", ".hidden/d.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = face_finder.pictures_in(["one.png", str(tmp_path)], "detect")
    assert found == ["one.png", *(str(tmp_path / name) for name in ("a.JPG", "b.png", "deep/c.webp"))]
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError) as said:
        face_finder.pictures_in([str(tmp_path / "none")], "detect")
    assert str(said.value) == (
        f"detect: the folder {str(tmp_path / 'none')!r} holds no pictures; expected pictures, or folders of them"
    )


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,4,5", "1,2,3,x", "1,2,3,nan", "1,2,3,inf", ""])
def test_a_box_is_four_numbers(text):
    assert face_finder._numbers("1,-2,3.5,4", 4, "box", "x,y,w,h") == [1, -2, 3.5, 4]
    with pytest.raises(InputError) as said:
        face_finder._numbers(text, 4, "box", "x,y,w,h in pixels")
    assert str(said.value) == f"face: box is {text!r}; expected x,y,w,h in pixels"


POSITIONALS = {
    "demo": "",
    "style": "content? style*",
    "face blur": "images+",
    "face cluster": "folder",
    "face encode": "source",
    "face search": "encodings images+",
    "face follow": "gallery frames",
    "face why": "images2",
    "face enroll": "gallery who+",
    "face list": "gallery",
    "face remove": "gallery name",
    "face rename": "gallery name new",
    "face verify": "what+",
    "face identify": "gallery images+",
    "face detect": "images+",
    "face calibrate": "source",
    "face evaluate": "source?",
    "face train": "",
    "see story": "weights? layers*",
    "see patches": "weights layer",
    "see deconv": "weights images+",
    "see guided": "weights images+",
    "see saliency": "weights images+",
    "see gradcam": "weights images+",
    "see occlusion": "weights images+",
    "see invert": "weights image layers*",
    "see maximize": "weights layer",
    "see style": "weights image",
    "see map": "weights",
    "see filters": "weights layer?",
    "see diagram": "name",
    "step": "script arguments...",
    "gradcheck": "ops*",
    "tutorial list": "",
    "tutorial paths": "",
    "tutorial play": "name",
    "tutorial open": "name",
    "tutorial teach": "names*",
    "tutorial notebook": "names*",
    "tutorial html": "names*",
    "learn list": "",
    "learn start": "name",
    "learn check": "name file?",
    "learn hint": "name",
    "learn solution": "name",
    "learn grade": "folder",
    "learn use": "folder words...",
    "train": "network",
    "weights list": "names*",
    "weights fetch": "names+",
    "weights inspect": "weights",
    "weights convert": "weights",
    "bench": "",
    "doctor": "",
}


def test_what_every_command_takes_by_its_place():
    found = {
        words: " ".join(
            f"{a.dest}{a.nargs or ''}".replace("A...", "...") for a in command._actions if not a.option_strings
        )
        for words, command in actions(parser())
    }
    assert found == POSITIONALS


OPTION_NAMES = {
    "demo": "out force",
    "style": (
        "o/out size depth profile no-metadata weights preset list-presets alpha beta total-variation scales "
        "style-weights style-scale keep-colours masks map map-colours style-masks steps sweep optimizer "
        "learning-rate schedule parametrization init levels seed preview gif frames plot device tile anyway "
        "resume from force"
    ),
    "face enroll": "json weights box landmarks face drawn any-quality threshold score head",
    "face list": "json picture force",
    "face remove": "json",
    "face rename": "json",
    "face verify": "json weights box landmarks face threshold drawn any-quality head picture force",
    "face identify": "json weights box landmarks face threshold drawn any-quality matches picture force faces",
    "face detect": "json o/out min-size weights force",
    "face calibrate": (
        "json far eer accuracy into pairs skip-missing weights box landmarks face drawn head picture force"
    ),
    "face evaluate": "json lfw pairs skip-missing weights box landmarks face drawn head picture force",
    "face train": (
        "o/out data test face people pictures test-people json loss head margin init freeze softmax comparing "
        "batch seed device checkpoint-every resume force"
    ),
    "face cluster": "json o/out threshold least weights face any-quality drawn",
    "face follow": "json every min-size threshold o/out weights any-quality drawn",
    "face why": "json o/out stranger weights box landmarks face drawn",
    "face blur": "json o/out keep min-size weights drawn force",
    "face encode": "json o/out per-shard workers cluster weights drawn",
    "face search": "json matches threshold cluster weights face drawn",
    "see story": "o/out images most units resume count steps seed",
    "see patches": "o/out images most units resume count",
    "see deconv": "o/out layer unit",
    "see guided": "o/out layer unit",
    "see saliency": "o/out layer unit",
    "see gradcam": "o/out layer unit at",
    "see occlusion": "o/out layer unit size stride",
    "see invert": "o/out size steps seed",
    "see maximize": "o/out units size steps seed",
    "see style": "o/out size steps seed",
    "see map": "o/out layer images most",
    "see filters": "o/out image",
    "see diagram": "o/out",
    "step": "backend most compare other-backend page force",
    "gradcheck": "backend seeds json",
    "tutorial list": "json",
    "tutorial paths": "json",
    "tutorial play": "",
    "tutorial open": "to solved",
    "tutorial notebook": "to run",
    "tutorial teach": "",
    "tutorial html": "to",
    "learn list": "",
    "learn start": "to",
    "learn check": "seconds json",
    "learn hint": "tier",
    "learn solution": "",
    "learn use": "seconds",
    "learn grade": "o/out json hidden exercise single seconds memory jobs isolated force",
    "train": "data test o/out cycle batch-size seed checkpoint-every resume",
    "weights list": "json",
    "weights fetch": "json to",
    "weights inspect": "json",
    "weights convert": "json o/out layout dtype",
    "bench": "only against device quick rounds out markdown",
    "doctor": "json report compile",
}


def test_the_options_of_every_command():
    found = {
        words: " ".join(
            "/".join(name.lstrip("-") for name in action.option_strings)
            for action in command._actions
            if action.option_strings and action.dest not in ("help", "traceback")
        )
        for words, command in actions(parser())
    }
    assert found == OPTION_NAMES


def looker(count=2, card=None, **given):
    usual = {"box": None, "landmarks": None, "face": None, "drawn": True, "any_quality": False}
    card = card or SimpleNamespace(input_size=(8, 8))
    return face_finder.Looker(SimpleNamespace(**{**usual, **given}), card, count)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"box": ["1,2,3,4"], "landmarks": [["1,2"]]},
            "face: --box and --landmarks are both given; expected one of them",
        ),
        ({"box": ["1,2,3,4"] * 2, "count": 3}, "face: 2 times --box for 3 pictures; expected one, or one each"),
        ({"box": ["1,2,3,4"], "face": "largest"}, "face: --box and --face are both given; expected one of them"),
        ({"landmarks": [["1,2", "3"]]}, "face: landmarks is '3'; expected points x,y"),
        ({"box": ["1,2,3"]}, "face: box is '1,2,3'; expected x,y,w,h in pixels"),
    ],
)
def test_places_of_faces_that_do_not_go_together(given, line):
    with pytest.raises(InputError) as said:
        looker(**given)
    assert str(said.value) == line


def test_which_face_is_meant_and_where():
    usual = looker()
    assert (usual.which, usual.looks, usual.centred, usual.given, usual.any_quality) == (
        "largest",
        False,
        False,
        {},
        True,
    )
    assert (usual.count, usual.missed, usual.several, usual.strict) == (2, 0, 0, True)
    assert looker(face="none").which == "largest" and not looker(face="none").looks
    bare = face_finder.Looker(SimpleNamespace(face=None), SimpleNamespace(input_size=(8, 8)), 1, usual="centre")
    assert (bare.which, bare.any_quality, bare.given, bare.count, bare.strict) == ("centre", False, {}, 1, True)
    assert bare.looks != bare.centred  # a photograph is looked at, or cropped with a note
    assert looker(box=["1,2,3,4"]).given == {"box": [[1, 2, 3, 4]]}
    assert looker(box=["1,2,3,4", "5,6,7,8"]).given == {"box": [[1, 2, 3, 4], [5, 6, 7, 8]]}
    given = looker(landmarks=[["1,2", "3,4"]], drawn=False)
    assert given.given == {"landmarks": [[[1, 2], [3, 4]]]} and not given.centred and not given.any_quality
    assert looker(drawn=False, box=["1,2,3,4"], any_quality=True).any_quality


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    ("given", "looks", "centres"),
    [
        ({}, "if there", "if not"),
        ({"face": "largest"}, "always", "never"),
        ({"face": "none"}, "never", "never"),
        ({"box": ["1,2,3,4"]}, "never", "never"),
        ({"drawn": True}, "never", "never"),
        ({"drawn": True, "face": "2"}, "always", "never"),
    ],
)
def test_when_faces_are_looked_for_and_centres_are_told_of(monkeypatch, there, given, looks, centres):
    asked = []
    monkeypatch.setattr("minicnn.zoo.here", lambda row: "mtcnn.h5" if there else None)
    monkeypatch.setattr("minicnn.zoo.path", asked.append)
    found = looker(**{"drawn": False, **given})
    meant = {"always": True, "never": False, "if there": there, "if not": not there}
    assert (found.looks, found.centred) == (meant[looks], meant[centres])
    assert asked == ["mtcnn"] * found.looks  # where an error says how to get them


def test_a_seed_of_what_is_seen_is_a_number_from_0(capsys):
    words = ["see", "maximize", "tiny_vgg", "block1_conv1", "--seed", "-1", "-o", "never.png"]
    assert main(words) == 2
    assert capsys.readouterr().err == "minicnn: see: seed is -1; expected an integer of at least 0\n"


def test_weights_that_were_fetched_for_another_machine(monkeypatch, tmp_path, capsys):
    from minicnn.zoo import delivery

    kind = dataclasses.make_dataclass("Done", ["path", "how", "sha256", "checked"])
    path = tmp_path / "tiny_vgg.h5"
    path.write_bytes(b"x" * 5000)

    def receive(name, to, say):
        if to == "nowhere":
            raise InputError("no folder")
        return kind(path, "copied", "abc", "by its checksum")

    monkeypatch.setattr(delivery, "receive", receive)
    assert main(["weights", "fetch", "tiny_vgg"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "tiny_vgg: copied, 5.0 kB",
        f"  file          {path}",
        "  SHA-256       abc",
        "  verified      by its checksum",
    ]
    last = "On the other machine, set MINICNN_WEIGHTS to the folder of these files."
    assert last not in lines
    assert main(["weights", "fetch", "tiny_vgg", "--to", "there"]) == 0
    assert capsys.readouterr().out.splitlines() == [*lines, last]
    assert main(["weights", "fetch", "tiny_vgg", "--to", "nowhere"]) == 2
    seen = capsys.readouterr()
    assert (seen.out, seen.err) == ("", "minicnn: no folder\n")
    assert main(["weights", "fetch", "tiny_vgg", "--json"]) == 0
    (fact,) = json.loads(capsys.readouterr().out)
    assert fact == {"path": str(path), "how": "copied", "sha256": "abc", "checked": "by its checksum", "size": 5000}


def test_boxes_are_those_of_their_pictures(monkeypatch):
    from minicnn.faces import candidates

    whole = SimpleNamespace(_replace=lambda face: face.where)
    monkeypatch.setattr(candidates, "candidates", lambda *_: iter([whole]))
    monkeypatch.setattr(face_finder.Place, "crop_for", lambda *_: None)
    picture = np.zeros((9, 9, 3))
    for boxes, expected in ((["1,2,3,4"], [[1, 2, 3, 4]] * 2), (["1,2,3,4", "5,6,7,8"], [[1, 2, 3, 4], [5, 6, 7, 8]])):
        found = [looker(box=boxes).look(picture, "a.png", number) for number in range(2)]
        assert found == [[{"box": box}] for box in expected]


def test_a_picture_of_the_input_size_is_a_face_and_others_are_looked_at(monkeypatch, capsys):
    from minicnn.faces import candidates, snapshots

    asked = []
    monkeypatch.setattr(candidates, "candidates", lambda *_: iter([SimpleNamespace(_replace=lambda face: face)]))
    monkeypatch.setattr(face_finder.Place, "crop_for", lambda *_: None)
    monkeypatch.setattr(snapshots, "find", lambda image: asked.append(image.shape) or [])
    looking = looker(drawn=False)
    looking.looks, looking.strict = True, False
    assert len(looking.look(np.zeros((8, 8, 3)), "a.png")) == 1 and asked == []
    assert looking.look(np.zeros((8, 9, 3)), "b.png") == [] and asked == [(8, 9, 3)] and looking.missed == 1
    centring = looker(drawn=False)
    centring.looks, centring.centred = False, True
    centring.look(np.zeros((8, 8, 3)), "a.png")
    assert capsys.readouterr().err == "" and centring.centred
    for _ in range(2):
        centring.look(np.zeros((9, 8, 3)), "b.png")
    assert capsys.readouterr().err.count("the centre of each picture is cropped") == 1 and not centring.centred


def test_notes_beside_bars_go_where_programs_do_not_read(capsys):
    tutorial._say("lesson 3 is short")
    assert tuple(capsys.readouterr()) == ("", "minicnn: lesson 3 is short\n")
    weights_command._say("vgg16 is fetched")
    assert tuple(capsys.readouterr()) == ("", "minicnn: vgg16 is fetched\n")
