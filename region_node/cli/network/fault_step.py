"""A step of the work on a fault as it is typed: its name, and `field=value` for each of its fields."""

from collections.abc import Mapping, Sequence

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor

from gateway.api.region.v1.fault_pb2 import FaultMeasure, FaultReview
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.languages import translated

_FIELDS: Mapping[str, FieldDescriptor] = {
    field.name.replace("_", "-"): field for field in WorkOnFaultRequest.DESCRIPTOR.oneofs_by_name["step"].fields
}
STEPS = tuple(_FIELDS)
"""The names of the steps."""
_MEASURE = 3  # what; who; by when


def step_of(name: str, typed: Sequence[str]) -> WorkOnFaultRequest:
    """The request for a step. Raises ValueError, for people, where a field is none of it or has no such value.

    Choices are typed in lower case (`cause=cable`), times in RFC 3339, a price as minor units and currency
    (`price=12000 CNY`); of `close`, `summary` and any number of `measure=WHAT;WHO;YYYY-MM-DD` make the review.
    """
    request, field = WorkOnFaultRequest(), _FIELDS[name]
    values = [_pair(each) for each in typed]
    if name == "close":
        if values:
            request.close.review.CopyFrom(_review(values))
        request.close.SetInParent()
        return request
    fields = field.message_type.fields_by_name if field.message_type is not None else {}
    told = {key: _value(fields.get(key), key, value) for key, value in values}
    try:
        json_format.ParseDict({field.name: told}, request)
    except json_format.ParseError as error:
        raise ValueError(str(error)) from None
    return request


def _pair(typed: str) -> tuple[str, str]:
    key, equals, value = typed.partition("=")
    if not equals:
        raise ValueError(translated("{typed}: not FIELD=VALUE", typed=typed))
    return key, value


def _value(field: FieldDescriptor | None, key: str, value: str) -> object:
    if field is None:
        raise ValueError(translated("{field}: this step has no such field", field=key))
    if field.enum_type is not None:
        names = [each.name for each in field.enum_type.values]
        prefix = names[0].removesuffix("UNSPECIFIED")
        wanted = prefix + value.upper().replace("-", "_")
        if wanted not in names[1:]:
            known = ", ".join(each.removeprefix(prefix).lower() for each in names[1:])
            raise ValueError(translated("{field}: one of {values}", field=key, values=known))
        return wanted
    if field.type == FieldDescriptor.TYPE_BOOL:
        return value.lower() in ("yes", "true", "1")
    if field.message_type is not None and field.message_type.name == "Money":
        amount, _, currency = value.partition(" ")
        return {"minor_units": amount, "currency": currency}
    return value


def _review(values: Sequence[tuple[str, str]]) -> FaultReview:
    review = FaultReview()
    for key, value in values:
        if key == "summary":
            review.summary = value
            continue
        parts = [each.strip() for each in value.split(";")]
        if key != "measure" or len(parts) != _MEASURE:
            raise ValueError(translated("{field}: this step has no such field", field=key))
        review.measures.append(FaultMeasure(what=parts[0], owner=parts[1], due_date=parts[2]))
    return review
