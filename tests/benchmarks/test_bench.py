"""minicnn bench: it measures what it says, tells it, and keeps it. No test here looks at how long anything takes."""

import json

import pytest

from minicnn import models, resources
from minicnn.bench import children, cold_start, peak_memory, pytorch, runner, style_step, style_tiles, tables
from minicnn.bench.plan import Plan
from minicnn.bench.report import Report, Row, Table
from minicnn.bench.turns import Side, compare, row_of
from minicnn.cli import main

UNITS = {
    "style": "s",
    "memory": "MiB",
    "tiles": "s/MP",
    "layers": "GFLOP/s",
    "encoders": "ms",
    "training": "ms",
    "triplets": "ms",
    "shapes": "GFLOP/s",
    "pools": "GB/s",
}


@pytest.fixture
def no_pytorch(monkeypatch):
    monkeypatch.setattr(pytorch, "load", lambda threads: None)


def check(report, section, said):
    """The table is whole, fits a screen, and says nothing that was not measured."""
    table = report.tables[section]
    assert table.rows and report.complete
    for row in table.rows:
        assert row.unit == UNITS[section] and row.minicnn > 0
        assert row.pytorch is None and row.ratio is None
        assert len(row.details["minicnn_raw"]) == 1
    assert len({row.name for row in table.rows}) == len(table.rows)
    for line in "\n".join(said).splitlines():
        assert len(line) <= 100
    columns = {len(tables.line(table, row, False)) for row in table.rows if "of_limit" in row.details}
    assert len(columns) <= 1  # right-aligned


SLOW = [
    pytest.param(name, marks=pytest.mark.thorough) for name in ("layers", "encoders", "training", "triplets", "shapes")
]


@pytest.mark.parametrize("section", [*SLOW, "pools"])
def test_a_section_fills_its_table(no_pytorch, section):
    said = []
    report = runner.run([section], quick=True, rounds=1, say=said.append)
    check(report, section, said)
    assert sum("no ratios" in line for line in said) == 1
    assert sum("PyTorch" in line for line in said) == 2  # its version, which is none, and this


@pytest.mark.thorough
def test_the_style_step_and_its_memory_come_from_the_same_processes(no_pytorch, monkeypatch, tmp_path):
    for module in (style_step, peak_memory):
        monkeypatch.setattr(module, "sizes", lambda plan: (32,))
    asked = []
    ask = children.ask
    monkeypatch.setattr(children, "ask", lambda *names, **options: asked.append(options) or ask(*names, **options))
    said = []
    report = runner.run(["style", "memory"], quick=True, rounds=1, out=tmp_path / "bench.json", say=said.append)
    check(report, "style", said)
    assert len(asked) == 2  # the first compiles
    assert len(report.tables["style"].rows[0].details["minicnn_steps"][0]) == asked[1]["steps"]
    if report.tables["memory"].rows[0].minicnn is not None:  # Windows does not tell
        assert report.tables["memory"].rows[0].minicnn >= 0


def test_a_first_step_begins_with_an_empty_cache(no_pytorch, monkeypatch):
    folders = []

    def ask(*names, environment=None, **options):
        folders.append(environment["NUMBA_CACHE_DIR"])
        return {"end": 2e9}

    monkeypatch.setattr(children, "ask", ask)
    plan = Plan(rounds=5)
    rows = [cold_start.first_step(plan, 256, cache) for cache in cold_start.NAMES]
    assert [row.name for row in rows] == list(cold_start.NAMES.values())
    assert folders[0::2] == folders[1::2] and len(set(folders)) == cold_start.COMPILED_ROUNDS


def test_how_long_an_import_takes():
    assert 0 < children.import_time("minicnn") < 60


def test_a_process_that_fails_is_told_and_the_others_go_on(no_pytorch, monkeypatch):
    monkeypatch.setattr(style_step, "sizes", lambda plan: (32, 64))
    monkeypatch.setitem(style_step.SIDES, "minicnn", ("style_step", "no_such_function"))
    said = []
    report = runner.run(["style"], quick=True, rounds=1, say=said.append)
    assert [row.minicnn for row in report.tables["style"].rows] == [None, None]
    assert sum("not measured" in line and "no_such_function" in line for line in said) == 2
    assert "no_such_function" not in tables.markdown(report)


# Turns


def test_what_counts_is_the_median_of_the_ratios():
    row = row_of("x", "ms", [0.001, 0.002, 0.010], [0.002, 0.002, 0.005])
    assert (row.minicnn, row.pytorch, row.ratio) == (2.0, 2.0, 1.0)
    row = row_of("x", "GFLOP/s", [0.5, 1.0, 2.0], amount=3e9, limit=6.0)
    assert (row.minicnn, row.pytorch, row.ratio, row.details["of_limit"]) == (3.0, None, None, 0.5)


def test_only_run_is_timed_and_the_sides_take_turns():
    calls = []
    ours = Side(lambda number: calls.append("ours"), lambda: (1,))
    theirs = Side(lambda: calls.append("theirs"))
    row = compare(Plan(rounds=3, turn=0.0), "x", ours, theirs, unit="s")
    turns = [side for side in calls[-12:] if side]  # each turn runs twice: once to warm up
    assert turns[::2] == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert len(row.details["minicnn_raw"]) == len(row.details["pytorch_raw"]) == 3


# Telling and keeping


@pytest.fixture
def report():
    details = {"minicnn_raw": [0.5], "pytorch_raw": [1.0]}
    versions = {"numpy": "2.4.0", "numba": "0.68.0"}
    report = Report(
        "2026-01-02T03:04:05+00:00",
        {"processor": "A Fast One", "cores": 2, "versions": versions},
        {"minicnn": "0.1.0", "pytorch": "2.13.0", "threads": 2, "rounds": 5, "quick": False, "load": 0.1},
        complete=True,
    )
    report.tables["style"] = Table("Style step", rows=[Row("256²", "s", 0.5, 1.0, 2.0, details)])
    report.tables["memory"] = Table("Peak memory", "as much", rows=[Row("256²", "MiB", 1234.5, 2469.0, 0.5)])
    layers = [Row("block1_conv1 forward", "GFLOP/s", 30.0, 60.0, 0.5, {"of_limit": 0.25, "difference": 0.5})]
    layers.append(Row("all 13 layers, forward", "GFLOP/s", 40.0, 20.0, 2.0, {"of_limit": 0.5}))
    report.tables["layers"] = Table("VGG-19's layers", limit="of sgemm", rows=layers)
    return report


def test_what_is_written_is_what_is_read(report, tmp_path):
    report.write(tmp_path / "bench.json")
    assert Report.read(tmp_path / "bench.json") == report
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]


def test_the_markdown_table_leads_with_what_matters(report, tmp_path, capsys):
    report.write(tmp_path / "bench.json")
    assert main(["bench", "--markdown", str(tmp_path / "bench.json")]) == 0
    first, fold = capsys.readouterr().out.split("<details>")
    assert "2026-01-02" in first and "A Fast One" in first and "PyTorch 2.13.0" in first
    assert "| 256² | 0.500 s | 1.00 s | 2.00× as fast | |" in first
    assert "| 256² | 1,234 MiB | 2,469 MiB | 0.50× as much | |" in first
    assert "all 13 layers" in first and "block1_conv1" not in first and "block1_conv1" in fold
    rows = [line for line in first.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {6}


def test_a_row_on_the_screen(report):
    table = report.tables["layers"]
    heading, line = tables.heading(table, "GFLOP/s", True), tables.line(table, table.rows[1], True)
    assert line.split() == ["all", "13", "layers,", "forward", "40.0", "20.0", "2.00×", "50%"]
    assert len(heading) == len(line) <= 80
    assert "differ" in tables.line(table, table.rows[0], True) and "differ" not in line


def test_ctrl_c_keeps_what_was_measured(no_pytorch, monkeypatch, tmp_path, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("minicnn.bench.bandwidth.measure", interrupt)
    out = tmp_path / "bench.json"
    command = ["bench", "--quick", "--rounds", "1", "--only", "pools", "training", "--out", str(out)]
    assert main(command) == 130
    kept = json.loads(out.read_text(encoding="utf-8"))
    assert len(kept["tables"]["training"]["rows"]) == len(kept["tables"]["pools"]["rows"]) == 1
    assert not kept["complete"]
    said = capsys.readouterr()
    assert "batch of 16" in said.out and "2 rows, interrupted" in said.out
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "speed"], "only is 'speed'; expected one of style, memory"),
        (["--rounds", "0"], "rounds is 0"),
        (["--out", "no/folder/bench.json"], "folder that does not exist"),
        (["--out", "."], "is a folder"),
        (["--markdown", "missing.json"], "no file 'missing.json'"),
        (["--markdown", "notes.json"], "is not a file that"),
        (["--markdown", "list.json"], "is not a file that"),
    ],
)
def test_bench_refuses_nonsense_in_one_line_and_exits_2(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.json").write_text("words")
    (tmp_path / "list.json").write_text("[]")
    assert main(["bench", *options]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("minicnn: bench: ") and error.count("\n") == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.1234, "0.123"),
        (0.9996, "1.000"),
        (1, "1.00"),
        (9.999, "10.00"),
        (10, "10.0"),
        (99.96, "100.0"),
        (100, "100"),
        (1234.5, "1,234"),
    ],
)
def test_figures_have_three_digits(value, text):
    assert tables.figure(value) == text


def test_rows_in_full(report):
    table = report.tables["layers"]
    assert tables.heading(table, "GFLOP/s", True) == (
        "VGG-19's layers (GFLOP/s)                  minicnn   PyTorch   as fast  of sgemm"
    )
    assert tables.heading(table, "", False) == "VGG-19's layers                            minicnn  of sgemm"
    assert tables.line(table, table.rows[0], True) == (
        "  block1_conv1 forward                        30.0      60.0     0.50×       25%\n"
        "    the two results differ, by 0.5"
    )
    assert tables.line(table, table.rows[1], False) == ("  all 13 layers, forward                      40.0       50%")
    alike = Row("x", "s", 1.0, details={"difference": 1e-3, "spread": [0.5, 1.25]})
    assert tables.line(Table("T", limit="spread"), alike, False) == f"  x{'1.00':>47} 0.50–1.25"
    assert tables.line(table, Row("x", "s", None, details={"why": "no time"}), True) == "  x: not measured, no time"
    assert tables.line(table, Row("x", "s", None), True) == "  x: not measured, unknown"
    long = tables.line(Table("T"), Row("n" * 60, "s", 1.0), False)
    assert long == f"  {'n' * 60}  1.00"


@pytest.mark.parametrize(("load", "busy"), [(None, False), (1.0, False), (1.1, True)])
def test_the_lines_above_a_report(report, load, busy):
    report.conditions["load"] = load
    lines = tables.opening(report)
    assert lines[:2] == [
        "A Fast One, 2 threads; 2026-01-02",
        "minicnn 0.1.0, NumPy 2.4.0, Numba 0.68.0, PyTorch 2.13.0; medians of 5 rounds",
    ]
    note = "note: the machine is busy (load 1.1); the times will not be its best"
    assert lines[2:] == [note] * busy
    report.conditions["against"] = "the other"
    assert tables.opening(report)[2] == "other: the other; above 1×, this checkout is faster than the other"
    del report.conditions["against"]
    report.conditions["pytorch"] = None
    for torch, why in (("2", "installed but does not load"), (None, "not installed")):
        report.machine["versions"]["torch"] = torch
        assert tables.opening(report)[2] == f"PyTorch is {why}: no ratios"


def test_what_is_needed_twice_is_measured_once():
    plan, calls = Plan(), []
    for _ in range(2):
        assert plan.once("key", lambda: calls.append(1) or 7) == 7
    assert calls == [1] and (plan.rounds, plan.quick, plan.torch, plan.turn) == (5, False, None, 0.05)


def test_a_tiled_step_is_compared_per_pixel_with_one_that_is_not(monkeypatch):
    runs = {"minicnn": [{"steps": [9.0, 2.0, 2.0]}, {"steps": [9.0, 4.0, 4.0]}]}
    monkeypatch.setattr(style_tiles, "processes", lambda plan, size: runs if size == 1024 else None)
    found = {"seconds": 24.0 * 6, "peak": 4000.0}
    monkeypatch.setattr(children, "ask", lambda *names, **options: found if options["side"] == 4896 else None)
    ((name, measure),) = style_tiles.section(Plan()).measurements
    row = measure()
    assert (name, row.unit, row.details) == ("4896²", "s/MP", {"peak": 4000.0, "tile": 768})
    assert row.ratio == pytest.approx((3 / 1.024**2) / (144 / 4.896**2)) and row.minicnn > row.pytorch
    monkeypatch.setattr(models, "vgg19", models.tiny_vgg)
    monkeypatch.setattr(style_tiles, "STYLE", 64)
    assert {*style_tiles.tiled_step(128, 64, resources.threads())} == {"seconds", "peak"}
