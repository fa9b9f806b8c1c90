"""What comes of the addresses that vendors give for files, and where they may not lead."""

import asyncio
import base64
import gzip
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from core.models import Kind
from core.providers.errors import ProviderError, ProviderUnavailable, RequestRejected
from core.providers.http import download, ssrf_guard
from core.providers.http.download import MIB, Fetcher, fetch_with_retries
from core.providers.http.ssrf_guard import AddressForbidden, SsrfGuard
from core.providers.responses.media_search import Medium
from core.providers.responses.vendor_errors import Vendor
from tests.product import free_port
from tests.servers.wire import clip, cut, picture, serving

KEY = "a-very-secret-key-for-tests"
ACME = Vendor(title="Acme", key_setting="ACME_KEY", secrets=(KEY,))
PNG = picture("a file", 64, 64)
BEARER = {"Authorization": f"Bearer {KEY}"}


class Files:
    """A server of files that notes who was asked for what, with which key."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.keys: list[str | None] = []
        self.to: dict[str, str] = {}

    async def response(self, request: Request) -> Response:
        what = request.path_params["what"]
        self.requests[what] += 1
        key = request.headers.get("authorization")
        self.keys.append(key)
        encoded = base64.b64encode(PNG).decode()
        kinds: dict[str, Any] = {
            "good": lambda: Response(PNG, media_type="image/png"),
            "typeless": lambda: Response(PNG),
            "octets": lambda: Response(PNG, media_type="application/octet-stream"),
            "as_text": lambda: Response(PNG, media_type="text/plain"),
            "as_clip": lambda: Response(PNG, media_type="video/mp4"),
            "packed": lambda: Response(gzip.compress(PNG), headers={"content-encoding": "gzip"}),
            "said_packed": lambda: Response(PNG, headers={"content-encoding": "gzip"}),
            "page": lambda: Response("<html>Sorry", media_type="text/html; charset=utf-8"),
            "empty": lambda: Response(b"", media_type="image/png"),
            "clip": lambda: Response(clip("a clip", 64, 64, 1.0), media_type="image/png"),
            "json": lambda: Response(json.dumps({"data": {"b64_json": encoded}})),
            "pointer": lambda: Response(
                json.dumps({"url": str(request.url_for("f", what="good"))})
            ),
            "redirect": lambda: RedirectResponse(self.to.get(what, "/good"), 302),
            "moved": lambda: RedirectResponse("/good", 301),
            "loop": lambda: RedirectResponse("/loop"),
            "to_file": lambda: RedirectResponse("file:///etc/hosts"),
            "gone": lambda: Response(status_code=404),
            "down": lambda: Response(status_code=500),
            "large": lambda: StreamingResponse(_endless(), media_type="image/png"),
            "bomb": lambda: Response(
                gzip.compress(bytes(8 * MIB)), headers={"content-encoding": "gzip"}
            ),
            "broken_off": lambda: StreamingResponse(_broken_off(request)),
            "locked": lambda: Response(PNG if key else b"", 200 if key else 401),
            "keyless": lambda: Response(b"" if key else PNG, 403 if key else 200),
            "late": lambda: (
                Response(PNG) if self.requests["late"] > 2 else Response(status_code=404)
            ),
        }
        made: Response = kinds[what]()
        return made


async def _broken_off(request: Request) -> AsyncIterator[bytes]:
    yield PNG[:20]
    await cut(request)


async def _endless() -> AsyncIterator[bytes]:
    for _ in range(64):
        yield bytes(MIB // 8)


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def address(files: Files) -> Iterator[str]:
    routes = [Route("/{what}", files.response, name="f")]
    with serving(Starlette(routes=routes)) as found:
        yield found


def fetched(base: str, address: str, path: Path, kind: Kind = Kind.IMAGE, **more: Any) -> bytes:
    fetcher = Fetcher(ACME, base, BEARER, **more)
    asyncio.run(fetcher.save([Medium(address)], path, kind))
    return path.read_bytes()


WHOLE = ["good", "typeless", "octets", "as_text", "as_clip", "packed", "said_packed", "json"]
WHOLE += ["pointer", "redirect", "moved", "locked", "keyless"]


@pytest.mark.parametrize("what", WHOLE)
def test_a_file_arrives_byte_for_byte_whatever_its_header_says(
    address: str, tmp_path: Path, what: str
) -> None:
    assert fetched(address, f"{address}/{what}", tmp_path / "x") == PNG


@pytest.mark.parametrize(
    ("what", "details"),
    [
        ("page", {}),
        ("empty", {}),
        ("clip", {}),
        ("broken_off", {}),
        ("loop", {}),
        ("gone", {"status": 404}),
        ("down", {"status": 500}),
    ],
)
def test_a_file_that_did_not_come_may_be_asked_for_again(
    address: str, tmp_path: Path, what: str, details: dict[str, int]
) -> None:
    with pytest.raises(ProviderUnavailable, match=r"^Acme.*\.$") as caught:
        fetched(address, f"{address}/{what}", tmp_path / "x")
    assert caught.value.details == details


def test_a_file_that_is_late_is_insisted_on(address: str, files: Files, tmp_path: Path) -> None:
    fetcher = Fetcher(ACME, address)

    async def once() -> None:
        await fetcher.save([Medium(f"{address}/late")], tmp_path / "x", Kind.IMAGE)

    asyncio.run(fetch_with_retries(once, ACME, 0.001))
    assert (tmp_path / "x").read_bytes() == PNG
    assert files.requests["late"] == 3


def test_being_refused_while_asking_for_a_file_never_ends_an_item() -> None:
    async def refused() -> None:
        raise RequestRejected("no", details={"status": 404})

    with pytest.raises(ProviderUnavailable, match="does not know this task"):
        asyncio.run(fetch_with_retries(refused, ACME, 0.0))


def test_the_key_goes_to_the_own_origin_and_never_beyond(tmp_path: Path) -> None:
    own, other = Files(), Files()
    with ExitStack() as stack:
        apps = [Starlette(routes=[Route("/{what}", each.response)]) for each in (own, other)]
        base, beyond = (stack.enter_context(serving(each)) for each in apps)
        assert fetched(base, f"{base}/good", tmp_path / "x") == PNG
        own.to["redirect"] = f"{beyond}/good"
        assert fetched(base, f"{base}/redirect", tmp_path / "x") == PNG
        assert fetched(base, f"{beyond}/good", tmp_path / "x") == PNG
    assert set(own.keys) == {f"Bearer {KEY}"}
    assert other.keys == [None, None]


def test_the_media_in_the_reply_itself_need_no_address(tmp_path: Path) -> None:
    fetcher = Fetcher(ACME, "https://acme.example")
    media = [Medium(encoded=base64.b64encode(PNG).decode())]
    asyncio.run(fetcher.save(media, tmp_path / "x", Kind.IMAGE))
    assert (tmp_path / "x").read_bytes() == PNG


@pytest.mark.parametrize("what", ["large", "bomb"])
def test_a_file_that_is_too_large_is_broken_off(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setitem(download.MAX_BYTES, Kind.IMAGE, MIB)
    with pytest.raises(ProviderError, match="larger than 1 MiB") as caught:
        fetched(address, f"{address}/{what}", tmp_path / "x")
    assert not caught.value.retryable
    assert (tmp_path / "x").stat().st_size <= MIB


@pytest.mark.parametrize("given", ["ftp://acme.example/x.png", "file:///etc/hosts", "http://["])
def test_an_address_of_no_web_server_is_refused(tmp_path: Path, given: str) -> None:
    with pytest.raises(ProviderError, match="no file can be fetched from") as caught:
        fetched("https://acme.example", given, tmp_path / "x")
    assert not caught.value.retryable


# SsrfGuard


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names mean, for whoever looks them up."""
    known: dict[str, list[str]] = {"cdn.example": ["93.184.216.34"]}

    def look_up(host: bytes, port: int | None, seconds: float) -> list[str]:
        del port, seconds
        name = host.decode()
        if name in known:
            return known[name]
        return [str(socket.getaddrinfo(name, None, flags=socket.AI_NUMERICHOST)[0][4][0])]

    monkeypatch.setattr(ssrf_guard, "look_up", look_up)
    return known


def allowed(base: str, given: str, **more: Any) -> list[str]:
    found = SsrfGuard(base, **more)
    (url, *_) = found.candidates(given)
    return asyncio.run(found.addresses(url))


PRIVATE = [
    "http://169.254.169.254/latest",
    "http://127.0.0.1/x.png",
    "http://127.1/x.png",
    "http://[::1]/x.png",
    "http://[::ffff:127.0.0.1]/x.png",
    "http://[64:ff9b::7f00:1]/x.png",
    "http://[fd00:ec2::254]/x.png",
    "http://[fe80::1]/x.png",
    "http://10.0.0.1/x.png",
    "http://172.16.0.1/x.png",
    "http://192.168.1.1/x.png",
    "http://100.64.0.1/x.png",
    "http://100.100.100.200/x.png",
    "http://0.0.0.0/x.png",
    "http://2130706433/x.png",
    "http://017700000001/x.png",
    "http://0x7f.1/x.png",
    "http://168.63.129.16/x.png",
    "http://192.0.0.192/opc/v2/instance/",
    "http://224.0.0.1/x.png",
    "http://rebound.example/x.png",
]


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("given", PRIVATE)
def test_a_vendor_on_the_internet_leads_nowhere_private(
    names: dict[str, list[str]], given: str
) -> None:
    names["api.example"], names["rebound.example"] = ["93.184.216.34"], ["10.0.0.7"]
    with pytest.raises(AddressForbidden):
        allowed("https://api.example/v1", given)


SPELT_OTHERWISE = ("127", "::1]", "0.0.0.0", "2130706433", "0177", "0x7f", "7f00")  # noqa: S104
FURTHER = [each for each in PRIVATE if not any(own in each for own in SPELT_OTHERWISE)]


@pytest.mark.parametrize("given", FURTHER)
def test_a_vendor_on_this_machine_leads_no_further(names: dict[str, list[str]], given: str) -> None:
    names["rebound.example"] = ["10.0.0.7"]
    with pytest.raises(AddressForbidden):
        allowed("http://127.0.0.1:8188/v1", given)


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("given", "open_"),
    [
        ("http://127.0.0.1:8188/x.png", True),
        ("http://127.0.0.1:8189/x.png", True),
        ("http://[::1]:8189/x.png", True),
        ("http://127.0.0.1/x.png", True),
        ("http://127.0.0.1:22/x.png", False),
        ("http://127.0.0.1:6379/x.png", False),
        ("http://127.0.0.1:27017/x.png", False),
        ("http://127.0.0.1:8501/x.png", False),
    ],
)
def test_other_ports_of_a_local_server_are_open_but_for_services(
    given: str, *, open_: bool
) -> None:
    base = "http://127.0.0.1:8188/v1"
    if open_:
        assert allowed(base, given, closed_ports={8501})
    else:
        with pytest.raises(AddressForbidden):
            allowed(base, given, closed_ports={8501})


def test_of_a_names_addresses_only_the_public_ones_are_connected_to(
    names: dict[str, list[str]],
) -> None:
    names["mixed.example"] = ["10.0.0.1", "93.184.216.34"]
    assert allowed("https://cdn.example", "http://mixed.example/x") == ["93.184.216.34"]


def test_a_redirect_through_the_wall_is_not_followed(
    tmp_path: Path, address: str, files: Files
) -> None:
    for target in ("http://169.254.169.254/latest", "http://10.1.2.3/x", "file:///etc/hosts"):
        files.to["redirect"] = target
        with pytest.raises(ProviderError, match="private network") as caught:
            fetched(address, f"{address}/redirect", tmp_path / "x")
        assert caught.value.code == "address_refused"


def test_nothing_is_asked_of_fivefolds_own_ports(
    tmp_path: Path, address: str, files: Files
) -> None:
    port = int(address.rpartition(":")[2])
    with pytest.raises(ProviderError, match="Acme"):
        fetched("http://127.0.0.1:1/v1", f"{address}/good", tmp_path / "x", closed_ports={port})
    assert not files.requests


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0.0.0.0", "no-such-host.invalid"])  # noqa: S104
def test_a_name_that_a_server_has_for_itself_is_tried_at_its_configured_host(
    address: str, files: Files, tmp_path: Path, host: str
) -> None:
    port = free_port()
    assert fetched(address, f"http://{host}:{port}/good", tmp_path / "x") == PNG
    assert files.keys == [f"Bearer {KEY}"]


def test_a_path_is_one_on_the_server_that_gave_it(address: str, tmp_path: Path) -> None:
    for given in ("/good", "good", "../good"):
        assert fetched(f"{address}/v1", given, tmp_path / "x") == PNG
