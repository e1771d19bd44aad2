from datetime import date
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from services.chassis.clock import MovableClock, SystemClock
from services.chassis.jst import Closure
from services.chassis.settings import (
    CalendarSettings,
    DatabaseSettings,
    EventSettings,
    ServiceSettings,
    Settings,
    load,
)

ENVIRONMENT = {
    "RUUM_DEPLOYMENT": "production",
    "RUUM_LISTEN": "127.0.0.1:7001",
    "RUUM_KEYS_DIR": "/run/keys",
    "RUUM_SIGNING_KEY_FILE": "/run/signing.pem",
    "RUUM_REQUEST_KEY": "marked-request-key-" + "k" * 20,
    "RUUM_DATABASE_URL": "postgresql://store:marked-password@db/store",
    "RUUM_NATS_URL": "nats://store:marked-nats@nats:4222",
}


class ShopSettings(ServiceSettings, DatabaseSettings, EventSettings, CalendarSettings):
    first_answer_days: int = 1


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_a_process_joins_the_groups_of_settings_it_needs(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RUUM_FIRST_ANSWER_DAYS", "2")

    settings = load(ShopSettings)

    assert settings.listen == "127.0.0.1:7001"
    assert settings.keys_dir == Path("/run/keys")
    assert settings.database_url.get_secret_value() == ENVIRONMENT["RUUM_DATABASE_URL"]
    assert settings.first_answer_days == 2
    assert isinstance(settings.clock(), SystemClock)


def test_settings_do_not_change_after_the_start(environment: pytest.MonkeyPatch) -> None:
    settings = load(ShopSettings)

    with pytest.raises(ValidationError, match="frozen"):
        settings.listen = "0.0.0.0:1"  # type: ignore[misc]  # what the type forbids must fail at run time too


@pytest.mark.rule("QA-16")
@pytest.mark.parametrize("name", ENVIRONMENT)
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_value_stops_the_start_with_one_line_that_names_it(
    environment: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    environment.delenv(name) if value is None else environment.setenv(name, value)

    with pytest.raises(SystemExit) as stopped:
        load(ShopSettings)

    assert stopped.value.code == f"{name} is not set"


@pytest.mark.rule("QA-16")
def test_a_wrong_value_is_named_and_no_value_is_shown(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RUUM_REQUEST_KEY", "marked-short")
    environment.setenv("RUUM_CLOSURES", "marked-day")
    environment.setenv("RUUM_DATABASE_POOL_SIZE", "marked-many")

    with pytest.raises(SystemExit) as stopped:
        load(ShopSettings)

    lines = str(stopped.value.code).splitlines()
    assert {line.split()[0] for line in lines} == {
        "RUUM_REQUEST_KEY",
        "RUUM_CLOSURES",
        "RUUM_DATABASE_POOL_SIZE",
    }
    assert "marked" not in str(stopped.value.code)
    assert stopped.value.__context__ is None


@pytest.mark.rule("QA-16")
def test_secrets_do_not_show_when_settings_are_printed(environment: pytest.MonkeyPatch) -> None:
    settings = load(ShopSettings)

    assert "marked" not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"


@pytest.mark.rule("QA-16")
def test_a_refused_value_is_not_quoted_even_where_nobody_catches_the_refusal() -> None:
    with pytest.raises(ValidationError) as refused:
        ShopSettings.model_validate({"request_key": "marked-short", "listen": ["marked"]})

    assert "marked" not in str(refused.value)


@pytest.mark.rule("PR-05")
def test_a_movable_clock_stops_the_start_of_a_deployment(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("RUUM_CLOCK_FILE", str(tmp_path / "clock"))

    with pytest.raises(SystemExit) as stopped:
        load(ShopSettings)

    assert str(stopped.value.code).startswith("RUUM_CLOCK_FILE is not valid: time cannot be moved")
    environment.setenv("RUUM_DEPLOYMENT", "local")
    assert isinstance(load(ShopSettings).clock(), MovableClock)


@pytest.mark.rule("PR-04")
def test_closures_come_from_the_settings(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RUUM_CLOSURES", "2026-12-29/2027-01-03, 2026-08-13")

    settings = load(ShopSettings)

    assert settings.closures == (
        Closure(date(2026, 12, 29), date(2027, 1, 3)),
        Closure(date(2026, 8, 13), date(2026, 8, 13)),
    )
    assert not settings.calendar().is_business_day(date(2026, 12, 30))


def test_a_test_may_give_values_without_an_environment() -> None:
    assert DatabaseSettings(database_url=SecretStr("postgresql://")).database_pool_size == 10
    assert Settings() == Settings()
