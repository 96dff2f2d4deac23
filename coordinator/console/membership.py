"""The page that suspends or reinstates a region, and says first what that will do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from shlex import quote

from coordinator.console import rpcs
from coordinator.console.flows import pairs_of
from coordinator.console.region import REGION, path_of
from coordinator.console.tables_page import heads
from coordinator.console.words import member_state_cell
from coordinator.membership.rules import NOTE_LENGTH
from coordinator.wording.members import member_of, state_word
from gateway.api.coordinator.v1.administration_pb2 import (
    GetConfigurationRequest,
    ListRegionsRequest,
    ReinstateRegionRequest,
    ReinstateRegionResponse,
    SuspendRegionRequest,
    SuspendRegionResponse,
)
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.web.console.entries import Entry, Field, entry
from gateway.web.console.frames import Link
from gateway.web.console.pages import Calling, Form, Shown, View, Visit
from gateway.web.console.ticket import lines_table
from gateway.web.tables import Cell, Table
from gateway.wording.languages import enumerated, translated
from gateway.wording.terms import region_name

_TAB = "/board"
_SUSPEND, _REINSTATE = "suspend", "reinstate"
_NOTE = "note"


@dataclass(frozen=True)
class _Found:
    """The answers of which the page is made."""

    member: Member
    members: Sequence[Member]
    is_signed: bool
    """Whether an administrator has to sign, by a key that no coordinator has."""


@dataclass(frozen=True)
class _Page:
    """The page as `membership.html.j2` shows it."""

    state: Cell
    effects_heading: str
    effects: Sequence[str]
    entry: Entry | None
    """The form; None where a command does it."""
    signing: str
    command: str
    back: Link


async def _read(visit: Visit, calling: Calling) -> _Found:
    members = (await calling.ask(rpcs.LIST_REGIONS, ListRegionsRequest())).members
    member = member_of(members, visit.names[REGION])
    # As transported, the configuration is not read again here.
    answer = await calling.ask(rpcs.GET_CONFIGURATION, GetConfigurationRequest(wants_content=True))
    return _Found(member, members, answer.requires_signatures)


def _show(visit: Visit, found: _Found) -> Shown:
    member = found.member
    is_suspended = member.state == MemberState.MEMBER_STATE_SUSPENDED
    name = region_name(member.region)
    title = (
        translated("Reinstate {region}", region=name) if is_suspended else translated("Suspend {region}", region=name)
    )
    effects = list(_reinstated(name) if is_suspended else _suspended(name, found))
    page = _Page(
        state=member_state_cell(member),
        effects_heading=translated("Effects"),
        effects=effects,
        entry=None if found.is_signed else _entry(visit, title, is_suspended=is_suspended),
        signing=translated(
            "An administrator of this federation signs it with a key that stays offline: run the command there."
        ),
        command=_command(member.region, is_suspended=is_suspended),
        back=Link(name, visit.address(path_of(member.region))),
    )
    return Shown("membership.html.j2", title, page, _TAB, _files(name, page))


def _files(name: str, page: _Page) -> Sequence[Table]:
    """The state and the effects as tables of a file."""
    state = Table(
        label=translated("State"),
        head=heads(translated("Region"), translated("State")),
        rows=[[Cell(name, "row"), page.state]],
    )
    return state, lines_table(page.effects_heading, page.effects)


def _suspended(name: str, found: _Found) -> Iterator[str]:
    waiting = sum(each.waiting for each in pairs_of((), found.members) if found.member.region in each.regions)
    yield translated("No envelope is routed to {region} or accepted from it.", region=name)
    yield translated("Orders for its customers are held in other regions until it is reinstated, or their time ends.")
    yield translated("Its own customers are served on in {region}: local orders need no other region.", region=name)
    yield translated("Its nodes go on renewing their certificates: revoke {region} where that has to end.", region=name)
    yield translated("Envelopes between it and others that wait now, and go on waiting: {count}.", count=f"{waiting:,}")
    yield translated("The form returns once every coordinator has confirmed it, or can forward nothing any more.")


def _reinstated(name: str) -> Iterator[str]:
    yield translated("Envelopes are routed to {region} and accepted from it again.", region=name)
    yield translated("Held orders and envelopes that wait go on by themselves.")


def _entry(visit: Visit, title: str, *, is_suspended: bool) -> Entry:
    if is_suspended:
        return entry(visit, _REINSTATE, title, title, ())
    hint = translated("Everybody sees it.")
    note = Field(_NOTE, "line", translated("Reason"), longest=NOTE_LENGTH, hint=hint)
    return entry(visit, _SUSPEND, title, title, [note])


def _command(region: str, *, is_suspended: bool) -> str:
    if is_suspended:
        return f"coordinator regions reinstate {quote(region)} --key KEY"
    return f"coordinator regions suspend {quote(region)} --note REASON --key KEY"


def _suspend(visit: Visit) -> SuspendRegionRequest:
    return SuspendRegionRequest(region=visit.names[REGION], note=visit.form.text(_NOTE))


def _reinstate(visit: Visit) -> ReinstateRegionRequest:
    return ReinstateRegionRequest(region=visit.names[REGION])


def _told_suspended(_: Visit, answer: SuspendRegionResponse) -> str:
    region = region_name(answer.member.region)
    if names := enumerated(each.name for each in answer.unconfirmed):
        return translated(
            "{region} is suspended, but not confirmed by {names}: envelopes may still reach it. Suspend it once more,"
            " or stop them.",
            region=region,
            names=names,
        )
    return translated("{region} is suspended: every coordinator has confirmed it.", region=region)


def _told_reinstated(_: Visit, answer: ReinstateRegionResponse) -> str:
    state = state_word(answer.member.state)
    return translated("{region} is {state}", region=region_name(answer.member.region), state=state)


VIEW = View.of(
    f"/regions/{{{REGION}}}/membership",
    (rpcs.LIST_REGIONS, rpcs.GET_CONFIGURATION),
    _read,
    _show,
    forms=(
        Form.of(_SUSPEND, rpcs.SUSPEND_REGION, _suspend, _told_suspended, (_NOTE,)),
        Form.of(_REINSTATE, rpcs.REINSTATE_REGION, _reinstate, _told_reinstated, ()),
    ),
)
