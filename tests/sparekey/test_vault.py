from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from deploy.local.postgres import Postgres
from services.chassis import log
from services.chassis.db import Database
from services.chassis.sealing import SealBrokenError
from services.sparekey.cases.models import Case
from services.sparekey.cases.repository import cases
from services.sparekey.cases.transitions import State
from services.sparekey.numbers.models import ERASED
from tests.sparekey.world import NUMBER, World, master_keys
from tests.support import logs

SECRET = "QX7Z2KJ9"
DAY = timedelta(days=1)


def forms(number: str) -> set[str]:
    """A number as it might stand somewhere by mistake."""
    plain = {number, number.lower(), f"{number[:4]} {number[4:]}", f"{number[:4]}-{number[4:]}"}
    encoded = {base64.b64encode(it.encode()).decode().rstrip("=") for it in plain}
    hexed = {it.encode().hex() for it in plain}
    hashed = {
        hashlib.new(name, it.encode()).hexdigest() for it in plain for name in ("md5", "sha1", "sha256", "sha512")
    }
    hashed64 = {base64.b64encode(bytes.fromhex(digest)).decode().rstrip("=") for digest in hashed}
    return plain | encoded | hexed | hashed | hashed64


async def dump(postgres: Postgres) -> str:
    """Everything that the schema holds, as text; bytes in hex and as they are."""
    found: list[str] = []
    async with await psycopg.AsyncConnection.connect(postgres.dsn("sparekey_owner")) as owner:
        tables = await owner.execute("select tablename from pg_tables where schemaname = 'sparekey'")
        for (table,) in await tables.fetchall():
            rows = await owner.execute(f"select * from sparekey.{table}")
            for row in await rows.fetchall():
                for value in row:
                    found.append(str(value))
                    if isinstance(value, bytes):
                        found += [value.hex(), value.decode("latin-1"), base64.b64encode(value).decode()]
    return "\n".join(found)


@pytest.mark.rule("SK-12")
async def test_a_number_stands_nowhere_in_any_usual_form(
    world: World, postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    with logs.kept():
        log.configure("sparekey", "debug")
        order_id = (await world.draft()).case.order_id
        await world.enter(order_id, SECRET)
        await world.place(order_id, await world.review(order_id))
        await world.check(order_id)
        await world.asked(order_id)
        await world.reply(order_id, SECRET)
        await world.check(order_id)
        await world.maker_says("number_replied", order_id, key_number=SECRET)
        await world.desk_number(order_id, SECRET)
        world.maker.away = True
        await world.checked(order_id, "exists")
        await world.order_keys(order_id)

        everything = await dump(postgres) + capsys.readouterr().out + repr(await world.seen(order_id))

    assert len(everything) > 10_000
    assert {form for form in forms(SECRET) if form in everything} == set()


@pytest.mark.rule("SK-12")
async def test_a_number_is_sealed_for_its_order_only(world: World) -> None:
    mine = await world.ordered()
    stranger = World(world.database, world.keys_file)
    other = await stranger.ordered()
    columns = "key_id, wrapped_key, nonce, ciphertext"
    moved = f"update sparekey.numbers set ({columns}) = (select {columns} from sparekey.numbers where order_id = :mine) where order_id = :other"  # noqa: E501

    await world.database.transact(lambda tx: tx.execute(sa.text(moved), {"mine": mine, "other": other}))

    with pytest.raises(SealBrokenError):
        await stranger.seen(other)


@pytest.mark.rule("SK-12")
@pytest.mark.parametrize(("past", "erased"), [(-timedelta(seconds=1), False), (timedelta(), True)])
async def test_a_number_is_erased_ninety_days_after_the_order_has_ended(
    world: World, past: timedelta, erased: bool
) -> None:
    order_id = await world.sent()
    await world.scan((await world.case(order_id)).tracking_number, "handed_over")
    ended = (await world.close(order_id, State.HANDED_OVER)).ended_at
    assert ended is not None
    world.go_to(ended + 90 * DAY + past)

    await world.erase()

    masked = (await world.seen(order_id)).key_number_masked
    assert masked == (ERASED if erased else "••••••34")
    kept = await world.rows("select wrapped_key, ciphertext from sparekey.numbers where order_id = :id", id=order_id)
    assert all((row.wrapped_key is None) is erased for row in kept)


# Texts of a case that tell nothing of a person: ids, codes, versions; of the flat what the building's door says.
KEPT = {
    *("order_id", "member_id", "room_id", "contractor_id", "number_id", "early_number_id", "snapshot_hash"),
    *("building_code", "building_name", "room_number", "notices_version", "notices_language"),
    *("reminder", "reason", "needs_operator", "stopped_from", "tracking_number", "carrier"),
}


async def test_what_a_member_wrote_into_a_case_is_erased_with_its_number(world: World) -> None:
    order_id = await world.sent()
    await world.scan((await world.case(order_id)).tracking_number, "handed_over")
    await world.close(order_id, State.HANDED_OVER)
    texts = {name for name, field in Case.model_fields.items() if field.annotation in {str, str | None}}
    written = dict.fromkeys(texts - KEPT, "in their words")
    mine = cases.c.order_id == order_id
    await world.database.transact(lambda tx: tx.execute(sa.update(cases).where(mine).values(quantity=1, **written)))
    world.pass_time(days=90)

    await world.erase()

    case = await world.case(order_id)
    left = {name for name in written if getattr(case, name)}
    assert left == set(), "erase it beside `erase` of numbers/repository.py; an id or a code stands in KEPT"


@pytest.mark.rule("SK-12")
async def test_an_order_under_way_keeps_its_number_however_long_it_takes(world: World) -> None:
    order_id = await world.made()
    world.pass_time(days=400)

    await world.erase()

    assert (await world.seen(order_id)).key_number_masked == "••••••34"


@pytest.mark.rule("SK-12")
async def test_the_number_of_a_draft_that_nobody_finished_is_erased_too(world: World) -> None:
    order_id = (await world.draft()).case.order_id
    await world.enter(order_id)
    world.pass_time(days=90)

    await world.erase()

    assert (await world.domain.drafts.get(world.member, order_id)).number is None


@pytest.mark.rule("SK-26")
async def test_the_digest_in_the_snapshot_tells_the_number_while_it_lives_and_nothing_after(world: World) -> None:
    order_id, _ = await world.ready_to_place()
    facts = world.store.baskets[order_id].facts
    async with world.database.reading() as session:
        living = await world.domain.vault.digest(session, facts["key_number_reference"])
    world.pass_time(days=90)
    await world.erase()
    async with world.database.reading() as session:
        dead = await world.domain.vault.digest(session, facts["key_number_reference"])

    assert facts["key_number_digest"] == living
    assert living not in forms(NUMBER)
    assert len(living) == 64
    assert dead == ""


@pytest.mark.rule("SK-12")
async def test_what_was_asked_with_a_number_is_forgotten_with_it(world: World) -> None:
    order_id = (await world.draft()).case.order_id
    await world.enter(order_id, request_id="entered-once")
    world.pass_time(days=91)

    await world.erase()

    kept = await world.rows(
        "select 1 from sparekey.requests where request_id = 'entered-once' and principal = :me",
        me=world.member.principal,
    )
    assert kept == []


@pytest.mark.rule("SK-12")
async def test_a_rotated_master_key_is_taken_over_so_that_the_old_one_can_go(
    database: Database, tmp_path: Path
) -> None:
    world = World(database, master_keys(tmp_path, "old"))
    order_id = await world.ordered()
    master_keys(tmp_path, "new")
    assert (await world.seen(order_id)).key_number_masked == "••••••34"

    await world.erase()
    content = json.loads(world.keys_file.read_text())
    del content["keys"]["old"]
    fresh = world.keys_file.with_suffix(".gone")
    fresh.write_text(json.dumps(content))
    fresh.replace(world.keys_file)

    assert (await world.seen(order_id)).key_number_masked == "••••••34"
