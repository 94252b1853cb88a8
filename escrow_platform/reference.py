"""The OpenAPI document, turned into what the reference page shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

_VERBS = ("get", "post", "put", "patch", "delete")
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One input or output: a parameter or a property, `name` with dots for what lies inside."""

    name: str
    kind: str
    required: bool
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One response of an operation."""

    status: str
    text: str
    problem: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One verb on one address."""

    anchor: str
    verb: str
    path: str
    title: str
    text: str
    scope: str
    parameters: list[Field]
    body: list[Field]
    result: list[Field]
    answers: list[Answer]


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of refusal, by its commonest code."""

    status: int
    code: str
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class Section:
    """Operations about one kind of object."""

    title: str
    operations: list[Operation]


def sections(document: Document) -> list[Section]:
    """All operations, grouped by tag, in the order of the document."""
    found = [
        (operation.get("tags", ["Other"])[0], _operation(document, path, verb, operation))
        for path, verbs in document["paths"].items()
        for verb, operation in verbs.items()
        if verb in _VERBS
    ]
    found.sort(key=lambda item: item[0])
    return [
        Section(tag.capitalize(), [operation for _, operation in group])
        for tag, group in groupby(found, key=lambda item: item[0])
    ]


def problems(document: Document) -> list[Problem]:
    """The refusals that every operation may answer with, by status."""
    examples = [
        media["example"]
        for response in document["components"]["responses"].values()
        for media in response["content"].values()
    ]
    return [Problem(item["status"], item["code"], item["title"], item["detail"]) for item in examples]


def _operation(document: Document, path: str, verb: str, operation: Document) -> Operation:
    return Operation(
        anchor=operation["operationId"],
        verb=verb.upper(),
        path=path,
        title=operation.get("summary", operation["operationId"]),
        text=_plain(operation.get("description", "")),
        scope=operation.get("x-scope", ""),
        parameters=[_parameter(item) for item in operation.get("parameters", [])],
        body=list(_fields(document, _content(operation.get("requestBody", {})))),
        result=list(_fields(document, _result(operation))),
        answers=[_answer(document, status, item) for status, item in operation["responses"].items()],
    )


def _parameter(item: Document) -> Field:
    kind = f"{item['in']}, {_kind(item.get('schema', {}))}"
    return Field(item["name"], kind, bool(item.get("required")), _plain(item.get("description", "")))


def _answer(document: Document, status: str, item: Document) -> Answer:
    found = _resolved(document, item)
    return Answer(status, found.get("description", ""), "$ref" in item)


def _result(operation: Document) -> Document:
    for status, item in operation["responses"].items():
        if status.startswith("2"):
            return _content(item)
    return {}


def _content(item: Document) -> Document:
    for media in item.get("content", {}).values():
        found: Document = media.get("schema", {})
        return found
    return {}


def _fields(document: Document, schema: Document, prefix: str = "", depth: int = 0) -> Iterator[Field]:
    schema = _resolved(document, schema)
    required = schema.get("required", [])
    for name, item in schema.get("properties", {}).items():
        inner = _resolved(document, item)
        text = _plain(item.get("description") or inner.get("description", ""))
        yield Field(prefix + name, _kind(inner), name in required, text)
        child = _resolved(document, inner.get("items", inner))
        mark = "[]." if "items" in inner else "."
        if depth < 2:
            yield from _fields(document, child, f"{prefix}{name}{mark}", depth + 1)


def _resolved(document: Document, item: Document) -> Document:
    for part in item.get("allOf", []) or item.get("oneOf", []):
        if "$ref" in part:
            return _resolved(document, part)
    if "$ref" not in item:
        return item
    found: Any = document
    for step in item["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return _resolved(document, found)


def _plain(text: str) -> str:
    """Without the marks that only the machine-readable document's viewers turn into code."""
    return text.replace("`", "")


def _kind(schema: Document) -> str:
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    kind = schema.get("type", "object")
    words = " or ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{words} ({schema['format']})" if "format" in schema else words
