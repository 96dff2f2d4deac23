"""The names of the owner of a certificate, or of a request for one (RFC 5280, 4.2.1.6)."""

from cryptography import x509


def uris_of(named: x509.Certificate | x509.CertificateSigningRequest) -> list[str]:
    """The URIs that it names. Raises ValueError for extensions that cannot be read."""
    names = _names(named)
    return [] if names is None else names.get_values_for_type(x509.UniformResourceIdentifier)


def dns_names_of(named: x509.Certificate) -> list[str]:
    """The DNS names that it names. Raises ValueError for extensions that cannot be read."""
    names = _names(named)
    return [] if names is None else names.get_values_for_type(x509.DNSName)


def _names(named: x509.Certificate | x509.CertificateSigningRequest) -> x509.SubjectAlternativeName | None:
    try:
        return named.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
