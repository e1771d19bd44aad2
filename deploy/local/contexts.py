"""The contexts that own data: each has a schema, a publishing user and keys of its own."""

from __future__ import annotations

CONTEXTS = ("identity", "rooms", "store", "points", "sparekey", "notifier")
