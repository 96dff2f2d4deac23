"""The OpenAPI description of an API, made of the table of its routes. Pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import cast

from google.protobuf.descriptor_pool import Default

from gateway.api.types.v1.types_pb2 import Channel
from gateway.rpc.pages import LARGEST_PAGE_SIZE
from gateway.web.enum_words import numbers_of
from gateway.web.refusals import CHINESE, ENGLISH, STATUSES, ErrorBody
from gateway.web.refusing import MERGE_PATCH, TYPE
from gateway.web.routes import (
    IDENTITY_VERIFICATION,
    STAFF_PROOF,
    TYPE_ATTRIBUTES,
    Api,
    Resource,
    Route,
)
from gateway.web.selecting import ALWAYS, FIELDS, LIMIT, MOST_ATTRIBUTES, SORT, Schema

VERSION = "3.1.0"  # of OpenAPI: the first that can name a certificate as what callers prove themselves by
LEFT_OUT = "x-left-out"
"""The attribute of `info` with the resources of TM Forum's file that are left out on purpose."""
_SCHEMAS = "#/components/schemas/"
_ERROR = "Error"
_VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}
_DONE = {"POST": "201", "DELETE": "204"}
_CALLERS = (("certificate",), ("certificate", "staff"), ("token",), ("token", "staff"))
"""The schemes by which callers prove who they are, each set of them together."""
_PAPERS: Schema = {
    "name": IDENTITY_VERIFICATION,
    "in": "header",
    "required": True,
    "description": "The papers of the customer, as base64url of a JSON object with number, applicant and documents in"
    " the JSON of the contract. Verify of VerificationService gives documents for a code; staff attest a paper.",
    "schema": {"type": "string", "contentEncoding": "base64url", "contentMediaType": TYPE},
}
"""The papers by which a customer's data are read. They count as a password does: no link and no log has them."""
_TEXT: Schema = {"type": "string"}
_WORDS: Schema = {"type": "string", "minLength": 1}
_WHOLE: Schema = {"type": "integer", "minimum": 0}


def openapi(api: Api) -> Schema:
    """The OpenAPI document of an API, whose routes all have a resource: each operation, and nothing else."""
    paths: dict[str, dict[str, object]] = {}
    schemas: dict[str, Schema] = {_ERROR: _error_body()}
    for route in api.routes:
        resource = _add(route, schemas)
        paths.setdefault(route.path, {})[route.verb.lower()] = _operation(api, route, resource)
    return {
        "openapi": VERSION,
        "info": {
            "title": api.title,
            "version": api.root.rpartition("/")[2],
            LEFT_OUT: [{"resource": each.resource, "reason": each.instead} for each in api.left_out],
        },
        "servers": [{"url": api.root}],
        "security": [dict.fromkeys(each, ()) for each in _CALLERS],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {_ERROR: _error()},
            "securitySchemes": {
                "certificate": {
                    "type": "mutualTLS",
                    "description": "The certificate of an operator system or of staff.",
                },
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The access token of an operator system, where the region admits systems by tokens.",
                },
                "staff": {
                    "type": "apiKey",
                    "in": "header",
                    "name": STAFF_PROOF,
                    "description": "`Bearer`, and the proof of a member of staff.",
                },
            },
        },
    }


def operation_id(route: Route) -> str:
    """The name of an operation as TM Forum forms it, for example `listProductOrder`."""
    name = route.path.split("/")[1]
    verb = _VERBS.get(route.verb, "list" if route.selection.order else "retrieve")
    return f"{verb}{name[0].upper()}{name[1:]}"


def _add(route: Route, schemas: dict[str, Schema]) -> Resource:
    """Adds the schemas of what a route answers with and takes."""
    resource = route.resource
    assert resource is not None, route.path
    if resource.name not in schemas:
        told, definitions = resource.schema(_SCHEMAS)
        required = [name for name in ALWAYS if name in _properties(told)]
        schemas |= {resource.name: {**told, "required": required}, **definitions}
    if route.attributes:
        told = _properties(schemas[resource.name])
        taken = {name: told[name] for name in route.attributes} | dict.fromkeys(TYPE_ATTRIBUTES, _TEXT)
        required = [*(name for name in TYPE_ATTRIBUTES if name in route.attributes), *route.required]
        schemas[_taken(route)] = {**_object(taken), "required": required, "additionalProperties": False}
    return resource


def _properties(schema: Schema) -> Mapping[str, Schema]:
    return cast("Mapping[str, Schema]", schema["properties"])


def _taken(route: Route) -> str:
    """The name of the schema of a body."""
    return f"{operation_id(route)}Body"


def _operation(api: Api, route: Route, resource: Resource) -> Schema:
    operation: dict[str, object] = {
        "operationId": operation_id(route),
        "summary": ", ".join(each.rpartition("/")[2] for each in (route.rpc, *route.others)),
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(api, route)],
        "responses": {
            _DONE.get(route.verb, "200"): _answer(route, resource),
            **{str(int(status)): {"$ref": f"#/components/responses/{_ERROR}"} for status in STATUSES},
        },
    }
    if route.attributes:
        types = (TYPE, MERGE_PATCH) if route.verb == "PATCH" else (TYPE,)
        content = {each: {"schema": {"$ref": f"{_SCHEMAS}{_taken(route)}"}} for each in types}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _path_parameters(route: Route) -> Iterable[Schema]:
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": _WORDS} for name in names]


def _query_parameters(route: Route) -> Iterable[Schema]:
    selection = route.selection
    yield _several(FIELDS, ())
    if selection.order:
        attributes = dict.fromkeys([*selection.attributes, *route.paths]) if selection.is_sortable else ()
        orders = [word for each in attributes for word in (each, f"-{each}")] or selection.orders
        yield _several(SORT, orders, maxItems=MOST_ATTRIBUTES, uniqueItems=True)
    for name in selection.paging:
        match name:
            case _ if name == LIMIT:
                yield _query(name, {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE_SIZE})
            case "offset":
                yield _query(name, _WHOLE)
            case _:
                yield _query(name, _WORDS)
    for name, words in selection.filters.items():
        yield _several(name, words) if selection.takes_several(name, words) else _query(name, _one_of(words))
    for path in route.paths:
        yield _query(path, _WORDS)


def _query(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "schema": schema}


def _several(name: str, words: Collection[str], **more: object) -> Schema:
    """A parameter of several values with commas between."""
    schema: Schema = {"type": "array", "items": _one_of(words), "minItems": 1, **more}
    return {**_query(name, schema), "style": "form", "explode": False}


def _one_of(words: Collection[str]) -> Schema:
    """One of these words; any text without them."""
    return {"type": "string", "enum": list(words)} if words else _WORDS


def _header_parameters(api: Api, route: Route) -> Iterable[Schema]:
    found: dict[str, Schema] = {"Accept-Language": {"type": "string", "enum": [ENGLISH, CHINESE]}}
    fields = _fields(route)
    if "requester" in fields:
        found["Requester-Staff-Id"] = _TEXT
        found["Requester-Channel"] = {"type": "string", "enum": list(numbers_of(Channel.DESCRIPTOR))}
    if "request_id" in fields:
        found["Idempotency-Key"] = _TEXT
    if "wait" in fields and api.longest_wait:
        found["Prefer"] = {"type": "string", "pattern": "^wait=[0-9]{1,9}$"}
    parameters: list[Schema] = [{"name": name, "in": "header", "schema": schema} for name, schema in found.items()]
    if "documents" in fields and not route.attributes:
        parameters.append(_PAPERS)
    return parameters


def _fields(route: Route) -> Collection[str]:
    """The fields of the requests of a route's RPCs, and of the messages in these."""
    found: set[str] = set()
    for rpc in (route.rpc, *route.others):
        _, service, method = rpc.split("/")
        request = Default().FindServiceByName(service).methods_by_name[method].input_type
        for field in request.fields:
            inner = field.message_type
            found |= {field.name, *(() if inner is None else inner.fields_by_name)}
    return found


def _answer(route: Route, resource: Resource) -> Schema:
    if route.verb == "DELETE":
        return {"description": f"{resource.name} is removed"}
    one: Schema = {"$ref": f"{_SCHEMAS}{resource.name}"}
    headers: dict[str, Schema] = {}
    if route.selection.order:
        headers["X-Result-Count"] = {"schema": _WHOLE, "required": True}
        headers["Link"] = {"schema": _TEXT}
        if route.selection.is_counted:
            headers["X-Total-Count"] = {"schema": _WHOLE}
        one = {"type": "array", "items": one}
    elif route.verb == "POST" and "href" in _properties(resource.schema(_SCHEMAS)[0]):
        headers["Location"] = {"schema": _TEXT, "required": True}
    told: dict[str, object] = {"description": resource.name, "content": {TYPE: {"schema": one}}}
    return {**told, "headers": headers} if headers else told


def _error() -> Schema:
    return {
        "description": "A refusal: its reason for programs and for people",
        "headers": {
            "Content-Language": {"schema": {"type": "string", "enum": [ENGLISH, CHINESE]}, "required": True},
            "Retry-After": {"schema": _WHOLE},
        },
        "content": {TYPE: {"schema": {"$ref": f"{_SCHEMAS}{_ERROR}"}}},
    }


def _error_body() -> Schema:
    attributes = dict.fromkeys(ErrorBody.__annotations__, _TEXT)
    return {**_object(attributes), "required": sorted(ErrorBody.__required_keys__)}


def _object(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties}
