"""What the process is told by its environment; a missing value stops the start with its name."""

from pathlib import Path

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Each field is the environment variable of its name, in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    sandbox_listen: str
    sandbox_smtp_listen: str
    sandbox_data: Path
    sandbox_webhook_base: str
    ruum_clock_file: Path | None = None
    ruum_card_secret: SecretStr
    ruum_card_webhook_secret: SecretStr
    ruum_deferred_secret: SecretStr
    ruum_deferred_webhook_secret: SecretStr
    ruum_epos_secret: SecretStr
    ruum_epos_webhook_secret: SecretStr
    ruum_maker_secret: SecretStr
    ruum_maker_webhook_secret: SecretStr
    ruum_post_webhook_secret: SecretStr
    ruum_carrier_webhook_secret: SecretStr
    ruum_sms_secret: SecretStr

    def bearer(self, partner: str) -> str:
        return self._secret(f"ruum_{partner}_secret")

    def signing_key(self, partner: str) -> bytes:
        return self._secret(f"ruum_{partner}_webhook_secret").encode()

    def _secret(self, name: str) -> str:
        value: SecretStr = getattr(self, name)
        return value.get_secret_value()


def load() -> Settings:
    """Reads the settings.

    Raises:
        SystemExit: names every variable that is missing or wrong, never its value.
    """
    try:
        return Settings()
    except ValidationError as refused:
        names = ", ".join(str(error["loc"][0]).upper() for error in refused.errors(include_input=False))
    raise SystemExit(f"missing or wrong: {names}")


def address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    return host, int(port)
