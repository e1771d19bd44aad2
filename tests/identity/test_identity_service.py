"""Identity through its door: real gRPC, real tokens."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import grpc
import pytest

from ruum.common.v1 import common_pb2
from ruum.identity.v1 import identity_pb2 as pb
from ruum.identity.v1.identity_pb2_grpc import IdentityServiceStub, add_IdentityServiceServicer_to_server
from services.chassis import failures
from services.chassis.caller import Caller
from services.chassis.clock import FixedClock
from services.chassis.errors import CallerUnknown, Kind, RuumError
from services.chassis.ids import new_id
from services.identity.servicer import IdentityServicer
from tests.identity.world import CONSENTS, PASSWORD, World, other_than, request_id
from tests.support.callers import Keys, member, operator, refused, service
from tests.support.contexts import Served, served

CONTRACT = pb.DESCRIPTOR.services_by_name["IdentityService"]
HANA = "hana@example.jp"
# By hand from the specification: who may call what. Whoever is not here may not.
ALLOWED: Mapping[str, set[str]] = {
    "RequestSignUpCode": {"gateway"},
    "ResendCode": {"gateway"},
    "SignUp": {"gateway"},
    "SignIn": {"gateway"},
    "ConfirmSignIn": {"gateway"},
    "IssueToken": {"gateway"},
    "SignOut": {"member"},
    "ListSessions": {"member"},
    "EndSession": {"member"},
    "ListSecurityLog": {"member"},
    "ListConsents": {"member"},
    "GiveConsents": {"member"},
    "GetProfile": {"member"},
    "UpdateProfile": {"member"},
    "GetOrderer": {"store", "sparekey"},
    "GetContact": {"notifier"},
    "OpenEnvelope": {"notifier"},
    "CloseEnvelope": {"notifier"},
}
EVERYBODY: Mapping[str, Caller] = {
    "member": member("mem_01jzzzzzzzzzzzzzzzzzzzzzzz", "ses_01jzzzzzzzzzzzzzzzzzzzzzzz"),
    "operator": operator("opr_01jzzzzzzzzzzzzzzzzzzzzzzz"),
    **{
        name: service(name)
        for name in ("gateway", "worker", "store", "sparekey", "rooms", "points", "notifier", "desk")
    },
}


@dataclass
class Front:
    """Identity as it is served, and those who call it."""

    world: World
    served: Served
    keys: Keys
    clock: FixedClock

    @property
    def bare(self) -> Any:
        return IdentityServiceStub(self.served.channel)

    async def call(self, who: Caller, method: str, request: Any) -> Any:
        """Calls as somebody; a refusal is raised by its name."""
        metadata = self.keys.metadata(who, "identity", self.clock)
        return await getattr(self.bare, method)(request, metadata=metadata)

    async def refusal(self, who: Caller, method: str, request: Any) -> RuumError:
        return await refused(self.call(who, method, request))

    async def gateway(self, method: str, request: Any) -> Any:
        return await self.call(service("gateway"), method, request)


@pytest.fixture
async def front(world: World, keys: Keys, clock: FixedClock) -> AsyncIterator[Front]:
    add = partial(add_IdentityServiceServicer_to_server, IdentityServicer(world.domain))
    async with served("identity", keys.ring(clock), [CONTRACT], add) as running:
        yield Front(world, running, keys, clock)


def code_request(address: str = HANA) -> pb.RequestSignUpCodeRequest:
    return pb.RequestSignUpCodeRequest(request_id=request_id(), address=address, language="ja", client="c")


def sign_up_request(sent: pb.CodeSent, code: str) -> pb.SignUpRequest:
    return pb.SignUpRequest(
        request_id=request_id(),
        flow_id=sent.flow_id,
        code=code,
        password=PASSWORD,
        language="ja",
        consents=[pb.Consent(document=each.document, version=each.version) for each in CONSENTS],
        client="c",
    )


def sign_in_request(device: str = "", password: str = PASSWORD) -> pb.SignInRequest:
    return pb.SignInRequest(
        request_id=request_id(), address=HANA, password=password, device_token=device, client="c", language="ja"
    )


async def signed_up(front: Front) -> pb.SignedIn:
    sent = await front.gateway("RequestSignUpCode", code_request())
    signed_in: pb.SignedIn = await front.gateway("SignUp", sign_up_request(sent, (await front.world.letter()).code))
    return signed_in


async def as_member(front: Front, signed_in: pb.SignedIn) -> Any:
    """The call of a member with the very token that identity issued."""
    asked = pb.IssueTokenRequest(session_token=signed_in.session_token, audience="identity")
    token = await front.gateway("IssueToken", asked)

    async def call(method: str, request: Any) -> Any:
        return await getattr(front.bare, method)(request, metadata=(("authorization", f"Bearer {token.token}"),))

    return call


def empty_request(method: str) -> Any:
    return getattr(pb, CONTRACT.methods_by_name[method].input_type.name)()


async def test_from_a_code_to_a_session_to_a_token_to_the_profile(front: Front) -> None:
    sent = await front.gateway("RequestSignUpCode", code_request("Hana@Example.JP"))
    (envelope_id,) = await front.world.envelopes()
    envelope = await front.call(service("notifier"), "OpenEnvelope", pb.OpenEnvelopeRequest(envelope_id=envelope_id))
    closing = pb.CloseEnvelopeRequest(request_id=request_id(), envelope_id=envelope_id)
    await front.call(service("notifier"), "CloseEnvelope", closing)
    signed_in = await front.gateway("SignUp", sign_up_request(sent, envelope.code))
    call = await as_member(front, signed_in)

    profile = await call("GetProfile", pb.GetProfileRequest())

    assert (sent.sequence, sent.channel, sent.sending_domain) == (1, pb.CHANNEL_EMAIL, "ruum.me")
    assert (envelope.address, envelope.purpose, envelope.sequence) == (HANA, "sign-up", 1)
    assert sent.expires_at.ToDatetime(front.clock.now().tzinfo) - front.clock.now() == timedelta(minutes=10)
    assert (profile.member_id, profile.email, profile.version) == (signed_in.member_id, HANA, 1)
    assert not profile.HasField("address")


async def test_the_next_code_of_a_flow_bears_the_next_number(front: Front) -> None:
    first = await front.gateway("RequestSignUpCode", code_request())
    front.clock.advance(timedelta(minutes=1))

    asked = pb.ResendCodeRequest(request_id=request_id(), flow_id=first.flow_id, client="c")
    second = await front.gateway("ResendCode", asked)

    assert (second.flow_id, second.sequence, list(second.hints)) == (first.flow_id, 2, list(first.hints))


async def test_a_new_device_is_asked_for_a_code_and_a_known_one_is_not(front: Front) -> None:
    first = await signed_up(front)
    front.clock.advance(timedelta(minutes=1))

    known = await front.gateway("SignIn", sign_in_request(first.device_token))
    fresh = await front.gateway("SignIn", sign_in_request())
    confirmed = await front.gateway(
        "ConfirmSignIn",
        pb.ConfirmSignInRequest(
            request_id=request_id(),
            flow_id=fresh.code_required.flow_id,
            code=(await front.world.letter()).code,
            client="c",
        ),
    )

    assert (known.WhichOneof("outcome"), fresh.WhichOneof("outcome")) == ("signed_in", "code_required")
    assert confirmed.member_id == known.signed_in.member_id == first.member_id


async def test_a_member_edits_the_profile_that_orders_and_messages_are_made_of(front: Front) -> None:
    first = await signed_up(front)
    call = await as_member(front, first)
    address = common_pb2.Address(postal_code="1080075", prefecture="東京都", city="港区", street="港南2-16-1")
    asked = pb.UpdateProfileRequest(request_id=request_id(), version=1, name="佐藤 花", language="en", address=address)

    edited = await call("UpdateProfile", asked)

    member_id = first.member_id
    orderer = await front.call(service("store"), "GetOrderer", pb.GetOrdererRequest(member_id=member_id))
    contact = await front.call(service("notifier"), "GetContact", pb.GetContactRequest(member_id=member_id))
    assert (edited.version, edited.address, edited.birth_date) == (2, address, "")
    assert orderer == edited
    assert (contact.name, contact.email, contact.phone, contact.language) == ("佐藤 花", HANA, "", "en")


async def test_a_member_sees_sessions_log_and_consents_and_signs_out(front: Front) -> None:
    first = await signed_up(front)
    elsewhere = (await front.gateway("SignIn", sign_in_request(first.device_token))).signed_in
    call = await as_member(front, first)

    sessions = (await call("ListSessions", pb.ListSessionsRequest())).sessions
    other = next(session for session in sessions if not session.current)
    await call("EndSession", pb.EndSessionRequest(request_id=request_id(), session_id=other.session_id))
    await call(
        "GiveConsents",
        pb.GiveConsentsRequest(request_id=request_id(), consents=[pb.Consent(document="terms", version="2")]),
    )
    consents = await call("ListConsents", pb.ListConsentsRequest(page=common_pb2.Page(size=2)))
    log = (await call("ListSecurityLog", pb.ListSecurityLogRequest())).entries
    await call("SignOut", pb.SignOutRequest(request_id=request_id()))

    assert [session.current for session in sessions] == [False, True]
    assert [entry.happening for entry in log] == ["consents-given", "session-ended", "signed-in", "signed-up"]
    assert (consents.consents[0].consent.version, len(consents.consents), bool(consents.next_cursor)) == ("2", 2, True)
    for ended in (first, elsewhere):
        asked = pb.IssueTokenRequest(session_token=ended.session_token, audience="points")
        refusal = await front.refusal(service("gateway"), "IssueToken", asked)
        assert (refusal.kind, refusal.code) == (Kind.REFUSED, "session-over")


async def test_a_refusal_says_field_rule_and_when_to_come_back(front: Front) -> None:
    sent = await front.gateway("RequestSignUpCode", code_request())
    code = (await front.world.letter()).code

    wrong = await front.refusal(service("gateway"), "SignUp", sign_up_request(sent, other_than(code)))
    too_soon = await front.refusal(service("gateway"), "RequestSignUpCode", code_request())
    number = await front.refusal(service("gateway"), "RequestSignUpCode", code_request("050-1234-5678"))
    credentials = await front.refusal(service("gateway"), "SignIn", sign_in_request())

    assert (wrong.kind, wrong.code, wrong.field, wrong.params) == (
        Kind.INVALID,
        "code-wrong",
        "code",
        {"sequence": 1, "left": 4},
    )
    assert (too_soon.kind, too_soon.code, too_soon.retry_after) == (
        Kind.TOO_MANY,
        "too-many-codes",
        timedelta(minutes=1),
    )
    assert (number.kind, number.code, number.field) == (Kind.INVALID, "number-without-sms", "address")
    assert (credentials.kind, credentials.code, credentials.field) == (Kind.INVALID, "credentials-wrong", "password")


async def test_the_gateways_own_channel_gets_a_wrong_password_as_what_it_is(front: Front) -> None:
    asked = pb.IssueTokenRequest(session_token="x" * 43, audience="store")

    async with front.keys.channel("gateway", front.served.address, "identity", front.clock) as channel:
        stub: Any = IdentityServiceStub(channel)
        with pytest.raises(RuumError) as wrong:
            await stub.SignIn(sign_in_request())
        with pytest.raises(RuumError) as over:
            await stub.IssueToken(asked)

    assert (wrong.value.code, over.value.code) == ("credentials-wrong", "session-over")


def test_the_matrix_names_every_method() -> None:
    assert set(ALLOWED) == set(CONTRACT.methods_by_name)


@pytest.mark.rule("ID-15")
@pytest.mark.parametrize("method", ALLOWED)
async def test_each_method_is_open_to_those_whom_it_lists_and_to_nobody_else(front: Front, method: str) -> None:
    kinds = {name: await answer(front, who, method) for name, who in EVERYBODY.items()}

    let_in = {name for name, kind in kinds.items() if kind not in {Kind.NOT_ALLOWED, Kind.UNAUTHENTICATED}}
    assert let_in == ALLOWED[method]


async def answer(front: Front, who: Caller, method: str) -> Kind | None:
    """The kind of the refusal of an empty request; None when it is carried out."""
    try:
        await front.call(who, method, empty_request(method))
    except grpc.aio.AioRpcError as refusal:
        return failures.failure(refusal).kind
    return None


@pytest.mark.rule("QA-11")
@pytest.mark.parametrize("method", ALLOWED)
async def test_no_method_answers_without_a_good_token(front: Front, method: str) -> None:
    who = EVERYBODY[next(iter(ALLOWED[method]))]
    good = front.keys.token(who, "identity", front.clock)
    header, claims, signature = good.split(".")
    unsigned = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).rstrip(b"=").decode()
    yesterday = FixedClock(front.clock.now() - timedelta(days=1))
    tokens = {
        "none": "",
        "another audience": front.keys.token(who, "points", front.clock),
        "expired": front.keys.token(who, "identity", yesterday),
        "alg none": f"{unsigned}.{claims}.",
        "forged": f"{header}.{claims}.{signature[:-4]}AAAA",
        "no token": "x.y.z",
    }

    for kind, token in tokens.items():
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        refusal = await refused(getattr(front.bare, method)(empty_request(method), metadata=metadata))
        assert (kind, refusal.kind, refusal.code) == (kind, Kind.UNAUTHENTICATED, CallerUnknown.code)


async def test_a_member_is_not_shown_another(front: Front) -> None:
    first = await signed_up(front)
    stranger = member(new_id("mem"), new_id("ses"))
    call = await as_member(front, first)
    (session,) = (await call("ListSessions", pb.ListSessionsRequest())).sessions

    end = pb.EndSessionRequest(request_id=request_id(), session_id=session.session_id)
    refusal = await front.refusal(stranger, "EndSession", end)

    assert refusal.kind is Kind.NOT_FOUND
    assert list((await front.call(stranger, "ListSessions", pb.ListSessionsRequest())).sessions) == []
    assert list((await front.call(stranger, "ListSecurityLog", pb.ListSecurityLogRequest())).entries) == []
    assert (await front.refusal(stranger, "GetProfile", pb.GetProfileRequest())).kind is Kind.NOT_FOUND
