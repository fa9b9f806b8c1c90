"""The parts of the web process's ASGI app: our routes, middleware and exception handlers."""

from collections.abc import Callable

from starlette.middleware import Middleware
from starlette.routing import Route

from core.web.activity.csv_routes import activity_csv_routes
from core.web.app.connection_check import ConnectionCheck, connection_check_routes
from core.web.app.health import health_routes
from core.web.create.routes import prompt_routes
from core.web.files.data_export import data_export_routes
from core.web.files.routes import content_routes
from core.web.frontend.assets import asset_routes
from core.web.http.errors import EXCEPTION_HANDLERS
from core.web.http.gate import Gate
from core.web.http.locale_middleware import LocaleMiddleware
from core.web.http.origins import Origins
from core.web.http.security_headers import SecurityHeaders
from core.web.http.socket_limits import SocketLimits
from core.web.identity.cookies import Identity
from core.web.identity.middleware import IdentityMiddleware
from core.web.identity.session_cache import SessionCache
from core.web.inbox.bell import bell_routes
from core.web.inbox.email_links import email_link_routes
from core.web.library.routes import library_routes
from core.web.live.action_routes import action_routes
from core.web.live.hub import Hub
from core.web.live.sse_routes import event_routes
from core.web.login.oidc import ProviderMiddleware
from core.web.login.routes import login_routes
from core.web.resources import WebStudio


class AppParts:
    """What is added to Streamlit's app (`st.App`), and the hub that pushes to open pages.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
        identity: signs the cookies.
        origins: the allowed origins of pages; requests from others are refused (DNS rebinding).
        oidc: whether users log in with an identity provider.
    """

    def __init__(
        self,
        open_studio: Callable[[], WebStudio],
        identity: Identity,
        origins: Origins = Origins(),  # noqa: B008  # it is frozen
        *,
        oidc: bool = True,
    ) -> None:
        sessions = SessionCache(lambda: open_studio().sessions)
        hub = self.hub = Hub(open_studio)
        self.routes: list[Route] = [
            *login_routes(open_studio, identity, sessions),
            *content_routes(open_studio),
            *event_routes(open_studio, sessions, hub),
            *action_routes(open_studio, hub),
            *bell_routes(open_studio),
            *activity_csv_routes(open_studio),
            *data_export_routes(open_studio),
            *library_routes(open_studio),
            *health_routes(open_studio),
            *email_link_routes(open_studio),
            *prompt_routes(open_studio),
            *asset_routes(),
            *connection_check_routes(),
        ]
        self.exception_handlers = EXCEPTION_HANDLERS
        self.middleware: list[Middleware] = [
            Middleware(SecurityHeaders),
            Middleware(LocaleMiddleware),
            Middleware(Gate, origins=origins, routes=self.routes, oidc=oidc),
            Middleware(ConnectionCheck),
            Middleware(ProviderMiddleware, open_studio=open_studio),
            Middleware(IdentityMiddleware, identity=identity, sessions=sessions),
            Middleware(SocketLimits),
        ]
