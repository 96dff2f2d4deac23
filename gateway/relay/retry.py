"""The retries of a lane: a breaker that probes with an empty batch, and a budget for repeats.

Both keep a fault from becoming a storm (guarantee G12). No envelope travels while the breaker is open. Repeats are at
most a tenth of the delivered envelopes, after a small allowance.
"""

import random
from collections.abc import Awaitable, Callable

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_never

SHORTEST_WAIT = 0.2  # seconds: the reconnect backoff of a channel, so a probe finds a fresh connection
LONGEST_WAIT = 5.0  # seconds: a healed destination is found within this
BUDGET_ALLOWANCE = 256.0  # envelopes that may be repeated before anything got through: one full batch
BUDGET_SHARE = 0.1  # repeats per envelope that got through


class FullJitter:
    """A tenacity wait: a random time up to an exponentially growing bound, from a given source of randomness."""

    def __init__(self, source: random.Random, shortest: float = SHORTEST_WAIT, longest: float = LONGEST_WAIT) -> None:
        self._source = source
        self._shortest = shortest
        self._longest = longest

    def seconds(self, attempt: int) -> float:
        """The wait after the attempt of that number, counted from 1."""
        bound = min(self._longest, self._shortest * 2.0 ** min(attempt, 16))
        return self._source.uniform(self._shortest / 2, bound)

    def __call__(self, retry_state: RetryCallState) -> float:
        """The wait in seconds, in tenacity's form."""
        return self.seconds(retry_state.attempt_number)


class RetryBudget:
    """How many envelopes may be sent again."""

    def __init__(self) -> None:
        self._tokens = BUDGET_ALLOWANCE

    def deposit(self, delivered: int) -> None:
        """Adds delivered envelopes to the budget."""
        self._tokens = min(BUDGET_ALLOWANCE, self._tokens + delivered * BUDGET_SHARE)

    def withdraw(self, repeats: int) -> bool:
        """Takes out repeats; False, and nothing taken, where the budget is used up."""
        if repeats > self._tokens:
            return False
        self._tokens -= repeats
        return True


async def probe_until_answered(
    probe: Callable[[], Awaitable[bool]], wait: FullJitter, sleep: Callable[[float], Awaitable[None]]
) -> None:
    """Calls `probe` until it returns True, with full jitter in between."""
    retrying = AsyncRetrying(
        stop=stop_never, wait=wait, retry=retry_if_result(lambda answered: not answered), sleep=sleep
    )
    await sleep(wait.seconds(1))
    await retrying(probe)
