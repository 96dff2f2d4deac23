"""The file of the trusted authority, read again when it is replaced: an authority rotates without a restart."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from gateway.security.signing import TrustedKeys
from gateway.security.tls import Credentials

INTERVAL = 1.0  # seconds between looks at the file
_log = logging.getLogger(__name__)


async def follow_authority(
    credentials: Credentials, keys: TrustedKeys, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Trusts signing certificates and revocation lists by the authority in the file, until it is cancelled.

    An unusable file is logged and changes nothing. TLS itself follows the file by `gateway.security.tls`.
    """
    seen: bytes | None = None
    while True:
        found = _read(credentials)
        if found is not None and found != seen:
            is_taken = _take(credentials, keys, found)
            if is_taken and seen is not None:  # the first one is that of the start, mostly
                _log.info("trusting the authority now in %s", credentials.authority)
            seen = found
        await sleep(INTERVAL)


def _read(credentials: Credentials) -> bytes | None:
    """The content of the file; None while there is none, as in the midst of a replacement."""
    try:
        return credentials.authority.read_bytes()
    except OSError as error:
        _log.debug("%s cannot be read: %s", credentials.authority, error.strerror)
        return None


def _take(credentials: Credentials, keys: TrustedKeys, found: bytes) -> bool:
    try:
        keys.replace_authority(found)
    except ValueError as error:
        _log.error("%s is ignored, and what was trusted before still is: %s", credentials.authority, error)
        return False
    return True
