"""How to add a provider: the documentation's page, in the app."""

from core.web.documents import show_document

show_document("providers.md")
