"""The ASGI app of the web process: Streamlit's pages with our routes and middleware.

Run it with `python -m core web`, or `streamlit run streamlit_app.py`.
"""

from pathlib import Path

import streamlit as st

from core.redaction import guard_output
from core.settings import load_settings
from core.web.app.asgi import AppParts
from core.web.http.origins import Origins
from core.web.identity.cookies import open_identity
from core.web.login.oidc import streamlit_secrets
from core.web.resources import studio
from core.web.tab_session import report_script_error

guard_output()  # where `streamlit run` began, not `python -m core`
settings = load_settings()
identity = open_identity(settings)
parts = AppParts(studio, identity, Origins.of(settings), oidc=settings.login == "oidc")

app = st.App(
    Path(__file__).parent / "core" / "web" / "app" / "script.py",
    routes=parts.routes,
    middleware=parts.middleware,
    exception_handlers=parts.exception_handlers,
    on_script_error=report_script_error,
    secrets=streamlit_secrets(settings, identity),
)
