"""Secrets of the local stack: made once, kept to their owner, handed to who needs them (QA-16)."""

import json
import os
import re
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TypeGuard
from unittest.mock import patch

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey

from deploy.local import nats, ports
from deploy.local.credentials import Credentials
from deploy.local.home import Home
from deploy.local.postgres import ADMIN
from deploy.local.table import Table
from deploy.sandbox import settings as sandbox
from services import CONTEXTS
from services.chassis import keys
from services.chassis.caller import Caller, KeyRing, Signer
from services.chassis.clock import SystemClock
from services.chassis.migrate import SERVICES
from services.chassis.sealing import MasterKeys, Sealer
from services.chassis.settings import ServiceSettings, load

# A context that is not named has none of its own.
SECRETS = {
    "identity": {"CODE_KEY", "MASTER_KEYS_FILE"},
    "rooms": {"CODE_KEY"},
    "store": {
        *("CARD_SECRET", "DEFERRED_SECRET", "EPOS_SECRET"),
        *("CARD_WEBHOOK_SECRET", "DEFERRED_WEBHOOK_SECRET", "EPOS_WEBHOOK_SECRET"),
    },
    "sparekey": {
        *("MASTER_KEYS_FILE", "MAKER_SECRET"),
        *("MAKER_WEBHOOK_SECRET", "POST_WEBHOOK_SECRET", "CARRIER_WEBHOOK_SECRET"),
    },
    "notifier": {"SMS_SECRET"},
}


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(Home(tmp_path), ports.USUAL)


def environments(table: Table) -> dict[str, dict[str, str]]:
    return {unit.name: dict(unit.program.env) for unit in table.units()}


@pytest.mark.rule("QA-16")
def test_secret_files_are_read_by_their_owner_only(table: Table) -> None:
    files = [path for path in table.home.secrets.rglob("*") if path.is_file()]

    public = {path for path in files if path.is_relative_to(Credentials(table.home.secrets).public_keys)}
    assert public
    assert {path.stat().st_mode & 0o777 for path in set(files) - public} == {0o600}
    assert table.home.secrets.stat().st_mode & 0o777 == 0o700


def test_second_start_finds_the_secrets_of_the_first(table: Table) -> None:
    again = Table(table.home, ports.USUAL)

    assert environments(again) == environments(table)


def test_two_folders_have_no_secret_in_common(tmp_path: Path) -> None:
    one, two = (
        {
            path.read_text()
            for path in Table(Home(tmp_path / name), ports.USUAL).home.secrets.rglob("*")
            if path.is_file()
        }
        for name in ("one", "two")
    )

    assert one
    assert not one & two


def test_each_service_knows_its_own_secrets_and_no_others(table: Table) -> None:
    common = {"REQUEST_KEY", "SIGNING_KEY_FILE"}

    for context in CONTEXTS:
        environment = environments(table)[context]
        secret = {name.removeprefix("RUUM_") for name in environment if re.search("SECRET|KEY", name)}
        own = SECRETS.get(context, set())
        assert secret - {"KEYS_DIR"} == common | own | {"SPAREKEY_ADDRESS"}, f"{context}: its row in SECRETS"


def test_no_password_is_known_to_another_process(table: Table) -> None:
    credentials = Credentials(table.home.secrets)
    for name in (*CONTEXTS, "gateway", "worker", "sandbox"):
        told = " ".join(environments(table)[name].values())
        for context in CONTEXTS:
            known = [credentials.secret(f"{kind}/{context}") in told for kind in ("database", "nats", "request-keys")]
            assert known == [name == context] * 3, (name, context)


def test_administrators_and_owners_are_known_to_no_service(table: Table) -> None:
    credentials = Credentials(table.home.secrets)
    closed = {f"database/{ADMIN}", f"nats/{nats.ADMIN}", *(f"database/{context}_owner" for context in CONTEXTS)}
    told = {
        name: " ".join(environment.values()) for name, environment in environments(table).items() if name != "migrate"
    }

    assert not [(name, secret) for name in told for secret in closed if credentials.secret(secret) in told[name]]


def test_partners_stand_in_has_the_same_secrets_as_the_services_that_call_it(table: Table) -> None:
    told = environments(table)

    for context, own in SECRETS.items():
        for name in own - {"CODE_KEY", "MASTER_KEYS_FILE"}:
            assert told[context][f"RUUM_{name}"] == told["sandbox"][f"RUUM_{name}"]


def test_others_prove_who_signed_by_the_public_key(table: Table) -> None:
    store = environments(table)["store"]
    private = OKPKey.import_key(json.loads(Path(store["RUUM_SIGNING_KEY_FILE"]).read_text()))
    token = jwt.encode({"alg": "Ed25519", "kid": private.kid}, {"iss": "store"}, private, algorithms=["Ed25519"])

    published = json.loads((Path(store["RUUM_KEYS_DIR"]) / "store.json").read_text())

    assert jwt.decode(token, KeySet.import_key_set(published), algorithms=["Ed25519"]).claims == {"iss": "store"}
    assert str(private.kid).startswith("store-")


def test_every_process_has_published_its_key_and_nothing_private(table: Table) -> None:
    published = {path.stem: path.read_text() for path in (table.home.secrets / "keys" / "public").iterdir()}

    assert set(published) == {*CONTEXTS, "gateway", "worker", "desk", "contract-master"}
    assert not [name for name, keys in published.items() if '"d"' in keys]


@pytest.mark.rule("ID-15")
def test_the_next_start_publishes_the_key_before_a_rotation_too(table: Table) -> None:
    store = environments(table)["store"]
    private, public = Path(store["RUUM_SIGNING_KEY_FILE"]), Path(store["RUUM_KEYS_DIR"])
    clock = SystemClock()
    before = Signer(private, "store", clock).own_token("points")
    long_ago = time.time() - keys.OVERLAP.total_seconds()
    os.utime(private, (long_ago, long_ago))
    keys.rotate(public, private)

    Table(table.home, ports.USUAL)

    after = Signer(private, "store", clock).own_token("points")
    ring = KeyRing(public, clock)
    assert {ring.caller(token, "points") for token in (before, after)} == {Caller("service", "store")}


def test_sealed_value_opens_with_the_master_keys_of_the_next_start(table: Table) -> None:
    keys = Path(environments(table)["sparekey"]["RUUM_MASTER_KEYS_FILE"])
    sealed = Sealer(MasterKeys(keys)).seal(b"value", "key_1/number")

    again = Path(environments(Table(table.home, ports.USUAL))["sparekey"]["RUUM_MASTER_KEYS_FILE"])

    assert Sealer(MasterKeys(again)).open(sealed, "key_1/number") == b"value"


TOLD_BY_SETTINGS = sorted(path.parent.name for path in SERVICES.glob("*/settings.py") if path.parent.name != "chassis")


@pytest.mark.parametrize("process", [*TOLD_BY_SETTINGS, "worker"])
def test_process_finds_all_its_settings(table: Table, process: str) -> None:
    module = import_module("workflows.settings" if process == "worker" else f"services.{process}.settings")
    [settings] = [one for one in vars(module).values() if is_settings_of(module, one)]

    with patch.dict(os.environ, environments(table)[process], clear=True):
        told = load(settings)

    assert told.deployment == "local"
    assert told.listen.endswith(f":{ports.USUAL[process]}")


def test_partners_stand_in_finds_all_its_settings(table: Table) -> None:
    with patch.dict(os.environ, environments(table)["sandbox"], clear=True):
        told = sandbox.load()

    assert told.sandbox_webhook_base == "http://127.0.0.1:8080/webhooks"


def is_settings_of(module: ModuleType, one: object) -> TypeGuard[type[ServiceSettings]]:
    return isinstance(one, type) and issubclass(one, ServiceSettings) and one.__module__ == module.__name__
