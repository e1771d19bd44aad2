"""Which workflow a process line of points is for (OP-06)."""

from __future__ import annotations

from collections.abc import Mapping

from services.chassis.events import ProcessLine
from services.chassis.processes import Opening, Process
from services.points.grants.domain import PROCESS
from workflows.point_grant import contract


def _grant(line: ProcessLine, ahead: float) -> Opening:
    member_id = str(line.arguments["member_id"])
    return Opening(
        contract.StartGrant(order_id=line.key, member_id=member_id, clock_ahead_seconds=ahead),
        summary=f"ポイント付与 points of order {line.key}",
        attributes={"Case": contract.WORKFLOW, "OrderId": line.key, "MemberId": member_id},
    )


PROCESSES: Mapping[str, Process] = {PROCESS: Process(contract.WORKFLOW, contract.TASK_QUEUE, _grant)}
