"""The assignments of numbers that coordinators have, each proven by its giver, and their file.

The file is apart from the database, so that an older one, restored, knows no less. The assignments of the file were
proven when they came, and are not verified again.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from gateway.api.federation.v1.federation_pb2 import NumberAssignment, NumberAssignmentMark, NumberAssignments
from gateway.federation.assignments import AssignmentBook, is_proven
from gateway.federation.catalogue import Federation
from gateway.process.last_good import LastGoodBroken, load_last_good, save_last_good
from gateway.security.signing import TrustedKeys, certificate_hash

_AT_ONCE = 50  # each one handed in brings another state, after which the rest go on
FILE_NAME = "number-assignments.bin"
_log = logging.getLogger(__name__)


class AssignmentKeeper:
    """All assignments that this process knows, and the mark up to which it has the list of a coordinator."""

    def __init__(self, region: str, keys: TrustedKeys, directory: Path) -> None:
        """`region` is this node's; `directory` is that of the last good state."""
        self._region = region
        self._keys = keys
        self._path = directory / FILE_NAME
        self._book = AssignmentBook()
        self._mark = NumberAssignmentMark()
        self._lacks_some = False
        self._cannot_save = False
        self._missing: list[NumberAssignment] = []

    @property
    def book(self) -> AssignmentBook:
        """The known assignments."""
        return self._book

    def next_mark(self) -> NumberAssignmentMark:
        """The mark for a new stream. It stands before an assignment refused in the last one, which thus comes again."""
        self._lacks_some = False
        return self._mark

    def load(self) -> None:
        """Takes over the file. A broken one is logged and left: coordinators tell all again."""
        try:
            kept = load_last_good(self._path, NumberAssignments)
        except LastGoodBroken as error:
            _log.error("%s is ignored: %s", self._path, error)
            return
        if kept is not None:
            certificates = {certificate_hash(each): each for each in kept.signing_certificates}
            self._book = self._book.with_added(kept.assignments, certificates)
            self._mark = kept.mark

    async def take(self, told: NumberAssignments, federation: Federation) -> Federation:
        """The federation with the proven ones of some assignments. An unproven one is logged and ignored."""
        # Signatures of a page take a tenth of a second: beside the event loop, which must accept orders.
        book, added = await asyncio.to_thread(self._extended, told)
        self._note_missing(told)
        if not self._lacks_some:
            self._mark = told.mark
        self._book = book
        if not told.has_more:
            await self._save()
        return await asyncio.to_thread(federation.with_book, book, added) if added else federation

    def missing(self) -> list[tuple[NumberAssignment, bytes]]:
        """The next of this region's assignments that the coordinators' list has lost, with their certificates (PEM)."""
        certificates = self._book.certificates
        return [(each, certificates[each.certificate_hash]) for each in self._missing[:_AT_ONCE]]

    def handed_in(self, assignment: NumberAssignment) -> None:
        """Notes that the list has a missing assignment again."""
        self._missing.remove(assignment)

    def put_off(self, assignment: NumberAssignment) -> None:
        """Puts a missing assignment behind the others."""
        self._missing.remove(assignment)
        self._missing.append(assignment)

    def _note_missing(self, told: NumberAssignments) -> None:
        """Notes this region's assignments that a list lacks which begins again: it was restored from a backup."""
        begins = told.mark.revision == len(told.assignments)
        if begins and self._mark.revision:
            own = [each for each in self._book.all() if each.giver == self._region]
            self._missing = sorted(own, key=lambda each: each.sequence)
        if self._missing:
            here = {each.signature for each in told.assignments}
            self._missing = [each for each in self._missing if each.signature not in here]

    def _extended(self, told: NumberAssignments) -> tuple[AssignmentBook, set[str]]:
        """The book with what is new and proven, and the numbers of that."""
        given = _by_hash(told.signing_certificates)
        added: dict[tuple[str, str, int], NumberAssignment] = {}
        for each in told.assignments:
            same = (each.number, each.giver, each.sequence)
            known = self._book.known(each) or added.get(same)
            if known is not None:
                if known.region != each.region:
                    _log.error("%s has given a number to %s and to %s: the first counts", *_regions(known, each))
            elif is_proven(each, given.get(each.certificate_hash, b""), self._keys):
                added[same] = each
            else:
                self._lacks_some = True
                _log.error("an assignment of a number is not proven by its giver %s: it is ignored", each.giver)
        if not added:
            return self._book, set()
        used = {each.certificate_hash for each in added.values()}
        certificates = {key: pem for key, pem in given.items() if key in used}
        return self._book.with_added([*added.values()], certificates), {each.number for each in added.values()}

    async def _save(self) -> None:
        """Saves all. On a full disk the node works on, and asks for the rest after a restart."""
        kept = NumberAssignments(mark=self._mark)

        def save() -> None:
            kept.assignments.extend(self._book.all())
            kept.signing_certificates.extend(self._book.certificates.values())
            save_last_good(self._path, kept)

        try:
            await asyncio.to_thread(save)
        except OSError as error:
            if not self._cannot_save:
                _log.error("%s cannot be written: %s", self._path, error.strerror)
            self._cannot_save = True
        else:
            self._cannot_save = False


def _regions(known: NumberAssignment, told: NumberAssignment) -> tuple[str, str, str]:
    return known.giver, known.region, told.region


def _by_hash(certificates: Iterable[bytes]) -> Mapping[bytes, bytes]:
    """Certificates of a coordinator by their hashes, without those that nobody can read."""
    found = {}
    for each in certificates:
        with suppress(ValueError):
            found[certificate_hash(each)] = each
    return found
