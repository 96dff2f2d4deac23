"""The options by which both commands publish a bulletin, and the table of its readers."""

from collections.abc import Sequence

import click

from gateway.api.region.v1.bulletin_pb2 import BulletinAddressee, BulletinContent, BulletinReaders, BulletinSeverity
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.cli.asking import Option
from gateway.cli.option_words import option_words
from gateway.cli.table import Table, TableColumn
from gateway.time.clock import to_timestamp
from gateway.wording.languages import enumerated, translated
from gateway.wording.terms import region_name
from gateway.wording.times import instant_of, told_time

_SEVERITIES = option_words(BulletinSeverity.items())


def bulletin_options() -> Sequence[Option]:
    """The options of a new bulletin, whose values `bulletin_content` takes."""
    return (
        click.option("--severity", type=click.Choice(list(_SEVERITIES)), required=True, help="How serious it is."),
        click.option("--title-zh", required=True, help="The title in Chinese."),
        click.option("--title-en", required=True, help="The title in English."),
        click.option("--text-zh", required=True, help="The text in Chinese."),
        click.option("--text-en", required=True, help="The text in English."),
        click.option("--until", required=True, metavar="TIME", help="Until when it is valid, with zone."),
        click.option("--read-by", default="", metavar="TIME", help="By when each region must have read it, with zone."),
        click.option(
            "--to",
            "addressees",
            multiple=True,
            metavar="REGION[:STAFF,…]",
            help="A region, and who of its staff must read it; none for all regions.",
        ),
    )


def bulletin_content(
    severity: str,
    title_zh: str,
    title_en: str,
    text_zh: str,
    text_en: str,
    until: str,
    read_by: str,
    addressees: Sequence[str],
) -> BulletinContent:
    """The content of a new bulletin. Raises UsageError."""
    try:
        end = to_timestamp(instant_of(until))
        due = to_timestamp(instant_of(read_by)) if read_by else None
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return BulletinContent(
        severity=_SEVERITIES[severity],
        title=LocalizedText(zh_cn=title_zh, en=title_en),
        text=LocalizedText(zh_cn=text_zh, en=text_en),
        end_time=end,
        read_by_time=due,
        addressees=[_addressee(each) for each in addressees],
    )


def _addressee(told: str) -> BulletinAddressee:
    region, _, staff = told.partition(":")
    return BulletinAddressee(region=region, staff_ids=[each for each in staff.split(",") if each])


def _readings(readers: BulletinReaders) -> str:
    return "\n".join(f"{each.staff_id} {told_time(each.read_time)}" for each in readers.readings)


def _complete(readers: BulletinReaders) -> str:
    return translated("yes") if readers.complete else translated("no")


READERS = Table[BulletinReaders](
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("read", _complete),
    TableColumn("readers", _readings),
    TableColumn("not read by", lambda each: enumerated(each.missing_staff_ids)),
)
"""The table of the readers of a bulletin by region."""
