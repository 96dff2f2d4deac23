"""How people are shown times: in the zone of the region that they are about, with its offset.

A server tells the zones of its regions beside each answer to a caller that is no member, streams left out; a command
shows times by them.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.clock import time_in
from gateway.languages import translated

ZONES_HEADER = "crossregion-time-zones"
"""The metadata of an answer: the zone that most regions are in, then `;region=zone` for each that is in another."""
ZONE_VARIABLE = "CROSSREGION_TIME_ZONE"
_META = "crossregion.times"
_SPACE_BEFORE_OFFSET = re.compile(r" (?=[+-]\d\d:\d\d$)")


@dataclass
class _Zones:
    """Which zone a command shows times in."""

    chosen: tzinfo | None = None
    region: str = ""
    common: tzinfo | None = None
    others: dict[str, tzinfo] = field(default_factory=dict)


def told_time(told: datetime | Timestamp, *, timespec: str = "minutes") -> str:
    """A time for people as `clock.time_in` writes it, in the zone that the command shows times in."""
    return time_in(shown_zone(), told, timespec=timespec)


def told_if_set(told: Timestamp, *, timespec: str = "minutes") -> str:
    """A time for people; nothing where none is set."""
    return told_time(told, timespec=timespec) if told.seconds or told.nanos else ""


def instant_of(text: str) -> datetime:
    """The instant that a text with its zone says, also as `told_time` writes it. Raises ValueError, with what to say to
    people."""
    try:
        instant = datetime.fromisoformat(_SPACE_BEFORE_OFFSET.sub("", text))
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(translated("Not a time with its zone, as 2026-12-24T01:00+08:00: {text}", text=text))


def shown_zone() -> tzinfo:
    """The zone that this command shows times in: the one it was told to, else that of the region in question, else the
    one that most regions are in. UTC where no server has told any."""
    zones = _zones()
    return zones.chosen or region_zone()


def region_zone() -> tzinfo:
    """As `shown_zone`, whatever zone the command was told to show times in."""
    zones = _zones()
    return zones.others.get(zones.region) or zones.common or UTC


def shown_zone_name() -> str:
    """The IANA name of `shown_zone`."""
    zone = shown_zone()
    return zone.key if isinstance(zone, ZoneInfo) else "UTC"


def show_times_of(region: str) -> None:
    """From here on the command shows times in the zone of a region; the name may stand before what it handles:
    `sichuan/R1`. Empty for no region in particular."""
    _zones().region = region.partition("/")[0]


def show_times_in(zone: tzinfo) -> None:
    """From here on the command shows times in a zone, unless it was told another."""
    _zones().common = zone


def zones_header(zones: Mapping[str, str]) -> str:
    """What a server tells of the zones of some regions, by their ids; empty where there is none."""
    if not zones:
        return ""
    common = Counter(zones.values()).most_common(1)[0][0]
    return ";".join([common, *(f"{region}={zone}" for region, zone in zones.items() if zone != common)])


def zone_interceptors() -> list[grpc.aio.ClientInterceptor]:
    """What the channel of a command needs to take in the zones that a server tells beside each answer that is no
    stream."""
    return [_Answers()]


def _take(metadata: grpc.aio.Metadata | None) -> None:
    told = dict(metadata or ()).get(ZONES_HEADER)
    if not isinstance(told, str):
        return
    common, *others = told.split(";")
    zones = _zones()
    try:
        zones.common = ZoneInfo(common)
        zones.others = {region: ZoneInfo(zone) for region, _, zone in (each.partition("=") for each in others)}
    except (ZoneInfoNotFoundError, ValueError):
        return  # a newer list of zones than this machine's: what is known stays


class _Answers(grpc.aio.UnaryUnaryClientInterceptor):
    # What gRPC hands through is typed so there.
    async def intercept_unary_unary(
        self,
        continuation: Callable[..., Any],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """See grpc.aio."""
        call = await continuation(client_call_details, request)
        _take(await call.trailing_metadata())
        return call


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
    """`--time-zone`, for a program that shows times of several regions at once."""
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
