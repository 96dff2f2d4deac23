"""The records that backups keep in files: dataclasses as JSON, with times in ISO 8601."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from types import UnionType
from typing import TYPE_CHECKING, TypeVar, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")


def encoded(record: "DataclassInstance") -> bytes:
    """The JSON of a record."""
    return json.dumps(asdict(record), indent=2, default=datetime.isoformat).encode()


def decoded(kind: Callable[..., T], content: bytes) -> T:
    """The record of a dataclass, without fields of a later version. Raises ValueError or TypeError for none."""
    told: dict[str, object] = json.loads(content)
    hints: dict[str, type] = get_type_hints(kind)
    return kind(**{name: _value(hint, told[name]) for name, hint in hints.items() if name in told})


def _value(hint: type, told: object) -> object:
    kinds: tuple[type, ...] = get_args(hint) if get_origin(hint) is UnionType else (get_origin(hint) or hint,)
    value = datetime.fromisoformat(told) if datetime in kinds and isinstance(told, str) else told
    if not isinstance(value, kinds):
        raise ValueError(f"{told!r} is no {hint}")
    return value
