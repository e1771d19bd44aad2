"""The contract of identity: read, ask the domain, write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ruum.identity.v1 import identity_pb2 as pb
from ruum.identity.v1.identity_pb2_grpc import IdentityServiceServicer
from services.chassis import wire
from services.chassis.door import caller
from services.identity.codes.domain import CodeSent
from services.identity.consents.domain import Consents, GiveConsents
from services.identity.envelopes.domain import CloseEnvelope, Envelopes
from services.identity.journal.domain import Journal
from services.identity.profiles.domain import Profiles, UpdateProfile
from services.identity.sessions.domain import EndSession, Sessions, SignedIn, SignOut
from services.identity.settings import Rules
from services.identity.sign_in.domain import ConfirmSignIn, RequestSignUpCode, ResendCode, SignIn, SigningIn, SignUp


@dataclass(frozen=True)
class Domain:
    """The domain of identity, wired."""

    rules: Rules
    signing_in: SigningIn
    envelopes: Envelopes
    sessions: Sessions
    profiles: Profiles
    consents: Consents
    journal: Journal


class IdentityServicer(IdentityServiceServicer):
    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    # Signing up and in.

    async def RequestSignUpCode(self, request: pb.RequestSignUpCodeRequest, context: Any) -> pb.CodeSent:
        asked = wire.read(RequestSignUpCode, request)
        return self._code_sent(await self._domain.signing_in.request_sign_up_code(caller(), asked))

    async def ResendCode(self, request: pb.ResendCodeRequest, context: Any) -> pb.CodeSent:
        return self._code_sent(await self._domain.signing_in.resend_code(caller(), wire.read(ResendCode, request)))

    async def SignUp(self, request: pb.SignUpRequest, context: Any) -> pb.SignedIn:
        return wire.write(pb.SignedIn, await self._domain.signing_in.sign_up(caller(), wire.read(SignUp, request)))

    async def SignIn(self, request: pb.SignInRequest, context: Any) -> pb.SignInResponse:
        given = await self._domain.signing_in.sign_in(caller(), wire.read(SignIn, request))
        if isinstance(given, SignedIn):
            return pb.SignInResponse(signed_in=wire.write(pb.SignedIn, given))
        return pb.SignInResponse(code_required=self._code_sent(given))

    async def ConfirmSignIn(self, request: pb.ConfirmSignInRequest, context: Any) -> pb.SignedIn:
        asked = wire.read(ConfirmSignIn, request)
        return wire.write(pb.SignedIn, await self._domain.signing_in.confirm_sign_in(caller(), asked))

    def _code_sent(self, sent: CodeSent) -> pb.CodeSent:
        return wire.write(pb.CodeSent, sent, sending_domain=self._domain.rules.sending_domain)

    # Sessions.

    async def IssueToken(self, request: pb.IssueTokenRequest, context: Any) -> pb.AccessToken:
        token = await self._domain.sessions.issue_token(request.session_token, request.audience)
        return wire.write(pb.AccessToken, token)

    async def SignOut(self, request: pb.SignOutRequest, context: Any) -> pb.SignOutResponse:
        await self._domain.sessions.sign_out(caller(), wire.read(SignOut, request))
        return pb.SignOutResponse()

    async def ListSessions(self, request: pb.ListSessionsRequest, context: Any) -> pb.ListSessionsResponse:
        listed = await self._domain.sessions.living(caller(), wire.page(request.page))
        return wire.write(pb.ListSessionsResponse, listed, sessions=listed.items)

    async def EndSession(self, request: pb.EndSessionRequest, context: Any) -> pb.EndSessionResponse:
        await self._domain.sessions.end(caller(), wire.read(EndSession, request))
        return pb.EndSessionResponse()

    async def ListSecurityLog(self, request: pb.ListSecurityLogRequest, context: Any) -> pb.ListSecurityLogResponse:
        listed = await self._domain.journal.read(caller(), wire.page(request.page))
        return wire.write(pb.ListSecurityLogResponse, listed, entries=listed.items)

    # Accounts.

    async def ListConsents(self, request: pb.ListConsentsRequest, context: Any) -> pb.ListConsentsResponse:
        listed = await self._domain.consents.of(caller(), wire.page(request.page))
        consents = listed.map(lambda given: wire.write(pb.GivenConsent, given, consent=given)).items
        return wire.write(pb.ListConsentsResponse, listed, consents=consents)

    async def GiveConsents(self, request: pb.GiveConsentsRequest, context: Any) -> pb.GiveConsentsResponse:
        await self._domain.consents.give(caller(), wire.read(GiveConsents, request))
        return pb.GiveConsentsResponse()

    async def GetProfile(self, request: pb.GetProfileRequest, context: Any) -> pb.Profile:
        return wire.write(pb.Profile, await self._domain.profiles.own(caller()))

    async def UpdateProfile(self, request: pb.UpdateProfileRequest, context: Any) -> pb.Profile:
        return wire.write(pb.Profile, await self._domain.profiles.update(caller(), wire.read(UpdateProfile, request)))

    # Other services.

    async def GetOrderer(self, request: pb.GetOrdererRequest, context: Any) -> pb.Profile:
        return wire.write(pb.Profile, await self._domain.profiles.of(request.member_id))

    async def GetContact(self, request: pb.GetContactRequest, context: Any) -> pb.Contact:
        return wire.write(pb.Contact, await self._domain.profiles.of(request.member_id))

    async def OpenEnvelope(self, request: pb.OpenEnvelopeRequest, context: Any) -> pb.Envelope:
        letter = await self._domain.envelopes.open(request.envelope_id)
        return wire.write(pb.Envelope, letter, purpose=letter.message)

    async def CloseEnvelope(self, request: pb.CloseEnvelopeRequest, context: Any) -> pb.CloseEnvelopeResponse:
        await self._domain.envelopes.close(caller(), wire.read(CloseEnvelope, request))
        return pb.CloseEnvelopeResponse()
