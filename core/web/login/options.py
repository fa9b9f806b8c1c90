"""The login page: its options for the configured login mode."""

import streamlit as st

from core.accounts.rules import Accounts
from core.web.frontend import components
from core.web.login.oidc import refusal_text, streamlit_claims
from core.web.resources import studio


def draw_login(target: str, invite: str = "") -> None:
    """Draw the login page.

    Args:
        target: the page to open after the login.
        invite: the secret of the invitation; empty: there is none.
    """
    settings = studio().settings
    recovers = Accounts(studio().store, settings).recovers(invite)
    claims = streamlit_claims(settings) if settings.login == "oidc" else None
    components.login(
        {
            "next": target,
            "mode": settings.login,
            "registration": settings.registration,
            "invite": invite,
            "recovers": recovers or "",
            "provider": settings.oidc_title,
            "refusal": refusal_text(st.query_params, studio().identity),
            "ticket": "" if claims is None else studio().identity.ticket(claims),
        },
        on_provider=lambda _click: st.login() if settings.login == "oidc" else None,
    )
