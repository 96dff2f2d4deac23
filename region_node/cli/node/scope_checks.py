"""The checks of `region-node doctor` on operator systems: their scopes, and by what keys their staff is proven."""

import sqlite3
from collections.abc import Sequence

import psycopg

from gateway.maintenance.doctor.findings import Finding, bad, good, warning
from gateway.maintenance.doctor.provider_keys import check_provider_keys
from gateway.store.port import StoreUnusable
from gateway.wording.languages import clauses, enumerated, translated
from region_node.node.operator_scopes import NAMED, ScopeFile, ScopesUnusable
from region_node.node.settings import RegionSettings
from region_node.node.stored_scopes import ScopeRow, read_scopes, stored_rows


def check_scopes(settings: RegionSettings) -> Finding:
    """Whether there are scopes, in the database or else in a file that can be used, and how wide they are."""
    name = translated("scopes of operator systems")
    path = settings.operators
    try:
        file = None if path is None else ScopeFile.load(path)
    except ScopesUnusable as error:
        return bad(name, str(error), translated("correct the file; no node starts with it"))
    rows = _stored(settings)
    stored, problems = (None, ()) if rows is None else read_scopes(rows)
    if problems:
        told = translated("not readable in the database: {problems}", problems=clauses(problems))
        return bad(name, told, translated("set these scopes again by `region-node scopes set`: they allow nothing"))
    scopes = stored if stored is not None or file is None else file.scopes
    if scopes is None:
        told = translated("there are none: each operator system may do everything that the contract allows it")
        todo = translated("write a file of scopes, and name it in the settings instead of allow_unscoped_operators")
        return warning(name, told, todo)
    place = str(path) if stored is None else translated("database")
    found, steps = list[str](), list[str]()
    believed = sorted(each for each, scope in scopes.items() if scope.staff == NAMED)
    if believed:
        found.append(
            translated(
                "{path}: believed about their staff without a proof: {names}", path=place, names=enumerated(believed)
            )
        )
        steps.append(translated("have them prove their staff, and set their scopes without `staff`"))
    unlimited = sorted(each for each, scope in scopes.items() if scope.amount_a_day is None)
    if unlimited:
        told = translated("{path}: without a limit of money a day: {names}", path=place, names=enumerated(unlimited))
        found.append(told)
        steps.append(translated("set their scopes with an amount_a_day in place of `unlimited`"))
    if found:
        return warning(name, clauses(found), clauses(steps))
    return good(name, translated("{path}: {count} scopes", path=place, count=len(scopes)))


def _stored(settings: RegionSettings) -> Sequence[ScopeRow] | None:
    """The scopes in the database; None before a file was taken over.

    A database that cannot be read, or is older than this version, has findings of its own.
    """
    try:
        with settings.database.look() as tx:
            return stored_rows(tx)
    except (StoreUnusable, OSError, sqlite3.Error, psycopg.Error):
        return None


def check_identity_providers(settings: RegionSettings) -> Sequence[Finding]:
    """Whether the keys of the region's identity providers can be used, for each use of their tokens."""
    staff, console, systems = settings.token_providers
    name = translated("identity provider of staff")
    without = translated("there is none: members of staff are proven by their certificates alone")
    names = (translated("identity provider of the console"), translated("authorization server of operator systems"))
    return [
        good(name, without) if staff is None else check_provider_keys(name, staff),
        *(check_provider_keys(each, named) for each, named in zip(names, (console, systems), strict=True) if named),
    ]
