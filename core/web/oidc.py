"""Logging in with an OpenID Connect provider: what Streamlit's `st.login` needs, and gives.

Streamlit talks to the provider, checks its word (Authlib) and keeps it in a cookie of its own.
That word is good for one login of ours: `streamlit_claims` finds it, a ticket carries it to
`POST /auth/login`, and the answer takes Streamlit's cookie away.
"""

from typing import Any

import streamlit as st

from core.settings import Settings
from core.web.identity import Identity


def streamlit_secrets(settings: Settings, identity: Identity) -> dict[str, Any] | None:
    """Return the secrets that switch `st.login` on; None where it is not wanted."""
    if settings.login != "oidc":
        return None
    return {
        "auth": {
            "redirect_uri": f"{settings.link_base}/oauth2callback",
            "cookie_secret": identity.derived_key("streamlit"),
            "client_id": settings.oidc_client_id,
            "client_secret": settings.oidc_client_secret.get_secret_value(),
            "server_metadata_url": settings.oidc_metadata_url,
        }
    }


def streamlit_claims() -> dict[str, Any] | None:
    """Return what the provider said of whoever opened this tab; None: nothing."""
    if not st.user.get("is_logged_in"):
        return None
    return dict(st.user.to_dict())
