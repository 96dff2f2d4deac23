"""An operator at 20 times the rate of another one leaves it its latency at the same node, on both engines."""

from pathlib import Path
from statistics import median

import pytest
import uvloop

from deploy.local.profiles import Engine
from tests.bench.neighbours import Beside, beside, flood_client, measure, processors_apart
from tests.engines import POSTGRESQL, require_engine
from tests.hostile.conftest import MORE_OFTEN, OF_STREAM, SECONDS
from tests.hostile.costs import Cost
from tests.hostile.served import KEPT

CALLERS = 256
RATE = 20.0  # orders a second of the small operator, where the flood makes enough more
# How many times as many orders the flood makes alone as beside the small operator, at most.
SPARE = {Engine.SQLITE: 4.0, Engine.POSTGRESQL: 13.0}
ORDERS = 100  # of the small operator in each part of a round: its p99 leaves one out
ROUNDS = 3  # quiet, beside the flood and quiet again, of which the median counts
MOST = 2.0  # the p99 beside the flood, and after it, in the quiet one before
GROWTH = KEPT + CALLERS * OF_STREAM  # bytes, with the calls of the flood


def told(engine: Engine, each: Beside) -> str:
    """The figures of a round."""
    beside_it = f"p50 {each.ratio(0.5):.2f}, p99 {each.ratio(0.99):.2f}"
    after = f"after p50 {each.recovered(0.5):.2f}, p99 {each.recovered(0.99):.2f}"
    memory = f"memory {each.memory / 2**20:+.1f} MiB, afterwards {each.kept / 2**20:+.1f}"
    return f"{engine.value}: {len(each.flooded)} orders, {each.times:.0f} times as many, {beside_it}, {after}, {memory}"


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("engine", list(Engine), ids=lambda engine: engine.value)
def test_a_small_operator_keeps_its_latency_beside_one_at_twenty_times_its_rate(tmp_path: Path, engine: Engine) -> None:
    if engine is Engine.POSTGRESQL:
        require_engine(POSTGRESQL)
    with beside(tmp_path, engine) as federation, processors_apart(federation):
        flood = flood_client(federation)
        try:
            rate = min(RATE, flood.run(CALLERS, 2.0).throughput / (SPARE[engine] * MORE_OFTEN))
            rounds = uvloop.run(measure(federation, flood, ROUNDS, ORDERS / rate, rate, CALLERS))
        finally:
            flood.close()
    waited = median(each.ratio(0.99) for each in rounds)
    recovered = median(each.recovered(0.99) for each in rounds)
    print(Cost(waited, max((each.at_rest + each.kept) / each.at_rest for each in rounds)))
    for each in rounds:
        print(told(engine, each))
    assert sum(each.refused for each in rounds) == 0
    made = sum(each.flood.throughput * each.seconds for each in rounds)
    assert made >= MORE_OFTEN * sum(len(each.flooded) for each in rounds)
    assert waited <= MOST
    assert recovered <= MOST
    assert max(each.memory for each in rounds) < GROWTH
    assert max(each.kept for each in rounds) < KEPT
