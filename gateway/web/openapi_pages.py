"""Pages with the description of an API: OpenAPI in JSON, and the same as HTML without a script."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import cast

from aiohttp import web

from gateway.api.types.v1.access_pb2 import Role
from gateway.web.openapi import LEFT_OUT, openapi
from gateway.web.refusals import ENGLISH
from gateway.web.refusing import TYPE
from gateway.web.routes import Api
from gateway.web.selecting import Schema, attributes_of
from gateway.web.server import Handler, Page
from gateway.web.tables import Cell, Table

READERS = frozenset({Role.ROLE_OPERATOR, Role.ROLE_STAFF})
"""The callers of an API."""
JSON_PATH, HTML_PATH = "openapi.json", "openapi.html"
_Written = tuple[str, Mapping[str, str]]  # a text and the headers of its answer


@dataclass(frozen=True)
class Section:
    """An operation, or a type, with its parts."""

    title: str
    text: str
    tables: Sequence[Table]


@dataclass(frozen=True)
class ApiPage:
    """The page, as its template sees it."""

    link: str
    sections: Sequence[Section]


def described(api: Api) -> Api:
    """The API with two pages more: its description, for those whom the service of its routes serves."""
    service = api.routes[0].rpc.split("/")[1].rpartition(".")[2]

    document = cache(lambda: openapi(api))
    as_json = _once(lambda: (json.dumps(document(), ensure_ascii=False, indent=2), {}), TYPE)
    as_html = _once(lambda: _html(document()), "text/html")
    shown = ((JSON_PATH, as_json), (HTML_PATH, as_html))
    pages = [Page(f"{api.root}/{path}", service, READERS, show) for path, show in shown]
    return replace(api, pages=(*api.pages, *pages))


def _once(write: Callable[[], _Written], kind: str) -> Handler:
    """Shows a text that a process writes once: the table of routes never changes."""
    written = cache(write)

    async def show(_: web.Request) -> web.StreamResponse:
        text, headers = await asyncio.to_thread(written)
        return web.Response(text=text, content_type=kind, headers=headers)

    return show


def _html(document: Schema) -> _Written:
    # Templates are a large import, needed only by those who read this page.
    from gateway.web.html_pages import HtmlPages  # noqa: PLC0415

    info = cast("Schema", document["info"])
    title = f"{info['title']} {info['version']}"
    page = ApiPage(JSON_PATH, [*_operations(document), _left_out(info), *_types(document)])
    pages = HtmlPages()
    policy = f"{pages.policy()}; base-uri 'none'; frame-ancestors 'none'"
    return pages.written("openapi.html.j2", title, ENGLISH, page), {"Content-Security-Policy": policy}


def _operations(document: Schema) -> Iterator[Section]:
    root = cast("Sequence[Mapping[str, str]]", document["servers"])[0]["url"]
    for path, operations in cast("Mapping[str, Mapping[str, Schema]]", document["paths"]).items():
        for verb, operation in operations.items():
            parameters = cast("Sequence[Schema]", operation["parameters"])
            rows = [(str(each["name"]), str(each["in"]), cast("Schema", each["schema"])) for each in parameters]
            tables = [_table("Parameters", rows)]
            body = cast("Mapping[str, Mapping[str, Schema]]", operation.get("requestBody", {}))
            rows = [("body", kind, cast("Schema", each["schema"])) for kind, each in body.get("content", {}).items()]
            for status, answer in cast("Mapping[str, Mapping[str, Schema]]", operation["responses"]).items():
                if "content" in answer:
                    content = cast("Mapping[str, Schema]", answer["content"])
                    rows += [(status, kind, cast("Schema", each["schema"])) for kind, each in content.items()]
            tables.append(_table("Contents", rows))
            yield Section(f"{verb.upper()} {root}{path}", str(operation["summary"]), tables)


def _left_out(info: Schema) -> Section:
    rows = [
        [Cell(each["resource"], "row"), Cell(each["reason"])]
        for each in cast("Sequence[Mapping[str, str]]", info[LEFT_OUT])
    ]
    head = [Cell(text, "col") for text in ("resource", "reason")]
    title = "Left out on purpose"
    told = "A request to one of these resources of TM Forum's file, at a path that is not above, is answered with 501."
    return Section(title, told, [Table(title, head, rows, caption=title)])


def _types(document: Schema) -> Iterator[Section]:
    schemas = cast("Mapping[str, Mapping[str, Schema]]", document["components"])["schemas"]
    for name, schema in cast("Mapping[str, Mapping[str, Mapping[str, Schema]]]", schemas).items():
        rows = [(path, "", each) for path, each in attributes_of(schema["properties"], {})]
        yield Section(name, "", [_table("Attributes", rows)])


def _table(label: str, rows: Sequence[tuple[str, str, Schema]]) -> Table:
    head = [Cell(text, "col") for text in ("name", "place", "type")]
    cells = [[Cell(name, "row"), Cell(place), Cell(_type(schema))] for name, place, schema in rows]
    return Table(label, head, cells, caption=label)


def _type(schema: Schema) -> str:
    """The type of a value in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return ", ".join(cast("Sequence[str]", schema["enum"]))
    if schema.get("type") == "array":
        return f"array of {_type(cast('Schema', schema['items']))}"
    return str(schema.get("format", schema.get("type", "")))
