"""HTML pages from Jinja2 templates.

A page of `frame.html.j2` needs no other file: no network, no script. Templates escape every expression, and show acting
characters. They hold markup, loops and conditions; every text and figure comes from the page, a frozen dataclass.
"""

import hashlib
from base64 import b64encode
from functools import cached_property
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gateway.values.plain_text import visible

_SHARED = Path(__file__).parent / "templates"
_LANGUAGE_TAGS = {"en": "en", "zh": "zh-CN"}  # BCP 47


class HtmlPages:
    """The templates in the folders. They extend a frame, and import the macros beside `frame.html.j2`."""

    def __init__(self, *folders: Path) -> None:
        self._environment = Environment(
            loader=FileSystemLoader([*folders, _SHARED]),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._environment.filters["pixels"] = _pixels
        self._environment.filters["titling"] = _titling
        self._environment.globals["policy"] = self.policy  # of `frame.html.j2`

    def written(self, template: str, title: str, language: str, page: object, frame: object = None) -> str:
        """The HTML of a page, which its template sees as `page`, and its frame as `frame`. `language` is one of
        `gateway.wording.languages.LANGUAGES`.

        Raises jinja2.UndefinedError where the template names an attribute that the page does not have.
        """
        tag = _LANGUAGE_TAGS[language]
        return self._environment.get_template(template).render(title=title, language=tag, page=page, frame=frame)

    def style(self) -> str:
        """The style sheet that all pages share."""
        return self._environment.get_template("style.css.j2").render()

    def policy(self) -> str:
        """The Content-Security-Policy of a page of `frame.html.j2`: its own style counts; nothing is loaded or runs."""
        return f"default-src 'none'; style-src 'sha256-{self._style_digest}'"

    @cached_property
    def _style_digest(self) -> str:
        """In base64. The style sheet takes nothing of a page: it is the same on each."""
        return b64encode(hashlib.sha256(self.style().encode()).digest()).decode()


def _shown(value: object) -> object:
    """An expression before it is escaped. Markup comes from macros, whose expressions passed here before."""
    if type(value) is str:
        return visible(value)
    return value if isinstance(value, Markup) else visible(str(value))


def _pixels(length: float) -> str:
    """A length or coordinate of a drawing, to a tenth of a pixel."""
    return f"{length:.1f}".removesuffix(".0")


def _titling(title: str) -> Markup:
    """The attributes of each cell below a title of a column: escaped once for all rows."""
    return Markup(' data-title="{}"').format(visible(title))
