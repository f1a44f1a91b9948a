"""Everything in a plain value that does not fit a shape; msgspec tells the first of it only. Pure.

Used once a file is known to be wrong: what is right is converted in one go, by msgspec alone.
"""

import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, TypeAlias, Union, get_args, get_origin

import msgspec
from msgspec.structs import fields

Steps: TypeAlias = tuple[str | int, ...]  # keys and positions from the top of the file

_PATH = re.compile(r"^(?P<what>.*?)(?: - at `(?:key in )?\$(?P<path>.*)`)?$", re.DOTALL)


class Fault(NamedTuple):
    """One thing that does not fit."""

    steps: Steps  # where it stands, or should stand
    what: str
    unknown: bool = False  # a key nobody knows
    missing: bool = False  # a key that is not there


def faults(plain: object, shape: Any, steps: Steps = ()) -> Iterator[Fault]:
    """Yield what of a plain value does not fit the shape, in the order of the shape.

    Args:
        plain: What YAML or JSON made of a text.
        shape: A msgspec struct, or any type msgspec converts to.
        steps: Where the value stands in its file.
    """
    try:
        msgspec.convert(plain, shape)
    except msgspec.ValidationError as error:
        found = list(_inside(plain, _bare(shape), steps))
        yield from found or [_leaf(str(error), steps)]


def named(steps: Steps) -> str:
    """Return a path as people write it: "units[3].place"; "" for the top."""
    words = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return "".join(words).lstrip(".")


def _leaf(text: str, steps: Steps) -> Fault:
    match = _PATH.match(text)
    if match is None or not match["path"]:
        return Fault(steps, match["what"] if match else text)
    more = re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", match["path"])
    return Fault((*steps, *(name or int(n) for name, n in more)), match["what"])


def _bare(shape: Any) -> Any:
    """Return the type behind bounds and behind `| None`."""
    origin = get_origin(shape)
    if origin is Annotated:
        return _bare(get_args(shape)[0])
    if origin in {Union, types.UnionType}:
        arms = [arm for arm in get_args(shape) if arm is not types.NoneType]
        return _bare(arms[0]) if len(arms) == 1 else shape
    return shape


def _inside(plain: object, shape: Any, steps: Steps) -> Iterator[Fault]:
    if isinstance(plain, dict) and isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        yield from _fields(plain, shape, steps)
    elif isinstance(plain, list) and get_origin(shape) is list:
        for position, each in enumerate(plain):
            yield from faults(each, get_args(shape)[0], (*steps, position))
    elif isinstance(plain, dict) and get_origin(shape) is dict:
        for key, each in plain.items():
            yield from faults(each, get_args(shape)[1], (*steps, str(key)))


def _fields(plain: dict[Any, Any], shape: type[msgspec.Struct], steps: Steps) -> Iterator[Fault]:
    known = {each.encode_name: each for each in fields(shape)}
    if shape.__struct_config__.forbid_unknown_fields:
        for key in (each for each in plain if each not in known):
            what = f"Object contains unknown field `{key}`"
            yield Fault((*steps, str(key)), what, unknown=True)
    for name, each in known.items():
        if name in plain:
            yield from faults(plain[name], each.type, (*steps, name))
        elif each.required:
            yield Fault((*steps, name), f"Object missing required field `{name}`", missing=True)
