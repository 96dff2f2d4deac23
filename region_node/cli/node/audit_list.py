"""`region-node audit list`: rows of the audit chain, asked of a running node."""

from datetime import datetime

import click

from gateway.api.region.v1 import audit_service_pb2 as api
from gateway.api.region.v1.audit_service_pb2 import AuditRow
from gateway.api.region.v1.audit_service_pb2_grpc import AuditServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.table import Table, TableColumn
from gateway.cli.times import InstantType
from gateway.time.clock import to_timestamp
from gateway.wording.times import told_time
from region_node.cli.asking import Asking, reads

_ROWS = Table[AuditRow](
    TableColumn("row", lambda each: str(each.sequence)),
    TableColumn("time", lambda each: told_time(each.time, timespec="seconds")),
    TableColumn("actor", lambda each: each.actor),
    TableColumn("action", lambda each: each.action),
    TableColumn("subject", lambda each: each.subject),
    TableColumn("detail", lambda each: each.detail),
)


@click.command("list")
@reads(limit_option())
@click.option("--from", "start", type=InstantType(), help="From when, as 2026-12-24T01:00+08:00.")
@click.option("--until", "end", type=InstantType(), help="Before when, in the same form.")
@click.option("--actor", default="", help="Rows of this actor, as region/guangdong/staff/wang.")
@click.option("--action", default="", help="Rows of this action, as GetOrder, and its denials.")
@click.option("--subject", default="", help="Rows about this subject, as the id of an order or of a customer.")
@click.option("--denied", is_flag=True, help="Callers that were turned away only.")
def list_rows(
    asking: Asking,
    *,
    start: datetime | None,
    end: datetime | None,
    actor: str,
    action: str,
    subject: str,
    denied: bool,
) -> None:
    """List rows of the region's audit chain, the newest first, as staff whose scope names AuditService.

    The listing adds a row itself.

    \b
    Examples:
      region-node audit list --actor region/sichuan/staff/wang --limit 20
      region-node audit list --denied --from 2026-12-24T00:00+08:00
    """
    request = api.ListAuditRowsRequest(
        start_time=None if start is None else to_timestamp(start),
        end_time=None if end is None else to_timestamp(end),
        actor=actor,
        action=action,
        subject=subject,
        denied=denied,
    )
    found = asking.ask(lambda channel: AuditServiceStub(channel).ListAuditRows, request)
    # A page looks at a limited number of rows, and may be short before the end of the chain.
    while found.next_page_token and len(found.rows) < asking.limit:
        request.page_token, request.page_size = found.next_page_token, asking.limit - len(found.rows)
        further = asking.ask(lambda channel: AuditServiceStub(channel).ListAuditRows, request)
        found.ClearField("next_page_token")
        found.MergeFrom(further)
    asking.show(found, _ROWS, found.rows)
