"""What vendors' answers mean, and what comes of the addresses that they give for files."""

import asyncio
import string
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zlib import crc32

import httpx
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from core.models import Kind
from core.providers import answers
from core.providers.answers import MIB, Vendor, as_image_file, asking, download, retry_after
from core.providers.errors import (
    BalanceSpent,
    InvalidCredentials,
    OutcomeUnknown,
    PromptRejected,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
)
from tests.product import free_port
from tests.servers.wire import cut, picture, serving

KEY = "a-very-secret-key"
ACME = Vendor(
    title="Acme",
    key_setting="ACME_KEY",
    secrets=(KEY, ""),
    rejected=frozenset({"blocked"}),
    spent=frozenset({"no_credit", "credit is used up"}),
)
PNG = picture("a file", 64, 64)


def meaning(
    status: int,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    *,
    creating: bool = True,
    vendor: Vendor = ACME,
) -> ProviderError:
    return vendor.answer(status, headers or {}, body, creating=creating)


# What an answer means


@pytest.mark.parametrize("creating", [True, False])
@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, None, InvalidCredentials),
        (403, {"error": {"message": "Not yours."}}, InvalidCredentials),
        (403, {"error": {"code": "blocked"}}, PromptRejected),
        (400, {"error": "No.", "code": "blocked"}, PromptRejected),
        (400, {"rc": "blocked", "message": "No."}, PromptRejected),
        (402, None, BalanceSpent),
        (429, {"error": {"code": "no_credit"}}, BalanceSpent),
        (403, {"message": "Your Credit Is Used Up."}, BalanceSpent),
        (429, "busy", RateLimited),
        (503, {"message": "Your credit is used up."}, ProviderUnavailable),
        (503, None, ProviderUnavailable),
        (400, {"detail": ["odd"]}, RequestRejected),
        (404, None, RequestRejected),
        (422, {"error": ["odd"]}, RequestRejected),
        (301, "elsewhere", RequestRejected),
    ],
)
def test_an_answer_means_the_same_whoever_asks(
    status: int, body: object, expected: type[ProviderError], *, creating: bool
) -> None:
    assert type(meaning(status, body, creating=creating)) is expected


@pytest.mark.parametrize("status", [408, 409, 425, 500, 502, 504])
def test_trouble_is_open_where_it_may_have_been_charged_and_passing_where_not(status: int) -> None:
    assert type(meaning(status)) is OutcomeUnknown
    assert type(meaning(status, creating=False)) is ProviderUnavailable
    free = Vendor(title="Acme", key_setting="ACME_KEY", free=frozenset({429, status}))
    assert type(meaning(status, vendor=free)) is ProviderUnavailable


@pytest.mark.parametrize("status", [501, 505, 599])
def test_an_error_that_will_stay_is_not_read_again(status: int) -> None:
    assert type(meaning(status)) is OutcomeUnknown
    assert type(meaning(status, creating=False)) is RequestRejected


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "Too wide."}},
        {"error": {"detail": "Too wide."}},
        {"error": "Too wide."},
        {"message": "Too wide."},
        {"detail": "Too wide."},
        "Too wide.",
    ],
)
def test_the_vendors_own_words_are_handed_on_with_the_status(body: object) -> None:
    error = meaning(422, body)
    assert error.message == "Acme does not take this request (422): Too wide."
    assert error.details == {"status": 422}


@pytest.mark.parametrize(("status", "expected"), [(429, RateLimited), (503, ProviderUnavailable)])
def test_the_pause_that_is_asked_for_comes_with_the_error(
    status: int, expected: type[ProviderError]
) -> None:
    error = meaning(status, None, {"retry-after": "17"})
    assert isinstance(error, expected)
    assert error.retry_after == 17


def test_a_refused_key_names_the_setting_and_not_the_key() -> None:
    for status in (401, 403):
        error = meaning(status, {"error": {"message": f"{KEY} is wrong."}})
        assert "ACME_KEY" in error.message
        assert KEY not in error.message


secrets = st.text(string.ascii_letters + string.digits + "-_.*+$\\", min_size=8, max_size=40)
statuses = st.integers(300, 599)
texts = st.text(max_size=200)


@st.composite
def tattlers(draw: st.DrawFn) -> tuple[Vendor, object]:
    """A vendor, and the body of an answer that quotes its secrets."""
    known = tuple(draw(st.lists(secrets, min_size=1, max_size=3)))
    words = st.lists(st.sampled_from(known) | texts, max_size=8).map("".join)
    leaves = words | st.none() | st.booleans() | st.integers() | st.binary(max_size=9)
    names = st.sampled_from(["error", "message", "detail", "code", "rc", "type", "x"])
    bodies = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
        max_leaves=8,
    )
    return Vendor(title="Acme", key_setting="ACME_KEY", secrets=known), draw(bodies)


@given(told=tattlers(), status=statuses, wait=texts, creating=st.booleans())
def test_no_answer_is_too_odd_and_no_secret_shows(
    told: tuple[Vendor, object], status: int, wait: str, *, creating: bool
) -> None:
    vendor, body = told
    error = meaning(status, body, {"retry-after": wait}, creating=creating, vendor=vendor)
    shown = f"{error!r} {error.message} {error.details}"
    assert not [secret for secret in vendor.secrets if secret in shown]
    assert len(error.message.splitlines()) == 1
    assert len(error.message) < 400
    if error.retryable and creating:
        assert status in vendor.free


@given(parts=st.lists(texts | st.just(KEY)))
def test_what_a_vendor_says_becomes_one_short_line_without_secrets(parts: list[str]) -> None:
    line = ACME.cleaned("".join(parts))
    assert KEY not in line
    assert len(line) <= 300
    assert line == " ".join(line.split())


@pytest.mark.parametrize("word", ["sk-1234567890", "sk_live_123456", "key-abc***xyz", "key_a1b2c3"])
def test_what_looks_like_a_key_is_not_shown_either(word: str) -> None:
    assert ACME.cleaned(f"Your {word}, is wrong.") == "Your …, is wrong."
    assert ACME.cleaned("The key-frame is wrong.") == "The key-frame is wrong."


# How long to wait


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7),
        ({"retry-after": "1e12"}, 1e12),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 01 Jan 2024 00:00:00 GMT"}, 0),
        ({"retry-after": "Mon, 01 Jan 2024 00:00:00 -0000"}, 0),
        ({"retry-after": "Mon, 01 Jan 2024 00:00:00 +99999999999999999999"}, None),
        ({"retry-after": "Mon, 01 Jan 2024 99999999999999999999:00:00 GMT"}, None),
    ],
)
def test_the_wait_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_moment_to_wait_for_is_counted_from_now() -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    found = retry_after({"retry-after": at})
    assert found is not None
    assert 3500 < found <= 3600


dates = st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,5} \d+:\d+:\d+ [+-]?\w+")


@given(text=texts | dates | st.floats().map(str), milliseconds=st.none() | texts)
def test_no_wait_is_too_odd_to_be_read(text: str, milliseconds: str | None) -> None:
    headers = {"retry-after": text}
    headers |= {} if milliseconds is None else {"retry-after-ms": milliseconds}
    found = retry_after(headers)
    assert found is None or 0 <= found < float("inf")


# Calls that broke off


def caused(error: Exception, by: Exception) -> Exception:
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    ("error", "sent"),
    [
        (httpx2.ConnectError("refused"), False),
        (httpx.ConnectTimeout("slow"), False),
        (httpx2.PoolTimeout("full"), False),
        (caused(ValueError("of an SDK"), httpx.ConnectError("refused")), False),
        (httpx2.ReadTimeout("slow"), True),
        (httpx.RemoteProtocolError("cut"), True),
        (httpx2.WriteError("cut"), True),
        (ValueError("who knows"), True),
    ],
)
def test_a_call_that_was_never_sent_cost_nothing(error: Exception, *, sent: bool) -> None:
    expected = OutcomeUnknown if sent else ProviderUnavailable
    assert type(ACME.no_answer(error, creating=True)) is expected
    assert type(ACME.no_answer(error, creating=False)) is ProviderUnavailable


def test_an_error_that_names_itself_as_its_cause_is_looked_at_once() -> None:
    one, other = ValueError(), ValueError()
    one.__cause__, other.__cause__ = other, one
    assert type(ACME.no_answer(one, creating=True)) is OutcomeUnknown


def raised(error: BaseException, *, creating: bool = True) -> BaseException:
    async def main() -> None:
        async with asking(ACME, creating=creating):
            raise error

    with pytest.raises((ProviderError, ValueError, TimeoutError)) as found:
        asyncio.run(main())
    return found.value


def test_what_goes_wrong_while_asking_becomes_its_meaning() -> None:
    request = httpx2.Request("GET", "http://acme.example")
    answer = httpx2.Response(429, text=f"not json, {KEY}", headers={"retry-after": "3"})
    error = raised(httpx2.HTTPStatusError("no", request=request, response=answer))
    assert isinstance(error, RateLimited)
    assert error.retry_after == 3
    assert type(raised(httpx2.ReadError("cut"))) is OutcomeUnknown
    assert type(raised(httpx2.ReadError("cut"), creating=False)) is ProviderUnavailable


@pytest.mark.parametrize("error", [ValueError("ours"), TimeoutError(), PromptRejected()])
def test_what_is_no_vendors_answer_stays_as_it_is(error: Exception) -> None:
    assert raised(error) is error


# Getting the finished file


async def _broken_off(request: Request) -> AsyncIterator[bytes]:
    yield PNG[:20]
    await cut(request)


async def _endless() -> AsyncIterator[bytes]:
    for _ in range(64):
        yield bytes(MIB // 8)


async def answered(request: Request) -> Response:
    """Answer as the path says."""
    kinds: dict[str, Any] = {
        "good": lambda: Response(PNG, media_type="image/png"),
        "typeless": lambda: Response(PNG),
        "octets": lambda: Response(PNG, media_type="application/octet-stream"),
        "page": lambda: Response("<html>Sorry", media_type="text/html; charset=utf-8"),
        "clip": lambda: Response(PNG, media_type="video/mp4"),
        "redirect": lambda: RedirectResponse(request.url_for("file", what="good")),
        "gone": lambda: Response(status_code=404),
        "down": lambda: Response(status_code=500),
        "large": lambda: StreamingResponse(_endless(), media_type="image/png"),
        "broken_off": lambda: StreamingResponse(_broken_off(request), media_type="image/png"),
        "garbled": lambda: Response(PNG, headers={"content-encoding": "gzip"}),
        "asked": lambda: Response(
            b"yes" if request.headers.get("x-ticket") == "1" else b"no", media_type="image/png"
        ),
    }
    made: Response = kinds[request.path_params["what"]]()
    return made


@pytest.fixture(scope="module")
def files() -> Iterator[str]:
    with serving(Starlette(routes=[Route("/{what}", answered, name="file")])) as address:
        yield address


def fetched(address: str, path: Path, **more: Any) -> bytes:
    async def main() -> None:
        async with answers.http_client(address) as client:
            await download(client, address, path, Kind.IMAGE, ACME, **more)

    asyncio.run(main())
    return path.read_bytes()


@pytest.mark.parametrize("what", ["good", "typeless", "octets"])
def test_a_file_arrives_byte_for_byte(files: str, tmp_path: Path, what: str) -> None:
    assert fetched(f"{files}/{what}", tmp_path / "x") == PNG


def test_a_download_can_carry_headers(files: str, tmp_path: Path) -> None:
    assert fetched(f"{files}/asked", tmp_path / "x", headers={"x-ticket": "1"}) == b"yes"


@pytest.mark.parametrize(
    ("what", "details"),
    [
        ("page", {}),
        ("clip", {}),
        ("broken_off", {}),
        ("garbled", {}),
        ("gone", {"status": 404}),
        ("down", {"status": 500}),
    ],
)
def test_a_file_that_did_not_come_is_asked_for_again(
    files: str, tmp_path: Path, what: str, details: dict[str, int]
) -> None:
    with pytest.raises(ProviderUnavailable, match=r"^Acme.*\.$") as caught:
        fetched(f"{files}/{what}", tmp_path / "x")
    assert caught.value.details == details


def test_nobody_at_the_address_is_asked_again(tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable):
        fetched(f"http://127.0.0.1:{free_port()}/x.png", tmp_path / "x")


def test_a_file_is_not_followed_to_somewhere_else(files: str, tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="somewhere else") as caught:
        fetched(f"{files}/redirect", tmp_path / "x")
    assert not caught.value.retryable
    assert not (tmp_path / "x").exists()


def test_a_file_that_is_too_large_is_broken_off(
    files: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(answers.MAX_BYTES, Kind.IMAGE, MIB)
    with pytest.raises(ProviderError, match="larger than 1 MiB") as caught:
        fetched(f"{files}/large", tmp_path / "x")
    assert not caught.value.retryable
    assert (tmp_path / "x").stat().st_size <= MIB


@pytest.mark.parametrize(
    "address", ["ftp://acme.example/x.png", "file:///etc/hosts", "x.png", "", "http://[", "//x/y"]
)
def test_an_address_of_no_web_server_is_refused(tmp_path: Path, address: str) -> None:
    async def main() -> None:
        async with answers.http_client() as client:
            await download(client, address, tmp_path / "x", Kind.IMAGE, ACME)

    with pytest.raises(ProviderError, match="no file can be fetched from") as caught:
        asyncio.run(main())
    assert not caught.value.retryable


def of_size(pixels: int) -> bytes:
    """Return a PNG file that says that its sides are so long."""
    head = b"IHDR" + pixels.to_bytes(4) * 2 + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + bytes([0, 0, 0, 13]) + head + crc32(head).to_bytes(4)


@pytest.mark.parametrize("content", [b"", b"<html>", of_size(60_000)])
def test_what_is_no_image_is_an_error_of_its_file(content: bytes) -> None:
    with pytest.raises(OSError, match=r"."):
        as_image_file(content)


def test_an_image_is_only_changed_where_it_must_be() -> None:
    assert as_image_file(PNG) == PNG
    with Image.open(BytesIO(PNG)) as image:
        image.save(webp := BytesIO(), "WEBP")
    with Image.open(BytesIO(as_image_file(webp.getvalue()))) as image:
        assert (image.format, image.size) == ("PNG", (64, 64))
