"""Create, without a browser: what addresses fill in, what is sent, and what is said."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.media.folder import FolderStore
from core.models import Asset, AssetState, Cost, InvalidInput, Job, Kind
from core.providers.base import Capability, Option
from core.providers.registry import Catalogue
from core.settings import Settings
from core.store import Store
from core.studio.order import Order
from core.studio.planning import plan
from core.studio.variations import vary
from core.web.resources import WebStudio, studio
from tests.catalogue import illustrator_only
from tests.conftest import claim, stored_job
from tests.contract.fakes import FakeProvider
from tests.integration.test_web_pages import ROOT, opened, send, shown, trigger
from tests.servers.openai import application
from tests.servers.wire import VendorRecords, serving
from tests.web import app_of, browser_of, log_in, studio_of

SHAPES = {"1:1": (64, 64), "16:9": (128, 72)}


class Paid(FakeProvider):
    """Two models for images, of which one has less to choose, and one for clips."""

    name, title = "paid", "Paid"

    def capabilities(self) -> Sequence[Capability]:
        quality = Option(name="quality", title="Quality", choices=("low", "high"))
        price = {"paid": True, "cost": Cost(estimated=0.1)}
        image: dict[str, Any] = {"kind": Kind.IMAGE} | price
        clip: dict[str, Any] = {"kind": Kind.VIDEO} | price
        return (
            Capability(model="rich", ratios=SHAPES, options=(quality,), max_prompt=100, **image),
            Capability(model="plain", ratios={"1:1": (64, 64)}, seed="none", **image),
            Capability(model="clips", ratios=SHAPES, seconds=(4, 8), default_seconds=4, **clip),
        )


@pytest.fixture
def paid(monkeypatch: pytest.MonkeyPatch, page_studio: WebStudio) -> Iterator[WebStudio]:
    """The studio with a provider that costs money, and a budget."""
    assert page_studio.settings
    catalogue = Catalogue({"paid": Paid()})
    monkeypatch.setattr("core.studio.studio.open_catalogue", lambda _settings: catalogue)
    monkeypatch.setenv("BUDGETS", '{"USD": 1.5, "credits": 100}')
    studio.clear()
    yield studio()
    studio().store.close()


def box(app: AppTest) -> dict[str, Any]:
    return shown(app)["create_prompt"]


def messages(app: AppTest) -> list[str]:
    """What is said about the address; nobody works in these tests, which is said as well."""
    return [each.value for each in app.warning if "No worker serves" not in each.value]


def labels(app: AppTest) -> set[str]:
    drawn = [*app.selectbox, *app.number_input, *app.pills]
    return {each.label for each in drawn if each.key.startswith("create-")}


def done(store: Store, **more: Any) -> tuple[Job, Asset]:
    """Store a job whose first image is finished."""
    job, assets = plan(Order(user_id="ana", prompt="the sea", **more), illustrator_only())
    asset = assets[0].model_copy(update={"state": AssetState.DONE, "width": 64, "height": 64})
    store.jobs.create(job, [asset, *assets[1:]])
    return job, asset


@pytest.mark.usefixtures("page_studio")
def test_a_link_fills_the_form_and_the_box() -> None:
    query = {"prompt": "a <b>fox</b>", "images": "7", "ratio": "16:9", "style": "oil", "seed": "0"}
    app = opened("create", **query)
    assert box(app)["prompt"] == "a <b>fox</b>"
    assert box(app)["token"]
    assert app.number_input(key="create-create-images").value == 7
    assert app.selectbox(key="create-create-ratio").value == "16:9"
    assert app.pills(key="create-create-style").value == "oil"
    assert app.number_input(key="create-create-seed").value == 0
    assert box(app)["address"] == {name: query[name] for name in query if name != "prompt"}
    assert messages(app) == []


@pytest.mark.usefixtures("page_studio")
@pytest.mark.parametrize(
    "query",
    [
        {"images": "-1"},
        {"images": "7 OR 1=1", "ratio": "<img src=x>"},
        {"image_model": "$where", "seconds": "\x00", "style": "../../etc"},
        {"prompt": "x" * 20_000, "images": "5"},
        {"remix": "no-such-item"},
        {"like": "\ufffd\u202e"},
        {"animate": ""},
        {"upscale": "x" * 5000},
    ],
)
def test_what_a_link_cannot_ask_for_is_said_in_one_sentence(query: dict[str, str]) -> None:
    app = opened("create", **query)
    assert [each[-1] for each in messages(app)] == ["."]
    assert not app.exception
    assert box(app)["address"] == {}
    assert box(app)["prompt"] == ""
    app.run()
    assert messages(app) == []  # once


@pytest.mark.usefixtures("page_studio")
def test_the_form_keeps_its_state_on_other_pages_and_with_addresses_of_its_own() -> None:
    app = opened("create")
    app.number_input(key="create-create-images").set_value(8).run()
    app.selectbox(key="create-create-seconds").set_value(3).run()
    assert box(app)["address"] == {"images": "8", "seconds": "3"}
    app.query_params["images"] = "8"  # the browser has not heard of the last change yet
    app.number_input(key="create-create-videos").set_value(6).run()
    assert box(app)["address"] == {"images": "8", "videos": "6", "seconds": "3"}
    app.query_params.clear()
    app.switch_page(str(ROOT / "pages" / "gallery.py")).run()
    app.switch_page(str(ROOT / "pages" / "create.py")).run()
    assert app.number_input(key="create-create-images").value == 8
    assert box(app)["address"] == {"images": "8", "videos": "6", "seconds": "3"}


@pytest.mark.usefixtures("paid")
def test_only_what_the_chosen_models_have_is_shown() -> None:
    app = opened("create")
    common = {"Images", "Images by", "Videos", "Videos by", "Style"}
    assert labels(app) == common | {"Aspect ratio", "Clip length", "Seed", "Quality (Images)"}
    app.selectbox(key="create-create-ratio").set_value("16:9").run()
    app.selectbox(key="create-create-image.quality").set_value("high").run()
    app.selectbox(key="create-create-image_model").set_value("paid/plain").run()
    assert labels(app) == common | {"Aspect ratio", "Clip length", "Seed"}
    assert app.selectbox(key="create-create-ratio").value == ""  # both make 1:1 alone
    app.selectbox(key="create-create-image_model").set_value("paid/rich").run()
    assert app.selectbox(key="create-create-ratio").value == "16:9"
    assert box(app)["address"] == {"ratio": "16:9", "image.quality": "high"}
    assert not app.exception


def test_the_estimate_follows_the_form_and_the_budget(paid: WebStudio) -> None:
    app = opened("create")
    assert box(app)["expected"] == "About $1.00. $1.50 of this month's budget left."
    app.number_input(key="create-create-images").set_value(9).run()
    assert box(app)["expected"].startswith("About $1.40.")
    assert not box(app)["beyond"]
    send(app, "a fox")
    assert len(paid.store.jobs.of_user("ana")) == 1
    app = opened("create")
    assert box(app)["beyond"]
    app = send(app, "another fox")
    [refusal] = [each.value for each in app.error]
    assert refusal.startswith("Of your budget of 1.5 USD a month, 0.1 USD is left")
    assert box(app)["token"] == ""  # what was written stays
    assert len(paid.store.jobs.of_user("ana")) == 1


@pytest.fixture
def unpriced(monkeypatch: pytest.MonkeyPatch, page_studio: WebStudio) -> Iterator[WebStudio]:
    """The studio with a provider that does not say what it charges, and a chat model."""
    assert page_studio.settings
    catalogue = Catalogue({"fake": FakeProvider(paid=True)})
    monkeypatch.setattr("core.studio.studio.open_catalogue", lambda _settings: catalogue)
    monkeypatch.setenv("BUDGETS", '{"USD": 1.509}')
    studio.clear()
    yield studio()
    studio().store.close()


def test_what_nobody_knows_the_cost_of_is_said_to_hold_the_budget(unpriced: WebStudio) -> None:
    app = opened("create")
    unknown = "What the images and videos cost is not known beforehand."
    assert box(app)["expected"] == (
        f"{unknown} $1.50 of this month's budget left. "
        "This order holds $1.50 until its cost is known."
    )
    assert not box(app)["beyond"]
    send(app, "a fox")
    app = opened("create")
    assert box(app)["expected"] == (
        f"{unknown} $1.50 of this month's budget on hold: items of unknown cost come first."
    )
    assert box(app)["beyond"]
    app = send(app, "another fox")
    [refusal] = [each.value for each in app.error]
    assert refusal.startswith("Of your budget of 1.509 USD a month, 1.509 USD is left, but it is")
    assert len(unpriced.store.jobs.of_user("ana")) == 1


def test_what_the_admin_assumes_is_said(
    unpriced: WebStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSUMED_COSTS", '{"fake/tiny": 0.1}')
    unpriced.store.close()
    studio.clear()
    app = opened("create")
    assert box(app)["expected"] == (
        "What the images and videos cost is not known beforehand. Until it is known, it counts as "
        "$1.00 in your budget. $1.50 of this month's budget left."
    )
    send(app, "a fox")
    app = opened("create")
    assert "$0.50 of this month's budget left." in box(app)["expected"]
    assert box(app)["beyond"]


def test_variations_count_in_the_budget_and_are_not_asked_for_beyond_it(
    unpriced: WebStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(application(VendorRecords("sk-key"))) as url:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-key")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        monkeypatch.setenv("OPENAI_CHAT_MODEL", "chat")
        monkeypatch.setenv("ASSUMED_COSTS", '{"openai/chat": 0.5}')
        unpriced.store.close()
        studio.clear()
        for _ in range(3):
            assert vary(studio(), "ana", "a fox", Kind.IMAGE, 3)
        assert studio().store.budgets.spent("ana") == {"USD": 1.5}
        with pytest.raises(InvalidInput, match=r"0.009 USD is left.* cost 0.5 USD"):
            vary(studio(), "ana", "a fox", Kind.IMAGE, 3)
        monkeypatch.setenv("OPENAI_API_KEY", "wrong")
        studio().store.close()
        studio.clear()
        with pytest.raises(InvalidInput, match="key"):
            vary(studio(), "eve", "a fox", Kind.IMAGE, 3)
        assert studio().store.budgets.spent("eve") == {}


def test_how_long_it_takes_is_said_where_it_is_known(page_studio: WebStudio, store: Store) -> None:
    assert "Ready" not in box(opened("create"))["expected"]
    _, assets = stored_job(store, "eve")
    for asset in (assets[0], assets[5]):
        claimed = claim(store, asset.id)
        assert claimed is not None
        store.transitions.submitting(claimed)
        store.transitions.done(claimed, {"path": "x", "bytes": 1})
    page_studio.store.eta.forget()  # it remembers for some seconds
    assert box(opened("create"))["expected"] == "Ready in a few seconds."


@pytest.mark.usefixtures("page_studio")
def test_who_stays_can_order_the_next_at_once(store: Store) -> None:
    app = opened("create")
    asked = {"at": 1.0, "name": "stay", "on": True}
    trigger(app, "create_prompt", "ask", json.dumps(asked))
    store.users.ensure("ana")
    trigger(app, "create_prompt", "ask", json.dumps(asked | {"at": 2.0}))
    assert box(app)["stay"]
    app.number_input(key="create-create-images").set_value(6).run()
    first = send(app, "a fox")
    assert box(first)["sent"]["text"] == "“a fox” is being made."
    assert (box(first)["prompt"], bool(box(first)["token"])) == ("", True)
    assert box(first)["address"] == {"images": "6"}
    token = box(first)["token"]
    second = send(first, "a hare")
    assert box(second)["token"] != token
    jobs = store.jobs.of_user("ana")
    assert [(job.prompt, job.requested.images) for job in jobs] == [("a hare", 6), ("a fox", 6)]
    assert box(second)["sent"]["href"] == f"/job?id={jobs[0].id}"
    assert [card["id"] for card in shown(second)["recent_jobs"]["cards"]] == [
        job.id for job in jobs
    ]
    assert box(opened("create"))["stay"]


@pytest.mark.usefixtures("page_studio")
def test_a_click_that_is_told_twice_is_one_order(store: Store) -> None:
    store.users.ensure("ana")
    store.users.set_preferences("ana", stay=True)
    app = send(opened("create"), "a fox", at=5.0)
    send(app, "a fox", at=5.0)
    assert len(store.jobs.of_user("ana")) == 1
    send(app, "a fox", at=6.0)
    assert len(store.jobs.of_user("ana")) == 2


@pytest.mark.usefixtures("page_studio")
def test_remix_takes_everything_and_more_like_this_all_but_the_seed(store: Store) -> None:
    _, asset = done(store, images=6, style="oil", seconds=3, seed=77)
    app = opened("create", remix=asset.id)
    assert box(app)["prompt"] == "the sea"
    assert box(app)["address"] == {"images": "6", "style": "oil", "seconds": "3", "seed": "77"}
    app = opened("create", like=asset.id)
    assert box(app)["address"] == {"images": "6", "style": "oil", "seconds": "3"}
    send(app, "the sea")
    again = store.jobs.of_user("ana")[0]
    assert (again.options.style, again.options.seconds) == ("oil", 3)
    assert again.options.seed != 77


@pytest.mark.usefixtures("page_studio")
@pytest.mark.parametrize("name", ["remix", "like", "animate", "upscale"])
def test_nobody_goes_on_from_somebody_elses_item(store: Store, name: str) -> None:
    _, assets = stored_job(store, "eve", "a secret")
    app = opened("create", **{name: assets[0].id})
    assert messages(app) == ["The item that this link is about is not among yours."]
    assert "secret" not in json.dumps(shown(app))


@pytest.mark.usefixtures("paid")
def test_a_model_that_is_not_offered_any_more_is_named(store: Store) -> None:
    _, asset = done(store, style="oil")
    app = opened("create", remix=asset.id)
    [sentence] = messages(app)
    assert "Images by, Videos by" in sentence
    assert box(app)["address"]["style"] == "oil"


@pytest.mark.usefixtures("page_studio")
def test_an_image_is_animated_and_upscaled_by_its_own_form(store: Store) -> None:
    _, asset = done(store)
    app = opened("create", animate=asset.id)
    assert [each.value for each in app.title] == ["What should happen in this image?"]
    assert box(app)["address"] == {"animate": asset.id}
    assert "Images" not in labels(app)
    send(app, "it turns")
    job = store.jobs.of_user("ana")[0]
    assert [each.source for each in store.assets.of_job(job.id)] == [asset.id]
    app = opened("create", upscale=asset.id)
    assert (box(app)["written"], box(app)["button"]) == (False, "Upscale")
    assert any("64 × 64 pixels become 128 × 128" in each.value for each in app.caption)
    send(app, "")
    job = store.jobs.of_user("ana")[0]
    assert (job.prompt, job.requested.images, job.requested.videos) == ("the sea", 1, 0)
    app = opened("create", remix=store.assets.of_job(job.id)[0].id)
    assert box(app)["address"] == {"upscale": asset.id}


@pytest.mark.usefixtures("page_studio")
def test_from_an_image_back_to_something_new() -> None:
    app = opened("create", animate="none")
    assert [each.value for each in app.title] == ["What would you like to see?"]


def test_how_long_a_prompt_may_be_goes_by_the_models_and_the_style(paid: WebStudio) -> None:
    assert paid.catalogue
    app = opened("create", style="pixel")
    added = len(", pixel art, limited palette")
    assert {"most": 100 - added, "units": "characters"} in box(app)["limits"]


def test_earlier_prompts_are_ones_own_and_each_once(
    settings: Settings, store: Store, content: FolderStore
) -> None:
    with browser_of(app_of(studio_of(settings, store, content))) as client:
        assert client.get("/prompts").status_code == 401
        assert client.get("/prompts/surprise").status_code == 401
        log_in(client, "ana")
        assert client.get("/prompts").json() == {"prompts": []}
        for prompt in ("the sea", "a <b>fox</b>", "the sea"):
            stored_job(store, "ana", prompt)
        for number in range(60):
            stored_job(store, "eve", f"secret {number}")
        response = client.get("/prompts")
        assert response.json() == {"prompts": ["the sea", "a <b>fox</b>"]}
        assert response.headers["cache-control"] == "no-store"
        deleted, _ = stored_job(store, "ana", "what is to be forgotten")
        store.job_actions.cancel(deleted.id, "ana")
        store.bin.put_job("ana", deleted.id)
        assert client.get("/prompts").json() == response.json()
        surprise = client.get("/prompts/surprise?language=de").json()["prompt"]
        assert surprise.startswith("Ein")
        log_in(client, "eve")
        assert client.get("/prompts").json()["prompts"][0] == "secret 59"
        assert len(client.get("/prompts").json()["prompts"]) == 50
