"""What a thief tries with each kind of stolen key, before it is revoked and after: the data of SECURITY.md's tables."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from deploy.local.process import LocalProcess, Program
from gateway.api.coordinator.v1.revocation_service_pb2 import PublishRevocationListRequest
from gateway.api.coordinator.v1.revocation_service_pb2_grpc import RevocationServiceStub
from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.relay.v1.relay_pb2 import DeliverResult, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import from_rpc_error, reason_name
from gateway.rpc.channels import health_of
from gateway.security.issuing import REVOKED as REVOKED_FILE
from gateway.security.issuing import IssuerDirectory
from tests import preloaded
from tests.administrators import Administrators
from tests.federation.certificates import FEDERATION, new_authority
from tests.federation.commands import as_administrator, run_command
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.own_processes import in_own_processes, settings_file
from tests.federation.running import CALL_SECONDS, REGIONS, Federation, until
from tests.promises import OUT_WITHIN_S

DONE: Final = "done"
REVOKED: Final = "CERTIFICATE_REVOKED"
COORDINATOR, REGION_NODE = "coordinator.cli.main", "region_node.cli.main"
SCOPES = """
[till]
services = ["CustomerService", "ErasureService", "OrderService", "SharingService"]
businesses = ["SUSPEND"]
purposes = ["counter-service"]
staff = "named"

[counter]
services = ["*"]
businesses = ["*"]
purposes = ["*"]

[probe]
services = ["*"]
businesses = ["*"]
purposes = ["*"]
staff = "named"

["staff/*"]
businesses = ["SUSPEND"]
purposes = ["counter-service"]
"""


@dataclass(frozen=True)
class Act:
    """One thing that a thief tries, as the page says it. `before` and `after` are DONE, a Reason, or a status."""

    what: str
    before: str
    after: str
    attempt: "Callable[[Scene], Awaitable[str]]" = field(repr=False)


@dataclass
class Scene:
    """A federation whose administrators sign, and what its regions have."""

    federation: Federation
    people: Administrators
    own: str
    """The number of a customer of Guangdong."""
    foreign: str
    """The number of a customer of Sichuan."""
    order: Order
    """An order of Guangdong's counter for the customer of Sichuan."""
    authority: Path
    """The directory of the authority."""
    issuer: Path
    """The directory of the issuer of Guangdong."""
    renewing: Path
    """The directory of the issuer that renews."""
    streams: dict[str, Callable[[], Awaitable[object]]] = field(default_factory=dict)
    """How the next message of each open stream is read, by its path."""
    taken_in: str = ""
    """The order that the robbed member of staff has taken in, once there is one."""

    async def type(self, module: str, *words: str) -> None:
        """Runs a command of an administrator, which has to succeed."""
        ended = await run_command(module, *words, environment=as_administrator(self.federation))
        assert ended.code == 0, ended.err

    async def certify(self, *paths: str) -> None:
        """Has the issuer of Guangdong, which the authority makes, issue the certificates of its own people."""
        self.federation.certificates.authority.save(self.authority)
        await self.type(
            COORDINATOR, "certificates", "issue-issuer", str(self.authority), "guangdong", "--out", str(self.issuer)
        )
        for path in paths:
            out = str(self.federation.certificates.credentials(path).certificate.parent)
            await self.type(REGION_NODE, "credentials", "issue", str(self.issuer), uri_of(path), "--out", out)

    async def renew(self, of: str, rest: ExitStack) -> None:
        """Lets an issuing program renew certificates of nodes, or of coordinators and administrators."""
        out = str(self.renewing)
        await self.type(COORDINATOR, "certificates", f"issue-{of}-issuer", str(self.authority), "--out", out)
        log = self.federation.directory / "issuing.log"
        program = Program("issuing", COORDINATOR, ("enrolments", "renew", out), log, log.with_suffix(".port"))
        process = LocalProcess(program, preloaded.launch)
        rest.callback(process.kill)
        process.launch(as_administrator(self.federation))

    async def revoke(self, path: str) -> None:
        """Revokes all certificates of a member by the commands that the documents name."""
        if path.startswith("region/guangdong/"):
            settings = str(settings_file(self.federation, "guangdong"))
            words = (str(self.issuer), uri_of(path), "--settings", settings)
            await self.type(REGION_NODE, "credentials", "revoke", *words)
            return
        files, issued = self.federation.certificates, IssuerDirectory(self.authority)
        for each in (files.credentials(path).certificate, files.signing(path).certificate):
            if each.exists():
                issued.keep(x509.load_pem_x509_certificate(each.read_bytes()))
        for issuer in (self.authority, self.renewing):
            await self.type(COORDINATOR, "certificates", "revoke", str(issuer), uri_of(path))
            await self.type(COORDINATOR, "revocations", "publish", str(issuer / REVOKED_FILE))

    async def publish(self, path: str, told: RevocationList) -> str:
        """Publishes a list in the name of a member."""
        service = RevocationServiceStub(self.federation.dial_coordinator(path))
        request = PublishRevocationListRequest(revocation_list=told)
        return await outcome(service.PublishRevocationList(request, timeout=CALL_SECONDS))

    async def until_refused(self, path: str) -> None:
        """Returns once every server refuses the certificate of a member, but its own node, which is told no more."""
        channels = [self.federation.dial_coordinator(path)]
        channels += [self.federation.dial_node(each, path) for each in REGIONS if path != f"region/{each}"]

        async def holds() -> bool:
            told = [await outcome(health_of(each, "", CALL_SECONDS)) for each in channels]
            return set(told) == {REVOKED}

        await until(holds, f"everybody refuses {path}", OUT_WITHIN_S)


async def outcome(call: Awaitable[object]) -> str:
    """DONE, the reason of a refusal, or the status of a call that has no reason."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        refused = from_rpc_error(error)
        return error.code().name if refused is None else reason_name(refused.reason)
    return DONE


def delivered(result: DeliverResult) -> str:
    """DONE for an envelope that was accepted, or why it was not."""
    if result.HasField("not_delivered"):
        return reason_name(result.not_delivered.reason)
    receipt = ReceiptContent.FromString(result.receipt.content)
    if receipt.outcome == Outcome.OUTCOME_REFUSED:
        return Reason.Name(receipt.reason).removeprefix("REASON_")
    return DONE if receipt.outcome == Outcome.OUTCOME_ACCEPTED else Outcome.Name(receipt.outcome)


async def envelope_outcome(sent: Awaitable[DeliverResult]) -> str:
    """As `delivered`, or the reason for which the call itself was refused."""
    found = list[DeliverResult]()

    async def wait() -> None:
        found.append(await sent)

    told = await outcome(wait())
    return delivered(found[0]) if told == DONE else told


async def stream_outcome(scene: Scene, path: str, open_one: Callable[[], Callable[[], Awaitable[object]]]) -> str:
    """DONE for a stream that is open; the reason of its end for one that was open before.

    It stays open between the two attempts: a server has to end it by itself.
    """
    read = scene.streams.get(path)
    if read is None:
        scene.streams[path] = read = open_one()
        return await outcome(read())

    async def to_the_end() -> None:
        while await read() is not grpc.aio.EOF:
            pass

    return await outcome(to_the_end())


def false_list() -> RevocationList:
    """A list that a thief signs with an authority of their own."""
    own = new_authority()
    crl = own.revocation_list([1], 10**6, own.certificate.not_valid_before_utc)
    return RevocationList(crl=crl.public_bytes(Encoding.DER))


def uri_of(path: str) -> str:
    """The name in the certificates of the member at a path."""
    return f"spiffe://{FEDERATION}/{path}"


@asynccontextmanager
async def robbed(directory: Path, databases: Databases, *issued: str, renewed: str = "") -> AsyncIterator[Scene]:
    """A federation of processes, with three administrators, of whom two sign, and scopes of Guangdong's systems.

    The certificates `issued` are of people of Guangdong, by its own issuer. An issuing program renews those `renewed`:
    of each `node`, or of each `coordinator` and administrator.
    """
    people = Administrators(directory, FEDERATION, ("li", "wang", "zhao"), threshold=2)
    scopes = directory / "operators.toml"
    scopes.write_text(SCOPES)
    authority, issuer, renewing = (directory / each for each in ("authority", "issuer", "renewing"))
    async with in_own_processes(directory / "federation", databases, people, scopes) as federation:
        own = await Counter(federation, "guangdong", "probe").new_customer()
        foreign = await Counter(federation, "sichuan").new_customer()
        order = await Counter(federation, "guangdong", "probe").order("PAY", foreign)
        scene = Scene(federation, people, own, foreign, order, authority, issuer, renewing)
        await scene.certify(*issued)
        with ExitStack() as rest:
            if renewed:
                await scene.renew(renewed, rest)
            yield scene
