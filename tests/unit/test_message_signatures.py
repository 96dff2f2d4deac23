"""Signatures of HTTP messages: verified from the headers alone, as RFC 9421 says, by nothing of this project."""

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from urllib.parse import urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.security.message_signatures import signed_headers
from gateway.security.signing import ENVELOPE, Signer, is_signed_by

KEY = Ed25519PrivateKey.generate()
SIGNER = Signer(KEY)
CREATED = 1_796_000_000
JSON = "application/json"


def verify(key: Ed25519PublicKey, url: str, headers: Mapping[str, str], body: bytes) -> str:
    """The id of the key of a POST. Raises InvalidSignature. The way of docs/integrating.md."""
    parameters = headers["Signature-Input"].removeprefix("event=")
    digest = b64encode(hashlib.sha256(body).digest()).decode()
    if headers["Content-Digest"] != f"sha-256=:{digest}:":
        raise InvalidSignature
    target = urlsplit(url)
    known = {
        "@method": "POST",
        "@authority": target.netloc.lower().removesuffix(":443"),
        "@path": target.path or "/",
        "@query": f"?{target.query}",
        "content-type": headers["Content-Type"],
        "content-digest": headers["Content-Digest"],
    }
    names = re.findall(r'"([^"]+)"', parameters.partition(")")[0])
    if set(names) != known.keys():
        raise InvalidSignature
    base = "\n".join([*(f'"{name}": {known[name]}' for name in names), f'"@signature-params": {parameters}'])
    key.verify(b64decode(headers["Signature"].removeprefix("event=:").removesuffix(":")), base.encode())
    return str(re.findall(r'keyid="([0-9a-f]{64})"', parameters)[0])


def signed(url: str, body: bytes, kind: str = JSON) -> Mapping[str, str]:
    return signed_headers(urlsplit(url), kind, body, CREATED, SIGNER.public_key, SIGNER.sign_http)


@given(
    st.sampled_from(["https://crm.example", "https://CRM.example:443/a/", "https://[::1]:8443/a%20b?x=1&y=%C3%A4"]),
    st.binary(max_size=64),
    st.sampled_from([JSON, "application/cloudevents+json"]),
)
def test_a_signature_is_verified_from_the_message_alone(url: str, body: bytes, kind: str) -> None:
    found = verify(KEY.public_key(), url, signed(url, body, kind), body)
    assert found == hashlib.sha256(KEY.public_key().public_bytes_raw()).hexdigest()


@pytest.mark.parametrize(
    ("url", "body", "changed"),
    [
        ("https://crm.example/b", b"1", {}),
        ("https://other.example/a", b"1", {}),
        ("https://crm.example/a?b", b"1", {}),
        ("https://crm.example/a", b"2", {}),
        ("https://crm.example/a", b"1", {"Content-Type": "text/plain"}),
    ],
)
def test_nothing_of_a_signed_message_can_be_exchanged(url: str, body: bytes, changed: Mapping[str, str]) -> None:
    headers = signed("https://crm.example/a", b"1")
    verify(KEY.public_key(), "https://crm.example/a", headers, b"1")
    with pytest.raises(InvalidSignature):
        verify(KEY.public_key(), url, {**headers, **changed}, body)


def test_a_signature_of_a_message_serves_no_other_purpose_and_only_messages_are_signed_so() -> None:
    base = '"@method": POST'
    assert not is_signed_by(SIGNER.public_key, ENVELOPE, base.encode(), SIGNER.sign_http(base))
    with pytest.raises(ValueError, match="component"):
        SIGNER.sign_http(ENVELOPE.decode() + "\0content")
