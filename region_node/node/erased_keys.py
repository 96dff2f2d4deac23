"""The ids of destroyed keys, outside of the database: keys restored from an older backup are destroyed again."""

import logging
import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Protocol

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused

ERASED_KEYS = "erased-keys"  # the file in a node's data directory
KEY_ID = re.compile(r"[0-9a-f]{24}")
"""The form of the id of a key, in hexadecimal."""
_log = logging.getLogger(__name__)


class ErasedKeys(Protocol):
    """The ids of permanently destroyed keys."""

    @property
    def known(self) -> Collection[str]:
        """All of them."""
        ...

    def add(self, key_ids: Iterable[str]) -> None:
        """Stores the new ids; on disk when it returns.

        Raises Refused with STORE_UNAVAILABLE after a failure: then no key may be destroyed.
        """
        ...


class ErasedKeysInMemory:
    """Ids in memory, for as long as the process runs: for a region without its own directory."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    @property
    def known(self) -> Collection[str]:
        """See the port."""
        return self._known

    def add(self, key_ids: Iterable[str]) -> None:
        """See the port."""
        self._known.update(key_ids)


class ErasedKeyFile:
    """A file to which lines are only added, an id each. A line that a crash cut short counts for nothing."""

    def __init__(self, path: Path) -> None:
        """Reads an existing file. Raises OSError."""
        self._path = path
        content = path.read_text("ascii", errors="replace") if path.exists() else ""
        self._begins = "" if not content or content.endswith("\n") else "\n"
        lines = content.splitlines()
        self._known = {line for line in lines if KEY_ID.fullmatch(line)}
        if strange := sum(1 for line in lines if line and not KEY_ID.fullmatch(line)):
            _log.warning("%s: %d lines are no ids of keys", path, strange)

    @property
    def known(self) -> Collection[str]:
        """See the port."""
        return self._known

    def add(self, key_ids: Iterable[str]) -> None:
        """See the port."""
        fresh = [key_id for key_id in dict.fromkeys(key_ids) if key_id not in self._known]
        if not fresh:
            return
        try:
            self._append(self._begins + "".join(f"{key_id}\n" for key_id in fresh))
        except OSError as error:
            _log.error("no key can be destroyed: %s: %s", self._path, error.strerror)
            self._begins = "\n"  # a partial line may be there
            raise Refused(Reason.REASON_STORE_UNAVAILABLE) from None
        self._begins = ""
        self._known.update(fresh)

    def _append(self, lines: str) -> None:
        is_new = not self._path.exists()
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            content = lines.encode("ascii")
            if os.write(file, content) != len(content):
                raise OSError(0, "only a part could be written")
            os.fsync(file)
        finally:
            os.close(file)
        if is_new:
            directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
