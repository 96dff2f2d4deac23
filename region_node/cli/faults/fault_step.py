"""A typed step of the work on a fault: its name, and `field=value` for each of its fields."""

from collections.abc import Mapping, Sequence

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.json_format import ParseError

from gateway.api.region.v1.fault_pb2 import FaultMeasure, FaultReview
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.cli.option_words import option_words
from gateway.values.json_messages import message_of
from gateway.values.money import minor_units_of
from gateway.wording.languages import enumerated, offering, translated
from gateway.wording.times import instant_of

_FIELDS: Mapping[str, FieldDescriptor] = {
    field.name.replace("_", "-"): field for field in WorkOnFaultRequest.DESCRIPTOR.oneofs_by_name["step"].fields
}
STEPS = tuple(_FIELDS)
"""The names of the steps."""
_MEASURE = 3  # text; person; day
_REVIEW_FORM = "WHAT;WHO;YYYY-MM-DD"
_EXAMPLES = {"Money": '"12000 CNY"', "Timestamp": "2027-01-31T09:00+08:00"}
_YES, _NO = frozenset({"yes", "true", "1"}), frozenset({"no", "false", "0"})


def step_of(name: str, typed: Sequence[str]) -> WorkOnFaultRequest:
    """The request for a step. Raises ValueError, for people, for an unknown field or an invalid value.

    Choices are typed in lower case (`cause=cable`), times in ISO 8601. A price is in minor units with its currency
    (`price=12000 CNY`), or with a point in major units (`price=120.00 CNY`). The review of `close` consists of
    `summary` and any number of `measure=WHAT;WHO;YYYY-MM-DD`.
    """
    request, field = WorkOnFaultRequest(), _FIELDS[name]
    values = [_pair(each) for each in typed]
    if name == "close":
        if values:
            request.close.review.CopyFrom(_review(values))
        request.close.SetInParent()
        return request
    known = _fields_of(field)
    told = {key: _value(known.get(key), key, value, tuple(known)) for key, value in values}
    try:
        message_of({field.name: told}, request)
    except ParseError as error:
        raise ValueError(str(error)) from None
    return request


def steps_told() -> str:
    """Each step with its fields, a line each, as they are typed."""
    return "\n".join(f"{name} {' '.join(_told(key, each) for key, each in _shown(name))}".rstrip() for name in STEPS)


def _shown(name: str) -> Sequence[tuple[str, FieldDescriptor | None]]:
    if name == "close":
        return [("summary", None), (f"measure={_REVIEW_FORM}", None)]
    return list(_fields_of(_FIELDS[name]).items())


def _told(key: str, field: FieldDescriptor | None) -> str:
    if field is None:
        return key
    if field.enum_type is not None:
        return f"{key}={'|'.join(_words(field.enum_type))}"
    if field.type == FieldDescriptor.TYPE_BOOL:
        return f"{key}=yes|no"
    kind = field.message_type.name if field.message_type is not None else ""
    return f"{key}={_EXAMPLES[kind]}" if kind in _EXAMPLES else key


def _fields_of(step: FieldDescriptor) -> Mapping[str, FieldDescriptor]:
    return step.message_type.fields_by_name if step.message_type is not None else {}


def _words(enum: EnumDescriptor) -> Mapping[str, str]:
    """The name of each value by the word that is typed for it."""
    return option_words((each.name, each.name) for each in enum.values)


def _pair(typed: str) -> tuple[str, str]:
    key, equals, value = typed.partition("=")
    if not equals:
        raise ValueError(translated("{typed}: not FIELD=VALUE", typed=typed))
    return key, value


def _value(field: FieldDescriptor | None, key: str, value: str, known: Sequence[str]) -> object:
    if field is None:
        raise ValueError(_no_such_field(key, known))
    if field.enum_type is not None:
        words, wanted = _words(field.enum_type), value.lower().replace("_", "-")
        if wanted not in words:
            problem = translated("{field}: one of {values}.", field=key, values=enumerated(words))
            raise ValueError(offering(problem, wanted, words))
        return words[wanted]
    if field.type == FieldDescriptor.TYPE_BOOL:
        if value.lower() not in _YES | _NO:
            raise ValueError(translated("{field}: one of {values}", field=key, values="yes, no"))
        return value.lower() in _YES
    if field.type == FieldDescriptor.TYPE_UINT32 and not (value.isascii() and value.isdigit()):
        raise ValueError(translated("{field}: a number", field=key))
    kind = field.message_type.name if field.message_type is not None else ""
    if kind == "Money":
        written, _, currency = value.partition(" ")
        amount = minor_units_of(written)
        if amount is None or not currency:
            raise ValueError(translated("{field}: an amount and a currency, as 12000 CNY or 120.00 CNY", field=key))
        return {"minor_units": str(amount), "currency": currency}
    return _time(key, value) if kind == "Timestamp" else value


def _time(key: str, value: str) -> str:
    """A time as JSON has it."""
    try:
        return instant_of(value).isoformat()
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def _no_such_field(key: str, known: Sequence[str]) -> str:
    if not known:
        return translated("{field}: this step has no fields", field=key)
    told = translated("{field}: this step has the fields {values}", field=key, values=enumerated(known))
    return offering(told, key, known)


def _review(values: Sequence[tuple[str, str]]) -> FaultReview:
    review = FaultReview()
    for key, value in values:
        if key == "summary":
            review.summary = value
            continue
        if key != "measure":
            raise ValueError(_no_such_field(key, ("summary", "measure")))
        parts = [each.strip() for each in value.split(";")]
        if len(parts) != _MEASURE:
            raise ValueError(translated("{typed}: not measure={form}", typed=f"{key}={value}", form=_REVIEW_FORM))
        review.measures.append(FaultMeasure(what=parts[0], owner=parts[1], due_date=parts[2]))
    return review
