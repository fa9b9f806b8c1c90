"""The studio of a web process, shared by all pages and routes."""

from dataclasses import dataclass

import streamlit as st

from core.models import Kind, now
from core.settings import load_settings
from core.store.accounts.login_sessions import LoginSessionStore
from core.studio.studio import Studio, open_studio
from core.web.identity.cookies import Identity, open_identity
from core.web.text.dates import zone_of
from core.web.text.view_context import ViewContext


@dataclass(frozen=True)
class WebStudio(Studio):
    """The studio of a web process."""

    #: Signs cookies and links.
    identity: Identity

    @property
    def sessions(self) -> LoginSessionStore:
        """The login sessions, of which only those that `LOGIN` allows are valid."""
        return self.store.login_sessions.under(self.settings.login)

    def at(self, path: str) -> str:
        """Return the address of a path of ours, including the path of `PUBLIC_URL`."""
        return self.settings.prefix + path

    def view(self, zone: str) -> ViewContext:
        """Return the view context of owners for their own content, at this moment.

        Args:
            zone: the name of their time zone.
        """
        return ViewContext(
            zone=zone_of(zone),
            today=now(),
            title_of=self.title,
            animates=self.animates(),
            upscales=frozenset(kind for kind in Kind if self.upscales(kind)),
            bin_days=self.settings.bin_days,
        )


@st.cache_resource(show_spinner=False)
def studio() -> WebStudio:
    """Return this process's studio, opening it at the first call.

    Raises:
        DatabaseUnavailable: the database does not answer; the next call tries again.
    """
    settings = load_settings()
    return WebStudio(**vars(open_studio(settings)), identity=open_identity(settings))
