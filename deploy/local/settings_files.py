"""Settings files of processes, written as TOML."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

Value = str | bool | int | float | tuple[str, ...]
Settings = Mapping[str, "Value | Settings"]


def write_settings(path: Path, settings: Settings) -> None:
    """Writes settings, with tables below the other keys, into a file that its owner alone can read."""
    path.touch(mode=0o600)
    path.write_text("\n".join(_lines(settings, "")) + "\n", "utf-8")


def write_scopes(path: Path, operators: Iterable[str], staff_rights: Settings) -> None:
    """Writes scopes of operator systems that serve every counter with any load, and sign in their staff.

    `staff_rights` is the scope of any member of staff, at the console too.
    """
    everything: Settings = dict.fromkeys(("services", "businesses", "purposes"), ("*",))
    scope = {**everything, "staff": "named", "amount_a_day": 10**12}  # a number, which versions before read too
    write_settings(path, {**dict.fromkeys(operators, scope), '"staff/*"': staff_rights})


def credentials_table(directory: Path) -> Settings:
    """The table of a TLS certificate."""
    return {
        "authority": str(directory / "authority.crt"),
        "certificate": str(directory / "tls.crt"),
        "key": str(directory / "tls.key"),
    }


def _lines(settings: Settings, prefix: str) -> Iterator[str]:
    for key, value in settings.items():
        if not isinstance(value, Mapping):
            yield f"{key} = {_toml(value)}"
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield f"\n[{prefix}{key}]"
            yield from _lines(value, f"{prefix}{key}.")


def _toml(value: Value) -> str:
    """The JSON form of these values is TOML, too."""
    return json.dumps(value, ensure_ascii=False)
