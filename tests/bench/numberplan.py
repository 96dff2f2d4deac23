"""How long it takes to find the home of a number among half a million prefixes, against a dict of as many entries."""

import random
import time
from collections.abc import Callable, Sequence

from gateway.federation.numberplan import NumberPlan
from tests.bench.report import Comparison
from tests.contract.large_number_plan import with_segments

NUMBERS = 100_000  # looked up in one round
_NUMBER_LENGTH = 14  # of an E.164 number of China with its plus sign


def measure_lookups(rounds: int) -> Comparison:
    """Looks up random numbers in the shipped plan with half a million segments of seven digits more.

    Beside it their prefixes in a dict of these: whoever knew how long the prefix of a number is could do no better.
    """
    plan = with_segments().number_plan
    owners = {prefix: owned.region for owned in plan.prefixes for prefix in owned.prefixes}
    prefixes, source = list(owners), random.Random(7)
    chosen = [source.choice(prefixes) for _ in range(NUMBERS)]
    numbers = [_number(prefix, source) for prefix in chosen]
    keys = [number[: len(prefix)] for number, prefix in zip(numbers, chosen, strict=True)]
    found = NumberPlan(plan)
    return Comparison(
        name="number_plan",
        figure=f"home of a number among {len(prefixes):,} prefixes, us",
        base="a dict of these prefixes",
        measured="number plan",
        rounds=[(_microseconds(owners.get, keys), _microseconds(found.home_of, numbers)) for _ in range(rounds)],
        unit="us",
    )


def _number(prefix: str, source: random.Random) -> str:
    return prefix + "".join(source.choices("0123456789", k=_NUMBER_LENGTH - len(prefix)))


def _microseconds(look: Callable[[str], str | None], numbers: Sequence[str]) -> float:
    started = time.perf_counter()
    for number in numbers:
        look(number)
    return (time.perf_counter() - started) / len(numbers) * 1e6
