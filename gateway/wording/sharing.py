"""Words for disclosures of customers' records, as tables and pages show them."""

from collections.abc import Iterable

from gateway.api.federation.v1.configuration_pb2 import SharedField
from gateway.api.region.v1.sharing_service_pb2 import Disclosure, DisclosureKind
from gateway.wording.words import word


def shared_fields(fields: Iterable[SharedField.ValueType]) -> str:
    """The names of fields of a record."""
    return ", ".join(word(SharedField.Name(each), "SHARED_FIELD_") for each in fields)


def disclosed(disclosure: Disclosure) -> str:
    """The kind of a disclosure, with its bill or document."""
    happened = word(DisclosureKind.Name(disclosure.kind), "DISCLOSURE_KIND_")
    record = disclosure.particulars.record_id
    return f"{happened}: {record}" if record else happened


def who_looked(disclosure: Disclosure) -> str:
    """The system and the person behind it; of staff the person alone."""
    if disclosure.operator.startswith("staff/"):
        return disclosure.operator
    return f"{disclosure.operator}/{disclosure.particulars.requester.staff_id}"
