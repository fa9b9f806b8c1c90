"""What the service refuses, beyond invalid input in general; each has an HTTP status of its own."""

from core.i18n import gettext as _
from core.models import InvalidInput


class JobNotFound(InvalidInput):
    """The user has no such job."""

    def __init__(self) -> None:
        super().__init__(_("There is no such job."))


class OwnerOnly(InvalidInput):
    """Only the owner may see or do this; the text says what."""
