"""`coordinator resources`."""

from datetime import UTC, datetime

import click
from rich.text import Text

from coordinator.cli.asking import Asking, asks
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.output import tell_unanswered, titled
from gateway.api.coordinator.v1 import resource_service_pb2 as contract
from gateway.api.coordinator.v1.resource_service_pb2_grpc import ResourceServiceStub
from gateway.api.region.v1.resource_oversight_service_pb2 import ResourceStatus, ResourceUse
from gateway.api.region.v1.support_resource_service_pb2 import ResourceKind
from gateway.cli.asking import limit_option
from gateway.cli.table import Table, TableColumn
from gateway.time.clock import from_timestamp
from gateway.wording.languages import enumerated, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_time
from gateway.wording.words import value_word


@click.command(epilog=EPILOG)
@asks(limit_option())
def resources(asking: Asking) -> None:
    """Show what all regions share: experts, spares, and what is lent: to whom, until when, and what is free when.

    \b
    Examples:
      coordinator resources
      coordinator resources --json
    """
    request = contract.ListResourceStatusRequest()
    response = asking.ask(lambda channel: ResourceServiceStub(channel).ListResourceStatus, request)
    asking.show(response, _table(datetime.now(UTC)), response.resources, titled(translated("Shared resources")))
    tell_unanswered(response.unanswered)


def _table(now: datetime) -> Table[ResourceStatus]:
    return Table(
        TableColumn("region", _region),
        TableColumn("kind", _kind),
        TableColumn("id", _name),
        TableColumn("site", _site, only_wide=True),
        TableColumn("quantity", _quantity),
        TableColumn("free now", lambda each: str(each.free[0].quantity) if each.free else ""),
        TableColumn("lent to", lambda each: _lent(each, now)),
        TableColumn("free from", _free_later),
    )


def _region(shared: ResourceStatus) -> str:
    return region_name(shared.expert.region or shared.spare.region or shared.resource.region)


def _kind(shared: ResourceStatus) -> str:
    if shared.HasField("expert"):
        return translated("expert")
    if shared.HasField("spare"):
        return translated("spare")
    return value_word(ResourceKind.DESCRIPTOR, shared.resource.kind)


def _name(shared: ResourceStatus) -> str:
    if shared.HasField("expert"):
        return f"{shared.expert.staff_id}\n{enumerated(shared.expert.skills)}"
    if shared.HasField("spare"):
        return f"{shared.spare.part_number}\n{shared.spare.model}"
    return f"{shared.resource.id}\n{shared.resource.title}"


def _site(shared: ResourceStatus) -> str:
    return enumerated(shared.expert.sites) or shared.spare.site or shared.resource.site


def _quantity(shared: ResourceStatus) -> str:
    if shared.HasField("expert"):
        return ""
    return str(shared.spare.count if shared.HasField("spare") else shared.resource.quantity)


def _lent(shared: ResourceStatus, now: datetime) -> Text:
    """The loans of a resource, overdue ones in red."""
    told = Text()
    for each in shared.uses:
        is_overdue = from_timestamp(each.end_time) < now
        told.append(("\n" if told else "") + _use(each), style="red" if is_overdue else "")
    if shared.use_count > len(shared.uses):
        told.append("\n" + translated("and {number} more", number=str(shared.use_count - len(shared.uses))))
    return told


def _use(use: ResourceUse) -> str:
    return translated(
        "{region}: {quantity} until {end}",
        region=region_name(use.region),
        quantity=str(use.quantity),
        end=told_time(use.end_time),
    )


def _free_later(shared: ResourceStatus) -> str:
    return "\n".join(f"{told_time(each.start_time)}: {each.quantity}" for each in shared.free[1:])
