"""Private keys, opened in one place: a file has the key itself (PEM), or the URI of a key in a token (RFC 7512).

A key in a token signs as one of a file does, and never leaves the token. TLS is no use for it: gRPC for Python and
`ssl` take keys from memory alone.
"""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.security.key_kinds import KeyUnusable as KeyUnusable
from gateway.security.key_kinds import PrivateKey as PrivateKey
from gateway.security.key_kinds import PublicKey as PublicKey
from gateway.security.token_uris import SCHEME, TokenUri, UriInvalid
from gateway.wording.languages import translated

_PACKAGE = "pkcs11"


def open_key(path: Path, public: PublicKey | None = None) -> PrivateKey:
    """The key that a file has or names, ECDSA or Ed25519. Raises OSError or KeyUnusable.

    With its public key from elsewhere, a key in a token may be away: signatures raise KeyUnusable until it is found.
    """
    content = path.read_bytes()
    uri = uri_in(path, content)
    if uri is not None:
        return _in_token(uri, public)
    return _signing_key(path, content)


def file_key(path: Path) -> PrivateKey:
    """The key that a file has, ECDSA or Ed25519, for TLS too. Raises OSError, and KeyUnusable for a key in a token."""
    return _signing_key(path, path.read_bytes())


def pem_key(path: Path, content: bytes) -> PrivateKeyTypes:
    """The key of any kind in the content of a file. Raises KeyUnusable, for the URI of a key in a token too."""
    if content.startswith(SCHEME.encode()):
        raise KeyUnusable(translated("{path}: names a key in a token, which TLS cannot use", path=path))
    try:
        return load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_key(path) from error


def uri_in(path: Path, content: bytes) -> TokenUri | None:
    """The URI in the content of a file; None for a file with another content. Raises KeyUnusable for a wrong URI."""
    if not content.startswith(SCHEME.encode()):
        return None
    try:
        return TokenUri.parse(content.decode())
    except UnicodeDecodeError:
        raise _no_key(path) from None
    except UriInvalid as error:
        raise KeyUnusable(f"{path}: {error}") from None


def is_in_token(path: Path) -> bool:
    """Whether a file is there that names a key in a token, by a right URI or a wrong one. Raises OSError."""
    return path.exists() and path.read_bytes().startswith(SCHEME.encode())


def private_pem(key: PrivateKey) -> bytes:
    """A private key as PEM (PKCS #8, not encrypted). Raises KeyUnusable for one in a token."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _signing_key(path: Path, content: bytes) -> PrivateKey:
    key = pem_key(path, content)
    if not isinstance(key, ec.EllipticCurvePrivateKey | Ed25519PrivateKey):
        raise _no_key(path)
    return key


def _in_token(uri: TokenUri, public: PublicKey | None) -> PrivateKey:
    try:
        # The package is an extra: whoever has no key in a token does without it.
        from gateway.security import tokens  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != _PACKAGE:
            raise
        told = translated("{key}: a package is missing: pip install 'crossregion[pkcs11]'", key=uri)
        raise KeyUnusable(told) from None
    return tokens.open_token_key(uri, public)


def _no_key(path: Path) -> KeyUnusable:
    return KeyUnusable(translated("{path}: holds no private key that can be read", path=path))
