"""`region-node join`: from the token of an invitation to the first certificates of a region's node."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import grpc
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.api.coordinator.v1.enrolment_service_pb2 import EnrolmentState, EnrolRequest, EnrolResponse
from gateway.api.coordinator.v1.enrolment_service_pb2_grpc import JoiningServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.cli.exits import CannotReach, NotDone
from gateway.cli.issuers import DIRECTORY
from gateway.cli.reachability import EndpointType
from gateway.errors import Refused, Unreachable
from gateway.process.files import create_file, replace_file
from gateway.rpc.channels import invoke
from gateway.security.authority import (
    AUTHORITY_CERTIFICATE,
    SIGNING_CERTIFICATE,
    SIGNING_KEY,
    TLS_CERTIFICATE,
    TLS_KEY,
)
from gateway.security.enrolling import (
    Invitation,
    RequestedKeys,
    certificate_request,
    enrolment_id,
    token_hash,
)
from gateway.security.identity import server_name
from gateway.security.private_keys import PrivateKey, file_key, open_key, private_pem
from gateway.security.region_keys import REGION_KEYS, KeySet
from gateway.security.tls import client_options, joiner_credentials
from gateway.wording.languages import refusal, translated

_WAIT = 3600  # seconds
_PAUSE = 2.0  # seconds between two questions
_CALL_SECONDS = 10.0
_PUBLIC = 0o644
# The coordinator may take the same request later.
_LATER = (
    Reason.REASON_ENROLMENTS_TOO_MANY,
    Reason.REASON_REGISTRY_UNAVAILABLE,
    Reason.REASON_CLOCK_UNTRUSTED,
    Reason.REASON_CALLS_TOO_MANY,
    Reason.REASON_CONNECTIONS_TOO_MANY,
    Reason.REASON_SERVER_CALLS_TOO_MANY,
)
_OPEN = (EnrolmentState.ENROLMENT_STATE_UNSPECIFIED, EnrolmentState.ENROLMENT_STATE_REQUESTED)
_STDIN = "-"


@click.command()
@click.argument("token")
@click.option("--coordinator", type=EndpointType(), required=True, help="Where a coordinator serves enrolment.")
@click.option("--out", type=DIRECTORY, default=".", show_default=True, help="Where keys and certificates go.")
@click.option("--wait", type=click.IntRange(min=0), default=_WAIT, show_default=True, help="Seconds to wait at most.")
def join(token: str, coordinator: str, out: Path, wait: int) -> None:
    """Make the keys of a region's node, and get its certificates by the TOKEN of an invitation; - reads it as input.

    The keys are made here and stay here, readable by this user alone, also those that seal the region's data
    (region.keys). Keys that are in that directory are taken as they are; a signing.key may name one in a token
    (RFC 7512). Tell the printed id and fingerprint to an administrator other than the one who sent the token. Once that
    one has approved, the certificates are written beside the keys. The same command continues where it was broken off.

    \b
    Example:
      region-node join - --coordinator coordinator-0.example:7001 --out node < invitation

    \b
    Exit codes: 0 enrolled, 1 refused, and the text says why, 2 wrong usage, 3 no answer, or not approved in time.
    """
    try:
        invitation = Invitation.parse(sys.stdin.read() if token == _STDIN else token)
    except ValueError as error:
        raise click.UsageError(translated("the token is not whole: it is one long word, as it was printed")) from error
    joiner = _prepared(invitation, out)
    click.echo(translated("The keys of {node} are in {directory}.", node=invitation.identity.path, directory=out))
    kept = translated("Keep a copy of {file} apart: without it nobody reads the region's data.", file=out / REGION_KEYS)
    click.echo(kept)
    answer = asyncio.run(joiner.enrolled(coordinator, wait))
    try:
        joiner.write(answer)
    except (OSError, ValueError) as error:
        raise NotDone([translated("the certificates cannot be used: {problem}", problem=refusal(error))]) from error
    click.echo(
        translated(
            "The certificates are in {directory}. The federation's anchor comes from its administrators by hand.",
            directory=out,
        )
    )


def _prepared(invitation: Invitation, out: Path) -> "_Joiner":
    try:
        if (out / TLS_CERTIFICATE).exists():
            raise NotDone([translated("{directory} has certificates: name another by --out", directory=out)])
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        tls = file_key(_made(out / TLS_KEY, lambda: ec.generate_private_key(ec.SECP256R1())))
        signing = open_key(_made(out / SIGNING_KEY, Ed25519PrivateKey.generate))
        if not (out / REGION_KEYS).exists():
            create_file(out / REGION_KEYS, KeySet.new().written())
        return _Joiner.of(invitation, out, tls, signing)
    except (OSError, ValueError) as error:
        raise NotDone([refusal(error)]) from error


def _made(path: Path, make: Callable[[], PrivateKey]) -> Path:
    """The file of a key, which is made where there is none. Raises OSError."""
    if not path.exists():
        create_file(path, private_pem(make()))
    return path


@dataclass(frozen=True)
class _Joiner:
    """A node on its way into the federation."""

    invitation: Invitation
    out: Path
    request: EnrolRequest
    keys: RequestedKeys

    @classmethod
    def of(cls, invitation: Invitation, out: Path, tls: PrivateKey, signing: PrivateKey) -> "_Joiner":
        """A node with its keys. Raises ValueError for keys of another kind."""
        identity = invitation.identity
        request = EnrolRequest(
            secret=invitation.secret,
            tls_request=certificate_request(tls, identity),
            signing_request=certificate_request(signing, identity),
        )
        keys = RequestedKeys.of(request.tls_request, request.signing_request, identity)
        return cls(invitation, out, request, keys)

    async def enrolled(self, coordinator: str, wait: float) -> EnrolResponse:
        """The answer of an approved enrolment, within `wait` seconds. Ends the command without one.

        Tells id and fingerprint with the first answer to the request, also with a refusal.
        """
        name = server_name(Role.ROLE_COORDINATOR, "", self.invitation.identity.federation)
        credentials = joiner_credentials(self.invitation.authority_pem)
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        async with grpc.aio.secure_channel(coordinator, credentials, options=client_options(name)) as channel:
            stub, answer = JoiningServiceStub(channel), EnrolResponse()
            while True:
                obstacle = translated("Nobody has approved yet.")
                try:
                    before, answer = answer, await invoke(stub.Enrol, self.request, _CALL_SECONDS)
                    if not before.state:
                        self._tell()
                except Refused as refused:
                    if refused.reason not in _LATER:
                        if not answer.state:
                            self._tell()
                        raise NotDone([refusal(refused)]) from refused
                    obstacle = refusal(refused)
                except Unreachable as error:
                    obstacle = _unreached(coordinator, name, error)
                    if not answer.state:
                        raise CannotReach(obstacle) from error
                if answer.state not in _OPEN:
                    return _decided(answer)
                if loop.time() + _PAUSE > end:
                    again = translated("Repeat the command: it continues then.")
                    raise CannotReach(f"{obstacle}\n{again}")
                await asyncio.sleep(_PAUSE)

    def _tell(self) -> None:
        enrolment = enrolment_id(token_hash(self.invitation.secret))
        told = translated(
            "Tell the administrator who approves: {enrolment} {fingerprint}",
            enrolment=enrolment,
            fingerprint=self.keys.fingerprint,
        )
        click.echo(told)

    def write(self, answer: EnrolResponse) -> None:
        """Writes the certificates; that for TLS last, by which an enrolled directory is known.

        Raises ValueError for certificates of other keys, names or authorities, and OSError.
        """
        tls, signing, invitation = answer.tls_certificate, answer.signing_certificate, self.invitation
        self.keys.require_certified(tls, signing, invitation.authorities, invitation.identity)
        replace_file(self.out / AUTHORITY_CERTIFICATE, invitation.authority_pem, _PUBLIC)
        replace_file(self.out / SIGNING_CERTIFICATE, signing, _PUBLIC)
        replace_file(self.out / TLS_CERTIFICATE, tls, _PUBLIC)


def _decided(answer: EnrolResponse) -> EnrolResponse:
    if answer.state == EnrolmentState.ENROLMENT_STATE_APPROVED:
        return answer
    if answer.state == EnrolmentState.ENROLMENT_STATE_REJECTED:
        raise NotDone([translated("An administrator has rejected the enrolment: {note}", note=answer.note)])
    raise NotDone([translated("Nobody has approved in time: ask for another invitation.")])


def _unreached(coordinator: str, name: str, error: Unreachable) -> str:
    return translated(
        "no answer from {endpoint}, which has to prove that it is {name}: {problem}",
        endpoint=coordinator,
        name=name,
        problem=error,
    )
