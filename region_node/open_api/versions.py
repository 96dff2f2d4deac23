"""Versions 4 and 5 of TM Forum's APIs: the one table of their differences, by which each mapping serves both. Pure.

Version 5 names the type of every object, and holds what has a role apart from its role.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from gateway.web.json_bodies import Attributes, unsupported
from region_node.open_api.resources import REQUESTER, Json, require_reference, require_type, told_reference

EMAIL, PHONE = "email", "phone"
ADDRESSES = {PHONE: "phoneNumber", EMAIL: "emailAddress"}
"""The attributes with the addresses of contact media."""
_IDENTIFIER = "ExternalIdentifier"


@dataclass(frozen=True)
class Reference:
    """How something of another kind is referred to."""

    type: str = ""
    """The type of the reference; empty where it names none."""
    holder: str = ""
    """The type of what holds it with its role; empty where that has no type."""
    name: str = ""
    """The attribute of the holder that is the reference; empty where the reference has its role itself."""
    role: str = ""
    """The role of all these; empty where each has its own, or none has one."""

    def told(self, name: str, kind: str, role: str = "") -> Json:
        """A reference to something of a kind; empty without its name."""
        if not name or not self.type:
            return told_reference(name, kind, role)
        told: Json = {**told_reference(name, kind), "@type": self.type}
        return {"role": role or self.role, self.name: told, "@type": self.holder} if self.name else told

    def taken(self, said: Attributes, roles: Sequence[str] = ()) -> tuple[str, Attributes]:
        """The role, and the reference that is to be closed. Raises Refused for any role but these."""
        if self.holder:
            require_type(said, self.holder, is_required=bool(self.name))
        known = roles or ([self.role] if self.role else ())
        role = said.text("role") if known else ""
        if known and role not in known:
            raise unsupported(said.at("role"), f"it is {' or '.join(known)}", f"须为{'或'.join(known)}")
        if not self.name:
            return role, said
        reference = said.object(self.name)
        said.close()
        return role, reference

    def close(self, reference: Attributes, kind: str) -> None:
        """Raises Refused for a reference to something else than this kind, or with any further attribute."""
        if self.type:
            require_type(reference, self.type, is_required=True)
        require_reference(reference, kind)


@dataclass(frozen=True)
class Version:
    """A version of the APIs. Its defaults are those of version 4."""

    is_typed: bool = False
    """Whether every object has to name its type."""
    order_time: str = "orderDate"
    order_identifier: str = "externalId"
    ticket_identifier: str = "externalId"
    ticket_identifier_filter: str = "externalId"
    """The filter of tickets by the external id."""
    is_identifier_typed: bool = False
    """Whether an external id is one of several objects, and not a text."""
    status_changes: str = "statusChange"
    status_change_time: str = "changeDate"
    status_change_reason: str = "changeReason"
    characteristic: str = "Characteristic"
    media: Mapping[str, str] | None = None
    """The types of the contact media, which have their address themselves; without it each has a characteristic."""
    addresses: str = "contactMedium.characteristic"
    """The path of what has the address of a contact medium."""
    entity_filter: str = "relatedEntity.id"
    """The filter of tickets by the number that they are about."""
    listener: str = "EventSubscription"
    """The type of a listener."""
    offering: Reference = Reference()
    order: Reference = Reference()
    resource: Reference = Reference()
    channel: Reference = Reference()
    order_channel: Reference = Reference()
    party: Reference = Reference()
    engaged_party: Reference = Reference()
    account: Reference = Reference()
    entity: Reference = Reference(holder="RelatedEntity")

    def address(self, medium: str) -> str:
        """The path of the address of a contact medium, by which lists of customers are selected, too."""
        return f"{self.addresses}.{ADDRESSES[medium]}"

    def typed(self, told: Json, kind: str) -> Json:
        """An object with its type, where one is named."""
        return {**told, "@type": kind} if self.is_typed else told

    def attributes(self, *names: str) -> Sequence[str]:
        """The attributes of a body, with that which has to name its type."""
        return ("@type", *names) if self.is_typed else names

    def require_type(self, body: Attributes, *names: str) -> None:
        """Raises Refused where an object is of another type than these, or does not say of which."""
        require_type(body, *names, is_required=self.is_typed)

    def told_identifier(self, name: str) -> object:
        """The external id of a resource; empty without one."""
        if not self.is_identifier_typed or not name:
            return name
        return [{"id": name, "@type": _IDENTIFIER}]

    def identifier_in(self, body: Attributes, name: str) -> str:
        """The external id of a body; empty without one. Raises Refused for several."""
        if not self.is_identifier_typed:
            return body.text(name)
        found = body.objects(name)
        if len(found) > 1:
            raise unsupported(body.at(name), "the id of the caller is one", "仅限一个外部标识")
        for each in found:
            self.require_type(each, _IDENTIFIER)
            said = each.text("id")
            each.close()
            return said
        return ""


V4 = Version()
V5 = Version(
    is_typed=True,
    order_time="creationDate",
    ticket_identifier="externalIdentifier",
    ticket_identifier_filter="externalIdentifier.id",
    is_identifier_typed=True,
    status_changes="statusChangeHistory",
    status_change_time="statusChangeDate",
    status_change_reason="statusChangeReason",
    characteristic="StringCharacteristic",
    media={EMAIL: "EmailContactMedium", PHONE: "PhoneContactMedium"},
    addresses="contactMedium",
    entity_filter="relatedEntity.entity.id",
    listener="Hub",
    offering=Reference("ProductOfferingRef"),
    order=Reference("ProductOrderRef"),
    resource=Reference("ResourceRef"),
    channel=Reference("ChannelRef"),
    order_channel=Reference("ChannelRef", "RelatedChannel", "channel", REQUESTER),
    party=Reference("PartyRef", "RelatedPartyRefOrPartyRoleRef", "partyOrPartyRole"),
    engaged_party=Reference("PartyRef"),
    account=Reference("AccountRef"),
    entity=Reference("EntityRef", "RelatedEntity", "entity"),
)
_VERSIONS: Mapping[str, Version] = {"v4": V4, "v5": V5}


@cache
def version_of(root: str) -> Version:
    """The version of the API at a path, which ends with its name."""
    return _VERSIONS[root.rpartition("/")[2]]
