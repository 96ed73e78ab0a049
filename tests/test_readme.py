"""The README keeps its word: its Python runs, minicnn takes its commands, its pictures and links exist."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^ *```")


@pytest.fixture(scope="module")
def readme() -> list[str]:
    return (ROOT / "README.md").read_text(encoding="utf-8").splitlines()


def fenced(lines: list[str], *languages: str) -> list[str]:
    """The lines inside blocks of these languages; the others become empty, so line numbers stay true."""
    kept, inside = [], None
    for line in lines:
        if FENCE.match(line):
            inside = line.strip(" `").lower() if inside is None else None
            kept.append("")
        else:
            kept.append(line if inside in languages else "")
    assert inside is None, "README.md opens a block and does not close it"
    return kept


def prose(lines: list[str]) -> str:
    """Everything outside blocks and outside `code`."""
    languages = {line.strip(" `").lower() for line in lines if FENCE.match(line)}
    inside = fenced(lines, *languages)
    outside = [line for line, code in zip(lines, inside, strict=True) if not code and not FENCE.match(line)]
    return re.sub(r"`[^`\n]+`", "", "\n".join(outside))


def commands(lines: list[str]) -> list[list[str]]:
    """Every command of the shell blocks, as words. In a console block `$` begins one; the rest is output."""
    shell = "\n".join(fenced(lines, "bash", "sh", "shell"))
    console = "\n".join(line[2:] if line.startswith("$ ") else "" for line in fenced(lines, "console"))
    found = []
    for line in f"{shell}\n{console}".replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="();|&")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word.strip("();|&"):
                words.append(word)
            elif words:
                found.append(words)
                words = []
    return found


def python_blocks(lines: list[str]) -> list[str]:
    """Return the Python blocks."""
    return re.findall(r"^```python\n(.*?)^```", "\n".join(lines), re.MULTILINE | re.DOTALL)


def test_it_is_short(readme):
    assert len(readme) <= 220


def test_each_python_block_runs_alone(readme, tmp_path, fresh_python):
    blocks = python_blocks(readme)
    assert len(blocks) >= 3
    for number, block in enumerate(blocks):
        (tmp_path / f"block_{number:02}.py").write_text(block, encoding="utf-8")
    fresh_python("for path in sys.argv: runpy.run_path(path, run_name='__main__')", *sorted(tmp_path.glob("block*.py")))


def test_the_two_commands_are_there(readme):
    shown = [line.removeprefix("$ ").strip() for line in fenced(readme, "bash", "sh", "shell", "console")]
    for command in ("pip install . && minicnn demo", "pip install '.[test]' && pytest"):
        assert command in shown, f"README.md lacks the command: {command}"


def test_its_commands_are_ones_that_minicnn_takes(readme, capsys):
    from minicnn.cli import parser

    ours = [words for words in commands(readme) if words[0] == "minicnn"]
    assert ours, "README.md shows no minicnn command"
    for words in ours:
        try:
            parser().parse_args(words[1:])
        except SystemExit as stopped:  # --help and --version stop with 0
            assert not stopped.code, f"README.md shows {shlex.join(words)!r}: {capsys.readouterr().err}"


def test_the_files_in_its_commands_exist(readme):
    folders = ("minicnn/", "tests/", "tutorials/", "weights/", ".ci/", ".github/")
    for words in commands(readme):
        for word in words:
            if word.removeprefix("./").startswith(folders):
                assert any(ROOT.glob(word.removeprefix("./"))), f"{shlex.join(words)}: no {word}"


def test_its_pictures_are_there_and_small(readme):
    text = prose(readme)
    markdown, html = r"!\[[^]]*\]\(<?([^)\s>]+)", r"<img[^>]*?\ssrc=\"([^\"]+)"
    for picture in re.findall(markdown, text) + re.findall(html, text):
        if not re.match(r"https?:", picture):
            assert (ROOT / picture).is_file(), f"no picture {picture}"
            assert (ROOT / picture).stat().st_size < 6 * 2**20, f"{picture} is large"


def test_its_links_lead_somewhere(readme):
    text = prose(readme)
    headings = re.findall(r"^#+ +(.+?)\s*$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    markdown, html = r"\]\(<?([^)\s>]+)", r"<a[^>]*?\shref=\"([^\"]+)"
    for link in re.findall(markdown, text) + re.findall(html, text):
        if re.match(r"(https?|mailto):", link):
            continue
        path, _, anchor = link.partition("#")
        assert not path or (ROOT / path).exists(), f"the link {link} leads nowhere"
        assert path or anchor in anchors, f"the link {link} names no heading"


def test_its_citation_has_the_version_and_the_licence(readme):
    import minicnn

    entry = "\n".join(fenced(readme, "bibtex"))
    assert f"version = {{{minicnn.__version__}}}" in entry and "license = {MIT}" in entry
    assert entry.count("{") == entry.count("}") and "@software{minicnn," in entry
