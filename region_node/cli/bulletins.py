"""`region-node bulletins`: publish bulletins to other regions, read theirs, and see who has read one."""

import click

from gateway.api.region.v1 import bulletin_service_pb2 as api
from gateway.api.region.v1.bulletin_pb2 import Bulletin, BulletinSeverity, BulletinState
from gateway.api.region.v1.bulletin_service_pb2_grpc import BulletinServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.bulletins import READERS, bulletin_content, bulletin_options
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import in_language
from gateway.wording.terms import region_name
from gateway.wording.times import told_time
from gateway.wording.words import value_word
from region_node.cli.asking import Asking, reads, repeats, writes

_BULLETINS = Table[Bulletin](
    TableColumn("bulletin", lambda each: each.id),
    TableColumn("region", lambda each: region_name(each.origin_region)),
    TableColumn("severity", lambda each: value_word(BulletinSeverity.DESCRIPTOR, each.content.severity)),
    TableColumn("state", lambda each: value_word(BulletinState.DESCRIPTOR, each.state)),
    TableColumn("valid until", lambda each: told_time(each.content.end_time)),
    TableColumn("title", lambda each: in_language(each.content.title)),
)
_BULLETIN = click.argument("bulletin", metavar="ID")


@click.group()
def bulletins() -> None:
    """Publish bulletins to other regions, read theirs, and see who has read one."""


@bulletins.command()
@writes(*bulletin_options())
def publish(
    asking: Asking,
    severity: str,
    title_zh: str,
    title_en: str,
    text_zh: str,
    text_en: str,
    until: str,
    read_by: str,
    addressees: tuple[str, ...],
) -> None:
    """Publish a bulletin in both languages, to all regions or to those of --to.

    \b
    Examples:
      region-node bulletins publish --severity important --title-zh 割接 --title-en cut-over --text-zh 今夜 \\
        --text-en tonight --until 2026-12-20T18:00+08:00 --to sichuan:wang,li --to henan
    """
    content = bulletin_content(severity, title_zh, title_en, text_zh, text_en, until, read_by, addressees)
    request = api.PublishBulletinRequest(content=content)
    answer = asking.ask(lambda channel: BulletinServiceStub(channel).PublishBulletin, request)
    asking.tell(answer.bulletin, _BULLETINS.show_one)


@bulletins.command("list")
@reads(limit_option())
@click.option("--unread", is_flag=True, help="Only those that are valid now and that you have not read.")
def list_command(asking: Asking, unread: bool) -> None:
    """List the bulletins of this region, and those that it received, newest first.

    \b
    Examples:
      region-node bulletins list --unread
    """
    request = api.ListBulletinsRequest(unread=unread)
    found = asking.ask(lambda channel: BulletinServiceStub(channel).ListBulletins, request)
    asking.show(found, _BULLETINS, found.bulletins)


@bulletins.command()
@repeats()
@_BULLETIN
def read(asking: Asking, bulletin: str) -> None:
    """Read a bulletin. The region that published it learns that you have.

    \b
    Examples:
      region-node bulletins read guangdong/B20261210-17
    """
    request = api.ReadBulletinRequest(bulletin_id=bulletin)
    found = asking.ask(lambda channel: BulletinServiceStub(channel).ReadBulletin, request).bulletin

    def show(told: Bulletin) -> None:
        _BULLETINS.show_one(told)
        click.echo(in_language(told.content.text))

    asking.tell(found, show)


@bulletins.command()
@reads(limit_option("At most so many readings."))
@_BULLETIN
def readers(asking: Asking, bulletin: str) -> None:
    """Show by region who has read a bulletin, and who has not.

    \b
    Examples:
      region-node bulletins readers guangdong/B20261210-17
    """
    request = api.ListBulletinReadersRequest(bulletin_id=bulletin)
    found = asking.ask(lambda channel: BulletinServiceStub(channel).ListBulletinReaders, request)
    asking.show(found, READERS, found.readers)


@bulletins.command()
@repeats()
@_BULLETIN
def withdraw(asking: Asking, bulletin: str) -> None:
    """Withdraw a bulletin of this region.

    \b
    Examples:
      region-node bulletins withdraw guangdong/B20261210-17
    """
    request = api.WithdrawBulletinRequest(bulletin_id=bulletin)
    answer = asking.ask(lambda channel: BulletinServiceStub(channel).WithdrawBulletin, request)
    asking.tell(answer.bulletin, _BULLETINS.show_one)
