"""Every operation of `/api/v1`, as the contracts' methods (PO-01)."""

from __future__ import annotations

from ruum.identity.v1 import identity_pb2
from ruum.points.v1 import points_pb2
from ruum.rooms.v1 import rooms_pb2
from ruum.sparekey.v1 import sparekey_pb2
from ruum.store.v1 import store_pb2
from services.gateway.endpoints import Endpoint, Group

_accounts = Group("accounts", identity_pb2.DESCRIPTOR.services_by_name["IdentityService"])
_rooms = Group("rooms", rooms_pb2.DESCRIPTOR.services_by_name["RoomsService"])
_store = Group("store", store_pb2.DESCRIPTOR.services_by_name["StoreService"])
_points = Group("points", points_pb2.DESCRIPTOR.services_by_name["PointsService"])
_keys = Group("spare keys", sparekey_pb2.DESCRIPTOR.services_by_name["SparekeyService"])

ENDPOINTS: dict[str, list[Endpoint]] = {
    _accounts.tag: [
        _accounts.at("POST", "/sign-up/codes", "RequestSignUpCode", "Send a code to a new address", signed_in=False),
        _accounts.at("POST", "/codes/{flow_id}/resend", "ResendCode", "Send the next code", signed_in=False),
        _accounts.at("POST", "/sign-up", "SignUp", "Make an account with the code", signed_in=False),
        _accounts.at("POST", "/sessions", "SignIn", "Sign in", signed_in=False),
        _accounts.at(
            "POST", "/sessions/confirm", "ConfirmSignIn", "Sign in on a new device with the code", signed_in=False
        ),
        _accounts.at("GET", "/sessions", "ListSessions", "Devices that are signed in"),
        _accounts.at("DELETE", "/sessions/current", "SignOut", "Sign out"),
        _accounts.at("DELETE", "/sessions/{session_id}", "EndSession", "Sign another device out"),
        _accounts.at("GET", "/profile", "GetProfile", "The member's own data"),
        _accounts.at("PATCH", "/profile", "UpdateProfile", "Change the member's own data"),
    ],
    _rooms.tag: [
        _rooms.at("POST", "/rooms/preview", "PreviewRegistration", "What a code pair opens, masked"),
        _rooms.at("POST", "/rooms", "RegisterRoom", "Register a room with the code pair of the lease"),
        _rooms.at("GET", "/rooms", "ListMyRooms", "The member's rooms"),
        _rooms.at("GET", "/rooms/{room_id}", "GetMyRoom", "One room of the member's"),
        _rooms.at("POST", "/rooms/{room_id}/removals", "RemoveMembers", "Remove registrations of a room"),
    ],
    _store.tag: [
        _store.at("GET", "/products", "ListProducts", "The catalogue", signed_in=False),
        _store.at("GET", "/checkouts/{order_id}", "GetCheckout", "An order that is not placed yet"),
        _store.at("PATCH", "/checkouts/{order_id}", "UpdateCheckout", "Points, coupon, means, recipient, wish"),
        _store.at("GET", "/checkouts/{order_id}/coupons", "ListUsableCoupons", "Coupons that may be used"),
        _store.at("GET", "/cards", "ListKeptCards", "Kept cards"),
        _store.at("GET", "/orders", "ListOrders", "Order history"),
        _store.at("GET", "/orders/{order_id}", "GetOrder", "One order"),
        _store.at("POST", "/orders/{order_id}/payer-returned", "PayerReturned", "Back from EPOS or 3-D Secure"),
        _store.at("POST", "/orders/{order_id}/means", "ChangeMeans", "Another means of payment"),
    ],
    _points.tag: [
        _points.at("GET", "/points", "GetBalance", "Points: balance, held, pending, what lapses when"),
        _points.at("GET", "/points/entries", "ListEntries", "Every entry"),
    ],
    _keys.tag: [
        _keys.at("GET", "/spare-keys/options", "GetOptions", "Rooms, kinds and prices"),
        _keys.at("POST", "/spare-keys/drafts", "StartOrder", "Put a key into the cart"),
        _keys.at("GET", "/spare-keys/drafts/{order_id}", "GetDraft", "The key in the cart"),
        _keys.at("DELETE", "/spare-keys/drafts/{order_id}", "DropOrder", "Drop the key from the cart"),
        _keys.at("POST", "/spare-keys/drafts/{order_id}/key-number", "EnterKeyNumber", "Enter the key number"),
        _keys.at("POST", "/spare-keys/drafts/{order_id}/review", "ReviewOrder", "The confirmation page, frozen"),
        _keys.at("POST", "/spare-keys/drafts/{order_id}/place", "PlaceOrder", "Place the order"),
        _keys.at("GET", "/spare-keys/orders", "ListKeyOrders", "Key orders"),
        _keys.at("GET", "/spare-keys/orders/{order_id}", "GetKeyOrder", "Where it is, what next, until when"),
        _keys.at("POST", "/spare-keys/orders/{order_id}/key-number", "ReplyKeyNumber", "The correct key number"),
        _keys.at(
            "POST", "/spare-keys/orders/{order_id}/redelivery", "RequestRedelivery", "Redelivery, paid on delivery"
        ),
        _keys.at("POST", "/spare-keys/orders/{order_id}/not-mine", "ReportNotMine", "Report an unknown order"),
        _keys.at("POST", "/spare-keys/orders/{order_id}/mail-redirect", "ReportMailRedirect", "Mail is redirected"),
        _keys.at("POST", "/spare-keys/orders/{order_id}/wish-date", "ChooseWishDate", "Another wished day"),
        _keys.at("POST", "/spare-keys/orders/{order_id}/cancel", "CancelOrder", "Always refused, with the reason"),
    ],
}
