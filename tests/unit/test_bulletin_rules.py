"""The rules of bulletins between regions: what one may hold, and who has read it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from gateway.api.region.v1.bulletin_pb2 import (
    Bulletin,
    BulletinAddressee,
    BulletinContent,
    BulletinReading,
    BulletinSeverity,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused, reason_name
from gateway.time.clock import to_timestamp
from region_node.care.bulletins import rules

NOW = datetime(2030, 6, 15, 4, 0, tzinfo=UTC)
BOTH = LocalizedText(zh_cn="割接", en="cut-over")


def content(*addressees: BulletinAddressee) -> BulletinContent:
    return BulletinContent(
        severity=BulletinSeverity.BULLETIN_SEVERITY_URGENT,
        title=BOTH,
        text=BOTH,
        end_time=to_timestamp(NOW + timedelta(days=1)),
        addressees=addressees,
    )


def spoiled(spoil: Callable[[BulletinContent], object]) -> BulletinContent:
    found = content(BulletinAddressee(region="henan"))
    spoil(found)
    return found


def answer(told: BulletinContent) -> str:
    """The name of the refusal; empty for content that is taken."""

    def require_region(region: str) -> None:
        if region != "henan":
            raise Refused(Reason.REASON_REGION_UNKNOWN, region=region)

    try:
        rules.require_content(told, require_region)
        rules.require_valid_at(told, NOW)
    except Refused as refusal:
        return reason_name(refusal.reason)
    return ""


def test_a_bulletin_speaks_both_languages_is_valid_for_a_time_and_names_each_region_once() -> None:
    past, later = to_timestamp(NOW - timedelta(days=1)), to_timestamp(NOW + timedelta(days=2))
    assert answer(content()) == answer(spoiled(lambda _: None)) == ""
    broken = {
        "no severity": spoiled(lambda each: each.ClearField("severity")),
        "no Chinese title": spoiled(lambda each: each.title.ClearField("zh_cn")),
        "no English text": spoiled(lambda each: each.text.ClearField("en")),
        "a long text": spoiled(lambda each: each.text.MergeFrom(LocalizedText(en="x" * 4001))),
        "without an end": spoiled(lambda each: each.ClearField("end_time")),
        "over": spoiled(lambda each: each.end_time.CopyFrom(past)),
        "valid for decades": spoiled(lambda each: each.end_time.CopyFrom(to_timestamp(NOW + timedelta(days=8000)))),
        "over in no zone": spoiled(lambda each: each.end_time.CopyFrom(to_timestamp(datetime.max.replace(tzinfo=UTC)))),
        "begins after its end": spoiled(lambda each: each.start_time.CopyFrom(later)),
        "a region twice": spoiled(lambda each: each.addressees.add(region="henan")),
        "no name of staff": spoiled(lambda each: each.addressees[0].staff_ids.append("no name")),
        "staff twice": spoiled(lambda each: each.addressees[0].staff_ids.extend(["li", "li"])),
        "an unknown region": spoiled(lambda each: each.addressees.add(region="nowhere")),
    }
    told = {name: answer(each) for name, each in broken.items()}
    assert told == {name: "REGION_UNKNOWN" if name == "an unknown region" else "REQUEST_INVALID" for name in broken}


def test_a_region_has_read_a_bulletin_once_all_of_its_named_staff_have_and_else_once_anybody_has() -> None:
    named = content(BulletinAddressee(region="henan", staff_ids=["li", "wang"]), BulletinAddressee(region="hubei"))
    bulletin = Bulletin(content=named, regions=["henan", "hubei"])

    def told(**readings: list[str]) -> list[tuple[str, list[str], bool]]:
        known = {
            region: [BulletinReading(staff_id=each, read_time=to_timestamp(NOW)) for each in staff]
            for region, staff in readings.items()
        }
        found = rules.readers(bulletin, known, readings, bulletin.regions)
        return [(each.region, list(each.missing_staff_ids), each.complete) for each in found]

    assert told() == [("henan", ["li", "wang"], False), ("hubei", [], False)]
    assert told(henan=["zhao", "li"], hubei=["zhao"]) == [("henan", ["wang"], False), ("hubei", [], True)]
    assert told(henan=["li", "wang"]) == [("henan", [], True), ("hubei", [], False)]
