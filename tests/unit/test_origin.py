"""Which requests come from a page of ours: for every way that pages are opened."""

from typing import Any

import pytest
from starlette.types import Scope

from core.settings import Settings
from core.web.http.origins import Origins, RequestSource, parse_origin, parse_origin_header


def settings(**more: Any) -> Settings:
    return Settings(_env_file=None, port=8501, **more)


def source(kind: str = "http", **headers: str | list[str]) -> RequestSource:
    """A request with these headers; `_` stands for `-`, a list for a header that comes twice."""
    raw = [
        (name.replace("_", "-").lower().encode(), each.encode("latin-1"))
        for name, value in headers.items()
        for each in ([value] if isinstance(value, str) else value)
    ]
    scope: Scope = {
        "type": kind,
        "scheme": "ws" if kind == "websocket" else "http",
        "headers": raw,
    }
    return RequestSource.of(scope)


LAPTOP = Origins.of(settings())
BEHIND_PROXY = Origins.of(settings(public_url="https://studio.example.org:8443/studio"))
NETWORK = Origins.of(settings(bind_address="192.168.1.5"))
NAMED = Origins.of(settings(bind_address="192.168.1.5", public_url="https://studio.example.org"))
PLAIN = Origins.of(settings(bind_address="::", public_url="http://studio.example.org:8501"))
KINDS = ("http", "websocket")
HERE = "localhost:8501"
PUBLIC = "https://studio.example.org:8443"


@pytest.mark.parametrize(
    ("origins", "headers"),
    [
        (LAPTOP, {"Host": HERE, "Origin": "http://localhost:8501"}),
        (LAPTOP, {"Host": "127.0.0.1:8501", "Origin": "http://127.0.0.1:8501"}),
        (LAPTOP, {"Host": "[::1]:8501", "Origin": "http://[::1]:8501"}),
        (LAPTOP, {"Host": "LOCALHOST.:8501", "Origin": "HTTP://LocalHost.:8501"}),
        (
            LAPTOP,
            {"Host": HERE, "Origin": "http://localhost:8501", "Sec_Fetch_Site": "same-origin"},
        ),
        # What proxies make of Host; PUBLIC_URL says what the browser's page is.
        (BEHIND_PROXY, {"Host": "studio.example.org:8443", "Origin": PUBLIC}),
        (BEHIND_PROXY, {"Host": "studio.example.org", "Origin": PUBLIC}),
        (BEHIND_PROXY, {"Host": "127.0.0.1:8501", "Origin": PUBLIC}),
        (BEHIND_PROXY, {"Host": "fivefold_upstream", "Origin": PUBLIC}),
        (BEHIND_PROXY, {"Host": "backend.example.net", "Origin": PUBLIC}),
        (BEHIND_PROXY, {"Origin": PUBLIC}),
        (BEHIND_PROXY, {"Host": HERE, "Origin": "http://localhost:8501"}),
        (NAMED, {"Host": "web:8501", "Origin": "https://studio.example.org"}),
        (NAMED, {"Host": "studio.example.org", "Origin": "https://studio.example.org:443"}),
        (NETWORK, {"Host": "192.168.1.5:8501", "Origin": "http://192.168.1.5:8501"}),
        (NETWORK, {"Host": "[fd00:0::5]:8501", "Origin": "http://[fd00::5]:8501"}),
        (NETWORK, {"Host": "nas:8501", "Origin": "http://nas:8501"}),
        (NETWORK, {"Host": "nas.local:8501", "Origin": "http://nas.local:8501"}),
        (
            NETWORK,
            {"Host": "nas", "Origin": "https://nas", "X_Forwarded_Proto": "https"},
        ),
        (
            NETWORK,
            {"Host": "web", "Origin": "https://a.example.org", "Sec_Fetch_Site": "same-origin"},
        ),
        (PLAIN, {"Host": "192.168.1.5:8501", "Origin": "http://192.168.1.5:8501"}),
    ],
)
def test_our_own_pages_are_known(origins: Origins, headers: dict[str, Any]) -> None:
    for kind in KINDS:
        request = source(kind, **headers)
        assert not origins.refuses_host(request)
        assert origins.accepts(request), kind


@pytest.mark.parametrize(
    ("origins", "headers"),
    [
        (LAPTOP, {"Host": HERE, "Origin": "http://localhost:9999"}),
        (LAPTOP, {"Host": "localhost:9999", "Origin": "http://localhost:9999"}),
        (LAPTOP, {"Host": HERE, "Origin": "http://localhost"}),
        (LAPTOP, {"Host": HERE, "Origin": "https://localhost:8501"}),
        (LAPTOP, {"Host": HERE, "Origin": "http://127.0.0.1:9999"}),
        (LAPTOP, {"Host": HERE, "Origin": "http://evil.example.org"}),
        (LAPTOP, {"Host": HERE, "Origin": "http://evil.localhost:8501"}),
        (LAPTOP, {"Host": HERE, "Origin": "http://0.0.0.0:8501"}),
        (LAPTOP, {"Host": HERE, "Origin": "null"}),
        (LAPTOP, {"Host": HERE, "Origin": ""}),
        (LAPTOP, {"Host": HERE, "Origin": "http://localhost:8501/x"}),
        (LAPTOP, {"Host": HERE, "Origin": "http://localhost:8501@evil.example.org"}),
        (LAPTOP, {"Host": HERE, "Origin": "http://localhost:8501, http://evil.example.org"}),
        (LAPTOP, {"Host": HERE, "Origin": ["http://localhost:8501", "http://evil.example.org"]}),
        (LAPTOP, {"Host": [HERE, "evil.example.org"], "Origin": "http://localhost:8501"}),
        (LAPTOP, {"Host": "evil.example.org:8501", "Origin": "http://evil.example.org:8501"}),
        (LAPTOP, {"Host": "localhost.evil.example.org", "Origin": "http://localhost:8501"}),
        (LAPTOP, {"Host": HERE, "Origin": "http://localhost:8501", "Sec_Fetch_Site": "same-site"}),
        (LAPTOP, {"Host": HERE, "Sec_Fetch_Site": "cross-site"}),
        (LAPTOP, {"Host": HERE, "Sec_Fetch_Site": ["same-origin", "cross-site"]}),
        (BEHIND_PROXY, {"Host": "studio.example.org:8443", "Origin": "https://studio.example.org"}),
        (BEHIND_PROXY, {"Host": "127.0.0.1:8501", "Origin": "http://studio.example.org:8443"}),
        (BEHIND_PROXY, {"Host": "evil.example.org", "Origin": "https://evil.example.org"}),
        # A browser elsewhere has a page of its own machine at our port.
        (
            BEHIND_PROXY,
            {"Host": "127.0.0.1:8501", "Origin": "http://localhost:8501", "X_Forwarded_For": "::2"},
        ),
        (NAMED, {"Host": "192.168.1.5:8501", "Origin": "http://192.168.1.5:8501"}),
        (NAMED, {"Host": "localhost:8501", "Origin": "http://localhost:8501"}),
        (PLAIN, {"Host": "evil.example.org:8501", "Origin": "http://evil.example.org:8501"}),
        # Another site's name that leads into the network: to a browser it is the same origin.
        (NETWORK, {"Host": "evil.example.org:8501", "Origin": "http://evil.example.org:8501"}),
        (
            NETWORK,
            {
                "Host": "evil.example.org:8501",
                "Origin": "http://evil.example.org:8501",
                "Sec_Fetch_Site": "same-origin",
            },
        ),
        (NETWORK, {"Host": "evil.example.org:8501", "Sec_Fetch_Site": "same-origin"}),
        (NETWORK, {"Host": "nas:8501", "Origin": "https://nas:8501"}),
        (NETWORK, {"Host": "nas:8501", "Origin": "http://nas:9999"}),
    ],
)
def test_other_sites_pages_are_not_ours(origins: Origins, headers: dict[str, Any]) -> None:
    for kind in KINDS:
        assert not origins.accepts(source(kind, **headers)), kind


def test_without_an_origin_a_browsers_word_counts_and_a_programs_websocket() -> None:
    for origins, host in ((LAPTOP, HERE), (BEHIND_PROXY, "127.0.0.1:8501"), (NETWORK, "nas")):
        assert origins.accepts(source(Host=host, Sec_Fetch_Site="same-origin"))
        assert not origins.accepts(source(Host=host))
        assert origins.accepts(source("websocket", Host=host))
        for site in ("cross-site", "same-site", "none"):
            assert not origins.accepts(source("websocket", Host=host, Sec_Fetch_Site=site))


def test_pages_open_to_this_machine_only_answer_to_no_other_name() -> None:
    for host in (
        "evil.example.org",
        "127.0.0.1.evil.example.org:8501",
        "studio.example.org",
        "a b",
    ):
        assert LAPTOP.refuses_host(source(Host=host))
    for host in ("evil.example.org", "127.0.0.1.evil.example.org:8501"):
        assert BEHIND_PROXY.refuses_host(source(Host=host))
        assert BEHIND_PROXY.refuses_host(source(Host=host, Referer=f"https://{host}/"))
        assert BEHIND_PROXY.refuses_host(source(Host=host, X_Forwarded_Host="studio.example.org"))
    assert not BEHIND_PROXY.refuses_host(source(Host="backend.example.net", Referer=f"{PUBLIC}/x"))
    assert not BEHIND_PROXY.refuses_host(source(Host="studio.example.org"))
    assert not LAPTOP.refuses_host(source())
    for origins in (LAPTOP, BEHIND_PROXY, NETWORK, NAMED):
        assert origins.refuses_host(source(Host=["localhost", "localhost"]))
        assert origins.refuses_host(source(Host="localhost/x"))


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("HTTPS://Studio.Example.org.:443", "https://studio.example.org"),
        ("http://[0:0:0:0:0:0:0:1]:80", "http://[::1]"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://a:65535", "http://a:65535"),
        ("ftp://a", "None"),
        ("http://a:65536", "None"),
        ("http://a:0", "None"),
        ("http://[fe80::1%25eth0]", "None"),
        ("http://", "None"),
        ("file://", "None"),
    ],
)
def test_an_origin_has_one_spelling(text: str, origin: str) -> None:
    assert str(parse_origin(text)) == origin
    assert str(parse_origin_header(text)) == origin
