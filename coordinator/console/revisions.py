"""The history of the configuration: the changes between two of its revisions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

from coordinator.configuration.comparing import changes_of
from coordinator.console import rpcs
from coordinator.console.tables_page import heads
from coordinator.wording.signers import told_signers
from gateway.api.coordinator.v1.administration_pb2 import (
    CompareRevisionsRequest,
    CompareRevisionsResponse,
    ConfigurationChange,
    ConfigurationRevision,
    GetConfigurationRequest,
)
from gateway.errors import Refused
from gateway.web.console.lists import chosen_word, list_page
from gateway.web.console.pages import Calling, Shown, View, Visit, unless_refused
from gateway.web.console.parts import Choice, Commands, Option
from gateway.web.tables import Cell, Table
from gateway.wording.languages import refusal, translated
from gateway.wording.times import told_if_set

PATH = "/configuration/revisions"
_FROM, _TO = "from", "to"
_OFFERED = 50  # revisions to choose from
_FIRST = 1
_NONE = "–"


@dataclass(frozen=True)
class _Found:
    """The revisions that can be compared, the newest first, the two chosen ones, and their changes."""

    revisions: Sequence[str]
    before: str
    after: str
    answer: CompareRevisionsResponse | Refused
    """The refusal where a registry has no such revision as was chosen: one that began from a later anchor."""


async def _read(visit: Visit, calling: Calling) -> _Found:
    request = GetConfigurationRequest(wants_content=True)
    newest = (await calling.ask(rpcs.GET_CONFIGURATION, request)).federation_revision
    revisions = [str(each) for each in range(newest, max(_FIRST, newest - _OFFERED + 1) - 1, -1)]
    if not revisions:
        return _Found((), "", "", CompareRevisionsResponse())
    after = chosen_word(visit, _TO, revisions) or revisions[0]
    compare = partial(calling.ask, rpcs.COMPARE_REVISIONS)
    if before := chosen_word(visit, _FROM, revisions):
        compared = CompareRevisionsRequest(from_revision=int(before), to_revision=int(after))
        return _Found(revisions, before, after, await unless_refused(compare(compared)))
    found = await unless_refused(changes_of(compare, int(after)))
    if isinstance(found, Refused):
        return _Found(revisions, after, after, found)
    before = str(found[0])
    return _Found(revisions if before in revisions else [*revisions, before], before, after, found[1])


def _show(visit: Visit, found: _Found) -> Shown:
    revisions = [Option(each, each) for each in found.revisions]
    choices = [
        Choice(_FROM, translated("From revision"), revisions, found.before),
        Choice(_TO, translated("To revision"), revisions, found.after),
    ]
    notes, above, answer = [], list[Table](), found.answer
    if isinstance(answer, Refused):
        notes.append(refusal(answer))
        answer = CompareRevisionsResponse()
    else:
        above.append(_signed(visit, found, answer.revisions))
    if count := answer.left_off:
        notes.append(translated("{count} more changes are not shown: choose nearer revisions.", count=f"{count:,}"))
    changes = changes_table(answer.changes)
    page = list_page(visit, PATH, choices, changes, "", notes=notes, above=above, commands=_commands())
    return page.shown(translated("Revisions"), PATH)


def _signed(visit: Visit, found: _Found, told: Sequence[ConfigurationRevision]) -> Table:
    """The compared revisions and those between, each with the link to its changes.

    A coordinator of a former version says nothing about them: the two that are compared are shown without more.
    """
    newest = sorted({*map(int, filter(None, (found.before, found.after)))}, reverse=True)
    shown = told or [ConfigurationRevision(federation_revision=each) for each in newest]
    return Table(
        label=translated("Who signed them"),
        head=heads(
            translated("Revision"),
            translated("Proposed"),
            translated("Came into force"),
            translated("Valid until"),
            translated("Signed by"),
            translated("Follows"),
        ),
        rows=[_row(visit, found.revisions, each) for each in shown],
    )


def _row(visit: Visit, offered: Collection[str], revision: ConfigurationRevision) -> Sequence[Cell]:
    number, follows = revision.federation_revision, revision.previous_digest.hex()
    changes = visit.address(PATH, **{_TO: str(number)}) if str(max(_FIRST, number - 1)) in offered else ""
    signers = told_signers(revision.signers, revision.threshold) if revision.threshold else _NONE
    return [
        Cell(str(number), "row", href=changes),
        Cell(told_if_set(revision.issue_time) or _NONE, style="time"),
        Cell(told_if_set(revision.apply_time) or _NONE, style="time"),
        Cell(told_if_set(revision.end_time) or _NONE, style="time"),
        Cell(signers),
        Cell(follows or _NONE, style="kind"),
    ]


def changes_table(changes: Sequence[ConfigurationChange]) -> Table:
    """The changes of a configuration by path."""
    return Table(
        label=translated("Changes"),
        head=heads(translated("Change"), translated("Before"), translated("After")),
        rows=[[Cell(each.changed_path, "row"), Cell(each.old_value), Cell(each.new_value)] for each in changes],
    )


def _commands() -> Commands:
    return Commands(
        translated("Proposals are files of administrators: to see the changes of one before it is signed"),
        ("coordinator federation sign FILE --key KEY",),
    )


VIEW = View.of(PATH, (rpcs.GET_CONFIGURATION, rpcs.COMPARE_REVISIONS), _read, _show, (_FROM, _TO))
