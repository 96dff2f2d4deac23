"""Runs chapters one after the other, also after a failed one, and some by a clock of the story."""

from collections.abc import Awaitable, Callable
from functools import partial

from deploy.demo import complaint, fibre_cut
from deploy.demo.complaint_cast import elsewhen
from deploy.demo.stage import Stage
from deploy.demo.world import World
from deploy.local import directory
from deploy.local.federation import LocalFederation
from deploy.local.process import ProcessFailed
from gateway.errors import Refused, Unreachable

BREAKS_OFF = (Refused, Unreachable, ProcessFailed, TimeoutError)
"""The failures that end a chapter early."""
_BY_ANOTHER_CLOCK = (complaint.across_three_regions, fibre_cut.between_two_provinces)


async def tell(stage: Stage, name: str, chapter: Callable[[], Awaitable[None]]) -> None:
    """Runs a chapter. An early end is a mismatch, and the story continues."""
    try:
        await chapter()
    except BREAKS_OFF as failure:
        stage.check(name.replace("_", " "), "told to its end", f"broke off: {failure!r}")


async def by_another_clock(world: World) -> None:
    """The chapters that take days, in a small federation of their own."""

    def note(federation: LocalFederation) -> None:
        directory.note_processes(world.federation, federation)

    try:
        async with elsewhen(world.federation.directory / "elsewhen", note) as there:
            for chapter in _BY_ANOTHER_CLOCK:
                await tell(world.stage, chapter.__name__, partial(chapter, world, there))
    finally:
        directory.note_processes(world.federation)
