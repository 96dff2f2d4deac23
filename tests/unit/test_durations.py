"""What the record of durations says of the first tier."""

import ast
from pathlib import Path

from tests.durations import recorded

ROOT = Path(__file__).parents[2]
MOST = 5.0  # seconds that a test may take without a reason


def reasons(path: Path) -> dict[str, str]:
    """Why tests of a file take long, by their names."""
    found = {}
    for function in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for mark in function.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.long":
                    found[function.name] = ast.literal_eval(mark.args[0])
    return found


def test_a_test_of_the_first_tier_that_takes_more_than_5_seconds_says_why() -> None:
    silent = []
    for name, seconds in recorded().items():
        file, _, test = name.partition("::")
        path = ROOT / file
        if test and seconds > MOST and path.exists() and not reasons(path).get(test.partition("[")[0]):
            silent.append(f"{name}: {seconds} s")
    assert not silent, "\n".join(["mark these as slow, or as long(why), or make them faster:", *silent])
