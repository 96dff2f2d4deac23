"""The scopes of a region's operator systems: what each may use, and whether it is believed about its staff.

A file beside the node has them, out of reach of every caller. An operator system that it does not name may do nothing.
It also names the businesses that staff order without an operator system: none unless it does.
"""

import asyncio
import hashlib
import logging
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.process.files import FileUnusable, stamp_of
from gateway.store.port import Store
from gateway.time.clock import Clock
from gateway.time.looks import until_look
from region_node.node.rules import OF_STAFF

LOOK_SECONDS = 1.0  # between two checks of the file
_ALL = "*"
ANY_STAFF = f"{OF_STAFF}{_ALL}"
"""The table of all members of staff who have none of their own."""
_AMOUNT, _UNLIMITED = "amount_a_day", "unlimited"
DEFAULT_AMOUNT_A_DAY = 1_000_000
"""Minor units: of one clerk on a busy day, eighty payments of 125 (`docs/integrating.md`)."""
PROVEN, NAMED = "proven", "named"
_STAFF = (PROVEN, NAMED)
_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
_log = logging.getLogger(__name__)


class ScopesUnusable(FileUnusable):
    """The file of scopes cannot be used; the text has the file and the reason."""


@dataclass(frozen=True)
class Scope:
    """The rights of one operator system, by names of the contract, the catalogue and the purposes; `*` for all."""

    services: frozenset[str] = frozenset()
    businesses: frozenset[str] = frozenset()
    """Of orders and joint orders that the operator system submits."""
    purposes: frozenset[str] = frozenset()
    """Of reads of shared customers, and of consents."""
    amount_a_day: int | None = DEFAULT_AMOUNT_A_DAY
    """Of the money that its orders take in, in minor units of the region's currency; None for `unlimited`."""
    staff: str = PROVEN
    """`proven`: a member of staff who acts through it has a proof. `named`: it is believed about who acts."""
    client_id: str = ""
    """Its name at the region's identity provider; empty for the name in its certificate, and for no access tokens."""


@dataclass(frozen=True)
class ScopeFile:
    """The content of a file of scopes."""

    scopes: Mapping[str, Scope]
    """By name of the operator system."""
    digest: str
    """SHA-256 of the file in hexadecimal, for the audit chain."""

    @classmethod
    def load(cls, path: Path) -> "ScopeFile":
        """Reads a file: a table for each operator system, with lists of names and its amount. Raises ScopesUnusable."""
        try:
            content = path.read_bytes()
            tables = tomllib.loads(content.decode())
            scopes = {name: _scope(name, table) for name, table in tables.items()}
        except OSError as error:
            raise ScopesUnusable(f"{path} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise ScopesUnusable(f"{path} holds no scopes of operator systems: {error}") from None
        return cls(scopes, hashlib.sha256(content).hexdigest())


class OperatorScopes:
    """The scopes in force. Without a file each operator system may do everything.

    Those of members of staff are about the orders that they take in by themselves, alone.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Raises ScopesUnusable where the file cannot be used."""
        self._path = path
        # The stamp comes first, so that the next check notices a change in between.
        self._stamp = None if path is None else stamp_of(path)
        self._file = None if path is None else ScopeFile.load(path)
        self._audited = ""
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Calls a listener once other scopes are in force."""
        self._listeners.append(listener)

    def require_service(self, operator: str, service: str) -> None:
        """Raises Refused with OPERATOR_SCOPE_MISSING unless an operator system may use a service."""
        if self._file is not None:
            _require(operator, self._scope(operator).services, service)

    def require_business(self, operator: str, business: str) -> None:
        """Raises Refused with OPERATOR_SCOPE_MISSING unless a business may be ordered.

        `operator` is an operator system, or `staff/<name>` for a member of staff who orders without one.
        """
        if self._file is not None:
            _require(operator, self._scope(operator).businesses, business)

    def require_purpose(self, operator: str, purpose: str) -> None:
        """Raises Refused with OPERATOR_SCOPE_MISSING unless an operator system may read for a purpose."""
        if self._file is not None:
            _require(operator, self._scope(operator).purposes, purpose)

    def amount_a_day(self, operator: str) -> int | None:
        """The money that an operator system may take in by its orders in a day, in minor units; None for any.

        For `staff/<name>` that of a member of staff who orders without one.
        """
        return self._scope(operator).amount_a_day

    def believes(self, operator: str) -> bool:
        """Whether an operator system is believed when it names a member of staff without a proof."""
        return self._file is None or self._scope(operator).staff == NAMED

    def client_id(self, operator: str) -> str:
        """The name of an operator system at the region's identity provider."""
        return self._scope(operator).client_id or operator

    def operator_of(self, client_id: str) -> str | None:
        """The operator system that comes by the access tokens of a client; None unless one scope alone names it."""
        if self._file is None:
            return client_id
        found = [name for name, scope in self._file.scopes.items() if scope.client_id == client_id]
        return found[0] if client_id and len(found) == 1 else None

    async def run(self, store: Store, clock: Clock) -> None:
        """Follows the file, and adds each content that was put in force to the audit chain. Never returns."""
        while True:
            self.look()
            if self._file is not None and self._file.digest != self._audited:
                await self._audit(self._file, store, clock)
            await asyncio.sleep(until_look(LOOK_SECONDS))

    def look(self) -> None:
        """Takes over a changed file. A broken or missing one is logged, and the scopes stay as they are."""
        if self._path is None:
            return
        stamp = stamp_of(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._file = ScopeFile.load(self._path)
        except ScopesUnusable as error:
            _log.error("the scopes of operator systems stay as they are: %s", error)
            return
        for listener in self._listeners:
            listener()

    async def _audit(self, file: ScopeFile, store: Store, clock: Clock) -> None:
        detail = f"{len(file.scopes)} scopes, SHA-256 {file.digest}"
        try:
            await store.write(
                lambda tx: audit.append(
                    tx, now=clock.now(), actor="node", action="OperatorScopes", subject="-", detail=detail
                )
            )
        except Refused as refused:
            _log.warning("the scopes of operator systems are noted later: %s", refused)
            return
        self._audited = file.digest

    def _scope(self, operator: str) -> Scope:
        if self._file is None:
            return _NOTHING
        if operator.startswith(OF_STAFF):
            return self._file.scopes.get(operator, self._file.scopes.get(ANY_STAFF, Scope()))
        return self._file.scopes.get(operator, _NOTHING)


_NOTHING = Scope(amount_a_day=None)  # orders of the node itself are of no operator system
_LISTS = ("services", "businesses", "purposes")
_KEYS_OF_STAFF = ("businesses", _AMOUNT)


def _require(operator: str, names: frozenset[str], name: str) -> None:
    if name not in names and _ALL not in names:
        raise Refused(Reason.REASON_OPERATOR_SCOPE_MISSING, operator=operator, name=name)


def _scope(operator: str, table: object) -> Scope:
    """The scope of a table. Raises ValueError."""
    known = _KEYS_OF_STAFF if operator.startswith(OF_STAFF) else [each.name for each in fields(Scope)]
    if not isinstance(table, dict) or not table.keys() <= set(known):
        raise ValueError(f"{operator}: must be a table of {', '.join(known)}")
    names = {key: _names(f"{operator}.{key}", value) for key, value in table.items() if key in _LISTS}
    staff, client_id = table.get("staff", PROVEN), table.get("client_id", "")
    if staff not in _STAFF:
        raise ValueError(f"{operator}.staff: must be {' or '.join(_STAFF)}")
    if client_id and not (isinstance(client_id, str) and _CLIENT_ID.fullmatch(client_id)):
        raise ValueError(f"{operator}.client_id: must be 1 to 128 characters without a space")
    amount = _amount(operator, table.get(_AMOUNT, DEFAULT_AMOUNT_A_DAY))
    return Scope(**names, amount_a_day=amount, staff=staff, client_id=client_id or "")


def _amount(operator: str, amount: object) -> int | None:
    if amount == _UNLIMITED:
        return None
    if type(amount) is not int or amount < 0:
        raise ValueError(f"{operator}.{_AMOUNT}: must be a whole number of minor units, or {_UNLIMITED}")
    return amount


def _names(key: str, names: object) -> frozenset[str]:
    if not isinstance(names, list) or not all(isinstance(each, str) and each for each in names):
        raise ValueError(f"{key}: must be a list of names")
    return frozenset(names)
