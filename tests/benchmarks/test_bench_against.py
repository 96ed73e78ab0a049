"""minicnn bench --against measures two checkouts in turn. Most tests use fake checkouts, which only hold times."""

import ast
import json
import subprocess
from pathlib import Path

import pytest

import minicnn
from minicnn import resources
from minicnn.bench import checkouts, children, contract_steps, runner, tables
from minicnn.bench.report import Report
from minicnn.cli import main

FAKE_STEPS = """
import sys
import minicnn

for number, line in enumerate(sys.stdin):
    with open({log!r}, "a", encoding="utf-8") as log:
        print(minicnn.NAME, sys.argv[1:], file=log)
    print(minicnn.SECONDS[max(0, number - 2) % 3], flush=True)  # two turns come before the rounds
"""


def fake_checkout(folder, seconds):
    package = folder / "minicnn"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"NAME, SECONDS = {folder.name!r}, {seconds}\n", encoding="utf-8")
    return folder


def use_program(monkeypatch, path, program):
    path.write_text(program, encoding="utf-8")
    monkeypatch.setattr(checkouts, "PROGRAM", path)


@pytest.fixture
def other(tmp_path, monkeypatch):
    """A fake checkout next to a fake one of our own; what both did is in log.txt."""
    monkeypatch.setattr(checkouts, "HERE", fake_checkout(tmp_path / "this", [0.002, 0.002, 0.004]))
    use_program(monkeypatch, tmp_path / "steps.py", FAKE_STEPS.format(log=str(tmp_path / "log.txt")))
    return fake_checkout(tmp_path / "other", [0.001, 0.006, 0.008])


def test_two_checkouts_take_turns_and_the_median_of_the_ratios_counts(other, tmp_path):
    said, out = [], tmp_path / "bench.json"
    report = runner.run(["triplets"], rounds=3, out=out, against=other, say=said.append)
    (row,) = report.tables["triplets"].rows
    assert (row.minicnn, row.pytorch, row.ratio, row.unit) == (2.0, 6.0, 2.0, "ms")
    assert row.details["spread"] == [0.5, 3.0]
    done = (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split()[0] for line in done[4:]] == ["this", "other", "other", "this", "this", "other"]
    assert {line.split(" ", 1)[1] for line in done} == {str(["triplets", "48", str(resources.threads())])}
    line = tables.line(report.tables["triplets"], row, True)
    assert line.split() == ["batch", "of", "48", "2.00", "6.00", "2.00×", "0.50–3.00"] and line in said
    assert str(other) in "\n".join(said) and "no ratios" not in "\n".join(said)
    assert Report.read(out) == report
    assert "2.00× as fast | 0.50–3.00 spread |" in tables.markdown(report)


@pytest.mark.thorough
def test_every_section_has_rows_and_steps_that_exist(other):
    report = runner.run(rounds=1, against=other, say=lambda line: None)
    assert {name: len(table.rows) for name, table in report.tables.items()} == {
        "style": 2,
        "encoders": 4,
        "triplets": 1,
        "training": 2,
    }
    assert {step for kind in checkouts.SECTIONS.values() for step in kind.steps} == set(contract_steps.STEPS)


@pytest.mark.thorough
def test_seven_rounds_are_usual(other):
    (row,) = runner.run(["triplets"], against=other, say=lambda line: None).tables["triplets"].rows
    assert len(row.details["minicnn_raw"]) == len(row.details["pytorch_raw"]) == 7


def test_a_checkout_that_fails_is_named_and_the_others_go_on(other, capsys, tmp_path):
    (other / "minicnn" / "__init__.py").write_text("raise RuntimeError('broken here')", encoding="utf-8")
    command = ["bench", "--only", "training", "--against", str(other), "--out", str(tmp_path / "bench.json")]
    assert main(command) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "not measured" in line]
    assert len(lines) == 2
    assert all(str(other) in line and "RuntimeError: broken here" in line for line in lines)


def test_ctrl_c_ends_processes_that_are_computing(tmp_path, monkeypatch):
    started, popen = [], subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **options: started.append(popen(*a, **options)) or started[-1])
    program = tmp_path / "busy.py"
    program.write_text("import time\nprint(input(), flush=True)\nwhile True: time.sleep(1)", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt), children.conversation(program, environment={}) as ask:
        assert ask(3) == 3 and started[0].poll() is None
        raise KeyboardInterrupt
    assert started[0].poll() is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--against", "missing"], "against is 'missing'; expected a folder that holds the package minicnn"),
        (["--against", "empty"], "against is 'empty'; expected a folder"),
        (["--against", "checkout", "--only", "layers"], "only is 'layers'; expected one of style, encoders, triplets"),
    ],
)
def test_nonsense_is_refused_in_one_line(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    fake_checkout(tmp_path / "checkout", [])
    assert main(["bench", *options]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("minicnn: bench: ") and error.count("\n") == 1


def test_a_gpu_is_refused(other, monkeypatch):
    monkeypatch.setattr(runner.devices, "check_device", lambda device: None)  # as where there is one
    with pytest.raises(minicnn.InputError, match="device is 'cuda'; expected cpu with --against"):
        runner.run(device="cuda", against=other)


def test_the_steps_use_public_names_only():
    """The other checkout may have other insides."""
    tree = ast.parse(Path(contract_steps.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    imported = [ast.unparse(node) for node in imports if "minicnn" in ast.unparse(node)]
    assert imported == ["import minicnn"]
    names = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    used = [name.split(".")[1:] for name in names if name.startswith("minicnn.")]
    assert ["style", "transfer"] in used and ["Tensor"] in used
    for room, *inner in used:
        assert room in minicnn.__all__
        if inner:
            assert inner[0] in getattr(minicnn, room).__all__


@pytest.mark.thorough
def test_this_checkout_against_itself(monkeypatch, tmp_path):
    """Every step computes, in small."""
    sizes = {"style": 32, "encoders": 1, "triplets": 8, "training": 2}
    small = {name: kind._replace(quick_sizes=(sizes[name],)) for name, kind in checkouts.SECTIONS.items()}
    monkeypatch.setattr(checkouts, "SECTIONS", small)
    out = tmp_path / "bench.json"
    report = runner.run(quick=True, rounds=1, out=out, against=checkouts.HERE, say=print)
    rows = [row for table in report.tables.values() for row in table.rows]
    assert report.complete and len(rows) == len(contract_steps.STEPS)
    for row in rows:
        assert row.minicnn is not None and row.ratio > 0, row.details
    assert json.loads(out.read_text(encoding="utf-8"))["conditions"]["against"] == str(checkouts.HERE)
