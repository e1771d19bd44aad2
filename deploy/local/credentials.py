"""The secrets of one stack, each made when it is first asked for and kept in a file of its own (QA-16)."""

from __future__ import annotations

import base64
import json
import os
import secrets
from pathlib import Path

from services.chassis import keys

_BYTES = 32


class Credentials:
    """Files that only their owner reads, except for the public keys."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self.public_keys = folder / "keys" / "public"

    def secret(self, name: str) -> str:
        """A password or shared key: 256 random bits as text, the same at every start."""
        path = self._folder / name
        if not path.exists():
            _keep(path, secrets.token_urlsafe(_BYTES))
        return path.read_text()

    def signing_key(self, process: str) -> Path:
        """The private Ed25519 key (a JWK) of a process; its public half stands in `public_keys`."""
        path = self._folder / "keys" / "private" / f"{process}.json"
        if not path.exists():
            key = keys.generate(process)
            keys.publish(self.public_keys, process, [key])
            keys.keep(path, key)
        return path

    def master_keys(self, process: str) -> Path:
        """The keys under which a process seals what it keeps, in the form that the chassis reads (SK-12)."""
        path = self._folder / "master-keys" / f"{process}.json"
        if not path.exists():
            key_id = f"{process}-{secrets.token_hex(4)}"
            key = base64.b64encode(secrets.token_bytes(_BYTES)).decode()
            _keep(path, json.dumps({"current": key_id, "keys": {key_id: key}}))
        return path


def _keep(path: Path, content: str) -> None:
    """Write a file so that, after a power cut, it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
