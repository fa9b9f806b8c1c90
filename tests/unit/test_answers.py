"""What vendors' answers mean, and what comes of the addresses that they give for files."""

import asyncio
import socket
import string
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.providers import errors
from core.providers.http.call_errors import provider_errors
from core.providers.responses.vendor_errors import Vendor
from core.system.http_headers import retry_after

KEY = "a-very-secret-key-for-tests"
ACME = Vendor(
    title="Acme",
    key_setting="ACME_KEY",
    secrets=(KEY, ""),
    rejection_codes=frozenset({"blocked"}),
    balance_codes=frozenset({"no_credit", "credit is used up"}),
)


def meaning(
    status: int,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    *,
    creating: bool = True,
    vendor: Vendor = ACME,
) -> errors.ProviderError:
    return vendor.error_from_response(status, headers or {}, body, creating=creating)


# What an answer means


@pytest.mark.parametrize("creating", [True, False])
@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, None, errors.InvalidCredentials),
        (403, {"error": {"message": "Not yours."}}, errors.InvalidCredentials),
        (403, {"error": {"code": "blocked"}}, errors.PromptRejected),
        (400, {"error": "No.", "code": "blocked"}, errors.PromptRejected),
        (400, {"rc": "blocked", "message": "No."}, errors.PromptRejected),
        (402, None, errors.BalanceSpent),
        (429, {"error": {"code": "no_credit"}}, errors.BalanceSpent),
        (403, {"message": "Your Credit Is Used Up."}, errors.BalanceSpent),
        (429, "busy", errors.RateLimited),
        (503, {"message": "Your credit is used up."}, errors.ProviderUnavailable),
        (503, None, errors.ProviderUnavailable),
        (400, {"detail": ["odd"]}, errors.RequestRejected),
        (404, None, errors.RequestRejected),
        (422, {"error": ["odd"]}, errors.RequestRejected),
        (301, "elsewhere", errors.RequestRejected),
    ],
)
def test_an_answer_means_the_same_whoever_asks(
    status: int, body: object, expected: type[errors.ProviderError], *, creating: bool
) -> None:
    assert type(meaning(status, body, creating=creating)) is expected


@pytest.mark.parametrize("status", [408, 409, 425, 500, 502, 504])
def test_trouble_is_open_where_it_may_have_been_charged_and_passing_where_not(status: int) -> None:
    assert type(meaning(status)) is errors.OutcomeUnknown
    assert type(meaning(status, creating=False)) is errors.ProviderUnavailable
    free = Vendor(title="Acme", key_setting="ACME_KEY", uncharged=frozenset({429, status}))
    assert type(meaning(status, vendor=free)) is errors.ProviderUnavailable


@pytest.mark.parametrize("status", [501, 505, 599])
def test_an_error_that_will_stay_is_not_read_again(status: int) -> None:
    assert type(meaning(status)) is errors.OutcomeUnknown
    assert type(meaning(status, creating=False)) is errors.RequestRejected


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


@pytest.mark.parametrize(
    ("status", "expected"), [(429, errors.RateLimited), (503, errors.ProviderUnavailable)]
)
def test_the_pause_that_is_asked_for_comes_with_the_error(
    status: int, expected: type[errors.ProviderError]
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
def responses_with_secrets(draw: st.DrawFn) -> tuple[Vendor, object]:
    """A vendor, and the body of a response that quotes its secrets."""
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


@given(case=responses_with_secrets(), status=statuses, wait=texts, creating=st.booleans())
def test_no_answer_is_too_odd_and_no_secret_shows(
    case: tuple[Vendor, object], status: int, wait: str, *, creating: bool
) -> None:
    vendor, body = case
    error = meaning(status, body, {"retry-after": wait}, creating=creating, vendor=vendor)
    shown = f"{error!r} {error.message} {error.details}"
    assert not [secret for secret in vendor.secrets if secret in shown]
    assert len(error.message.splitlines()) == 1
    assert len(error.message) < 400
    if error.retryable and creating:
        assert status in vendor.uncharged


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
    ("error", "words"),
    [
        (httpx2.ConnectError("refused"), "."),
        (caused(httpx2.ConnectError("x"), socket.gaierror(-2, "unknown")), ": no address was"),
        (caused(ValueError("of an SDK"), ConnectionRefusedError()), ": nobody answers there"),
        (httpx.ConnectTimeout("slow"), ": it did not answer in time"),
        (httpx2.ProxyError("403"), ": the proxy does not"),
    ],
)
def test_why_nobody_can_be_reached_is_said(error: Exception, words: str) -> None:
    for creating in (True, False):
        found = ACME.no_response(error, creating=creating, sent=False)
        assert type(found) is errors.ProviderUnavailable
        assert found.message.startswith(f"Acme cannot be reached{words}")
    assert type(ACME.no_response(error, creating=True, sent=True)) is errors.OutcomeUnknown


def test_an_error_that_names_itself_as_its_cause_is_looked_at_once() -> None:
    one, other = ValueError(), ValueError()
    one.__cause__, other.__cause__ = other, one
    assert type(ACME.no_response(one, creating=True, sent=False)) is errors.ProviderUnavailable


def raised(error: BaseException, *, creating: bool = True, sent: bool = True) -> BaseException:
    async def main() -> None:
        async with provider_errors(ACME, creating=creating) as call:
            call.sent = sent
            call.reply = f"half an answer to {KEY}".encode()
            raise error

    with pytest.raises((errors.ProviderError, ValueError, TimeoutError)) as found:
        asyncio.run(main())
    return found.value


def test_what_goes_wrong_while_asking_becomes_its_meaning() -> None:
    request = httpx2.Request("GET", "http://acme.example")
    answer = httpx2.Response(429, text=f"not json, {KEY}", headers={"retry-after": "3"})
    error = raised(httpx2.HTTPStatusError("no", request=request, response=answer))
    assert isinstance(error, errors.RateLimited)
    assert error.retry_after == 3
    assert type(raised(httpx2.ReadError("cut"))) is errors.OutcomeUnknown
    assert type(raised(httpx2.ReadError("cut"), creating=False)) is errors.ProviderUnavailable


@pytest.mark.parametrize("error", [ValueError("ours"), KeyError("x"), UnicodeEncodeError])
def test_whatever_goes_wrong_after_sending_is_open_and_keeps_what_came(error: Any) -> None:
    made = error if isinstance(error, Exception) else error("ascii", KEY, 0, 1, "odd")
    found = raised(made)
    assert type(found) is errors.OutcomeUnknown
    assert found.reply == "half an answer to …".encode()
    assert KEY not in f"{found!r} {found.details} {found.__cause__!r}"


def test_whatever_goes_wrong_before_sending_is_free_and_quotes_no_key() -> None:
    odd = raised(UnicodeEncodeError("ascii", f"Bearer {KEY}\xa0", 20, 21, "odd"), sent=False)
    assert type(odd) is errors.InvalidCredentials
    assert "ACME_KEY" in odd.message
    other = raised(ValueError(f"no proxy like {KEY}"), sent=False)
    assert isinstance(other, errors.ProviderError)
    assert other.code == "not_sent"
    for error in (odd, other):
        assert KEY not in f"{error!r} {error.__cause__!r}"
        assert error.__suppress_context__


@pytest.mark.parametrize("error", [TimeoutError(), errors.PromptRejected()])
def test_what_says_itself_what_it_is_stays_as_it_is(error: Exception) -> None:
    assert raised(error) is error


def test_a_mistake_of_our_own_in_a_call_that_is_free_stays_one() -> None:
    error = ValueError("ours")
    assert raised(error, creating=False) is error
