"""Bytes as text for addresses: base64url without padding (RFC 4648, 5; RFC 7515, 2)."""

import base64


def encoded(content: bytes) -> str:
    """The text of bytes."""
    return base64.urlsafe_b64encode(content).decode("ascii").rstrip("=")


def decoded(text: str) -> bytes:
    """The bytes of a text. Raises ValueError for one that is none."""
    return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
