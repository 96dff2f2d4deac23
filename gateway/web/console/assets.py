"""The files of a console beside its pages: style sheet, script and icon, under names that change with their content."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from gateway.web.html_pages import HtmlPages

FRAMES = Path(__file__).parent / "templates"
"""The templates that all consoles share."""
_FOLDER = Path(__file__).parent / "assets"
_DIGITS = 16  # of the SHA-256: the files of one version differ from those of all others
# A name is never used for another content, so a browser need not ask again.
_KEPT = {"Cache-Control": "private, max-age=31536000, immutable"}


@dataclass(frozen=True)
class Asset:
    """A file that pages name."""

    path: str
    """Below the path of the console."""
    media_type: str
    content: bytes = field(repr=False)

    @classmethod
    def of(cls, name: str, media_type: str, content: str) -> "Asset":
        """A file under its name and the hash of its content."""
        stem, _, suffix = name.partition(".")
        data = content.encode()
        return cls(f"/assets/{stem}-{hashlib.sha256(data).hexdigest()[:_DIGITS]}.{suffix}", media_type, data)

    async def show(self, _: web.Request) -> web.StreamResponse:
        """The file. It has no secrets, so that no session is needed."""
        return web.Response(body=self.content, content_type=self.media_type, charset="utf-8", headers=_KEPT)


def style(pages: HtmlPages) -> Asset:
    """The style sheet: that of all pages, and that of a console."""
    return Asset.of("console.css", "text/css", pages.style() + (_FOLDER / "console.css").read_text("utf-8"))


def script() -> Asset:
    """The script. Every page works without it."""
    return Asset.of("console.js", "text/javascript", (_FOLDER / "console.js").read_text("utf-8"))


def icon() -> Asset:
    """The icon of the browser's tab."""
    return Asset.of("icon.svg", "image/svg+xml", (_FOLDER / "icon.svg").read_text("utf-8"))
