"""Every process is replaced under load, one at a time: no call fails in the end, and no order is lost or doubled."""

from collections.abc import Iterator

import pytest
from rich.console import Console

from tests.engines import ETCD, POSTGRESQL, require_engine
from tests.rolling.replacing import Ending
from tests.rolling.run import Rolling
from tests.rolling.table import table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
EVERY_PROCESS = [
    "etcd-0",
    "etcd-1",
    "etcd-2",
    "coordinator-0",
    "coordinator-1",
    "guangdong-0",
    "guangdong-1",
    "sichuan",
    "henan",
    "postgresql",
]


@pytest.fixture(scope="module")
def rolling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rolling]:
    """The production shape."""
    for engine in (ETCD, POSTGRESQL):
        require_engine(engine)
    made = Rolling(tmp_path_factory.mktemp("rolling"))
    try:
        made.build()
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("ending", list(Ending), ids=lambda ending: ending.value)
def test_no_call_fails_and_no_order_is_lost_while_every_process_is_replaced(rolling: Rolling, ending: Ending) -> None:
    report = rolling.run(ending)
    Console(width=150).print(table(report))
    assert [line.replacement.name for line in report.lines] == EVERY_PROCESS
    assert len({line.replacement.present for line in report.lines}) == len(EVERY_PROCESS)
    assert report.resumed, "the process with the watch was replaced, and nobody watched again"
