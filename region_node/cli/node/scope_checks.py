"""The checks of `region-node doctor` on operator systems: their scopes, and by what keys their staff is proven."""

from collections.abc import Sequence

from gateway.maintenance.doctor.findings import Finding, bad, good, warning
from gateway.wording.languages import translated
from region_node.node.identity_provider import ProviderKeysUnusable, load_keys
from region_node.node.operator_scopes import NAMED, ScopeFile, ScopesUnusable
from region_node.node.settings import IdentityProviderSettings, RegionSettings


def check_scopes(settings: RegionSettings) -> Finding:
    """Whether there is a file of scopes that can be used."""
    name = translated("scopes of operator systems")
    path = settings.operators
    if path is None:
        told = translated("there are none: each operator system may do everything that the contract allows it")
        todo = translated("write a file of scopes, and name it in the settings instead of allow_unscoped_operators")
        return warning(name, told, todo)
    try:
        file = ScopeFile.load(path)
    except ScopesUnusable as error:
        return bad(name, str(error), translated("correct the file; a running node keeps the scopes of before"))
    found, steps = list[str](), list[str]()
    believed = sorted(each for each, scope in file.scopes.items() if scope.staff == NAMED)
    if believed:
        found.append(
            translated(
                "{path}: believed about their staff without a proof: {names}", path=path, names=", ".join(believed)
            )
        )
        steps.append(translated("have them prove their staff, and remove `staff` from the file"))
    unlimited = sorted(each for each, scope in file.scopes.items() if scope.amount_a_day is None)
    if unlimited:
        told = translated("{path}: without a limit of money a day: {names}", path=path, names=", ".join(unlimited))
        found.append(told)
        steps.append(translated("write an amount_a_day in place of `unlimited`"))
    if found:
        return warning(name, "; ".join(found), "; ".join(steps))
    return good(name, translated("{path}: {count} scopes", path=path, count=len(file.scopes)))


def check_identity_providers(settings: RegionSettings) -> Sequence[Finding]:
    """Whether the keys of the region's identity providers can be used, for each use of their tokens."""
    staff, console, systems = settings.token_providers
    names = (translated("identity provider of the console"), translated("authorization server of operator systems"))
    uses = zip(names, (console, systems), strict=True)
    return [
        _check_keys(translated("identity provider of staff"), staff),
        *(_check_keys(name, named) for name, named in uses if named is not None),
    ]


def _check_keys(name: str, named: IdentityProviderSettings | None) -> Finding:
    if named is None:
        return good(name, translated("there is none: members of staff are proven by their certificates alone"))
    try:
        keys = load_keys(named.keys)
    except ProviderKeysUnusable as error:
        return bad(name, str(error), translated("correct the file; a running node keeps the keys of before"))
    return good(
        name, translated("{path}: {count} keys of {issuer}", path=named.keys, count=len(keys), issuer=named.issuer)
    )
