"""The routes and the middleware of the web process, on a test's own database."""

from typing import Any, Final

from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.media.storage import ContentStore
from core.providers.registry import configured
from core.settings import Settings
from core.store import Store
from core.web.identity import Identity
from core.web.routes import Front
from core.web.studio import Studio

HOST: Final = "http://studio.example.org"


def studio_of(settings: Settings, store: Store, content: ContentStore) -> Studio:
    """A studio as `core.web.studio.studio` opens it, signing with a key of the test's."""
    identity = Identity("key", days=30, secure=False)
    return Studio(settings, store, content, configured(), identity)


def app_of(studio: Studio) -> Starlette:
    """All that the web process serves beside Streamlit's pages."""
    front = Front(lambda: studio, studio.identity)
    return Starlette(routes=front.routes, middleware=front.middleware)


def browser_of(app: Starlette, address: str = "198.51.100.7") -> TestClient:
    """A browser that has a page of ours open."""
    return TestClient(app, HOST, headers={"Origin": HOST}, client=(address, 50_000))


def log_in(client: TestClient, user_id: str, **more: Any) -> Any:  # JSON
    """Log in as the form does, and return what it is told."""
    answer = client.post("/auth/login", json={"user_id": user_id} | more)
    assert answer.status_code == 200, answer.text
    return answer.json()
