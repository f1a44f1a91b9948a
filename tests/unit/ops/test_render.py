import re
import stat
from pathlib import Path

import pytest

from ops.main import main
from ops.render import variable

USERS = ("server", "gateway", "plant-b1")


def render(folder: Path, *more: str) -> int:
    words = ["--render", str(folder / "m"), "--env", str(folder / ".env"), *more]
    return main(["broker", *words])


def test_every_user_of_the_site_gets_a_password_that_others_cannot_read(tmp_path: Path) -> None:
    assert render(tmp_path) == 0
    env = tmp_path / ".env"
    assert re.findall(r"^(\w+)=\S{20,}$", env.read_text("utf-8"), re.MULTILINE) == [
        variable(user) for user in USERS
    ]
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    hashed = (tmp_path / "m/passwords").read_text("utf-8")
    assert re.findall(r"^(.+):\$7\$", hashed, re.MULTILINE) == list(USERS)
    for password in re.findall(r"=(.+)", env.read_text("utf-8")):
        assert password not in hashed


def test_a_second_time_keeps_passwords_and_other_lines(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("POSTGRES_PASSWORD=x\nMQTT_GATEWAY_PASSWORD=kept", "utf-8")
    render(tmp_path)
    first = env.read_text("utf-8")
    assert first.startswith("POSTGRES_PASSWORD=x\nMQTT_GATEWAY_PASSWORD=kept\n")
    render(tmp_path)
    assert env.read_text("utf-8") == first


def test_what_is_rendered_for_compose_is_what_is_in_deploy(tmp_path: Path) -> None:
    render(tmp_path)
    for name in ("mosquitto.conf", "acl"):
        shipped = Path(__file__).parents[3] / "deploy/mosquitto" / name
        assert (tmp_path / "m" / name).read_text("utf-8") == shipped.read_text("utf-8")


def test_a_mosquitto_elsewhere_is_told_its_own_folder_and_address(tmp_path: Path) -> None:
    render(tmp_path, "--mounted-at", "/etc/mosquitto/watchkeeper", "--listen", "10.0.0.5")
    text = (tmp_path / "m/mosquitto.conf").read_text("utf-8")
    assert "listener 1883 10.0.0.5\n" in text
    assert "acl_file /etc/mosquitto/watchkeeper/acl\n" in text


def test_an_encrypted_mosquitto_is_told_its_certificates(tmp_path: Path) -> None:
    render(tmp_path, "--tls", "--mounted-at", "/etc/m")
    text = (tmp_path / "m/mosquitto.conf").read_text("utf-8")
    for line in ("cafile /etc/m/ca.pem", "certfile /etc/m/cert.pem", "keyfile /etc/m/key.pem"):
        assert f"{line}\n" in text


def test_a_folder_that_cannot_be_made_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m").touch()
    assert render(tmp_path) == 2
    told = capsys.readouterr().err
    assert str(tmp_path / "m") in told
    assert "choose another folder" in told
