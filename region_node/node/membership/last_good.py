"""The last good federation state on disk, from which a node starts and works while no coordinator responds.

It holds a WatchResponse with its configuration.
"""

from pathlib import Path

from gateway.api.federation.v1.federation_pb2 import WatchResponse
from gateway.process.last_good import load_last_good, save_last_good

FILE_NAME = "federation.bin"


class LastGood:
    """The file in one data directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME

    def load(self) -> WatchResponse | None:
        """The state saved last; None where none was ever saved. Raises LastGoodBroken."""
        return load_last_good(self.path, WatchResponse)

    def save(self, state: WatchResponse) -> None:
        """Replaces the file; on disk when it returns. Raises OSError."""
        save_last_good(self.path, state)
