"""The settings of the HTTPS listener of a process."""

from dataclasses import dataclass, field
from pathlib import Path

from gateway.settings import example, require_address


@dataclass(frozen=True)
class WebSettings:
    """The HTTPS listener of a process, with the certificate of the process."""

    listen: str
    """`host:port`; port 0 takes any free one."""
    port_file: Path | None = field(default=None, metadata=example("web-port"))
    """A file that holds the port while this process serves."""
    console: bool = False
    """Whether the console is served there, below `/console`: of a node for its staff, else for administrators."""

    def __post_init__(self) -> None:
        require_address("web.listen", self.listen, lowest_port=0)
