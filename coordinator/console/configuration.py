"""The page of the federation configuration: its revision and signatures, the revisions of members, and its parts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from google.protobuf.message import Message

from coordinator.console import rpcs
from coordinator.console.region import path_of
from coordinator.console.tables_page import TablesPage, heads
from coordinator.wording.members import has_beaten
from gateway.api.coordinator.v1.administration_pb2 import (
    GetConfigurationRequest,
    GetConfigurationResponse,
    ListRegionsRequest,
    ListRegionsResponse,
)
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import Member
from gateway.api.federation.v1.revision_pb2 import RevisionStatement
from gateway.federation.files import dump
from gateway.web.console.frames import Link
from gateway.web.console.lists import chosen_word
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Commands, Fact
from gateway.web.console.ticket import known
from gateway.web.tables import Cell, Table
from gateway.wording.languages import enumerated, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set

PATH = "/configuration"
_PART = "part"
_LARGEST = 256 * 1024  # bytes of a part that is shown: a number plan may have half a million prefixes
_UNSIGNED = ("coordinator federation diff DIRECTORY", "coordinator federation apply DIRECTORY")
_SIGNED = (
    "coordinator federation diff DIRECTORY",
    "coordinator federation propose DIRECTORY FILE",
    "coordinator federation sign FILE --key KEY",
    "coordinator federation apply FILE",
)


@dataclass(frozen=True)
class _Found:
    """The answers of which the page is made."""

    held: GetConfigurationResponse
    regions: ListRegionsResponse


async def _read(visit: Visit, calling: Calling) -> _Found:
    return _Found(
        await calling.ask(rpcs.GET_CONFIGURATION, GetConfigurationRequest()),
        await calling.ask(rpcs.LIST_REGIONS, ListRegionsRequest()),
    )


def _show(visit: Visit, found: _Found) -> Shown:
    held = found.held
    parts = [field.name for field, _ in held.configuration.ListFields()]
    part = chosen_word(visit, _PART, parts)
    page = TablesPage(
        warnings=list(_warnings(held)),
        facts=known(_facts(held)),
        links_heading=translated("Parts in force"),
        links=[Link(each, visit.address(PATH, part=each), is_current=each == part) for each in parts],
        text=_text(held.configuration, part) if part else "",
        tables=[(translated("Revisions of the regions"), _revisions(visit, found.regions.members))],
        commands=Commands(
            translated("To change it: differences are shown before they are applied"),
            _SIGNED if held.requires_signatures else _UNSIGNED,
        ),
    )
    return page.shown(translated("Configuration"), PATH)


def _warnings(held: GetConfigurationResponse) -> Iterator[str]:
    if not held.requires_signatures:
        yield translated("This coordinator applies configurations that no administrator has signed.")


def _facts(held: GetConfigurationResponse) -> Iterator[Fact]:
    statement, place = RevisionStatement.FromString(held.statement), held.place
    yield Fact(translated("Federation"), held.configuration.federation)
    yield Fact(translated("Revision"), str(held.federation_revision))
    yield Fact(translated("Digest"), place.digest.hex())
    yield Fact(translated("Proposed"), told_if_set(statement.issue_time))
    yield Fact(translated("Valid until"), told_if_set(statement.end_time))
    if administrators := place.administration.administrators:
        names = enumerated(each.name for each in administrators)
        told = translated("{count} of: {names}", count=place.administration.threshold, names=names)
        yield Fact(translated("The next revision is signed by"), told)


def _text(configuration: Configuration, name: str) -> str:
    """One part of the configuration, as files have it."""
    part = Configuration()
    part.CopyFrom(configuration)
    message: Message = part
    for field, _ in configuration.ListFields():
        if field.name != name:
            message.ClearField(field.name)
    if part.ByteSize() > _LARGEST:
        return translated("This part is large. `coordinator federation show` prints it.")
    return [*dump(part).values()][-1]  # a part is in one file; the first is there without content, too


def _revisions(visit: Visit, members: Sequence[Member]) -> Table:
    return Table(
        label=translated("Revisions of the regions"),
        head=heads(translated("Region"), translated("Revision"), translated("Cannot read")),
        rows=[
            [
                Cell(region_name(each.region), "row", href=visit.address(path_of(each.region))),
                Cell(str(each.federation_revision), style="figure"),
                Cell(each.report.unreadable),
            ]
            for each in members
            if has_beaten(each)
        ],
    )


VIEW = View.of(PATH, (rpcs.GET_CONFIGURATION, rpcs.LIST_REGIONS), _read, _show, (_PART,))
