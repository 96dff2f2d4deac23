"""Other contacts as stored: one row for each customer, sealed under the customer's key."""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.api.region.v1.customer_service_pb2 import Customer
from gateway.api.region.v1.customer_service_pb2 import OtherContact as OtherContactMessage
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.customers.other_contacts.rules import OtherContact
from region_node.node.subjects import customer_subject


class _AtRest(NamedTuple):
    customer_id: str
    sealed: bytes


_CONTACTS = Table("other_contacts", _AtRest, key=("customer_id",))


def other_contacts(tx: Transaction, customer_id: str) -> list[OtherContact]:
    """The other contacts of a customer, in the customer's order; none of an erased one."""
    row = tx.find(_CONTACTS, customer_id)
    if row is None:
        return []
    content = vault.open_if_kept(tx, customer_subject(customer_id), _CONTACTS.name, row.sealed)
    told = () if content is None else Customer.FromString(content).other_contacts
    return [OtherContact(each.number, from_timestamp(each.effective_time)) for each in told]


def keep_other_contacts(tx: Transaction, customer_id: str, contacts: Sequence[OtherContact]) -> None:
    """The customer has these other contacts from now on."""
    if not contacts:
        tx.remove(_CONTACTS, customer_id)
        return
    content = Customer(other_contacts=contact_messages(contacts)).SerializeToString()
    sealed = vault.seal(tx, customer_subject(customer_id), _CONTACTS.name, content)
    tx.keep(_CONTACTS, _AtRest(customer_id, sealed))


def forget_other_contacts(tx: Transaction, customer_id: str) -> None:
    """Removes the other contacts of a customer."""
    tx.execute("DELETE FROM other_contacts WHERE customer_id = :id", id=customer_id)


def contact_messages(contacts: Sequence[OtherContact]) -> list[OtherContactMessage]:
    """Other contacts as the contract shows them."""
    return [OtherContactMessage(number=each.number, effective_time=to_timestamp(each.effective)) for each in contacts]
