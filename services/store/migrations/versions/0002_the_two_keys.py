"""The two keys, at example prices that operators change (SK-03, SK-07)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

_PRODUCTS = sa.table(
    "products",
    sa.column("product_id"),
    sa.column("sku"),
    sa.column("category"),
    sa.column("name", JSONB),
    sa.column("description", JSONB),
    sa.column("picture"),
    sa.column("price"),
    sa.column("tax_rate"),
    sa.column("lead_business_days"),
    sa.column("earns_points"),
    sa.column("admits_points"),
    sa.column("cancellable"),
    sa.column("means", sa.ARRAY(sa.Text)),
    schema="store",
)
_BOTH = {
    "category": "spare-key",
    "tax_rate": 10,
    "lead_business_days": 7,
    "earns_points": True,
    "admits_points": True,
    "cancellable": False,
    "means": ["card", "deferred", "epos"],
}
_NORMAL = {
    "product_id": "prd_01jzkey0000000000000000002",
    "sku": "key-normal",
    "name": {"ja": "スペアキー（通常キー）", "en": "Spare key (normal key)", "zh_hans": "备用钥匙（普通钥匙）"},
    "description": {
        "ja": "玄関ドアを開けるための純正キーです。オートロックには使えません。",
        "en": "A genuine key for the door of your flat. It does not open the auto-lock at the entrance.",
        "zh_hans": "用于打开住户大门的原厂钥匙，不能打开楼门的自动锁。",
    },
    "picture": "key-normal",
    "price": 3_300,
}
_IC = {
    "product_id": "prd_01jzkey0000000000000000001",
    "sku": "key-ic",
    "name": {"ja": "スペアキー（ICキー）", "en": "Spare key (IC key)", "zh_hans": "备用钥匙（IC钥匙）"},
    "description": {
        "ja": "玄関ドアと、e-タッチに対応したオートロックの両方を開けられる純正キーです。",
        "en": "A genuine key for the door of your flat that also opens an e-touch auto-lock at the entrance.",
        "zh_hans": "既能打开住户大门，也能打开支持e-touch的楼门自动锁的原厂钥匙。",
    },
    "picture": "key-ic",
    "price": 6_600,
}


def upgrade() -> None:
    op.bulk_insert(_PRODUCTS, [_NORMAL | _BOTH, _IC | _BOTH])
