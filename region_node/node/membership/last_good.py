"""The last good federation state on disk, from which a node starts and works while no coordinator responds.

It holds a WatchResponse with its configuration, as it was signed at a node that verifies signatures. The head of the
coordinator's registry has a file of its own, because it changes more often, and a state may be large.
"""

from pathlib import Path

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import ChainHead, WatchResponse
from gateway.federation.revisions import RevisionRefused, configuration_of
from gateway.process.last_good import LastGoodBroken, load_last_good, save_last_good

FILE_NAME = "federation.bin"
_HEAD_NAME = "registry-head.bin"


class LastGood:
    """The files in one data directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self._head_path = directory / _HEAD_NAME

    def configuration(self) -> Configuration | None:
        """The configuration saved last, for reports: its signatures are not verified. Raises LastGoodBroken."""
        state = self.load()
        try:
            return configuration_of(state) if state is not None else None
        except RevisionRefused as refused:
            raise LastGoodBroken(str(refused)) from None

    def load(self) -> WatchResponse | None:
        """The state saved last; None where none was ever saved. Raises LastGoodBroken."""
        return load_last_good(self.path, WatchResponse)

    def save(self, state: WatchResponse) -> None:
        """Replaces the file; on disk when it returns. Raises OSError."""
        save_last_good(self.path, state)

    def load_head(self) -> ChainHead | None:
        """The registry head saved last; None where none was ever saved. Raises LastGoodBroken."""
        return load_last_good(self._head_path, ChainHead)

    def save_head(self, head: ChainHead) -> None:
        """Replaces the head; on disk when it returns. Raises OSError."""
        save_last_good(self._head_path, head)
