"""The ways in: signing up, signing in, and the codes on the way (ID-01, ID-06, ID-10, ID-13).

A wrong code or password is an answer whose count is committed; it becomes an error when the transaction is over.
Whatever is asked of an address, the same statements run whether or not it has an account.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.chassis.caller import Caller
from services.chassis.errors import Kind, RuumError
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.sealing import keyed_digest
from services.identity.addresses.models import Address
from services.identity.codes.domain import Codes, CodeSent, CodeVoid, WrongCode
from services.identity.codes.models import Flow
from services.identity.consents import domain as consents
from services.identity.consents.domain import Agreement
from services.identity.envelopes.models import Message
from services.identity.journal import domain as journal
from services.identity.members import domain as members
from services.identity.members import repository as accounts
from services.identity.models import Language
from services.identity.passwords.domain import Passwords
from services.identity.profiles import repository as profiles
from services.identity.profiles.models import Profile
from services.identity.sessions.domain import Sessions, SignedIn
from services.identity.settings import Rules
from services.identity.sign_in import repository
from services.identity.sign_in.repository import Known
from services.identity.throttles import domain as throttles


class CredentialsWrong(RuumError):
    """Address and password do not belong together; the answer does not say which is wrong (ID-06)."""

    kind = Kind.INVALID
    code = "credentials-wrong"


class SignedInOnNewDevice(members.OfMember):
    pass


class AtAddress(Command):
    """What a stranger asks about an address; request ids count for one address only (PR-10)."""

    address: str = Field(repr=False)
    client: str = Field(exclude=True)
    """Where it comes from. Not part of the request: a repeat may come from elsewhere."""

    @property
    def of_whom(self) -> str:
        return self.address


class InFlow(Command):
    """What a stranger asks in a flow, whose id cannot be guessed."""

    flow_id: str
    client: str = Field(exclude=True)

    @property
    def of_whom(self) -> str:
        return self.flow_id


class RequestSignUpCode(AtAddress):
    language: Language


class ResendCode(InFlow):
    pass


class SignUp(InFlow):
    code: str = Field(repr=False)
    password: str = Field(repr=False)
    language: Language
    consents: tuple[Agreement, ...]


class SignIn(AtAddress):
    password: str = Field(repr=False)
    device_token: str = Field(repr=False)
    language: Language


class ConfirmSignIn(InFlow):
    code: str = Field(repr=False)


class WrongPassword(BaseModel):
    """A failed try: an answer and not an error, as `WrongCode`."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["wrong-password"] = "wrong-password"


@dataclass(frozen=True, repr=False)
class _Comparison:
    """What came of comparing a password before the transaction.

    Attributes:
        kept: the hash to keep; None when the password is wrong.
        wait: for how long a cap forbids comparing it at all.
    """

    address: Address
    known: Known
    caps: throttles.Caps
    wait: timedelta
    kept: str | None


class SigningIn(Verbs):
    def __init__(
        self,
        commands: Commands,
        rules: Rules,
        key: bytes,
        codes: Codes,
        passwords: Passwords,
        sessions: Sessions,
    ) -> None:
        self.commands = commands
        self._rules = rules
        self._key = key
        self._codes = codes
        self._passwords = passwords
        self._sessions = sessions

    @command
    async def request_sign_up_code(self, work: Work, asked: RequestSignUpCode) -> CodeSent:
        """Sends a code to whoever wants an account, or a letter to whoever has one (ID-01, ID-06).

        Raises:
            AddressMalformed, NumberWithoutSms, NumberNotMobile: no message goes there.
            TooManyCodes: says when to ask again.
        """
        address = Address.read(asked.address)
        flow = await self._codes.begin(work, "sign-up", address, asked.language)
        return await self._codes.send(work, flow, asked.client, await self._message(work, flow))

    @command
    async def resend_code(self, work: Work, asked: ResendCode) -> CodeSent:
        """Sends the next code of a flow, whose older ones are void from then on (ID-02).

        Raises:
            NotFound, FlowOver
            TooManyCodes: says when to ask again.
        """
        flow = await self._codes.advance(work, asked.flow_id)
        return await self._codes.send(work, flow, asked.client, await self._message(work, flow))

    async def _message(self, work: Work, flow: Flow) -> Message:
        has_account = await accounts.has_account(work.tx, flow.address)
        return "sign-up-existing" if flow.purpose == "sign-up" and has_account else flow.purpose

    async def sign_up(self, caller: Caller, asked: SignUp) -> SignedIn:
        """Makes the account and signs its member in.

        Raises:
            ConsentMissing, PasswordTooShort, PasswordTooLong, PasswordKnown
            CodeMalformed, CodeWrong, CodeVoid, FlowOver, NotFound
            TooManyTries: says when to try again.
        """
        consents.require_all(asked.consents)
        async with self.commands.database.reading() as session:
            flow = await self._codes.open_flow(session, asked.flow_id, "sign-up", self.commands.clock.now())
        self._passwords.check(asked.password, flow.address if flow else "")
        # Only those who hold an open flow make us hash; without one the transaction says what is wrong.
        password_hash = await self._passwords.hash(asked.password) if flow else ""
        return _proved(await self._sign_up(caller, asked, password_hash))

    @command
    async def _sign_up(self, work: Work, asked: SignUp, password_hash: str) -> SignedIn | WrongCode:
        flow = await self._codes.prove(work, asked.flow_id, "sign-up", asked.code, asked.client)
        if isinstance(flow, WrongCode):
            return flow
        try:
            member_id = await members.create(work, flow.reached_at, password_hash)
        except members.AddressTaken:
            # A new code is asked for, and brings the letter that says so to the owner of the address.
            raise CodeVoid(field="code", sequence=flow.sequence) from None
        await profiles.add(work.tx, Profile.make(member_id=member_id, language=asked.language))
        await consents.record(work, member_id, asked.consents)
        return await self._sessions.begin_on_new_device(work, member_id, "signed-up")

    async def sign_in(self, caller: Caller, asked: SignIn) -> SignedIn | CodeSent:
        """Address and password; a device that is new also needs a code (ID-10).

        Raises:
            AddressMalformed, NumberWithoutSms, NumberNotMobile
            CredentialsWrong
            TooManyTries, TooManyCodes: say when to try again.
        """
        given = await self._sign_in(caller, asked, await self._compare(asked))
        if isinstance(given, WrongPassword):
            raise CredentialsWrong(field="password")
        return given

    async def _compare(self, asked: SignIn) -> _Comparison:
        """Compares before the transaction: argon2 takes so long that locks held meanwhile would queue up others."""
        address = Address.read(asked.address)
        now = self.commands.clock.now()
        device = self._sessions.digest(asked.device_token)
        async with self.commands.database.reading() as session:
            known = await repository.known(session, address.value, device, now - self._rules.device_idle)
            caps = self._caps(address, known, asked.client)
            wait = await throttles.full(session, caps, now)
        kept = None if wait else await self._passwords.verify(known.password_hash, asked.password)
        return _Comparison(address, known, caps, wait, kept)

    def _caps(self, address: Address, known: Known, client: str) -> throttles.Caps:
        """A device that the account knows is counted by itself: strangers at the address cannot keep it out (ID-13)."""
        guesser = known.device_id or keyed_digest(address.value, self._key, "address")
        return {
            f"password/{guesser}": self._rules.wrong_passwords_per_address,
            f"password/client/{keyed_digest(client, self._key, 'client')}": self._rules.wrong_passwords_per_client,
        }

    @command
    async def _sign_in(self, work: Work, asked: SignIn, compared: _Comparison) -> SignedIn | CodeSent | WrongPassword:
        await throttles.count(work.tx, compared.caps, work.now, throttles.TooManyTries)
        # Not compared: even if the cap admits a try by now, nobody knows whether the password is right.
        if compared.wait:
            raise throttles.TooManyTries.until(compared.wait)
        member_id = await self._member(work, compared)
        if member_id is None:
            await journal.note(work, "password-wrong", compared.known.member_id)
            return WrongPassword()
        await throttles.give_back(work.tx, compared.caps, work.now)
        if compared.known.device_id is not None:
            device_id = compared.known.device_id
            return await self._sessions.begin_on_known_device(work, member_id, device_id, asked.device_token)
        flow = await self._codes.begin(work, "new-device", compared.address, asked.language, member_id)
        return await self._codes.send(work, flow, asked.client, "new-device")

    async def _member(self, work: Work, compared: _Comparison) -> str | None:
        """Who signs in, if the password was right and still is."""
        known, kept = compared.known, compared.kept
        if known.member_id is None or known.password_hash is None or kept is None:
            return None
        same = await accounts.keep_password(work.tx, known.member_id, known.password_hash, kept)
        return known.member_id if same else None

    async def confirm_sign_in(self, caller: Caller, asked: ConfirmSignIn) -> SignedIn:
        """The code for a device that is new.

        Raises:
            CodeMalformed, CodeWrong, CodeVoid, FlowOver, NotFound
            TooManyTries: says when to try again.
        """
        return _proved(await self._confirm_sign_in(caller, asked))

    @command
    async def _confirm_sign_in(self, work: Work, asked: ConfirmSignIn) -> SignedIn | WrongCode:
        flow = await self._codes.prove(work, asked.flow_id, "new-device", asked.code, asked.client)
        if isinstance(flow, WrongCode):
            return flow
        work.tell(SignedInOnNewDevice.of(flow.owner))
        return await self._sessions.begin_on_new_device(work, flow.owner, "signed-in-on-new-device")


def _proved(given: SignedIn | WrongCode) -> SignedIn:
    if isinstance(given, WrongCode):
        raise given.refusal()
    return given
