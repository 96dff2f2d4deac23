"""The check of `region-node doctor` on the renewal of the node's certificate."""

from gateway.maintenance.doctor.findings import Finding, good, warning
from gateway.security.renewing import RenewedFiles
from gateway.security.tls import RenewedCredentials
from gateway.wording.languages import translated
from region_node.node.settings import RegionSettings


def check_renewal(settings: RegionSettings) -> Finding:
    """Whether the node can write where it renews its certificate."""
    name, own = translated("renewal of the certificate"), settings.own_credentials
    if not isinstance(own, RenewedCredentials):
        return good(name, translated("off: people replace the certificate before it ends"))
    try:
        RenewedFiles(own.renewed).require_writable()
    except OSError as error:
        found = translated("{place}: nothing can be written: {problem}", place=own.directory, problem=error.strerror)
        return warning(name, found, translated("let the user that the process runs as own the directory"))
    return good(name, translated("{directory}: the node renews its certificate there", directory=own.directory))
