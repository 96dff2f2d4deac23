"""`coordinator enrolments`: invitations of regions, and the decisions on their keys."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from google.protobuf.message import DecodeError

from coordinator.cli.asking import Asking, asks
from coordinator.cli.completing import complete_regions
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.federation.directories import warn
from coordinator.cli.federation.in_force import apply, came_into_force, in_force, require_was_in_force
from coordinator.cli.federation.proposals import (
    DEFAULT_DAYS,
    keys_option,
    read_proposal,
    signed_configuration,
    signer_of,
)
from coordinator.cli.federation.signing import proposed_of, show_proposal, sign_proposal, tell_proposal
from coordinator.cli.issuing import Issuing, revocations_in_force
from coordinator.cli.lives import lives, lives_options
from coordinator.cli.output import titled
from coordinator.cli.own_certificate import OwnCertificate
from gateway.api.coordinator.v1 import enrolment_service_pb2 as contract
from gateway.api.coordinator.v1.administration_pb2 import (
    ApplyConfigurationRequest,
    GetConfigurationResponse,
    ListRegionsRequest,
)
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.coordinator.v1.enrolment_service_pb2 import Enrolment, EnrolmentState
from gateway.api.coordinator.v1.enrolment_service_pb2_grpc import EnrolmentServiceStub
from gateway.api.coordinator.v1.renewal_service_pb2 import RenewCertificateRequest
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.revision_pb2 import ProposedRevision
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.cli.exits import NotDone
from gateway.cli.issuers import DIRECTORY, opened, state_word
from gateway.cli.table import Table, TableColumn
from gateway.errors import Refused, unknown
from gateway.federation.revisions import parsed
from gateway.security.enrolling import Invitation, RequestedKeys, readable, token_hash
from gateway.security.identity import Identity
from gateway.security.issuers import NODES
from gateway.security.issuing import RENEWED_LIFE, IssuerDirectory
from gateway.security.peers import signs_certificates
from gateway.security.tls import CredentialsUnusable
from gateway.time.clock import from_timestamp
from gateway.values import base64url
from gateway.wording.languages import enumerated, refusal, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_time
from gateway.wording.words import value_word

_HOURS, _MOST_HOURS = 24, 72
_RENEWED_HOURS = RENEWED_LIFE / timedelta(hours=1)
_PAUSE = 2.0  # seconds between two looks for renewals

_enrolment = click.argument("enrolment_id", metavar="ID")
_issuer = click.argument("issuer", type=DIRECTORY)
_hours = click.option(
    "--hours", type=click.FloatRange(min=0, min_open=True), default=_RENEWED_HOURS, show_default=True, help="Lifetime."
)


@click.group(epilog=EPILOG)
def enrolments() -> None:
    """Invite regions, and decide on the keys that their nodes have made: one administrator invites, another decides."""


@enrolments.command(epilog=EPILOG)
@asks(with_json=False)
@click.argument("region", shell_complete=complete_regions)
@click.option(
    "--hours", type=click.IntRange(1, _MOST_HOURS), default=_HOURS, show_default=True, help="How long the token counts."
)
@click.option(
    "--propose",
    metavar="DIRECTORY FILE",
    type=(click.Path(path_type=Path, exists=True, file_okay=False), click.Path(path_type=Path, dir_okay=False)),
    help="Write a proposal FILE of the configuration in DIRECTORY, which names REGION.",
)
@keys_option
def invite(asking: Asking, region: str, hours: int, propose: tuple[Path, Path] | None, keys: Sequence[Path]) -> None:
    """Invite REGION, and print the token for `region-node join`.

    The token counts once. It holds a secret, whose hash alone the coordinator gets, and the certificate of the
    authority, by which the joiner verifies the coordinator. Send it to the region on a way that others do not read.

    A REGION that the configuration in force does not name needs --propose. --key signs the proposal, and the
    administrator who approves puts it in force.

    \b
    Examples:
      coordinator enrolments invite sichuan --hours 4
      coordinator enrolments invite hunan --propose deploy/federation revision.bin --key li.key
    """
    if keys and propose is None:
        raise click.UsageError(translated("--key signs what --propose writes"))
    named = in_force(asking.link).configuration if propose is None else _proposed(asking, *propose, keys)
    _require_named(region, named)
    authority = asking.link.credentials.authority
    try:
        invitation = Invitation.new(region, authority.read_bytes())
        _ = invitation.identity
    except (OSError, ValueError) as error:
        raise NotDone([f"{authority}: {refusal(error)}"]) from error
    request = contract.InviteRegionRequest(region=region, token_hash=token_hash(invitation.secret), hours=hours)
    response = asking.ask(lambda channel: EnrolmentServiceStub(channel).InviteRegion, request)
    end = told_time(from_timestamp(response.enrolment.end_time))
    told = translated(
        "{region} may enrol until {end}, as enrolment {enrolment}, by this token:",
        region=region_name(region),
        end=end,
        enrolment=response.enrolment.id,
    )
    click.echo(told, err=True)
    click.echo(invitation.token)


@enrolments.command("list", epilog=EPILOG)
@asks()
def list_enrolments(asking: Asking) -> None:
    """List enrolments with their states, and the fingerprints of the keys that wait.

    \b
    Example:
      coordinator enrolments list
    """
    request = contract.ListEnrolmentsRequest()
    response = asking.ask_all(lambda channel: EnrolmentServiceStub(channel).ListEnrolments, request)
    table = _table(asking.link.federation)
    asking.show(response, table, response.enrolments, titled(translated("Enrolments")))


@enrolments.command(epilog=EPILOG)
@asks()
@_enrolment
@click.argument("fingerprint")
@click.option("--authority", type=DIRECTORY, required=True, help="The directory of the authority, with its key.")
@lives_options
@click.option("--dns-name", "dns_names", multiple=True, help="A further DNS name of the node; may be repeated.")
@click.option(
    "--revision",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Put the proposal of `invite --propose` in force first.",
)
@keys_option
@click.option("--yes", is_flag=True, help="Certify, and sign, without a question.")
def approve(
    asking: Asking,
    enrolment_id: str,
    fingerprint: str,
    authority: Path,
    days: int | None,
    tls_hours: float | None,
    dns_names: Sequence[str],
    revision: Path | None,
    keys: Sequence[Path],
    yes: bool,
) -> None:
    """Approve the enrolment ID, if its keys have the FINGERPRINT, and certify them with the authority.

    The person who joins reads the fingerprint from `region-node join`, and tells it by telephone for example. Nobody
    approves an own invitation. The certificates are signed here; no coordinator has the key. The question names the
    region: it has to be the one of the person who told the fingerprint.

    A region that the configuration in force does not name needs --revision: the command shows what the proposal
    changes, signs it with --key, and puts it in force before the approval. A proposal that does not add the region of
    the enrolment is refused. The command may be repeated: a proposal that is in force already is left as it is, and of
    an approval that is complete the command says so. It fails then for a proposal that never came into force, or of
    which that is unknown.

    \b
    Examples:
      coordinator enrolments approve 5f1c0a9b3d7e2468 9c1a:...:04d2 --authority authority
      coordinator enrolments approve 5f1c0a9b3d7e2468 9c1a:...:04d2 --authority authority \
          --revision revision.bin --key wang.key
    """
    if keys and revision is None:
        raise click.UsageError(translated("--key signs the proposal of --revision"))
    request = contract.ListEnrolmentsRequest(enrolment_id=enrolment_id)
    (found,) = asking.ask(lambda channel: EnrolmentServiceStub(channel).ListEnrolments, request).enrolments
    if _is_approved(asking, found, fingerprint):
        if revision is not None:
            require_was_in_force(asking.link, revision)
        _tell_approved(asking, found)
        return
    requested = _waiting_keys(asking, found)
    _require_told(found, fingerprint, requested)
    issuer, identity = opened(authority), _node(found, asking.link.federation)
    life, tls_life = lives(days, tls_hours)
    before, signers = in_force(asking.link), [signer_of(key) for key in keys]
    proposed = None if revision is None else _adding(asking, found.region, revision, before)
    if proposed is None:
        _require_named(found.region, before.configuration)
    _warn_of_takeover(asking, issuer, identity, requested)
    if not yes:
        click.confirm(_question(found, requested, adds=proposed is not None), abort=True, err=True)
    try:
        made = issuer.certify(identity, requested, datetime.now(UTC), life, dns_names, tls_life)
        if revision is not None and proposed is not None:
            sign_proposal(revision, proposed, signers, err=True)
            apply(asking.link, ApplyConfigurationRequest(signed=signed_configuration(proposed)))
        for each in made:
            issuer.keep(each)
    except (OSError, ValueError) as error:
        raise NotDone([refusal(error)]) from error
    tls, signing = (each.public_bytes(Encoding.PEM) for each in made)
    approval = contract.ApproveEnrolmentRequest(enrolment_id=found.id, tls_certificate=tls, signing_certificate=signing)
    response = asking.ask(lambda channel: EnrolmentServiceStub(channel).ApproveEnrolment, approval)
    asking.say(
        response,
        lambda: translated(
            "{region} is approved; its certificate for TLS is in force until {end}.",
            region=region_name(found.region),
            end=told_time(made[0].not_valid_after_utc),
        ),
    )


@enrolments.command(epilog=EPILOG)
@asks()
@_enrolment
@click.option("--note", default="", help="Why; the joiner reads it.")
def reject(asking: Asking, enrolment_id: str, note: str) -> None:
    """Reject the enrolment ID, or withdraw its invitation.

    \b
    Example:
      coordinator enrolments reject 5f1c0a9b3d7e2468 --note "another fingerprint was told"
    """
    request = contract.RejectEnrolmentRequest(enrolment_id=enrolment_id, note=note)
    response = asking.ask(lambda channel: EnrolmentServiceStub(channel).RejectEnrolment, request)
    asking.say(response, lambda: translated("{enrolment} is rejected", enrolment=enrolment_id))


@enrolments.command(epilog=EPILOG)
@asks(with_json=False)
@_issuer
@_hours
@click.option("--once", is_flag=True, help="Serve what waits now, and end.")
def renew(asking: Asking, issuer: Path, hours: float, once: bool) -> None:
    """Certify the fresh keys by which members renew, with the ISSUER of nodes or of coordinators, until it is stopped.

    It listens nowhere and asks the coordinators every few seconds. Each request is signed by its region, or by the
    present key of a coordinator or an administrator: no coordinator can make one up. Run one for each issuer on a
    machine of the administrators, under an account of its own, with a certificate of an administrator. The program
    renews that one, too, in the last third of its life: the next pair stands in `renewed` of ISSUER, and takes over.

    \b
    Examples:
      coordinator enrolments renew node-issuer --hours 48
      coordinator enrolments renew coordinator-issuer --hours 48
    """
    directory = opened(issuer)
    own = OwnCertificate(asking, issuer, process=int(directory.authority.region == NODES))
    issuing = Issuing(own.asking, directory, timedelta(hours=hours))
    while True:
        own.look()
        try:
            for renewed in issuing.look():
                click.echo(translated("{member} has a new certificate", member=renewed))
        except click.ClickException as error:
            if once:
                raise
            error.show()
        if once:
            return
        time.sleep(_PAUSE)


@enrolments.command(epilog=EPILOG)
@asks(with_json=False)
@_issuer
@click.argument("request", type=click.File())
@_hours
def certify(asking: Asking, issuer: Path, request: TextIO, hours: float) -> None:
    """Certify, with the ISSUER of nodes, the REQUEST of a node whose certificate has ended; - reads it as input.

    `region-node certificate request` has made it within the hour, signed by its region. The command prints the
    certificate for `region-node certificate install`: neither of them is a secret. A region whose signing certificate
    was revoked gets none.

    \b
    Example:
      coordinator enrolments certify node-issuer request.txt > certificate.pem
    """
    try:
        asked = RenewCertificateRequest.FromString(base64url.decoded(request.read().strip()))
    except (ValueError, DecodeError) as error:
        told = translated("the request is not whole: it is one long word, as it was printed")
        raise click.UsageError(told) from error
    member, certificate = Issuing(asking, opened(issuer), timedelta(hours=hours)).certify(asked)
    click.echo(translated("{member} has a new certificate", member=member), err=True)
    click.echo(certificate, nl=False)


def _proposed(asking: Asking, directory: Path, file: Path, keys: Sequence[Path]) -> Configuration:
    """The configuration of a directory, whose proposal is written into a file, signed by keys."""
    proposed, signers = proposed_of(asking.link, directory, DEFAULT_DAYS), [signer_of(key) for key in keys]
    sign_proposal(file, proposed, signers, err=True)
    tell_proposal(file, proposed, err=True)
    return parsed(Configuration, proposed.configuration)


def _require_named(region: str, configuration: Configuration) -> None:
    """Ends the command for a region that a configuration does not name."""
    known = [each.id for each in configuration.regions]
    if region not in known:
        raise NotDone([refusal(unknown(Reason.REASON_REGION_UNKNOWN, known, region=region))])


def _adding(asking: Asking, region: str, file: Path, now: GetConfigurationResponse) -> ProposedRevision | None:
    """The proposal of a file, whose changes are shown; ends the command unless the proposal adds the region.

    None for one that an earlier try of the command has applied. `now` is the configuration in force: the
    file may leave out the one before.
    """
    proposed = read_proposal(file)
    if came_into_force(asking.link, proposed, now):
        click.echo(translated("{path} is in force already", path=file), err=True)
        return None
    _require_named(region, parsed(Configuration, proposed.configuration))
    before = parsed(Configuration, proposed.previous_configuration)
    if any(each.id == region for configuration in (before, now.configuration) for each in configuration.regions):
        raise NotDone(
            [
                translated(
                    "{path} does not add {region}, which is a region of the federation already: nothing is signed. To"
                    " do: ask the region whether it wants further keys, and leave out --revision if it does.",
                    path=file,
                    region=region,
                )
            ]
        )
    show_proposal(file, proposed, err=True)
    return proposed


def _warn_of_takeover(asking: Asking, issuer: IssuerDirectory, identity: Identity, requested: RequestedKeys) -> None:
    """Warns where a region has certificates in force for other keys, by the word of the issuer or of the coordinator.

    Those for the requested keys are of an earlier try. An issuer alone is often made before the region enrols.
    """
    response = asking.ask(lambda channel: MembershipServiceStub(channel).ListRegions, ListRegionsRequest())
    members = [each for each in response.members if each.region == identity.region and each.signing_certificate]
    revocations, now = revocations_in_force(asking), datetime.now(UTC)
    try:
        with readable():
            found = [x509.load_pem_x509_certificate(each.signing_certificate) for each in members]
            found += [each.certificate for each in issuer.issued() if each.uri == identity.uri]
            certified = [
                each
                for each in found
                if each.not_valid_after_utc > now and not requested.has_key_of(each) and not revocations.names(each)
            ]
            issuers = [f"{each.serial_number:x}" for each in certified if signs_certificates(each)]
    except (OSError, ValueError) as error:
        raise NotDone([refusal(error)]) from error
    if len(issuers) < len(certified):
        told = translated(
            "the region {region} has certificates in force already: these keys are of a further process, or somebody"
            " takes the region over. Ask the region itself.",
            region=identity.region,
        )
        warn([told])
    elif issuers:
        told = translated(
            "the region {region} has an issuer in force already, and no other certificate (serial number: {serials})."
            " Ask the region itself whether it uses that issuer for its operators and staff.",
            region=identity.region,
            serials=enumerated(issuers),
        )
        warn([told])


def _is_approved(asking: Asking, found: Enrolment, fingerprint: str) -> bool:
    """Whether the keys with a fingerprint are approved already. Ends the command for keys that cannot be read."""
    if found.state != EnrolmentState.ENROLMENT_STATE_APPROVED:
        return False
    try:
        return _digits(_keys(found, asking.link.federation).fingerprint) == _digits(fingerprint)
    except ValueError as error:
        raise NotDone([refusal(error)]) from error


def _tell_approved(asking: Asking, found: Enrolment) -> None:
    """Says that an approval is complete, and how its certificate for TLS stands."""
    try:
        with readable():
            tls = x509.load_pem_x509_certificate(found.tls_certificate)
    except ValueError as error:
        raise NotDone([refusal(error)]) from error
    state = state_word(tls.not_valid_after_utc, datetime.now(UTC), is_revoked=revocations_in_force(asking).names(tls))
    asking.say(
        contract.ApproveEnrolmentResponse(enrolment=found),
        lambda: translated(
            "{region} is approved already, by {administrator} at {time}: nothing was changed. Its certificate for TLS:"
            " {state}, end {end}.",
            region=region_name(found.region),
            administrator=found.decided_by,
            time=told_time(from_timestamp(found.decision_time)),
            state=state,
            end=told_time(tls.not_valid_after_utc),
        ),
    )


def _question(found: Enrolment, requested: RequestedKeys, *, adds: bool) -> str:
    """The question before anything is signed. It has the id of the region, which certificates name."""
    fingerprint, region = requested.fingerprint, found.region
    if not adds:
        return translated(
            "Certify the keys {fingerprint} for the region {region}?", fingerprint=fingerprint, region=region
        )
    return translated(
        "Put this revision in force, and certify the keys {fingerprint} for its new region {region}?",
        fingerprint=fingerprint,
        region=region,
    )


def _require_told(found: Enrolment, fingerprint: str, requested: RequestedKeys) -> None:
    """Ends the command where the joiner has told another fingerprint than that of the keys."""
    if _digits(fingerprint) != _digits(requested.fingerprint):
        raise NotDone(
            [
                translated(
                    "the keys of {enrolment} have the fingerprint {fingerprint}: another one was told to you, and"
                    " somebody else may have used the token. To do: `coordinator enrolments reject`, and invite anew.",
                    enrolment=found.id,
                    fingerprint=requested.fingerprint,
                )
            ]
        )


def _waiting_keys(asking: Asking, found: Enrolment) -> RequestedKeys:
    """The keys that this administrator may decide on; ends the command with the reason where there are none."""
    try:
        own = asking.link.credentials.names()
        if found.state != EnrolmentState.ENROLMENT_STATE_REQUESTED:
            raise Refused(Reason.REASON_ENROLMENT_NOT_WAITING, enrolment=found.id)
        if own and own[0].endswith(f"/{found.invited_by}"):
            raise Refused(Reason.REASON_ENROLMENT_NEEDS_ANOTHER_ADMINISTRATOR, actor=found.invited_by)
        return _keys(found, asking.link.federation)
    except (CredentialsUnusable, Refused, ValueError) as error:
        raise NotDone([refusal(error)]) from error


def _table(federation: str) -> Table[Enrolment]:
    def fingerprint(each: Enrolment) -> str:
        if not each.tls_request:
            return ""
        try:
            return _keys(each, federation).fingerprint
        except ValueError as error:
            return refusal(error)

    return Table(
        TableColumn("id", lambda each: each.id),
        TableColumn("region", lambda each: region_name(each.region)),
        TableColumn("state", lambda each: value_word(EnrolmentState.DESCRIPTOR, each.state)),
        TableColumn("invited by", lambda each: each.invited_by),
        TableColumn("decided by", lambda each: each.decided_by),
        TableColumn("end", lambda each: told_time(from_timestamp(each.end_time))),
        TableColumn("fingerprint", fingerprint),
    )


def _keys(enrolment: Enrolment, federation: str) -> RequestedKeys:
    return RequestedKeys.of(enrolment.tls_request, enrolment.signing_request, _node(enrolment, federation))


def _node(enrolment: Enrolment, federation: str) -> Identity:
    return Identity(federation, Role.ROLE_REGION, enrolment.region, "")


def _digits(fingerprint: str) -> str:
    return fingerprint.replace(":", "").replace(" ", "").lower()
