"""The routes and the middleware of the web process, on a test's own database."""

from collections.abc import Callable
from typing import Any, Final

from httpx2 import Response
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.accounts.passphrases import hash_passphrase
from core.media.storage import ContentStore
from core.models import Asset, Kind
from core.settings import Settings
from core.store import Store
from core.web.app.asgi import AppParts
from core.web.identity.cookies import Identity
from core.web.resources import WebStudio
from tests.catalogue import illustrator_only
from tests.conftest import claim

HOST: Final = "http://studio.example.org"
ADMINS: Final = "the keys of the whole house"
"""The passphrase of `made_admin`'s accounts."""

OpenBrowser = Callable[..., TestClient]
"""Opens a browser, logged in as somebody or not: the fixture `browser`."""


def finished(store: Store, content: ContentStore, asset: Asset, data: bytes) -> Asset:
    """Make an item: its file, its preview and its poster have these bytes."""
    claimed = claim(store, asset.id)
    assert claimed is not None
    extension = "png" if asset.kind == Kind.IMAGE else "mp4"
    saved: dict[str, Any] = {"width": 8, "height": 8, "seconds": None, "bytes": len(data)}
    for field, name in (
        ("path", f"{asset.id}.{extension}"),
        ("preview", f".previews/{asset.id}.webp"),
        ("poster", f".previews/{asset.id}-poster.webp"),
    ):
        with content.draft(asset.user_id, asset.id) as draft:
            draft.path.write_bytes(data)
            saved[field] = draft.commit(name)
    store.transitions.done(claimed, saved | {"sha256": f"digest-of-{asset.slot}-{extension}"})
    return asset


def studio_of(settings: Settings, store: Store, content: ContentStore) -> WebStudio:
    """A studio as `core.web.resources.studio` opens it, signing with a key of the test's."""
    identity = Identity("key", days=30, secure=False)
    return WebStudio(settings, store, content, illustrator_only(), identity)


def app_of(studio: WebStudio) -> Starlette:
    """All that the web process serves beside Streamlit's pages."""
    return served(AppParts(lambda: studio, studio.identity))


def served(parts: AppParts) -> Starlette:
    """The same as `streamlit_app` serves it, without Streamlit's own routes."""
    return Starlette(
        routes=parts.routes,
        middleware=parts.middleware,
        exception_handlers=parts.exception_handlers,
    )


def browser_of(app: Starlette, address: str = "198.51.100.7") -> TestClient:
    """A browser that has a page of ours open."""
    return TestClient(app, HOST, headers={"Origin": HOST}, client=(address, 50_000))


def log_in(client: TestClient, user_id: str, **more: Any) -> Any:  # JSON
    """Log in as the form does, and return the response."""
    response = client.post("/auth/login", json={"user_id": user_id} | more)
    assert response.status_code == 200, response.text
    return response.json()


def actions(store: Store, user_id: str = "ana") -> list[tuple[str, str | None]]:
    """Return what a user did with which items, the first action first."""
    return [(entry.action, entry.asset_id) for entry in reversed(store.view_log.of_user(user_id))]


def refused_to_others(client: TestClient, asset_id: str) -> list[Response]:
    """See that Ana's file is refused to a guest and to Eve; return what they got."""
    responses = []
    for user_id, status in ((None, 401), ("eve", 404)):
        if user_id:
            log_in(client, user_id)
        for path in ("", "/preview", "/poster", "?download=1"):
            response = client.get(f"/content/{asset_id}{path}")
            assert response.status_code == status
            assert response.headers["cache-control"] == "no-store"
            responses.append(response)
    return responses


def made_admin(store: Store, user_id: str = "root") -> None:
    """Make an admin, who logs in with the passphrase `ADMINS`."""
    assert store.users.create(user_id, admin=True, passphrase_hash=hash_passphrase(ADMINS))


def changed(client: TestClient, **body: Any) -> dict[str, Any]:
    """Change items of the library as its page does, and return the response."""
    response = client.post("/library/items", json=body)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document
