"""`watchkeeper catalog check [FILE…]`: is every catalog file right? One line a mistake."""

import argparse
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from watchkeeper import documents
from watchkeeper.errors import ConfigError
from watchkeeper.settings import Settings


def arguments(parser: argparse.ArgumentParser, _: str) -> None:
    """Add the options of this command."""
    parser.add_argument("action", choices=["check"])
    parser.add_argument(
        "files", nargs="*", type=Path, help="these files; all of the catalog if none"
    )


def run(settings: Settings, options: argparse.Namespace, _: str) -> int:
    """Check the files; return 0 when all are right, 2 when one is not."""
    catalog = settings.catalog_folder()
    files = options.files or sorted(catalog.rglob("*.yaml"))
    wrong = [error for path in files if (error := mistake(path, catalog)) is not None]
    for line in dict.fromkeys(line for error in wrong for line in error.lines):
        print(line, file=sys.stderr)
    print(f"{len(files)} files checked, {len(wrong)} with a mistake")
    return 2 if wrong else 0


def mistake(path: Path, catalog: Path) -> ConfigError | None:
    """Return all that is wrong with a catalog file, None when it is right."""
    try:
        schema = documents.schema_of(path)
        if schema not in LOADERS:
            return ConfigError(
                where=f"{path}:1",
                what=f"schema `{schema or '(none)'}` is not known",
                fix=f"begin the file with `schema:` and one of {', '.join(LOADERS)}",
            )
        LOADERS[schema](path, catalog)
    except ConfigError as error:
        return error
    except OSError as error:
        return ConfigError(where=str(path), what=str(error), fix="check the path and its rights")
    return None


def _by(module: str, function: str) -> Callable[[Path, Path], Any]:
    """Return a loader that imports its subject when it is needed."""
    return lambda path, _: getattr(import_module(module), function)(path)


LOADERS: Mapping[str, Callable[[Path, Path], Any]] = {
    "wk.site/1": lambda path, catalog: import_module("watchkeeper.site").load(
        path, catalog / "profiles", strict=True
    ),
    "wk.profile/1": _by("watchkeeper.profile", "load"),
    "wk.shapes/1": _by("simulators.shapes", "load"),
    "wk.scenario/1": _by("simulators.scenarios.script", "load"),
    "wk.texts/1": _by("watchkeeper.texts", "load_file"),
    "wk.rules/1": lambda path, catalog: import_module("server.rules").check_file(path, catalog),
    "wk.overrides/1": _by("server.rule_site", "check_file"),
    "wk.calendar/1": _by("server.calendars", "load_file"),
    "wk.plan/1": _by("server.plans", "load_file"),
    "wk.tariff/1": _by("server.energy.store", "tariff"),
    "wk.exchanges/1": lambda path, _: import_module("server.energy.store").exchanges(path, "UTC"),
    "wk.people/1": _by("server.people.store", "load"),
}
