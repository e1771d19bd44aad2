"""Kept cards over gRPC: decode, ask, encode."""

from __future__ import annotations

from ruum.store.v1 import store_pb2
from services.chassis.door import caller
from services.store.cards.domain import Cards
from services.store.servicer import Context, page


class CardsServicer:
    cards: Cards

    async def ListKeptCards(
        self, request: store_pb2.ListKeptCardsRequest, context: Context
    ) -> store_pb2.ListKeptCardsResponse:
        kept = await self.cards.kept(caller(), page(request.page))
        cards = [store_pb2.KeptCard(**card.model_dump()) for card in kept.cards]
        return store_pb2.ListKeptCardsResponse(cards=cards, next_cursor=kept.next_cursor)
