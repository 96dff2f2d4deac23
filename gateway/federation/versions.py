"""The version of a process: its release, and the schema of its database beside the schema that it knows."""

import importlib.metadata
import re
from collections.abc import Sequence
from copy import deepcopy

from gateway.api.federation.v1.federation_pb2 import ProcessVersion
from gateway.store.port import Transaction
from gateway.store.schema import Migration, newest
from gateway.store.schema_rows import applied_to, count_applied

DISTRIBUTION = "crossregion"
_RELEASE = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})")
_FORM = re.compile(r"[0-9A-Za-z.+-]{0,64}", re.ASCII)

Release = tuple[int, int, int]
Rank = tuple[Release, int]
"""The order of the versions of one program: the release, and the number of the newest schema file."""


class OwnVersion:
    """The version of this process, whose database has the schema of some files."""

    def __init__(self, migrations: Sequence[Migration], engine: str) -> None:
        self._wanted = {each.key: each for each in migrations if each.engine in ("", engine)}
        self._engine = engine
        self._told = ProcessVersion(version=importlib.metadata.version(DISTRIBUTION), schema_number=newest(migrations))
        self._found = (-1, self._told)
        """What was found in the database, beside the number of its files then: files are only ever added."""

    def told(self) -> ProcessVersion:
        """The version, with nothing about the database. A copy."""
        return deepcopy(self._told)

    def found(self, tx: Transaction) -> ProcessVersion:
        """The version, with what a transaction finds in the database. A copy."""
        if (files := count_applied(tx)) != self._found[0]:
            told, applied = self.told(), applied_to(tx, self._engine).checksums.keys()
            told.newer_files = len(applied - self._wanted.keys())
            told.contracting_files = sum(self._wanted[each].is_contracting for each in self._wanted.keys() - applied)
            self._found = (files, told)
        return deepcopy(self._found[1])


def release(version: ProcessVersion) -> Release:
    """The release of a version; the lowest for an unknown version."""
    found = _RELEASE.match(version.version)
    return (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)


def rank(version: ProcessVersion) -> Rank:
    """The place of a version among those of one program: two programs have different schema files."""
    return release(version), version.schema_number


def has_form(version: ProcessVersion) -> bool:
    """Whether a version of a peer can be shown: one word of at most 64 characters."""
    return _FORM.fullmatch(version.version) is not None
