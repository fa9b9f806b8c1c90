"""How to add a provider: the documentation's page, in the app."""

from core.web.text.documents import show_document

show_document("providers.md")
