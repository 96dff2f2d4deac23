"""URIs of keys in tokens (RFC 7512): `pkcs11:token=li;object=li?module-path=/usr/lib/….so&pin-source=file:/….pin`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from gateway.wording.languages import translated

SCHEME = "pkcs11:"
_KEY_TYPE, _PRIVATE = "type", "private"
_TOKEN_NAMES = ("token", "serial", "manufacturer", "model")
_ID, _OBJECT = "id", "object"
_MODULE, _PIN, _PIN_ITSELF = "module-path", "pin-source", "pin-value"
_FILE = "file:"


class UriInvalid(ValueError):
    """The text names no key in a token; the text of the error has the reason, and nothing of a PIN."""


@dataclass(frozen=True)
class TokenUri:
    """A private key in a token, the library that reaches the token, and the file with the PIN of its user.

    Empty parts may be anything, but one names the token, and one the key.
    """

    module: Path
    """The library of the token's vendor, an absolute path."""
    pin_source: Path
    """The file whose one line is the PIN, an absolute path."""
    token: str = ""
    serial: str = ""
    manufacturer: str = ""
    model: str = ""
    object: str = ""
    """The label of the key."""
    id: bytes = b""

    @classmethod
    def parse(cls, text: str) -> "TokenUri":
        """Raises UriInvalid. Attributes of other names are refused: one that is left out could mean another key."""
        path, _, query = text.strip().removeprefix(SCHEME).partition("?")
        named = _attributes(path, ";", (*_TOKEN_NAMES, _OBJECT, _ID, _KEY_TYPE))
        asked = _attributes(query, "&", (_MODULE, _PIN))
        if named.pop(_KEY_TYPE, _PRIVATE.encode()) != _PRIVATE.encode():
            raise UriInvalid(translated("the URI names no private key: type={type}", type=_PRIVATE))
        if not any(named.get(each) for each in _TOKEN_NAMES):
            raise UriInvalid(translated("the URI names no token, as token=… or serial=…"))
        if not (named.get(_OBJECT) or named.get(_ID)):
            raise UriInvalid(translated("the URI names no key, as object=… or id=…"))
        key_id = named.pop(_ID, b"")
        try:
            texts = {name: value.decode() for name, value in named.items()}
        except UnicodeDecodeError:
            raise UriInvalid(translated("the URI is not UTF-8")) from None
        return cls(_absolute(asked, _MODULE), _absolute(asked, _PIN), id=key_id, **texts)

    def __str__(self) -> str:
        """The URI without its query, for people."""
        texts = {each: quote(str(getattr(self, each)), safe=" ") for each in (*_TOKEN_NAMES, _OBJECT)}
        named = {**texts, _ID: "".join(f"%{each:02x}" for each in self.id)}
        return SCHEME + ";".join(f"{name}={value}" for name, value in named.items() if value)


def _attributes(text: str, separator: str, known: tuple[str, ...]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in text.split(separator) if text else ():
        name, equals, value = part.partition("=")
        if name == _PIN_ITSELF:
            raise UriInvalid(translated("a PIN does not stand in a URI: name its file, as pin-source=file:/…"))
        if not equals or name not in known:
            # What could be a secret is not told.
            told = name[:40] if equals else "…"
            raise UriInvalid(translated("the URI has an attribute that is not known: {name}", name=told))
        if name in found:
            raise UriInvalid(translated("the URI has {name} twice", name=name))
        found[name] = unquote_to_bytes(value)
    return found


def _absolute(asked: Mapping[str, bytes], name: str) -> Path:
    """A path of the query. A command as the source of a PIN, which the RFC allows, is not run."""
    try:
        path = asked.get(name, b"").decode()
    except UnicodeDecodeError:
        path = ""
    if name == _PIN:
        path = path.removeprefix(_FILE)
        path = path.removeprefix("//") if path.startswith("///") else path
    if not path.startswith("/") or "\0" in path:
        raise UriInvalid(translated("the URI needs an absolute path: {name}=/…", name=name))
    return Path(path)
