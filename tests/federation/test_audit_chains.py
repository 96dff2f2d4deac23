"""The audit chains of the federation: sent to witnesses every minute, verified by coordinator and region, exported."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.coordinator.v1.administration_pb2 import ChainVerdict, VerifyChainsRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import AuditOversightServiceStub
from gateway.api.federation.v1.federation_pb2 import AuditHead
from gateway.api.region.v1.audit_service_pb2 import ChainProblemKind, VerifyChainRequest
from gateway.api.region.v1.audit_service_pb2_grpc import AuditServiceStub as RegionAuditServiceStub
from gateway.auditing import audit
from gateway.auditing.audit import Head
from gateway.auditing.chain_heads import HeadSigner
from gateway.federation.witnesses import witnesses_of
from gateway.security.member_proofs import proof_of_member
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.security.signing import COORDINATOR_HEAD, Signer
from region_node.cli.node import audit_witnesses
from region_node.cli.node.audit_export import Proof, Wanted, export, written
from region_node.node.witnessing import coordinators
from tests.federation.certificates import FEDERATION
from tests.federation.chains import MANIPULATIONS, Manipulation, read_chain, until_witnessed, write_chain
from tests.federation.commands import run_command
from tests.federation.counter import Counter
from tests.federation.databases import Database, Databases
from tests.federation.losses import Recovery
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, REGIONS, Federation, running, until

COORDINATOR = "coordinator/0"
SCRIPT = Path(__file__).parents[2] / "deploy" / "audit" / "check_export.py"


async def verdicts(federation: Federation, region: str = "") -> dict[str, ChainVerdict]:
    """The verdicts on the chains for an administrator."""
    stub = AuditOversightServiceStub(federation.dial_coordinator("admin/root"))
    stream = stub.VerifyChains(VerifyChainsRequest(region=region), timeout=CALL_SECONDS)
    told = [response.verdict async for response in stream]
    return {verdict.region or verdict.chain: verdict for verdict in told}


def verify_command(federation: Federation) -> list[str]:
    """The command of an administrator."""
    directory = federation.certificates.credentials("admin/root").certificate.parent
    asked = ["--coordinator", federation.coordinator_endpoint, "--credentials", str(directory)]
    return ["audit", "verify", *asked, "--federation", FEDERATION]


async def learnt(federation: Federation, region: str) -> audit_witnesses.Testimony:
    """The heads collected by the region's own command."""
    return await audit_witnesses.Witnesses(federation.region_settings(region), federation.clock).testify()


async def until_asked(database: Database) -> None:
    """Returns once the other regions have asked Sichuan what it has of them, as each does after its start."""
    asking = {f"{region}/receipts" for region in REGIONS if region != "sichuan"}

    async def have_asked() -> bool:
        return asking <= {row.subject for row in read_chain(database)}

    await until(have_asked, "the other regions have asked for receipts")


@asynccontextmanager
async def manipulated(sichuan: Counter, manipulation: Manipulation) -> AsyncIterator[int]:
    """Sichuan's chain is manipulated; gives the row in its middle, and puts the chain back at the end.

    The region itself does not look until all who saw the other chain have seen more of this one: it would serve nothing
    from then on.
    """
    database = sichuan.federation.database("sichuan")
    await until_asked(database)
    before = read_chain(database)
    middle = len(before) // 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit, "lacks", lambda *_: False)
        write_chain(database, manipulation.apply(before, middle))
        try:
            yield middle
        finally:
            write_chain(database, before)
            for _ in range(2):  # beyond the row that was inserted, which a heartbeat has handed in
                await sichuan.new_customer()
            await until_witnessed(sichuan.federation, "sichuan")


async def test_every_region_has_two_witnesses_that_keep_its_head(federation: Federation, sichuan: Counter) -> None:
    await sichuan.new_customer()
    for region in REGIONS:
        await until_witnessed(federation, region)
    found = await verdicts(federation)
    assert found.keys() == {*REGIONS, COORDINATOR}
    assert not found.pop(COORDINATOR).problems
    for region, verdict in found.items():
        assert not verdict.problems
        assert list(verdict.witnesses) == witnesses_of(region, REGIONS)
        witnesses = {each.witness for each in verdict.sightings}
        assert witnesses == {"coordinator", *(f"region/{name}" for name in verdict.witnesses)}
        assert all(each.agrees for each in verdict.sightings)
        assert verdict.head.sequence >= max(each.head.sequence for each in verdict.sightings)


@pytest.mark.parametrize("manipulation", MANIPULATIONS, ids=lambda each: each.name)
async def test_what_is_done_to_a_chain_is_found_by_coordinator_and_region_with_its_place(
    federation: Federation, sichuan: Counter, manipulation: Manipulation
) -> None:
    for _ in range(4):
        await sichuan.new_customer()
    await until_witnessed(federation, "sichuan")
    asked = await learnt(federation, "sichuan")
    assert {each.witness for each in asked.seen()} == {"coordinator", "region/guangdong", "region/henan"}
    settings = federation.region_settings("sichuan")
    async with manipulated(sichuan, manipulation) as middle:
        verdict = (await verdicts(federation, "sichuan"))["sichuan"]
        with settings.database.look() as tx, pytest.raises(audit.ChainBroken) as raised:
            audit.verify(audit.rows(tx), asked.seen())
    problem = verdict.problems[0]
    assert (problem.kind, raised.value.kind) == (manipulation.kind, manipulation.kind)
    if manipulation.name == "whole rewrite":  # where it begins nobody knows: told is the first row that others saw
        assert problem.sequence == min(each.head.sequence for each in verdict.sightings if not each.agrees)
        assert raised.value.sequence == min(each.head.sequence for each in asked.seen())
        assert {each.witness for each in verdict.problems} == {"coordinator", "region/guangdong", "region/henan"}
    else:
        assert problem.sequence == raised.value.sequence == middle + manipulation.place
    assert f"row {raised.value.sequence}" in str(raised.value)
    assert problem.HasField("row_time"), "of the row, or of the last one that is there"
    assert not (await verdicts(federation, "sichuan"))["sichuan"].problems


@pytest.fixture
def often_witnessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that has not reached a coordinator asks it again soon for the heads of its chains."""
    monkeypatch.setattr(coordinators, "INTERVAL", 2.0)


@pytest.mark.clause("11.1")
@pytest.mark.usefixtures("often_witnessed")
async def test_every_region_is_a_witness_of_the_coordinators_chain_and_a_cut_one_is_found(
    tmp_path: Path, databases: Databases
) -> None:
    async with running(tmp_path, databases) as federation:

        async def is_witnessed() -> bool:
            found = await verdicts(federation)
            seen = found[COORDINATOR].sightings
            return {each.witness for each in seen if each.head.sequence} == {f"region/{each}" for each in REGIONS}

        await until(is_witnessed, "every region keeps a head of the coordinator's chain")
        sightings = (await verdicts(federation))[COORDINATOR].sightings
        assert all(each.agrees and each.endpoint and each.signer == COORDINATOR for each in sightings)
        rows = read_chain(federation.coordinator_database)
        write_chain(federation.coordinator_database, [])
        verdict = (await verdicts(federation))[COORDINATOR]
        assert {each.kind for each in verdict.problems} == {ChainProblemKind.CHAIN_PROBLEM_KIND_CUT}
        assert {each.witness for each in verdict.problems} == {f"region/{each}" for each in REGIONS}
        ended = await run_command("coordinator.cli.main", *verify_command(federation), environment={})
        assert ended.code == 1
        assert "coordinator/0: the tail was cut: row 1" in ended.err
        write_chain(federation.coordinator_database, rows)


@pytest.mark.usefixtures("often_witnessed")
@pytest.mark.parametrize(
    ("signer", "endpoint"),
    [
        ("", ""),
        ("", "genuine, signed by coordinator/0"),
        ("region/henan", "127.0.0.1:7000"),
        ("coordinator/1", "127.0.0.1:7000"),
    ],
)
async def test_a_head_that_a_coordinator_has_not_signed_itself_accuses_it_of_nothing(
    tmp_path: Path, databases: Databases, signer: str, endpoint: str
) -> None:
    async with running(tmp_path, databases) as federation:
        henan, invented = federation.database("henan"), Head(900_000, bytes(32))

        async def keeps_a_head() -> bool:
            return henan.rows("SELECT 1 FROM witnessed_chains") != []

        await until(keeps_a_head, "the region keeps a head of the coordinator's chain")
        signed = "NULL"
        if signer:
            own = federation.certificates.credentials(signer)
            by = HeadSigner(proof_of_member(own, federation.clock, COORDINATOR_HEAD), federation.clock)
            signed = henan.blob(by.signed(COORDINATOR, invented).SerializeToString())
        henan.change(
            f"UPDATE witnessed_chains SET sequence = {invented.sequence}, hash = {henan.blob(invented.hash)},"
            f" signed = {signed}, endpoint = '{endpoint}'"
        )
        verdict = (await verdicts(federation))[COORDINATOR]
        (told,) = [each for each in verdict.sightings if each.head.sequence == invented.sequence]
        assert (told.witness, told.signer, told.agrees) == ("region/henan", "", False)
        assert list(verdict.problems) == []
        ended = await run_command("coordinator.cli.main", *verify_command(federation), environment={})
        assert (ended.code, "unsigned" in ended.out) == (0, True), ended
        assert "genuine" not in ended.out, "a text that is no address is not shown as one"


@pytest.mark.clause("7.3(3)", "11.1")
async def test_a_cut_chain_is_an_alarm_at_its_witnesses_and_told_back(
    tmp_path: Path, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, databases) as federation:
        sichuan = Counter(federation, "sichuan")
        for _ in range(3):
            await sichuan.new_customer()
        await until_witnessed(federation, "sichuan")
        rows = read_chain(federation.database("sichuan"))
        monkeypatch.setattr(audit, "lacks", lambda *_: False)
        write_chain(federation.database("sichuan"), rows[:-2])

        def has_noted_it(region: str) -> bool:
            found = federation.database(region).rows(
                "SELECT 1 FROM audit WHERE action = 'AUDIT_HEAD_CONTRADICTED' AND subject = 'region/sichuan'"
            )
            return found != []

        async def all_have() -> bool:
            await federation.advance(timedelta(seconds=61))  # a minute in which clocks are not trusted yet is lost
            return all(map(has_noted_it, REGIONS))

        await until(all_have, "its two witnesses and itself have noted it")
        problems = (await verdicts(federation, "sichuan"))["sichuan"].problems
        assert problems
        monkeypatch.undo()
        recovery = Recovery(federation, "sichuan")

        async def is_fenced() -> bool:
            await federation.advance(timedelta(seconds=61))
            return await recovery.is_fenced()

        await until(is_fenced, "the region has compared its chain with what its witnesses keep")
        (loss,) = (await recovery.found()).losses
        assert loss.last_sequence >= rows[-3].sequence
        assert (await refusal(sichuan.new_customer())).reason == "DATABASE_BEHIND"


async def test_a_region_walks_its_chain_in_parts_and_refuses_what_is_no_part(federation: Federation) -> None:
    stub = RegionAuditServiceStub(federation.dial_node("sichuan", "coordinator/0"))
    first = await stub.VerifyChain(VerifyChainRequest(rows=1, sequences=[1]), timeout=CALL_SECONDS)
    assert (first.head.sequence, first.is_end) == (1, False)
    assert [row.head.sequence for row in first.requested_rows] == [1]
    rest = await stub.VerifyChain(VerifyChainRequest(after=first.head), timeout=CALL_SECONDS)
    assert (rest.is_end, rest.HasField("problem")) == (True, False)
    wrong = AuditHead(sequence=1, hash=bytes(32))
    other = await stub.VerifyChain(VerifyChainRequest(after=wrong), timeout=CALL_SECONDS)
    assert (other.problem.kind, other.problem.sequence) == (ChainProblemKind.CHAIN_PROBLEM_KIND_ALTERED, 2)
    for request, field in (
        (VerifyChainRequest(rows=100_001), "rows"),
        (VerifyChainRequest(sequences=range(1, 258)), "sequences"),
        (VerifyChainRequest(after=AuditHead(sequence=1, hash=b"x")), "after"),
    ):
        told = await refusal(stub.VerifyChain(request, timeout=CALL_SECONDS))
        assert (told.reason, told.parameters["field"]) == ("REQUEST_INVALID", field)


async def exported(federation: Federation, number: str) -> str:
    """An export of the rows about the customer of a number, of this month."""
    settings = federation.region_settings("sichuan")
    now = federation.clock.now()
    wanted = Wanted(
        settings.federation,
        "sichuan",
        f"customer-{number.removeprefix('+')}",
        now - timedelta(days=20),
        now + timedelta(days=1),
    )
    asked = await learnt(federation, "sichuan")
    proof = Proof(Signer.load(settings.signing.key), settings.signing.certificate.read_bytes(), asked.regions)
    with settings.database.look(RegionKeys(KeySet.load(settings.keys))) as tx:
        return "".join(map(written, export(tx, wanted, proof)))


def checked(federation: Federation, directory: Path, text: str) -> "subprocess.CompletedProcess[str]":
    """The published script's verdict on a file."""
    path = directory / "export.jsonl"
    path.write_text(text, encoding="utf-8")
    authority = federation.certificates.credentials("region/henan").authority
    command = [sys.executable, "-I", str(SCRIPT), str(path), "--authority", str(authority)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


Lines = list[dict[str, object]]


def _shown(lines: Lines) -> list[int]:
    return [index for index, line in enumerate(lines) if "row" in line]


def _alter(lines: Lines) -> None:
    row = lines[_shown(lines)[0]]["row"]
    assert isinstance(row, dict)
    row["detail"] = "somebody else"


def _remove(lines: Lines) -> None:
    del lines[_shown(lines)[0]]


def _add(lines: Lines) -> None:
    lines.insert(_shown(lines)[0], {"digests": ["00" * 32]})


def _swap(lines: Lines) -> None:
    first = _shown(lines)[0]
    lines[first], lines[first - 1] = lines[first - 1], lines[first]


def _other_region(lines: Lines) -> None:
    certificates = lines[-1]["certificates"]
    assert isinstance(certificates, dict)
    certificates["sichuan"] = certificates["henan"]


def _other_signature(lines: Lines) -> None:
    head, witnesses = lines[-1]["head"], lines[-1]["witnesses"]
    assert isinstance(head, dict)
    assert isinstance(witnesses, list)
    head["signature"] = witnesses[0]["signature"]


def _cut_end(lines: Lines) -> None:
    del lines[-1]


@pytest.mark.parametrize("tamper", [_alter, _remove, _add, _swap, _other_region, _other_signature, _cut_end])
@pytest.mark.clause("7.4(3)")
async def test_an_export_is_proven_by_the_published_script_and_a_tampered_one_is_not(
    federation: Federation, guangdong: Counter, sichuan: Counter, tmp_path: Path, tamper: Callable[[Lines], None]
) -> None:
    number, other = await sichuan.new_customer(), await sichuan.new_customer()
    order = await guangdong.order("SUSPEND", number)
    await guangdong.order("SUSPEND", other)
    await until_witnessed(federation, "sichuan")
    text = await exported(federation, number)
    assert order.id in text
    assert other.removeprefix("+") not in text, "nobody else's rows are told"
    good = checked(federation, tmp_path, text)
    assert (good.returncode, good.stderr) == (0, "")
    assert "the end is signed by sichuan" in good.stdout
    assert "as henan saw it" in good.stdout
    assert "as guangdong saw it" in good.stdout
    lines = [json.loads(line) for line in text.splitlines()]
    tamper(lines)
    bad = checked(federation, tmp_path, "".join(map(written, lines)))
    assert bad.returncode == 1
    assert "NOT PROVEN" in bad.stderr


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.clause("7.2(4)")
async def test_an_administrator_verifies_the_federation_by_one_command(
    federation: Federation, sichuan: Counter, *, as_json: bool
) -> None:
    for _ in range(3):
        await sichuan.new_customer()
    await until_witnessed(federation, "sichuan")
    command = [*verify_command(federation), *(["--json"] if as_json else [])]

    async def verified() -> tuple[int | None, str, str]:
        ended = await run_command("coordinator.cli.main", *command, environment={})
        return ended.code, ended.out, ended.err

    code, out, err = await verified()
    assert (code, err) == (0, "")
    assert all(region in out for region in REGIONS)
    assert "region/guangdong" in out
    async with manipulated(sichuan, MANIPULATIONS[1]) as middle:
        code, out, err = await verified()
    assert code == 1
    assert f"sichuan: row {middle} is missing" in err
    assert "is missing" not in out, "what is wrong is told once, below the table"
    if as_json:
        assert {each["region"] or each["chain"] for each in json.loads(out)["chains"]} == {*REGIONS, COORDINATOR}
