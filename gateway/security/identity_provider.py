"""An identity provider, with its keys from a file that is read again when it changes."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from pathlib import Path

from gateway.process.files import FileUnusable, stamp_of
from gateway.security.provider_settings import IdentityProviderSettings
from gateway.security.provider_tokens import IdentityProvider, VerifyingKey, provider_keys
from gateway.time.looks import until_look

LOOK_SECONDS = 1.0  # between two checks of the file
_LARGEST = 256 * 1024  # bytes of a file
_log = logging.getLogger(__name__)


class ProviderKeysUnusable(FileUnusable):
    """The file of keys cannot be used; the text has the file and the reason."""


class ProviderKeys:
    """The keys in force. Used on one event loop."""

    def __init__(self, settings: IdentityProviderSettings, others: Collection[str] = ()) -> None:
        """`others` are the audiences of other uses. Raises ProviderKeysUnusable where the file cannot be used."""
        self._settings = settings
        self._others = others
        # The stamp comes first, so that the next check notices a change in between.
        self._stamp = stamp_of(settings.keys)
        self._keys = load_keys(settings.keys)

    @property
    def provider(self) -> IdentityProvider:
        """The identity provider with the keys of each moment."""
        named = self._settings
        return IdentityProvider(named.issuer, named.audience, named.name_claim, lambda: self._keys, self._others)

    async def run(self) -> None:
        """Follows the file. Never returns."""
        while True:
            self.look()
            await asyncio.sleep(until_look(LOOK_SECONDS))

    def look(self) -> None:
        """Takes over a changed file: a token by a key that is gone counts no more.

        A broken or missing file is logged, and the keys stay as they are.
        """
        stamp = stamp_of(self._settings.keys)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._keys = load_keys(self._settings.keys)
        except ProviderKeysUnusable as error:
            _log.error("the keys of the identity provider stay as they are: %s", error)


def load_keys(path: Path) -> Mapping[str, VerifyingKey]:
    """Reads a file of keys. Raises ProviderKeysUnusable."""
    try:
        content = path.read_bytes()
        if len(content) > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST} bytes")
        return provider_keys(content)
    except OSError as error:
        raise ProviderKeysUnusable(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ProviderKeysUnusable(f"{path} holds no keys of an identity provider: {error}") from None
