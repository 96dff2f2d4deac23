"""The checks of a bulletin, and its readers by region. Pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from gateway.api.region.v1.bulletin_pb2 import (
    Bulletin,
    BulletinContent,
    BulletinReaders,
    BulletinReading,
    BulletinSeverity,
    BulletinState,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused, invalid
from gateway.time.clock import dated, from_timestamp, is_dated
from region_node.requests.checks import require_length, require_name, require_size

PUBLISHED = BulletinState.BULLETIN_STATE_PUBLISHED
WITHDRAWN = BulletinState.BULLETIN_STATE_WITHDRAWN

TITLE_LIMIT = 200  # characters in each language
TEXT_LIMIT = 4000  # characters in each language
MOST_ADDRESSEES = 100
MOST_STAFF = 50  # of one region
_LONGEST = timedelta(days=732)  # from the publication to the end of the validity


def require_content(content: BulletinContent, require_region: Callable[[str], object]) -> None:
    """Raises Refused with REQUEST_INVALID for malformed content, and as `require_region` for an unknown region."""
    if not content.severity or content.severity not in BulletinSeverity.values():
        raise invalid("content.severity", "not set", "未填写")
    _require_text("content.title", content.title, TITLE_LIMIT)
    _require_text("content.text", content.text, TEXT_LIMIT)
    if not content.HasField("end_time") or not _is_period(content):
        raise invalid("content.end_time", "no period of validity", "有效期不正确")
    if content.HasField("read_by_time") and not _is_read_within(content):
        raise invalid("content.read_by_time", "is outside of the validity", "不在有效期内")
    regions = [each.region for each in content.addressees]
    if len(regions) > MOST_ADDRESSEES or len(set(regions)) < len(regions):
        problem = f"more than {MOST_ADDRESSEES}, or a region twice"
        raise invalid("content.addressees", problem, f"超过{MOST_ADDRESSEES}个或地区重复")
    for each in content.addressees:
        require_region(each.region)
        if len(each.staff_ids) > MOST_STAFF or len(set(each.staff_ids)) < len(each.staff_ids):
            problem = f"more than {MOST_STAFF}, or one twice"
            raise invalid("content.addressees.staff_ids", problem, f"超过{MOST_STAFF}人或重复")
        for staff_id in each.staff_ids:
            require_name("content.addressees.staff_ids", staff_id)
    require_size(content.ByteSize())


def require_valid_at(content: BulletinContent, now: datetime) -> None:
    """Raises Refused with REQUEST_INVALID for content whose validity is over, or has practically no end."""
    end = from_timestamp(content.end_time)
    if content.HasField("read_by_time") and from_timestamp(content.read_by_time) <= now:
        raise invalid("content.read_by_time", "is not in the future", "不是将来的时间")
    if end <= now:
        raise invalid("content.end_time", "is not in the future", "不是将来的时间")
    # The term after which the readings are purged begins with the end.
    if end > now + _LONGEST:
        raise invalid("content.end_time", f"is more than {_LONGEST.days} days away", f"超过{_LONGEST.days}天")


def require_plausible(bulletin: Bulletin, now: datetime) -> None:
    """Raises Refused with ENVELOPE_INVALID for a period of validity outside of the calendar."""
    content = bulletin.content
    if not _is_period(content) or (content.HasField("read_by_time") and not _is_read_within(content)):
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no period of validity")


def addressed_staff(bulletin: Bulletin) -> Mapping[str, Sequence[str]]:
    """The staff ids that must read a bulletin, by region."""
    return {each.region: each.staff_ids for each in bulletin.content.addressees}


def readers(
    bulletin: Bulletin,
    shown: Mapping[str, Sequence[BulletinReading]],
    have_read: Mapping[str, Collection[str]],
    regions: Sequence[str],
) -> Sequence[BulletinReaders]:
    """The readers of a bulletin in some of its regions, with the readings that are `shown` of each.

    `have_read` names the addressed staff that have read it, and anybody of a region without addressed staff.
    """
    wanted, found = addressed_staff(bulletin), []
    for region in regions:
        read = have_read.get(region, ())
        missing = sorted(set(wanted.get(region, ())) - set(read))
        readings = shown.get(region, ())
        is_complete = bool(read) and not missing
        told = BulletinReaders(region=region, readings=readings, missing_staff_ids=missing, complete=is_complete)
        found.append(told)
    return found


def _require_text(field: str, text: LocalizedText, limit: int) -> None:
    require_length(f"{field}.zh_cn", text.zh_cn, limit, required=True)
    require_length(f"{field}.en", text.en, limit, required=True)


def _is_read_within(content: BulletinContent) -> bool:
    """Whether the time by which it must be read is of the calendar, and within the validity."""
    if not is_dated(content.read_by_time):
        return False
    due = dated(content.read_by_time)
    return due <= dated(content.end_time) and (not content.HasField("start_time") or due > dated(content.start_time))


def _is_period(content: BulletinContent) -> bool:
    """Whether both times are of the calendar, and the end is behind the start."""
    times = (content.start_time, content.end_time)
    return all(map(is_dated, times)) and dated(content.start_time) < dated(content.end_time)
