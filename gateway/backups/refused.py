"""The error of backups."""

from gateway.store.port import StoreUnusable


class CopyFailed(StoreUnusable):
    """No copy was made, or no database of one; the text has the reason."""
