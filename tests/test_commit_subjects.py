"""The check of commit subjects: what it accepts, what it names, and which commits it reads."""

import subprocess
from pathlib import Path

import pytest
from commit_subjects import RULE, faults, subjects

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    "subject", ["Keep transformed filters for up to 256 tiles", "Process faces in batches", "Speed up pooling"]
)
def test_good_subjects_pass(subject):
    assert not faults(subject)


@pytest.mark.parametrize(
    ("subject", "fault"),
    [
        ("Keep " + "x" * 70, "longer"),
        ("keep filters", "capital"),
        ("Style: keep filters", "colon"),
        ("Keep filters; free them later", "semicolon"),
        ("Keep filters.", "full stop"),
        ("Added filters", "imperative"),
        ("Adding filters", "imperative"),
        ("Adds filters", "imperative"),
    ],
)
def test_bad_subjects_are_named(subject, fault):
    assert any(fault in words for words in faults(subject))


@pytest.fixture
def repository(tmp_path):
    def git(*words):
        who = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        try:
            subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)
        except OSError:
            pytest.skip("needs git")

    def commit(subject, text=None):
        if text is not None:
            (tmp_path / ".github").mkdir(exist_ok=True)
            (tmp_path / ".github" / "CONTRIBUTING.md").write_text(text, encoding="utf-8")
            git("add", ".")
        git("commit", "--allow-empty", "-m", subject)

    git("init")
    return tmp_path, git, commit


def test_commits_are_read_since_the_last_release(repository):
    path, git, commit = repository
    commit("older: one")
    assert subjects(path) == []
    commit("Write the rule", f"{RULE}\n")
    commit("Add one")
    assert subjects(path) == ["Add one"]
    git("tag", "v0.1.0")
    commit("Add two")
    commit("Add three")
    assert subjects(path) == ["Add three", "Add two"]


def test_without_history_nothing_is_read(tmp_path):
    (tmp_path / ".git").write_text("gitdir: nowhere\n", encoding="utf-8")  # no folder above is asked
    assert subjects(tmp_path) == []


def test_contributing_words_the_rule_as_the_check_looks_for_it():
    assert RULE in (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
