"""The loss of a database, as the checks of both programs see it."""

import sqlite3

import psycopg

from gateway.store.losses import Loss, last_loss
from gateway.store.opening import DatabasePlace
from gateway.store.port import StoreUnusable


def open_loss(place: DatabasePlace) -> Loss | None:
    """The loss that people have not accepted, if there is one.

    None too for a database that cannot be read, or is older than this version: it has findings of its own.
    """
    try:
        with place.look() as tx:
            loss = last_loss(tx)
    except (StoreUnusable, OSError, sqlite3.Error, psycopg.Error):
        return None
    return loss if loss is not None and loss.is_open else None
