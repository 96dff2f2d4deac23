"""Notes for listeners how the catalogue changes when a configuration comes into force."""

from gateway.store.port import Store
from region_node.business.catalogue.offerings import known_revision, note_offerings
from region_node.node.context import RegionContext
from region_node.node.telling import Telling


class CatalogueChanges:
    """A loop of each process of a region: the first one that has a revision notes its changes."""

    def __init__(self, context: RegionContext, store: Store) -> None:
        self._border = context.border
        self._store = store
        self._telling = Telling("changes of the catalogue", self._note)
        self._border.current.on_update(self._telling.wake)

    async def run(self) -> None:
        """Runs until cancelled."""
        await self._border.clock.settled()
        await self._telling.run()

    async def _note(self) -> bool:
        current = self._border.current
        # The database may have become an older one, so the process does not remember what it has noted.
        if current.revision > await self._store.read(known_revision):
            federation, now = current.federation, self._border.clock.now()
            await self._store.write(lambda tx: note_offerings(tx, federation, now))
        return True
