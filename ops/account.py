"""`watchkeeper account add NAME --role ROLE`: the first administrator, or anybody else."""

import argparse
import getpass

from server.main import add_account
from watchkeeper.settings import Settings


def arguments(parser: argparse.ArgumentParser, _: str) -> None:
    """Add the options of this command."""
    parser.add_argument("action", choices=["add"])
    parser.add_argument("account", help="the login name")
    parser.add_argument("--name", help="the name others see")
    parser.add_argument(
        "--role", action="append", choices=["admin", "operator", "technician", "manager"]
    )


def run(settings: Settings, options: argparse.Namespace, _: str) -> int:
    """Ask for a password and add the account."""
    password = getpass.getpass(f"Password for {options.account}: ")
    add_account(
        settings, options.account, options.name or options.account, options.role or ["operator"],
        password,
    )  # fmt: skip
    print(f"added {options.account} ({', '.join(options.role or ['operator'])})")
    return 0
