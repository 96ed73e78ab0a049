"""Lines for people: short enough, whole words, and nothing that a terminal cannot be trusted with."""

import pytest

from minicnn.text import (
    counted,
    elided,
    elided_inside,
    entries,
    file_size,
    listed,
    one_line,
    percent,
    plain,
    spelled,
    wrapped,
)


def test_plain_text_holds_nothing_that_moves_the_cursor():
    assert plain("grün 猫\x1b[2J\n\u202e") == "grün 猫�[2J��"


def test_letters_that_join_are_letters():
    joined = "\u0645\u06cc\u200c\u062e \U0001f469\u200d\U0001f52c"
    assert plain(joined) == joined and plain("\u200b\u200e") == "��"


def test_a_name_is_spelled_in_one_way():
    assert spelled(" Rene\u0301 ") == "Ren\u00e9"


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
    assert listed("abcdefghij") == "a, b, c, d, e, f, g, h, i, j"
    assert listed("abcdefghijkl") == "a, b, c, d, e, f, g, h, i, j and 2 more"


def test_a_paragraph_is_wrapped_between_words():
    text = "one two three-four five"
    assert wrapped(text, 11) == ["one two", "three-four", "five"]
    assert wrapped(text, 11, indent=" ", hanging="  ") == [" one two", "   three-four", "   five"]
    assert wrapped("") == []
    assert wrapped("x" * 79 + " y" + " " + "z" * 80) == ["x" * 79, "y", "z" * 80]
    assert wrapped("x" * 78 + " y") == ["x" * 78 + " y"]


def test_long_words_and_the_indent_of_the_first_line_stay_whole():
    path = "/a/path/longer-than-its/line"
    assert wrapped(f"  in {path}", 10, hanging="    ") == ["  in", f"    {path}"]


def test_entries_stand_in_two_columns():
    lines = list(entries({"file": "a.h5", "nothing": None, "empty": "", "it says": "word " * 20}))
    assert lines[0] == "  file          a.h5"
    assert lines[1].startswith("  it says       word") and lines[2].startswith(" " * 16 + "word")
    assert len(lines) == 3 and max(map(len, lines)) <= 80
    assert list(entries({"a": "b" * 64 + " c"}))[1:] == [" " * 16 + "c"]
    assert list(entries({"a": "b" * 62 + " c"})) == ["  a             " + "b" * 62 + " c"]
    assert list(entries({"a": "b", "c": " "}, 3)) == ["  a  b", "  c  "]


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "?"), (0, "0.0 kB"), (5000, "5.0 kB"), (99_999, "100.0 kB"), (100_000, "0.1 MB"), (80_134_624, "80.1 MB")],
)
def test_sizes_of_files(count, text):
    assert file_size(count) == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0, "face"), "0 faces"),
        ((1, "face"), "1 face"),
        ((2, "box", "boxes"), "2 boxes"),
        ((1, "box", "boxes"), "1 box"),
        ((12345, "step"), "12,345 steps"),
    ],
)
def test_what_is_counted_is_one_or_many(arguments, text):
    assert counted(*arguments) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "<0.1%"),
        (0.00099, "<0.1%"),
        (0.001, "0.1%"),
        (0.5, "50.0%"),
        (0.999, "99.9%"),
        (0.9991, ">99.9%"),
        (1, ">99.9%"),
    ],
)
def test_a_share_is_never_quite_none_or_all(share, text):
    assert percent(share) == text
