"""What each book says of one order, side by side."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Money:
    """The store's book, and what the partner says. Whole yen.

    Attributes:
        state: of the order, as the store writes it: `placed`, `dispatched`, …
        points: that the order is paid with.
        earns: points that the order will earn.
        partner: the payment's state by the partner's word; `unknown` when nobody can say.
        left_behind: that payments which count no more still hold or keep.
        invoice: its state; empty where there is none. So is `invoice_id`.
    """

    state: str
    means: str
    due: int
    points: int
    earns: int
    attempt: int
    payment: str
    authorised: int
    captured: int
    refunded: int
    open_intents: int
    partner: str
    left_behind: int = 0
    invoice: str = ""
    invoice_id: str = ""


@dataclass(frozen=True)
class Points:
    """The ledger's book of one order."""

    held: int = 0
    captured: int = 0
    released: int = 0
    given_back: int = 0
    granted: int = 0
    pending: int = 0


@dataclass(frozen=True)
class Books:
    """Everything that is compared.

    Attributes:
        money: by order.
        points: by order.
        cases: the state of each key case, by order.
        running: ids of workflows that run.
        ledger_sum: of all accounts.
        differing: sums that are not those of their rows: which kind, and whose.
    """

    money: dict[str, Money]
    points: dict[str, Points] = field(default_factory=dict)
    cases: dict[str, str] = field(default_factory=dict)
    running: frozenset[str] = frozenset()
    ledger_sum: int = 0
    differing: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, order=True)
class Disagreement:
    """Two books that do not agree.

    Attributes:
        kind: a code, such as `points-still-held`.
        of: the id that it is about.
        says: what each of the books says.
    """

    kind: str
    of: str
    says: str

    def __str__(self) -> str:
        return f"{self.kind}  {self.of}  {self.says}"
