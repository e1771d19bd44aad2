from __future__ import annotations

from tests.workflows.point_grant.conftest import dev, time

__all__ = ["dev", "time"]
