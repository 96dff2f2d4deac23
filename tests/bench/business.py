"""The rest of the business: from imports to the number plan, each figure against a baseline of the same run."""

from collections.abc import Awaitable, Callable, Sequence

from deploy.local.federation import LocalFederation
from tests.bench.bare import bare_calls
from tests.bench.bulk import measure_bulk
from tests.bench.filing import measure_filing
from tests.bench.imports import measure_imports
from tests.bench.load import LoadClient
from tests.bench.measurements import measure_measurements
from tests.bench.numberplan import measure_lookups
from tests.bench.orders import HANDLING
from tests.bench.papers import measure_papers
from tests.bench.questions import measure_bills, measure_guides
from tests.bench.report import Comparison
from tests.bench.sharing import measure_sharing

_CUSTOMERS = 5  # for each order: one is taken over in so much less time
_MEASUREMENTS = 50


async def measure_business(
    federation: LocalFederation,
    client: LoadClient,
    rounds: int,
    orders: int,
    seconds: float,
    add: Callable[[Comparison], None],
) -> None:
    """All of it: so many orders, more customers and measurements by fixed factors, or `seconds` of calls a round.

    `client` submits orders to the federation. `add` takes each comparison as soon as it is there.
    """
    async with bare_calls(federation.directory / "bare") as bare:
        add(await measure_imports(federation, HANDLING, _CUSTOMERS * orders, rounds))
        add(await measure_measurements(federation, HANDLING, _MEASUREMENTS * orders, rounds))
        ways: Sequence[Callable[[], Awaitable[Sequence[Comparison]]]] = (
            lambda: measure_bulk(federation, bare, orders, rounds),
            lambda: measure_bills(federation, bare, rounds, seconds),
            lambda: measure_guides(federation, rounds, seconds),
            lambda: measure_sharing(federation, bare, rounds, seconds),
            lambda: measure_papers(federation, bare, rounds, seconds),
            lambda: measure_filing(federation, client, bare, rounds, seconds),
        )
        for way in ways:
            for each in await way():
                add(each)
        add(measure_lookups(rounds))
