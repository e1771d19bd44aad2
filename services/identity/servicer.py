"""gRPC to verbs and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from ruum.common.v1 import common_pb2
from ruum.identity.v1 import identity_pb2 as pb
from ruum.identity.v1 import identity_pb2_grpc
from services.chassis.door import caller
from services.identity.codes.domain import CodeSent
from services.identity.consents.domain import Agreement, Consents, GiveConsents
from services.identity.entry.domain import ConfirmSignIn, Entry, RequestSignUpCode, ResendCode, SignIn, SignUp
from services.identity.envelopes.domain import CloseEnvelope, Envelopes
from services.identity.journal.domain import Journal
from services.identity.pages.models import Page
from services.identity.profiles.domain import PostalAddress, Profiles, ProfileView, UpdateProfile
from services.identity.sessions.domain import EndSession, Sessions, SignedIn, SignOut

_CHANNELS = {"email": pb.CHANNEL_EMAIL, "sms": pb.CHANNEL_SMS}
_PARTS = ("postal_code", "prefecture", "city", "street", "building")


@dataclass(frozen=True)
class Verbs:
    """What the servicer hands calls on to."""

    entry: Entry
    envelopes: Envelopes
    sessions: Sessions
    profiles: Profiles
    consents: Consents
    journal: Journal


class IdentityServicer(identity_pb2_grpc.IdentityServiceServicer):
    def __init__(self, verbs: Verbs, sending_domain: str) -> None:
        self._verbs = verbs
        self._sending_domain = sending_domain

    async def RequestSignUpCode(self, request: pb.RequestSignUpCodeRequest, context: Any) -> pb.CodeSent:
        asked = RequestSignUpCode(
            request_id=request.request_id, address=request.address, language=request.language, client=request.client
        )
        return self._code_sent(await self._verbs.entry.request_sign_up_code(caller(), asked))

    async def ResendCode(self, request: pb.ResendCodeRequest, context: Any) -> pb.CodeSent:
        asked = ResendCode(request_id=request.request_id, flow_id=request.flow_id, client=request.client)
        return self._code_sent(await self._verbs.entry.resend_code(caller(), asked))

    async def SignUp(self, request: pb.SignUpRequest, context: Any) -> pb.SignedIn:
        asked = SignUp(
            request_id=request.request_id,
            flow_id=request.flow_id,
            code=request.code,
            password=request.password,
            language=request.language,
            consents=_agreements(request.consents),
            client=request.client,
        )
        return _signed_in(await self._verbs.entry.sign_up(caller(), asked))

    async def SignIn(self, request: pb.SignInRequest, context: Any) -> pb.SignInResponse:
        asked = SignIn(
            request_id=request.request_id,
            address=request.address,
            password=request.password,
            device_token=request.device_token,
            language=request.language,
            client=request.client,
        )
        given = await self._verbs.entry.sign_in(caller(), asked)
        if isinstance(given, SignedIn):
            return pb.SignInResponse(signed_in=_signed_in(given))
        return pb.SignInResponse(code_required=self._code_sent(given))

    async def ConfirmSignIn(self, request: pb.ConfirmSignInRequest, context: Any) -> pb.SignedIn:
        asked = ConfirmSignIn(
            request_id=request.request_id, flow_id=request.flow_id, code=request.code, client=request.client
        )
        return _signed_in(await self._verbs.entry.confirm_sign_in(caller(), asked))

    async def IssueToken(self, request: pb.IssueTokenRequest, context: Any) -> pb.AccessToken:
        given = await self._verbs.sessions.issue_token(request.session_token, request.audience)
        return pb.AccessToken(
            token=given.token,
            expires_at=_instant(given.expires_at),
            member_id=given.member_id,
            session_id=given.session_id,
            language=given.language,
        )

    async def SignOut(self, request: pb.SignOutRequest, context: Any) -> pb.SignOutResponse:
        await self._verbs.sessions.sign_out(caller(), SignOut(request_id=request.request_id))
        return pb.SignOutResponse()

    async def ListSessions(self, request: pb.ListSessionsRequest, context: Any) -> pb.ListSessionsResponse:
        listed = await self._verbs.sessions.living(caller(), _page(request.page))
        sessions = [
            pb.Session(
                session_id=session.id,
                started_at=_instant(session.started_at),
                seen_at=_instant(session.seen_at),
                current=session.id == caller().session,
            )
            for session in listed.items
        ]
        return pb.ListSessionsResponse(sessions=sessions, next_cursor=listed.next_cursor)

    async def EndSession(self, request: pb.EndSessionRequest, context: Any) -> pb.EndSessionResponse:
        asked = EndSession(request_id=request.request_id, session_id=request.session_id)
        await self._verbs.sessions.end(caller(), asked)
        return pb.EndSessionResponse()

    async def ListSecurityLog(self, request: pb.ListSecurityLogRequest, context: Any) -> pb.ListSecurityLogResponse:
        listed = await self._verbs.journal.read(caller(), _page(request.page))
        entries = [
            pb.SecurityLogEntry(happening=entry.happening, at=_instant(entry.at), session_id=entry.session_id)
            for entry in listed.items
        ]
        return pb.ListSecurityLogResponse(entries=entries, next_cursor=listed.next_cursor)

    async def ListConsents(self, request: pb.ListConsentsRequest, context: Any) -> pb.ListConsentsResponse:
        listed = await self._verbs.consents.of(caller(), _page(request.page))
        consents = [
            pb.GivenConsent(
                consent=pb.Consent(document=consent.document, version=consent.version),
                given_at=_instant(consent.given_at),
            )
            for consent in listed.items
        ]
        return pb.ListConsentsResponse(consents=consents, next_cursor=listed.next_cursor)

    async def GiveConsents(self, request: pb.GiveConsentsRequest, context: Any) -> pb.GiveConsentsResponse:
        asked = GiveConsents(request_id=request.request_id, consents=_agreements(request.consents))
        await self._verbs.consents.give(caller(), asked)
        return pb.GiveConsentsResponse()

    async def GetProfile(self, request: pb.GetProfileRequest, context: Any) -> pb.Profile:
        return _profile(await self._verbs.profiles.own(caller()))

    async def UpdateProfile(self, request: pb.UpdateProfileRequest, context: Any) -> pb.Profile:
        asked = UpdateProfile(
            request_id=request.request_id,
            version=request.version,
            name=request.name if request.HasField("name") else None,
            kana=request.kana if request.HasField("kana") else None,
            birth_date=request.birth_date if request.HasField("birth_date") else None,
            telephone=request.telephone if request.HasField("telephone") else None,
            language=request.language if request.HasField("language") else None,
            address=_postal_address(request.address) if request.HasField("address") else None,
        )
        return _profile(await self._verbs.profiles.update(caller(), asked))

    async def GetOrderer(self, request: pb.GetOrdererRequest, context: Any) -> pb.Profile:
        return _profile(await self._verbs.profiles.of(request.member_id))

    async def GetContact(self, request: pb.GetContactRequest, context: Any) -> pb.Contact:
        profile = await self._verbs.profiles.of(request.member_id)
        return pb.Contact(
            member_id=profile.member_id,
            language=profile.language,
            email=profile.email,
            phone=profile.phone,
            name=profile.name,
        )

    async def OpenEnvelope(self, request: pb.OpenEnvelopeRequest, context: Any) -> pb.Envelope:
        letter = await self._verbs.envelopes.open(request.envelope_id)
        return pb.Envelope(
            channel=_CHANNELS[letter.channel],
            address=letter.address,
            language=letter.language,
            purpose=letter.message,
            code=letter.code,
            sequence=letter.sequence,
            expires_at=_instant(letter.expires_at),
        )

    async def CloseEnvelope(self, request: pb.CloseEnvelopeRequest, context: Any) -> pb.CloseEnvelopeResponse:
        asked = CloseEnvelope(request_id=request.request_id, envelope_id=request.envelope_id)
        await self._verbs.envelopes.close(caller(), asked)
        return pb.CloseEnvelopeResponse()

    def _code_sent(self, sent: CodeSent) -> pb.CodeSent:
        return pb.CodeSent(
            flow_id=sent.flow_id,
            sequence=sent.sequence,
            channel=_CHANNELS[sent.channel],
            expires_at=_instant(sent.expires_at),
            resend_after=_instant(sent.resend_after),
            hints=sent.hints,
            sending_domain=self._sending_domain,
        )


def _agreements(consents: Iterable[pb.Consent]) -> tuple[Agreement, ...]:
    return tuple(Agreement(document=consent.document, version=consent.version) for consent in consents)


def _page(page: common_pb2.Page) -> Page:
    return Page.read(page.cursor, page.size)


def _signed_in(given: SignedIn) -> pb.SignedIn:
    return pb.SignedIn(
        member_id=given.member_id,
        session_token=given.session_token,
        device_token=given.device_token,
        idle_until=_instant(given.idle_until),
        absolute_until=_instant(given.absolute_until),
    )


def _postal_address(address: common_pb2.Address) -> PostalAddress:
    return PostalAddress(**{part: getattr(address, part) for part in _PARTS})


def _profile(view: ProfileView) -> pb.Profile:
    parts = {part: getattr(view, part) for part in _PARTS}
    return pb.Profile(
        member_id=view.member_id,
        version=view.version,
        name=view.name,
        kana=view.kana,
        email=view.email,
        phone=view.phone,
        language=view.language,
        address=common_pb2.Address(**parts) if any(parts.values()) else None,
        birth_date=view.birth_date.isoformat() if view.birth_date else "",
        telephone=view.telephone,
    )


def _instant(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
