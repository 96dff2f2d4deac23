"""The issuers below a federation's authority, and whom each of them may certify.

The issuer of a region certifies its operators and staff. Two issuers renew certificates for TLS: that of the regions'
nodes, and that of coordinators and administrators.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Unfit
from gateway.security.identity import Identity, parse, trust_domain

OF_REGION_ISSUERS = (Role.ROLE_OPERATOR, Role.ROLE_STAFF)
"""The roles whose certificates a region's issuer may issue."""
NODES = "*"
"""The issuer of all regions' nodes, where else the region of an issuer stands: no region is called so."""
COORDINATORS = "**"
"""The issuer of coordinators and administrators, in the same place."""


RENEWED_BY_PROGRAMS = (Role.ROLE_REGION, Role.ROLE_COORDINATOR)
"""The roles whose programs renew their TLS certificates while they serve."""


@dataclass(frozen=True)
class RenewingIssuer:
    """An issuer by which members renew their TLS certificates, and what it may certify."""

    path: str
    """Of its URI, which is that of no member."""
    servers: str
    """The label above the federation in the DNS names of its servers."""
    roles: Sequence[Role.ValueType]
    told: str
    """The refusal of any other role."""
    told_zh_cn: str

    def uri(self, federation: str) -> str:
        """Its URI. Raises ValueError for a name that no federation can have."""
        return f"{trust_domain(federation)}/{self.path}"


RENEWING: Mapping[str, RenewingIssuer] = {
    NODES: RenewingIssuer(
        "nodes",
        "region",
        (Role.ROLE_REGION,),
        "the issuer of nodes certifies the nodes of regions alone",
        "节点的签发者只为地区节点签发证书",
    ),
    COORDINATORS: RenewingIssuer(
        "coordinators",
        "coordinator",
        (Role.ROLE_COORDINATOR, Role.ROLE_ADMIN),
        "the issuer of coordinators certifies coordinators and administrators alone",
        "协调中心的签发者只为协调中心和管理员签发证书",
    ),
}


def issuer_of(uri: str, federation: str) -> str:
    """The region whose issuer has this URI, NODES, or COORDINATORS. Raises ValueError for a URI of no issuer."""
    for name, renewing in RENEWING.items():
        if uri == renewing.uri(federation):
            return name
    identity = parse(uri, federation)
    if identity.role != Role.ROLE_REGION:
        raise Unfit(f"{uri[:200]!r} is no region", f"{uri[:200]!r}不是地区")
    return identity.region


def renewing_issuer(role: Role.ValueType) -> str:
    """The issuer that renews the TLS certificates of a role. Raises ValueError for a role whose members renew none."""
    for name, renewing in RENEWING.items():
        if role in renewing.roles:
            return name
    raise Unfit(f"{Role.Name(role)} renews no certificate", f"{Role.Name(role)}不续期证书")


def may_issue(issuer: str, identity: Identity) -> bool:
    """Whether the issuer of a region, NODES, COORDINATORS, or the authority (empty) may certify this member."""
    if (renewing := RENEWING.get(issuer)) is not None:
        return identity.role in renewing.roles
    return not issuer or (identity.region == issuer and identity.role in OF_REGION_ISSUERS)
