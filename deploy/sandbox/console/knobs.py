"""Automation, faults and webhooks by hand."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field

from deploy.sandbox.console.books import Json, Limit
from deploy.sandbox.console.goods import Input
from deploy.sandbox.faults import PARTNERS, Faults, faults_of, set_faults
from deploy.sandbox.mail import MailFaults, mail_faults, set_mail_faults
from deploy.sandbox.partners import Partners
from deploy.sandbox.webhook_log import SENDERS, Sequence, State, WebhookLog
from deploy.sandbox.world import AUTOMATION, Switch, WebhookRule, World

Sender = Literal["card", "deferred", "epos", "maker", "post", "carrier"]
Partner = Literal["card", "deferred", "epos", "maker", "post", "carrier", "sms"]


class Again(Input):
    times: int = Field(default=1, ge=1, le=100)


class Invented(Input):
    partner: Sender
    type: str
    data: dict[str, Any]


class Release(Input):
    partner: Sender | None = None
    order: Sequence = "sent"


def automation_seen(world: World) -> Json:
    return {name: world.switch(name).model_dump() for name in AUTOMATION}


def faults_seen(world: World) -> Json:
    partners = {partner: faults_of(world, partner).model_dump() for partner in PARTNERS}
    return {**partners, "smtp": mail_faults(world).model_dump()}


def rules_seen(world: World) -> Json:
    return {partner: world.webhook_rule(partner).model_dump() for partner in SENDERS}


def routes(them: Partners) -> APIRouter:
    api = APIRouter()
    _behaviour(api, them.world)
    _webhooks(api, them.world)
    return api


def _behaviour(api: APIRouter, world: World) -> None:
    @api.get("/automation")
    async def automation() -> Json:
        return automation_seen(world)

    @api.put("/automation/{name}")
    async def set_automation(name: str, switch: Switch) -> Json:
        world.switch(name)
        world.store.turn(f"automation {name}", switch.model_dump())
        return automation_seen(world)

    @api.get("/faults")
    async def faults() -> Json:
        return faults_seen(world)

    @api.put("/faults/smtp")
    async def fault_mail(wanted: MailFaults) -> Json:
        set_mail_faults(world, wanted)
        return faults_seen(world)

    @api.put("/faults/{partner}")
    async def fault(partner: Partner, wanted: Faults) -> Json:
        set_faults(world, partner, wanted)
        return faults_seen(world)

    @api.post("/reset")
    async def reset() -> Json:
        world.store.clear()
        return {"status": "empty"}


def _webhooks(api: APIRouter, world: World) -> None:
    log = WebhookLog(world)

    @api.get("/webhooks")
    async def webhooks(
        partner: Sender | None = None, state: State | None = None, q: str = "", limit: Limit = 100
    ) -> Json:
        return {"webhooks": log.newest(partner or "", state or "", q, limit)}

    @api.post("/webhooks/forge")
    async def invent(invented: Invented) -> Json:
        return log.invent(invented.partner, invented.type, invented.data)

    @api.post("/webhooks/release")
    async def release(wanted: Release) -> Json:
        return {"released": log.release(wanted.partner or "", wanted.order)}

    @api.post("/webhooks/{key}/replay")
    async def replay(key: str, again: Again) -> Json:
        return log.again(key, "true", again.times)

    @api.post("/webhooks/{key}/forge")
    async def forge(key: str) -> Json:
        return log.again(key, "forged")

    @api.post("/webhooks/{key}/stale")
    async def stale(key: str) -> Json:
        return log.again(key, "stale")

    @api.get("/webhook-rules")
    async def rules() -> Json:
        return rules_seen(world)

    @api.put("/webhook-rules/{partner}")
    async def set_rule(partner: Sender, rule: WebhookRule) -> Json:
        world.store.turn(f"webhooks {partner}", rule.model_dump())
        return rules_seen(world)
