"""Codes that prove an address: both sending and guessing are capped, each is used once (ID-02, ID-05, ID-06)."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.errors import Kind, NotFound, RuumError
from services.chassis.idempotency import Work
from services.chassis.ids import new_id
from services.chassis.sealing import keyed_digest
from services.identity.addresses.models import Address
from services.identity.codes import repository
from services.identity.codes.models import Code, Flow, Purpose
from services.identity.envelopes.domain import Envelopes
from services.identity.envelopes.models import Letter, Message
from services.identity.journal import domain as journal
from services.identity.models import Channel, Language
from services.identity.settings import Rules
from services.identity.throttles import domain as throttles

_BESIDE_DIGITS = re.compile(r"[\s-]")
_CODE = re.compile(r"[0-9]{6}")
_HINTS: Mapping[Channel, tuple[str, ...]] = {
    "email": ("code-missing-typing", "code-missing-spam", "code-missing-blocked"),
    "sms": ("code-missing-typing", "code-missing-050"),
}


class CodeMalformed(RuumError):
    """Not six digits: does not count as a try."""

    kind = Kind.INVALID
    code = "code-malformed"


class CodeWrong(RuumError):
    """Not the code; some tries are left."""

    kind = Kind.INVALID
    code = "code-wrong"


class CodeVoid(RuumError):
    """The code was used, is too old, was tried too often, or a newer one was sent: a new one has to be (ID-02)."""

    kind = Kind.REFUSED
    code = "code-void"


class FlowOver(RuumError):
    """What the codes were for is done or took too long: it has to be begun again."""

    kind = Kind.REFUSED
    code = "flow-over"


class CodeSent(BaseModel):
    """A code is on its way, or so it looks (ID-06).

    Attributes:
        sequence: the number that stands in the message too.
        resend_after: when the next one may be asked for.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["code-sent"] = "code-sent"
    flow_id: str
    sequence: int
    channel: Channel
    expires_at: datetime
    resend_after: datetime

    @property
    def hints(self) -> tuple[str, ...]:
        """The codes of the texts that say why no message may have come (ID-04)."""
        return _HINTS[self.channel]


class WrongCode(BaseModel):
    """A try that failed: an answer and no error, since the count of it has to be committed."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["wrong-code"] = "wrong-code"
    sequence: int
    left: int

    def refusal(self) -> RuumError:
        if self.left == 0:
            return CodeVoid(field="code", sequence=self.sequence)
        return CodeWrong(field="code", sequence=self.sequence, left=self.left)


class Codes:
    """Works inside the transactions of those who need a code."""

    def __init__(self, rules: Rules, key: bytes, envelopes: Envelopes) -> None:
        self._rules = rules
        self._key = key
        self._envelopes = envelopes

    async def begin(
        self, work: Work, purpose: Purpose, address: Address, language: Language, member_id: str | None = None
    ) -> Flow:
        """Opens a flow; its first code is sent by `send`."""
        flow = Flow.make(
            id=new_id("flow"),
            purpose=purpose,
            channel=address.channel,
            address=address.value,
            language=language,
            member_id=member_id,
            expires_at=work.now + self._rules.flow_lifetime,
        )
        await repository.add_flow(work.tx, flow)
        return flow

    async def advance(self, work: Work, flow_id: str) -> Flow:
        """Counts the next code of a flow.

        Raises:
            NotFound, FlowOver
        """
        flow = await repository.advance(work.tx, flow_id, work.now)
        if flow is None:
            raise FlowOver(field="flow_id") if await repository.exists(work.tx, flow_id) else NotFound(field="flow_id")
        return flow

    async def send(self, work: Work, flow: Flow, client: str, message: Message) -> CodeSent:
        """Makes a new code the only valid one, and leaves it for the notifier to send.

        Where the address already has an account the letter says so and holds no code. Whatever is entered then is
        wrong, and every step here is the same, so that nobody can tell the two apart (ID-06).

        Raises:
            TooManyCodes: a cap is used up; says when to ask again.
        """
        await throttles.count(work.tx, self._send_caps(flow, client), work.now, throttles.TooManyCodes)
        # Both are always made: what takes longer in one of the two cases would tell which it is.
        code, never = f"{secrets.randbelow(10**6):06d}", secrets.token_hex()
        nothing_fits = message == "sign-up-existing"
        expires_at = work.now + self._rules.code_lifetime
        fitting = Code.make(
            address_digest=self._address(flow),
            purpose=flow.purpose,
            flow_id=flow.id,
            digest=self._digest(flow, never if nothing_fits else code),
            expires_at=expires_at,
        )
        await repository.put_code(work.tx, fitting)
        letter = Letter(
            channel=flow.channel,
            address=flow.address,
            language=flow.language,
            message=message,
            code="" if nothing_fits else code,
            sequence=flow.sequence,
            expires_at=expires_at,
        )
        await self._envelopes.post(work, flow.id, letter)
        return CodeSent(
            flow_id=flow.id,
            sequence=flow.sequence,
            channel=flow.channel,
            expires_at=expires_at,
            resend_after=work.now + self._rules.code_gap.window,
        )

    async def prove(self, work: Work, flow_id: str, purpose: Purpose, entered: str, client: str) -> Flow | WrongCode:
        """Uses the code up and ends its flow; a wrong one is counted over all flows (ID-05).

        Raises:
            CodeMalformed: no try was made.
            TooManyTries: a cap is used up: the code was not even looked at.
            CodeVoid, FlowOver, NotFound
        """
        digits = _digits(entered)
        flow = await repository.hold_flow(work.tx, flow_id, purpose)
        if flow is None:
            raise NotFound(field="flow_id")
        if not flow.is_open(work.now):
            raise FlowOver(field="flow_id")
        # Counted before it is looked at, and given back if right: of many tries at once none may look for free.
        caps = self._try_caps(flow, client)
        left = await throttles.count(work.tx, caps, work.now, throttles.TooManyTries)
        most = self._rules.code_tries
        digest = self._digest(flow, digits)
        tried = await repository.try_code(work.tx, flow, self._address(flow), digest, most, work.now)
        if tried is None:
            raise CodeVoid(field="code", sequence=flow.sequence)
        if not tried.right:
            if flow.member_id is not None:
                await journal.note(work, "code-wrong", flow.member_id)
            # A cap that is used up admits another try after its wait; only the code's own tries come to an end.
            return WrongCode(sequence=flow.sequence, left=min(max(left, 1), most - tried.tries))
        await throttles.give_back(work.tx, caps, work.now)
        await repository.end(work.tx, flow.id, work.now)
        await self._envelopes.withdraw(work, flow.id)
        return flow

    async def open_flow(self, session: AsyncSession, flow_id: str, purpose: Purpose, now: datetime) -> Flow | None:
        """A flow in which a code could still be entered."""
        flow = await repository.flow(session, flow_id, purpose)
        return flow if flow is not None and flow.is_open(now) else None

    def _address(self, flow: Flow) -> str:
        return keyed_digest(flow.address, self._key, "address")

    def _digest(self, flow: Flow, code: str) -> str:
        return keyed_digest("\0".join((self._address(flow), flow.purpose, flow.id, code)), self._key, "code")

    def _client(self, client: str) -> str:
        return keyed_digest(client, self._key, "client")

    def _send_caps(self, flow: Flow, client: str) -> throttles.Caps:
        rules = self._rules
        block = keyed_digest(flow.reached_at.block, self._key, "address-block")
        return {
            f"send/gap/{self._address(flow)}": rules.code_gap,
            f"send/address/{self._address(flow)}": rules.sends_per_address,
            f"send/block/{block}": rules.sends_per_prefix,
            f"send/client/{self._client(client)}": rules.sends_per_client,
            f"send/all/{flow.channel}": rules.sends_in_all,
        }

    def _try_caps(self, flow: Flow, client: str) -> throttles.Caps:
        rules = self._rules
        account = {f"try/account/{flow.member_id}": rules.wrong_codes_per_account} if flow.member_id else {}
        return account | {
            f"try/address/{self._address(flow)}": rules.wrong_codes_per_address,
            f"try/client/{self._client(client)}": rules.wrong_codes_per_client,
        }


def _digits(entered: str) -> str:
    # People paste codes with a space in the middle, and type them in full width.
    digits = _BESIDE_DIGITS.sub("", unicodedata.normalize("NFKC", entered))
    if not _CODE.fullmatch(digits):
        raise CodeMalformed(field="code")
    return digits
