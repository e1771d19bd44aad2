"""The signing keys of the processes: made, published for those who check, and rotated without a pause (ID-15).

A process signs with the one private key in its file, and is checked with the public ones of its name in the shared
folder; both sides read a replaced file at once. Files are replaced whole, so nobody ever reads half of one.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from joserfc.jwk import OKPKey

OVERLAP = timedelta(minutes=10)
"""For how long the key before stays published at least: longer than any token lives that it signed."""


class RotatedTooSoonError(Exception):
    """The key is so young that tokens of the one before may still be about: they would be refused."""


def generate(issuer: str) -> OKPKey:
    """A fresh Ed25519 key with an id that names its issuer."""
    return OKPKey.generate_key("Ed25519", {"kid": f"{issuer}-{secrets.token_hex(4)}", "use": "sig"}, private=True)


def keep(private_file: Path, key: OKPKey) -> None:
    """Makes this the key that the process signs with; only the file's owner reads it."""
    _replace(private_file, json.dumps(key.as_dict(private=True)), mode=0o600)


def publish(keys_dir: Path, issuer: str, keys: Sequence[OKPKey]) -> None:
    """Makes these, and no others, the keys that the issuer's tokens are checked with."""
    public = [key.as_dict(private=False) for key in keys]
    _replace(keys_dir / f"{issuer}.json", json.dumps({"keys": public}), mode=0o644)


def rotate(keys_dir: Path, private_file: Path) -> OKPKey:
    """Puts a fresh key in the place of a process's key, and leaves the old one published until the next rotation.

    Args:
        keys_dir: where the public keys of all issuers are.
        private_file: `<issuer>.json`, the key that its process signs with.

    Raises:
        RotatedTooSoonError: the last rotation is not `OVERLAP` ago.
    """
    age = timedelta(seconds=time.time() - private_file.stat().st_mtime)
    if age < OVERLAP:
        raise RotatedTooSoonError(f"{private_file.name} is {int(age.total_seconds())} seconds old")
    issuer = private_file.stem
    old, fresh = OKPKey.import_key(json.loads(private_file.read_bytes())), generate(issuer)
    # First everybody can check what it signs, then it signs.
    publish(keys_dir, issuer, [fresh, old])
    keep(private_file, fresh)
    return fresh


def replace_stolen(keys_dir: Path, private_file: Path) -> OKPKey:
    """Puts a fresh key in the place of one that others may have: whatever that one signed is refused from now on."""
    fresh = generate(private_file.stem)
    publish(keys_dir, private_file.stem, [fresh])
    keep(private_file, fresh)
    return fresh


def _replace(path: Path, content: str, *, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{secrets.token_hex(4)}.new")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
