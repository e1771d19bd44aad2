"""What a person is in the middle of when a code is awaited, and the one code that counts at an address."""

from datetime import datetime
from typing import Literal, cast, get_args

from sqlalchemy import CheckConstraint

from services.chassis.columns import instant, is_one_of, text
from services.identity.addresses.models import Address
from services.identity.models import Channel, Language, Table

Purpose = Literal["sign-up", "new-device"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


class Flow(Table, table=True):
    """One person's way from a code to what it is for. Only that person's browser knows its id.

    Attributes:
        member_id: whose password was right, in a flow of sign-in; in one of sign-up nobody is known yet.
        sequence: the number of its newest code: stands in the form and in the message (ID-02).
        ended_at: when its code was used.
    """

    __tablename__ = "flows"
    __table_args__ = (
        CheckConstraint(is_one_of("purpose", PURPOSES), "flows_purpose"),
        CheckConstraint(is_one_of("channel", get_args(Channel)), "flows_channel"),
        CheckConstraint("(purpose = 'new-device') = (member_id is not null)", "flows_member"),
        CheckConstraint("sequence >= 1", "flows_sequence"),
    )

    id: str = text(primary_key=True)
    purpose: Purpose = text()
    channel: Channel = text()
    address: str = text()
    language: Language = text()
    member_id: str | None = text(default=None, foreign_key="identity.members.id")
    sequence: int = 1
    expires_at: datetime = instant(index=True)
    ended_at: datetime | None = instant(default=None)

    def is_open(self, now: datetime) -> bool:
        return self.ended_at is None and now < self.expires_at

    @property
    def owner(self) -> str:
        """The member of a flow of sign-in; the CHECK sees to it that there is one."""
        return cast("str", self.member_id)

    @property
    def reached_at(self) -> Address:
        return Address(self.channel, self.address)


class Code(Table, table=True):
    """The newest code for one purpose at one address; older ones are overwritten and so no longer count (ID-02).

    Attributes:
        address_digest: keyed, as all digests here (ID-05).
        digest: of the code, bound to address, purpose and flow; of a secret where there is no code that fits (ID-06).
        tries: how many were made, the right one included.
    """

    __tablename__ = "codes"
    __table_args__ = (
        CheckConstraint(is_one_of("purpose", PURPOSES), "codes_purpose"),
        CheckConstraint("tries >= 0", "codes_tries"),
    )
    address_digest: str = text(primary_key=True)
    purpose: Purpose = text(primary_key=True)
    flow_id: str = text(foreign_key="identity.flows.id", index=True)
    digest: str = text()
    tries: int = 0
    expires_at: datetime = instant(index=True)
    used_at: datetime | None = instant(default=None)
