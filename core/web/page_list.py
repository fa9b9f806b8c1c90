"""The one list of pages: the menu, the login, the gate and Streamlit's navigation come from it."""

from dataclasses import dataclass
from typing import Final

from core.i18n import N_
from core.i18n import gettext as _

LOGIN: Final = "/login"


@dataclass(frozen=True)
class PageEntry:
    """One page."""

    #: Its address, such as `/gallery`; `/` is where everybody starts.
    path: str
    #: Its file in `pages/`.
    file: str
    #: What the browser's tab says; a text to be translated.
    title: str
    #: What the header's menu says; a text to be translated. Empty: it is not in the menu.
    menu: str = ""
    #: Whether it is shown without a login, too.
    public: bool = False


PAGES: Final = (
    PageEntry("/", "create.py", "Fivefold", menu=N_("Create")),
    PageEntry("/gallery", "gallery.py", N_("Gallery · Fivefold"), menu=N_("Gallery")),
    PageEntry(
        "/notifications",
        "notifications.py",
        N_("Notifications · Fivefold"),
        menu=N_("Notifications"),
    ),
    PageEntry("/activity", "activity.py", N_("Activity · Fivefold"), menu=N_("Activity")),
    PageEntry("/account", "account.py", N_("Account · Fivefold")),
    PageEntry("/shared", "shared.py", N_("Shared with you · Fivefold"), public=True),
    PageEntry("/job", "job.py", N_("Your content · Fivefold")),
    PageEntry(LOGIN, "login.py", N_("Log in · Fivefold"), public=True),
    PageEntry("/providers", "providers.py", N_("Providers · Fivefold"), public=True),
)
"""All pages; those of the menu in its order."""


def page_paths() -> frozenset[str]:
    """Return the addresses of all pages."""
    return frozenset(page.path for page in PAGES)


def menu() -> list[tuple[str, str]]:
    """Return the addresses of the pages in the menu, each with its text."""
    return [(page.path, _(page.menu)) for page in PAGES if page.menu]


def public_paths() -> frozenset[str]:
    """Return the addresses of the pages that are shown without a login, too."""
    return frozenset(page.path for page in PAGES if page.public)
