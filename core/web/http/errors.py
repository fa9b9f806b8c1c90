"""What is said where something cannot be had, by routes and pages alike."""

from typing import Final

from starlette.responses import JSONResponse

from core.i18n import N_, translated
from core.i18n import gettext as _
from core.settings import load_settings
from core.store.embedded import full_database_disk

NO_ANSWER: Final = N_("The database does not answer. Please try again in a minute.")
"""On a page, beside what was asked for."""
SORRY: Final = N_("The database does not answer at the moment. Please try again in a minute.")
"""By a route, with the HTTP status 503."""


def no_answer(sentence: str = NO_ANSWER) -> str:
    """Return what is said where the database does not answer, in the reader's language.

    Args:
        sentence: that, unless it is known why: its disk is full.
    """
    full = full_database_disk(load_settings())
    return translated(full) if full else _(sentence)


NOT_KEPT: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers of downloads that are made for one user at one time."""


class Refused(Exception):
    """A request that does not get what it asks for; the text is for the user.

    Args:
        status: the HTTP status.
        message: the sentence for the user.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def said(status: int, message: str) -> JSONResponse:
    """Return an answer that is a sentence, for our own scripts to show.

    Args:
        status: the HTTP status.
        message: the sentence for the user.
    """
    return JSONResponse({"message": message}, status, NOT_KEPT)
