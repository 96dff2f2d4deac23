"""MNP_IN 携号转网: the authorisation to leave, in the number's own local network only (MIIT rules, since 2019-12-01).

The catalogue keeps it at home. The operators' porting systems move the number itself. The home region decides on the
permission and its validity.
"""

from collections.abc import Mapping
from datetime import timedelta
from zoneinfo import ZoneInfo

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.business.orders.business import BusinessRule, Effects, Situation

CHINA = "+86"
EXCLUDED: Mapping[tuple[str, ...], tuple[str, str]] = {
    ("170", "171", "162", "165", "167"): ("移动转售号码", "resale"),
    ("1349", "174"): ("卫星移动号码", "satellite"),
    ("146", "148", "149", "140", "141", "142", "143", "144", "1064"): ("物联网号码", "internet of things"),
}
"""The number segments that never move, in national notation, and their kind."""


class Rule(BusinessRule):
    """Authorises a customer to take the number to another operator."""

    def check(self, situation: Situation) -> None:
        """The number is of a kind that may move, and 120 days have passed since the line was opened."""
        national = situation.line.number.removeprefix(CHINA)
        for segments, (zh_cn, en) in EXCLUDED.items():
            if national.startswith(segments):
                raise Refused(Reason.REASON_NUMBER_NOT_PORTABLE, kind_zh_cn=zh_cn, kind_en=en)
        days = situation.federation.figure("porting-wait", situation.regions)
        possible = situation.line.start_time + timedelta(days=days)
        if situation.now < possible:
            day = possible.astimezone(ZoneInfo(situation.time_zone)).date().isoformat()
            raise Refused(Reason.REASON_PORTED_RECENTLY, days=str(days), **{"from": day})

    def fulfil(self, situation: Situation) -> Effects:
        """The authorisation holds for an hour; the line stays unchanged until the porting systems move it."""
        ends = situation.federation.policy_due("porting-authorisation", situation.now, situation.regions)
        return Effects(situation.line, results={"authorisation_expire_time": ends.isoformat()})
