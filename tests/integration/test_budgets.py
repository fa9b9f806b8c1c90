"""No way past a budget: unknown costs, many at once, one after the other, deleted accounts.

What counts here is the money that a provider would have charged, which the store is not told.
"""

import multiprocessing
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from core import models
from core.generation.sweeper import remove_accounts
from core.media.folder import FolderStore
from core.providers.base import Outcome
from core.providers.errors import GenerationFailed, RateLimited, RequestRejected
from core.settings import InvalidSetting, Settings, load_settings
from core.store import Store, open_store
from core.store.spending.balances import next_month
from core.studio.order import Order
from core.studio.planning import plan
from tests.conftest import claim
from tests.contract.fakes import FakeProvider, catalogue_of
from tests.integration.job_harness import JobHarness, run

Raw = Database[dict[str, Any]]
Open = Callable[..., Store]

ITEMS: Final = 10
ERROR: Final = models.AssetError(code="x", message="It failed.")


@pytest.fixture
def raw(store: Store, settings: Settings) -> Iterator[Raw]:
    assert store.ping()
    with MongoClient[Any](settings.mongodb_uri.get_secret_value(), tz_aware=True) as client:
        yield client[settings.mongodb_database]


@pytest.fixture
def with_budget(store: Store, settings: Settings) -> Iterator[Open]:
    """Opens stores on one database, each as a process with these settings would."""
    assert store.ping()
    opened: list[Store] = []

    def with_settings(budgets: dict[str, float], assumed: dict[str, float] | None = None) -> Store:
        changed = {"budgets": budgets, "assumed_costs": assumed or {}}
        opened.append(open_store(settings.model_copy(update=changed)))
        return opened[-1]

    yield with_settings
    for each in opened:
        each.close()


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accounts are removed without waiting for what may still be going on."""
    monkeypatch.setattr("core.store.accounts.account_deletion.QUIET_SECONDS", -1)
    monkeypatch.setattr("core.store.accounts.account_deletion.SETTLED_SECONDS", -1)


def planned(
    each: float | None = None, user: str = "ana", unit: str = "USD", **order: Any
) -> tuple[models.Job, list[models.Asset]]:
    job, assets = plan(Order(user_id=user, prompt="x", **order), catalogue_of(FakeProvider()))
    cost = {"cost": models.Cost(estimated=each, unit=unit)}
    return job, [asset.model_copy(update=cost) for asset in assets]


def ordered(
    store: Store, each: float | None = None, **order: Any
) -> tuple[models.Job, list[models.Asset]]:
    job, assets = planned(each, **order)
    store.jobs.create(job, assets)
    return job, assets


def made(store: Store, asset: models.Asset, **learnt: Any) -> None:
    """Make an item as a worker does; `actual` is what its provider says that it cost."""
    fields = {f"cost.{name}": value for name, value in learnt.items()}
    claimed = claim(store, asset.id)
    assert claimed is not None
    store.transitions.submitting(claimed)
    store.transitions.running(claimed, None)
    store.transitions.saving(claimed, fields)
    store.transitions.done(claimed, {"path": "x", "bytes": 1})
    store.settlement.settle(asset.job_id)


def failed(store: Store, asset: models.Asset, *, taken: bool = True, **learnt: Any) -> None:
    fields = {f"cost.{name}": value for name, value in learnt.items()}
    claimed = claim(store, asset.id)
    assert claimed is not None
    store.transitions.submitting(claimed)
    if taken:
        store.transitions.running(claimed, None)
    store.transitions.failed(claimed, ERROR, fields=fields)
    store.settlement.settle(asset.job_id)


def unknown(store: Store, asset: models.Asset) -> None:
    claimed = claim(store, asset.id)
    assert claimed is not None
    store.transitions.submitting(claimed)
    store.transitions.unknown(claimed, ERROR)
    store.settlement.settle(asset.job_id)


def items(store: Store, user: str = "ana") -> int:
    """Return how many items were ordered."""
    jobs = store.jobs.of_user(user, 1000)
    return sum(len(store.assets.of_job(job.id)) for job in jobs)


def _orders(settings: Settings, number: int, each: float | None) -> None:
    """Order from a process of its own, from several threads."""

    def one(_: int) -> None:
        with suppress(models.InvalidInput):
            ordered(store, each)

    with open_store(settings) as store, ThreadPoolExecutor(number) as pool:
        list(pool.map(one, range(number)))


def at_once(settings: Settings, number: int, each: float | None = None, processes: int = 2) -> None:
    """Place so many orders at once, from several processes and threads."""
    context = multiprocessing.get_context("spawn")
    share = number // processes
    children = [
        context.Process(target=_orders, args=(settings, share, each)) for _ in range(processes)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * processes


def test_fifty_orders_of_unknown_cost_at_once_are_one(store: Store, settings: Settings) -> None:
    at_once(settings.model_copy(update={"budgets": {"USD": 1.0}}), 50)
    assert items(store) == ITEMS


@pytest.mark.parametrize("each", [0.1, None])
def test_fifty_orders_at_once_cost_no_more_than_the_budget(
    store: Store, settings: Settings, each: float | None
) -> None:
    changed = {"budgets": {"USD": 3.5}, "assumed_costs": {"USD": 0.1}}
    at_once(settings.model_copy(update=changed), 50, each)
    assert items(store) == 3 * ITEMS


def test_fifty_orders_of_unknown_cost_one_after_the_other_are_one(with_budget: Open) -> None:
    store = with_budget({"USD": 1.0})
    for _ in range(50):
        with suppress(models.InvalidInput):
            _, assets = ordered(store)
            for asset in assets:
                made(store, asset)  # and nobody ever says what it cost
    assert items(store) == ITEMS


def test_fifty_orders_one_after_the_other_cost_what_is_billed_at_most(with_budget: Open) -> None:
    store, charged = with_budget({"USD": 5.0}), 0.0
    for _ in range(50):
        with suppress(models.InvalidInput):
            _, assets = ordered(store)
            for asset in assets:
                made(store, asset, actual=0.15)
                charged += 0.15
    assert charged == pytest.approx(4.5)  # what the first one cost is expected of the next


def test_an_order_of_unknown_cost_holds_what_is_left_until_it_is_known(with_budget: Open) -> None:
    store = with_budget({"USD": 10.0})
    ordered(store, 0.1)
    _, assets = ordered(store)
    assert store.budgets.left("ana") == {"USD": 0.0}
    assert store.budgets.balances("ana")["USD"].held == pytest.approx(9.0)
    for each in (None, 0.01):  # of known cost, too: what is left may be needed
        with pytest.raises(
            models.InvalidInput, match=r"10 USD a month, 9 USD is left, but .* on hold.*yet"
        ):
            ordered(store, each)
    ordered(store, 0.0)  # what costs nothing takes nothing
    ordered(store, unit="credits")
    ordered(store, user="eve")
    made(store, assets[0], actual=0.2)
    with pytest.raises(models.InvalidInput, match="on hold"):
        ordered(store, 0.01)  # the clips are not known yet
    made(store, assets[5], actual=0.3)
    assert store.budgets.left("ana") == pytest.approx({"USD": 9.0 - 2.5})
    ordered(store, 0.65)


@pytest.mark.parametrize("number", [5, 20])
@pytest.mark.parametrize("left", [0.01, 0.0])
def test_an_order_of_unknown_cost_needs_something_left(
    with_budget: Open, number: int, left: float
) -> None:
    store = with_budget({"USD": 1.0 + left})
    ordered(store, 0.1)
    if left:
        ordered(store, images=number, videos=number)
        return
    with pytest.raises(models.InvalidInput, match="is spent"):
        ordered(store, images=number, videos=number)


def test_an_order_whose_known_part_takes_all_leaves_nothing_for_the_unknown(
    with_budget: Open,
) -> None:
    store = with_budget({"USD": 1.0})
    job, assets = planned(0.2)
    for asset in assets[5:]:
        assets[assets.index(asset)] = asset.model_copy(update={"cost": models.Cost()})
    with pytest.raises(models.InvalidInput, match=r"1 USD is left.*more than 1 USD"):
        store.jobs.create(job, assets)
    assert store.jobs.get(job.id) is None


def test_each_unit_is_held_alone(with_budget: Open) -> None:
    store = with_budget({"USD": 1.0, "credits": 100.0})
    job, assets = planned()
    assets[5:] = [
        each.model_copy(update={"cost": models.Cost(unit="credits")}) for each in assets[5:]
    ]
    store.jobs.create(job, assets)
    assert store.budgets.left("ana") == {"USD": 0.0, "credits": 0.0}
    for asset in assets[:5]:
        made(store, asset, actual=0.01)
    assert store.budgets.left("ana") == {"USD": 0.95, "credits": 0.0}
    ordered(store, 0.01)
    with pytest.raises(models.InvalidInput, match="100 credits is left, but it is on hold"):
        ordered(store, 1.0, unit="credits")


@pytest.mark.parametrize(
    "end",
    [
        made,
        unknown,
        failed,
        lambda store, asset: failed(store, asset, actual=float("nan")),
        lambda store, asset: made(store, asset, actual=-5.0),
        lambda store, asset: made(store, asset, actual=float("inf")),
    ],
)
def test_what_may_have_cost_something_holds_where_nobody_says_how_much(
    with_budget: Open, raw: Raw, end: Callable[[Store, models.Asset], None]
) -> None:
    store = with_budget({"USD": 1.0})
    job, assets = ordered(store)
    store.job_actions.cancel(job.id, "ana")
    assert store.budgets.left("ana") == {"USD": 1.0}  # nothing was sent
    assert store.job_actions.retry(job.id, "ana", assets[0].id) == 1
    end(store, assets[0])
    assert store.budgets.left("ana") == {"USD": 0.0}
    with pytest.raises(models.InvalidInput, match="has not said what some of your items cost"):
        ordered(store)
    for again in (store.job_actions.retry, store.job_actions.resend):
        with suppress(models.InvalidInput):
            assert again(job.id, "ana", assets[0].id) == 0
    assert store.assets.of_job(job.id)[0].state not in models.OPEN_STATES
    # The admin says what such an item counts as; or the month is over.
    known = with_budget({"USD": 1.0}, {"fake/tiny": 0.4})
    assert known.budgets.left("ana") == {"USD": 0.6}
    last_month = {"$set": {"timings.queued_at": models.now().replace(day=1) - timedelta(days=1)}}
    raw["assets"].update_many({}, last_month)
    assert store.budgets.left("ana") == {"USD": 1.0}


def test_what_others_were_billed_for_the_like_ends_the_hold(with_budget: Open) -> None:
    store = with_budget({"USD": 10.0})
    _, assets = ordered(store)
    for asset in assets:
        failed(store, asset)
    assert store.budgets.left("ana") == {"USD": 0.0}
    _, of_eve = ordered(store, user="eve")
    for asset in of_eve:
        made(store, asset, actual=0.5)
    assert store.budgets.left("ana") == {"USD": 5.0}
    assert store.budgets.spent("ana") == {"USD": 5.0}


@pytest.mark.parametrize("taken", [True, False])
def test_what_a_provider_refused_costs_nothing_and_what_it_failed_at_what_was_expected(
    with_budget: Open, *, taken: bool
) -> None:
    store = with_budget({"USD": 10.0})
    _, assets = ordered(store, 0.5)
    failed(store, assets[0], taken=taken)
    failed(store, assets[1], actual=0.0)  # its provider says that it charged nothing
    assert store.budgets.spent("ana") == {"USD": 4.5 if taken else 4.0}


@pytest.mark.parametrize(
    ("error", "in_follow", "spent"),
    [
        (RequestRejected(), False, 0.0),
        (RateLimited(), False, 0.0),
        (GenerationFailed(), True, 0.2),
        (GenerationFailed(cost=0.0), True, 0.0),
        (GenerationFailed(cost=0.7), True, 0.7),
    ],
)
def test_an_item_that_failed_counts_as_its_providers_answers_say(
    with_budget: Open, settings: Settings, error: Exception, *, in_follow: bool, spent: float
) -> None:
    store = with_budget({"USD": 100.0}, {"fake": 0.2})
    provider = FakeProvider(paid=True)
    harness = JobHarness(settings, store, provider)
    (provider.fail_follow if in_follow else provider.fail_submit).append(error)
    run(harness.make())
    store.job_actions.cancel(harness.job.id, "ana")
    assert harness.asset().state in {models.AssetState.FAILED, models.AssetState.CANCELLED}
    assert store.budgets.spent("ana") == {"USD": pytest.approx(spent)}


@pytest.mark.parametrize("resumable", [True, False])
def test_what_is_stopped_while_a_provider_works_on_it_counts(
    with_budget: Open, settings: Settings, *, resumable: bool
) -> None:
    store = with_budget({"USD": 100.0}, {"fake": 0.2})
    harness = JobHarness(settings, store, FakeProvider(paid=True, resumable=resumable))
    remote_id = "remote" if resumable else None
    claimed = claim(store, harness.first)
    assert claimed is not None
    store.transitions.submitting(claimed)
    store.transitions.running(claimed, remote_id)
    store.transitions.failed(claimed, ERROR, remote_id=remote_id)
    assert store.job_actions.retry(harness.job.id, "ana", harness.first) == 1
    store.job_actions.cancel(harness.job.id, "ana")
    if resumable:  # it is taken up where it was, and stopped there
        run(harness.make())
    assert harness.asset().state == models.AssetState.CANCELLED
    assert store.budgets.spent("ana") == {"USD": pytest.approx(0.2)}


def test_what_was_billed_more_than_expected_stops_the_next(with_budget: Open) -> None:
    store = with_budget({"USD": 3.0})
    job, assets = ordered(store, 0.1)
    for asset in assets[:9]:
        made(store, asset, actual=1.0)
    failed(store, assets[9])
    assert store.budgets.left("ana") == {"USD": 0.0}
    for order in (
        lambda: ordered(store, 0.01),
        lambda: ordered(store),
        lambda: store.job_actions.retry(job.id, "ana"),
        lambda: store.budgets.book("ana", "openai", "chat", models.Kind.IMAGE, 0.01),
    ):
        with pytest.raises(models.InvalidInput, match=r"0 USD is left|is spent"):
            order()
    assert items(store) == ITEMS


@pytest.mark.parametrize("again", ["retry", "resend"])
def test_sending_again_what_nobody_knows_the_cost_of_is_refused(
    with_budget: Open, again: str
) -> None:
    store = with_budget({"USD": 1.0})
    job, assets = ordered(store)
    (failed if again == "retry" else unknown)(store, assets[0])
    for _ in range(50):
        with pytest.raises(models.InvalidInput, match="on hold"):
            getattr(store.job_actions, again)(job.id, "ana")
    store.job_actions.cancel(job.id, "ana")  # is never refused
    assert store.jobs.get(job.id).status != models.JobStatus.PROCESSING  # type: ignore[union-attr]


def test_sending_again_counts_each_time_what_the_like_did_cost(with_budget: Open) -> None:
    store = with_budget({"USD": 10.0})
    job, assets = ordered(store)
    unknown(store, assets[0])
    for asset in assets[1:]:
        made(store, asset, actual=1.0)
    with pytest.raises(models.InvalidInput, match=r"0 USD is left.* cost 1 USD"):
        store.job_actions.resend(job.id, "ana")
    richer = with_budget({"USD": 12.0})
    assert richer.job_actions.resend(job.id, "ana") == 1
    assert richer.budgets.spent("ana") == {"USD": 11.0}
    unknown(richer, assets[0])
    assert richer.job_actions.resend(job.id, "ana") == 1
    unknown(richer, assets[0])
    assert richer.budgets.spent("ana") == {"USD": 12.0}
    with pytest.raises(models.InvalidInput, match="0 USD is left"):
        richer.job_actions.resend(job.id, "ana")


@pytest.mark.parametrize(
    ("assumed", "spent"),
    [
        ({"USD": 0.1}, 1.0),
        ({"USD": 0.1, "fake": 0.2}, 2.0),
        ({"USD": 0.1, "fake": 0.2, "fake/tiny": 0.3}, 3.0),
        ({"fake/tin": 0.3, "credits": 9.0, "FAKE": 1.0, "$provider": 1.0}, None),
    ],
)
def test_the_most_exact_assumed_cost_counts(
    with_budget: Open, assumed: dict[str, float], spent: float | None
) -> None:
    store = with_budget({"USD": 3.0}, assumed)
    ordered(store)
    assert store.budgets.left("ana") == {"USD": 0.0 if spent is None else 3.0 - spent}
    balance = store.budgets.balances("ana")["USD"]
    assert (balance.amount, balance.unpriced) == ((spent, 0) if spent else (0.0, ITEMS))


class Life:
    """Does what a user may, in any order; a provider charges `EACH` for each call that it takes."""

    EACH: Final = 0.05

    def __init__(self, store: Store, content: FolderStore, chance: random.Random) -> None:
        self.store, self.content, self.chance = store, content, chance
        self.calls = 0

    def go_on(self) -> None:
        self.store.users.ensure("ana")
        jobs = self.store.jobs.of_user("ana", 100)
        acts = [self.work, self.work, self.work, self.again, self.cancel, self.put_away]
        if not jobs or self.chance.random() < 0.2:
            ordered(self.store)
        elif self.chance.random() < 0.05:
            self.store.account_deletion.request("ana")
            remove_accounts(self.store, self.content)
        else:
            self.chance.choice(acts)(self.chance.choice(jobs).id)

    def work(self, job_id: str) -> None:
        for asset in self.store.assets.of_job(job_id):
            if asset.state == models.AssetState.QUEUED:
                end = self.chance.choice([made, failed])
                says: dict[str, Any] = {}
                if self.chance.random() < 0.3:
                    says["actual"] = self.EACH
                if self.chance.random() < 0.3:
                    unknown(self.store, asset)
                else:
                    end(self.store, asset, **says)
                self.calls += 1

    def again(self, job_id: str) -> None:
        self.chance.choice([self.store.job_actions.retry, self.store.job_actions.resend])(
            job_id, "ana"
        )

    def cancel(self, job_id: str) -> None:
        self.store.job_actions.cancel(job_id, "ana")

    def put_away(self, job_id: str) -> None:
        self.store.bin.put_job("ana", job_id)
        for asset in self.store.assets.of_job(job_id, binned=True):
            self.store.bin.forget(asset)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_done_no_more_is_charged_than_the_budget(
    with_budget: Open, content: FolderStore, seed: int
) -> None:
    """The provider seldom says what it charges, so the admin has said what to assume."""
    budget = 3.0
    store = with_budget({"USD": budget}, {"USD": Life.EACH})
    life = Life(store, content, random.Random(seed))
    for _ in range(80):
        with suppress(models.InvalidInput):
            life.go_on()
    assert 0 < life.calls * Life.EACH <= budget + 1e-9
    assert store.budgets.balances("ana")["USD"].amount >= life.calls * Life.EACH - 1e-9


@pytest.mark.usefixtures("quiet")
def test_whatever_is_done_nothing_is_sent_after_an_order_that_nobody_knows_the_cost_of(
    with_budget: Open, content: FolderStore
) -> None:
    store = with_budget({"USD": 3.0})
    life = Life(store, content, random.Random(7))
    life.EACH = 0.0  # type: ignore[misc]  # what it says is not looked at
    life.chance.random = lambda: 0.5  # type: ignore[method-assign]  # it never says anything
    ordered(store)
    for _ in range(40):
        with suppress(models.InvalidInput):
            life.go_on()
    assert 0 < life.calls <= ITEMS


@pytest.mark.usefixtures("quiet")
def test_an_account_that_is_made_anew_goes_on_with_its_budget(
    with_budget: Open, raw: Raw, content: FolderStore
) -> None:
    store = with_budget({"USD": 3.0})
    for times in range(3):
        assert store.users.create("ana")
        if times == 0:
            _, assets = ordered(store, 0.1)
            deleted, of_bin = ordered(store, 0.1)
            for asset in (*assets, *of_bin):
                made(store, asset, actual=0.1)
            for asset in of_bin:
                store.bin.forget(asset)
            store.budgets.book("ana", "openai", "chat", models.Kind.IMAGE, 0.5)
            assert store.jobs.get(deleted.id) is None
        assert store.budgets.spent("ana") == {"USD": 2.5}
        with pytest.raises(models.InvalidInput, match=r"0.5 USD is left"):
            ordered(store, 0.1)
        store.account_deletion.request("ana")
        remove_accounts(store, content)
        assert store.users.get("ana") is None
        assert store.budgets.spent("Ana".lower()) == {"USD": 2.5}
    assert store.budgets.spent("eve") == {}
    kept = list(raw["receipts"].find())
    assert len(kept) == 2 * ITEMS + 1
    text = str(kept)
    assert "ana" not in text
    assert not any(asset.id in text or asset.job_id in text for asset in assets)
    assert {each["forget_at"] for each in kept} == {next_month(models.now())}
    # Neither the hash that providers are told nor one without this installation's key.
    assert store.users.pseudonym("ana") not in text
    with raw.client.start_session():
        [index] = [each for each in raw["receipts"].list_indexes() if each["name"] == "month_over"]
    assert (index["key"], index["expireAfterSeconds"]) == ({"forget_at": 1}, 0)


@pytest.mark.usefixtures("quiet")
def test_what_a_removed_account_held_stays_held(with_budget: Open, content: FolderStore) -> None:
    store = with_budget({"USD": 3.0})
    store.users.create("ana")
    _, assets = ordered(store)
    made(store, assets[0])
    store.account_deletion.request("ana")
    remove_accounts(store, content)
    store.users.create("ana")
    with pytest.raises(models.InvalidInput, match="has not said"):
        ordered(store)
    assert with_budget({"USD": 3.0}, {"USD": 0.25}).budgets.left("ana") == {"USD": 2.75}


@pytest.mark.usefixtures("quiet")
def test_the_process_that_removes_an_account_need_not_know_of_budgets(
    with_budget: Open, store: Store, content: FolderStore
) -> None:
    limited = with_budget({"USD": 3.0})
    limited.users.create("ana")
    _, assets = ordered(limited, 0.2)
    made(limited, assets[0], actual=0.2)
    store.account_deletion.request("ana")
    remove_accounts(store, content)  # a worker elsewhere, whose environment lacks BUDGETS
    limited.users.create("ana")
    assert limited.budgets.spent("ana") == {"USD": 0.2}


@pytest.mark.usefixtures("quiet")
def test_without_budgets_nothing_of_a_removed_account_is_kept(
    store: Store, raw: Raw, content: FolderStore
) -> None:
    store.users.create("ana")
    _, assets = ordered(store, 0.2)
    made(store, assets[0], actual=0.2)
    store.account_deletion.request("ana")
    remove_accounts(store, content)
    assert raw["receipts"].count_documents({}) == 0


@pytest.mark.usefixtures("quiet")
def test_what_was_kept_before_the_month_does_not_count_and_is_not_kept_again(
    with_budget: Open, raw: Raw, content: FolderStore
) -> None:
    store = with_budget({"USD": 3.0})
    store.users.create("ana")
    _, assets = ordered(store, 0.2)
    made(store, assets[0], actual=0.2)
    last_month = models.now().replace(day=1) - timedelta(days=1)
    raw["assets"].update_many({}, {"$set": {"timings.queued_at": last_month}})
    store.account_deletion.request("ana")
    remove_accounts(store, content)
    assert raw["receipts"].count_documents({}) == 0


def test_an_order_that_was_planned_last_month_counts_in_this_one(with_budget: Open) -> None:
    store = with_budget({"USD": 3.0})
    job, assets = planned(0.2)
    long_ago = {"timings": {"queued_at": models.now().replace(day=1) - timedelta(days=1)}}
    store.jobs.create(job, [asset.model_copy(update=long_ago) for asset in assets])
    assert store.budgets.spent("ana") == {"USD": 2.0}


def test_receipts_of_an_earlier_version_still_count(with_budget: Open, raw: Raw) -> None:
    store = with_budget({"USD": 3.0})
    _, assets = ordered(store, 0.2)
    made(store, assets[0], actual=0.7)
    store.bin.forget(assets[0])
    old = raw["receipts"].find_one()
    assert old is not None
    del old["cost"]["risked"]
    assert set(old) == {
        *("_id", "job_id", "user_id", "kind", "provider", "model", "state", "cost", "timings"),
        *("called_at", "charged", "removed_at"),
    }
    raw["receipts"].replace_one({"_id": old["_id"]}, old)
    raw["spending"].replace_one({"_id": "ana"}, {"turn": 3})
    store.ensure_schema()
    assert store.budgets.spent("ana") == {"USD": 0.7 + 9 * 0.2}
    with pytest.raises(models.InvalidInput, match=r"0.5 USD is left"):
        ordered(store, 0.1)


def test_a_chat_models_calls_count(with_budget: Open) -> None:
    store = with_budget({"USD": 0.5})
    for _ in range(10):
        assert store.budgets.book("ana", "openai", "chat", models.Kind.IMAGE, 0.05)
    with pytest.raises(models.InvalidInput, match=r"0 USD is left.*cost 0.05 USD"):
        store.budgets.book("ana", "openai", "chat", models.Kind.IMAGE, 0.05)
    booked = with_budget({"USD": 0.51}, {"openai/chat": 0.01, "USD": 9.0}).budgets
    booking = booked.book("ana", "openai", "chat", models.Kind.IMAGE, 0.05)
    assert booked.left("ana") == {"USD": 0.0}
    booked.unbook(booking)
    assert booked.left("ana") == {"USD": 0.01}
    assert (
        with_budget({"credits": 1.0}).budgets.book("ana", "openai", "chat", models.Kind.IMAGE, 1.0)
        is None
    )


def test_an_items_late_bill_replaces_what_was_expected(
    with_budget: Open, settings: Settings
) -> None:
    store = with_budget({"USD": 30.0})
    provider = FakeProvider(paid=True)
    harness = JobHarness(settings, store, provider)
    assert store.budgets.left("ana") == {"USD": 0.0}
    provider.outcome = Outcome(cost=1.5)
    run(harness.make())
    assert harness.asset().state == models.AssetState.DONE
    balance = store.budgets.balances("ana")["USD"]
    assert (balance.amount, balance.unpriced) == (7.5, 5)  # the other images are like it
    assert {each.kind for each in store.assets.of_job(harness.job.id)[5:]} == {models.Kind.VIDEO}


@pytest.mark.parametrize(
    "value",
    [
        '{"USD": 5, "usd": 1}',
        '{"USD": NaN}',
        '{"USD": Infinity}',
        '{"": 1}',
        '{"USD": -0.1}',
        "0.25",
        "[]",
    ],
)
@pytest.mark.parametrize("name", ["BUDGETS", "ASSUMED_COSTS"])
def test_amounts_that_are_none_are_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSetting, match=name):
        load_settings()
