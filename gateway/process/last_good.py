"""A last good copy on disk, from which a process starts while its sources do not respond.

The file is a SHA-256 over the rest, then the rest: a message of the file's owner.
"""

import hashlib
from pathlib import Path
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from gateway.process.files import replace_file

_DIGEST_BYTES = hashlib.sha256().digest_size
M = TypeVar("M", bound=Message)


class LastGoodBroken(Exception):
    """The file exists and cannot be used; the text has the reason."""


def load_last_good(path: Path, kind: type[M]) -> M | None:
    """The message saved last; None where none was ever saved. Raises LastGoodBroken."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LastGoodBroken(f"it cannot be read: {error.strerror}") from error
    digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise LastGoodBroken("its content does not match its checksum")
    message = kind()
    try:
        message.ParseFromString(content)
    except DecodeError as error:
        raise LastGoodBroken("it holds nothing that this version can read") from error
    return message


def save_last_good(path: Path, message: Message) -> None:
    """Replaces the file; on disk when it returns. Raises OSError."""
    content = message.SerializeToString()
    replace_file(path, hashlib.sha256(content).digest() + content)
