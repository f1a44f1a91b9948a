"""Catalog files: YAML read into frozen structs; errors say file, line, field and what to do.

YAML 1.2 words: only `true` and `false` are booleans, so that `on`, `off`, `yes`, `no` stay words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml
from typing_extensions import override

from watchkeeper.errors import ConfigError, together
from watchkeeper.faults import Fault, Steps, faults, named

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
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a word", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"`{key.value}` stands twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    @override
    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Say where a value stands that is not what its `!!tag` promises."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, ArithmeticError, AttributeError, TypeError) as error:
            raise yaml.constructor.ConstructorError(
                None, None, f"no value: {error}", node.start_mark
            ) from error


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:true|false)$"), list("tf"))


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it was written: its plain values, and where each of them stands."""

    where: str  # the file's name in errors
    plain: dict[str, Any]  # without `schema`
    root: yaml.Node

    def line(self, steps: Sequence[str | int]) -> int:
        """Return the line (from 1) of a value, or of the nearest thing around it that is there."""
        return _walk(self.root, steps).start_mark.line + 1

    def mistake(self, steps: Sequence[str | int], what: str, fix: str) -> ConfigError:
        """Return what is wrong at a place of the file."""
        return ConfigError(where=f"{self.where}:{self.line(steps)}", what=what, fix=fix)

    def misfits(self, shape: Any, steps: Steps = ()) -> list[tuple[Steps, ConfigError]]:
        """Return all that does not fit the shape, each with its place; empty: it can be converted.

        What stands there comes first, line by line, then what is missing.

        Args:
            shape: Of the value at `steps`.
            steps: Where it stands; the whole file by default.
        """
        plain: Any = self.plain
        for step in steps:
            plain = plain[step]
        found = [(each, self._explained(each)) for each in faults(plain, shape, steps)]
        found.sort(key=lambda each: (each[0].missing, each[1].line))
        return [(fault.steps, mistake) for fault, mistake in found]

    def _explained(self, fault: Fault) -> ConfigError:
        field = named(fault.steps)
        if fault.unknown:
            holder = _walk(self.root, fault.steps[:-1])
            node = _key(holder, str(fault.steps[-1])) or holder
            return ConfigError(
                where=f"{self.where}:{node.start_mark.line + 1}",
                what=f"{field}: {fault.what}",
                fix="remove it, or check its spelling",
            )
        fix = f"correct `{field or 'the file'}`"
        return self.mistake(fault.steps, f"{field or 'the file'}: {fault.what}", fix)


def read(path: Path, shape: type[Shape], schema: str) -> Shape:
    """Return the file as `shape`; its first key must say `schema: <schema>`.

    Raises ConfigError: the file is missing, is no YAML, or does not fit the shape.
    """
    return converted(opened(path, schema), shape)


def parse(text: str, shape: type[Shape], schema: str, *, where: str) -> Shape:
    """Return YAML text as `shape`; see `read`. `where` is the file's name in errors."""
    return converted(source(text, schema, where=where), shape)


def converted(found: Source, shape: type[Shape]) -> Shape:
    """Return a source as `shape`; ConfigError tells all that does not fit."""
    try:
        return msgspec.convert(found.plain, shape)
    except msgspec.ValidationError as error:
        raise together([mistake for _, mistake in found.misfits(shape)]) from error


def opened(path: Path, schema: str) -> Source:
    """Return a file as it was written. ConfigError: it is missing, or `source` refuses it."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            where=str(path), what=f"cannot be read: {error}", fix="check the path and its rights"
        ) from error
    return source(text, schema, where=str(path))


def source(text: str, schema: str, *, where: str) -> Source:
    """Return YAML text as it was written. ConfigError: no YAML, or another schema."""
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
    except RecursionError as error:
        raise ConfigError(
            where=where, what="not readable as YAML: nested too deeply", fix="write it flat"
        ) from error
    if root is None or not isinstance(plain, dict) or plain.pop("schema", None) != schema:
        raise ConfigError(
            where=f"{where}:1",
            what=f"`schema: {schema}` is missing",
            fix=f"write `schema: {schema}` as the first line",
        )
    return Source(where, plain, root)


def schema_of(path: Path) -> str:
    """Return what a catalog file says it is ("wk.site/1"), "" when it says nothing."""
    first = re.match(r"\s*schema:\s*(\S+)", path.read_text("utf-8", "replace"))
    return first.group(1) if first else ""


def line_of(text: str, *steps: str) -> int:
    """Return the line (from 1) of a nested key or list item, for checks that follow the reading."""
    root = _Loader(text).get_single_node()
    return _walk(root, steps).start_mark.line + 1 if root is not None else 1


def _walk(node: yaml.Node, steps: Sequence[str | int]) -> yaml.Node:
    for step in map(str, steps):
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


def _key(node: yaml.Node, name: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((key for key, _ in node.value if key.value == name), None)
