"""The identity in a certificate: SPIFFE URIs of one federation.

The federation is the SPIFFE trust domain. Common names are never read, and a URI in any other form is no identity.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unfit
from gateway.values.lists import joined

SCHEME = "spiffe://"
# Under this key gRPC lists only URI names, so a DNS name with the text of a URI proves nothing.
_URI_NAMES = "peer_uri"
# A region is also a label of a DNS name (RFC 1035, 2.3.1), and a federation a whole one.
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_FEDERATION = re.compile(rf"(?=.{{1,253}}\Z){_LABEL.pattern}(?:\.{_LABEL.pattern})*")
_NAME = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,64}")
_REPLICA = re.compile(r"0|[1-9][0-9]{0,4}")
# The path of each role; `{region}` and `{name}` stand for the parts of the identity.
_PATHS: Mapping[Role.ValueType, str] = {
    Role.ROLE_REGION: "region/{region}",
    Role.ROLE_OPERATOR: "region/{region}/operator/{name}",
    Role.ROLE_STAFF: "region/{region}/staff/{name}",
    Role.ROLE_COORDINATOR: "coordinator/{name}",
    Role.ROLE_ADMIN: "admin/{name}",
    Role.ROLE_PROVIDER: "region/{region}/provider/{name}",
    Role.ROLE_MONITOR: "monitor/{name}",
    Role.ROLE_JOINER: "joiner",  # of no URI: `parse` knows none
}
_OF_A_REGION = {"operator": Role.ROLE_OPERATOR, "staff": Role.ROLE_STAFF, "provider": Role.ROLE_PROVIDER}
_OF_THE_FEDERATION = {
    "coordinator": Role.ROLE_COORDINATOR,
    "admin": Role.ROLE_ADMIN,
    "monitor": Role.ROLE_MONITOR,
}
# The form of the name in such a path; a provider's is also a label of its DNS name.
_NAME_FORMS: Mapping[Role.ValueType, re.Pattern[str]] = {Role.ROLE_COORDINATOR: _REPLICA, Role.ROLE_PROVIDER: _LABEL}


_PARTS = {"federation": "联盟", "region": "地区", "name": "名称"}


@dataclass(frozen=True)
class Identity:
    """A member of a federation.

    `region` is empty for coordinators and administrators. `name` is empty for regions, and the decimal replica number
    for coordinators. Raises ValueError for a part that its role does not allow.
    """

    federation: str
    role: Role.ValueType
    region: str
    name: str

    def __post_init__(self) -> None:
        if self.role not in _PATHS:
            raise Unfit("an identity has one of the roles of the contract", "身份的角色须为契约所定义")
        _require(_FEDERATION, "federation", self.federation)
        path = _PATHS[self.role]
        if "{region}" in path:
            _require(_LABEL, "region", self.region)
        elif self.region:
            raise Unfit(f"{Role.Name(self.role)} belongs to no region", f"{Role.Name(self.role)}不属于任何地区")
        if "{name}" in path:
            _require(_NAME_FORMS.get(self.role, _NAME), "name", self.name)
        elif self.name:
            raise Unfit(
                f"{Role.Name(self.role)} has no name besides its region", f"{Role.Name(self.role)}除地区外没有名称"
            )

    @cached_property
    def path(self) -> str:
        """The part of the URI after the federation, for example `region/sichuan`."""
        return _PATHS[self.role].format(region=self.region, name=self.name)

    @property
    def uri(self) -> str:
        """The SPIFFE URI, for example `spiffe://example.org/region/sichuan`."""
        return f"{SCHEME}{self.federation}/{self.path}"


def _require(form: re.Pattern[str], part: str, value: str) -> None:
    if form.fullmatch(value) is None:
        raise Unfit(f"{value[:80]!r} is not the {part} of an identity", f"{value[:80]!r}不能作为身份的{_PARTS[part]}")


@lru_cache(maxsize=1024)
def parse(uri: str, federation: str) -> Identity:
    """The identity that a SPIFFE URI names.

    Raises ValueError for a URI of another form, or of another federation.
    """
    own = f"{SCHEME}{federation}/"
    if not uri.startswith(own):
        raise Unfit(f"{uri[:200]!r} is not of the federation {federation}", f"{uri[:200]!r}不属于联盟{federation}")
    match uri.removeprefix(own).split("/"):
        case ["region", region]:
            return Identity(federation, Role.ROLE_REGION, region, "")
        case ["region", region, kind, name] if kind in _OF_A_REGION:
            return Identity(federation, _OF_A_REGION[kind], region, name)
        case [kind, name] if kind in _OF_THE_FEDERATION:
            return Identity(federation, _OF_THE_FEDERATION[kind], "", name)
        case _:
            forms = joined(path for role, path in _PATHS.items() if role != Role.ROLE_JOINER)
            raise Unfit(
                f"{uri[:200]!r} names no role of the contract; after the federation there is one of {forms.en}",
                f"{uri[:200]!r}未指明契约所定义的角色；联盟之后可为{forms.zh_cn}",
            )


def trust_domain(federation: str) -> str:
    """The SPIFFE URI of a federation itself, which its authority's certificate carries (X509-SVID, 3.1).

    Raises ValueError for an invalid name of a federation.
    """
    _require(_FEDERATION, "federation", federation)
    return SCHEME + federation


def federation_of(uri: str) -> str:
    """The federation of a trust domain's URI. Raises ValueError for a URI of another form."""
    federation = uri.removeprefix(SCHEME)
    if trust_domain(federation) != uri:
        raise Unfit(f"{uri[:200]!r} is no trust domain", f"{uri[:200]!r}不是信任域")
    return federation


def from_auth_context(auth_context: Mapping[str, Iterable[bytes]], federation: str) -> Identity:
    """The identity of a peer, from the `auth_context()` of a call or channel that mTLS secured.

    Raises Refused(UNAUTHENTICATED) unless the certificate has exactly one URI name, which is an identity of this
    federation (SPIFFE X509-SVID, 5.2).
    """
    uris = list(auth_context.get(_URI_NAMES, ()))
    if len(uris) != 1:
        raise Refused(Reason.REASON_UNAUTHENTICATED)
    try:
        return parse(uris[0].decode("ascii"), federation)
    except ValueError as error:
        raise Refused(Reason.REASON_UNAUTHENTICATED) from error


def server_name(role: Role.ValueType, region: str, federation: str, name: str = "") -> str:
    """The DNS name that a server of this role proves and its clients expect, whatever address they dial.

    `name` is a provider's; all replicas of other roles prove the same name. Raises ValueError for roles without a
    server.
    """
    if role == Role.ROLE_REGION:
        _require(_LABEL, "region", region)
        return f"{region}.region.{federation}"
    if role == Role.ROLE_COORDINATOR:
        return f"coordinator.{federation}"
    if role == Role.ROLE_PROVIDER:
        _require(_LABEL, "region", region)
        _require(_LABEL, "name", name)
        return f"{name}.provider.{region}.region.{federation}"
    raise Unfit(f"{Role.Name(role)} is no server", f"{Role.Name(role)}不是服务端")
