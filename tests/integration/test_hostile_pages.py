"""Whatever stands in an address: a page or a sentence; no traceback, nobody else's work."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as chosen
from hypothesis import strategies as st

from core.settings import Settings
from core.store import Store
from core.web.studio import studio
from tests.conftest import stored_job
from tests.integration.test_breaking_in import hostile_text
from tests.integration.test_web_pages import opened

PRIVATE = "what only ana may know"
PAGES = ("create", "gallery", "job", "notifications", "activity", "account", "shared", "login")
NAMES = ("id", "user", "key", "days", "deeds", "show", "animate", "next", "invite", "refused")


@pytest.fixture(autouse=True)
def opened_studio(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The pages' own studio, on the test's database."""
    monkeypatch.setenv("MONGODB_URI", settings.mongodb_uri.get_secret_value())
    monkeypatch.setenv("MONGODB_DATABASE", settings.mongodb_database)
    monkeypatch.setenv("DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("CONTENT_URL", settings.content_url)
    stored_job(store, "ana", PRIVATE)
    store.users.create("eve")
    studio.clear()
    connected = studio().store
    yield
    connected.close()
    studio.clear()


@chosen(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    page=st.sampled_from(PAGES),
    query=st.dictionaries(st.sampled_from(NAMES), hostile_text, max_size=4),
    user=st.sampled_from([None, "eve"]),
)
def test_whatever_the_address_says_it_is_a_page_or_a_sentence(
    page: str, query: dict[str, str], user: str | None
) -> None:
    app = opened(page, user, **query)  # fails where a page raised
    assert not app.exception
    drawn = str([each.proto for each in app.get("bidi_component")])
    said = drawn + " ".join(str(each.value) for each in (*app.text, *app.markdown, *app.error))
    assert PRIVATE not in said
    assert "Traceback" not in said
