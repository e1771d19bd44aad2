"""Making code pairs, reading what people type or scan, and proving that somebody holds a pair (RM-02, RM-03)."""

import hmac
import re
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import parse_qs, urlencode, urlsplit

import segno
import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.caller import Caller
from services.chassis.errors import Kind, NotFound, RuumError, Unavailable
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.jst import jst_date
from services.chassis.sealing import keyed_digest
from services.rooms.codes import repository
from services.rooms.codes.models import ALPHABET, LENGTH, CodePair, IssuedCodes, Scope, grouped
from services.rooms.settings import Rules

_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
# Also the long vowel mark, which a Japanese keyboard gives for a hyphen.
_BETWEEN = re.compile(r"[\s\u2010-\u2015\u2212\u30fc\uff70-]")
_CODE = re.compile(f"[{ALPHABET}]{{{LENGTH}}}")
# No code of ours holds a D, so what begins like this is one of the service that codes came from before.
_OLD_SERVICE = re.compile(r"DK")
_OLD_SERVICE_LINK = re.compile(r"dk[-_.]?select", re.IGNORECASE)
_OLD_SERVICE_ENDED = "2022-09-26"
PATH = "/rooms/register"
"""Of the portal's page that a code pair's link leads to."""
FORGOTTEN_EVERY = timedelta(hours=1)


class CodeMalformed(RuumError):
    """What was typed is not written as our codes are; `field` says which of the two."""

    kind = Kind.INVALID
    code = "registration-code-malformed"


class LinkUnknown(RuumError):
    """What was scanned is not the link of a lease."""

    kind = Kind.INVALID
    code = "registration-link-unknown"


class OldServiceEnded(RuumError):
    """Rooms can no longer be registered by way of DK SELECT (RM-02)."""

    kind = Kind.REFUSED
    code = "dk-select-ended"


class CodesWrong(RuumError):
    """No living pair is like this; which of the two codes is wrong is not told (RM-03)."""

    kind = Kind.INVALID
    code = "registration-codes-wrong"


class TooManyWrongCodes(RuumError):
    """The member, the client, or whoever tried this code ① was wrong too often (RM-03)."""

    kind = Kind.TOO_MANY
    code = "registration-tries-used-up"


class LeaseOver(RuumError):
    """The lease has ended, or the room is let to others."""

    kind = Kind.REFUSED
    code = "lease-over"


class IssueCodes(Command):
    lease_code: str


class IssuedPair(BaseModel):
    code1: str
    code2: str
    link: str

    @property
    def qr_svg(self) -> str:
        """The link as a QR to print on the lease."""
        return segno.make_qr(self.link, error="m").svg_inline(scale=4)


class Typed(BaseModel):
    """What somebody gives to show that they hold a lease: both codes, or the link of its QR."""

    code1: str = ""
    code2: str = ""
    link: str = ""
    client: str
    """From where it came, as the gateway tells clients apart."""


class Codes(Verbs):
    """Issues pairs and proves who holds one."""

    def __init__(self, commands: Commands, rules: Rules, key: bytes, public_url: str) -> None:
        self.commands = commands
        self._key = key
        self._home = public_url.rstrip("/")
        self._window = rules.wrong_codes_window
        self._limits = {
            Scope.MEMBER: rules.wrong_pairs_per_member,
            Scope.CLIENT: rules.wrong_pairs_per_client,
            Scope.CODE1: rules.wrong_pairs_per_code1,
        }

    @command
    async def issue(self, work: Work, command: IssueCodes) -> IssuedPair:
        """A new pair for a lease, shown this once; the old pair dies (RM-03).

        Raises:
            NotFound: there is no such lease.
            LeaseOver: it has ended.
        """
        lease = await repository.lock_lease(work.tx, command.lease_code, jst_date(work.now))
        if lease is None:
            raise NotFound(field="lease_code")
        if lease["over"]:
            raise LeaseOver
        await repository.kill_pair(work.tx, lease["id"], work.now)
        pair = await self._unused(work, lease["id"])
        shown = {"code1": grouped(pair.code1), "code2": grouped(pair.code2)}
        return IssuedPair(**shown, link=f"{self._home}{PATH}?{urlencode(shown)}")

    async def _unused(self, work: Work, lease_id: str) -> CodePair:
        # With a million leases one fresh code ① in 50,000 is that of another.
        for _ in range(3):
            pair = CodePair.fresh()
            kept = IssuedCodes.make(
                digest1=self._digest(pair.code1, "code1"),
                digest2=self._digest(pair.code1 + pair.code2, "code2"),
                lease_id=lease_id,
                issued_at=work.now,
            )
            if await repository.keep_pair(work.tx, kept):
                return pair
        raise Unavailable

    def read(self, typed: Typed) -> CodePair:
        """The pair that somebody typed or scanned, however it is written; it need not exist (RM-02).

        Raises:
            OldServiceEnded: it comes from DK SELECT.
            CodeMalformed, LinkUnknown: our pairs are not written like this.
        """
        if not typed.link:
            return CodePair(_read(typed.code1, "code1"), _read(typed.code2, "code2"))
        link = urlsplit(typed.link.strip())
        if f"{link.scheme}://{link.netloc}{link.path}" != f"{self._home}{PATH}":
            raise OldServiceEnded(ended=_OLD_SERVICE_ENDED) if _OLD_SERVICE_LINK.search(typed.link) else _unknown()
        codes = parse_qs(link.query)
        try:
            return CodePair(_read(codes["code1"][0], "link"), _read(codes["code2"][0], "link"))
        except (KeyError, CodeMalformed):
            raise _unknown() from None

    async def prove(self, tx: AsyncSession, caller: Caller, typed: Typed, now: datetime) -> sa.RowMapping | None:
        """The lease that a pair opens, locked; nothing when the pair is wrong, which is then counted (RM-03).

        The count has to be committed, so a wrong pair is not an exception here.

        Raises:
            OldServiceEnded, CodeMalformed, LinkUnknown: as `read`.
            TooManyWrongCodes: whether or not the pair is right.
        """
        pair = self.read(typed)
        digest1 = self._digest(pair.code1, "code1")
        lease = await repository.living_pair(tx, digest1, jst_date(now))
        digest2 = self._digest(pair.code1 + pair.code2, "code2")
        # Compared even if no lease is found: the time that an answer takes must not tell which code is wrong.
        right = hmac.compare_digest(digest2, lease["digest2"] if lease else digest1)
        tried = {
            Scope.MEMBER: self._digest(caller.principal, "member"),
            Scope.CLIENT: self._digest(typed.client, "client"),
            Scope.CODE1: digest1,
        }
        full_until = await repository.count_try(
            tx, tried, self._limits, wrong=not right, now=now, until=now + self._window
        )
        if full_until is not None:
            raise TooManyWrongCodes(retry_after=full_until - now)
        return lease if right else None

    def shown(self, caller: Caller, lease: sa.RowMapping) -> str:
        """Stands for what a member was shown of a lease: another member, lease or version has another."""
        return self._digest(f"{caller.principal} {lease['id']} {lease['version']}", "preview")

    async def forget_old_tries(self) -> None:
        """Deletes the counts of wrong codes whose time is over."""
        now = self.commands.clock.now()
        await self.commands.database.transact(partial(repository.forget_tries, now=now))

    def _digest(self, value: str, purpose: str) -> str:
        return keyed_digest(value, self._key, f"rooms/{purpose}")


def _read(typed: str, field: str) -> str:
    code = _BETWEEN.sub("", typed.translate(_HALF_WIDTH)).upper()
    if _OLD_SERVICE.match(code):
        raise OldServiceEnded(ended=_OLD_SERVICE_ENDED)
    if not _CODE.fullmatch(code):
        raise CodeMalformed(field=field)
    return code


def _unknown() -> LinkUnknown:
    return LinkUnknown(field="link")
