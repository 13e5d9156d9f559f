"""The bearer token of the API: from the settings, or made at the first start; demo and CLI read the same file."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from settings import Settings


def token_file(settings: Settings) -> Path:
    """Where the token lies that was made at the first start."""
    return settings.data_dir / "api-token"


def ensure_token(settings: Settings) -> str:
    """The token that clients must send; made if there is none. Only its owner may read the file.

    Raises RuntimeError if the file is empty.
    """
    given = settings.api_token.get_secret_value()
    if given:
        return given
    path = token_file(settings)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_once(path, secrets.token_urlsafe(32))
    token = path.read_text().strip()
    if not token:
        raise RuntimeError(f"{path} is empty: delete it, or set MUSTER_API_TOKEN")
    return token


def _write_once(path: Path, token: str) -> None:
    # A hard link appears with its whole content and never replaces: of two processes that start at once one wins.
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(token + "\n")
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
