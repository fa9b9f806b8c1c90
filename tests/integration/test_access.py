"""Who may look at what: the owner, whoever has a link, an admin; and what the log is told."""

from datetime import timedelta
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from core.media.folder import FolderStore
from core.models import Asset, Share, Via, now
from core.store import Store
from core.web.identity.cookies import Identity
from tests.conftest import claim, stored_job
from tests.integration.test_web_pages import opened, shown
from tests.profiles import examples
from tests.web import ADMINS, OpenBrowser, finished, made_admin

BYTES = b"\x89PNG\r\n\x1a\n" + b"ana's own image" * 40
PRIVATE = "what only ana may know"
PARTS = ("", "?download=1", "/preview", "/poster")
IDENTITY = Identity("key", days=30, secure=False)


@pytest.fixture
def image(store: Store, content: FolderStore) -> Asset:
    """Ana's first image."""
    return finished(store, content, stored_job(store, "ana", PRIVATE)[1][0], BYTES)


def shared(store: Store, asset: Asset, days: float = 7) -> tuple[Share, str]:
    share = store.shares.make(asset.job_id, asset.user_id, now() + timedelta(days=days))
    return share, IDENTITY.share_key(share.id)


@pytest.fixture
def guest_of(browser: OpenBrowser, store: Store, image: Asset) -> tuple[TestClient, Asset, str]:
    """Somebody with a link: the browser, the image that it leads to, the key."""
    return browser(), image, shared(store, image)[1]


def addresses(asset_id: str, key: str = "") -> list[str]:
    share = f"share={key}" if key else ""
    return [
        f"/content/{asset_id}{part}{'&' if '?' in part else '?'}{share}".rstrip("?&")
        for part in PARTS
    ]


def looks(store: Store, user_id: str) -> list[tuple[str, str | None, Via, str | None]]:
    entries = reversed(store.view_log.of_user(user_id))
    return [(each.action, each.owner, each.via, each.share) for each in entries]


# Shared links


def test_whoever_has_the_link_sees_the_job_and_is_logged(
    browser: OpenBrowser, store: Store, image: Asset
) -> None:
    share, key = shared(store, image)
    guest = browser()
    for address in addresses(image.id, key):
        response = guest.get(address)
        assert (response.status_code, response.content) == (200, BYTES)
        assert response.headers["cache-control"] == "private, no-store"
        assert "default-src 'none'" in response.headers["content-security-policy"]
    actions = ["view", "download", "preview", "preview"]
    assert looks(store, "") == [(each, "ana", Via.SHARE, share.id) for each in actions]
    assert store.view_log.of_user("")[0].address == "198.51.100.7"
    assert looks(store, "ana") == []


def test_a_link_opens_its_own_job_only(
    browser: OpenBrowser, store: Store, content: FolderStore, image: Asset
) -> None:
    _, key = shared(store, image)
    other = finished(store, content, stored_job(store, "ana")[1][0], BYTES)
    theirs = finished(store, content, stored_job(store, "ben")[1][0], BYTES)
    for client in (browser(), browser("eve")):
        for asset in (other, theirs):
            assert {client.get(each).status_code for each in addresses(asset.id, key)} == {404}
    guest = browser()
    for path in ("/bell", "/account/archive.zip", "/activity/views.csv"):
        assert guest.get(f"{path}?share={key}&key={key}").status_code == 401


@pytest.mark.parametrize("how", ["withdrawn", "expired", "of another", "forged", "never made"])
def test_a_link_that_does_not_hold_looks_like_nothing(
    browser: OpenBrowser, store: Store, image: Asset, how: str
) -> None:
    share, key = shared(store, image, -0.001 if how == "expired" else 7)
    if how == "withdrawn":
        assert not store.shares.withdraw(share.id, "eve")
        assert store.shares.withdraw(share.id, "ana")
    if how == "of another":
        key = Identity("another key", days=30, secure=False).share_key(share.id)
    if how == "forged":
        key = f"{share.id}.{'A' * 27}"
    if how == "never made":
        key = IDENTITY.share_key("01aaaaaaaaaaaaaaaaaaaaaaaa")
    for client in (browser(), browser("eve")):
        answers = [client.get(each) for each in addresses(image.id, key)]
        assert {(each.status_code, each.json()["detail"]) for each in answers} == {
            (404, "There is no such file.")
        }
    assert looks(store, "") == looks(store, "eve") == []


def test_deleting_the_account_ends_its_links_at_once(
    browser: OpenBrowser, store: Store, image: Asset
) -> None:
    store.users.ensure("ana")
    _, key = shared(store, image)
    guest = browser()
    assert guest.get(addresses(image.id, key)[0]).status_code == 200
    store.account_deletion.request("ana")
    assert {guest.get(each).status_code for each in addresses(image.id, key)} == {404}


@examples(fast=60, deep=1_500)
@given(typed=st.text(max_size=80), kept=st.integers(0, 50), part=st.sampled_from(PARTS))
@example(typed="..%2f..%2fetc%2fpasswd", kept=0, part="")
@example(typed="%252e%252e%252f", kept=0, part="/preview")
@example(typed="\x00", kept=50, part="")
@example(typed="é" * 2_000, kept=50, part="")
@example(typed="A" * 60_000, kept=27, part="?download=1")
def test_whatever_stands_for_an_id_or_a_key_opens_nothing(
    guest_of: tuple[TestClient, Asset, str], typed: str, kept: int, part: str
) -> None:
    guest, image, key = guest_of
    forged = key[: min(kept, len(key) - 3)] + typed
    sign = "&" if "?" in part else "?"
    of_item = f"/content/{image.id}{part}{sign}share={quote(forged, safe='')}"
    response = guest.get(of_item)
    if forged:
        assert response.status_code == 404
        assert response.json()["detail"] == "There is no such file."
    stands = image.id[:kept] + typed
    response = guest.get(f"/content/{quote(stands, safe='')}{part}{sign}share={key}")
    if stands.split("/")[0] != image.id:  # what follows a slash still names the shared item
        assert response.status_code == 404
        assert BYTES not in response.content


def test_how_often_links_were_opened_is_counted_on_an_index(store: Store) -> None:
    counted = store._database["view_log"].find(  # noqa: SLF001  # what `looks` asks for
        {"share": {"$in": ["a", "b"]}, "action": "open_job"}, {"_id": False, "share": True}
    )
    assert "'of_share'" in str(counted.explain()["queryPlanner"]["winningPlan"])


def test_an_owner_who_follows_the_own_link_is_the_owner(
    browser: OpenBrowser, store: Store, image: Asset
) -> None:
    _, key = shared(store, image)
    browser("ana").get(addresses(image.id, key)[0])
    assert looks(store, "ana") == [("view", "ana", Via.OWN, None)]


def test_a_guest_sees_what_is_half_made_too(
    browser: OpenBrowser, store: Store, image: Asset
) -> None:
    job_id, second = image.job_id, f"{image.job_id}-image-2"
    claimed = claim(store, second)
    assert claimed is not None
    store.transitions.submitting(claimed)
    store.transitions.running(claimed, None)
    store._database["partials"].insert_one(  # noqa: SLF001  # as a provider's preview
        {"_id": second, "webp": b"half", "at": now()}
    )
    _, key = shared(store, image)
    assert browser().get(f"/content/{second}/partial?share={key}").content == b"half"
    assert browser().get(f"/content/{second}/partial").status_code == 401
    assert browser("eve").get(f"/content/{second}/partial").status_code == 404
    assert browser().get(f"/content/{second}?share={key}").status_code == 404
    assert job_id == second.removesuffix("-image-2")


# Admins


def test_an_admin_sees_everything_and_every_look_is_logged(
    browser: OpenBrowser, store: Store, image: Asset
) -> None:
    made_admin(store)
    admin = browser("root", ADMINS)
    for address in addresses(image.id):
        response = admin.get(address)
        assert (response.status_code, response.content) == (200, BYTES)
        assert response.headers["cache-control"] == "private, no-store"
    part = admin.get(addresses(image.id)[0], headers={"Range": "bytes=10-20"})
    assert part.status_code == 206
    actions = ["view", "download", "preview", "preview", "part"]
    assert looks(store, "root") == [(each, "ana", Via.ADMIN, None) for each in actions]


def test_who_is_no_admin_any_more_sees_nothing_more(
    browser: OpenBrowser, store: Store, image: Asset
) -> None:
    made_admin(store)
    admin = browser("root", ADMINS)
    assert admin.get(addresses(image.id)[0]).status_code == 200
    store.users.make_admin("root", admin=False)
    assert {admin.get(each).status_code for each in addresses(image.id)} == {404}


# Pages


def headers(app: AppTest) -> list[str]:
    return [each.value for each in app.header]


@pytest.mark.usefixtures("page_studio")
def test_an_admin_opens_a_job_read_only_and_is_told_that_it_is_logged(
    store: Store, image: Asset
) -> None:
    made_admin(store)
    view = shown(opened("job", "root", id=image.job_id))["job"]
    assert "eve" not in view["note"]
    assert "ana's work as an admin" in view["note"]
    assert all(not tile["acts"] for each in view["sections"] for tile in each["items"])
    assert looks(store, "root") == [("open_job", "ana", Via.ADMIN, None)]
    assert headers(opened("job", "eve", id=image.job_id)) == ["There is nothing here"]


@pytest.mark.usefixtures("page_studio")
def test_a_gallery_of_somebody_else_is_an_admins_to_see(store: Store, image: Asset) -> None:
    made_admin(store)
    store.users.create("ana")
    gallery = shown(opened("gallery", "root", user="ana"))["gallery"]
    assert [tile["id"] for tile in gallery["items"]] == [image.id]
    assert not any(tile["owned"] for tile in gallery["items"])
    assert looks(store, "root") == [("open_gallery", "ana", Via.ADMIN, None)]
    assert headers(opened("gallery", "eve", user="ana")) == ["Your gallery is empty"]
    assert looks(store, "eve") == [("open_gallery", "eve", Via.OWN, None)]


@pytest.mark.usefixtures("page_studio")
def test_a_shared_page_needs_no_login_and_shows_nothing_but_the_job(
    store: Store, image: Asset
) -> None:
    share, key = shared(store, image)
    for user in (None, "eve"):
        app = opened("shared", user, key=key)
        view = shown(app)["job"]
        assert view["job"]["prompt"] == PRIVATE
        assert "ana shares this with you" in view["note"]
        tiles = [tile for each in view["sections"] for tile in each["items"]]
        assert all(not tile["acts"] for tile in tiles)
        assert f"share={key}" in str(tiles[-5 if tiles[0]["kind"] == "video" else 0])
    assert looks(store, "") == [("open_job", "ana", Via.SHARE, share.id)]
    assert looks(store, "eve") == [("open_job", "ana", Via.SHARE, share.id)]


@pytest.mark.usefixtures("page_studio")
@pytest.mark.parametrize("key", ["", "x", "é", "..%2f", "\x00", "A" * 5000, "01abc.x"])
def test_a_shared_page_without_a_good_key_says_that_the_link_has_ended(
    store: Store, image: Asset, key: str
) -> None:
    assert store.jobs.get(image.job_id) is not None
    app = opened("shared", None, key=key)
    assert headers(app) == ["This link has ended"]
    assert "job" not in shown(app)


@pytest.mark.usefixtures("page_studio")
def test_a_link_that_is_withdrawn_ends_an_open_page_with_its_next_run(
    store: Store, image: Asset
) -> None:
    share, key = shared(store, image)
    app = opened("shared", None, key=key)
    assert "job" in shown(app)
    store.shares.withdraw(share.id, "ana")
    app.run()
    assert headers(app) == ["This link has ended"]


@pytest.mark.usefixtures("page_studio")
def test_the_owner_makes_a_link_sees_how_often_it_was_opened_and_withdraws_it(
    store: Store, image: Asset
) -> None:
    app = opened("job", "ana", id=image.job_id)
    [button] = [each for each in app.button if each.label == "Make a link"]
    button.click().run()
    [share] = store.shares.of_job(image.job_id, "ana")
    assert timedelta(days=6.9) < share.expires_at - now() < timedelta(days=7)
    key = IDENTITY.share_key(share.id)
    assert key in app.code[0].value
    opened("shared", None, key=key)
    store.view_log.flush()
    assert store.shares.looks([share.id]) == {share.id: 1}
    app = opened("job", "ana", id=image.job_id)
    assert any("opened once" in each.value for each in app.caption)
    [button] = [each for each in app.button if each.label == "Withdraw"]
    button.click().run()
    assert store.shares.of_job(image.job_id, "ana") == []
    actions = [each[0] for each in looks(store, "ana")]
    assert actions == ["open_job", "share", "open_job", "unshare"]
