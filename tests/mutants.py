"""Draw changes of the package's code at random, and count those that the default tests notice.

$ python tests/mutants.py --seed 0 --count 200 [--list] [--again] [--work FOLDER]

A first run records which functions each test calls. A mutant then runs against the tests of its room that call the
function it changes, and a survivor against every file with such a test (where the function is compiled, or the change
outside functions: such a file of the whole module), and the tests that read the code. Other tests cannot notice it.
Everything happens in a copy of the tree, results are kept, and an interrupted run continues. `--again` repeats the
survivors with the tests as they are now.
"""

import argparse
import collections
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from mutations import Mutant, another_program, changed, mutants_of
from test_core import code_lines
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
NOT_COPIED = (".git", "__pycache__", ".*_cache", ".hypothesis", ".venv", "dist")
LEFT_OUT = ("bench/",)  # no test can say that another number there is wrong
READERS = ("tests/test_house_rules.py",)  # of the code itself, which they do not call
ENGINE = ("graph.py", "operation.py", "tensor.py", "backend.py", "devices.py", "interchange.py", "errors.py", "ops")
NEAREST = {  # room: what the paths of its tests contain
    "engine": r"test_(tensor|graph|interchange|backend|errors|devices|op_rows|corners|own_operations)\b|kernels/",
    "kernels": r"kernels/|simulated/",
    "fast/cpu": r"kernels/|test_(buffers|threads|models_programs|ownership|graph)",
    "fast/cuda": r"cuda/",
    "files": r"test_(files|images|text|imports|training|doctor|backend)",
    "cli": r"test_cli|_command|test_doctor|test_zoo|faces/|style/",
    "nn": r"test_(nn|models)\b|_models",
    "lessons": r"lessons/|tutorials/",
}


def room_of(path):
    """Return the room of a file of the package."""
    top, _, rest = path.partition("/")
    if top in ENGINE:
        return "engine"
    return f"fast/{rest.split('/')[0]}" if top == "fast" and "/" in rest else top if rest else "files"


def draw(sources, seed, count):
    """Return mutants in the seed's order: a room by its lines of code, one of its kinds, and one of this kind."""
    dice, lines = random.Random(seed), collections.Counter()
    drawers = collections.defaultdict(lambda: collections.defaultdict(list))
    for path, source in sources.items():
        lines[room_of(path)] += code_lines(source)
    parsed, drawn = set(), []
    while len(drawn) < count:
        room = dice.choices(list(lines), list(lines.values()))[0]
        if room not in parsed:
            parsed.add(room)
            for path, source in sources.items():
                for mutant in mutants_of(path, source) if room_of(path) == room else ():
                    drawers[room][mutant.kind].append(mutant)
        kinds = [kind for kind, mutants in drawers[room].items() if mutants]
        mutants = drawers[room][dice.choice(kinds)] if kinds else []
        if mutants:
            mutant = mutants.pop(dice.randrange(len(mutants)))
            drawn += [mutant] * another_program(mutant, sources[mutant.path])
    return drawn


class Workshop:
    """A copy of the tree in a folder of its own, what its tests call, and the results so far."""

    def __init__(self, folder):
        self.folder, self.tree, self.results = folder, folder / "tree", folder / "results.jsonl"
        for name in ("called", "home", "numba", "site", "temporary"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "tests" / "called_functions.py", folder / "site" / "sitecustomize.py")
        shutil.rmtree(self.tree / "tests", ignore_errors=True)
        # With their times: Numba's cache and Python's go by them.
        shutil.copytree(ROOT, self.tree, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*NOT_COPIED))

    def pytest(self, tests, limit, **more):
        """Return (exit status, output) of pytest in the copy. The status is None if it takes longer than the limit."""
        mine = {name: str(self.folder / "home") for name in ("HOME", "USERPROFILE", "XDG_CACHE_HOME")}
        mine |= {name: str(self.folder / "temporary") for name in ("TMPDIR", "TEMP", "TMP")}
        mine |= {"CI": "1", "PYTHONPATH": os.pathsep.join(map(str, [self.tree, self.folder / "site"]))}
        (self.folder / "tests.txt").write_text("\n".join(tests), encoding="utf-8")  # too many for a command line
        command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-rfE", "--tb=no", "-p", "no:cacheprovider"]
        command += ["-p", "sitecustomize", "--timeout=60", f"@{self.folder / 'tests.txt'}"]
        command += [] if more.get("MUTANTS_CALLED") else ["-x"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8", "errors": "replace"}
        environment = os.environ | mine | {"NUMBA_CACHE_DIR": str(self.folder / "numba")} | more
        child = subprocess.Popen(command, cwd=self.tree, env=environment, start_new_session=True, **pipes)
        try:
            output, _ = child.communicate(timeout=limit)
            return child.returncode, output
        except subprocess.TimeoutExpired:
            (os.killpg if hasattr(os, "killpg") else os.kill)(child.pid, signal.SIGTERM)
            child.communicate()
            return None, ""

    def record(self):
        """Run the test files that are new or changed since they were recorded, and learn what each test calls."""
        files = sorted(p for p in (self.tree / "tests").rglob("test_*.py") if "simulated" not in p.parts)
        now = {p.relative_to(self.tree).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
        digests, rows = self.folder / "digests.json", self.folder / "calls.jsonl"
        before = json.loads(digests.read_text()) if digests.exists() else {}
        stale = [path for path, digest in now.items() if before.get(path) != digest]
        kept = [row for row in lines_of(rows) if row["test"].split("::")[0] not in stale]
        if stale:
            print(f"recording what the tests of {len(stale)} files call", flush=True)
            places = {"MUTANTS_PACKAGE": str(self.tree / "minicnn"), "MUTANTS_CALLED": str(self.folder / "called")}
            status, output = self.pytest(stale, None, **places)
            print(output[-3000:])
            written = list((self.folder / "called").iterdir())
            kept += [row for path in written for row in lines_of(path)]
            if status not in (0, 1) or not any(row["outcome"] == "passed" for row in kept):
                sys.exit("the tests of the unchanged code do not run")
            rows.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
            digests.write_text(json.dumps(now))
            for path in written:
                path.unlink()
        self.seconds, self.setups = collections.Counter(), collections.Counter()
        self.called = collections.defaultdict(set)
        for row in kept:
            self.called[row["test"]] |= set(row["called"])
            if row["outcome"] == "passed":  # what fails or is skipped here says nothing
                self.seconds[row["test"]] += row["seconds"] + 0.01
            elif "::" not in row["test"]:
                self.setups[row["test"]] += row["seconds"]

    def witnesses(self, mutant):
        """Return the tests that call the changed function, or of its whole module, and every test of their files."""
        place, module = f"{mutant.path}:{mutant.function}", f"{mutant.path}:"
        found = {test for test, called in self.called.items() if place in called}
        if not found:  # compiled, or outside functions
            found = {test for test, called in self.called.items() if any(c.startswith(module) for c in called)}
        files = {test.split("::")[0] for test in found}
        near = re.compile(NEAREST.get(room_of(mutant.path), rf"{room_of(mutant.path)}/|test_{room_of(mutant.path)}"))
        cost = self.setups.copy()
        for test in self.seconds:
            cost[test.split("::")[0]] += self.seconds[test]
        # Those that read the code begin, since the last are left out where all would take too long.
        order = {file: (file not in READERS, cost[file], file) for file in {t.split("::")[0] for t in self.seconds}}
        tests = sorted(self.seconds, key=lambda test: order[test.split("::")[0]])
        first = [t for t in tests if near.search(t) and (not found or t in found or t.split("::")[0] in found)]
        # Where nothing of a module is called, as in one that only imports, anybody may notice.
        files |= set(READERS)
        return first, [t for t in tests if not found or (t.split("::")[0] in files and not (t in first and t in found))]

    def cost(self, tests):
        """Return the seconds that tests took when they were recorded, and the fixtures of their files."""
        return sum(self.seconds[t] for t in tests) + sum(self.setups[f] for f in {t.split("::")[0] for t in tests})

    def judge(self, mutant, most):
        """Return the test that notices a mutant, or "" if none does."""
        path, original = self.tree / "minicnn" / mutant.path, ROOT / "minicnn" / mutant.path
        source = original.read_text(encoding="utf-8")
        more = {"PYTHONDONTWRITEBYTECODE": "1", "NUMBA_CACHE_DIR": str(self.folder / "numba-of-one")}
        shutil.copytree(self.folder / "numba", more["NUMBA_CACHE_DIR"])
        try:
            path.write_text(changed(mutant, source), encoding="utf-8")
            if mutant.path == "fast/cpu/micro_kernel.py":
                self.say_digest(original, path)
            for tests in self.witnesses(mutant):
                while self.cost(tests) > most:
                    tests.pop()
                if tests:
                    limit = 60 + 3 * self.cost(tests)
                    status, output = self.pytest(tests, limit, **more)
                    if status == 4:  # the change took one of them away, so those that are left judge it
                        status, output = self.pytest([*dict.fromkeys(t.split("::")[0] for t in tests)], limit, **more)
                    if status != 0:
                        found = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
                        return found[1] if found else "too long" if status is None else f"exit {status}"
            return ""
        finally:
            shutil.copytree(ROOT / "minicnn/fast/cpu", self.tree / "minicnn/fast/cpu", dirs_exist_ok=True)
            shutil.copy2(original, path)
            shutil.rmtree(more["NUMBA_CACHE_DIR"])

    def say_digest(self, original, changed_file):
        """Name the changed micro-kernel's digest where the unchanged one's is named, so that Numba compiles anew."""
        old, new = (hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in (original, changed_file))
        for path in changed_file.parent.rglob("*.py"):
            if old in (text := path.read_text(encoding="utf-8")):
                path.write_text(text.replace(old, new), encoding="utf-8")


def lines_of(path):
    """Return the rows of a file of JSON lines, [] if there is none. A line that its writer did not end is left out."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}\n")]


def table(rows, by):
    """Print how many were noticed by room or kind."""
    groups = collections.defaultdict(list)
    for row in rows:
        groups[by(row)].append(bool(row["noticed"]))
    for name, noticed in [*sorted(groups.items()), ("all", [bool(row["noticed"]) for row in rows])]:
        print(f"{name:20} {sum(noticed):4} of {len(noticed):4} = {sum(noticed) / max(1, len(noticed)):.1%}")


def main():
    """Draw, judge what is not judged yet, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--list", action="store_true", help="print the mutants and exit")
    parser.add_argument("--again", action="store_true", help="judge the survivors again")
    parser.add_argument("--most", type=float, default=300, help="seconds of tests per mutant at most (default: 300)")
    parser.add_argument("--work", type=Path, help="folder of the copy and the results")
    options = parser.parse_args()
    paths = sorted(path for path in (ROOT / "minicnn").rglob("*.py") if "shipped" not in path.parts)
    sources = {path.relative_to(ROOT / "minicnn").as_posix(): path.read_text(encoding="utf-8") for path in paths}
    sources = {name: source for name, source in sources.items() if not name.startswith(LEFT_OUT)}
    drawn = draw(sources, options.seed, options.count)
    if options.list:
        for mutant in drawn:
            print(f"{mutant.path}:{mutant.line}: {mutant.kind}: {mutant.old!r} → {mutant.new!r}")
        return
    digest = hashlib.sha256("".join(sources.values()).encode()).hexdigest()[:8]
    workshop = Workshop(options.work or Path(tempfile.gettempdir(), f"minicnn-mutants-{digest}"))
    workshop.record()
    judged = {Mutant(*row["mutant"]): row for row in lines_of(workshop.results)}
    waiting = [m for m in drawn if m not in judged or (options.again and not judged[m]["noticed"])]
    for mutant in tqdm(waiting, unit="mutant"):
        judged[mutant] = {"mutant": mutant, "noticed": workshop.judge(mutant, options.most)}
        with workshop.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(judged[mutant]) + "\n")
    rows = [judged[mutant] for mutant in drawn]
    table(rows, lambda row: room_of(row["mutant"][0]))
    table(rows, lambda row: row["mutant"][2])
    for mutant in (Mutant(*row["mutant"]) for row in rows if not row["noticed"]):
        print(f"survived: minicnn/{mutant.path}:{mutant.line}: {mutant.kind}: {mutant.old!r} → {mutant.new!r}")


if __name__ == "__main__":
    main()
