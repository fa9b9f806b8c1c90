import json
import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from core.models import JobStatus
from core.store import Store
from core.web.jobs.snapshot import GENERATING
from core.web.resources import studio
from tests.conftest import stored_job

pytestmark = pytest.mark.usefixtures("page_studio")
ROOT = Path(__file__).parents[2]


def opened(page: str, user: str | None = "ana", /, **query: str) -> AppTest:
    app = AppTest.from_file(ROOT / "core" / "web" / "app" / "script.py", default_timeout=120)
    app.user = {"user_id": user}
    app.run()  # registers the pages
    app.query_params.update(query)
    app.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
    assert not app.exception
    return app


def shown(app: AppTest) -> dict[str, dict[str, Any]]:
    """What each component on the page was given to show, by its name."""
    protos = [each.proto for each in app.get("bidi_component")]
    names = [proto.component_name.removeprefix("fivefold_") for proto in protos]
    return dict(zip(names, (json.loads(proto.json) for proto in protos), strict=True))


def event_of(app: AppTest, component: str, event: str, value: str) -> WidgetState:
    """Return an event as a component's script sends it."""
    [proto] = [
        each.proto
        for each in app.get("bidi_component")
        if each.proto.component_name == f"fivefold_{component}"
    ]
    return WidgetState(
        id=f"$$STREAMLIT_INTERNAL_KEY_{proto.id}__events",
        json_trigger_value=json.dumps([{"event": event, "value": value}]),
    )


def trigger(app: AppTest, component: str, event: str, value: str) -> AppTest:
    """Have a component's script send an event."""
    states = app._tree.get_widget_states()  # noqa: SLF001  # AppTest clicks on no component
    states.widgets.append(event_of(app, component, event, value))
    return app._run(states)  # noqa: SLF001


def send(app: AppTest, prompt: str, **more: Any) -> AppTest:
    """Write a prompt into the box on Create and send it."""
    order = {"at": time.time(), "name": "create", "prompt": prompt} | more
    return trigger(app, "create_prompt", "ask", json.dumps(order))


@pytest.mark.parametrize("page", ["create", "gallery", "job"])
def test_nobody_gets_past_the_login(page: str, store: Store) -> None:
    job, _ = stored_job(store, "ana")
    app = opened(page, None, id=job.id)
    assert set(shown(app)) == {"login"}
    path = {"create": "/", "gallery": "/gallery", "job": "/job"}[page]
    assert shown(app)["login"]["next"] == f"{path}?id={job.id}"
    assert not app.title
    assert not app.button


@pytest.mark.parametrize(
    ("wanted", "target"), [("/gallery", "/gallery"), ("https://evil.example.org", "/")]
)
def test_the_login_page_leads_to_our_own_pages_only(wanted: str, target: str) -> None:
    assert shown(opened("login", None, next=wanted))["login"]["next"] == target


def test_an_order_is_stored_and_leads_to_its_page(store: Store) -> None:
    prompt = "  A <b>fox</b> in **snow** 🦊\n"
    app = send(opened("create"), prompt)
    [job] = store.jobs.of_user("ana")
    assert (job.prompt, job.status) == (prompt, JobStatus.PROCESSING)
    assert len(store.assets.of_job(job.id)) == 10
    assert not app.exception
    assert shown(app)["job"]["job"]["sentence"] == GENERATING
    assert shown(app)["job"]["job"]["prompt"] == prompt


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        (" \n ", "Please describe what you would like to see."),
        ("x" * 4001, "A prompt has at most 4,000 characters; this one has 4,001."),
    ],
)
def test_a_prompt_that_cannot_be_is_refused_in_place(
    store: Store, prompt: str, sentence: str
) -> None:
    app = send(opened("create"), prompt)
    assert [each.value for each in app.error] == [sentence]
    assert shown(app)["create_prompt"]["token"] == ""  # the box keeps what it has
    assert store.jobs.of_user("ana") == []


def test_somebody_new_is_invited_with_examples() -> None:
    app = opened("create")
    assert "recent_jobs" not in shown(app)
    example = app.button[-1]
    example.click().run()
    assert shown(app)["create_prompt"]["prompt"] == example.label
    assert any("not an AI model" in each.value for each in app.caption)


def test_the_first_page_shows_ones_own_jobs_only(store: Store) -> None:
    mine, _ = stored_job(store, "ana")
    stored_job(store, "eve")
    [card] = shown(opened("create"))["recent_jobs"]["cards"]
    assert card["id"] == mine.id


def test_somebody_elses_job_looks_like_one_that_never_was(store: Store) -> None:
    theirs, _ = stored_job(store, "eve")
    pages = [opened("job", id=job_id) for job_id in (theirs.id, "never-was", "")]
    assert [[each.value for each in app.header] for app in pages] == [["There is nothing here"]] * 3
    assert all(set(shown(app)) == {"header"} for app in pages)
    assert store.view_log.of_user("ana") == []


def test_a_visit_is_logged_once_however_often_the_page_is_drawn(store: Store) -> None:
    job, _ = stored_job(store, "ana")
    app = opened("job", id=job.id)
    app.run().run()
    assert [entry.action for entry in store.view_log.of_user("ana")] == ["open_job"]
    app.switch_page(str(ROOT / "pages" / "gallery.py")).run().run()
    app.query_params["id"] = job.id
    app.switch_page(str(ROOT / "pages" / "job.py")).run()
    actions = [entry.action for entry in reversed(store.view_log.of_user("ana"))]
    assert actions == ["open_job", "open_gallery", "open_job"]


def test_a_database_that_fails_gives_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    studio.clear()
    monkeypatch.delenv("MONGODB_URI")
    app = opened("gallery")
    assert [each.value for each in app.header] == ["We cannot reach your work right now"]
