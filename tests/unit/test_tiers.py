"""The tiers of the tests: what the first one must prove, and how long it may take."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.durations import recorded
from tests.timeouts import outlasts

TESTS = Path(__file__).parents[1]
MOST = 5.0  # seconds that a test of the first tier may take without a reason
GUARANTEES = {
    "G1": "durable: what was accepted is there after kills, restarts and power loss",
    "G2": "exactly once: one effect for each order, whatever happens",
    "G3": "same answer: the same id and content get the same bytes, other content is refused",
    "G4": "nothing lost: after a fault everything ends, or names who must act next",
    "G5": "next due: an open complaint has one next time",
    "G6": "escalation: each level once, in order, never early, none after the end",
    "G7": "monotonic: versions never go back, and only along the diagram",
    "G8": "read your writes: never an older version, or it is said",
    "G9": "isolation: no field of a customer without a live grant",
    "G10": "audit: one row with each effect; any change of the chain is found",
    "G11": "non-repudiation: signed bytes for each effect, a signed receipt for each order",
    "G12": "no storm: a bounded number of attempts",
    "G13": "honest: an unknown outcome is said, with the way to ask again",
    "G14": "closed: without trust data nothing is done",
}


def functions(path: Path) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """The tests of a file, each with its marks and what they say; the file's own marks count for each."""
    module = ast.parse(path.read_text("utf-8"))
    for each in module.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name.startswith("test_"):
            found = marks(each.decorator_list)
            for other in module.body:
                if isinstance(other, ast.Assign) and ast.unparse(other.targets[0]) == "pytestmark":
                    found |= marks(other.value.elts if isinstance(other.value, ast.List) else [other.value])
            yield each.name, found


def marks(expressions: list[ast.expr]) -> dict[str, list[str]]:
    """Marks of pytest with those of their arguments that are texts."""
    found = {}
    for each in expressions:
        mark, arguments = (each.func, each.args) if isinstance(each, ast.Call) else (each, [])
        texts = [word.value for word in arguments if isinstance(word, ast.Constant) and isinstance(word.value, str)]
        found[ast.unparse(mark).removeprefix("pytest.mark.")] = texts
    return found


def test_every_guarantee_is_proven_in_the_first_tier() -> None:
    proven = {
        guarantee
        for path in TESTS.rglob("test_*.py")
        for _, marked in functions(path)
        if "slow" not in marked
        for guarantee in marked.get("guarantee", [])
    }
    assert proven == set(GUARANTEES)


def test_a_test_of_the_first_tier_that_takes_more_than_5_seconds_says_why() -> None:
    silent = []
    for name, seconds in recorded().items():
        file, _, test = name.partition("::")
        path = TESTS.parent / file
        if test and seconds > MOST and path.exists():
            marked = dict(functions(path)).get(test.partition("[")[0], {})
            if not marked.keys() & {"long", "slow"}:
                silent.append(f"{name}: {seconds} s")
    assert not silent, "\n".join(["mark these as slow, or as long(why), or make them faster:", *silent])


@pytest.mark.timeout(200)
def test_a_test_outlasts_its_worker_whose_end_is_not_above_its_timeout(request: pytest.FixtureRequest) -> None:
    assert [outlasts(request.node, end) for end in (199, 200, 201)] == [True, True, False]
