"""Messages to models and back (`chassis/wire.py`)."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum

import pytest
from pydantic import BaseModel

from ruum.common.v1 import common_pb2
from ruum.points.v1 import points_pb2
from ruum.rooms.v1 import rooms_pb2
from ruum.sparekey.v1 import sparekey_pb2
from ruum.store.v1 import store_pb2
from services.chassis import wire
from services.chassis.errors import InvalidField, Violation
from services.chassis.idempotency import Command

NOON = datetime(2026, 5, 31, 3, tzinfo=UTC)


class Part(BaseModel):
    part_id: str
    points: int


class Hold(Command):
    member_id: str
    order_id: str
    attempt: int
    parts: tuple[Part, ...]


def asked() -> points_pb2.HoldRequest:
    parts = [points_pb2.HoldPart(part_id="lin_1", points=3), points_pb2.HoldPart(part_id="lin_2", points=4)]
    request = points_pb2.HoldRequest(request_id="r", member_id="mbr_1", order_id="ord_1", attempt=2, parts=parts)
    request.as_of.FromDatetime(NOON)
    return request


def test_a_command_is_read_of_its_request_with_all_parts() -> None:
    parts = (Part(part_id="lin_1", points=3), Part(part_id="lin_2", points=4))

    read = wire.read(Hold, asked())

    assert read == Hold(request_id="r", as_of=NOON, member_id="mbr_1", order_id="ord_1", attempt=2, parts=parts)


class Noted(Command):
    order_id: str
    member_id: str
    flow_facts: dict[str, str]


def test_a_map_is_read_in_one_order_however_it_was_sent() -> None:
    facts = [(f"fact_{turn}", "x") for turn in range(9)]
    sent = [dict(facts), dict(reversed(facts))]

    read = [_noted(store_pb2.TakeSnapshotRequest(request_id="r", flow_facts=one)) for one in sent]

    assert [list(one.flow_facts) for one in read] == [sorted(dict(facts))] * 2, "the digest of a repeat is made of it"


def _noted(request: store_pb2.TakeSnapshotRequest) -> Noted:
    return wire.read(Noted, request, language="", address=None)


def test_what_is_given_stands_for_the_field() -> None:
    assert wire.read(Hold, asked(), attempt=9).attempt == 9


class Forgetful(Command):
    member_id: str
    order_id: str
    attempt: int


class ForgetfulPart(Command):
    class OfPart(BaseModel):
        part_id: str
        much: int = 0

    member_id: str
    order_id: str
    attempt: int
    parts: tuple[OfPart, ...]


class PartUnread(Command):
    class OfPart(BaseModel):
        part_id: str

    member_id: str
    order_id: str
    attempt: int
    parts: tuple[OfPart, ...]


@pytest.mark.parametrize(("model", "named"), [(Forgetful, "parts"), (ForgetfulPart, "much"), (PartUnread, "points")])
def test_a_field_that_one_side_lacks_is_found_by_the_first_call(model: type[Command], named: str) -> None:
    with pytest.raises(TypeError, match=named):
        wire.read(model, asked())


class State(StrEnum):
    NUMBER_ASKED = "number-asked"
    READY = "ready"


@dataclass(frozen=True)
class Case:
    state: State
    deadline: datetime | None = None
    wish_date: date | None = None
    reminder: str = "?"


def test_words_days_and_instants_cross_both_ways() -> None:
    case = Case(State.NUMBER_ASKED, NOON, date(2026, 6, 1), "third-day")

    message = wire.write(sparekey_pb2.Case, case, **dict.fromkeys(_others(case)))

    assert (message.state, message.wish_date.iso) == (sparekey_pb2.CASE_STATE_NUMBER_ASKED, "2026-06-01")
    assert wire.read(Case, message) == case


def _others(case: Case) -> set[str]:
    return {it.name for it in sparekey_pb2.Case.DESCRIPTOR.fields} - set(case.__dataclass_fields__)


def test_what_is_absent_or_not_specified_leaves_the_default() -> None:
    @dataclass(frozen=True)
    class Asked:
        state: str = "any"
        deadline: datetime | None = NOON

    assert wire.read(Asked, sparekey_pb2.Case()) == Asked()


def test_what_is_given_as_not_specified_is_left_out_also_of_a_list() -> None:
    @dataclass(frozen=True)
    class Choice:
        points_choice: str = "as it was"

    @dataclass(frozen=True)
    class Goods:
        means: tuple[str, ...]

    chosen = store_pb2.UpdateCheckoutRequest(points_choice=store_pb2.POINTS_CHOICE_UNSPECIFIED)
    product = store_pb2.Product(means=[store_pb2.MEANS_UNSPECIFIED, store_pb2.MEANS_CARD])

    assert wire.read(Choice, chosen) == Choice()
    assert wire.read(Goods, product) == Goods(("card",))


def test_a_day_that_no_calendar_has_is_refused_where_it_stands() -> None:
    class Lease(BaseModel):
        starts_on: date

    class Import(BaseModel):
        leases: tuple[Lease, ...]

    good, bad = (rooms_pb2.Lease(starts_on=common_pb2.Day(iso=iso)) for iso in ("2026-02-28", "2026-02-30"))

    with pytest.raises(InvalidField) as refused:
        wire.read(Import, rooms_pb2.ImportLeasesRequest(request_id="r", leases=[good, bad]))

    assert refused.value.violations == (Violation("leases[1].starts_on", "day-not-in-calendar", {}),)


def test_maps_and_nested_messages_are_written_by_their_names() -> None:
    @dataclass(frozen=True)
    class Entry:
        code: str
        at: datetime
        params: dict[str, str] = field(default_factory=dict)

    written = wire.write(sparekey_pb2.TimelineEntry, Entry("placed", NOON, {"day": "1"}))

    assert wire.read(Entry, written) == Entry("placed", NOON, {"day": "1"})
    address = wire.write(rooms_pb2.Building, None, **_building(address={"city": "Osaka"})).address
    assert address == common_pb2.Address(city="Osaka")


def _building(**given: object) -> dict[str, object]:
    return dict.fromkeys(it.name for it in rooms_pb2.Building.DESCRIPTOR.fields) | given


def test_a_view_that_lacks_a_field_of_its_message_is_a_defect() -> None:
    with pytest.raises(AttributeError, match="points"):
        wire.write(points_pb2.HoldPart, Case(State.READY), part_id="lin_1")


def test_a_word_that_the_contract_does_not_have_is_a_defect() -> None:
    with pytest.raises(KeyError, match="lost"):
        wire.number(sparekey_pb2.KeyKind, "lost")


def test_words_of_generated_enums() -> None:
    assert wire.word(sparekey_pb2.CaseState, sparekey_pb2.CASE_STATE_NUMBER_ASKED) == "number-asked"
    assert wire.word(sparekey_pb2.CaseState, 0) == ""
    assert wire.number(sparekey_pb2.CaseState, "number-asked") == sparekey_pb2.CASE_STATE_NUMBER_ASKED
