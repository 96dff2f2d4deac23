"""The figures of joint orders beside plain ones."""

from tests.bench.joint import Done, figures
from tests.bench.report import Spread

PLAIN, JOINT = Done(100, 0.1, 0.2), Done(100, 10.0, 16.0)
SLOWER = Done(100, 20.0, 32.0)


def test_rate_and_processor_time_of_an_order_stand_beside_those_of_plain_ones_within_each_round() -> None:
    rate, cost = figures([(PLAIN, JOINT), (PLAIN, SLOWER), (PLAIN, JOINT)]).values()
    assert (rate.plain.median, rate.joint, rate.ratio) == (1000, Spread(10, 5, 10), Spread(0.01, 0.005, 0.01))
    assert (cost.plain.median, cost.joint.median, cost.ratio.high) == (2.0, 160.0, 160.0)
    assert rate.line() == "orders, 1/s: plain 1,000.0, joint 10.0, ratio 0.01 (0.005 to 0.01)"
    assert cost.line() == "CPU of servers, ms an order: plain 2.0, joint 160.0, ratio 80 (80 to 160)"
    assert rate.as_json()["ratio"] == {"median": 0.01, "min": 0.005, "max": 0.01}
