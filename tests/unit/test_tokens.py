"""Keys in tokens (PKCS #11): they sign like those of files, and what fails has a name. Nothing tells a PIN."""

import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pkcs11
import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from coordinator.cli.main import main
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Interrupted
from gateway.maintenance.doctor.certificates import check_signing
from gateway.maintenance.doctor.findings import Finding, State
from gateway.security import tokens
from gateway.security.authority import AUTHORITY_CERTIFICATE, AUTHORITY_KEY, ISSUER_KEY, Authority
from gateway.security.identity import Identity, parse
from gateway.security.issuers import NODES
from gateway.security.issuing import IssuerDirectory
from gateway.security.private_keys import KeyUnusable, PrivateKey, is_in_token, open_key, private_pem
from gateway.security.revocations import Revocations
from gateway.security.signing import ENVELOPE, REVISION, ServingSigner, Signer, is_signed_by
from gateway.security.tls import Credentials, CredentialsUnusable
from tests.tokens import LIBRARY, PIN, Token

FEDERATION = "demo.example"
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module", name="shared")
def a_shared_token(softhsm: Path, tmp_path_factory: pytest.TempPathFactory) -> Token:
    """A token with the key `li`, for tests that change nothing of it: each token of its own costs two processes."""
    token = Token(softhsm, tmp_path_factory.mktemp("shared"), "shared token")
    token.ed25519("li")
    return token


def region(path: str) -> Identity:
    return parse(f"spiffe://{FEDERATION}/{path}", FEDERATION)


def signs(key: PrivateKey) -> bool:
    """Whether an Ed25519 key signs."""
    assert isinstance(key, Ed25519PrivateKey)
    signer = Signer(key)
    return is_signed_by(signer.public_key, REVISION, b"statement", signer.sign(REVISION, b"statement"))


def authority_on(token: Token, directory: Path) -> IssuerDirectory:
    """An authority whose key was put into a token."""
    made = Authority.create(FEDERATION, NOW - DAY, NOW + 365 * DAY)
    made.save(directory)
    key = open_key(directory / AUTHORITY_KEY)
    token.hold("authority", key, directory / AUTHORITY_KEY)
    return IssuerDirectory(directory)


def test_an_ed25519_key_of_a_token_signs_what_its_public_key_verifies(token: Token) -> None:
    key = Ed25519PrivateKey.generate()
    signer = Signer.load(token.hold("li", key))
    assert signer.public_key == key.public_key().public_bytes_raw()
    assert signer.sign(REVISION, b"statement") == Signer(key).sign(REVISION, b"statement")
    assert signs(open_key(token.naming(token.own / "id.key", f"token={token.label};id=%6c%69;type=private")))


def test_an_authority_on_a_token_certifies_a_region_its_issuer_and_signs_lists(token: Token, tmp_path: Path) -> None:
    directory = authority_on(token, tmp_path / "authority")
    authority = directory.authority
    issued = directory.issue(region("region/sichuan"), NOW, 10 * DAY)
    issued.tls.certificate.verify_directly_issued_by(authority.certificate)
    assert issued.signing is not None
    issued.signing.certificate.verify_directly_issued_by(authority.certificate)
    issuer = authority.issue_issuer("sichuan", NOW, NOW + 10 * DAY)
    issuer.certificate.verify_directly_issued_by(authority.certificate)
    revocations = Revocations((tmp_path / "authority" / AUTHORITY_CERTIFICATE).read_bytes(), FEDERATION)
    revocations.take(directory.revoke([issued.tls.certificate.serial_number], NOW))
    assert revocations.names(issued.tls.certificate)


def test_the_key_of_a_token_is_written_nowhere(token: Token, tmp_path: Path) -> None:
    authority = authority_on(token, tmp_path / "authority").authority
    with pytest.raises(KeyUnusable, match="never leaves its token"):
        authority.save(tmp_path / "copy")
    with pytest.raises(KeyUnusable, match="never leaves its token"):
        private_pem(open_key(token.ed25519("li")))
    assert not list((tmp_path / "copy").iterdir())


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("token=other;object=li", "shows no such token"),
        ("token={label};object=other", "no such key with a public key beside it"),
        ("serial=0;object=li", "shows no such token"),
        ("object=li", "the URI names no token"),
        ("token={label}", "the URI names no key"),
        ("token={label};object=li;type=public", "the URI names no private key"),
        ("token={label};object=li;object=wang", "object twice"),
        ("token={label};slot-id=1;object=li", "an attribute that is not known: slot-id"),
    ],
)
def test_a_file_that_names_no_key_says_why(shared: Token, path: str, problem: str) -> None:
    with pytest.raises(KeyUnusable, match=problem):
        open_key(shared.naming(shared.own / "wrong.key", path.format(label=shared.label)))


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        (f"module-path={LIBRARY}", "an absolute path: pin-source"),
        (f"module-path={LIBRARY}&pin-source=|cat", "an absolute path: pin-source"),
        (f"module-path={LIBRARY}&pin-value={PIN}", "a PIN does not stand in a URI"),
        ("module-path=libsofthsm2.so&pin-source=file:/nowhere/pin", "an absolute path: module-path"),
        ("module-path=/nowhere/library.so&pin-source=file:/nowhere/pin", "library.so"),
    ],
)
def test_a_file_with_no_way_to_its_key_says_why(shared: Token, query: str, problem: str) -> None:
    with pytest.raises(KeyUnusable, match=problem.replace("|", r"\|")) as raised:
        open_key(shared.naming(shared.own / "wrong.key", f"token={shared.label};object=li", query))
    assert PIN not in str(raised.value)


def test_a_pin_that_cannot_be_read_is_named(token: Token) -> None:
    # Of a token that is open already nobody needs a PIN: this one never was.
    file = token.naming(
        token.own / "li.key", f"token={token.label};object=li", f"module-path={LIBRARY}&pin-source=file:/nowhere/pin"
    )
    with pytest.raises(KeyUnusable, match="/nowhere/pin cannot be read"):
        open_key(file)


def test_a_wrong_pin_is_named_and_tried_once_until_its_file_changes(
    token: Token, caplog: pytest.LogCaptureFixture
) -> None:
    file = token.ed25519("li")
    for empty in ("", "\n", "one\ntwo\n", "x" * 300):
        token.pin_file.write_text(empty)
        with pytest.raises(KeyUnusable, match="has no PIN"):
            open_key(file)
    token.pin_file.write_text("271828-18284\n")
    for _ in range(20):
        with pytest.raises(KeyUnusable, match=f"{token.pin_file} has a wrong PIN") as raised:
            open_key(file)
        assert "271828" not in str(raised.value)
    token.pin_file.write_text(f"{PIN}\n")
    assert signs(open_key(file))
    assert PIN not in caplog.text
    assert "271828" not in caplog.text


def test_no_program_takes_the_last_attempt_before_a_token_locks_itself(
    token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = token.ed25519("li")
    monkeypatch.setattr(tokens, "_locks_soon", lambda _: True)
    with pytest.raises(KeyUnusable, match="one more wrong PIN locks the token"):
        open_key(file)
    monkeypatch.undo()
    assert signs(open_key(file))


@pytest.mark.slow
def test_a_key_of_another_kind_is_refused_with_its_name(token: Token, tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="is no Ed25519 key"):
        Signer.load(token.p256("issuer"))
    directory = tmp_path / "authority"
    Authority.create(FEDERATION, NOW - DAY, NOW + DAY).save(directory)
    token.ed25519("li").replace(directory / AUTHORITY_KEY)
    with pytest.raises(ValueError, match="key and certificate differ"):
        IssuerDirectory(directory)
    other = token.hold("large", ec.generate_private_key(ec.SECP384R1()))
    with pytest.raises(KeyUnusable, match="neither ECDSA P-256 nor Ed25519"):
        open_key(other)
    pem = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "rsa.key").write_bytes(pem)
    with pytest.raises(KeyUnusable, match="holds no private key that can be read"):
        open_key(tmp_path / "rsa.key")


def test_a_token_that_was_away_is_found_again(token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_PAUSE", 0.0)
    key = open_key(token.ed25519("li"))
    assert signs(key)
    token.take_away()
    for _ in range(2):
        with pytest.raises(KeyUnusable, match="object=li"):
            signs(key)
    token.bring_back()
    assert signs(key)


def test_a_token_that_is_away_is_looked_for_once_in_a_while(token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_PAUSE", 3600.0)
    key, library, looks = open_key(token.ed25519("li")), tokens._library(LIBRARY), 0
    own = library._tokens

    def counted() -> Iterator[pkcs11.Token]:
        nonlocal looks
        looks += 1
        return own()

    monkeypatch.setattr(library, "_tokens", counted)
    token.take_away()
    for _ in range(20):
        with pytest.raises(KeyUnusable, match="shows no such token"):
            signs(key)
    assert looks == 1, "a refusal for a token that was missed a moment ago costs no call of the library"
    token.bring_back()
    library._next_look = 0.0
    assert signs(key)


def test_a_key_that_another_one_has_found_a_way_to_signs_without_a_pause(
    token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [open_key(token.ed25519(name)) for name in ("li", "wang")]
    token.take_away()
    monkeypatch.setattr(tokens, "_PAUSE", 0.0)
    for key in keys:
        with pytest.raises(KeyUnusable):
            signs(key)
    token.bring_back()
    monkeypatch.setattr(tokens, "_PAUSE", 3600.0)
    assert all(signs(key) for key in [*keys, *keys]), "the first one has begun the library anew"


@pytest.mark.parametrize("is_ended", [False, True])
def test_a_library_that_fails_to_end_is_used_on(token: Token, monkeypatch: pytest.MonkeyPatch, is_ended: bool) -> None:
    """The package then takes it for one that was never initialised."""
    monkeypatch.setattr(tokens, "_PAUSE", 0.0)
    key, library = open_key(token.ed25519("li")), tokens._library(LIBRARY)
    monkeypatch.setattr(library, "_kept", Unending(library._loaded(), is_ended=is_ended))
    token.take_away()
    for _ in range(3):
        with pytest.raises(KeyUnusable, match="shows no such token"):
            signs(key)
    token.bring_back()
    assert signs(key)


class Unending:
    """A library whose end fails: it has ended all the same, or it tells at its next begin that it has not."""

    def __init__(self, own: "pkcs11._pkcs11.lib", *, is_ended: bool) -> None:
        self._own = own
        self._is_ended = is_ended

    def finalize(self) -> None:
        self._own.finalize()
        if not self._is_ended:
            self._own.initialize()
        raise pkcs11.GeneralError

    def initialize(self) -> None:
        if not self._is_ended:
            raise pkcs11.PKCS11Error("already initialized")
        self._own.initialize()

    def get_slots(self, **asked: bool) -> list[pkcs11.Slot]:
        return self._own.get_slots(**asked)


def test_a_key_whose_public_key_is_known_signs_once_its_token_is_there_with_the_right_pin(
    token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_PAUSE", 0.0)
    own = Ed25519PrivateKey.generate()
    file = token.hold("li", own)
    token.pin_file.write_text("271828-18284\n")
    token.take_away()
    with pytest.raises(KeyUnusable, match="shows no such token"):
        open_key(file)
    key = open_key(file, own.public_key())
    with pytest.raises(KeyUnusable, match="shows no such token"):
        signs(key)
    token.bring_back()
    for _ in range(20):
        with pytest.raises(KeyUnusable, match=f"{token.pin_file} has a wrong PIN"):
            signs(key)
    token.pin_file.write_text(f"{PIN}\n")
    assert signs(key)
    with pytest.raises(KeyUnusable, match="another key has its name now"):
        signs(absent(token, file))


def absent(token: Token, file: Path) -> PrivateKey:
    """A key that was opened by another public key than its own while its token was away."""
    token.take_away()
    token.forget()
    key = open_key(file, Ed25519PrivateKey.generate().public_key())
    token.bring_back()
    return key


def test_two_keys_of_a_library_sign_on_after_one_has_begun_it_anew(
    token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_PAUSE", 0.0)
    keys = [open_key(token.ed25519(name)) for name in ("li", "wang")]
    token.take_away()
    with pytest.raises(KeyUnusable):
        signs(keys[0])
    token.bring_back()
    assert all(signs(key) for key in [*keys, *keys])


def test_another_key_under_the_same_name_is_not_used(
    token: Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_PAUSE", 0.0)
    key = open_key(token.ed25519("li"))
    token.take_away()
    (tmp_path / "other").mkdir()
    Token(token.store, tmp_path / "other", token.label).ed25519("li")
    with pytest.raises(KeyUnusable, match="another key has its name now"):
        signs(key)


def test_two_keys_of_one_name_are_told_apart_by_their_ids(token: Token) -> None:
    file = token.ed25519("li")
    token.hold("li", Ed25519PrivateKey.generate(), number="ff")
    with pytest.raises(KeyUnusable, match="several keys are called so: name one by id"):
        open_key(file)
    assert signs(open_key(token.naming(file, f"token={token.label};object=li;id=%ff")))


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    shared: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = shared.own / "li.key"
    monkeypatch.delitem(sys.modules, "gateway.security.tokens")
    monkeypatch.delattr("gateway.security.tokens")
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(KeyUnusable, match=r"pip install 'crossregion\[pkcs11\]'"):
        open_key(file)


def test_tls_takes_no_key_from_a_token_and_says_so(token: Token, tmp_path: Path) -> None:
    authority = Authority.create(FEDERATION, NOW - DAY, NOW + DAY)
    authority.issue(region("region/sichuan"), NOW, NOW + DAY / 2).write(tmp_path)
    files = Credentials(tmp_path / "authority.crt", tmp_path / "tls.crt", tmp_path / "tls.key")
    files.load(NOW)
    token.p256("tls")
    with pytest.raises(CredentialsUnusable, match=r"tls\.key: names a key in a token, which TLS cannot use"):
        files.load(NOW)


@pytest.mark.slow
def test_a_new_authority_and_new_issuers_take_the_keys_that_their_files_name(token: Token, tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("authority", "sichuan", "nodes")}
    for name, file in (("authority", AUTHORITY_KEY), ("sichuan", ISSUER_KEY), ("nodes", ISSUER_KEY)):
        places[name].mkdir()
        token.p256(name).replace(places[name] / file)
    shown = [
        run("create-authority", str(places["authority"]), "--federation", FEDERATION),
        run("issue-issuer", str(places["authority"]), "sichuan", "--out", str(places["sichuan"])),
        run("issue-node-issuer", str(places["authority"]), "--out", str(places["nodes"])),
    ]
    assert [each.exit_code for each in shown] == [0, 0, 0], shown
    for name, certified in (("authority", ""), ("sichuan", "sichuan"), ("nodes", NODES)):
        loaded = Authority.load(places[name])
        assert loaded.region == certified
    assert all(is_in_token(each) for place in places.values() for each in place.glob("*.key"))
    again = run("create-authority", str(places["authority"]), "--federation", FEDERATION)
    assert "exists" in again.output
    token.ed25519("li").replace(places["nodes"] / ISSUER_KEY)
    (places["nodes"] / "issuer.crt").unlink()
    wrong = run("issue-node-issuer", str(places["authority"]), "--out", str(places["nodes"]))
    assert "is no ECDSA key" in wrong.output


def run(*words: str) -> Result:
    """A command about certificates."""
    return CliRunner().invoke(main, ["certificates", *words])


def test_what_a_serving_process_cannot_sign_is_refused_with_one_line_in_the_log(
    token: Token, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tokens, "_PAUSE", 0.0)
    caplog.set_level(logging.INFO, "gateway.security.signing")
    key, now = open_key(token.ed25519("sichuan")), [100.0]
    assert isinstance(key, Ed25519PrivateKey)
    signer = ServingSigner(key, lambda: now[0])
    signer.sign(REVISION, b"statement")
    assert signer.failing() == 0.0
    token.take_away()
    for _ in range(3):
        with pytest.raises(Interrupted) as raised:
            signer.sign_all(ENVELOPE, [b"one", b"two"], bytes)
        assert raised.value.reason == Reason.REASON_SIGNING_KEY_UNAVAILABLE
        assert raised.value.parameters == {}, "callers learn nothing of tokens"
        now[0] += 10.0
    assert signer.failing() == 30.0
    token.bring_back()
    signer.sign(REVISION, b"statement")
    assert signer.failing() == 0.0
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert f"token={token.label};object=sichuan" in caplog.text
    assert PIN not in caplog.text


def test_the_doctor_names_what_a_key_in_a_token_lacks(token: Token, tmp_path: Path) -> None:
    authority = Authority.create(FEDERATION, NOW - DAY, NOW + 365 * DAY)
    authority.issue(region("region/sichuan"), NOW, NOW + 100 * DAY).write(tmp_path)
    own, file = tmp_path / "signing.crt", tmp_path / "signing.key"
    files = Credentials(tmp_path / "authority.crt", tmp_path / "tls.crt", tmp_path / "tls.key")

    def found() -> Finding:
        return check_signing(own, file, files, "sichuan", FEDERATION, NOW)[-1]

    token.hold("sichuan", open_key(file), file)
    assert found().state is State.GOOD
    token.pin_file.chmod(0o644)
    assert (found().state, str(token.pin_file) in found().found) == (State.BAD, True)
    token.pin_file.chmod(0o600)
    token.naming(file, "token=other;object=sichuan")
    assert (found().state, "shows no such token" in found().found) == (State.BAD, True)
    token.ed25519("other").replace(file)
    assert (found().state, "is not the key of the certificate" in found().found) == (State.BAD, True)


def test_a_wrong_signature_of_a_token_is_given_to_nobody(shared: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    key = open_key(shared.own / "li.key")
    monkeypatch.setattr(tokens._HeldKey, "sign", lambda *_: bytes(64))
    with pytest.raises(KeyUnusable, match="a wrong signature"):
        signs(key)
