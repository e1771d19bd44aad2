"""Secrets at rest: each value under its own key, that key under a rotating master key (SK-12, ID-05)."""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import Base64Bytes, BaseModel, ValidationError

_KEY_BYTES = 32
_NONCE_BYTES = 12


class SealBrokenError(Exception):
    """What is to be opened was altered, belongs to something else, or its master key is gone."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed value as it stands in the columns of a table. Without `wrapped_key` it can never be opened."""

    key_id: str
    wrapped_key: bytes
    nonce: bytes
    ciphertext: bytes


class _KeyFile(BaseModel, hide_input_in_errors=True):
    current: str
    keys: dict[str, Base64Bytes]


class MasterKeys:
    """The master keys of a process, read from `{"current": id, "keys": {id: base64 of 32 bytes}}` (SK-12).

    A changed file is read again at the next use, so that a rotation needs no restart. The file has to be
    replaced as a whole (write beside it, then rename).

    Raises:
        ValueError: at the start and after a change, when the file does not have that form.
        OSError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, ...] = ()
        self._keys: dict[str, AESGCM] = {}
        self._current = ""
        self._refresh()

    @property
    def current(self) -> str:
        self._refresh()
        return self._current

    def cipher(self, key_id: str) -> AESGCM:
        """The cipher of a master key.

        Raises:
            SealBrokenError: there is no such key, or no longer.
        """
        self._refresh()
        try:
            return self._keys[key_id]
        except KeyError:
            raise SealBrokenError("the master key is gone") from None

    def _refresh(self) -> None:
        found = self._path.stat()
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if seen == self._seen:
            return
        try:
            content = _KeyFile.model_validate_json(self._path.read_bytes())
        except ValidationError:
            raise ValueError(f"{self._path} is no file of master keys") from None
        if content.current not in content.keys:
            raise ValueError(f"{self._path} names a current key that it does not hold")
        if any(len(key) != _KEY_BYTES for key in content.keys.values()):
            raise ValueError(f"{self._path} holds a key that is not {_KEY_BYTES} bytes long")
        self._keys = {key_id: AESGCM(key) for key_id, key in content.keys.items()}
        self._current, self._seen = content.current, seen


class Sealer:
    """Seals values with AES-256-GCM, each under a key of its own (SK-12).

    `bound_to` names the object and the purpose (`ord_…/key-number`): a value opens only for what it was
    sealed for, so that it cannot be moved to another row. Erasing the columns erases the value; in backups it
    dies with the master key: rotate it, rewrap all living values, take the old key out of the file.
    """

    def __init__(self, master_keys: MasterKeys) -> None:
        self._master_keys = master_keys

    def seal(self, plaintext: bytes, bound_to: str) -> Sealed:
        data_key = AESGCM.generate_key(bit_length=8 * _KEY_BYTES)
        nonce = os.urandom(_NONCE_BYTES)
        ciphertext = AESGCM(data_key).encrypt(nonce, plaintext, bound_to.encode())
        key_id = self._master_keys.current
        return Sealed(key_id, self._wrap(key_id, data_key), nonce, ciphertext)

    def open(self, sealed: Sealed, bound_to: str) -> bytes:
        """The plaintext.

        Raises:
            SealBrokenError: altered, bound to something else, or sealed under a master key that is gone.
        """
        data_key = self._unwrap(sealed)
        return _decrypt(AESGCM(data_key), sealed.nonce, sealed.ciphertext, bound_to.encode())

    def rewrap(self, sealed: Sealed) -> Sealed:
        """The same value under the current master key; its ciphertext stays (SK-12).

        Raises:
            SealBrokenError: as for `open`, except that the binding is not looked at.
        """
        key_id = self._master_keys.current
        if sealed.key_id == key_id:
            return sealed
        return replace(sealed, key_id=key_id, wrapped_key=self._wrap(key_id, self._unwrap(sealed)))

    def _wrap(self, key_id: str, data_key: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._master_keys.cipher(key_id).encrypt(nonce, data_key, key_id.encode())

    def _unwrap(self, sealed: Sealed) -> bytes:
        nonce, wrapped = sealed.wrapped_key[:_NONCE_BYTES], sealed.wrapped_key[_NONCE_BYTES:]
        return _decrypt(self._master_keys.cipher(sealed.key_id), nonce, wrapped, sealed.key_id.encode())


def _decrypt(cipher: AESGCM, nonce: bytes, ciphertext: bytes, bound_to: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, ciphertext, bound_to)
    except (InvalidTag, ValueError):
        raise SealBrokenError("altered, or bound to something else") from None


def keyed_digest(value: str, key: bytes, purpose: str) -> str:
    """The HMAC-SHA256 of `value` in hex, for looking up or comparing what must not be kept (ID-05, PR-10).

    Digests for different purposes have nothing in common. Compare with `hmac.compare_digest`.
    """
    purpose_key = hmac.digest(key, purpose.encode(), "sha256")
    return hmac.digest(purpose_key, value.encode(), "sha256").hex()
