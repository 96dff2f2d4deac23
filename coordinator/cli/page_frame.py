"""The frame of a report as one HTML file that needs nothing besides itself: no network, no script.

It is built as a tree, so that every text is escaped where it is written.
"""

from xml.etree.ElementTree import Element, SubElement, tostring

from coordinator.cli.complaints.report_style import STYLE
from gateway.plain_text import visible

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # nothing is loaded, and nothing runs


def frame(title: str, language: str, style: str = "") -> tuple[Element, Element]:
    """The page, and the part of it that holds what is told. `style` is added to the style of all reports."""
    html = Element("html", {"lang": "zh-CN" if language == "zh" else "en"})
    head = SubElement(html, "head")
    SubElement(head, "meta", {"charset": "utf-8"})
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY})
    SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    SubElement(head, "meta", {"name": "color-scheme", "content": "light dark"})
    add(head, "title", title)
    add(head, "style", STYLE + style)
    body = SubElement(SubElement(html, "body"), "main")
    add(body, "h1", title)
    return html, body


def add(parent: Element, tag: str, text: str, attributes: dict[str, str] | None = None) -> None:
    """Adds an element with a text."""
    SubElement(parent, tag, attributes or {}).text = text


def written(html: Element) -> str:
    """The file. Texts that others have written are seen in it, and do nothing."""
    for each in html.iter():
        each.text, each.tail = visible(each.text or ""), visible(each.tail or "")
        each.attrib.update({name: visible(value) for name, value in each.attrib.items()})
    return "<!DOCTYPE html>\n" + tostring(html, encoding="unicode", method="html") + "\n"
