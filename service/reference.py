"""The reference pages of the documentation, written from the code: `make reference`."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from typer.cli import get_docs_for_click

from search.spec import SearchSpec
from service.app import create_app
from service.cli import app as cuvee
from service.settings import Settings

Schema = Mapping[str, Any]
_PREFIX = "#/components/schemas/"


def main() -> None:
    """Write the pages into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder of the documentation")
    folder = parser.parse_args().folder
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """All pages in Markdown, by file name."""
    return {
        "reference-cli.md": cli_page(),
        "reference-spec.md": spec_page(),
        "reference-api.md": api_page(),
    }


def cli_page() -> str:
    """Every command of `cuvee` with its arguments and options."""
    command = typer.main.get_command(cuvee)
    context = typer.Context(command, info_name="cuvee")
    text = get_docs_for_click(obj=command, ctx=context, name="cuvee", title="The command line")
    return "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n"


def spec_page() -> str:
    """Every field of a search spec."""
    schema = SearchSpec.model_json_schema(ref_template=f"{_PREFIX}{{model}}")
    parts = {"SearchSpec": schema, **dict(sorted(schema.pop("$defs").items()))}
    lines = [
        "# The search spec",
        "",
        "What a spec may hold, as YAML or JSON; [stages.md](stages.md), [spaces.md](spaces.md),",
        "[tasks.md](tasks.md) and [allocation.md](allocation.md) say what it means.",
    ]
    return "\n".join(lines + _schemas(parts)) + "\n"


def api_page() -> str:
    """Every route of the API and every schema, as its OpenAPI description has them."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(data_dir=Path(folder), workers=0, local=True))
        described = app.openapi()
    lines = [
        "# The routes of the API",
        "",
        "Errors are problems (RFC 9457); [api.md](api.md) says how the API is used, and",
        "[accounts.md](accounts.md) who may call what. The same as data is at `/openapi.json`.",
    ]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            lines += ["", f"## `{method.upper()} {path}`", "", *_operation(operation)]
    lines += ["", "# Schemas", *_schemas(dict(sorted(described["components"]["schemas"].items())))]
    return "\n".join(lines) + "\n"


def _schemas(schemas: Mapping[str, Schema]) -> list[str]:
    return [line for name, one in schemas.items() for line in ("", f"## {name}", "", *_schema(one))]


def _operation(operation: Schema) -> Iterator[str]:
    yield from operation.get("description", operation["summary"]).strip().splitlines()
    if parameters := operation.get("parameters"):
        yield from ("", "| parameter | in | type | |", "|---|---|---|---|")
        for one in parameters:
            said = _cell(one.get("description", ""), one["schema"])
            yield f"| `{one['name']}` | {one['in']} | {_type(one['schema'])} | {said} |"
    if body := operation.get("requestBody"):
        yield from ("", f"Takes {_content(body)}.")
    for status, answer in operation["responses"].items():
        if status < "400":
            yield from ("", f"Answers {status}: {_content(answer)}.")


def _content(body: Schema) -> str:
    kinds = body.get("content", {})
    found = [f"{_type(one.get('schema', {}))} (`{kind}`)" for kind, one in kinds.items()]
    return ", or ".join(found) or "nothing"


def _schema(schema: Schema) -> Iterator[str]:
    if description := schema.get("description"):
        yield from description.strip().splitlines()
    properties = schema.get("properties", {})
    if not properties:
        yield _type(schema)
        return
    required = schema.get("required", [])
    yield from ("", "| field | type | |", "|---|---|---|")
    for name, one in properties.items():
        optional = "" if name in required else " (optional)"
        yield f"| `{name}` | {_type(one)}{optional} | {_cell(one.get('description', ''), one)} |"


def _cell(description: str, schema: Schema) -> str:
    words = " ".join(description.split()).replace("|", "\\|")
    default = schema.get("default")
    if default is None:
        return words
    told = default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)
    return f"{words} Default: `{told}`.".strip()


def _type(schema: Schema) -> str:
    """A JSON schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_PREFIX)
        return f"[{name}](#{name.lower()})"
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return ", ".join(f"`{value}`" for value in values)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(map(_type, schema[several])))
    return _plain(schema)


def _plain(schema: Schema) -> str:
    kind = schema.get("type", "any value")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"mapping to {_type(schema['additionalProperties'])}"
    return str(kind)


if __name__ == "__main__":
    main()
