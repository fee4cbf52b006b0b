"""The OpenAPI document as a page to read: made here, with nothing fetched from anywhere."""

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from aiohttp import web

from service.web.keys import PAGE

POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""No script runs and nothing is loaded, whatever a description may hold."""
HEADERS: Final = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
_REFERENCE = re.compile(r"&quot;#/components/schemas/(\w+)&quot;")
_CODE = re.compile(r"`([^`]+)`")
_METHODS = ("get", "post", "patch", "delete")

STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1c2430; background: #fff; }
a { color: #0b57a4; } code, pre { font-family: ui-monospace, monospace; font-size: 13px; }
pre { background: #f4f6f8; padding: .75rem; overflow-x: auto; }
section { border-top: 1px solid #d6dce3; padding: .5rem 0 1rem; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .2rem .9rem .2rem 0;
  vertical-align: top; }
.method { font-weight: 700; text-transform: uppercase; } .quiet { color: #5b6673; }
nav li { list-style: none; } summary { cursor: pointer; }
@media (prefers-color-scheme: dark) { body { background: #14181d; color: #dfe5ec; }
  a { color: #7db7f0; } pre { background: #1d232b; } section { border-color: #333c47; }
  .quiet { color: #97a3b1; } }
"""


async def page(request: web.Request) -> web.Response:
    """Give the page."""
    return web.Response(
        body=request.app[PAGE], content_type="text/html", charset="utf-8", headers=HEADERS
    )


def render(document: Mapping[str, Any]) -> bytes:
    """Make the page of an OpenAPI document."""
    info = document["info"]
    title = html.escape(f"{info['title']} {info['version']}")
    operations = list(_operations(document))
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style></head><body>",
        f"<h1>{title}</h1><p>{_text(info.get('summary', ''))}</p>",
        '<p class="quiet">For programs: <a href="/openapi.json">/openapi.json</a></p>',
        "<nav><ul>",
        *(_entry(*operation) for operation in operations),
        "</ul></nav>",
        *(_section(*operation) for operation in operations),
        "<h2>Schemas</h2>",
        *(_schema(name, shape) for name, shape in document["components"]["schemas"].items()),
        "</body></html>",
    ]
    return "\n".join(parts).encode()


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield method, path, item[method]


def _entry(method: str, path: str, operation: Mapping[str, Any]) -> str:
    return (
        f'<li><a href="#{_name(operation)}"><code><span class="method">{method}</span> '
        f"{html.escape(path)}</code></a> {_text(operation['summary'])}</li>"
    )


def _section(method: str, path: str, operation: Mapping[str, Any]) -> str:
    key = "" if operation["security"] else '<p class="quiet">Needs no API key.</p>'
    body = operation.get("requestBody")
    parts = [
        f'<section id="{_name(operation)}">',
        f'<h2><code><span class="method">{method}</span> {html.escape(path)}</code></h2>',
        f"<p><strong>{_text(operation['summary'])}.</strong>",
        f"{_text(operation.get('description', ''))}</p>{key}",
        _parameters(operation.get("parameters", ())),
        "" if body is None else "<h3>Body</h3>" + "".join(_content(body["content"])),
        "<h3>Answers</h3><table>",
        *(_answer(status, reply) for status, reply in operation["responses"].items()),
        "</table></section>",
    ]
    return "\n".join(part for part in parts if part)


def _parameters(parameters: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        f"<tr><td><code>{html.escape(p['name'])}</code></td><td>{html.escape(p['in'])}</td>"
        f"<td>{_text(p.get('description', ''))} {_folded('schema', p['schema'])}</td></tr>"
        for p in parameters
    ]
    return f"<h3>Parameters</h3><table>{''.join(rows)}</table>" if rows else ""


def _content(content: Mapping[str, Any]) -> Iterator[str]:
    for media, shown in content.items():
        yield f'<p class="quiet"><code>{html.escape(media)}</code></p>'
        yield _folded("schema", shown["schema"])
        for name, example in shown.get("examples", {}).items():
            yield _folded(f"example: {name}", example["value"])


def _answer(status: str, reply: Mapping[str, Any]) -> str:
    headers = "".join(
        f"<br><code>{html.escape(name)}</code>: {_text(header['description'])}"
        for name, header in reply.get("headers", {}).items()
    )
    content = "".join(_content(reply.get("content", {})))
    return (
        f"<tr><th>{html.escape(status)}</th>"
        f"<td>{_text(reply['description'])}{headers}{content}</td></tr>"
    )


def _schema(name: str, shape: object) -> str:
    return f'<section id="schema-{html.escape(name)}">{_folded(name, shape)}</section>'


def _folded(name: str, value: object) -> str:
    shown = html.escape(json.dumps(value, indent=2, ensure_ascii=False))
    linked = _REFERENCE.sub(r'<a href="#schema-\1">\1</a>', shown)
    return f"<details><summary>{html.escape(name)}</summary><pre>{linked}</pre></details>"


def _name(operation: Mapping[str, Any]) -> str:
    return html.escape(operation["operationId"])


def _text(text: str) -> str:
    """Escape a text, with what stands in backticks as code."""
    return _CODE.sub(r"<code>\1</code>", html.escape(text))
