"""The settings of a mosquitto for more than one machine: listener, access lists, passwords.

Pure: returns texts. `deploy/mosquitto/` holds what `config` and `access` give for the demo's site,
and a test holds them equal. An edge's username is its id, so one pattern is enough for all edges.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from watchkeeper.errors import ConfigError
from watchkeeper.topics import ROOT, down, program_state, rerun, up

SERVER, GATEWAY = "server", "gateway"  # usernames; no edge may be called so
ITERATIONS = 20_000  # of PBKDF2, as mosquitto_passwd -I


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of the listener's certificate, as the broker sees them."""

    authority: str
    certificate: str
    key: str


def config(folder: str, *, host: str, port: int, tls: Tls | None = None) -> str:
    """Return mosquitto.conf.

    Args:
        folder: Where `acl` and `passwords` stand, as the broker sees it.
        host: Address to listen on; "" for all.
        port: 1883, or 8883 with TLS.
        tls: None: unencrypted, for a network of its own only.
    """
    lines = [
        f"listener {port} {host}".rstrip(),
        "protocol mqtt",
        *(
            (
                f"cafile {tls.authority}",
                f"certfile {tls.certificate}",
                f"keyfile {tls.key}",
                "tls_version tlsv1.2",
            )
            if tls
            else ()
        ),
        "",
        "allow_anonymous false",
        f"password_file {folder}/passwords",
        f"acl_file {folder}/acl",
        "",
        "# Nothing of ours relies on the broker's memory: edges keep what is not acknowledged.",
        "persistence false",
        "# A receiver that commits in groups must not stall at 20 messages in flight.",
        "max_inflight_messages 1000",
        "max_queued_messages 20000",
        "max_packet_size 1048576",
        "set_tcp_nodelay true",
        "",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
    ]
    return "\n".join(lines) + "\n"


def access(sites: Sequence[str]) -> str:
    """Return the access list: who may publish and hear what, for these sites."""
    server = [
        *(f"topic read {up(site, '+', '#')}" for site in sites),
        *(f"topic write {down(site, '+', '#')}" for site in sites),
        *(f"topic write {rerun(site)}" for site in sites),
        f"topic readwrite {program_state(SERVER, '+')}",
        f"topic read {program_state(GATEWAY, '+')}",
    ]
    lanes = ("birth/+", "oldbirth", "data")
    gateway = [
        *(f"topic read {up(site, '+', lane)}" for site in sites for lane in lanes),
        *(f"topic write {down(site, '+', lane)}" for site in sites for lane in ("ack", "birth")),
        *(f"topic read {rerun(site)}" for site in sites),
        f"topic readwrite {program_state(GATEWAY, '+')}",
    ]
    edges = [
        *(f"pattern write {up(site, '%u', '#')}" for site in sites),
        *(f"pattern read {down(site, '%u', '#')}" for site in sites),
        f"pattern read {ROOT}/{SERVER}/+/state",
        f"pattern read {ROOT}/{GATEWAY}/+/state",
    ]
    return "\n".join(
        [
            f"user {SERVER}",
            *server,
            "",
            f"user {GATEWAY}",
            *gateway,
            "",
            "# Every edge: its own topics, by its username.",
            *edges,
            "",
        ]
    )


def passwords(accounts: Sequence[tuple[str, str, bytes]]) -> str:
    """Return the password file for (username, password, salt of 12 random bytes).

    Raises ConfigError: a username that would break the access patterns.
    """
    return "".join(_password(*account) for account in accounts)


def _password(user: str, password: str, salt: bytes) -> str:
    if not user or any(letter in user for letter in "+#/:\n"):
        raise ConfigError(
            where="mqtt", what=f"username `{user}`", fix="use letters, digits and hyphens"
        )
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    encoded = (base64.b64encode(part).decode() for part in (salt, digest))
    return f"{user}:$7${ITERATIONS}${'$'.join(encoded)}\n"
