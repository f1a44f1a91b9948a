"""`watchkeeper broker --render FOLDER`: the files of a mosquitto for the edges of a site."""

import re
import secrets
from pathlib import Path

from broker import mosquitto
from watchkeeper.errors import ConfigError
from watchkeeper.settings import Settings
from watchkeeper.site import outline

SALT_BYTES = 12  # as mosquitto_passwd
PASSWORD_BYTES = 24
PUBLIC, PRIVATE = 0o644, 0o600  # the broker gives up root before it reads; hashes may be read


def render(
    settings: Settings, folder: Path, env: Path, *, mounted_at: str, listen: str, tls: bool = False
) -> int:
    """Write mosquitto.conf, acl and passwords to the folder; return 0.

    Args:
        settings: Which site; mqtt.port is what the broker listens on.
        folder: Made when it is not there.
        env: Lines `MQTT_<USER>_PASSWORD=…`: a password that stands there is kept, one that does not
            is drawn and added, so that running this again locks nobody out.
        mounted_at: The folder as the broker sees it.
        listen: Address; "" for all.
        tls: Encrypted; whoever runs the broker puts ca.pem, cert.pem and key.pem in the folder.

    Raises ConfigError: the site file is wrong, or one of the places cannot be written.
    """
    site = outline(settings.site_file())
    users = [mosquitto.SERVER, mosquitto.GATEWAY, *(edge.id for edge in site.edges)]
    proof = mosquitto.Tls(*(f"{mounted_at}/{name}.pem" for name in ("ca", "cert", "key")))
    texts = {
        "mosquitto.conf": mosquitto.config(
            mounted_at, host=listen, port=settings.mqtt.port, tls=proof if tls else None
        ),
        "acl": mosquitto.access([site.site.id]),
    }
    try:
        known = _known(env, users)
        texts["passwords"] = mosquitto.passwords(
            [(user, known[user], secrets.token_bytes(SALT_BYTES)) for user in users]
        )
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
            (folder / name).chmod(PUBLIC)
    except OSError as error:
        raise ConfigError(
            where=str(error.filename or folder),
            what=f"cannot be written: {error.strerror}",
            fix="choose another folder, or mend its rights",
        ) from error
    print(f"wrote {', '.join(texts)} to {folder}; passwords of {', '.join(users)} are in {env}")
    return 0


def variable(user: str) -> str:
    """Return the name of the line that holds a user's password."""
    return f"MQTT_{re.sub(r'[^A-Z0-9]', '_', user.upper())}_PASSWORD"


def _known(env: Path, users: list[str]) -> dict[str, str]:
    """Return each user's password; the file holds all of them afterwards."""
    text = env.read_text("utf-8") if env.exists() else ""
    lines = dict(re.findall(r"^([A-Z0-9_]+)=(.+)$", text, re.MULTILINE))
    found = {
        user: lines.get(variable(user)) or secrets.token_urlsafe(PASSWORD_BYTES) for user in users
    }
    added = [f"{variable(user)}={found[user]}\n" for user in users if variable(user) not in lines]
    env.parent.mkdir(parents=True, exist_ok=True)
    env.touch(PRIVATE)
    if added:
        gap = "" if not text or text.endswith("\n") else "\n"
        env.write_text(text + gap + "".join(added), "utf-8")
    return found
