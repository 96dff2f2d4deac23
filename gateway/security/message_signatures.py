"""Signatures of HTTP messages (RFC 9421) by Ed25519, over the target, the type and the digest of the body. Pure."""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult

_LABEL = "event"
_HTTPS = 443


def signed_headers(
    url: SplitResult, content_type: str, body: bytes, created: int, key: bytes, sign: Callable[[str], bytes]
) -> Mapping[str, str]:
    """The headers of a signed POST. `created` is in seconds since 1970; `key` is the public key, 32 bytes.

    `sign` makes the signature (64 bytes) over a signature base. The digest of the body follows RFC 9530.
    """
    digest = f"sha-256=:{b64encode(hashlib.sha256(body).digest()).decode()}:"
    components = {
        "@method": "POST",
        "@authority": _authority(url),
        "@path": url.path or "/",
        "@query": f"?{url.query}",
        "content-type": content_type,
        "content-digest": digest,
    }
    names = " ".join(f'"{name}"' for name in components)
    parameters = f'({names});created={created};keyid="{key_id(key)}";alg="ed25519"'
    lines = [*(f'"{name}": {value}' for name, value in components.items()), f'"@signature-params": {parameters}']
    signature = b64encode(sign("\n".join(lines))).decode()
    return {
        "Content-Type": content_type,
        "Content-Digest": digest,
        "Signature-Input": f"{_LABEL}={parameters}",
        "Signature": f"{_LABEL}=:{signature}:",
    }


def key_id(key: bytes) -> str:
    """The name of a public key: its SHA-256 in hexadecimal digits."""
    return hashlib.sha256(key).hexdigest()


def _authority(url: SplitResult) -> str:
    host = (url.hostname or "").lower()
    named = f"[{host}]" if ":" in host else host
    return named if url.port in (None, _HTTPS) else f"{named}:{url.port}"
