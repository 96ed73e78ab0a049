"""What a machine tells of itself, and what minicnn makes of it, where this one may tell something else."""

import importlib.metadata
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from minicnn import backend, diagnosis, machine
from minicnn.errors import InputError


@pytest.fixture
def system(monkeypatch, tmp_path):
    """Write a file of the system, by its path; no other is there."""

    def write(path, text):
        file = tmp_path / path.strip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    monkeypatch.setattr(machine, "Path", lambda path: tmp_path / str(path).strip("/"))
    monkeypatch.setattr(machine, "sys", types.SimpleNamespace(platform="linux"))
    return write


def test_a_processor_says_its_name(system, monkeypatch):
    names = [("a processor", "x86"), ("", "x86"), ("", "")]
    for (processor, kind), found in zip(names, ("a processor", "x86", "unknown"), strict=True):
        monkeypatch.setattr(machine.platform, "processor", lambda processor=processor: processor)
        monkeypatch.setattr(machine.platform, "machine", lambda kind=kind: kind)
        assert machine.processor() == found
    system("/proc/cpuinfo", "processor : 0\nmodel name\t: A Fast: One \nmodel name\t: Another\n")
    assert machine.processor() == "A Fast: One"
    machine.sys.platform = "darwin"
    monkeypatch.setattr(machine, "_said_by", lambda *command: "Apple M9" if command[2:] else "")
    assert machine.processor() == "Apple M9"
    monkeypatch.setattr(machine, "_said_by", lambda *command: "")
    assert machine.processor() == ""


def test_who_multiplies_bfloat16(system, monkeypatch):
    assert machine.multiplies_bfloat16() is False
    for flags, known in (("avx2 amx_bf16", True), ("avx512_bf16", True), ("bf16", True), ("avx512f xbf16", False)):
        system("/proc/cpuinfo", f"flags : {flags}\n")
        assert machine.multiplies_bfloat16() is known
    machine.sys.platform = "darwin"
    for said, known in (("1", True), ("0", False), ("", False)):
        monkeypatch.setattr(machine, "_said_by", lambda *command, said=said: said)
        assert machine.multiplies_bfloat16() is known


@pytest.mark.parametrize(
    ("text", "cores"), [("150000 100000\n", 1.5), ("max 100000\n", None), ("1\n", None), ("400000 100000", 4)]
)
def test_the_quota_of_a_container(system, text, cores):
    assert machine.processor_quota() is None
    system("/sys/fs/cgroup/cpu.max", text)
    assert machine.processor_quota() == cores


def test_what_a_container_may_still_take(system):
    assert machine._left_in_container() is None
    system("/sys/fs/cgroup/memory.max", "1000\n")
    system("/sys/fs/cgroup/memory.current", "400\n")
    system("/sys/fs/cgroup/memory.stat", "anon 300\ninactive_file 50\n")
    assert machine._left_in_container() == 650
    system("/sys/fs/cgroup/memory.stat", "anon 300\n")
    assert machine._left_in_container() == 600
    system("/proc/meminfo", "MemTotal: 9 kB\nMemAvailable:   3 kB\n")
    assert machine._available_in_system() == 3072 and machine.available_memory() == 600
    system("/sys/fs/cgroup/memory.max", "max\n")
    assert machine._left_in_container() is None and machine.available_memory() == 3072
    system("/proc/meminfo", "MemTotal: 9 kB\n")
    assert machine._available_in_system() is None and machine.available_memory() is None


def test_a_system_that_is_not_known_tells_nothing(system):
    machine.sys.platform = "freebsd"
    assert machine.available_memory() is None


def test_memory_that_this_process_holds(system, monkeypatch):
    system("/proc/self/statm", "100 7 3\n")
    monkeypatch.setattr(machine.os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096}[name], raising=False)
    assert machine.resident_memory() == 7 * 4096
    system("/proc/self/statm", "100\n")
    asked = []
    monkeypatch.setattr(machine, "_said_by", lambda *command: asked.append(command) or "12")
    assert machine.resident_memory() == 12 * 1024
    assert asked == [("ps", "-o", "rss=", "-p", str(os.getpid()))]
    monkeypatch.setattr(machine, "_said_by", lambda *command: "")
    assert machine.resident_memory() is None


def test_cores_and_load_where_the_system_tells_neither(monkeypatch):
    monkeypatch.setattr(machine, "os", types.SimpleNamespace(cpu_count=lambda: None))
    assert machine.available_cores() == 1 and machine.load() is None
    monkeypatch.setattr(machine, "os", types.SimpleNamespace(cpu_count=lambda: 6, getloadavg=lambda: (3.5, 2, 1)))
    assert machine.available_cores() == 6 and machine.load() == 3.5
    monkeypatch.setattr(
        machine, "os", types.SimpleNamespace(cpu_count=lambda: 6, sched_getaffinity=lambda number: {1, 5} - {number})
    )
    assert machine.available_cores() == 2


def test_the_interpreter_to_start_a_process_with(monkeypatch, tmp_path):
    def python(executable, prefix=tmp_path, **more):
        version = types.SimpleNamespace(major=3, minor=99)
        facts = {"executable": executable, "exec_prefix": str(prefix), "version_info": version, **more}
        monkeypatch.setattr(machine, "sys", types.SimpleNamespace(**facts))
        return machine.interpreter()

    application = tmp_path / "Application"
    application.touch()
    for name in ("python3.11", "Python.exe", "pypy3", "graalpy"):
        (tmp_path / name).touch()
        assert python(str(tmp_path / name)) == str(tmp_path / name)
    (tmp_path / "Python.exe").unlink()
    assert python(str(tmp_path / "gone")) == str(tmp_path / "gone")
    assert python(str(application)) is None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3.99").touch()
    assert python(str(application)) == str(tmp_path / "bin" / "python3.99")
    assert python(str(tmp_path / "python3.11"), frozen=True) == str(tmp_path / "bin" / "python3.99")
    (tmp_path / "python.exe").touch()
    assert python(str(application)) == str(tmp_path / "python.exe")


def test_versions_and_configurations(monkeypatch):
    assert machine.version("numpy") == importlib.metadata.version("numpy") and machine.version("no-such") is None
    told = {
        "SIMD Extensions": {"baseline": ["SSE"], "found": ["AVX"]},
        "Build Dependencies": {"blas": {"name": "mkl"}},
    }
    for configuration, sets, blas in ((told, ["SSE", "AVX"], "mkl"), ({}, [], "unknown"), (None, [], "unknown")):
        monkeypatch.setattr(np, "show_config", lambda mode, configuration=configuration: configuration)
        assert machine.instruction_sets() == sets and machine.blas_of_numpy() == blas

    def odd(mode):
        raise TypeError

    monkeypatch.setattr(np, "show_config", odd)
    assert machine.instruction_sets() == []


def test_gpus_are_what_the_driver_lists(monkeypatch):
    monkeypatch.setattr(machine, "_said_by", lambda *command: " A, 1 \n\n B, 2 \n")
    assert machine.nvidia_gpus() == ["A, 1", "B, 2"]


def test_the_machine_as_data():
    found = machine.describe()
    assert list(found) == ["processor", "instruction_sets", "cores", "system", "python", "versions"]
    assert found["cores"] == machine.available_cores()
    assert found["versions"].keys() == {*machine.LIBRARIES, "torch"}


def test_what_a_program_says(monkeypatch):
    python = str(Path(sys.executable))
    monkeypatch.setattr(machine.shutil, "which", {"snake": python}.get)
    assert machine._said_by("snake", "-c", "print(' said ')") == "said"
    assert machine._said_by("snake", "-c", "print('said'); raise SystemExit(1)") == ""
    assert machine._said_by("none") == ""

    def refuse(*command, **options):
        assert options["timeout"] == 10
        raise subprocess.TimeoutExpired(command, 10)

    monkeypatch.setattr(machine.subprocess, "run", refuse)
    assert machine._said_by("snake") == ""


# Diagnosis


def test_a_check_that_fails_says_why_and_of_what_kind():
    def fail(problem):
        def check():
            raise problem

        return check

    assert diagnosis._try(lambda: {"a": 1}) == {"a": 1}
    assert diagnosis._try(fail(ValueError("no\ngood"))) == {"problem": "ValueError: no good"}
    assert diagnosis._try(fail(InputError("x is 1"))) == {"problem": "x is 1"}
    assert len(diagnosis._try(fail(InputError("x" * 2000)))["problem"]) == 1500


@pytest.mark.parametrize(
    ("error", "missing", "works", "why"),
    [
        (0.0, None, True, ""),
        (0.99e-4, None, True, ""),
        (1e-4, None, False, "its results are wrong, by 0.0001"),
        (0.25, None, False, "its results are wrong, by 0.2"),
        (0.0, "no driver", False, "no driver"),
    ],
)
def test_a_backend_works_if_its_results_are_right(monkeypatch, error, missing, works, why):
    monkeypatch.setattr(diagnosis, "_error_of_convolution", lambda name: error)
    monkeypatch.setattr(diagnosis, "_missing", lambda name: {"problem": missing} if missing else {})
    found = diagnosis._backend("numpy")
    assert (found["name"], found["works"], found["why"]) == ("numpy", works, why) and found["seconds"] >= 0


def test_kernels_that_are_missing_are_told(monkeypatch):
    assert diagnosis._missing("numpy") == {}
    monkeypatch.setattr(backend, "kernels_for", lambda array: types.SimpleNamespace(missing="not compiled"))
    assert diagnosis._missing("numpy") == {"problem": "not compiled"}


@pytest.mark.parametrize(
    ("threads", "uses", "held"),
    [([1], "mkl", True), ([1, 1], "mkl", True), ([1, 2], "mkl", False), ([], "mkl", False), ([1], "Accelerate", False)],
)
def test_a_blas_is_held_if_all_of_it_keeps_to_one_thread(monkeypatch, threads, uses, held):
    libraries = [{"threads": count} for count in threads]
    monkeypatch.setattr(machine, "blas_libraries", lambda: libraries)
    monkeypatch.setattr(machine, "blas_of_numpy", lambda: uses)
    assert diagnosis._blas() == {"numpy_uses": uses, "libraries": libraries, "held": held}


def test_a_library_is_imported_by_its_own_name():
    assert diagnosis._library("pillow") == {
        "name": "pillow",
        "version": machine.version("pillow"),
        "problem": None,
    }
    found = diagnosis._library("no_such_thing")
    assert found["version"] is None and found["problem"].startswith("ModuleNotFoundError: No module named")


def test_weights_that_are_not_here_say_why():
    shipped, absent = (
        diagnosis._weights(types.SimpleNamespace(name=name, link=link))
        for name, link in (("tiny_vgg", None), ("nothing", "a link"))
    )
    assert shipped["bytes"] == Path(shipped["path"]).stat().st_size and shipped["link"] is None
    assert (absent["path"], absent["link"]) == (None, "a link") and "nothing" in absent["problem"]


def test_there_may_be_no_kernels(monkeypatch):
    monkeypatch.setattr(diagnosis, "compiled_kernels", lambda: iter(()))
    with pytest.raises(InputError, match=r"^there are none; NumPy computes instead$"):
        diagnosis._compiled_kernels()


def test_of_the_libraries_with_threads_only_blas_is_told(monkeypatch):
    blas = {"user_api": "blas", "internal_api": "openblas", "num_threads": 4, "filepath": "/b.so"}
    more = {"version": "0.3", "architecture": "Zen"}
    found = [blas, {**blas, "user_api": "openmp", "filepath": "/o.so"}, blas | more]
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: found)
    told = {"name": "openblas", "version": None, "architecture": None, "threads": 4, "file": "/b.so"}
    assert machine.blas_libraries() == [told, told | more]
