"""Budgets, against a real MongoDB."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from core.models import Asset, AssetState, Cost, InvalidInput, Job, now
from core.settings import InvalidSetting, Settings, load_settings
from core.store import Store, open_store
from core.store.spending.balances import next_month
from core.studio.order import Order
from core.studio.planning import plan
from tests.conftest import claim, stored_job
from tests.contract.fakes import FakeProvider, catalogue_of

BUDGET = 3.0


@pytest.fixture
def with_limits(settings: Settings, store: Store) -> Iterator[Store]:
    """A store with a budget of three dollars a month; an order costs two."""
    assert store.ping()
    with open_store(settings.model_copy(update={"budgets": {"USD": BUDGET}})) as opened:
        yield opened


def change(settings: Settings, asset_id: str, **fields: Any) -> None:
    """Write what a worker would, without one."""
    with MongoClient[Any](settings.mongodb_uri.get_secret_value()) as client:
        assets = client[settings.mongodb_database]["assets"]
        assert assets.update_one({"_id": asset_id}, {"$set": fields}).matched_count


def ordered(store: Store, user: str = "ana", each: float | None = 0.2) -> tuple[Job, list[Asset]]:
    job, assets = plan(Order(user_id=user, prompt="x"), catalogue_of(FakeProvider(paid=True)))
    cost = {"cost": Cost(estimated=each)}
    assets = [asset.model_copy(update=cost) for asset in assets]
    store.jobs.create(job, assets)
    return job, assets


def test_an_order_beyond_the_budget_is_refused_whole_with_what_is_left(with_limits: Store) -> None:
    ordered(with_limits)
    assert with_limits.budgets.spent("ana") == pytest.approx({"USD": 2.0})
    with pytest.raises(InvalidInput, match=r"budget of 3 USD a month, 1 USD is left.* cost 2 USD"):
        ordered(with_limits)
    assert len(with_limits.jobs.of_user("ana")) == 1
    assert with_limits.budgets.left("ana") == pytest.approx({"USD": 1.0})
    ordered(with_limits, "eve")  # each has a budget of their own
    ordered(with_limits, each=0.0)  # what is free is never refused


def test_what_is_cancelled_in_time_or_fails_is_not_spent(
    with_limits: Store, settings: Settings
) -> None:
    job, assets = ordered(with_limits)
    change(settings, assets[0].id, state=str(AssetState.FAILED))
    with_limits.job_actions.cancel(job.id, "ana", assets[1].id)
    assert with_limits.budgets.spent("ana") == pytest.approx({"USD": 1.6})


def test_what_it_cost_counts_and_an_unknown_or_stopped_call_as_expected(
    with_limits: Store, settings: Settings
) -> None:
    _, assets = ordered(with_limits)
    change(settings, assets[0].id, state=str(AssetState.DONE), **{"cost.actual": 0.05})
    change(settings, assets[1].id, state=str(AssetState.FAILED), **{"cost.actual": 0.07})
    change(settings, assets[2].id, state=str(AssetState.UNKNOWN))
    stopped = {"state": str(AssetState.CANCELLED), "timings.submitted_at": now()}
    change(settings, assets[3].id, **stopped)
    assert with_limits.budgets.spent("ana") == pytest.approx({"USD": 0.12 + 8 * 0.2})


def test_making_again_counts_and_is_refused_beyond_the_budget(
    with_limits: Store, settings: Settings
) -> None:
    job, assets = ordered(with_limits)
    for asset in assets:
        failed = {"state": str(AssetState.FAILED), "cost.actual": 0.2}
        change(settings, asset.id, **failed)
    assert with_limits.job_actions.retry(job.id, "ana", assets[0].id) == 1
    assert with_limits.budgets.spent("ana") == pytest.approx({"USD": 2.2})
    with pytest.raises(InvalidInput, match="is left"):
        with_limits.job_actions.retry(job.id, "ana")
    states = [asset.state for asset in with_limits.assets.of_job(job.id)]
    assert states.count(AssetState.FAILED) == 9
    change(settings, assets[1].id, state=str(AssetState.UNKNOWN), **{"cost.estimated": 5.0})
    with pytest.raises(InvalidInput, match="is left"):
        with_limits.job_actions.resend(job.id, "ana", assets[1].id)


@pytest.mark.parametrize("send_again", ["retry", "resend"])
def test_each_call_counts_whose_cost_nobody_said(
    with_limits: Store, settings: Settings, send_again: str
) -> None:
    job, assets = ordered(with_limits)
    again = getattr(with_limits.job_actions, send_again)
    state = AssetState.CANCELLED if send_again == "retry" else AssetState.UNKNOWN

    def stopped() -> None:
        sent = {"state": str(state), "timings.submitted_at": now()}
        change(settings, assets[0].id, **sent)

    for times in range(5):
        stopped()
        assert with_limits.budgets.spent("ana") == pytest.approx({"USD": 2.0 + times * 0.2})
        assert again(job.id, "ana", assets[0].id) == 1
    stopped()
    with pytest.raises(InvalidInput, match="0 USD is left"):
        again(job.id, "ana", assets[0].id)
    found = with_limits.jobs.get(job.id)
    assert found is not None
    assert found.cost == {}  # nobody has said that it was charged


def test_a_budget_is_spent_to_the_last_cent(store: Store, settings: Settings) -> None:
    assert store.ping()
    with open_store(settings.model_copy(update={"budgets": {"USD": 4.1}})) as with_limits:
        ordered(with_limits, each=0.11)
        ordered(with_limits, each=0.1)
        assert with_limits.budgets.left("ana") == {"USD": 2.0}
        ordered(with_limits, each=0.2)  # 4.1 in cents, and a little more in binary fractions
        assert with_limits.budgets.left("ana") == {"USD": 0.0}
        assert with_limits.budgets.spent("ana") == {"USD": 4.1}


def test_two_orders_at_once_do_not_get_past_it_together(with_limits: Store) -> None:
    def one(_: int) -> bool:
        try:
            ordered(with_limits)
        except InvalidInput:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(8))) == 1
    assert with_limits.budgets.spent("ana") == pytest.approx({"USD": 2.0})


def test_a_new_month_brings_a_new_budget(with_limits: Store, settings: Settings) -> None:
    _, assets = ordered(with_limits)
    last_month = now().replace(day=1) - timedelta(days=1)
    for asset in assets:
        change(settings, asset.id, **{"timings.queued_at": last_month})
    assert with_limits.budgets.spent("ana") == {}
    assert (next_month(now()).day, next_month(now()) > now()) == (1, True)


def test_what_was_deleted_stays_spent(with_limits: Store) -> None:
    job, assets = ordered(with_limits)
    for asset in assets:
        with_limits.bin.forget(asset)
    assert with_limits.jobs.get(job.id) is None
    assert with_limits.budgets.spent("ana") == pytest.approx({"USD": 2.0})
    with pytest.raises(InvalidInput, match="is left"):
        ordered(with_limits)


def test_what_the_last_ones_cost_is_expected_of_the_next(
    with_limits: Store, settings: Settings
) -> None:
    _, assets = ordered(with_limits, each=None)
    claimed = claim(with_limits, assets[0].id)
    assert claimed is not None
    with_limits.transitions.done(claimed, {"path": "x", "bytes": 1})
    change(settings, assets[0].id, **{"cost.actual": 0.9})
    with pytest.raises(InvalidInput, match=r"cost 4.5 USD"):  # five images like it
        ordered(with_limits, each=None)


def test_what_nobody_knows_the_cost_of_needs_something_left(
    with_limits: Store, settings: Settings
) -> None:
    _, assets = ordered(with_limits, each=None)
    change(settings, assets[0].id, **{"cost.actual": 3.0})
    with pytest.raises(InvalidInput, match=r"budget of 3 USD a month is spent"):
        ordered(with_limits, each=None)
    stored_job(with_limits)  # what is free goes on


def test_without_a_budget_everything_goes(store: Store) -> None:
    ordered(store, each=1e6)
    assert store.budgets.left("ana") == {}


@pytest.mark.parametrize("value", ["20", '{"USD": -1}', '{"USD": "much"}', "{USD: 20}"])
def test_a_budget_that_is_none_is_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("BUDGETS", value)
    with pytest.raises(InvalidSetting, match="BUDGETS"):
        load_settings()
