"""The settings of a region node."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.maintenance.doctor.findings import State
from gateway.maintenance.doctor.renewal import check_renewal
from gateway.security.authority import Authority
from gateway.security.identity import parse
from gateway.security.identity_provider import ProviderKeys, ProviderKeysUnusable
from gateway.security.provider_tokens import TokenInvalid
from gateway.security.tls import Credentials, RenewedCredentials
from gateway.settings import SettingsError, load
from gateway.store.opening import PostgresqlSettings
from region_node.cli.node.scope_checks import check_identity_providers, check_scopes
from region_node.node.identity_provider import IdentityProviders
from region_node.node.operator_scopes import OperatorScopes
from region_node.node.settings import FulfilmentSettings, ProviderSettings, RegionSettings, WebhookSettings

GOOD = """
federation = "demo.example"
region = "sichuan"
listen = "127.0.0.1:0"
data = "data"
keys = "region.keys"
allow_unscoped_operators = true
coordinators = ["127.0.0.1:7001", "[::1]:7002"]

[credentials]
authority = "tls/authority.crt"
certificate = "tls/tls.crt"
key = "/keys/tls.key"

[signing]
certificate = "tls/signing.crt"
key = "tls/signing.key"
"""

NOW, DAY = datetime.now(UTC), timedelta(days=1)
UNSCOPED = "allow_unscoped_operators = true"
KEY = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"  # RFC 8037, appendix A.2
FULFILMENT = """
[providers.fulfilment]
endpoint = "127.0.0.1:7600"
name = "network"
businesses = ["ROAMING"]
"""
WEB = '[web]\nlisten = "127.0.0.1:0"\nconsole = true\nopen_apis = true\n'
OIDC = """[web.oidc]
issuer = "https://id.example"
client_id = "console"
client_secret = "secret"
keys = "keys.json"
authorization_endpoint = "https://id.example/authorize"
token_endpoint = "https://id.example/token"
role = "staff"
"""
OAUTH = '[web.oauth]\nissuer = "https://id.example"\naudience = "systems"\nkeys = "keys.json"\n'
NO_BUSINESS = FULFILMENT.replace('"ROAMING"', "")


def hooked(url: str) -> str:
    """A webhook that receives raised complaints."""
    return f'[escalations.webhook]\nurl = "{url}"\n'


def settings_of(directory: Path, text: str) -> RegionSettings:
    file = directory / "node.toml"
    file.write_text(text, encoding="utf-8")
    return load(RegionSettings, file)


def test_paths_are_relative_to_the_settings_file(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, GOOD)
    assert settings.database.file == tmp_path / "data" / "region-node.sqlite"
    assert settings.credentials.authority == tmp_path / "tls" / "authority.crt"
    assert settings.credentials.key == Path("/keys/tls.key")
    assert settings.keys == tmp_path / "region.keys"
    assert settings.signing.key == tmp_path / "tls" / "signing.key"


def test_a_node_renews_its_certificate_in_its_own_directory_unless_it_is_told_to_leave_it(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, GOOD)
    assert settings.own_credentials == RenewedCredentials.of(settings.credentials, tmp_path / "data" / "renewed")
    assert check_renewal(settings.own_credentials, settings.identity, NOW).state == State.GOOD
    left = settings_of(tmp_path, GOOD.replace(UNSCOPED, f"{UNSCOPED}\nrenew_certificate = false"))
    assert left.own_credentials == left.credentials
    assert "off" in check_renewal(left.own_credentials, left.identity, NOW).found
    authority = Authority.create(settings.federation, NOW, NOW + DAY)
    authority.issue(settings.identity, NOW, NOW + DAY, ["node.example"]).write(tmp_path / "tls")
    assert "off for node.example" in check_renewal(settings.own_credentials, settings.identity, NOW).found


def test_a_member_whose_certificate_has_ended_is_told_its_way_back(tmp_path: Path) -> None:
    federation, own = "demo.example", RenewedCredentials.of(Credentials.within(tmp_path), tmp_path / "renewed")
    authority = Authority.create(federation, NOW, NOW + DAY)
    ways = {"region/sichuan": "region-node certificate request", "coordinator/0": "issuer of coordinators"}
    for path, way in ways.items():
        member = parse(f"spiffe://{federation}/{path}", federation)
        authority.issue(member, NOW, NOW + DAY).write(tmp_path)
        assert check_renewal(own, member, NOW).state == State.GOOD
        found = check_renewal(own, member, NOW + 2 * DAY)
        assert (found.state, way in found.todo) == (State.BAD, True)


def test_a_node_has_scopes_of_operator_systems_unless_it_is_told_to_do_without(tmp_path: Path) -> None:
    both = GOOD.replace("[credentials]", 'operators = "operators.toml"\n[credentials]')
    for text, said in ((GOOD.replace(UNSCOPED, ""), "operators: is missing"), (both, "must be false beside a file")):
        with pytest.raises(SettingsError, match=said):
            settings_of(tmp_path, text)
    finding = check_scopes(settings_of(tmp_path, GOOD))
    assert finding.state == State.WARNING
    assert "instead of allow_unscoped_operators" in finding.todo


def test_the_doctor_names_operator_systems_that_are_believed_about_their_staff_or_have_no_limit_of_money(
    tmp_path: Path,
) -> None:
    settings = settings_of(tmp_path, GOOD.replace(UNSCOPED, 'operators = "operators.toml"'))
    file = tmp_path / "operators.toml"
    file.write_text('[counter]\nservices = ["*"]\n')
    assert check_scopes(settings).state == State.GOOD
    file.write_text('[counter]\nservices = ["*"]\n[crm]\nstaff = "named"\nclient_id = "0a1b"\n')
    scopes = OperatorScopes(file)
    assert [scopes.believes(each) for each in ("counter", "crm", "unknown")] == [False, True, False]
    assert [scopes.client_id(each) for each in ("counter", "crm")] == ["counter", "0a1b"]
    assert OperatorScopes().believes("counter"), "as before there were scopes"
    found = check_scopes(settings)
    assert (found.state, found.found) == (State.WARNING, f"{file}: believed about their staff without a proof: crm")
    file.write_text('[bank]\namount_a_day = "unlimited"\n[counter]\n')
    found = check_scopes(settings)
    assert (found.state, found.found) == (State.WARNING, f"{file}: without a limit of money a day: bank")
    file.write_text('[crm]\nstaff = "named"\namount_a_day = "unlimited"\n')
    found = check_scopes(settings)
    assert ("without a proof: crm" in found.found, "money a day: crm" in found.found) == (True, True)
    assert ("prove their staff" in found.todo, "amount_a_day" in found.todo) == (True, True)
    for line in ('staff = "trusted"', "staff = 7", 'client_id = "two words"', "client_id = 7", 'staff = ["named"]'):
        file.write_text(f"[crm]\n{line}\n")
        assert check_scopes(settings).state == State.BAD, line


def test_the_keys_of_an_identity_provider_are_followed_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    page = 'issuer = "https://id.example"\naudience = "crossregion"\nkeys = "keys.json"\n'
    settings = settings_of(tmp_path, f"{GOOD}\n[identity_provider]\n{page}")
    named, file = settings.identity_provider, tmp_path / "keys.json"
    assert named is not None
    assert (named.keys, named.name_claim) == (file, "preferred_username")
    assert [each.state for each in check_identity_providers(settings)] == [State.BAD]
    with pytest.raises(ProviderKeysUnusable, match="cannot be read"):
        ProviderKeys(named)
    file.write_text(json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": KEY}]}))
    assert [each.state for each in check_identity_providers(settings)] == [State.GOOD]
    keys = ProviderKeys(named)
    for broken in ("", "[" * 5000, "{}", '{"keys": []}', "x" * 300_000):
        file.write_text(broken)
        keys.look()
        assert set(keys.provider.keys()) == {"a"}, broken[:9]
    file.unlink()
    keys.look()
    file.write_text(json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "b", "x": KEY}]}))
    keys.look()
    assert set(keys.provider.keys()) == {"b"}
    with pytest.raises(SettingsError, match="without a space"):
        settings_of(tmp_path, f"{GOOD}\n[identity_provider]\n{page.replace('crossregion', 'cross region')}")


def test_people_and_systems_come_without_certificates_only_where_the_settings_say_by_whose_word(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, f"{GOOD}\n{WEB}{OIDC}{OAUTH}")
    assert [each.state for each in check_identity_providers(settings)] == [State.GOOD, State.BAD, State.BAD]
    without = settings_of(tmp_path, f"{GOOD}\n{WEB}").web
    assert (without and without.oidc, without and without.oauth) == (None, None)
    for wrong, said in (
        (f"{WEB}{OIDC}".replace("console = true", "console = false"), "web.oidc: needs web.console"),
        (f"{WEB}{OAUTH}".replace("open_apis = true", "open_apis = false"), "web.oauth: needs web.open_apis"),
        (f"{WEB}{OIDC}".replace("https://id.example/token", "http://id.example/token"), "token_endpoint: must be"),
        (f"{WEB}{OIDC}".replace("https://id.example/authorize", "https://"), "authorization_endpoint: must be"),
        (f"{WEB}{OIDC}".replace('role = "staff"', 'role = ""'), "role: must be"),
        (f"{WEB}{OIDC}".replace('role = "staff"', ""), "role: is missing"),
        (f"{WEB}{OIDC}{OAUTH}".replace('"systems"', '"console"'), "no two the same"),
        (f"[identity_provider]\n{OAUTH.partition(chr(10))[2]}{WEB}{OAUTH}", "no two the same"),
    ):
        with pytest.raises(SettingsError, match=said):
            settings_of(tmp_path, f"{GOOD}\n{wrong}")


def test_a_token_for_two_uses_counts_for_none(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    told = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [told]}))
    staff = OAUTH.replace("web.oauth", "identity_provider").replace("systems", "people")
    uses = IdentityProviders.of(settings_of(tmp_path, f"{GOOD}\n{staff}{WEB}{OIDC}{OAUTH}"))
    begin = int(NOW.timestamp())
    for use in (uses.staff, uses.console, uses.systems):
        assert use is not None
        own = use.provider.audience
        for also, counts in (("account", True), ("people", own == "people"), ("systems", own == "systems")):
            claims = {"iss": "https://id.example", "aud": [own, also], "iat": begin, "exp": begin + 60}
            token = jwt.encode(claims, key, "EdDSA")
            if counts:
                assert use.provider.verified(token, NOW, DAY).claims == claims
            else:
                with pytest.raises(TokenInvalid, match="another use"):
                    use.provider.verified(token, NOW, DAY)


def test_a_node_is_reached_where_it_listens_with_the_port_that_it_got(tmp_path: Path) -> None:
    assert settings_of(tmp_path, GOOD).endpoint(4711) == "127.0.0.1:4711"


def test_a_node_behind_another_address_says_so(tmp_path: Path) -> None:
    text = GOOD.replace("127.0.0.1:0", "0.0.0.0:7443").replace("data =", 'advertise = "node.example:443"\ndata =')
    assert settings_of(tmp_path, text).endpoint(7443) == "node.example:443"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"127.0.0.1:0"', '"127.0.0.1"', "listen: '127.0.0.1' is not host:port"),
        ('"127.0.0.1:0"', '"127.0.0.1:65536"', "listen: '127.0.0.1:65536' is not host:port"),
        ('"127.0.0.1:0"', '"0.0.0.0:7443"', "advertise: is needed"),
        ('"127.0.0.1:7001"', '"127.0.0.1:0"', "coordinators: '127.0.0.1:0' is not host:port"),
        ('["127.0.0.1:7001", "[::1]:7002"]', "[]", "coordinators: name at least one"),
        ('"sichuan"', '"Si chuan"', "region: 'Si chuan' is not the region"),
        ('"demo.example"', '"demo..example"', "federation: 'demo..example' is not the federation"),
        ("data =", "number = 1\ndata =", "number: must be 0 without postgresql"),
        ("data =", "number = 100000\ndata =", "number: must be 0 to 99999"),
        ("data =", "number = -1\ndata =", "number: must be 0 to 99999"),
        ("region =", "regoin =", "unknown key"),
        (
            "[signing]",
            f"{FULFILMENT.replace(':7600', '')}\n[signing]",
            "fulfilment.endpoint: '127.0.0.1' is not host:port",
        ),
        (
            "[signing]",
            f"{FULFILMENT.replace('network', 'Net work')}\n[signing]",
            "providers.fulfilment.name: 'Net work'",
        ),
        ("[signing]", f"{NO_BUSINESS}\n[signing]", "fulfilment.businesses: name at least one"),
        ("[signing]", f"{hooked('http://duty.example/')}\n[signing]", "webhook.url: must be https"),
        ("[signing]", f"{hooked('ftp://127.0.0.1/')}\n[signing]", "webhook.url: must be https"),
        ("[signing]", f"{hooked('https:///x')}\n[signing]", "webhook.url: is not the address of a webhook"),
        ("[signing]", f"{hooked('https://a:b@duty.example/')}\n[signing]", "webhook.url: is not the address"),
        ("[signing]", f"{hooked('https://duty.example:0/')}\n[signing]", "webhook.url: is not the address"),
        ("[signing]", f"{hooked('https://duty.example/ x')}\n[signing]", "webhook.url: is not the address"),
        ("[signing]", f"{hooked('https://[duty/')}\n[signing]", "webhook.url: is not the address of a webhook"),
        (
            "[signing]",
            f"{hooked('https://duty.example/')}lowest_level = 0\n[signing]",
            "webhook.lowest_level: must be 1 to 5",
        ),
        ("[signing]", '[providers.notification]\nname = "m"\n[signing]', "providers.notification.endpoint: is missing"),
    ],
)
def test_what_cannot_work_is_refused_with_its_key(tmp_path: Path, old: str, new: str, problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings_of(tmp_path, GOOD.replace(old, new))
    assert problem in str(refused.value)


def test_several_processes_of_a_region_share_a_postgresql(tmp_path: Path) -> None:
    text = GOOD.replace("data =", "number = 1\ndata =") + '[postgresql]\nconninfo = "dbname=sichuan"\nreaders = 8\n'
    settings = settings_of(tmp_path, text)
    assert (settings.number, settings.postgresql) == (1, PostgresqlSettings("dbname=sichuan", 8))


def test_a_region_names_the_systems_of_its_own_that_its_node_calls(tmp_path: Path) -> None:
    assert settings_of(tmp_path, GOOD).providers == ProviderSettings()
    assert settings_of(tmp_path, GOOD + FULFILMENT).providers == ProviderSettings(
        fulfilment=FulfilmentSettings("127.0.0.1:7600", "network", ("ROAMING",))
    )


def test_a_line_for_each_level_goes_to_a_file_in_data_unless_another_is_named(tmp_path: Path) -> None:
    assert settings_of(tmp_path, GOOD).escalation_file == tmp_path / "data" / "escalations.jsonl"
    named = settings_of(tmp_path, f'{GOOD}\n[escalations]\nfile = "told.jsonl"\n{hooked("http://[::1]:8080/x")}')
    assert named.escalation_file == tmp_path / "told.jsonl"
    assert named.escalations.webhook == WebhookSettings("http://[::1]:8080/x")
