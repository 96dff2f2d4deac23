"""The check of `region-node doctor` on open work."""

import sqlite3
from collections import Counter

import psycopg

from gateway.federation.policies import OPEN_WORK, strictest_figure
from gateway.maintenance.doctor.findings import Finding, warning
from gateway.process.last_good import LastGoodBroken
from gateway.store.port import StoreUnusable
from gateway.wording.languages import translated
from region_node.app import registered
from region_node.node.membership.last_good import LastGood
from region_node.node.open_work import Place, counted
from region_node.node.settings import RegionSettings

_NEAR = 0.8  # of the bound


def check_open_work(settings: RegionSettings) -> list[Finding]:
    """A warning for each operator system near its bound, or beyond it.

    A database or a configuration that cannot be read, or is older than this version, has findings of its own.
    """
    try:
        most = _most(settings)
        open_work = _counted(settings)
    except (LastGoodBroken, StoreUnusable, OSError, sqlite3.Error, psycopg.Error):
        return []
    if most is None:
        return []
    return [
        warning(
            translated("open work of {operator}", operator=operator),
            translated(
                "{count} orders, complaints and faults are open, of {most} at most; a large one counts as several",
                count=count,
                most=most,
            ),
            translated("beyond {most} its new ones are refused: look at what they wait for", most=most),
        )
        for operator, count in sorted(open_work.items())
        if count > _NEAR * most
    ]


def _counted(settings: RegionSettings) -> Counter[str]:
    sums = Counter[str]()
    with settings.database.look() as tx:
        for kind in registered.OPEN:
            page = kind.page(tx, Place())
            while page:
                sums.update(counted(page, settings.region))
                page = kind.page(tx, page[-1].place)
    return sums


def _most(settings: RegionSettings) -> int | None:
    """The bound by the last good configuration; None without one, or without the policy. Raises LastGoodBroken."""
    configuration = LastGood(settings.data).configuration()
    policies = () if configuration is None else configuration.policies
    named = [each for each in policies if each.name == OPEN_WORK]
    return strictest_figure(named[0], (settings.region,)).value if named else None
