"""Every sentence that people read, by code and parameters, in three languages (PR-12, PO-10)."""

from services.texts.catalogue import Texts, UnknownTextError
from services.texts.languages import LANGUAGES, Language, negotiate

__all__ = ["LANGUAGES", "Language", "Texts", "UnknownTextError", "negotiate"]
