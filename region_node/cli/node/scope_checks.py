"""The check of `region-node doctor` on the scopes of the region's operator systems."""

from gateway.maintenance.doctor.findings import Finding, bad, good, warning
from gateway.wording.languages import translated
from region_node.node.operator_scopes import ScopeFile, ScopesUnusable
from region_node.node.settings import RegionSettings


def check_scopes(settings: RegionSettings) -> Finding:
    """Whether there is a file of scopes that can be used."""
    name, path = translated("scopes of operator systems"), settings.operators
    if path is None:
        told = translated("there are none: each operator system may do everything that the contract allows it")
        return warning(name, told, translated("write a file of scopes, and name it in the settings: operators"))
    try:
        file = ScopeFile.load(path)
    except ScopesUnusable as error:
        return bad(name, str(error), translated("correct the file; a running node keeps the scopes of before"))
    return good(name, translated("{path}: {count} operator systems", path=path, count=len(file.scopes)))
