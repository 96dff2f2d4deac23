"""The page of a proposal: a signed revision in a file, its changes and signers, and the form that puts it in force."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from coordinator.console import revisions, rpcs
from coordinator.wording.signers import told_signers
from gateway.api.coordinator.v1.administration_pb2 import (
    ApplyConfigurationRequest,
    ApplyConfigurationResponse,
    CompareRevisionsRequest,
    CompareRevisionsResponse,
    GetConfigurationRequest,
    GetConfigurationResponse,
    SignedConfiguration,
)
from gateway.api.federation.v1.revision_pb2 import ProposedRevision, RevisionStatement
from gateway.errors import Refused, invalid
from gateway.web.console.entries import Entry, Field, Upload, entry
from gateway.web.console.pages import Calling, Form, Shown, View, Visit, unless_refused
from gateway.web.console.parts import Commands, Fact
from gateway.web.console.ticket import facts_table, known
from gateway.web.console.uploads import FILE
from gateway.web.tables import Table
from gateway.wording.languages import refusal, translated
from gateway.wording.times import told_if_set

PATH = "/configuration/proposal"
_APPLY, _UNREADABLE = "apply", "allow_unreadable"


@dataclass(frozen=True)
class _Proposal:
    """A proposal that can be compared with the configuration in force."""

    signed: SignedConfiguration
    compared: CompareRevisionsResponse


@dataclass(frozen=True)
class _Found:
    """The configuration in force, and the proposal that the address names."""

    held: GetConfigurationResponse
    proposal: _Proposal | None = None
    refused: Refused | None = None
    """The reason why there is no proposal, or why it cannot be applied now."""


@dataclass(frozen=True)
class _Page:
    """The page as `proposal.html.j2` shows it."""

    warnings: Sequence[str]
    facts: Sequence[Fact]
    changes_heading: str
    changes: Table
    entry: Entry | None
    upload: Upload | None
    commands: Commands


async def _read(visit: Visit, calling: Calling) -> _Found:
    # As transported, the configuration is not read again here.
    held = await calling.ask(rpcs.GET_CONFIGURATION, GetConfigurationRequest(wants_content=True))
    if not visit.query.text(FILE):
        return _Found(held)
    try:
        signed = _signed(visit)
        compares = CompareRevisionsRequest(from_revision=held.federation_revision, proposal=signed)
        found = _Proposal(signed, await calling.ask(rpcs.COMPARE_REVISIONS, compares))
    except Refused as refused:
        return _Found(held, refused=refused)
    checks = ApplyConfigurationRequest(signed=signed, validate_only=True)
    checked = await unless_refused(calling.ask(rpcs.APPLY_CONFIGURATION, checks))
    return _Found(held, found, checked if isinstance(checked, Refused) else None)


def _signed(visit: Visit) -> SignedConfiguration:
    """The proposal in the file that the address names. Raises Refused."""
    if visit.file is None:
        raise invalid(FILE, "is no longer kept: send it again", "已不再保留：请重新发送")
    try:
        proposed = ProposedRevision.FromString(visit.file)
    except DecodeError:
        raise invalid(FILE, "is no proposal", "不是提案文件") from None
    return SignedConfiguration(revision=proposed.revision, content=proposed.configuration)


def _show(visit: Visit, found: _Found) -> Shown:
    answer = CompareRevisionsResponse() if found.proposal is None else found.proposal.compared
    changes = revisions.changes_table(answer.changes)
    facts = [] if found.proposal is None else known(_facts(found.held, found.proposal))
    page = _Page(
        warnings=list(_warnings(found, answer.left_off)),
        facts=facts,
        changes_heading=translated("Changes"),
        changes=changes,
        entry=None if found.proposal is None else _entry(visit),
        upload=_upload() if found.held.requires_signatures else None,
        commands=Commands(
            translated("Proposals are written and signed by commands: the keys of administrators stay offline"),
            ("coordinator federation propose DIRECTORY FILE", "coordinator federation sign FILE --key KEY"),
        ),
    )
    tables = [each for each in (facts_table(translated("Proposal"), facts), changes) if each.rows]
    return Shown("proposal.html.j2", translated("Proposal"), page, PATH, tables, page.warnings)


def _warnings(found: _Found, left_off: int) -> Iterator[str]:
    if not found.held.requires_signatures:
        yield translated("This coordinator applies configurations that no administrator has signed.")
    if found.refused is not None and found.proposal is None:
        yield refusal(found.refused)
    elif found.refused is not None:
        yield translated("It cannot be applied now: {why}", why=refusal(found.refused))
    if left_off:
        yield translated("{count} more changes are not shown.", count=f"{left_off:,}")


def _facts(held: GetConfigurationResponse, proposal: _Proposal) -> Iterator[Fact]:
    statement = RevisionStatement.FromString(proposal.signed.revision.statement)
    names = proposal.compared.signers
    yield Fact(translated("Revision"), str(statement.revision))
    yield Fact(translated("Revision in force"), str(held.federation_revision))
    yield Fact(translated("Proposed"), told_if_set(statement.issue_time))
    yield Fact(translated("Valid until"), told_if_set(statement.end_time))
    yield Fact(translated("Signed by"), told_signers(names, held.place.administration.threshold))


def _entry(visit: Visit) -> Entry:
    told = translated("Also where members cannot read it: they keep the revision before.")
    title = translated("Put this revision in force")
    return entry(visit, _APPLY, title, title, [Field(_UNREADABLE, "tick", told, is_required=False)])


def _upload() -> Upload:
    return Upload(
        heading=translated("File"),
        name=FILE,
        label=translated("File of a proposal"),
        send=translated("Show what it changes"),
    )


def _apply(visit: Visit) -> ApplyConfigurationRequest:
    allows = bool(visit.form.text(_UNREADABLE))
    return ApplyConfigurationRequest(signed=_signed(visit), allow_unreadable=allows)


def _applied(_: Visit, answer: ApplyConfigurationResponse) -> str:
    return translated("Revision {revision} is in force.", revision=answer.federation_revision)


def _then(visit: Visit, _: ApplyConfigurationResponse) -> str:
    return visit.address(revisions.PATH)


VIEW = View.of(
    PATH,
    (rpcs.GET_CONFIGURATION, rpcs.COMPARE_REVISIONS, rpcs.APPLY_CONFIGURATION),
    _read,
    _show,
    (FILE,),
    forms=(Form.of(_APPLY, rpcs.APPLY_CONFIGURATION, _apply, _applied, (_UNREADABLE,), then=_then),),
    takes=rpcs.APPLY_CONFIGURATION,
)
