"""The watchkeeper command.

Programs are imported when they are asked for: an edge box has no FastAPI.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from adapters import log
from watchkeeper import settings as configuration
from watchkeeper.errors import ConfigError, WatchkeeperError
from watchkeeper.settings import Settings

# command -> (module with `arguments(parser)` and `run(settings, options) -> int`, one line of help)
COMMANDS = {
    "demo": ("ops.demo", "start everything with a simulated building and show what happens"),
    "broker": ("ops.one", "run the embedded MQTT broker"),
    "edge": ("ops.one", "run one edge agent"),
    "edge plan": ("ops.plan", "show what is read of each device and whether its bus keeps up"),
    "gateway": ("ops.one", "run the gateway between broker and history store"),
    "server": ("ops.one", "run alarms, dispatch, emergency, energy and the API"),
    "dashboard": ("ops.one", "run the operations view"),
    "simulate": ("ops.one", "run the simulated devices of a site"),
    "doctor": ("ops.doctor", "check configuration, ports, broker and store; say how to mend them"),
    "catalog": ("ops.catalog", "check catalog files: file:line: what (fix)"),
    "probe": ("ops.probe", "read a device once by a profile and show what does not fit"),
    "scan": ("ops.probe", "find the units that answer on a bus"),
    "history": ("ops.history", "export readings to a CSV or Parquet file, without the server"),
    "quarantine": ("ops.quarantine", "see what could not be stored, try it again, or drop it"),
    "replay": ("ops.replay", "have an edge send again what it still keeps"),
    "account": ("ops.account", "add an account"),
    "duty-check": ("ops.duty", "ask whether somebody is at the fire panel, and wait"),
    "bench": ("ops.bench.main", "measure a figure and hold it against its bar"),
}

# What a box that runs one program has to install; the other commands need all.
EXTRAS = {
    "broker": "broker",
    "edge": "edge",
    "gateway": "gateway",
    "server": "server",
    "dashboard": "dashboard",
    "simulate": "simulators",
}


def parser_for(command: str) -> argparse.ArgumentParser:
    """Return the parser of one command, with the options all of them share."""
    module, help_ = COMMANDS[command]
    parser = argparse.ArgumentParser(prog=f"watchkeeper {command}", description=help_)
    parser.add_argument("--config", type=Path, help="settings file (watchkeeper.toml)")
    parser.add_argument("--data", type=Path, help="folder for everything that is stored")
    parser.add_argument("--site", type=Path, help="site file, or the name of one of the catalog")
    parser.add_argument("--verbose", action="store_true", help="log more")
    import_module(module).arguments(parser, command)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 2 for a mistake of the user, with what to do."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in {"-h", "--help"}:
        print("usage: watchkeeper COMMAND [options]; watchkeeper COMMAND --help tells more\n")
        for name, (_, help_) in COMMANDS.items():
            print(f"  {name:10} {help_}")
        return 0 if words else 2
    named = 2 if " ".join(words[:2]) in COMMANDS else 1  # "edge plan" is a command of two words
    command = " ".join(words[:named])
    if command not in COMMANDS:
        print(f"watchkeeper: no command `{command}` (use {', '.join(COMMANDS)})", file=sys.stderr)
        return 2
    try:
        return _run(command, words[named:])
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(words[0], "all")
        told = [f"the package `{error.name}` is not installed (install watchkeeper[{extra}])"]
    except ConfigError as error:
        told = error.lines
    except WatchkeeperError as error:
        told = [f"{error.code} {error.facts}"]
    except KeyboardInterrupt:
        return 130
    print("\n".join(f"watchkeeper {command}: {line}" for line in told), file=sys.stderr)
    return 2


def _run(command: str, words: Sequence[str]) -> int:
    options = parser_for(command).parse_args(words)
    log.start("DEBUG" if options.verbose else "INFO")
    code: int = import_module(COMMANDS[command][0]).run(_settings(options), options, command)
    return code


def _settings(options: argparse.Namespace) -> Settings:
    settings = configuration.load(options.config)
    given = {
        name: value
        for name in ("data", "site")
        if (value := getattr(options, name, None)) is not None
    }
    return settings.model_copy(update=given)


if __name__ == "__main__":
    sys.exit(main())
