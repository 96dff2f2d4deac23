"""Publishing, withdrawing and reading bulletins. One transaction each; every Refused comes before the first write."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.bulletin_pb2 import Bulletin, BulletinContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.care.bulletins import rules
from region_node.care.bulletins.reminding import watch
from region_node.care.bulletins.rows import (
    BULLETIN,
    BulletinRow,
    insert_bulletin,
    next_bulletin_number,
    note_read,
    read_time,
    require_bulletin,
    update_bulletin,
)
from region_node.care.bulletins.sending import send_bulletin, send_read
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller, Opener, note
from region_node.requests.rows import insert_request
from region_node.tickets.followed import known_request


def publish(
    tx: Transaction, context: RegionContext, publisher: Opener, content: BulletinContent, now: datetime
) -> Bulletin:
    """Publishes a bulletin once; a repeated request returns it as it is now.

    Raises Refused, also with REQUEST_ID_REUSED for the same id with other content.
    """
    key = publisher.key(b"publish-bulletin\0" + content.SerializeToString(deterministic=True))
    if (known := known_request(BULLETIN, tx, key)) is not None:
        return known
    rules.require_valid_at(content, now)
    number, day = next_bulletin_number(tx), now.astimezone(ZoneInfo(context.time_zone))
    named = [each.region for each in content.addressees]
    bulletin = Bulletin(
        id=f"{context.region}/{BULLETIN.prefix}{day:%Y%m%d}-{number}",
        version=1,
        state=rules.PUBLISHED,
        content=content,
        origin_region=context.region,
        operator=publisher.operator,
        create_time=to_timestamp(now),
        regions=named or _every_region(context),
    )
    if not content.HasField("start_time"):
        bulletin.content.start_time.CopyFrom(bulletin.create_time)
    failpoints.reach("bulletin-published.before-commit")
    row = BulletinRow(bulletin, publisher.traceparent)
    insert_bulletin(tx, row, number)
    watch(tx, context.region, bulletin)
    send_bulletin(tx, context, row, now)
    insert_request(tx, key, bulletin.id, settled=True, now=now)
    note(tx, publisher, "PublishBulletin", bulletin.id, now)
    return bulletin


def withdraw(tx: Transaction, context: RegionContext, caller: Caller, bulletin_id: str, now: datetime) -> Bulletin:
    """Withdraws a bulletin of this region; one that is withdrawn already stays as it is. Raises Refused."""
    row = require_bulletin(tx, bulletin_id)
    bulletin = row.bulletin
    if bulletin.origin_region != context.region:
        raise Refused(Reason.REASON_BULLETIN_NOT_PUBLISHED_HERE, region=bulletin.origin_region)
    if bulletin.state == rules.WITHDRAWN:
        return bulletin
    bulletin.state, bulletin.version = rules.WITHDRAWN, bulletin.version + 1
    update_bulletin(tx, bulletin)
    send_bulletin(tx, context, row, now)
    note(tx, caller, "WithdrawBulletin", bulletin_id, now)
    return bulletin


def read(
    tx: Transaction, context: RegionContext, caller: Caller, bulletin_id: str, now: datetime
) -> tuple[Bulletin, datetime]:
    """The bulletin, and the time of the first reading by this member of staff, which is noted. Raises Refused."""
    row, staff_id = require_bulletin(tx, bulletin_id), caller.identity.name
    known = read_time(tx, bulletin_id, context.region, staff_id)
    if known is not None:
        return row.bulletin, known
    failpoints.reach("bulletin-read.before-commit")
    note_read(tx, bulletin_id, context.region, staff_id, now)
    if row.bulletin.origin_region != context.region:
        send_read(tx, context, row, staff_id, now)
    note(tx, caller, "ReadBulletin", bulletin_id, now)
    return row.bulletin, now


def adopt(tx: Transaction, context: RegionContext, told: Bulletin, traceparent: str) -> None:
    """Stores a new bulletin, or a newer version of one. The border has checked that the row is readable or absent."""
    known = BULLETIN.records.read(tx, told.id)
    if known is None:
        insert_bulletin(tx, BulletinRow(told, traceparent), 0)
        watch(tx, context.region, told)
    elif (bulletin := BULLETIN.next_version(context.region, known, told)) is not None:
        update_bulletin(tx, bulletin)


def _every_region(context: RegionContext) -> Sequence[str]:
    """The regions that ever joined, by id."""
    state = context.border.current.state()
    regions = (each.id for each in context.federation.configuration.regions)
    return sorted(each for each in regions if state.member_state(each) != MemberState.MEMBER_STATE_ABSENT)
