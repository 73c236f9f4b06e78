"""The secret is proved by a keyed hash over both sides' nonces, and never travels.

It lies in a file of mode 0600, created with that mode, which the user's masters, workers and
clients find by themselves. Over a unix socket the kernel's word for the peer's user id replaces it.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from ganger.config import state_folder
from ganger.errors import ConfigurationError

NONCE_BYTES = 16
SECRET_BYTES = 32


def secret_file() -> Path:
    """Where this user's secret lies."""
    return Path(os.environ.get("GANGER_SECRET_FILE") or state_folder() / "secret")


def make_private_folder(folder: Path) -> None:
    """Makes a folder that only this user may enter.

    Raises:
        ConfigurationError: It exists and others may write to it, or it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot make the folder {folder}: {error.strerror}") from error
    if folder.stat().st_mode & 0o022:
        raise ConfigurationError(f"other users may write to {folder}", hint=f"chmod go-w {folder}")


def read_secret() -> bytes | None:
    """The secret, or None if this user has none yet.

    Raises:
        ConfigurationError: Others may read the file.
    """
    path = secret_file()
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"cannot read the secret {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        if os.fstat(descriptor).st_mode & 0o077:
            raise ConfigurationError(f"other users may read the secret {path}", hint=f"chmod 600 {path}")
        secret = bytes.fromhex(file.read().decode().strip())
    return secret


def read_or_make_secret() -> bytes:
    """The secret; makes one where there is none."""
    path = secret_file()
    make_private_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        existing = read_secret()
        if existing:
            return existing
        raise ConfigurationError(f"the secret {path} is empty", hint="remove it; a new one is made") from None
    secret = secrets.token_bytes(SECRET_BYTES)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret.hex() + "\n")
    return secret


def make_nonce() -> bytes:
    """A number used once."""
    return secrets.token_bytes(NONCE_BYTES)


def prove(secret: bytes, speaker: str, nonce_heard: bytes, nonce_own: bytes) -> bytes:
    """Shows that `speaker` knows the secret, to whoever sent `nonce_heard`."""
    return hmac.digest(secret, b"ganger/1 " + speaker.encode() + b" " + nonce_heard + nonce_own, "sha256")


def check_proof(secret: bytes, speaker: str, nonce_sent: bytes, nonce_theirs: bytes, proof: bytes) -> bool:
    """Whether the proof answers `nonce_sent`."""
    return hmac.compare_digest(prove(secret, speaker, nonce_sent, nonce_theirs), proof)
