"""`coordinator bulletins`."""

from pathlib import Path

import click

from coordinator.cli.acts import key_option, signed
from coordinator.cli.asking import Asking, asks
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.output import tell_unanswered, titled
from gateway.api.coordinator.v1 import bulletin_service_pb2 as contract
from gateway.api.coordinator.v1.bulletin_service_pb2_grpc import BulletinServiceStub
from gateway.api.region.v1 import bulletin_oversight_service_pb2 as at_node
from gateway.api.region.v1.bulletin_oversight_service_pb2 import BulletinHeader
from gateway.api.region.v1.bulletin_pb2 import BulletinSeverity, BulletinState
from gateway.cli.asking import limit_option, request_option
from gateway.cli.bulletins import READERS, bulletin_content, bulletin_options
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import in_language, translated
from gateway.wording.times import told_if_set, told_time
from gateway.wording.words import value_word

_AT_NODE = at_node.DESCRIPTOR.services_by_name["BulletinOversightService"]
_HEADERS = Table[BulletinHeader](
    TableColumn("bulletin", lambda each: each.id),
    TableColumn("severity", lambda each: value_word(BulletinSeverity.DESCRIPTOR, each.severity)),
    TableColumn("state", lambda each: value_word(BulletinState.DESCRIPTOR, each.state)),
    TableColumn("published at", lambda each: told_time(each.create_time), only_wide=True),
    TableColumn("valid until", lambda each: told_time(each.end_time)),
    TableColumn("to be read by", lambda each: told_if_set(each.read_by_time)),
    TableColumn("regions that have read it", lambda each: f"{each.complete_regions}/{each.regions}"),
    TableColumn("title", lambda each: in_language(each.title)),
)


@click.group(epilog=EPILOG)
def bulletins() -> None:
    """Bulletins between regions: publish them through a region, and see who has read one."""


@bulletins.command(epilog=EPILOG)
@asks(*bulletin_options(), request_option, key_option)
@click.option("--through", required=True, metavar="REGION", help="The region that delivers it to all others.")
def publish(
    asking: Asking,
    through: str,
    severity: str,
    title_zh: str,
    title_en: str,
    text_zh: str,
    text_en: str,
    until: str,
    read_by: str,
    addressees: tuple[str, ...],
    key: Path | None,
) -> None:
    """Publish a bulletin in both languages through a region, to all regions or to those of --to.

    \b
    Examples:
      coordinator bulletins publish --through guangdong --severity urgent --title-zh 台风 --title-en typhoon \\
        --text-zh 今夜 --text-en tonight --until 2026-12-20T18:00+08:00
    """
    content = bulletin_content(severity, title_zh, title_en, text_zh, text_en, until, read_by, addressees)
    asked = asking.filled(at_node.PublishForAdministratorRequest(content=content))
    act = signed(asking, key, _AT_NODE, "PublishForAdministrator", through, asked)
    request = contract.PublishBulletinRequest(region=through, content=content, signed=act)
    response = asking.ask(lambda channel: BulletinServiceStub(channel).PublishBulletin, request)
    asking.show(response, _HEADERS, [response.bulletin], titled(translated("Bulletins")))


@bulletins.command("list", epilog=EPILOG)
@asks(limit_option())
def list_bulletins(asking: Asking) -> None:
    """List the bulletins of all regions, newest first: how many regions have read each.

    \b
    Examples:
      coordinator bulletins list
    """
    request = contract.ListBulletinHeadersRequest()
    response = asking.ask(lambda channel: BulletinServiceStub(channel).ListBulletinHeaders, request)
    asking.show(response, _HEADERS, response.bulletins, titled(translated("Bulletins")))
    tell_unanswered(response.unanswered)


@bulletins.command(epilog=EPILOG)
@asks(limit_option("At most so many readings."))
@click.argument("bulletin", metavar="ID")
def readers(asking: Asking, bulletin: str) -> None:
    """Show by region who has read a bulletin, and who has not.

    \b
    Examples:
      coordinator bulletins readers guangdong/B20261210-17
    """
    request = contract.ListBulletinReadersRequest(bulletin_id=bulletin)
    response = asking.ask(lambda channel: BulletinServiceStub(channel).ListBulletinReaders, request)
    asking.show(response, READERS, response.readers)
