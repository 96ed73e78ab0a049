"""Lines for people: short enough, whole words, and nothing that a terminal cannot be trusted with."""

import pytest

from minicnn.text import elided, elided_inside, entries, file_size, listed, one_line, plain, wrapped


def test_plain_text_holds_nothing_that_moves_the_cursor():
    assert plain("grün 猫\x1b[2J\n\u202e") == "grün 猫�[2J��"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("two\n   lines\t", "two lines"),
        (ValueError("no\nspace"), "no space"),
        (ValueError(), "ValueError"),  # something is said in any case
        ("a\x1bb", "a�b"),
        (["x", 1], "['x', 1]"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 199 + "…"),
    ],
)
def test_one_line(said, line):
    assert one_line(said) == line


@pytest.mark.parametrize(
    ("width", "beginning", "inside"),
    [
        (9, "/here/me…", "/h…/a.png"),
        (13, "/here/me/a.p…", "/her…me/a.png"),
        (14, None, None),
        (99, None, None),
    ],
)
def test_what_is_too_long_is_elided_to_its_width(width, beginning, inside):
    path = "/here/me/a.png"
    assert elided(path, width) == (beginning or path) and elided_inside(path, width) == (inside or path)
    assert len(elided(path, width)) == len(elided_inside(path, width)) == min(width, len(path))


def test_nothing_is_left_where_there_is_no_room():
    assert elided("name", 1) == elided("name", 0) == "…"


def test_of_many_names_the_first_are_listed():
    assert listed([]) == "" and listed("abc") == "a, b, c"
    assert listed(dict.fromkeys("abcd"), most=3) == "a, b, c and 1 more"
    assert listed(list("abc"), most=3) == "a, b, c"
    assert listed(["a\nb"]) == "a b"


def test_a_paragraph_is_wrapped_between_words():
    text = "one two three-four five"
    assert wrapped(text, 11) == ["one two", "three-four", "five"]
    assert wrapped(text, 11, indent=" ", hanging="  ") == [" one two", "   three-four", "   five"]
    assert wrapped("") == []


def test_long_words_and_the_indent_of_the_first_line_stay_whole():
    path = "/a/path/longer-than-its/line"
    assert wrapped(f"  in {path}", 10, hanging="    ") == ["  in", f"    {path}"]


def test_entries_stand_in_two_columns():
    lines = list(entries({"file": "a.h5", "nothing": None, "empty": "", "it says": "word " * 20}))
    assert lines[0] == "  file          a.h5"
    assert lines[1].startswith("  it says       word") and lines[2].startswith(" " * 16 + "word")
    assert len(lines) == 3 and max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("count", "text"), [(None, "?"), (0, "0.0 kB"), (5000, "5.0 kB"), (99_999, "100.0 kB"), (80_134_624, "80.1 MB")]
)
def test_sizes_of_files(count, text):
    assert file_size(count) == text
