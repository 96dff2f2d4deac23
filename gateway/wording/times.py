"""How people are shown times: in the zone of the region that they are about, with its offset.

A command learns the zones of the regions from its server, among the terms of the federation (`gateway.wording.terms`).
"""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.time.clock import time_in
from gateway.wording.languages import translated
from gateway.wording.terms import learned

ZONE_VARIABLE = "CROSSREGION_TIME_ZONE"
Happening = tuple[datetime, str, str]
"""Time, author and text of an event."""
_META = "crossregion.times"
_SPACE_BEFORE_OFFSET = re.compile(r" (?=[+-]\d\d:\d\d$)")


@dataclass
class _Zones:
    """The time zones of a command's output."""

    chosen: tzinfo | None = None
    region: str = ""
    common: tzinfo | None = None
    """The zone for matters of several regions, where it differs from the zone of most regions."""


def told_time(told: datetime | Timestamp, *, timespec: str = "minutes") -> str:
    """A time for people as `clock.time_in` writes it, in the zone that the command shows times in."""
    return time_in(shown_zone(), told, timespec=timespec)


def told_if_set(told: Timestamp, *, timespec: str = "minutes") -> str:
    """A time for people; nothing where none is set."""
    return told_time(told, timespec=timespec) if told.seconds or told.nanos else ""


def instant_of(text: str) -> datetime:
    """The instant of a text with its zone, also in the form of `told_time`.

    Raises ValueError with a text for people.
    """
    try:
        instant = datetime.fromisoformat(_SPACE_BEFORE_OFFSET.sub("", text))
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(translated("Not a time with its zone, as 2026-12-24T01:00+08:00: {text}", text=text))


def shown_zone() -> tzinfo:
    """The zone of a command's times: the chosen zone, else the region's zone, else the zone of most regions.

    UTC where no server has sent any.
    """
    zones = _zones()
    return zones.chosen or region_zone()


def in_shown_zone(instant: datetime) -> datetime:
    """An instant in `shown_zone`, with the offset that the zone has then: hours are added to it across any change."""
    shown = instant.astimezone(shown_zone())
    return shown.replace(tzinfo=timezone(shown.utcoffset() or timedelta()))


def region_zone() -> tzinfo:
    """The zone as in `shown_zone`, without the chosen zone."""
    zones, told = _zones(), learned().regions
    for each in told:  # a page tells hundreds of times
        if each.region == zones.region:
            return _zone(each.time_zone)
    return zones.common or (_zone(Counter(each.time_zone for each in told).most_common(1)[0][0]) if told else UTC)


def shown_zone_name() -> str:
    """The IANA name of `shown_zone`."""
    zone = shown_zone()
    return zone.key if isinstance(zone, ZoneInfo) else "UTC"


def show_times_of(region: str) -> None:
    """Shows times from here on in the zone of a region; `region` may begin a longer id: `sichuan/R1`.

    Empty for no region in particular.
    """
    _zones().region = region.partition("/")[0]


def show_times_in(zone: tzinfo) -> None:
    """Shows times from here on in a zone, unless the user has chosen another."""
    _zones().common = zone


def _zone(name: str) -> tzinfo:
    """A zone by its name; UTC where this machine's list of zones is older than the configuration."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def utc_option() -> click.Option:
    """`--utc`, which every command has."""

    def choose(ctx: click.Context, _: click.Parameter, *, value: bool) -> None:
        if value:
            _zones(ctx).chosen = UTC

    return click.Option(
        ["--utc"],
        is_flag=True,
        expose_value=False,
        callback=lambda ctx, parameter, value: choose(ctx, parameter, value=value),
        help="Show times in UTC, and not in the zone of the region.",
    )


def zone_option() -> click.Option:
    """The option `--time-zone`, for a program that shows times of several regions together."""
    return click.Option(
        ["--time-zone"],
        metavar="ZONE",
        envvar=ZONE_VARIABLE,
        show_envvar=True,
        expose_value=False,
        callback=_choose,
        help="Show times in this zone, as Asia/Urumqi; in that of the region, or of most regions, unless given.",
    )


def _choose(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    zones = _zones(ctx)
    if not value or zones.chosen is UTC:
        return
    try:
        zones.chosen = ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError):
        raise click.BadParameter(translated("there is no such time zone: {name}", name=value), ctx, parameter) from None


def _zones(context: click.Context | None = None) -> _Zones:
    """Of the command that runs; nothing is chosen where none does."""
    context = context or click.get_current_context(silent=True)
    if context is None:
        return _Zones()
    found: _Zones = context.meta.setdefault(_META, _Zones())
    return found
