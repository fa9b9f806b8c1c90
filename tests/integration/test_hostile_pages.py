"""Whatever stands in an address: a page or a sentence; no traceback, nobody else's work."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.store import Store
from tests.conftest import stored_job
from tests.integration.test_breaking_in import hostile_text
from tests.integration.test_web_pages import opened
from tests.profiles import examples

pytestmark = pytest.mark.usefixtures("page_studio")
PRIVATE = "what only ana may know"
PAGES = ("create", "gallery", "job", "notifications", "activity", "account", "shared", "login")
NAMES = ("id", "user", "key", "days", "deeds", "show", "animate", "next", "invite", "refused")


@examples(fast=20, deep=300)
@given(
    page=st.sampled_from(PAGES),
    query=st.dictionaries(st.sampled_from(NAMES), hostile_text, max_size=4),
    user=st.sampled_from([None, "eve"]),
)
def test_whatever_the_address_says_it_is_a_page_or_a_sentence(
    store: Store, page: str, query: dict[str, str], user: str | None
) -> None:
    if not store.jobs.of_user("ana"):
        stored_job(store, "ana", PRIVATE)
        store.users.create("eve")
    app = opened(page, user, **query)  # fails where a page raised
    assert not app.exception
    drawn = str([each.proto for each in app.get("bidi_component")])
    text = drawn + " ".join(str(each.value) for each in (*app.text, *app.markdown, *app.error))
    assert PRIVATE not in text
    assert "Traceback" not in text
