"""One paper for all regions, and records that the customer may close, with an undeniable list of reads."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from rich.text import Text

from deploy.demo import wording
from deploy.demo.commands import coordinator_command
from deploy.demo.everything import PASSWORD
from deploy.demo.world import World
from gateway.api.coordinator.v1.administration_pb2 import ChainVerdict
from gateway.api.federation.v1.configuration_pb2 import LegalBasis, SharedField
from gateway.api.region.v1 import document_service_pb2 as documents
from gateway.api.region.v1 import sharing_service_pb2 as sharing
from gateway.api.region.v1.order_pb2 import PaperUse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.errors import reason_name
from gateway.time.clock import to_timestamp
from gateway.wording.words import english

_PURPOSE = "installation"
_SCAN = b"\x89PNG\r\n\x1a\n" + hashlib.shake_256(b"an identity card").digest(40_000)
_CHUNK = 16 * 1024
_PATIENCE = 150.0  # seconds until witnesses without a head are missed: two rounds, and some more
_BETWEEN = 1.0  # seconds between two looks


async def one_paper(world: World) -> None:
    """Verified in Henan, ordered in Guangdong, decided in Sichuan; nothing is handed in again."""
    stage, number, henan = world.stage, world.people.regular.product.number, world.counters["henan"]
    stage.chapter(
        f"A paper that {world.name('henan')} has verified counts in {world.name('guangdong')}",
        "The scan stays, sealed, where it was verified. Sichuan keeps the register: what it is, who verified it, when,"
        " and a keyed hash.",
    )
    answer = await henan.put_on_file(identity_document("identity-1", number), scanned())
    stage.check("Henan puts the identity card on file", "registered", upload_state(answer.state), answer.document_id)
    (listed,) = await world.here.documents_of(number)
    stage.check("Guangdong sees in the register", "ID_ORIG of henan", f"{listed.code} of {listed.region}")
    request = world.here.request("no-paper-1", "SUSPEND", number, {"reason": "travels"}, papers=())
    order = await world.here.submit(request)
    world.orders.append(order.id)
    stage.check("an order without any paper", "completed", wording.state(order), wording.took(order))
    used = PaperUse.Name(order.paper_use).removeprefix("PAPER_USE_").lower().replace("_", " ")
    stage.check("its papers were", "on file", used, f"verified by {order.request.documents[0].verifier} in Henan")
    reuse = await world.here.document_reuse()
    total, without = sum(each.with_papers for each in reuse), sum(each.without_handing_in for each in reuse)
    stage.say(f"Of {total} completed orders between regions that needed papers, {without} needed none again.")


async def one_consent(world: World) -> None:
    """The customer consents to a region's reads, withdraws that, and sees the reads."""
    stage, number, here = world.stage, world.people.regular.product.number, world.here
    stage.chapter(
        "The customer decides who may read, and sees who did",
        "Purpose, fields and end stand in the grant. What is read is sealed to the region that asks: the coordinator"
        " relays what it cannot read. A consent is withdrawn with one call.",
    )
    stage.check("before any consent", "SHARING_NOT_GRANTED", _told(await _read(world, "read-1")))
    given = await here.give_consent(
        sharing.GiveConsentRequest(
            request_id="consent-1",
            number=number,
            reader=here.region,
            purpose=_PURPOSE,
            decision=sharing.ConsentDecision.CONSENT_DECISION_GRANTED,
            applicant=Applicant.APPLICANT_HOLDER,
            documents=await _by_password(world, "consent-1"),
        )
    )
    seen = await _read(world, "read-2")
    stage.check("with the customer's consent", world.people.regular.name, _told(seen), f"by {given.grant_id}")
    await here.withdraw_consent(
        sharing.WithdrawConsentRequest(
            request_id="withdrawal-1",
            number=number,
            grant_id=given.grant_id,
            applicant=Applicant.APPLICANT_HOLDER,
            documents=await _by_password(world, "withdrawal-1"),
        )
    )
    stage.check("after it was withdrawn", "SHARING_NOT_GRANTED", _told(await _read(world, "read-3")))
    looked = await here.disclosures("look-1", number, await _by_password(world, "look-1"))
    stage.check("the customer's own list has", "3 readings", f"{sum(_is_reading(each) for each in looked)} readings")
    stage.table(("when", "who", "what for", "what happened", "by what right", "seen"), [_row(each) for each in looked])


async def every_chain(world: World) -> None:
    """The chains of all regions, against the heads of their witnesses.

    It runs late: witnesses receive heads each minute.
    """
    stage = world.stage
    stage.chapter(
        "Nobody can deny it",
        "Two other regions and the coordinator keep the signed end of each region's audit chain, told each minute. What"
        " is altered, removed or rewritten behind it is found, with its place.",
    )
    verdicts = await _witnessed(world)
    stage.say(f"{sum(len(each.sightings) for each in verdicts)} heads of {len(verdicts)} chains are kept elsewhere.")
    coordinators = ",".join(each.endpoint for each in world.federation.coordinators)
    code = await coordinator_command(world, "audit", "verify", "--coordinator", coordinators)
    stage.check("every region's audit chain", "exit 0", f"exit {code}", "checked against what its witnesses keep")


async def _witnessed(world: World) -> Sequence[ChainVerdict]:
    """The verdicts on the reachable chains, once each of their witnesses has a row of them. Raises TimeoutError."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            asked = [each for each in await world.administrator.chains() if not each.reason]
            if asked and all(map(_is_witnessed, asked)):
                return asked
            await asyncio.sleep(_BETWEEN)


def _is_witnessed(verdict: ChainVerdict) -> bool:
    keeps = {each.witness for each in verdict.sightings if each.head.sequence}
    return keeps >= {f"region/{each}" for each in verdict.witnesses}


def identity_document(request_id: str, number: str) -> documents.DocumentUpload:
    """The description of a scanned identity card of a customer."""
    return documents.DocumentUpload(
        request_id=request_id,
        number=number,
        code="ID_ORIG",
        media_type="image/png",
        size=len(_SCAN),
        sha256=hashlib.sha256(_SCAN).digest(),
        verify_time=to_timestamp(datetime.now(UTC)),
    )


async def scanned() -> AsyncIterator[documents.DocumentChunk]:
    """The pieces of the scan."""
    for offset in range(0, len(_SCAN), _CHUNK):
        yield documents.DocumentChunk(offset=offset, data=_SCAN[offset : offset + _CHUNK])


async def _by_password(world: World, request_id: str) -> list[Document]:
    """Sichuan's attestation for a request after the customer has typed the service password."""
    return await world.verified(request_id, world.people.regular.product.number, ("PWD",), PASSWORD)


async def _read(world: World, request_id: str) -> sharing.ReadSharedCustomerResponse:
    return await world.here.read_shared(
        sharing.ReadSharedCustomerRequest(
            request_id=request_id,
            number=world.people.regular.product.number,
            purpose=_PURPOSE,
            legal_basis=LegalBasis.LEGAL_BASIS_CONSENT,
            fields=[SharedField.SHARED_FIELD_NAME],
        )
    )


def _told(answer: sharing.ReadSharedCustomerResponse) -> str:
    if answer.HasField("refusal"):
        return reason_name(answer.refusal.reason)
    return ", ".join(text for value in answer.record.values for text in value.texts)


def upload_state(state: documents.UploadState.ValueType) -> str:
    """The printed state of an upload, for example `registered`."""
    return documents.UploadState.Name(state).removeprefix("UPLOAD_STATE_").lower()


def _is_reading(disclosure: sharing.Disclosure) -> bool:
    return disclosure.kind == sharing.DisclosureKind.DISCLOSURE_KIND_READ


def _row(disclosure: sharing.Disclosure) -> list[str | Text]:
    kind = english(sharing.DisclosureKind.Name(disclosure.kind), "DISCLOSURE_KIND_")
    happened = Text(kind, style="green")
    if disclosure.refused != Reason.REASON_UNSPECIFIED:
        happened = Text(f"{kind}, refused: {reason_name(disclosure.refused)}", style="yellow")
    fields = [english(SharedField.Name(each), "SHARED_FIELD_") for each in disclosure.shown]
    return [
        f"{wording.time(disclosure.time)} (Beijing)",
        f"{disclosure.region}/{disclosure.operator}\n{disclosure.particulars.requester.staff_id}",
        f"{disclosure.purpose_title.zh_cn}\n{disclosure.purpose_title.en}",
        happened,
        english(LegalBasis.Name(disclosure.legal_basis), "LEGAL_BASIS_") or "–",
        ", ".join(fields) or disclosure.particulars.record_id or "–",
    ]
