"""The books over gRPC: decode, ask, encode."""

from __future__ import annotations

from ruum.store.v1 import store_pb2
from services.store.books.domain import Books
from services.store.orders.servicer import order
from services.store.servicer import Context, number, page


class BooksServicer:
    books: Books
    yen_per_point: int

    async def ListBooks(self, request: store_pb2.ListBooksRequest, context: Context) -> store_pb2.ListBooksResponse:
        listed = await self.books.listed(page(request.page))
        books = [
            store_pb2.Book(
                **book.model_dump(exclude={"order", "partner_state"}),
                order=order(book.order, self.yen_per_point),
                partner_state=number(store_pb2.PaymentState, book.partner_state),
            )
            for book in listed.books
        ]
        differing = [store_pb2.DifferingSum(**one.model_dump()) for one in listed.differing]
        return store_pb2.ListBooksResponse(books=books, next_cursor=listed.next_cursor, differing=differing)
