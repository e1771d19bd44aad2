"""Database, ledger, payments, cases and workflows held against each other (OP-06)."""
