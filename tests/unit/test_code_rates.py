"""How many codes an operator and its region may ask for in a minute, whoever the numbers belong to."""

from datetime import UTC, datetime, timedelta

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.requests import Questioner
from region_node.verification.operations import Attempt, Fresh, Sent, begin_code
from tests.unit.billing_scene import Books, books

BEGAN = datetime(2030, 6, 15, 4, 0, 1, tzinfo=UTC)
FRESH = Fresh("123456", bytes(32))


def ask(node: Books, region: str, operator: str, number: int, now: datetime) -> str:
    """Empty where a code is on its way, else the most that may be asked for."""
    asked = Attempt("SendCode", Questioner(region, operator), f"r{number}", f"+86198510{number:05d}", "4711", now)
    answer = begin_code(node.tx, node.context, asked, FRESH)
    if isinstance(answer, Sent):
        return ""
    assert isinstance(answer, Refused)
    assert answer.reason == Reason.REASON_CODES_ASKED_TOO_OFTEN
    return answer.parameters["most"]


def test_a_region_that_invents_operators_is_stopped_with_all_of_them_until_the_minute_is_over() -> None:
    with books(BEGAN) as node:
        numbers = iter(range(10_000))
        told = [ask(node, "henan", f"o{each}", next(numbers), BEGAN) for each in range(10) for _ in range(60)]
        assert set(told) == {""}
        assert ask(node, "henan", "o0", next(numbers), BEGAN) == "60"
        assert [ask(node, "henan", f"o{each}", next(numbers), BEGAN) for each in range(10, 13)] == ["600"] * 3
        assert ask(node, "guangdong", "counter", next(numbers), BEGAN) == ""
        assert ask(node, "henan", "o0", next(numbers), BEGAN + timedelta(minutes=1)) == ""
        assert node.rows("SELECT COUNT(*) FROM code_rates") == [(2,)], "minutes that are over are forgotten"


def test_refusals_beyond_the_rate_write_nothing_after_the_first_one() -> None:
    with books(BEGAN) as node:
        for number in range(61):
            ask(node, "henan", "spy", number, BEGAN)
        before = node.rows("SELECT COUNT(*) FROM audit"), node.rows("SELECT SUM(codes) FROM code_rates")
        assert [ask(node, "henan", "spy", number, BEGAN) for number in range(61, 90)] == ["60"] * 29
        assert (node.rows("SELECT COUNT(*) FROM audit"), node.rows("SELECT SUM(codes) FROM code_rates")) == before
