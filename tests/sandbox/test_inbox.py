from __future__ import annotations

from typing import Any

import aiosmtplib
import pytest

from tests.sandbox.harness import Sandbox, mail


async def send(sandbox: Sandbox, **more: Any) -> None:
    await aiosmtplib.send(mail(**more), hostname="127.0.0.1", port=sandbox.smtp_port)


async def test_a_mail_is_kept_with_all_its_parts(sandbox: Sandbox) -> None:
    await send(sandbox)

    (kept,) = await sandbox.seen("inbox", to="hanako@example.com")
    assert (kept["subject"], kept["message_id"], kept["copies"]) == ("件名", "<m1@ruum>", 1)
    assert kept["text"].startswith("本文です。")
    assert kept["html"].strip() == "<p>本文です。</p>"
    assert ["From", "ruum@example.com"] in kept["headers"]


async def test_copies_of_one_message_to_one_address_are_counted(sandbox: Sandbox) -> None:
    for to in ("a@example.com", "a@example.com", "b@example.com"):
        await send(sandbox, to=to)

    kept = await sandbox.seen("inbox", channel="mail")
    assert {it["to"]: it["copies"] for it in kept} == {"a@example.com": 2, "b@example.com": 1}


async def test_mails_are_found_by_address_and_subject(sandbox: Sandbox) -> None:
    await send(sandbox, message_id="<1@ruum>", subject="鍵番号をご確認ください")
    await send(sandbox, message_id="<2@ruum>", subject="発送しました")

    found = await sandbox.seen("inbox", to="hanako@example.com", subject="発送")

    assert [it["message_id"] for it in found] == ["<2@ruum>"]


@pytest.mark.parametrize(("mode", "code"), [("bounce", 550), ("temporary", 451)])
async def test_a_mailbox_refuses_as_it_is_told(sandbox: Sandbox, mode: str, code: int) -> None:
    await sandbox.fault("smtp", mode=mode, to="hanako@example.com", times=1)

    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await send(sandbox)
    await send(sandbox, to="taro@example.com")
    await send(sandbox)

    assert refused.value.recipients[0].code == code
    assert len(await sandbox.seen("inbox")) == 2


async def test_a_mail_can_be_taken_with_its_answer_lost(sandbox: Sandbox) -> None:
    await sandbox.fault("smtp", mode="drop", times=1)

    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await send(sandbox)
    await send(sandbox)

    (kept,) = await sandbox.seen("inbox")
    assert kept["copies"] == 2


async def test_an_sms_is_one_message_for_its_reference(sandbox: Sandbox) -> None:
    sms = {"to": "+819012345678", "text": "認証コード", "reference": "note_1"}

    first = await sandbox.call("POST", "/sms/messages", sms)
    again = await sandbox.call("POST", "/sms/messages", sms)
    other = await sandbox.call("POST", "/sms/messages", {**sms, "text": "別の文"})

    (kept,) = await sandbox.seen("inbox", to="+819012345678", channel="sms")
    assert (first.status_code, first.json()) == (202, again.json())
    assert other.json()["error"]["code"] == "idempotency_key_reused"
    assert kept["text"] == "認証コード"


async def test_mail_html_is_shown_where_it_can_do_nothing(sandbox: Sandbox) -> None:
    await send(sandbox)
    (kept,) = await sandbox.seen("inbox")

    answer = await sandbox.http.get(f"/console/messages/{kept['id']}")

    policy = answer.headers["content-security-policy"]
    assert "allow-scripts" not in policy
    assert policy.startswith("sandbox ")
    assert "default-src 'none'" in policy
