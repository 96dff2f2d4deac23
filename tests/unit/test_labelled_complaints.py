"""The labelled complaints in deploy/complaints: divided by a rule, and the proposals for the held-out part.

One author wrote them and the words, so that texts of others are classified less well than these figures.
"""

import csv
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest

from coordinator.cli.complaints.classification_rules import DESK, Fit, Measured, measured
from gateway.federation.catalogue import Federation
from tests.shipped import shipped_configuration

ROOT = Path(__file__).parents[2]
FEDERATION = Federation(1, shipped_configuration())
PARTS = ("held-out", "calibration", "words", "words", "words")
LEAST_ACCURACY, LEAST_COVERAGE = 0.95, 0.85
LATER = "written-later"
LEAST_LATER_ACCURACY, LEAST_LATER_COVERAGE = 0.9, 0.4


def read(part: str) -> list[tuple[str, str]]:
    with (ROOT / "deploy" / "complaints" / f"{part}.tsv").open(encoding="utf-8", newline="") as lines:
        head, *rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    assert head == ["text", "category"]
    return [(text, category) for text, category in rows]


def measure(rows: list[tuple[str, str]]) -> Measured:
    return measured((category, FEDERATION.propose_complaint_category(text, []).category) for text, category in rows)


@pytest.mark.parametrize("part", sorted({*PARTS}))
def test_every_text_is_in_the_part_that_its_hash_says_and_has_a_category(part: str) -> None:
    rows = read(part)
    assert [PARTS[sha256(text.encode()).digest()[0] % len(PARTS)] for text, _ in rows] == [part] * len(rows)
    for _, category in rows:
        FEDERATION.complaint_category(category)
    assert all(before[::-1] < after[::-1] for before, after in pairwise(rows)), "by category, then by text, each once"


def test_every_category_is_labelled_in_both_languages() -> None:
    rows = [row for part in {*PARTS} for row in read(part)]
    assert len(rows) >= 500
    for category in FEDERATION.complaint_categories:
        texts = [text for text, code in rows if code == category.code]
        assert len(texts) >= 12, category.code
        assert any(text.isascii() for text in texts), category.code
        assert any(not text.isascii() for text in texts), category.code


def test_the_part_kept_out_is_proposed_right_and_the_rest_goes_to_the_desk() -> None:
    found = measure(read("held-out"))
    assert found.accuracy is not None
    assert found.accuracy >= LEAST_ACCURACY
    assert found.coverage >= LEAST_COVERAGE


def test_what_was_written_once_the_words_were_there_is_met_less_often_and_still_right() -> None:
    rows = read(LATER)
    assert not {text for text, _ in rows} & {text for part in {*PARTS} for text, _ in read(part)}
    assert {category for _, category in rows} == {each.code for each in FEDERATION.complaint_categories}
    found = measure(rows)
    assert found.accuracy is not None
    assert found.accuracy >= LEAST_LATER_ACCURACY
    assert found.coverage >= LEAST_LATER_COVERAGE


def test_two_complaints_in_one_text_go_to_the_desk_most_often_and_never_into_a_third_queue() -> None:
    rows = [row for row in read("held-out") if row[1] != "OTHER"]
    pairs = [
        (one, other) for one, other in zip(rows, rows[len(rows) // 2 :] + rows, strict=False) if one[1] != other[1]
    ]
    found = [
        (FEDERATION.propose_complaint_category(f"{one[0]}。{other[0]}", []).category, {DESK, one[1], other[1]})
        for one, other in pairs
    ]
    assert all(category in fitting for category, fitting in found)
    assert sum(category == DESK for category, _ in found) > len(found) / 2


def test_what_is_no_complaint_is_never_guessed() -> None:
    for part in {*PARTS}:
        texts = [row for row in read(part) if row[1] == "OTHER"]
        assert measure(texts).proposed == 0


def test_confidence_is_no_higher_than_the_share_that_is_right() -> None:
    answers = [
        (FEDERATION.propose_complaint_category(text, []).candidates, category)
        for part in ("calibration", "held-out")
        for text, category in read(part)
    ]
    told = [(found[0].confidence, found[0].category == category) for found, category in answers if found]
    for low, high in ((0.5, 0.9), (0.9, 1.0)):
        within = [each for each in told if low <= each[0] < high]
        assert within
        assert sum(right for _, right in within) / len(within) >= sum(each for each, _ in within) / len(within) - 0.05


def test_measures_count_proposals_and_the_desk_apart() -> None:
    pairs = [("A", "A"), ("A", "B"), ("A", DESK), ("B", "B"), ("B", "B"), ("B", "B"), ("C", DESK), ("A", "B")]
    found = measured(pairs)
    assert (found.texts, found.proposed, found.right) == (8, 6, 4)
    assert (found.accuracy, found.coverage) == (4 / 6, 6 / 8)
    assert found.fits == (Fit("A", 4, 1.0, 0.25), Fit("B", 3, 0.6, 1.0), Fit("C", 1, None, 0.0))
    assert found.confused == (("A", "B", 2), ("A", DESK, 1), ("C", DESK, 1))


def test_nothing_measured_is_no_accuracy_and_no_division_by_zero() -> None:
    found = measured([])
    assert (found.accuracy, found.coverage, found.fits, found.confused) == (None, 0.0, (), ())
