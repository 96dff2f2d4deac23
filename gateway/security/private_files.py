"""Files with secrets, which a process takes only where nobody else may read them."""

import os
import stat
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from gateway.process.files import FileUnusable
from gateway.security.key_kinds import KeyUnusable
from gateway.security.private_keys import uri_in
from gateway.wording.languages import translated

_ROOT = 0  # the user, and its group


class FileReadableByOthers(FileUnusable):
    """Others may read a file with a secret; the text has the file, its mode and the command that mends it."""


def is_private(found: os.stat_result, groups: Collection[int]) -> bool:
    """Whether a file is closed to all but its owner, root, and this process, which has these groups.

    systemd and Kubernetes hand a secret over as a file of root that a group may read: that of the process.
    """
    is_handed_over = found.st_uid == _ROOT and found.st_gid in (_ROOT, *groups)
    others = found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    return others & ~(stat.S_IRGRP if is_handed_over else 0) == 0


def require_private(paths: Iterable[Path]) -> None:
    """Raises FileReadableByOthers for a file that is not private, or whose key in a token has such a file for its PIN.

    A file that cannot be read, or has no key, is named by what reads it.
    """
    groups = {os.getegid(), *os.getgroups()}
    for path in paths:
        with suppress(OSError, KeyUnusable):
            _require_private(path, groups)
            uri = uri_in(path, path.read_bytes())
            if uri is not None:
                _require_private(uri.pin_source, groups)


def _require_private(path: Path, groups: Collection[int]) -> None:
    found = path.stat()
    if not is_private(found, groups):
        raise FileReadableByOthers(
            translated(
                "{path}: others may read this secret (mode {mode}). Run `chmod 600 {path}` as its owner; a file of root"
                " may have mode 0640 and the group of the process. Replace the secret if it may be known",
                path=path,
                mode=f"{stat.S_IMODE(found.st_mode):o}",
            )
        )
