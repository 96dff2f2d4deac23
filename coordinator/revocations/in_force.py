"""The revocation lists of the registry, in force at this coordinator."""

import logging

from coordinator.registry.port import Registry
from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.errors import Refused
from gateway.security.revocations import Revocations

_log = logging.getLogger(__name__)


class RegisteredRevocations:
    """Puts the lists of the registry in force in this process."""

    def __init__(self, registry: Registry, revocations: Revocations) -> None:
        self._registry = registry
        self._revocations = revocations
        self._seen: dict[str, RevocationList] = {}
        self._take()
        registry.on_change(self._take)

    def _take(self) -> None:
        """Takes each list once. One that cannot be used, of a damaged registry, is logged and changes nothing."""
        for issuer, told in self._registry.snapshot().revocation_lists.items():
            if self._seen.get(issuer) is told:
                continue
            self._seen[issuer] = told
            try:
                self._revocations.take(told)
            except Refused as refused:
                _log.error("the revocation list of issuer %s in the registry is ignored: %s", issuer, refused)
