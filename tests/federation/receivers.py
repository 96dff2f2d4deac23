"""The receivers of listeners on this machine, which the nodes of a federation may call."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from region_node.node.settings import ListenerSettings
from tests.webhook import Hook, serving


def receivers(directory: Path) -> ListenerSettings:
    """The settings of the nodes of a federation in a directory."""
    return ListenerSettings(("127.0.0.0/8",), _place(directory) / "hook.crt")


@contextmanager
def receiving(directory: Path) -> Iterator[Hook]:
    """A receiver that these nodes trust. They read its certificate once: a federation has one."""
    _place(directory).mkdir()
    with serving(_place(directory)) as hook:
        yield hook


def _place(directory: Path) -> Path:
    return directory / "receiver"
