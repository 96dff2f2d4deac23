"""The errors of backups."""

from gateway.store.port import StoreUnusable


class CopyFailed(StoreUnusable):
    """No copy was made, or no database of one; the text has the reason."""


class ProgramMissing(CopyFailed):
    """A program that copies or proves is not installed."""


class ArchiveGap(CopyFailed):
    """The archive of commits does not continue the last copy, and never will: the next copy begins it anew."""


class LogWithheld(CopyFailed):
    """A PostgreSQL server gives its log to nobody of this role, and has archived none before."""
