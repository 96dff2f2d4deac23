"""`python -m deploy.demo`: runs the story, and exits with 0 only if every expectation was met."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from io import TextIOWrapper
from pathlib import Path

from deploy.demo import (
    away,
    board,
    chapters,
    ending,
    everything,
    leased_line,
    left_running,
    limits,
    moved,
    opening,
    outage,
    reconciled,
    records,
    redundancy,
)
from deploy.demo.stage import Stage
from deploy.demo.world import REGIONS, World
from deploy.local import directory
from deploy.local.federation import PROVIDED, LocalFederation
from deploy.local.process import ProcessFailed, interrupted_once
from deploy.local.profiles import EMBEDDED, PROFILES, Profile

DIRECTORY = Path(__file__).parents[2] / "build" / "demo"
_INTERRUPTED = 130  # the exit code of shells for Ctrl-C

_Chapter = Callable[[World], Awaitable[None]]
_BUSINESS: tuple[_Chapter, ...] = (
    away.everyday_business,
    everything.whole_catalogue,
    records.one_paper,
    records.one_consent,
    away.leaving_for_good,
    away.four_eyes,
    limits.second_thoughts,
    limits.nothing_twice,
    limits.what_stays_at_home,
    chapters.by_another_clock,
    outage.killed_and_back,
    leased_line.three_regions_one_line,
    reconciled.two_books_one_truth,
    moved.a_new_home,
    board.quality_and_risks,
)
_ENDING: tuple[_Chapter, ...] = (outage.whole_chain, records.every_chain, ending.all_orders, ending.one_journey)


def main() -> int:
    """Runs the demo; returns the exit code."""
    options = _options()
    # A fork starts PostgreSQL; gRPC would print a warning about it.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # the story is in two languages, whatever the locale
    with interrupted_once():
        try:
            directory.prepare(options.directory)
        except directory.NotAFederation as error:
            sys.stderr.write(f"{error}\n")
            return 1
        return _run(options.directory, PROFILES[options.profile], keep=options.keep)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description=main.__doc__)
    parser.add_argument(
        "--directory", type=lambda text: Path(text).resolve(), default=DIRECTORY, help="recreated; default %(default)s"
    )
    parser.add_argument(
        "--profile",
        choices=PROFILES,
        default=os.environ.get("PROFILE", EMBEDDED.name),
        help="what runs; also PROFILE in the environment; default %(default)s",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        default=os.environ.get("KEEP", "") not in ("", "0"),
        help="leave everything running and print how to call it; also KEEP=1 in the environment",
    )
    return parser.parse_args()


def _run(where: Path, profile: Profile, *, keep: bool) -> int:
    stage, federation = Stage(), LocalFederation(where, REGIONS, profile, provided=PROVIDED)
    federation.staff_rights = left_running.STAFF_RIGHTS
    left_running.open_web(federation)
    if keep:
        left_running.add_sign_in(federation)
    stage.title(
        "crossregion",
        "A customer's business, done in another region, exactly once · 异地办理，只办一次",
        "counter ▸ Guangdong's node ▸ coordinator ▸ Sichuan's node ▸ and back, signed",
    )
    stays = False
    try:
        succeeded = asyncio.run(_story(stage, federation, keep=keep))
        stays = keep
    except KeyboardInterrupt:
        stage.say("interrupted; stopping everything")
        return _INTERRUPTED
    except chapters.BREAKS_OFF as failure:
        sys.stderr.write(f"The federation did not start: {failure}\nIts logs are in {where / 'logs'}.\n")
        return 1
    finally:
        if not stays:
            _stop(federation)
    if not stays:
        stage.say(f"Everything is stopped. Data, logs, certificates and settings are in {where}.")
        stage.say("KEEP=1 make demo leaves it running and prints how to call it.")
    return 0 if succeeded else 1


async def _story(stage: Stage, federation: LocalFederation, *, keep: bool) -> bool:
    """Runs all chapters; returns whether every expectation was met."""
    begin = time.perf_counter()
    await opening.start(stage, federation)
    directory.note_processes(federation)
    async with opening.populated(stage, federation) as world:
        redundant = (redundancy.one_of_each,) if federation.profile.etcd_members else ()
        for chapter in (*_BUSINESS, *redundant, *_ENDING):
            await chapters.tell(stage, chapter.__name__, partial(chapter, world))
        succeeded = ending.verdict(stage, time.perf_counter() - begin)
        if keep:
            number, own = world.people.traveller.product.number, world.people.visitor_in_henan.product.number
            left_running.write_environments(federation, number)
            await asyncio.to_thread(left_running.start_sign_in, federation)
            left_running.tell(stage, federation, number, world.people.regular.product.number, own)
    directory.note_processes(federation)
    return succeeded


def _stop(federation: LocalFederation) -> None:
    try:
        federation.stop()
    except (ProcessFailed, KeyboardInterrupt):
        federation.kill()
        raise
    directory.forget_processes(federation)


if __name__ == "__main__":
    sys.exit(main())
