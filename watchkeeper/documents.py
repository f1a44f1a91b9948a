"""Catalog files: YAML read into frozen structs; errors say file, line, field and what to do.

YAML 1.2 words: only `true` and `false` are booleans, so that `on`, `off`, `yes`, `no` stay words.
"""

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml
from typing_extensions import override

from watchkeeper.errors import ConfigError

Shape = TypeVar("Shape")


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text a person reads, in both languages."""

    zh: str
    en: str


class _Loader(yaml.CSafeLoader):
    """Safe YAML without the 1.1 booleans and without dates."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own name and kind
        first: [
            (tag, pattern)
            for tag, pattern in resolvers
            if tag not in {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"}
        ]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }

    @override
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that stands twice: YAML would silently take the last."""
        seen: set[object] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"`{key.value}` stands twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"true|false"), list("tf"))


def read(path: Path, shape: type[Shape], schema: str) -> Shape:
    """Return the file as `shape`; its first key must say `schema: <schema>`.

    Raises ConfigError: the file is missing, is no YAML, or does not fit the shape.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            where=str(path), what=f"cannot be read: {error}", fix="check the path and its rights"
        ) from error
    return parse(text, shape, schema, where=str(path))


def schema_of(path: Path) -> str:
    """Return what a catalog file says it is ("wk.site/1"), "" when it says nothing."""
    first = re.match(r"\s*schema:\s*(\S+)", path.read_text("utf-8", "replace"))
    return first.group(1) if first else ""


def parse(text: str, shape: type[Shape], schema: str, *, where: str) -> Shape:
    """Return YAML text as `shape`; see `read`. `where` is the file's name in errors."""
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        plain = loader.construct_document(root) if root is not None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(
            where=f"{where}{line}",
            what=f"not readable as YAML: {getattr(error, 'problem', None) or error}",
            fix="check the indentation, quotes and colons of this line",
        ) from error
    if root is None or not isinstance(plain, dict) or plain.pop("schema", None) != schema:
        raise ConfigError(
            where=f"{where}:1",
            what=f"`schema: {schema}` is missing",
            fix=f"write `schema: {schema}` as the first line",
        )
    try:
        return msgspec.convert(plain, shape)
    except msgspec.ValidationError as error:
        raise _explained(error, root, where) from error


_PATH = re.compile(r"^(?P<what>.*?)(?: - at `(?:key in )?\$(?P<path>.*)`)?$", re.DOTALL)
_FIELD = re.compile(r"field `(?P<name>[^`]+)`")


def _explained(error: msgspec.ValidationError, root: yaml.Node, where: str) -> ConfigError:
    """Return msgspec's complaint with the line and the field it is about."""
    found = _PATH.match(str(error))
    what, path = (found["what"], found["path"] or "") if found else (str(error), "")
    named = _FIELD.search(what)
    unknown = named is not None and "unknown" in what
    steps = re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", path)
    node = _walk(root, [name or index for name, index in steps])
    if "[...]" in path and named is not None:  # msgspec does not name the key of a mapping
        node = _odd_one(node, named["name"], has=unknown)
    if unknown and named is not None:
        node = _key(node, named["name"]) or node
    field = (path.lstrip(".") or "the file") + (f".{named['name']}" if named else "")
    fix = "remove it, or check its spelling" if unknown else f"correct `{field}`"
    return ConfigError(
        where=f"{where}:{node.start_mark.line + 1}", what=f"{field}: {what}", fix=fix
    )


def _walk(node: yaml.Node, steps: list[str]) -> yaml.Node:
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            inner = next((value for key, value in node.value if key.value == step), None)
        elif isinstance(node, yaml.SequenceNode) and step.isdecimal():
            inner = node.value[int(step)] if int(step) < len(node.value) else None
        else:
            inner = None
        if inner is None:
            return node
        node = inner
    return node


def _odd_one(node: yaml.Node, name: str, *, has: bool) -> yaml.Node:
    """Return the first entry that has the key, or the first that lacks it; the node if none."""
    entries = node.value if isinstance(node, yaml.MappingNode) else []
    for key, value in entries:
        if isinstance(value, yaml.MappingNode) and (_key(value, name) is not None) is has:
            return value if has else key
    return node


def _key(node: yaml.Node, name: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((key for key, _ in node.value if key.value == name), None)


def line_of(text: str, *steps: str) -> int:
    """Return the line (from 1) of a nested key or list item, for checks that follow the reading."""
    root = _Loader(text).get_single_node()
    return _walk(root, list(steps)).start_mark.line + 1 if root is not None else 1
