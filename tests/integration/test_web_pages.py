import json
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import AutoReconnect
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from core.models import AssetError, AssetState, JobStatus
from core.store import Store
from core.store.jobs import JobStore
from core.web.board import GENERATING
from core.web.studio import studio
from tests.conftest import claim, stored_job

pytestmark = pytest.mark.usefixtures("page_studio")
ROOT = Path(__file__).parents[2]


def opened(page: str, user: str | None = "ana", /, **query: str) -> AppTest:
    app = AppTest.from_file(ROOT / "core" / "web" / "script.py", default_timeout=30)
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


def ask(app: AppTest, *asked: tuple[float, str, str | None]) -> AppTest:
    """Click buttons of the board: when, what they ask for, and about which item."""
    [proto] = [
        each.proto
        for each in app.get("bidi_component")
        if each.proto.component_name == "fivefold_board"
    ]
    value = json.dumps([{"at": at, "name": name, "on": on} for at, name, on in asked])
    click = WidgetState(
        id=f"$$STREAMLIT_INTERNAL_KEY_{proto.id}__events",
        json_trigger_value=json.dumps([{"event": "ask", "value": value}]),
    )
    states = app._tree.get_widget_states()  # noqa: SLF001  # AppTest clicks on no component
    states.widgets.append(click)
    return app._run(states)  # noqa: SLF001


def states_of(store: Store, job_id: str) -> list[AssetState]:
    return [asset.state for asset in store.assets.of_job(job_id)]


def send(app: AppTest, prompt: str) -> AppTest:
    app.text_area(key="prompt").set_value(prompt)
    [button] = [each for each in app.button if each.label == "Create"]
    return button.click().run()


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
    assert shown(app)["board"]["job"]["sentence"] == GENERATING
    assert shown(app)["board"]["job"]["prompt"] == prompt


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
    assert app.text_area(key="prompt").value == prompt
    assert store.jobs.of_user("ana") == []


def test_somebody_new_is_invited_with_examples() -> None:
    app = opened("create")
    assert "shelf" not in shown(app)
    example = app.button[-1]
    example.click().run()
    assert app.text_area(key="prompt").value == example.label
    assert any("not an AI model" in each.value for each in app.caption)


def test_the_first_page_shows_ones_own_jobs_only(store: Store) -> None:
    mine, _ = stored_job(store, "ana")
    stored_job(store, "eve")
    [card] = shown(opened("create"))["shelf"]["cards"]
    assert card["id"] == mine.id


def test_somebody_elses_job_looks_like_one_that_never_was(store: Store) -> None:
    theirs, _ = stored_job(store, "eve")
    pages = [opened("job", id=job_id) for job_id in (theirs.id, "never-was", "")]
    assert [[each.value for each in app.header] for app in pages] == [["There is nothing here"]] * 3
    assert all(set(shown(app)) == {"masthead"} for app in pages)
    assert store.views.of_user("ana") == []


def test_items_are_cancelled_and_tried_again_each_click_once(store: Store) -> None:
    job, [first, second, *_] = stored_job(store, "ana")
    app = opened("job", id=job.id)
    first_click, second_click = (5.0, "cancel", first.id), (6.0, "cancel", second.id)
    ask(app, first_click)
    assert shown(app)["board"]["heard"] == 5.0
    ask(app, first_click, second_click)
    assert states_of(store, job.id).count(AssetState.CANCELLED) == 2
    ask(app, (7.0, "retry", first.id))
    ask(app, second_click, (8.0, "cancel", first.id), (9.0, "retry", first.id))
    assert states_of(store, job.id).count(AssetState.CANCELLED) == 1
    ask(app, (10.0, "cancel", first.id))
    labels = [tile["label"] for tile in shown(app)["board"]["sections"][1]["items"]]
    assert labels == ["Cancelled", "Cancelled", "Waiting", "Waiting", "Waiting"]
    assert not app.exception


def test_a_whole_job_is_cancelled_and_begins_again(store: Store) -> None:
    job, _ = stored_job(store, "ana")
    app = opened("job", id=job.id)
    ask(app, (1.0, "cancel", None))
    heading = shown(app)["board"]["job"]
    assert (heading["status"], heading["active"]) == ("Cancelled", False)
    ask(app, (2.0, "retry", None))
    assert shown(app)["board"]["job"]["sentence"] == GENERATING
    assert set(states_of(store, job.id)) == {AssetState.QUEUED}


def test_what_may_be_charged_twice_is_sent_again_by_its_own_button_only(store: Store) -> None:
    job, [first, *_] = stored_job(store, "ana")
    claimed = claim(store, first.id)
    assert claimed is not None
    store.leases.unknown(claimed, AssetError(code="outcome_unknown", message="No answer."))
    app = opened("job", id=job.id)
    ask(app, (1.0, "retry", None), (2.0, "retry", first.id))
    assert states_of(store, job.id).count(AssetState.UNKNOWN) == 1
    ask(app, (3.0, "resend", first.id))
    assert set(states_of(store, job.id)) == {AssetState.QUEUED}


def test_nobody_acts_on_somebody_elses_job(store: Store) -> None:
    mine, _ = stored_job(store, "ana")
    theirs, [item, *_] = stored_job(store, "eve")
    ask(opened("job", id=mine.id), (1.0, "cancel", item.id))
    for job in (mine, theirs):
        assert set(states_of(store, job.id)) == {AssetState.QUEUED}


def test_a_click_that_the_database_refuses_gives_a_sentence(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise AutoReconnect

    job, _ = stored_job(store, "ana")
    app = opened("job", id=job.id)
    with monkeypatch.context() as refusing:
        refusing.setattr(JobStore, "cancel", refuse)
        ask(app, (1.0, "cancel", None))
    assert [each.value for each in app.toast] == [
        "The database does not answer. Nothing is lost; please try again in a minute."
    ]
    assert shown(app)["board"]["job"]["active"]
    ask(app, (2.0, "cancel", None))
    assert set(states_of(store, job.id)) == {AssetState.CANCELLED}


def test_a_visit_is_logged_once_however_often_the_page_is_drawn(store: Store) -> None:
    job, _ = stored_job(store, "ana")
    app = opened("job", id=job.id)
    app.run().run()
    assert [entry.action for entry in store.views.of_user("ana")] == ["open_job"]
    app.switch_page(str(ROOT / "pages" / "gallery.py")).run().run()
    app.query_params["id"] = job.id
    app.switch_page(str(ROOT / "pages" / "job.py")).run()
    actions = [entry.action for entry in reversed(store.views.of_user("ana"))]
    assert actions == ["open_job", "open_gallery", "open_job"]


def test_a_database_that_fails_gives_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    studio.clear()
    monkeypatch.delenv("MONGODB_URI")
    app = opened("gallery")
    assert [each.value for each in app.header] == ["We cannot reach your work right now"]
