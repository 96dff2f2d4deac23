"""The check of the keys of an identity provider."""

from gateway.maintenance.doctor.findings import Finding, bad, good
from gateway.security.identity_provider import ProviderKeysUnusable, load_keys
from gateway.security.provider_settings import IdentityProviderSettings
from gateway.wording.languages import translated


def check_provider_keys(name: str, named: IdentityProviderSettings) -> Finding:
    """Whether the keys of a provider can be used. `name` is that of the check."""
    try:
        keys = load_keys(named.keys)
    except ProviderKeysUnusable as error:
        return bad(name, str(error), translated("correct the file; a running process keeps the keys of before"))
    return good(
        name, translated("{path}: {count} keys of {issuer}", path=named.keys, count=len(keys), issuer=named.issuer)
    )
