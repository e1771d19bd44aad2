"""Passwords: which are accepted, and how they are kept and compared (ID-10)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from services.chassis.errors import Kind, RuumError
from services.identity.settings import Rules

_LANES = 1
_AT_ONCE = 2  # bounds the memory, and what guessers can take of the processor

T = TypeVar("T")


class PasswordTooShort(RuumError):
    kind = Kind.INVALID
    code = "password-too-short"


class PasswordTooLong(RuumError):
    kind = Kind.INVALID
    code = "password-too-long"


class PasswordKnown(RuumError):
    """On the list of those that are tried first, or nothing but the address or the service's name."""

    kind = Kind.INVALID
    code = "password-known"


class Passwords:
    """Argon2id in threads of its own, so that the loop goes on and guessers cannot take the whole processor."""

    shortest: ClassVar[int] = 8
    longest: ClassVar[int] = 128

    def __init__(self, rules: Rules) -> None:
        self._hasher = PasswordHasher(rules.argon2_passes, rules.argon2_memory_kib, _LANES)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="argon2")
        self._known = frozenset(password.casefold() for password in FREQUENCY_LISTS["passwords"])
        self._nobodys = self._hasher.hash(secrets.token_urlsafe())

    def check(self, password: str, address: str) -> None:
        """Any characters, 8 to 128 of them, and not one that is known to be bad (ID-10).

        Raises:
            PasswordTooShort, PasswordTooLong, PasswordKnown: of the field `password`.
        """
        if len(password) < self.shortest:
            raise PasswordTooShort(field="password", shortest=self.shortest)
        if len(password) > self.longest:
            raise PasswordTooLong(field="password", longest=self.longest)
        folded = password.casefold()
        # Telephone numbers are kept as E.164, and typed as they are written in Japan.
        own = {address, address.partition("@")[0], address.replace("+81", "0")}
        if folded in self._known or folded in own or not folded.replace("ruum", "") or len(set(folded)) == 1:
            raise PasswordKnown(field="password")

    async def hash(self, password: str) -> str:
        return await self._in_a_thread(lambda: self._hasher.hash(password))

    async def verify(self, kept: str | None, password: str) -> str | None:
        """Compares with the hash that is kept, or as slowly with nobody's where none is (ID-06).

        Returns:
            The hash to keep from now on, made anew when the settings have changed; None when the password is wrong.
        """
        return await self._in_a_thread(lambda: self._verified(kept or self._nobodys, password))

    def close(self) -> None:
        self._threads.shutdown()

    def _verified(self, kept: str, password: str) -> str | None:
        try:
            self._hasher.verify(kept, password)
        except VerifyMismatchError:
            return None
        return self._hasher.hash(password) if self._hasher.check_needs_rehash(kept) else kept

    async def _in_a_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
