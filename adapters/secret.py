"""Keys of this installation: made at the first start, readable by its user alone."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

BYTES = 32


def key(folder: Path, name: str) -> bytes:
    """Return the key of this name, as the hex text it stands in the file; made when missing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{name}.key"
    if not path.exists():
        _make(path)
    return path.read_bytes().strip()


def _make(path: Path) -> None:
    """Write the whole key or nothing, and let the first of two programs win."""
    draft = path.with_suffix(f".{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_hex(BYTES).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
