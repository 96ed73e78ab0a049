"""The teacher's material: every lesson has a whole sheet, and the plans fill their time."""

import re
from pathlib import Path

import pytest

from minicnn import lessons
from minicnn.cli import main
from minicnn.learn import catalogue
from minicnn.lessons import tasks, teaching
from minicnn.lessons.manual import PAGE

NUMBERED = [lesson for lesson in lessons.lessons() if lesson.number is not None]
each_lesson = pytest.mark.parametrize("lesson", NUMBERED, ids=lambda lesson: lesson.name)


def sections(path):
    """Return {heading: text} of a page."""
    _, *parts = re.split(r"^## (.+)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def items(text):
    """Return the numbered items, each as its paragraphs, of one line each."""
    parts = re.split(r"^\d\. ", text, flags=re.MULTILINE)[1:]
    return [[" ".join(paragraph.split()) for paragraph in part.strip().split("\n\n")] for part in parts]


@each_lesson
def test_a_sheet_has_all_parts(lesson):
    path = teaching.sheet(lesson)
    text, parts = path.read_text(encoding="utf-8"), sections(path)
    assert text.startswith(f"# Lesson {lesson.number} for the teacher: {lesson.title}\n")
    assert 30 <= int(re.search(r"\*\*Time\*\*: (\d+) minutes", text)[1]) <= 120
    assert [*parts] == ["Goals", "What must be known", "Misconceptions", "Questions"]
    assert 3 <= len(re.findall("^- ", parts["Goals"], re.MULTILINE)) <= 5
    assert parts["What must be known"].startswith("\n- ")
    beliefs, questions = items(parts["Misconceptions"]), items(parts["Questions"])
    assert len(beliefs) == 3 and len(questions) == 5
    for belief, ask, listen in beliefs:
        assert belief.startswith('**"') and ask.startswith("**Ask**: ") and "?" in ask, belief
        assert listen.startswith("**Listen for**: ") and len(listen.split()) >= 10, belief
    for question, answer, why in questions:
        assert question.endswith(("?", ".")) and answer.startswith("**Answer**: "), question
        assert why.startswith("**Why**: "), question
        assert answer.removeprefix("**Answer**: ") != why.removeprefix("**Why**: "), question


def test_no_question_is_asked_twice():
    asked = [item[0] for lesson in NUMBERED for item in items(sections(teaching.sheet(lesson))["Questions"])]
    assert len(asked) == 5 * len(NUMBERED) == len({*asked})


def test_the_plans_fill_their_time():
    plans = {name: text for name, text in sections(teaching.plans()).items() if "| Start |" in text}
    totals = []
    for name, text in plans.items():
        now = 0
        for hours, minutes, lasts in re.findall(r"^\| (\d):(\d\d) \| (\d+) \|", text, re.MULTILINE):
            assert 60 * int(hours) + int(minutes) == now, name
            now += int(lasts)
        totals.append(now)
        for words in re.findall(r"`minicnn learn start (\w+)`", text):
            assert words in catalogue.NAMES
    assert sorted(totals) == [90, 90, 240]


def test_the_plans_name_sections_that_lessons_have():
    for number, heading in re.findall(r'lesson (\d+), (?:to )?"([^"]+)"', teaching.plans().read_text(encoding="utf-8")):
        assert f"\n# ## {heading}\n" in lessons.find(number).source, (number, heading)


def test_the_list_of_sheets_is_whole():
    text = sections(teaching.plans())["A sheet for each lesson"]
    assert PAGE.findall(text) == [f"{lesson.name}.md" for lesson in NUMBERED]
    sheets = [teaching.sheet(lesson).read_text(encoding="utf-8") for lesson in NUMBERED]
    assert re.findall(r"\| (\d+) \|$", text, re.MULTILINE) == [
        re.search(r"(\d+) minutes", sheet)[1] for sheet in sheets
    ]


def test_the_command_prints_plans_and_sheets(capsys):
    assert main(["tutorial", "teach"]) == 0
    assert capsys.readouterr().out == teaching.plans().read_text(encoding="utf-8")
    assert main(["tutorial", "teach", "6", "triplets", "pooling"]) == 0
    said = capsys.readouterr().out
    assert re.findall(r"^# Lesson (\d+)", said, re.MULTILINE) == ["6", "12"]
    assert main(["tutorial", "teach", "notes_that_differ"]) == 2
    assert "notes_that_differ has no sheet" in capsys.readouterr().err


def test_every_exercise_is_a_page_with_its_task_and_its_lessons():
    pages = {page.title: page for page in tasks.pages()}
    assert {*pages} == {"Exercises", "engine", *catalogue.NAMES}
    for name in catalogue.NAMES:
        text = pages[name].source
        assert f"def {name}(" in text and "raise NotImplementedError" in text and f"minicnn learn start {name}" in text
        assert f"](../{Path(catalogue.find(name).read).name})" in text, "the lesson to read"
        assert f"[`{name}`]({name}.py)" in pages["Exercises"].source
    engine = pages["engine"].source
    assert engine.count("\n## Step ") == 12 and "(../00_an_engine_from_nothing.py)" in engine


def test_lessons_lead_to_their_exercises():
    assert tasks.names(lessons.find("triplets")) == ["triplet_loss", "batch_hard"]
    assert tasks.names(lessons.find("0")) == ["engine"] and tasks.names(lessons.find("21")) == []
