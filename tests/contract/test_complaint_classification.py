"""`coordinator complaints classify`: proposals for a file, and measures of a labelled one."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coordinator.cli.main import main

DEPLOY = Path(__file__).parents[2] / "deploy"
SHIPPED, LABELLED = DEPLOY / "federation", DEPLOY / "complaints"
TEXTS = 'text\n网速慢得要命\n"hello, is anybody there?"\n"不是网速的事,\n乱扣费"\n'


def classified(file: Path, *words: str, directory: Path | None = SHIPPED) -> Result:
    place = () if directory is None else ("--directory", str(directory))
    return CliRunner().invoke(main, ["complaints", "classify", str(file), *place, *words])


def written(directory: Path, content: str | bytes, name: str = "texts.csv") -> Path:
    path = directory / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_texts_get_a_category_with_the_words_that_decided_or_go_to_the_desk(tmp_path: Path) -> None:
    result = classified(written(tmp_path, TEXTS))
    assert result.exit_code == 0, result.output
    head, first, second, third, *_, last = result.output.splitlines()
    assert head.split() == ["line", "category", "confidence", "words", "text"]
    assert first.split()[:2] == ["2", "NET_SPEED"]
    assert "网速" in first
    assert "for the desk" in second
    assert third.split()[:2] == ["4", "BILL_WRONG"]
    assert last == "3 texts, 1 of them for the desk"


def test_json_has_a_line_for_each_text(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in classified(written(tmp_path, TEXTS), "--json").output.splitlines()]
    assert [line["category"] for line in lines] == ["NET_SPEED", None, "BILL_WRONG"]
    assert all(0 <= line["confidence"] <= 1 for line in lines)
    assert lines[2]["candidates"][0]["words"] == ["乱扣费"]
    assert lines[1]["candidates"] == []


def test_a_labelled_file_gives_accuracy_coverage_and_what_was_confused() -> None:
    result = classified(LABELLED / "held-out.tsv")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].split() == ["category", "texts", "precision", "recall"]
    assert any(line.split()[:1] == ["FRAUD"] for line in lines)
    assert any(line.split() == ["labelled", "proposed", "texts"] for line in lines)
    assert any(line.split()[:4] == ["OTHER", "for", "the", "desk"] for line in lines)
    assert lines[-1].startswith("accuracy ")
    assert "coverage" in lines[-1]


def test_only_what_is_confused_is_in_the_table_of_confusion(tmp_path: Path) -> None:
    right = written(tmp_path, "text,category\n网速慢得要命,NET_SPEED\n")
    assert "labelled" not in classified(right).output
    wrong = written(tmp_path, "text,category\n网速慢得要命,NET_SPEED\n乱扣费,FRAUD\n乱扣钱,FRAUD\n", "wrong.csv")
    confused = [line.split() for line in classified(wrong).output.splitlines()]
    assert ["FRAUD", "BILL_WRONG", "2"] in confused
    assert not any(line[:2] == ["NET_SPEED", "NET_SPEED"] for line in confused)


def test_the_measures_of_a_labelled_file_are_the_last_line_of_json(tmp_path: Path) -> None:
    file = written(tmp_path, 'category\ttext\nNET_SPEED\t网速慢得要命\nFRAUD\t"hello\n', "texts.tsv")
    *lines, last = [json.loads(line) for line in classified(file, "--json").output.splitlines()]
    assert [line["labelled"] for line in lines] == ["NET_SPEED", "FRAUD"]
    assert (last["measured"]["accuracy"], last["measured"]["coverage"]) == (1.0, 0.5)
    assert last["measured"]["confused"] == [["FRAUD", "", 1]]


def test_the_command_speaks_chinese() -> None:
    assert "准确率" in classified(LABELLED / "held-out.tsv", "--lang", "zh").output


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "the first line must name a column text"),
        ("words\nx\n", "the first line must name a column text"),
        ("text,category\nx\n", "texts.csv:2: has 1 columns instead of 2"),
        ("text,category\n网速慢,NET_SPEED\nx,SLOW\n", "texts.csv:3: there is no category 'SLOW'"),
        ("text,category\n网速慢,NET_SPEED\nx,\n", "texts.csv:3: there is no category ''"),
        ('text\n"x\n', "cannot be read"),
        (b"text\n\xff\n", "is not UTF-8 at byte 5"),
        ("text\n" + "x" * 10_001, "texts.csv:2: the text is longer than 10000 characters"),
    ],
)
def test_a_file_that_is_not_as_it_must_be_is_refused_with_the_place(
    tmp_path: Path, content: str | bytes, problem: str
) -> None:
    result = classified(written(tmp_path, content))
    assert result.exit_code == 1
    assert problem in result.output


def test_unusable_words_and_no_words_are_told(tmp_path: Path) -> None:
    texts = written(tmp_path, TEXTS)
    assert classified(texts, directory=None).exit_code == 2
    broken = tmp_path / "federation"
    broken.mkdir()
    (broken / "complaint-words.yaml").write_text("complaint_words: {doubt: 0, spread: 1}", encoding="utf-8")
    result = classified(texts, directory=broken)
    assert result.exit_code == 1
    assert "complaint_words.doubt" in result.output
    unknown = classified(texts, "--region", "atlantis")
    assert unknown.exit_code == 1
    assert "REGION_UNKNOWN" in unknown.output
