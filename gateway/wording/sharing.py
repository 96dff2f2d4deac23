"""Words for customers' shared records and their disclosures, as tables and pages show them."""

from collections.abc import Iterable

from gateway.api.federation.v1.configuration_pb2 import SharedField
from gateway.api.region.v1.sharing_service_pb2 import Disclosure, DisclosureKind, MaskReason, SharedValue
from gateway.values.money import in_major_units
from gateway.wording.languages import enumerated, headed
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word, word

# Fields whose texts are values of an enum of the contract.
_ENUMS = {SharedField.SHARED_FIELD_STATUS: "PRODUCT_STATUS_", SharedField.SHARED_FIELD_LINE_KIND: "LINE_KIND_"}


def shared_fields(fields: Iterable[SharedField.ValueType]) -> str:
    """The names of fields of a record."""
    return enumerated(value_word(SharedField.DESCRIPTOR, each) for each in fields)


def word_of_mask(mask: MaskReason.ValueType) -> str:
    """The reason for a field's mask; empty for an unmasked one."""
    return value_word(MaskReason.DESCRIPTOR, mask) if mask else ""


def shared_value(value: SharedValue) -> str:
    """The value of a field of a record, as far as it is shown."""
    if value.HasField("amount"):
        return in_major_units(value.amount.minor_units, value.amount.currency)
    if value.HasField("time"):
        return told_if_set(value.time)
    prefix = _ENUMS.get(value.field)
    texts = [word(each, prefix) for each in value.texts] if prefix else value.texts
    return enumerated(texts) or ("***" if value.masked else "")


def disclosed(disclosure: Disclosure) -> str:
    """The kind of a disclosure, with its bill or document."""
    happened = value_word(DisclosureKind.DESCRIPTOR, disclosure.kind)
    record = disclosure.particulars.record_id
    return headed(happened, record) if record else happened


def who_looked(disclosure: Disclosure) -> str:
    """The system and the person behind it; of staff the person alone."""
    if disclosure.operator.startswith("staff/"):
        return disclosure.operator
    return f"{disclosure.operator}/{disclosure.particulars.requester.staff_id}"
