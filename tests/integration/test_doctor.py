"""What `doctor` says of links and of the ways in which users are told."""

from typing import Any, cast

import httpx2
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from core.doctor import Finding, _budgets, examine
from core.generation.generators import open_catalogue
from core.settings import OpenAIServer, Settings
from core.store import DatabaseUnavailable, Store
from core.web.health import health_routes
from core.web.studio import Studio
from tests.product import free_port
from tests.servers.wire import serving


def web(store: Store) -> Starlette:
    class Pages:
        """As much of a studio as the route asks for."""

        def __init__(self) -> None:
            self.store = store

    return Starlette(routes=health_routes(lambda: cast(Studio, Pages())))


def finding(settings: Settings, name: str, **changed: Any) -> Finding:
    found = {each.name: each for each in examine(settings.model_copy(update=changed))}
    return found[name]


def test_links_that_lead_here_are_in_order(settings: Settings, store: Store) -> None:
    with serving(web(store)) as url:
        found = finding(settings, "links", public_url=url)
        assert found.ok, found.text
        assert found.text == f"start with {url}, which leads here"
        local = finding(settings, "links", port=int(url.rsplit(":", 1)[1]))
        assert local.ok, local.text
        assert "for this machine only" in local.text


def test_a_wrong_address_is_said(settings: Settings, store: Store) -> None:
    assert store.ping()
    with serving(Starlette(routes=[Route("/health", lambda _: PlainTextResponse("ok"))])) as url:
        found = finding(settings, "links", public_url=url)
    assert not found.ok
    assert found.text == f"{url} does not lead to this Fivefold. Is PUBLIC_URL right?"
    closed = f"http://127.0.0.1:{free_port()}"
    found = finding(settings, "links", public_url=closed)
    assert not found.ok
    assert "cannot be reached from here" in found.text


@pytest.mark.parametrize(
    "changed", [{"smtp_host": "mail.example.org", "mail_from": "a@x.org"}, {"bind_address": "::"}]
)
def test_a_missing_address_is_said_where_others_get_links(
    settings: Settings, store: Store, changed: dict[str, str]
) -> None:
    with serving(web(store)) as url:
        found = finding(settings, "links", port=int(url.rsplit(":", 1)[1]), **changed)
    assert not found.ok
    assert "Set PUBLIC_URL" in found.text


def test_every_way_to_be_told_is_tried(settings: Settings, store: Store) -> None:
    assert store.ping()
    assert finding(settings, "told by app").ok
    assert finding(settings, "told by terminal").ok
    port = free_port()
    mail = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_password": SecretStr("s3cret")}
    found = finding(settings, "told by email", mail_from="a@x.org", **mail)
    assert not found.ok
    assert f"127.0.0.1:{port}" in found.text
    assert "s3cret" not in found.text


def test_health_says_which_installation_it_is_and_when_the_database_is_gone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> Studio:
        raise DatabaseUnavailable("It does not answer.")

    with serving(web(store)) as url:
        answer = httpx2.get(f"{url}/health", trust_env=False)
    assert answer.json() == {"installation": store.installation()}
    with serving(Starlette(routes=health_routes(gone))) as url:
        assert httpx2.get(f"{url}/health", trust_env=False).status_code == 503
    monkeypatch.setattr(store, "ping", gone)
    with serving(web(store)) as url:
        assert httpx2.get(f"{url}/health", trust_env=False).status_code == 503


def priced(**changed: Any) -> Finding:
    """What is said of budgets where OpenAI's images cost dollars that nobody knows beforehand."""
    server = OpenAIServer(base_url="http://127.0.0.1:9/v1", image_models=("fox-1",), paid=True)
    settings = Settings(openai_servers={"ours": server}, **changed)
    try:
        return Finding("budgets", ok=True, text=_budgets(settings, open_catalogue(settings)))
    except LookupError as error:
        return Finding("budgets", ok=False, text=str(error))


def test_what_budgets_bind_is_said() -> None:
    assert priced().text == "none: what users spend has no bound (BUDGETS)"
    told = priced(budgets={"USD": 20})
    assert told.ok
    assert told.text.startswith("20 USD a month for each user. Not known beforehand")
    assert "ours/fox-1" in told.text
    assumed = priced(budgets={"USD": 20}, assumed_costs={"ours": 0.2})
    assert assumed.text == "20 USD a month for each user"


@pytest.mark.parametrize(
    "changed",
    [
        {"budgets": {"usd": 20}},
        {"budgets": {"USD": 20, "credits": 3}},
        {"budgets": {"USD": 20}, "assumed_costs": {"ours/fox-2": 0.2}},
        {"budgets": {"USD": 20}, "assumed_costs": {"illustrator": 0.2}},
    ],
)
def test_what_binds_nothing_is_a_finding(changed: dict[str, Any]) -> None:
    found = priced(**changed)
    assert not found.ok
    assert "binds nothing" in found.text
