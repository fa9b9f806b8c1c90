"""The web process: Streamlit's pages, our routes beside them, and who is asking in front.

Run it with `python -m core web`, or `streamlit run streamlit_app.py`.
"""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from core.settings import load_settings
from core.web.auth import auth_routes
from core.web.bell import bell_routes
from core.web.content import content_routes
from core.web.health import health_routes
from core.web.identity import IdentityMiddleware, open_identity
from core.web.mail_links import mail_link_routes
from core.web.session import apologise
from core.web.studio import studio

identity = open_identity(load_settings())

app = st.App(
    Path(__file__).parent / "core" / "web" / "script.py",
    routes=[
        *auth_routes(studio, identity),
        *content_routes(studio),
        *bell_routes(studio),
        *health_routes(studio),
        *mail_link_routes(studio),
    ],
    middleware=[Middleware(IdentityMiddleware, identity=identity)],
    on_script_error=apologise,
)
