"""Which database a process uses, as its settings say."""

from dataclasses import dataclass, field

_MOST_READERS = 64


@dataclass(frozen=True)
class PostgresqlSettings:
    """Where the PostgreSQL database is, and how many connections read it at once."""

    conninfo: str = field(repr=False)
    """What libpq connects by: `host=… dbname=…`, or a `postgresql://` URL. A password in it is never shown."""
    readers: int = 4
    """How many connections read at the same time, besides the one that writes."""

    def __post_init__(self) -> None:
        if not self.conninfo.strip():
            raise ValueError("conninfo: must not be empty")
        if not 1 <= self.readers <= _MOST_READERS:
            raise ValueError(f"readers: must be 1 to {_MOST_READERS}")
