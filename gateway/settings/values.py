"""Values of settings, as a file or a text gives them."""

import math
import re
from pathlib import Path
from typing import TypeAlias

from gateway.wording.languages import translated

Value: TypeAlias = str | int | float | bool | Path | tuple[str, ...]

# The limit of digits lets every number fit a column of any database.
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_TRUTHS = {"true": True, "false": False}


def from_toml(kind: object, value: object, directory: Path) -> Value:
    """A value of TOML as its field has it; paths are relative to the directory. Raises ValueError: "must be …"."""
    # To Python, true and false are whole numbers too.
    if isinstance(value, bool):
        fitting: Value | None = value if kind is bool else None
    elif isinstance(value, str):
        fitting = _path(value, directory) if kind is Path else value if kind is str else None
    elif isinstance(value, int | float):
        fitting = _number(kind, value)
    elif isinstance(value, list) and kind == tuple[str, ...]:
        texts = tuple(each for each in value if isinstance(each, str))
        fitting = texts if len(texts) == len(value) else None
    else:
        fitting = None
    return _required(kind, fitting)


def from_text(kind: object, text: str) -> Value:
    """A value of the environment or of a flag as its field has it. Raises ValueError: "must be …".

    Paths are relative to the working directory; the texts of a list are separated by commas.
    """
    fitting: Value | None
    if kind is str:
        fitting = text
    elif kind is Path:
        fitting = _path(text, Path())
    elif kind is bool:
        fitting = _TRUTHS.get(text)
    elif kind is int:
        fitting = int(text) if _WHOLE.fullmatch(text) else None
    elif kind is float:
        fitting = _number(kind, float(text)) if _NUMBER.fullmatch(text) else None
    else:
        texts = tuple(each.strip() for each in text.split(",")) if text.strip() else ()
        fitting = texts if all(texts) else None
    return _required(kind, fitting)


def _required(kind: object, fitting: Value | None) -> Value:
    if fitting is None:
        raise ValueError(_must_be(kind))
    return fitting


def _must_be(kind: object) -> str:
    texts: dict[object, str] = {
        str: translated("must be a text"),
        Path: translated("must be a path"),
        bool: translated("must be true or false"),
        int: translated("must be a whole number"),
        float: translated("must be a number"),
        tuple[str, ...]: translated("must be a list of texts"),
    }
    return texts[kind]


def _path(text: str, directory: Path) -> Path | None:
    return directory / text if text and "\0" not in text else None


def _number(kind: object, value: float) -> Value | None:
    if kind is int:
        return value if isinstance(value, int) else None
    if kind is not float:
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
