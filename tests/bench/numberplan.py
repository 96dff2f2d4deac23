"""How long it takes to find the home of a number among half a million prefixes, against a dict of as many entries."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.numberplan import NumberPlan
from tests.bench.report import Report, Spread
from tests.contract.large_number_plan import with_segments

NUMBERS = 100_000  # looked up in one round
_NUMBER_LENGTH = 14  # of an E.164 number of China with its plus sign


@dataclass(frozen=True)
class LookupRound:
    """Seconds for one look, of either kind."""

    plain: float
    home: float

    @property
    def ratio(self) -> float:
        """The number plan over the dict."""
        return self.home / self.plain


@dataclass(frozen=True)
class Lookup:
    """The rounds, on a plan with so many prefixes."""

    prefixes: int
    rounds: Sequence[LookupRound]

    def spread(self, read: Callable[[LookupRound], float]) -> Spread:
        """A figure over the rounds."""
        return Spread.of([read(each) for each in self.rounds])

    def report(self) -> Report:
        """For JSON, in microseconds."""
        return {
            "prefixes": self.prefixes,
            "ratio": self.spread(lambda each: each.ratio).plain(),
            "dict_us": self.spread(lambda each: each.plain * 1e6).plain(),
            "number_plan_us": self.spread(lambda each: each.home * 1e6).plain(),
        }

    def row(self) -> tuple[str, ...]:
        """What is measured, the dict, the number plan, and the ratio with the least and the greatest, for a table."""
        ratio = self.spread(lambda each: each.ratio)
        return (
            f"home of a number among {self.prefixes:,} prefixes, us: number plan against a dict of these prefixes",
            f"{self.spread(lambda each: each.plain).median * 1e6:.2f}",
            f"{self.spread(lambda each: each.home).median * 1e6:.2f}",
            f"{ratio.median:.2f}",
            f"{ratio.low:.2f}",
            f"{ratio.high:.2f}",
        )


def measure_lookups(rounds: int) -> Lookup:
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
    return Lookup(
        len(prefixes),
        [LookupRound(_seconds(owners.get, keys), _seconds(found.home_of, numbers)) for _ in range(rounds)],
    )


def _number(prefix: str, source: random.Random) -> str:
    return prefix + "".join(source.choices("0123456789", k=_NUMBER_LENGTH - len(prefix)))


def _seconds(look: Callable[[str], str | None], numbers: Sequence[str]) -> float:
    started = time.perf_counter()
    for number in numbers:
        look(number)
    return (time.perf_counter() - started) / len(numbers)


if __name__ == "__main__":
    print(*measure_lookups(5).row(), sep=" | ")
