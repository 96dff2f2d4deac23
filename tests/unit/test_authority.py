"""The certificates of the authority, and its files."""

import ipaddress
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID

from coordinator.cli.certificates import certificates
from gateway.security.authority import Authority, Issued
from gateway.security.identity import Identity, parse
from gateway.security.signing import TrustedKeys

FEDERATION = "demo.example"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)

SERVERS = {
    "region/sichuan": "sichuan.region.demo.example",
    "coordinator/1": "coordinator.demo.example",
}
PROVIDER = "region/sichuan/provider/network"
CALLERS = ["region/sichuan/operator/crm", "region/sichuan/staff/li", "admin/root"]


def identity(path: str) -> Identity:
    return parse(f"spiffe://{FEDERATION}/{path}", FEDERATION)


@pytest.fixture(scope="module", name="authority")
def an_authority() -> Authority:
    return Authority.create(FEDERATION, NOW - 30 * DAY, NOW + 30 * DAY)


def tls(authority: Authority, path: str) -> Issued:
    return authority.issue_tls(identity(path), NOW - DAY, NOW + DAY)


def names(issued: Issued) -> x509.SubjectAlternativeName:
    return issued.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def usages(issued: Issued) -> set[x509.ObjectIdentifier]:
    return set(issued.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


@pytest.mark.parametrize("path", [*SERVERS, PROVIDER, *CALLERS])
def test_a_certificate_names_its_member_by_one_uri_and_bears_the_authoritys_signature(
    authority: Authority, path: str
) -> None:
    issued = tls(authority, path)
    assert names(issued).get_values_for_type(x509.UniformResourceIdentifier) == [identity(path).uri]
    issued.certificate.verify_directly_issued_by(authority.certificate)
    assert isinstance(issued.key, ec.EllipticCurvePrivateKey)
    assert isinstance(issued.key.curve, ec.SECP256R1)
    assert not issued.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize(("path", "name"), SERVERS.items())
def test_a_server_gets_the_name_of_its_role_and_may_serve_and_call(authority: Authority, path: str, name: str) -> None:
    issued = tls(authority, path)
    assert names(issued).get_values_for_type(x509.DNSName) == [name]
    assert names(issued).get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("127.0.0.1"),
        ipaddress.ip_address("::1"),
    ]
    assert usages(issued) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


@pytest.mark.parametrize("path", CALLERS)
def test_all_others_get_no_name_and_may_only_call(authority: Authority, path: str) -> None:
    issued = tls(authority, path)
    assert not names(issued).get_values_for_type(x509.DNSName)
    assert not names(issued).get_values_for_type(x509.IPAddress)
    assert usages(issued) == {ExtendedKeyUsageOID.CLIENT_AUTH}


def test_a_provider_gets_a_name_below_its_region_and_may_only_serve(authority: Authority) -> None:
    issued = tls(authority, PROVIDER)
    assert names(issued).get_values_for_type(x509.DNSName) == ["network.provider.sichuan.region.demo.example"]
    assert usages(issued) == {ExtendedKeyUsageOID.SERVER_AUTH}


def test_a_server_can_have_a_further_name_of_its_host(authority: Authority) -> None:
    issued = authority.issue_tls(identity("region/sichuan"), NOW - DAY, NOW + DAY, dns_names=["node.sichuan.telecom"])
    assert names(issued).get_values_for_type(x509.DNSName) == [
        "sichuan.region.demo.example",
        "node.sichuan.telecom",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "henan.region.demo.example",
        "coordinator.demo.example",
        "Coordinator.Demo.Example",
        "coordinator.demo.example.",
        "demo.example",
        "*.telecom",
    ],
)
def test_nobody_gets_a_name_that_could_be_anothers(authority: Authority, name: str) -> None:
    with pytest.raises(ValueError, match="belongs to the federation"):
        authority.issue_tls(identity("region/sichuan"), NOW - DAY, NOW + DAY, dns_names=[name])


def test_a_caller_gets_no_further_name(authority: Authority) -> None:
    with pytest.raises(ValueError, match="serves nothing"):
        authority.issue(identity("admin/root"), NOW - DAY, NOW + DAY, ["host.telecom"])


def test_only_a_region_gets_a_signing_certificate_and_no_connection_with_it(authority: Authority) -> None:
    issued = authority.issue_signing(identity("region/sichuan"), NOW - DAY, NOW + DAY)
    assert isinstance(issued.key, Ed25519PrivateKey)
    assert usages(issued).isdisjoint({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH})
    for path in ("coordinator/1", *CALLERS):
        with pytest.raises(ValueError, match="gets no signing certificate"):
            authority.issue_signing(identity(path), NOW - DAY, NOW + DAY)


def test_members_of_another_federation_are_turned_away(authority: Authority) -> None:
    stranger = parse("spiffe://other.example/region/sichuan", "other.example")
    with pytest.raises(ValueError, match="not of the federation"):
        authority.issue(stranger, NOW - DAY, NOW + DAY)


@pytest.mark.parametrize(("begin", "end"), [(-31, 1), (-1, 31)])
def test_no_certificate_lives_outside_the_life_of_its_authority(authority: Authority, begin: int, end: int) -> None:
    with pytest.raises(ValueError, match="authority"):
        authority.issue_tls(identity("admin/root"), NOW + begin * DAY, NOW + end * DAY)


def test_a_certificate_may_live_exactly_as_long_as_its_authority() -> None:
    begin, end = NOW + timedelta(microseconds=1), NOW + DAY + timedelta(microseconds=999_999)
    authority = Authority.create(FEDERATION, begin, end)
    issued = authority.issue_tls(identity("admin/root"), begin, end)
    assert issued.certificate.not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_a_member_with_the_longest_names_gets_a_certificate(authority: Authority) -> None:
    longest = identity(f"region/{'r' * 63}/operator/{'n' * 64}")
    issued = authority.issue_tls(longest, NOW - DAY, NOW + DAY)
    assert names(issued).get_values_for_type(x509.UniformResourceIdentifier) == [longest.uri]


def test_the_files_of_a_region_are_complete_and_its_keys_private(authority: Authority, tmp_path: Path) -> None:
    directory = tmp_path / "new" / "sichuan"
    authority.issue(identity("region/sichuan"), NOW - DAY, NOW + DAY).write(directory)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert set(modes) == {"authority.crt", "tls.crt", "tls.key", "signing.crt", "signing.key"}
    assert modes["tls.key"] == modes["signing.key"] == 0o600
    assert (directory / "authority.crt").read_bytes() == authority.certificate_pem


def test_others_get_no_signing_files(authority: Authority, tmp_path: Path) -> None:
    authority.issue(identity("region/sichuan/staff/li"), NOW - DAY, NOW + DAY).write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"authority.crt", "tls.crt", "tls.key"}


def test_files_written_again_are_replaced_and_stay_private(authority: Authority, tmp_path: Path) -> None:
    authority.issue(identity("admin/root"), NOW - DAY, NOW + DAY).write(tmp_path)
    issued = authority.issue(identity("admin/root"), NOW - DAY, NOW + DAY)
    issued.write(tmp_path)
    assert (tmp_path / "tls.crt").read_bytes() == issued.tls.certificate_pem
    assert (tmp_path / "tls.key").read_bytes() == issued.tls.key_pem
    assert stat.S_IMODE((tmp_path / "tls.key").stat().st_mode) == 0o600


def test_a_saved_authority_goes_on_issuing_after_it_is_loaded(authority: Authority, tmp_path: Path) -> None:
    authority.save(tmp_path)
    assert stat.S_IMODE((tmp_path / "authority.key").stat().st_mode) == 0o600
    loaded = Authority.load(tmp_path)
    assert loaded.federation == FEDERATION
    issued = loaded.issue_signing(identity("region/sichuan"), NOW - DAY, NOW + DAY)
    TrustedKeys(authority.certificate_pem, FEDERATION).accept("sichuan", issued.certificate_pem, NOW)


def test_an_authority_is_never_overwritten(authority: Authority, tmp_path: Path) -> None:
    authority.save(tmp_path)
    with pytest.raises(FileExistsError):
        Authority.create(FEDERATION, NOW, NOW + DAY).save(tmp_path)
    assert Authority.load(tmp_path).certificate == authority.certificate


def test_a_key_of_another_authority_does_not_load(authority: Authority, tmp_path: Path) -> None:
    authority.save(tmp_path / "one")
    Authority.create(FEDERATION, NOW, NOW + DAY).save(tmp_path / "two")
    (tmp_path / "one" / "authority.key").replace(tmp_path / "two" / "authority.key")
    with pytest.raises(ValueError, match="differ"):
        Authority.load(tmp_path / "two")


def test_a_members_certificate_is_no_authority(authority: Authority, tmp_path: Path) -> None:
    issued = tls(authority, "region/sichuan")
    (tmp_path / "authority.crt").write_bytes(issued.certificate_pem)
    (tmp_path / "authority.key").write_bytes(issued.key_pem)
    with pytest.raises(ValueError, match="federation"):
        Authority.load(tmp_path)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(certificates, [str(each) for each in arguments])


def test_the_commands_create_an_authority_and_issue_what_nodes_can_use(tmp_path: Path) -> None:
    created = run("create-authority", tmp_path / "authority", "--federation", FEDERATION, "--days", "2")
    assert created.exit_code == 0, created.output
    uri = identity("region/sichuan").uri
    issued = run("issue", tmp_path / "authority", uri, "--out", tmp_path / "sichuan", "--days", "1")
    assert issued.exit_code == 0, issued.output
    trusted = TrustedKeys((tmp_path / "sichuan" / "authority.crt").read_bytes(), FEDERATION)
    trusted.accept("sichuan", (tmp_path / "sichuan" / "signing.crt").read_bytes(), datetime.now(UTC))


def test_an_identity_that_an_authority_refuses_is_told_in_the_language_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("create-authority", tmp_path, "--federation", FEDERATION).exit_code == 0
    for language, told in (("en", "is not of the federation"), ("zh", "不属于联盟")):
        monkeypatch.setenv("LANGUAGE", language)
        refused = run("issue", tmp_path, "spiffe://other.org/region/sichuan", "--out", tmp_path / "out")
        assert (refused.exit_code, told in refused.output) == (1, True), refused.output


def issued_hours(directory: Path, out: Path, path: str, *words: str) -> list[int]:
    """The lives in hours of the certificates that a directory issues to a member: TLS, and signing if it has one."""
    done = run("issue", directory, identity(path).uri, "--out", out, *words)
    assert done.exit_code == 0, done.output
    files = [each for each in (out / "tls.crt", out / "signing.crt") if each.exists()]
    found = [x509.load_pem_x509_certificate(each.read_bytes()) for each in files]
    return [round((each.not_valid_after_utc - each.not_valid_before_utc) / timedelta(hours=1)) for each in found]


def test_what_a_program_renews_is_issued_for_48_hours_where_its_issuer_is_in_force(tmp_path: Path) -> None:
    authority, nodes, coordinators = (tmp_path / each for each in ("authority", "nodes", "coordinators"))
    long = 90 * 24

    def issued(path: str, *words: str, by: Path = authority) -> list[int]:
        return issued_hours(by, tmp_path / path, path, *words)

    assert run("create-authority", authority, "--federation", FEDERATION).exit_code == 0
    assert issued("region/sichuan") == [long, long], "nobody would renew it"
    assert issued("coordinator/0") == [long]
    assert run("issue-node-issuer", authority, "--out", nodes).exit_code == 0
    assert issued("region/sichuan") == [48, long], "no program renews what signs"
    assert issued("coordinator/0") == [long], "by another issuer"
    assert run("issue-coordinator-issuer", authority, "--out", coordinators).exit_code == 0
    assert issued("coordinator/0") == [48]
    assert issued("admin/root") == [long], "a person renews it"
    assert issued("region/sichuan", "--dns-name", "node.example") == [long, long], "people renew it"
    assert issued("region/sichuan", "--tls-hours", "72") == [72, long]
    assert issued("region/sichuan", "--days", "1") == [24, 24]
    assert issued("region/sichuan", "--days", "90") == [long, long], "so the command says"
    revoked = run("revoke", authority, f"spiffe://{FEDERATION}/nodes")
    assert revoked.exit_code == 0, revoked.output
    assert issued("region/sichuan") == [long, long], "a revoked issuer renews nothing"


def test_the_issuer_of_coordinators_gives_one_back_its_name_and_no_address_which_it_may_not_certify(
    tmp_path: Path,
) -> None:
    authority, issuer, out = (tmp_path / each for each in ("authority", "issuer", "out"))
    assert run("create-authority", authority, "--federation", FEDERATION).exit_code == 0
    assert run("issue-coordinator-issuer", authority, "--out", issuer).exit_code == 0
    assert issued_hours(issuer, out, "coordinator/1") == [48]
    own, behind = x509.load_pem_x509_certificates((out / "tls.crt").read_bytes())
    own.verify_directly_issued_by(behind)
    named = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert named.get_values_for_type(x509.DNSName) == [SERVERS["coordinator/1"]]
    assert named.get_values_for_type(x509.IPAddress) == []
    refused = run("issue", issuer, identity("region/sichuan").uri, "--out", tmp_path / "node")
    assert (refused.exit_code, (tmp_path / "node").exists()) == (1, False)


@pytest.mark.parametrize("is_new_first", [True, False])
def test_while_an_authority_rotates_whom_the_new_one_certifies_trusts_both(tmp_path: Path, is_new_first: bool) -> None:
    former, new, out = tmp_path / "authority", tmp_path / "new", tmp_path / "sichuan"
    for directory in (former, new):
        assert run("create-authority", directory, "--federation", FEDERATION, "--days", "9").exit_code == 0
    files = [each / "authority.crt" for each in ((new, former) if is_new_first else (former, new))]
    own = files[0 if is_new_first else 1].read_bytes()
    both = b"".join(each.read_bytes() for each in files)
    (new / "authority.crt").write_bytes(both)
    issued = run("issue", new, identity("region/sichuan").uri, "--out", out, "--days", "1")
    assert issued.exit_code == 0, issued.output
    assert (out / "authority.crt").read_bytes() == both
    certificate = x509.load_pem_x509_certificate((out / "tls.crt").read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(own))
    assert run("issue-issuer", new, "sichuan", "--out", tmp_path / "issuer", "--days", "2").exit_code == 0
    assert (tmp_path / "issuer" / "authority.crt").read_bytes() == both


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["issue", "missing", "spiffe://demo.example/admin/root", "--out", "out"], "No such file"),
        (
            ["issue", "authority", "spiffe://other.example/admin/root", "--out", "out"],
            "not of the federation",
        ),
        (["issue", "authority", "spiffe://demo.example/king", "--out", "out"], "no role"),
        (["issue", "authority", "spiffe://demo.example/admin/a", "--out", "out", "--days", "9"], "outlive"),
        (["create-authority", "authority", "--federation", "demo.example"], "exists"),
        (["create-authority", "other", "--federation", "Demo Example"], "federation"),
    ],
)
def test_a_command_that_cannot_be_done_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("create-authority", "authority", "--federation", FEDERATION, "--days", "2").exit_code == 0
    result = run(*arguments)
    assert result.exit_code == 1
    assert problem in result.output
    assert {path.name for path in tmp_path.iterdir()} == {"authority"}


@pytest.mark.parametrize("command", ["create-authority", "issue"])
def test_help_shows_an_example(command: str) -> None:
    assert f"coordinator certificates {command} authority" in run(command, "--help").output
