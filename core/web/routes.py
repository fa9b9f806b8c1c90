"""Everything that the web process serves beside Streamlit's pages, and what stands in front."""

from collections.abc import Callable

from starlette.middleware import Middleware
from starlette.routing import Route

from core.web.acts import act_routes
from core.web.archive import archive_routes
from core.web.auth import auth_routes
from core.web.bell import bell_routes
from core.web.content import content_routes
from core.web.events import event_routes
from core.web.exports import export_routes
from core.web.first_page import FirstPage, first_page_routes
from core.web.gate import Gate
from core.web.headers import SafeHeaders
from core.web.health import health_routes
from core.web.identity import Identity, IdentityMiddleware
from core.web.library import library_routes
from core.web.live import Hub
from core.web.mail_links import mail_link_routes
from core.web.oidc import ProviderMiddleware
from core.web.origin import Origins
from core.web.prompts import prompt_routes
from core.web.sessions import LiveSessions
from core.web.socket_limits import SocketLimits
from core.web.spoken import SpokenLanguage
from core.web.studio import Studio


class Front:
    """Our routes and middleware, on one identity; and the hub that pushes to pages.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
        identity: signs the cookies.
        origins: the origins that pages have; another site's that leads here all the same (DNS
            rebinding) is refused.
        oidc: whether people log in with an identity provider.
    """

    def __init__(
        self,
        open_studio: Callable[[], Studio],
        identity: Identity,
        origins: Origins = Origins(),  # noqa: B008  # it is frozen
        *,
        oidc: bool = True,
    ) -> None:
        sessions = LiveSessions(lambda: open_studio().sessions)
        hub = self.hub = Hub(open_studio)
        self.routes: list[Route] = [
            *auth_routes(open_studio, identity, sessions),
            *content_routes(open_studio),
            *event_routes(open_studio, sessions, hub),
            *act_routes(open_studio, hub),
            *bell_routes(open_studio),
            *export_routes(open_studio),
            *archive_routes(open_studio),
            *library_routes(open_studio),
            *health_routes(open_studio),
            *mail_link_routes(open_studio),
            *prompt_routes(open_studio),
            *first_page_routes(),
        ]
        self.middleware: list[Middleware] = [
            Middleware(SafeHeaders),
            Middleware(SpokenLanguage),
            Middleware(Gate, origins=origins, routes=self.routes, oidc=oidc),
            Middleware(FirstPage),
            Middleware(ProviderMiddleware, open_studio=open_studio),
            Middleware(IdentityMiddleware, identity=identity, sessions=sessions),
            Middleware(SocketLimits),
        ]
