"""The identity service: wired by hand, then served."""

from __future__ import annotations

from contextlib import closing

from ruum.identity.v1 import events_pb2, identity_pb2
from ruum.identity.v1.identity_pb2_grpc import add_IdentityServiceServicer_to_server
from services.chassis.caller import Signer
from services.chassis.chores import Chore
from services.chassis.foundation import Contract, Foundation
from services.chassis.idempotency import Commands
from services.chassis.sealing import MasterKeys, Sealer
from services.chassis.settings import load
from services.identity.codes.domain import Codes
from services.identity.consents.domain import Consents
from services.identity.envelopes.domain import Envelopes
from services.identity.journal.domain import Journal
from services.identity.models import inbox, outbox, requests
from services.identity.passwords.domain import Passwords
from services.identity.profiles.domain import Profiles
from services.identity.servicer import Domain, IdentityServicer
from services.identity.sessions.domain import Sessions
from services.identity.settings import Rules, Settings
from services.identity.sign_in.domain import SigningIn
from services.identity.sweep.domain import EVERY, Sweep


def wired(commands: Commands, rules: Rules, signer: Signer, sealer: Sealer, passwords: Passwords, key: bytes) -> Domain:
    """The domain, made of its parts: what tests replace is given. `key` is that of `Settings.code_key`."""
    envelopes = Envelopes(commands, sealer)
    sessions = Sessions(commands, rules, signer, key)
    return Domain(
        rules=rules,
        signing_in=SigningIn(commands, rules, key, Codes(rules, key, envelopes), passwords, sessions),
        envelopes=envelopes,
        sessions=sessions,
        profiles=Profiles(commands),
        consents=Consents(commands),
        journal=Journal(commands.database),
    )


async def serve() -> None:
    """Serves until SIGTERM or Ctrl-C."""
    settings = load(Settings)
    sealer = Sealer(MasterKeys(settings.master_keys_file))
    key = settings.code_key.get_secret_value().encode()
    async with Foundation("identity", settings, events_pb2, (requests, outbox, inbox)) as foundation:
        with closing(Passwords(settings)) as passwords:
            domain = wired(foundation.commands, settings, foundation.signer, sealer, passwords, key)
            await foundation.serve(
                Contract(IdentityServicer(domain), add_IdentityServiceServicer_to_server, identity_pb2),
                chores=[Chore("sweep", EVERY, Sweep(foundation.database, foundation.clock).once)],
            )
