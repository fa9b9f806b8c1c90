"""Create orders what it showed, of what is offered now, or nothing with a sentence."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from core.models import Cost, Kind, Task
from core.providers.base import Capability
from core.providers.registry import Catalogue
from core.store import Store
from core.web.create.submit import NOT_OFFERED, TERMS_CHANGED
from core.web.http.socket_limits import MESSAGE_BYTES
from core.web.resources import WebStudio, studio
from tests.catalogue import illustrator_only
from tests.contract.fakes import FakeProvider
from tests.integration.test_web_pages import event_of, opened, send, shown, trigger

SHAPES = {"1:1": (64, 64), "16:9": (128, 72)}


class Paid(FakeProvider):
    """A provider whose images cost money."""

    name, title = "paid", "Paid"
    price = 0.25

    def capabilities(self) -> Sequence[Capability]:
        cost = Cost(estimated=self.price)
        return (
            Capability(kind=Kind.IMAGE, model="rich", ratios=SHAPES, paid=True, cost=cost),
            Capability(kind=Kind.IMAGE, model="other", ratios=SHAPES, paid=True, cost=cost),
        )


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch, page_studio: WebStudio) -> Iterator[Catalogue]:
    """A catalogue of a paid provider, which is preferred, and the illustrator, which is free."""
    assert page_studio.settings
    free = illustrator_only().providers["illustrator"]
    catalogue = Catalogue({"paid": Paid(), "illustrator": free})
    monkeypatch.setattr("core.studio.studio.open_catalogue", lambda _settings: catalogue)
    studio.clear()
    yield catalogue
    studio().store.close()


def offer(monkeypatch: pytest.MonkeyPatch, *providers: Any) -> None:
    """Have other providers from now on, as after a restart."""
    changed = replace(studio(), catalogue=Catalogue({each.name: each for each in providers}))
    for name in (
        "resources",
        "create.page_state",
        "create.prompt_box",
        "create.submit",
        "create.widgets",
    ):
        monkeypatch.setattr(f"core.web.{name}.studio", lambda: changed)


def errors(app: AppTest) -> str:
    return " ".join(each.value for each in app.error)


def forged(app: AppTest, label: str, prompt: str = "the sea", **value: Any) -> AppTest:
    """Send a value for a widget together with the click that orders, in one message."""
    [widget] = [each for each in (*app.selectbox, *app.number_input) if each.label == label]
    order = {"at": time.time(), "name": "create", "prompt": prompt}
    states = app._tree.get_widget_states()  # noqa: SLF001  # no browser sends this
    kept = [each for each in states.widgets if each.id != widget.proto.id]
    del states.widgets[:]
    states.widgets.extend(kept)
    states.widgets.append(WidgetState(id=widget.proto.id, **value))
    states.widgets.append(event_of(app, "create_prompt", "ask", json.dumps(order)))
    return app._run(states)  # noqa: SLF001


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("unknown", ["gone · Nobody", "rich", "", "illustrator-1", "x" * 100_000])
def test_a_model_that_is_not_offered_orders_nothing(store: Store, unknown: str) -> None:
    app = opened("create", image_model="illustrator/illustrator-1")
    assert app.selectbox[0].value == "illustrator/illustrator-1"
    forged(app, "Images by", string_value=unknown)
    assert not app.exception
    assert store.jobs.of_user("ana") == []
    assert NOT_OFFERED[:30] in errors(app)
    forged(app, "Images by", string_value="illustrator-1 · Built-in illustrator")
    [job] = store.jobs.of_user("ana")
    assert {each.provider for each in store.assets.of_job(job.id)} == {"illustrator"}


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("number", [4, 0, -1, 21, 2**60])
def test_a_number_that_cannot_be_chosen_orders_no_more(store: Store, number: int) -> None:
    app = opened("create", image_model="illustrator/illustrator-1")
    forged(app, "Images", int_value=number)
    assert not app.exception
    for job in store.jobs.of_user("ana"):
        assert job.requested.images == 5  # as the page showed it


def test_a_kept_choice_that_is_offered_no_more_orders_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, both: Catalogue
) -> None:
    app = opened("create", image_model="illustrator/illustrator-1")
    kept = app.session_state["create"].values[Task.CREATE]
    kept["image_model"] = "illustrator/of-before"
    send(app, "the sea")
    assert store.jobs.of_user("ana") == []
    assert "Images by" in errors(app)
    assert both
    assert monkeypatch


class Dearer(Paid):
    price = 2.5


@pytest.mark.parametrize("change", ["dearer", "now preferred", "gone", "free no more"])
def test_what_is_offered_otherwise_than_it_was_shown_is_not_ordered(
    store: Store, monkeypatch: pytest.MonkeyPatch, both: Catalogue, change: str
) -> None:
    free, paid = both.providers["illustrator"], both.providers["paid"]
    before, after = {
        "dearer": ((paid, free), (Dearer(), free)),
        "now preferred": ((free,), (paid, free)),
        "gone": ((paid, free), (free,)),
        "free no more": ((free, paid), (paid, free)),
    }[change]
    offer(monkeypatch, *before)
    app = opened("create")
    terms = shown(app)["create_prompt"]["terms"]
    offer(monkeypatch, *after)
    send(app, "the sea")
    assert not app.exception
    assert store.jobs.of_user("ana") == []
    assert TERMS_CHANGED in errors(app)
    assert shown(app)["create_prompt"]["terms"] != terms
    send(app, "the sea", terms=terms)  # a tab that was not drawn anew
    assert store.jobs.of_user("ana") == []
    send(app, "the sea")  # now it was shown
    assert len(store.jobs.of_user("ana")) == 1


@pytest.mark.usefixtures("both")
def test_a_tab_of_before_a_restart_orders_nothing_at_another_price(store: Store) -> None:
    """The browser connects again to a new process; the first that it sends is a click."""
    app = opened("create")
    send(app, "the sea", terms="what another process offered")
    assert store.jobs.of_user("ana") == []
    assert TERMS_CHANGED in errors(app)


@pytest.mark.usefixtures("page_studio")
def test_a_link_that_cannot_be_had_orders_nothing_in_the_same_breath(store: Store) -> None:
    app = opened("create")
    app.query_params["image_model"] = "openai/gpt-of-before"
    send(app, "the sea")
    assert store.jobs.of_user("ana") == []
    send(app, "the sea")
    assert len(store.jobs.of_user("ana")) == 1


@pytest.mark.usefixtures("page_studio")
@pytest.mark.parametrize(
    "event",
    [
        *("", "{", "null", "[]", "7", '"create"', "[" * 5_000, '{"at": 1}', '{"name": "create"}'),
        '{"at": "1", "name": "create", "prompt": "the sea"}',
        '{"at": NaN, "name": "create", "prompt": "the sea"}',
        '{"at": 1e999, "name": "create", "prompt": "the sea"}',
        '{"at": 1, "name": "create", "prompt": null}',
        '{"at": 1, "name": "create", "prompt": ["the sea"]}',
        '{"at": 1, "name": "create", "prompt": "\\ud800"}',
        '{"at": 1, "name": "create", "prompt": "\\u0000"}',
        '{"at": 1, "name": "vary", "prompt": {}}',
        '{"at": 1, "name": "open", "on": "https://evil.example.org"}',
        '{"at": 1, "name": "open", "on": 7}',
        '{"at": 1, "name": "order", "prompt": "the sea"}',
        json.dumps({"at": 1, "name": "create", "prompt": "x" * (MESSAGE_BYTES - 1_000)}),
    ],
)
def test_whatever_the_box_says_it_is_a_sentence_or_nothing(store: Store, event: str) -> None:
    app = opened("create")
    trigger(app, "create_prompt", "ask", event)
    assert not app.exception
    assert store.jobs.of_user("ana") == []
    assert "traceback" not in str(app.main).lower()
    send(app, "the sea")
    assert len(store.jobs.of_user("ana")) == 1


@pytest.mark.usefixtures("page_studio")
def test_a_language_that_there_is_not_is_not_stored(store: Store) -> None:
    store.users.ensure("ana")
    app = opened("account")
    [language] = [each for each in app.selectbox if each.key == "account-language-choice"]
    for value in ("Klingon", "../../etc", "zz", "x" * 100_000):
        states = app._tree.get_widget_states()  # noqa: SLF001
        kept = [each for each in states.widgets if each.id != language.proto.id]
        del states.widgets[:]
        states.widgets.extend([*kept, WidgetState(id=language.proto.id, string_value=value)])
        app._run(states)  # noqa: SLF001
        assert not app.exception
        user = store.users.get("ana")
        assert user is not None
        assert user.language is None
