"""An authority checks an envelope or a receipt with the script, Python and cryptography alone."""

import json
import runpy
import subprocess
import sys
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.access_pb2 import Role
from gateway.security.authority import Authority, Issued
from gateway.security.identity import Identity
from gateway.security.signing import ENVELOPE, RECEIPT, Signer
from gateway.time.clock import to_timestamp

SCRIPT = Path(__file__).parents[2] / "deploy" / "audit" / "check_proof.py"
# Runs the script where neither the project nor a library but cryptography can be imported.
BARE = "import runpy, sys; sys.modules.update(dict.fromkeys(['google', 'grpc', 'gateway'])); "
FEDERATION = "demo.example"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ID = "guangdong/counter/R1#submit>sichuan"
Proof = dict[str, str]


class Certified:
    """A federation's authority, and the signing certificates of its regions."""

    def __init__(self, directory: Path) -> None:
        self._authority = Authority.create(FEDERATION, NOW - DAY, NOW + DAY)
        self._directory = directory
        (directory / "authority.crt").write_bytes(self._authority.certificate_pem)
        self.guangdong, self.sichuan = self.issue("guangdong"), self.issue("sichuan")

    def issue(self, region: str) -> Issued:
        return self._authority.issue_signing(Identity(FEDERATION, Role.ROLE_REGION, region, ""), NOW - DAY, NOW + DAY)

    def arguments(self, proof: object) -> list[str]:
        """The command line of the script for a proof."""
        path = self._directory / "proof.json"
        path.write_text(json.dumps(proof))
        return [str(SCRIPT), str(path), "--authority", str(self._directory / "authority.crt")]

    def checked(self, proof: object) -> tuple[int, str]:
        """The exit code of the script for a proof, and its words."""
        run = f"sys.argv = {self.arguments(proof)!r}; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
        done = subprocess.run([sys.executable, "-I", "-c", BARE + run], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(name="certified")
def a_federation(tmp_path: Path) -> Certified:
    return Certified(tmp_path)


def envelope(origin: str = "guangdong", envelope_id: str = ID, time: datetime = NOW) -> bytes:
    return EnvelopeContent(
        id=envelope_id,
        origin=origin,
        destination="sichuan",
        kind=EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT,
        payload=b"the order",
        create_time=to_timestamp(time),
        bulk=True,
    ).SerializeToString()


def receipt() -> bytes:
    return ReceiptContent(
        envelope_id=ID,
        origin="guangdong",
        destination="sichuan",
        content_digest=sha256(envelope()).digest(),
        outcome=Outcome.OUTCOME_ACCEPTED,
        decide_time=to_timestamp(NOW),
    ).SerializeToString()


def proof(issued: Issued, kind: str, content: bytes, together: int = 1, place: int = 0) -> Proof:
    """The proof of a content that was signed together with others."""
    assert isinstance(issued.key, Ed25519PrivateKey)
    contents = [content if index == place else b"another %d" % index for index in range(together)]
    domain = ENVELOPE if kind == "envelope" else RECEIPT
    signatures = Signer(issued.key).sign_all(domain, contents, Random(1).randbytes)
    return {
        "kind": kind,
        "region": "guangdong" if kind == "envelope" else "sichuan",
        "content": b64encode(content).decode(),
        "signature": b64encode(signatures[place]).decode(),
        "certificate": issued.certificate_pem.decode(),
    }


def test_an_envelope_signed_alone_is_proven(certified: Certified) -> None:
    code, told = certified.checked(proof(certified.guangdong, "envelope", envelope()))
    assert (code, told.splitlines()) == (
        0,
        [
            "envelope signed by guangdong, alone",
            f"id '{ID}', from 'guangdong' to 'sichuan'",
            "time 2026-11-24 12:00:00 UTC, by the clock of guangdong",
            f"SHA-256 of the content {sha256(envelope()).hexdigest()}",
        ],
    )


def test_a_receipt_signed_with_others_is_proven_with_the_envelope_that_it_answers(certified: Certified) -> None:
    for together, place in ((2, 1), (3, 2), (64, 17)):
        code, told = certified.checked(proof(certified.sichuan, "receipt", receipt(), together, place))
        assert (code, told.splitlines()) == (
            0,
            [
                f"receipt signed by sichuan, one of {together} of one commit",
                f"id '{ID}', from 'guangdong' to 'sichuan'",
                "time 2026-11-24 12:00:00 UTC, by the clock of sichuan",
                f"SHA-256 of the content {sha256(receipt()).hexdigest()}",
                f"SHA-256 of the content of the answered envelope {sha256(envelope()).hexdigest()}",
            ],
        )


def test_everything_else_is_not_proven(certified: Certified, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other").mkdir()
    other = Certified(tmp_path / "other")
    good = proof(certified.sichuan, "receipt", receipt(), 3)
    neighbour = {"content": b64encode(b"another 1").decode()}
    whole = b64decode(good["signature"])
    cut, shorter, longer = (
        {**good, "signature": b64encode(each).decode()} for each in (whole[:-1], whole[:-32], whole + bytes(32))
    )
    cases: dict[str, tuple[object, str]] = {
        "another content": ({**good, "content": b64encode(receipt() + b"\x20\x01").decode()}, "not that of sichuan"),
        "the content of a neighbour": ({**good, **neighbour}, "not that of sichuan"),
        "another kind": ({**good, "kind": "envelope", "region": "guangdong"}, "certificate is not that of guangdong"),
        "an unknown kind": ({**good, "kind": "head"}, "neither an envelope nor a receipt"),
        "a cut signature": (cut, "cut off"),
        "a path without its end": (shorter, "too short"),
        "a longer path": (longer, "too long"),
        "another authority": (proof(other.sichuan, "receipt", receipt(), 3), "not of this authority"),
        "another region": ({**good, "region": "henan"}, "certificate is not that of henan"),
        "in the name of another": (proof(certified.guangdong, "envelope", envelope("henan")), "in the name of henan"),
        "out of time": (proof(certified.guangdong, "envelope", envelope(time=NOW + 9 * DAY)), "not valid at"),
        "no message": (proof(certified.guangdong, "envelope", b"\xff" * 9), ""),
        "no proof": ([], ""),
        "a part is missing": ({"kind": "envelope"}, ""),
    }
    wrong = {}
    for name, (shown, problem) in cases.items():
        monkeypatch.setattr(sys, "argv", certified.arguments(shown))
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        told = str(end.value.code)
        if not told.startswith("NOT PROVEN: ") or problem not in told:
            wrong[name] = told
    assert wrong == {}
    assert certified.checked({**good, "kind": "head"}) == (1, "NOT PROVEN: this is neither an envelope nor a receipt\n")
