"""Places on a map or a ring, and the lines between them."""

import math
from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.federation.files import load
from gateway.web.charts import width_of
from gateway.web.maps import RING_HEIGHT, WIDTH, Drawing, Line, Place, Position, drawing
from tests.unit.test_tidy import ROOT


def drawn(positions: Mapping[str, Position], *lines: Line, count: int = 0) -> Drawing:
    names = [*positions] or [f"r{number}" for number in range(count)]
    return drawing("title", "words", [Place(each, each, "/", "done", "") for each in names], lines, positions)


def places_of(found: Drawing) -> dict[str, tuple[float, float]]:
    return {each.place.key: (each.x, each.y) for each in found.places}


def test_a_ring_has_each_place_within_the_drawing_and_the_widest_line_for_the_most_traffic() -> None:
    lines = [Line(("r0", "r1"), 9, "calm", ""), Line(("r1", "r2"), 1, "calm", ""), Line(("r1", "gone"), 5, "calm", "")]
    found = drawn({}, *lines, count=31)
    assert found.height == RING_HEIGHT
    assert all(0 < each.x < WIDTH and 0 < each.y < found.height for each in found.places)
    assert len({(round(each.x), round(each.y)) for each in found.places}) == 31
    assert [each.line.ends for each in found.lines] == [("r0", "r1"), ("r1", "r2")]
    assert found.lines[0].width > found.lines[1].width > 0


def test_north_is_above_and_east_is_right_also_beyond_the_date_line() -> None:
    chengdu, harbin = (30.57, 104.07), (45.80, 126.53)
    at = places_of(drawn({"chengdu": chengdu, "harbin": harbin}))
    assert at["harbin"][0] > at["chengdu"][0]
    assert at["harbin"][1] < at["chengdu"][1]
    suva, samoa = (-18.1, 178.4), (-13.8, -171.8)
    at = places_of(drawn({"suva": suva, "samoa": samoa}))
    assert at["samoa"][0] > at["suva"][0], "Samoa is ten degrees to the east of Fiji"


degrees = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@given(st.lists(st.floats(60, 140), min_size=2, max_size=31))
def test_places_are_as_far_apart_as_their_longitudes_say(easts: list[float]) -> None:
    at = [x for x, _ in places_of(drawn({f"r{number}": (30.0, each) for number, each in enumerate(easts)})).values()]
    west, wide = min(easts), max(easts) - min(easts)
    scale = (max(at) - min(at)) / wide if wide else 0.0
    for x, east in zip(at, easts, strict=True):
        assert x - min(at) == pytest.approx((east - west) * scale, abs=0.01)


def test_the_westernmost_place_is_on_the_left_whatever_its_digits() -> None:
    at = places_of(drawn({"chengdu": (30.57, 104.07), "lhasa": (29.65, 91.17)}))
    assert at["lhasa"][0] < at["chengdu"][0] - 400


def test_lines_between_the_same_places_lie_beside_each_other_whichever_end_comes_first() -> None:
    lines = [Line(("a", "b"), 0, "", ""), Line(("b", "a"), 0, "", ""), Line(("a", "b"), 0, "", "")]
    found = drawn({"a": (30.0, 100.0), "b": (30.0, 110.0)}, *lines).lines
    below = [each.control[1] for each in found]
    assert below == sorted(below)
    assert min(after - before for before, after in pairwise(below)) > 10


@given(st.lists(degrees, min_size=1, max_size=31))
def test_every_place_of_any_positions_is_within_the_drawing(positions: list[Position]) -> None:
    found = drawn({f"r{number}": each for number, each in enumerate(positions)})
    for each in found.places:
        assert 0 <= each.x <= WIDTH
        assert 0 <= each.y <= found.height
        assert all(map(math.isfinite, (each.label_x, each.label_y)))


@pytest.mark.parametrize("language", ["en", "zh_cn"])
def test_no_name_of_the_shipped_capitals_covers_another_one(language: str) -> None:
    network = load(ROOT / "deploy" / "federation").network
    first = {site.region: site for site in reversed(network.sites)}
    named = {
        (site.name.en if language == "en" else site.name.zh_cn): (site.location.latitude, site.location.longitude)
        for site in first.values()
    }
    found, boxes = drawn(named), []
    for each in found.places:
        wide = width_of(each.place.name)
        left = each.label_x - {"start": 0.0, "middle": wide / 2, "end": wide}[each.anchor]
        boxes.append((left, each.label_y - 6, left + wide, each.label_y + 6))
        assert left >= 0
        assert left + wide <= WIDTH
    assert len(boxes) == 31
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
            assert apart, (one, other)
