"""`watchkeeper broker|edge|gateway|server|dashboard|simulate`: one part in the foreground."""

import argparse
from pathlib import Path

from ops.programs import check_free
from watchkeeper import site
from watchkeeper.settings import Settings


def arguments(parser: argparse.ArgumentParser, command: str) -> None:
    """Add the options of this part."""
    if command == "broker":
        parser.add_argument(
            "--render", type=Path, help="write the files of a mosquitto to this folder, then end"
        )
        parser.add_argument(
            "--env", type=Path, default=Path(".env"), help="where passwords are kept and added"
        )
        parser.add_argument(
            "--mounted-at", default="/mosquitto/config", help="the folder as mosquitto sees it"
        )
        parser.add_argument(
            "--tls", action="store_true", help="encrypted, by ca.pem, cert.pem, key.pem beside them"
        )
        parser.add_argument("--listen", default="", help="mosquitto's address; all by default")
    if command == "edge":
        parser.add_argument(
            "--edge", default="", help="which edge of the site; the first if none is named"
        )
        parser.add_argument(
            "--strict", action="store_true", help="refuse to start where a device has a mistake"
        )
    if command == "gateway":
        parser.add_argument("--name", default="gateway-1", help="its name on the broker")
    if command == "server":
        parser.add_argument(
            "--demo", action="store_true", help="demonstration accounts and a visible mark"
        )
    if command == "simulate":
        parser.add_argument("--seed", type=int, default=1, help="the same seed, the same building")
        parser.add_argument("--lively", action="store_true", help="events and technicians")
        parser.add_argument(
            "--scenario", default="", help="play this one from the start: a name, or a file"
        )
        parser.add_argument(
            "--history", choices=["last-month"], help="import the past through the edge, then end"
        )


def run(settings: Settings, options: argparse.Namespace, command: str) -> int:
    """Run the part until it is told to stop; return its exit code."""
    match command:
        case "broker":
            return _broker(settings, options)
        case "edge":
            from edge import main as edge  # noqa: PLC0415 - only what this part needs

            name = options.edge or _only_edge(settings)
            return edge.run(settings, name, strict=options.strict)
        case "gateway":
            from gateway import main as gateway  # noqa: PLC0415

            return gateway.run(settings, options.name)
        case "server":
            # Before it connects: a second server would throw the first off the broker.
            check_free("ports.api", settings.server.host, settings.ports.api)
            from server import main as server  # noqa: PLC0415

            return server.run(settings, demo=options.demo)
        case "dashboard":
            check_free("ports.dashboard", settings.dashboard.host, settings.ports.dashboard)
            from dashboard import main as dashboard  # noqa: PLC0415

            return dashboard.run(settings)
        case _:
            return _simulate(settings, options)


def _broker(settings: Settings, options: argparse.Namespace) -> int:
    if options.render:
        from ops import render  # noqa: PLC0415

        return render.render(
            settings,
            options.render,
            options.env,
            mounted_at=options.mounted_at,
            listen=options.listen,
            tls=options.tls,
        )
    from broker import main as broker  # noqa: PLC0415

    return broker.run(settings)


def _only_edge(settings: Settings) -> str:
    """Return the first edge of the site, the only one of most."""
    return site.outline(settings.site_file()).edges[0].id


def _simulate(settings: Settings, options: argparse.Namespace) -> int:
    if options.history:
        from ops import past  # noqa: PLC0415

        return past.run(settings, options.seed)
    check_free("ports.simulators", "127.0.0.1", settings.ports.simulators)
    from simulators import main as simulators  # noqa: PLC0415

    return simulators.run(
        settings,
        seed=options.seed,
        story_port=settings.ports.simulators,
        lively=options.lively,
        scenario=options.scenario,
    )
