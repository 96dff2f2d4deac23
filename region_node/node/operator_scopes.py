"""The scopes of a region's operator systems: what each may use, and whether it is believed about its staff.

A file beside the node has those of the first start. An operator system without a scope may do nothing. Scopes also name
what staff do without an operator system: businesses, purposes of sharing, and the audit chain; nothing of it otherwise.
"""

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process.files import FileUnusable
from region_node.node.rules import OF_STAFF

ALL = "*"
ANY_STAFF = f"{OF_STAFF}{ALL}"
"""The table of all members of staff who have none of their own."""
_AMOUNT, UNLIMITED = "amount_a_day", "unlimited"
DEFAULT_AMOUNT_A_DAY = 1_000_000
"""Minor units: of one clerk on a busy day, eighty payments of 125 (`docs/integrating.md`)."""
PROVEN, NAMED = "proven", "named"
AUDIT_SERVICE = "AuditService"
"""The service that members of staff use by a scope alone."""
_STAFF = (PROVEN, NAMED)
_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)


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
            scopes = {scope_name(name): scope_of(name, table) for name, table in tables.items()}
            if len(scopes) < len(tables):
                raise ValueError("a member of staff has two tables, whose names differ in case alone")
        except OSError as error:
            raise ScopesUnusable(f"{path} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise ScopesUnusable(f"{path} holds no scopes of operator systems: {error}") from None
        return cls(scopes, hashlib.sha256(content).hexdigest())


class OperatorScopes:
    """The scopes in force. Without any file each operator system may do everything, unless the database has scopes.

    Those of members of staff are about their own orders, their own readings by consent, and the audit chain alone.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Those of a file, until others are put in force. Raises ScopesUnusable where the file cannot be used."""
        self.path = path
        self.file = None if path is None else ScopeFile.load(path)
        self._scopes = None if self.file is None else self.file.scopes
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Calls a listener once other scopes are in force."""
        self._listeners.append(listener)

    def put_in_force(self, scopes: Mapping[str, Scope]) -> None:
        """Puts scopes in force, by name of the operator system."""
        self._scopes = scopes
        for listener in self._listeners:
            listener()

    def may_use(self, operator: str, service: str) -> bool:
        """Whether an operator system may use a service, or `staff/<name>` one that needs a scope."""
        return self._scopes is None or _has(self._scope(operator).services, service)

    def require_service(self, operator: str, service: str) -> None:
        """Raises Refused with OPERATOR_SCOPE_MISSING unless `may_use`."""
        if not self.may_use(operator, service):
            raise _missing(operator, service)

    def require_business(self, operator: str, business: str) -> None:
        """Raises Refused with OPERATOR_SCOPE_MISSING unless a business may be ordered.

        `operator` is an operator system, or `staff/<name>` for a member of staff who orders without one.
        """
        if self._scopes is not None:
            _require(operator, self._scope(operator).businesses, business)

    def require_purpose(self, operator: str, purpose: str) -> None:
        """Raises Refused with OPERATOR_SCOPE_MISSING unless an operator system may read for a purpose.

        `operator` is also `staff/<name>`, for a member of staff who reads by the consent of a customer.
        """
        if self._scopes is not None:
            _require(operator, self._scope(operator).purposes, purpose)

    def amount_a_day(self, operator: str) -> int | None:
        """The money that an operator system may take in by its orders in a day, in minor units; None for any.

        For `staff/<name>` that of a member of staff who orders without one. Without a scope it is 0, for an
        order that is being taken in as the scope is removed.
        """
        return None if self._scopes is None else self._scope(operator).amount_a_day

    def believes(self, operator: str) -> bool:
        """Whether an operator system is believed when it names a member of staff without a proof."""
        return self._scopes is None or self.names_staff(operator)

    def names_staff(self, operator: str) -> bool:
        """Whether the scope of an operator system lets it name members of staff without a proof."""
        return self._scope(operator).staff == NAMED

    def client_id(self, operator: str) -> str:
        """The name of an operator system at the region's identity provider."""
        return self._scope(operator).client_id or operator

    def operator_of(self, client_id: str) -> str | None:
        """The operator system that comes by the access tokens of a client; None unless one scope alone names it."""
        if self._scopes is None:
            return client_id
        return operators_of_clients(self._scopes).get(client_id)

    def _scope(self, operator: str) -> Scope:
        if self._scopes is None:
            return NOTHING
        # An operator system has its own one, nearly always.
        own = self._scopes.get(operator)
        return effective(self._scopes, operator) if own is None else own


def scope_name(operator: str) -> str:
    """The name of a scope: one member of staff has one, however the name of the person is typed (`is_same_person`)."""
    return operator.casefold() if operator.startswith(OF_STAFF) else operator


def effective(scopes: Mapping[str, Scope], operator: str) -> Scope:
    """The scope that counts for an operator system, or for `staff/<name>`: the own one, or else that of any staff."""
    name = scope_name(operator)
    other = scopes.get(ANY_STAFF, NOTHING) if name.startswith(OF_STAFF) else NOTHING
    return scopes.get(name, other)


def operators_of_clients(scopes: Mapping[str, Scope]) -> dict[str, str]:
    """The operator system of each client that one scope alone names."""
    clients = Counter(each.client_id for each in scopes.values() if each.client_id)
    return {each.client_id: name for name, each in scopes.items() if clients[each.client_id] == 1}


NOTHING = Scope(amount_a_day=0)
LISTS = ("services", "businesses", "purposes")
_KEYS_OF_STAFF = (*LISTS, _AMOUNT)


def _require(operator: str, names: frozenset[str], name: str) -> None:
    if not _has(names, name):
        raise _missing(operator, name)


def _has(names: frozenset[str], name: str) -> bool:
    return name in names or ALL in names


def _missing(operator: str, name: str) -> Refused:
    return Refused(Reason.REASON_OPERATOR_SCOPE_MISSING, operator=operator, name=name)


def scope_of(operator: str, table: object) -> Scope:
    """The scope of a table of a file. Raises ValueError."""
    known = _KEYS_OF_STAFF if operator.startswith(OF_STAFF) else [each.name for each in fields(Scope)]
    if not isinstance(table, dict) or not table.keys() <= set(known):
        raise ValueError(f"{operator}: must be a table of {', '.join(known)}")
    names = {key: _names(f"{operator}.{key}", value) for key, value in table.items() if key in LISTS}
    if operator.startswith(OF_STAFF) and not names.get("services", frozenset()) <= {AUDIT_SERVICE}:
        raise ValueError(f"{operator}.services: must be {AUDIT_SERVICE} alone, for staff")
    staff, client_id = table.get("staff", PROVEN), table.get("client_id", "")
    if staff not in _STAFF:
        raise ValueError(f"{operator}.staff: must be {' or '.join(_STAFF)}")
    if client_id and not (isinstance(client_id, str) and _CLIENT_ID.fullmatch(client_id)):
        raise ValueError(f"{operator}.client_id: must be 1 to 128 characters without a space")
    amount = _amount(operator, table.get(_AMOUNT, DEFAULT_AMOUNT_A_DAY))
    return Scope(**names, amount_a_day=amount, staff=staff, client_id=client_id or "")


def _amount(operator: str, amount: object) -> int | None:
    if amount == UNLIMITED:
        return None
    if type(amount) is not int or not 0 <= amount < 2**63:
        raise ValueError(f"{operator}.{_AMOUNT}: must be a whole number of minor units, or {UNLIMITED}")
    return amount


def _names(key: str, names: object) -> frozenset[str]:
    if not isinstance(names, list) or not all(isinstance(each, str) and each for each in names):
        raise ValueError(f"{key}: must be a list of names")
    return frozenset(names)
