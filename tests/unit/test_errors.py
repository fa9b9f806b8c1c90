import ast
import importlib
import logging
import pkgutil
from pathlib import Path
from typing import NoReturn

import pytest
from pymongo.errors import AutoReconnect
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route
from starlette.testclient import TestClient

import core.web
from core.accounts.login import LoginRefused
from core.media.storage import StorageUnavailable
from core.models import InvalidInput
from core.store import DatabaseUnavailable
from core.studio.errors import JobNotFound, OwnerOnly
from core.web.app.asgi import AppParts
from core.web.http.errors import (
    EXCEPTION_HANDLERS,
    PROBLEM_JSON,
    BodyTooLarge,
    Forbidden,
    LoginRequired,
    NotFound,
    TooManyStreams,
)
from core.web.identity.cookies import Identity
from tests.web import HOST, browser_of, served

PEOPLE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PRIVATE = "the-token-of-a-link"
CASES = [
    (InvalidInput("That is no day."), 400, "That is no day."),
    (JobNotFound(), 404, "There is no such job."),
    (OwnerOnly("Only its owner can see this."), 403, "Only its owner can see this."),
    (LoginRequired(), 401, "Please log in."),
    (LoginRefused("passphrase", "Please type it.", ask=True), 401, "Please type it."),
    (LoginRefused("wrong", "They do not belong together."), 403, "They do not belong together."),
    (LoginRefused("taken", "Somebody has it."), 409, "Somebody has it."),
    (LoginRefused("weak passphrase", "Too short."), 400, "Too short."),
    (LoginRefused("too many", "Please wait.", wait=12.3), 429, "Please wait."),
    (Forbidden("For admins only."), 403, "For admins only."),
    (NotFound("There is no such file."), 404, "There is no such file."),
    (BodyTooLarge("That is too much."), 413, "That is too much."),
    (TooManyStreams(), 503, "Too many pages are open at the moment."),
    (
        DatabaseUnavailable("mongodb.internal does not answer"),
        503,
        "The database does not answer at the moment. Please try again in a minute.",
    ),
    (
        AutoReconnect("mongodb.internal:27017"),
        503,
        "The database does not answer at the moment. Please try again in a minute.",
    ),
    (
        StorageUnavailable("bucket.internal: 403"),
        503,
        "The files cannot be reached at the moment. Please try again in a minute.",
    ),
    (HTTPException(405, headers={"Allow": "POST"}), 405, "There is nothing here."),
    (
        ZeroDivisionError("internal"),
        500,
        "This page could not be shown. Nothing is lost; please load it again.",
    ),
]
"""Exceptions, with the status and the sentence that they become."""


def raising(error: Exception) -> TestClient:
    """A client of a route that raises this."""

    def fail(_request: Request) -> NoReturn:
        raise error

    app = Starlette(
        routes=[Route("/mail/confirm/{token}", fail)], exception_handlers=EXCEPTION_HANDLERS
    )
    return TestClient(app, HOST, raise_server_exceptions=False)


@pytest.mark.parametrize(("error", "status", "detail"), CASES)
def test_a_program_gets_problem_details(error: Exception, status: int, detail: str) -> None:
    response = raising(error).get(f"/mail/confirm/{PRIVATE}")
    assert response.status_code == status
    assert response.headers["content-type"] == PROBLEM_JSON
    assert response.headers["cache-control"] == "no-store"
    problem = response.json()
    assert {"type": "about:blank", "status": status, "detail": detail}.items() <= problem.items()
    assert problem["title"]
    assert "internal" not in response.text.replace("Internal Server Error", "")


@pytest.mark.parametrize(("error", "status", "detail"), CASES)
def test_people_get_a_page_with_the_same_sentence(
    error: Exception, status: int, detail: str
) -> None:
    response = raising(error).get(f"/mail/confirm/{PRIVATE}", headers=PEOPLE)
    assert response.status_code == status
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert "script-src" not in response.headers["content-security-policy"]
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert detail.removesuffix(".") in response.text
    assert "internal" not in response.text
    assert PRIVATE not in response.text


@pytest.mark.parametrize(("language", "sentence"), [("de", "Seite"), ("en", "This page could")])
def test_even_what_nobody_expected_is_said_in_the_readers_language(
    language: str, sentence: str
) -> None:
    response = raising(ZeroDivisionError()).get(f"/mail/confirm/x?language={language}")
    assert sentence in response.json()["detail"]


def test_a_refused_login_says_what_the_form_needs_to_know() -> None:
    refused = raising(LoginRefused("wait", "Please wait.", wait=12.3)).get("/mail/confirm/x")
    assert (refused.json()["wait"], refused.json()["ask"]) == (12.3, False)
    assert refused.headers["retry-after"] == "12"


def test_what_is_unavailable_says_when_to_come_back() -> None:
    for error in (DatabaseUnavailable(), AutoReconnect(), StorageUnavailable(), TooManyStreams()):
        assert raising(error).get("/mail/confirm/x").headers["retry-after"] == "60"


def test_headers_of_the_protocol_stay() -> None:
    response = raising(HTTPException(405, headers={"Allow": "POST"})).get("/mail/confirm/x")
    assert response.headers["allow"] == "POST"


def test_what_is_unavailable_is_logged_with_its_route_and_no_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, logger="core"):
        for error in (DatabaseUnavailable("It is down."), AutoReconnect("It is down."), OSError(5)):
            raising(error).get(f"/mail/confirm/{PRIVATE}")
    lines = [each.getMessage() for each in caplog.records]
    assert len(lines) == 3
    assert all(line.startswith("GET /mail/confirm/{token} failed: ") for line in lines)
    assert PRIVATE not in caplog.text


def test_what_nobody_expected_goes_on_to_the_server_which_logs_it() -> None:
    client = raising(ZeroDivisionError("by nought"))
    client = TestClient(client.app, HOST)  # as a server, it is given what was raised
    with pytest.raises(ZeroDivisionError, match="by nought"):
        client.get("/mail/confirm/x")


# The table is complete, and the only one


def modules() -> list[str]:
    return [each.name for each in pkgutil.walk_packages(core.web.__path__, "core.web.")]


def test_every_exception_of_the_web_has_its_row() -> None:
    ours = {
        value
        for name in modules()
        for value in vars(importlib.import_module(name)).values()
        if isinstance(value, type) and issubclass(value, Exception)
        if value.__module__.startswith("core.web.")
    }
    assert {Forbidden, NotFound} <= ours
    assert ours <= set(EXCEPTION_HANDLERS)


def test_every_row_was_tried_above() -> None:
    tried = {type(error) for error, _status, _detail in CASES}
    missing = {
        row for row in EXCEPTION_HANDLERS if not any(issubclass(each, row) for each in tried)
    }
    assert not missing


def test_nothing_else_in_the_web_makes_an_error_by_hand() -> None:
    by_hand = set()
    for name in modules():
        path = Path(str(importlib.import_module(name).__file__))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Response"):
                numbers = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
                if any(isinstance(each, int) and 400 <= each < 600 for each in numbers):
                    by_hand.add(name)
    assert by_hand == {"core.web.app.health"}  # its 503 has a body of its own


# In front of the routes


def parts() -> AppParts:
    def down() -> NoReturn:
        raise DatabaseUnavailable("It does not answer.")

    return AppParts(down, Identity("key", days=30, secure=False))


@pytest.mark.parametrize("path", ["/create", "/gallery/more", "/a/b/c", f"/{'x' * 3_000}"])
def test_an_unknown_address_is_a_page_for_people(path: str) -> None:
    client = browser_of(served(parts()))
    page = client.get(path, headers=PEOPLE)
    assert page.status_code == 404
    assert "<h1>There is nothing here</h1>" in page.text
    home = "../" * (path.count("/") - 1) or "./"
    assert f'href="{home}"' in page.text
    program = client.get(path)
    assert (program.status_code, program.json()["title"]) == (404, "Not Found")


def test_a_method_that_an_address_does_not_have_is_the_same_page() -> None:
    client = browser_of(served(parts()))
    page = client.get("/auth/logout", headers=PEOPLE)
    assert page.status_code == 405
    assert "<h1>There is nothing here</h1>" in page.text


def test_health_says_what_is_down_in_its_own_words() -> None:
    response = browser_of(served(parts())).get("/health", headers=PEOPLE)
    assert response.status_code == 503
    assert response.json()["database"] == "does not answer"
