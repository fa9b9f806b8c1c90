"""Trying to break in by the routes: whatever is sent, nobody gets what is not theirs."""

import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.media.folder import FolderStore
from core.store import Store
from core.web.identity.cookies import COOKIE, Identity
from tests.conftest import stored_job
from tests.profiles import examples
from tests.web import HOST, browser_of, log_in

PRIVATE = "what only ana may know"
BYTES = b"\x89PNG\r\n\x1a\n" + b"ana's own image" * 40
OWN: Final = ("/content/{}", "/content/{}/preview", "/content/{}/poster", "/content/{}/partial")

# What has opened doors elsewhere: walks out of folders in every encoding, injections, odd bytes.
WALKS: Final = [
    "../" * 6 + "etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/session.key",
    "..%252f..%252fsession.key",
    "%c0%ae%c0%ae/session.key",
    "..\\..\\session.key",
    "....//....//session.key",
    "/etc/passwd",
    "file:///etc/passwd",
    "session.key%00.png",
    "..;/session.key",
]
INJECTED: Final = [
    '{"$ne": null}',
    "[$ne]=1",
    "' || '1'=='1",
    "<script>alert(1)</script>",
    "<svg onload=alert(1)>",
    "=cmd|' /C calc'!A0",
    "${7*7}{{7*7}}",
    "\r\nSet-Cookie: fivefold_session=1",
    "ana\x00",
    "\u202eana",
    "ａｎａ",
    "A" * 5000,
]

hostile_text = st.one_of(
    st.sampled_from([*WALKS, *INJECTED, "ana", "eve", ""]),
    st.text(max_size=60),
    st.text(alphabet="./\\%2e5cf\x00:?#&=;", max_size=40),
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=True), hostile_text),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hostile_text, inner, max_size=3),
    max_leaves=6,
)
login_bodies = st.fixed_dictionaries(
    {},
    optional={
        name: st.one_of(hostile_text, json_values)
        for name in ("user_id", "passphrase", "invite", "ticket", "register", "next")
    },
)
bodies = st.one_of(
    st.binary(max_size=200),
    json_values.map(json.dumps).map(str.encode),
    login_bodies.map(json.dumps).map(str.encode),
)
header_values = hostile_text.map(
    lambda text: "".join(each for each in text if " " <= each < "\x7f").strip()
)
headers = st.dictionaries(
    st.sampled_from(
        [
            *("X-Fivefold-User", "X-Fivefold-Session", "X-Fivefold-Trouble", "X-Forwarded-For"),
            *("Range", "If-None-Match", "Cookie", "Accept", "Content-Type", "Authorization"),
            *("Host", "Origin", "Sec-Fetch-Site", "User-Agent", "X-HTTP-Method-Override"),
        ]
    ),
    header_values,
    max_size=4,
)


@pytest.fixture
def eve(app: Starlette) -> Iterator[TestClient]:
    """Somebody who is logged in and wants what is not hers."""
    with browser_of(app) as client:
        client.follow_redirects = False
        log_in(client, "eve")
        yield client


@pytest.fixture
def asset_id(store: Store, content: FolderStore) -> str:
    """An image of Ana's, with its file."""
    job, [asset, *_] = stored_job(store, "ana", PRIVATE)
    for name in (f"{asset.id}.png", f".previews/{asset.id}.webp"):
        with content.draft("ana", asset.id) as draft:
            draft.path.write_bytes(BYTES)
            path = draft.commit(name)
    store._database["assets"].update_one(  # noqa: SLF001  # as if it were made
        {"_id": asset.id}, {"$set": {"state": "done", "path": path, "preview": path}}
    )
    assert job.user_id == "ana"
    return asset.id


def harmless(response: Any) -> None:
    """Nothing of Ana's, no file of ours, no inside of ours; and an answer in good order."""
    assert response.status_code < 500, response.text
    lowered = response.content.lower()
    for secret in (b"ana's own image", PRIVATE.encode(), b"root:", b"traceback", b"mongo"):
        assert secret not in lowered
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in response.headers or "fivefold" in response.headers["set-cookie"]
    assert urlsplit(response.headers.get("location", "")).netloc in ("", urlsplit(HOST).netloc)


lenient = examples(fast=50, deep=750)


@lenient
@given(part=hostile_text, path=st.sampled_from(OWN), sent=headers)
def test_whatever_stands_for_an_item_opens_nothing(
    eve: TestClient, asset_id: str, part: str, path: str, sent: dict[str, str]
) -> None:
    for each in (part, f"{asset_id}{part}", f"{part}/{asset_id}", asset_id):
        address = path.format(each.replace("?", "%3F").replace("#", "%23"))
        for query in ("", "?download=1", "?share=1&user_id=ana"):
            harmless(answered(eve, "GET", address + query, sent))


@lenient
@given(
    body=bodies, sent=headers, path=st.sampled_from(["/auth/login", "/auth/logout", "/bell/read"])
)
def test_whatever_is_posted_gets_a_sentence(
    app: Starlette, asset_id: str, body: bytes, sent: dict[str, str], path: str
) -> None:
    assert asset_id
    with browser_of(app) as client:
        harmless(answered(client, "POST", path, sent, content=body))
        response = client.get("/bell")
        assert response.status_code in (200, 401)


@lenient
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"]),
    path=st.one_of(
        st.sampled_from(
            [
                *("/activity/logins.csv", "/activity/views.csv", "/activity/jobs.csv"),
                *("/account/archive.zip", "/bell", "/health", "/auth/login"),
                *("/mail/confirm/x", "/mail/unsubscribe/x", "/activity/../session.key.csv"),
            ]
        ),
        hostile_text.map("/mail/confirm/{}".format),
        hostile_text.map("/{}".format),
    ),
    query=st.dictionaries(
        st.sampled_from(["user", "user_id", "everybody", "days", "from", "share", "key", "next"]),
        hostile_text,
        max_size=3,
    ),
)
def test_no_route_does_for_eve_what_it_does_for_ana(
    eve: TestClient, asset_id: str, method: str, path: str, query: dict[str, str]
) -> None:
    assert asset_id
    harmless(answered(eve, method, path, {}, params=query))


@lenient
@given(value=st.one_of(header_values, st.binary(max_size=80).map(lambda each: each.hex())))
def test_no_cookie_of_ones_own_making_is_anybody(app: Starlette, value: str) -> None:
    other = Identity("another key", days=30, secure=False)
    forged = other._signer.sign(value).decode("latin-1")  # noqa: SLF001
    with browser_of(app) as client:
        for each in (value, forged, f'"{value}"', f"a; {COOKIE}={value}"):
            response = answered(client, "GET", "/bell", {"Cookie": f"{COOKIE}={each}"})
            assert response.status_code == 401


def answered(
    client: TestClient, method: str, address: str, sent: dict[str, str], **more: Any
) -> Any:
    """Send something; in an address only what none can have is encoded, and no walk is resolved."""
    path, mark, query = address.partition("?")
    own = {"Origin": HOST}
    safe = "/%\\.:;=&'()$[]{}|"
    target = HOST + quote(path, safe) + mark + quote(query, safe + "?")
    return client.request(method, target, headers=own | sent, **more)
