"""The subjects of commits: print those that break a rule of CONTRIBUTING.md, and exit with 1 if there are any.

    python tests/commit_subjects.py [REPOSITORY]

Read are the commits since the last tag v*, or, before the first release, since the rule was written down. Without
history there is nothing to read.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

LONGEST = 72
RULE = "at most 72 characters"  # as CONTRIBUTING.md words it
# Verbs that end so, and are no past tense, gerund or third person.
VERBS = {"embed", "feed", "need", "seed", "speed", "spread", "bring", "string", "pass", "process", "focus", "express"}
VERBS |= {"compress", "guess", "miss", "cross", "dress", "press", "address", "discuss", "bypass", "bias", "canvas"}


def faults(subject: str) -> list[str]:
    """Return what is wrong with a subject, in words."""
    first = subject.partition(" ")[0]
    verb = first.lower() in VERBS or not re.search(r"(ed|ing|s)$", first)
    rules = {
        f"is longer than {LONGEST} characters": len(subject) <= LONGEST,
        "does not begin with a capital": first[:1].isupper(),
        "has a prefix with a colon": not re.match(r"[\w()/ -]{1,20}: ", subject),
        "has a semicolon": ";" not in subject,
        "ends with a full stop": not subject.endswith("."),
        "does not begin with a verb in the imperative": verb,
    }
    return [words for words, kept in rules.items() if not kept]


def subjects(repository: Path) -> list[str]:
    """Return the subjects to judge, the newest first; none where git or the history is missing."""

    def git(*words: str) -> str:
        try:
            done = subprocess.run(["git", "-C", str(repository), *words], capture_output=True, encoding="utf-8")
        except OSError:
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""

    start = git("describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^")
    written = git("log", "--format=%H", f"-S{RULE}", "--", ".github/CONTRIBUTING.md").splitlines()
    start = start or (written[-1] if written else "")
    return git("log", "--no-merges", "--format=%s", f"{start}..HEAD").splitlines() if start else []


def main() -> int:
    """Judge the commits of a repository, or of this one."""
    repository = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1])
    read = subjects(repository)
    wrong = [(subject, fault) for subject in read for fault in faults(subject)]
    for subject, fault in wrong:
        print(f"{subject!r} {fault}")
    print(f"{len(read)} commit subjects read, {len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
