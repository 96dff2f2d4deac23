"""JSON of answers is that of Python's own library, whichever of its parts were written before."""

import json
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from gateway.web.json_texts import HOLE, JsonObject, JsonText, Pattern, text_of, without_empty

names = st.text(max_size=4)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
objects = st.dictionaries(names, values, max_size=4)


def dumped(value: object) -> str:
    """A value as Python's own library writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@given(values)
def test_a_value_is_written_as_by_the_library(value: object) -> None:
    assert text_of(value) == dumped(value)
    assert text_of([JsonText(dumped(value))]) == dumped([value])


@given(objects, objects, st.sets(names))
def test_an_object_has_the_attributes_that_it_was_given_and_those_that_are_selected(
    first: Mapping[str, object], more: Mapping[str, object], wanted: set[str]
) -> None:
    told = JsonObject.of(first)
    assert told.text == dumped(without_empty(first))
    assert JsonObject.of({"inner": told}).text == dumped(without_empty({"inner": without_empty(first)})) or not told
    added = {f"more {name}": value for name, value in more.items()}
    longer = told.extended(["", *(dumped({name: value})[1:-1] for name, value in added.items())])
    assert longer.text == dumped({**without_empty(first), **added})
    assert longer.only(wanted).text == dumped({name: longer[name] for name in longer if name in wanted or not wanted})


@given(objects, st.lists(st.text(max_size=8), max_size=4))
def test_a_pattern_takes_any_texts_in_its_holes_and_nothing_else_of_it_is_one(
    around: Mapping[str, object], texts: list[str]
) -> None:
    pattern = Pattern({**around, "holes": [HOLE for _ in texts], "end": "%s"})
    told = without_empty({**around, "holes": texts, "end": "%s"})
    assert pattern.filled(map(text_of, texts), ["", '"beyond":1']).text == dumped({**told, "beyond": 1})
