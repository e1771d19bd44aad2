"""The services; those with data of their own are the contexts: each has migrations in its folder."""

from pathlib import Path

CONTEXTS = tuple(sorted(folder.parent.name for folder in Path(__file__).parent.glob("*/migrations")))
