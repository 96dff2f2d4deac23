"""The garbage collector of a process: it looks through new objects, without those that live as long as the process."""

import asyncio
import gc

from gateway.process.ending import own_ending


def settle_memory() -> None:
    """Removes all cycles of garbage, and takes the objects that live out of later collections.

    Modules, descriptors and the configuration are most objects of a process: each full collection would look through
    them. The event loop stands still meanwhile.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


class SettledMemory:
    """Settles the memory once for each revision of the configuration in force."""

    def __init__(self, revision: int) -> None:
        """`revision` is in force now; 0 for none."""
        self._revision = revision

    def note(self, revision: int) -> None:
        """Notes the revision in force. A new one is settled by the loop's next turn, before later calls.

        Nothing happens outside a process of its own: there the garbage of others would be kept.
        """
        if revision != self._revision and own_ending.get() is not None:
            self._revision = revision
            asyncio.get_running_loop().call_soon(settle_memory)
