"""Counts verifications: which signatures are verified, and which are known to be right."""

import pytest

from gateway.security import signing


def checks_of(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The signatures that are verified from here on, as they are verified."""
    checked = list[bytes]()
    require = signing._Accepted.require

    def counted(accepted: signing._Accepted, signature: bytes, signed: bytes) -> None:
        checked.append(signature)
        require(accepted, signature, signed)

    monkeypatch.setattr(signing._Accepted, "require", counted)
    return checked
