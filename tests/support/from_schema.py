"""A value for a JSON Schema of ours: every field present, the first of every choice."""

from typing import Any

OF_FORMAT = {
    "uuid": "6f2f1d6c-9d6a-4b5e-8c1e-0a4f5b6c7d8e",
    "date-time": "2026-03-01T12:00:00.123Z",
}


def example_of(schema: dict[str, Any], root: dict[str, Any] | None = None) -> Any:
    """Make the value; `root` is where `$ref`s begin."""
    root = root or schema
    if "$ref" in schema:
        return example_of(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    for word in ("examples", "enum"):
        if word in schema:
            return schema[word][0]
    for word in ("oneOf", "anyOf"):
        if word in schema:
            return example_of(schema[word][0], root)
    return schema["const"] if "const" in schema else _of_type(schema, root)


def _of_type(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            return {name: example_of(field, root) for name, field in fields.items()}
        case "array":
            return [example_of(schema["items"], root)]
        case "string":
            return OF_FORMAT.get(schema.get("format", ""), "text")
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return {"any": ["JSON"]}
