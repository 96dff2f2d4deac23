"""Growth: the sizes of federations, and the ratios to the smallest."""

import io

from rich.console import Console

from tests.bench.growth import FULL, Measured, Size, shown, sizes_of
from tests.bench.report import Spread, Window

_MIB = 2**20


def measured(size: Size, calls: tuple[int, ...], mib: int) -> Measured:
    windows = [Window(each, 2.0, p50=0.01, p99=0.04, servers_cpu=1.0, client_cpu=0.5, busy=2.0) for each in calls]
    return Measured(size, windows, dict.fromkeys(("handling", "home", "coordinator"), mib * _MIB))


SMALL, GREAT = Size(2, 20, 10), Size(2, 2000, 1000)
AT_FIRST, GROWN = measured(SMALL, (1000, 2000, 4000), 100), measured(GREAT, (900, 1000, 4000), 150)


def test_the_smallest_federation_comes_first_and_a_full_run_stores_a_million_orders_in_the_greatest() -> None:
    assert sizes_of((100, 1), 20, 10, is_full=False) == [SMALL, GREAT]
    assert sizes_of((1, 100), 20, 10, is_full=True) == [SMALL, Size(2, 2000, FULL)]


def test_a_rate_is_compared_with_that_of_the_smallest_within_a_round() -> None:
    assert GROWN.beside(AT_FIRST) == Spread(median=0.9, low=0.5, high=1.0)
    assert GROWN.plain(AT_FIRST)["rate_beside_smallest"] == {"median": 0.9, "min": 0.5, "max": 1.0}


def test_the_table_shows_rate_and_memory_beside_those_of_the_smallest() -> None:
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(shown([AT_FIRST, GROWN], 32))
    row = next(line for line in console.export_text().splitlines() if "2,000" in line)
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells == ["2", "2,000", "1,000", "500", "0.90", "0.50", "1.00", "40", "150", "150", "150", "1.50"]
