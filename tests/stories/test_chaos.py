"""A minute of chaos on each engine: nothing acknowledged is lost or done twice, all ends, all members recover."""

from pathlib import Path

import pytest
from rich.console import Console

from deploy.local.profiles import Engine
from tests.chaos.drawing import FaultKind
from tests.chaos.report import tables
from tests.chaos.run import Chaos
from tests.engines import ETCD, PATRONI, POSTGRESQL, require_engine

SECONDS, SEED = 60.0, 18
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.mark.parametrize("engine", list(Engine), ids=lambda engine: engine.value)
def test_nothing_is_lost_or_doubled_in_a_minute_of_all_faults(engine: Engine, tmp_path: Path) -> None:
    for each in (ETCD, POSTGRESQL, PATRONI):
        require_engine(each)
    chaos = Chaos(tmp_path / "chaos", engine, SEED)
    try:
        chaos.build()
        report = chaos.run(SECONDS)
    finally:
        chaos.close()
    for table in tables(report):
        Console(width=170).print(table)
    assert report.violations == []
    without = {FaultKind.PRIMARY} if engine is Engine.SQLITE else set()
    assert {each.planned.kind for each in report.faults} == set(FaultKind) - without
    assert all(each.acknowledged for each in report.operations)
