"""The service: everything that a user can do, without HTTP and without Streamlit."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from core import models
from core.media.folder import FolderStore
from core.providers.base import Capability
from core.providers.registry import Catalogue
from core.settings import Settings
from core.store import Store, open_store
from core.store.jobs.library import Change
from core.store.jobs.library_filter import Filter
from core.studio import account, jobs, library, notices, preferences, sharing
from core.studio.errors import JobNotFound, OwnerOnly
from core.studio.jobs import place_order
from core.studio.order import Order, Selection
from core.studio.quotes import quote
from core.studio.studio import Studio, open_studio
from tests.catalogue import illustrator_only
from tests.conftest import claim
from tests.contract.fakes import FakeProvider
from tests.web import finished

RATIOS = {"1:1": (64, 64)}


class Paid(FakeProvider):
    """An image costs 0.1 USD; the cost of a clip is not declared."""

    name = "paid"

    def capabilities(self) -> Sequence[Capability]:
        clip = Capability(
            kind=models.Kind.VIDEO,
            model="clip",
            ratios=RATIOS,
            seconds=(4,),
            default_seconds=4,
            paid=True,
            cost=models.Cost(),
        )
        cost = models.Cost(estimated=0.1)
        still = Capability(
            kind=models.Kind.IMAGE, model="still", ratios=RATIOS, paid=True, cost=cost
        )
        larger = replace(still, task=models.Task.UPSCALE)
        return (still, clip, larger)


@pytest.fixture
def studio(settings: Settings, store: Store, content: FolderStore) -> Studio:
    return Studio(settings, store, content, Catalogue({"paid": Paid()}))


@pytest.fixture
def job(studio: Studio) -> models.Job:
    return place_order(studio, Order(user_id="ana", prompt="the sea"))


def items(studio: Studio, job: models.Job) -> list[models.Asset]:
    return studio.store.assets.of_job(job.id)


def states(studio: Studio, job: models.Job) -> set[models.AssetState]:
    return {item.state for item in items(studio, job)}


def done(studio: Studio, job: models.Job, number: int = 1) -> list[str]:
    """Finish some images of a job, and return their ids."""
    made = items(studio, job)[-number:]
    return [finished(studio.store, studio.content, each, b"file").id for each in made]


def test_a_quote_needs_no_prompt_and_stores_nothing(studio: Studio) -> None:
    found = quote(studio, Selection(images=6, videos=5), "ana")
    assert found.costs == {"USD": pytest.approx(0.6)}
    assert found.unknown == [models.Kind.VIDEO]
    assert not found.exceeds_budget
    assert studio.store.jobs.of_user("ana") == []
    with pytest.raises(models.InvalidInput, match="number of images"):
        quote(studio, Selection(images=1), "ana")


def test_a_quote_says_what_the_budget_has_left(settings: Settings, studio: Studio) -> None:
    with open_store(settings.model_copy(update={"budgets": {"USD": 0.55}})) as with_budget:
        strict = replace(studio, store=with_budget)
        assert quote(strict, Selection(images=6), "ana").exceeds_budget
        found = quote(strict, Selection(images=5), "ana")
        assert (found.balances["USD"].left, found.holding) == (0.55, frozenset({"USD"}))
        assert not found.exceeds_budget


def test_an_order_becomes_a_job_with_the_users_own_preferences(studio: Studio) -> None:
    studio.store.users.ensure("ana")
    usual = models.Notify.read(["app"], daily="07:30", timezone="Asia/Tokyo")
    studio.store.users.set_preferences("ana", notify=usual)
    job = place_order(studio, Order(user_id="ana", prompt="the sea"))
    assert studio.store.jobs.get(job.id, "ana") == job
    assert (job.notify, len(items(studio, job))) == (usual, 10)
    chosen = models.Notify.read(["terminal"])
    assert place_order(studio, Order(user_id="ana", prompt="x", notify=chosen)).notify == chosen


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"prompt": " "}, "Please describe"),
        ({"notify": models.Notify.read(["webhook"])}, "save a webhook"),
        ({"notify": models.Notify.read(["email"])}, "Mail is not set up"),
        ({"style": "gone"}, "There is no style"),
    ],
)
def test_what_cannot_be_done_is_not_stored(
    studio: Studio, wrong: dict[str, object], sentence: str
) -> None:
    order = replace(Order(user_id="ana", prompt="the sea"), **wrong)  # type: ignore[arg-type]  # any field
    with pytest.raises(models.InvalidInput, match=sentence):
        place_order(studio, order)
    assert studio.store.jobs.of_user("ana") == []


def test_nothing_is_ordered_where_a_disk_is_full(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.studio.jobs.full_disks", lambda *_: "The disk is full.")
    with pytest.raises(models.InvalidInput, match="disk is full"):
        place_order(studio, Order(user_id="ana", prompt="the sea"))


def test_what_is_upscaled_keeps_its_prompt(studio: Studio, job: models.Job) -> None:
    image = next(each for each in items(studio, job) if each.kind == models.Kind.IMAGE)
    source = studio.store.assets.get(finished(studio.store, studio.content, image, b"file").id)
    larger = place_order(
        studio, Order(user_id="ana", prompt="", task=models.Task.UPSCALE, source=source)
    )
    assert (larger.prompt, len(items(studio, larger))) == ("the sea", 1)
    with pytest.raises(JobNotFound):
        place_order(
            studio, Order(user_id="eve", prompt="", task=models.Task.UPSCALE, source=source)
        )


def test_a_job_is_cancelled_and_retried_by_its_owner_only(studio: Studio, job: models.Job) -> None:
    store = studio.store
    assert jobs.cancel(store, "eve", job.id) == 0
    first = items(studio, job)[0]
    assert jobs.cancel(store, "ana", job.id, first.id) == 1
    assert jobs.cancel(store, "ana", job.id) == 9
    assert states(studio, job) == {models.AssetState.CANCELLED}
    assert jobs.retry(store, "eve", job.id) == 0
    assert jobs.retry(store, "ana", job.id) == 10
    assert states(studio, job) == {models.AssetState.QUEUED}


def test_what_may_be_charged_twice_is_sent_again_only_when_asked_for(
    studio: Studio, job: models.Job
) -> None:
    store, first = studio.store, items(studio, job)[0]
    claimed = claim(store, first.id)
    assert claimed is not None
    store.transitions.unknown(
        claimed, models.AssetError(code="outcome_unknown", message="No answer.")
    )
    assert jobs.retry(store, "ana", job.id) == 0
    [unknown] = jobs.may_be_charged_again(store, job.id)
    assert unknown.id == first.id
    assert set(jobs.cost_of_sending_again([unknown])) == {unknown.cost.unit}
    assert jobs.send_again(store, "ana", job.id, first.id) == 1
    assert jobs.may_be_charged_again(store, job.id) == []


def test_a_job_that_waits_is_made_next(studio: Studio, job: models.Job) -> None:
    later = place_order(studio, Order(user_id="ana", prompt="a fox"))
    assert jobs.make_next(studio.store, "eve", later.id) == 0
    assert jobs.make_next(studio.store, "ana", later.id) == 10
    ahead = studio.store.eta.of_items(items(studio, later)).places
    behind = studio.store.eta.of_items(items(studio, job)).places
    assert min(ahead.values()) < min(behind.values())


def test_a_share_works_until_it_is_withdrawn(studio: Studio, job: models.Job) -> None:
    store = studio.store
    share = sharing.share_job(store, "ana", job.id, 7, "198.51.100.7")
    assert store.shares.get(share.id) == share
    assert sharing.shares_of(store, "ana", job.id) == [(share, 0)]
    assert sharing.withdraw_share(store, share, "198.51.100.7")
    assert store.shares.get(share.id) is None
    assert not sharing.withdraw_share(store, share, "198.51.100.7")
    store.view_log.flush()
    logged = [entry.action for entry in store.view_log.of_user("ana")]
    assert sorted(logged) == ["share", "unshare"]


def test_only_ones_own_jobs_are_shared_for_the_times_that_are_offered(
    studio: Studio, job: models.Job
) -> None:
    with pytest.raises(JobNotFound):
        sharing.share_job(studio.store, "eve", job.id, 7, "")
    with pytest.raises(models.InvalidInput, match="one of the times"):
        sharing.share_job(studio.store, "ana", job.id, 365, "")
    for _ in range(sharing.MOST):
        sharing.share_job(studio.store, "ana", job.id, 1, "")
    with pytest.raises(models.InvalidInput, match="20 links"):
        sharing.share_job(studio.store, "ana", job.id, 1, "")


def test_items_are_marked_searched_binned_restored_and_deleted(
    studio: Studio, job: models.Job
) -> None:
    store, ids = studio.store, done(studio, job, 3)
    first = ids[:1]

    def found(**wanted: object) -> set[str]:
        wanted_items = Filter(owner="ana", **wanted)  # type: ignore[arg-type]  # any field
        return {item.id for item in library.search(store, wanted_items, own=True).items}

    marks = Change(favourite=True, rating=4, collect="Best")
    [marked] = library.edit_items(store, "ana", library.Edit(ids=first, change=marks)).items
    assert (marked.favourite, marked.rating, marked.collections) == (True, 4, ("Best",))
    assert found(favourite=True) == found(collection="Best") == set(first)
    library.rename_collection(store, "ana", "Best", "Better")
    assert found(collection="Better") == set(first)
    library.delete_collection(store, "ana", "Better")
    assert found(collection="Better") == set()
    library.edit_items(store, "ana", library.Edit(ids=first, bin=True))
    assert (found(), found(binned=True)) == (set(ids[1:]), set(first))
    assert library.has_binned(store, "ana")
    library.edit_items(store, "ana", library.Edit(ids=first, bin=False))
    assert found() == set(ids)
    library.edit_items(store, "ana", library.Edit(ids=first, bin=True))
    edited = library.edit_items(store, "ana", library.Edit(ids=first, delete=True))
    assert (edited.items, edited.gone) == ([], first)


def test_others_see_neither_bin_nor_collections_and_change_nothing(
    studio: Studio, job: models.Job
) -> None:
    store, ids = studio.store, done(studio, job)
    for wanted in (Filter(owner="ana", binned=True), Filter(owner="ana", collection="Best")):
        with pytest.raises(OwnerOnly):
            library.search(store, wanted, own=False)
    edited = library.edit_items(store, "eve", library.Edit(ids=ids, bin=True))
    assert (edited.items, edited.gone) == ([], ids)
    with pytest.raises(JobNotFound):
        library.edit_items(store, "eve", library.Edit(job=job.id, bin=True))
    assert library.search(store, Filter(owner="ana"), own=True).total == 1
    library.edit_items(store, "ana", library.Edit(ids=ids, change=Change(collect="Best"), bin=True))
    assert library.items_by_id(store, "ana", ids, own=False) == []
    assert [item.id for item in library.items_by_id(store, "ana", ids, own=True)] == ids
    seen = library.facets(store, "ana", binned=True, own=False)
    assert (seen.kinds.total(), seen.collections.total()) == (0, 0)
    seen = library.facets(store, "ana", binned=True, own=True)
    assert (seen.kinds.total(), seen.collections.total()) == (1, 1)


def test_a_whole_job_goes_to_the_bin_when_it_has_ended(studio: Studio, job: models.Job) -> None:
    store = studio.store
    done(studio, job)
    with pytest.raises(models.InvalidInput, match="still being made"):
        library.edit_items(store, "ana", library.Edit(job=job.id, bin=True))
    jobs.cancel(store, "ana", job.id)
    store.settlement.settle(job.id)
    assert len(library.edit_items(store, "ana", library.Edit(job=job.id, bin=True)).items) == 1
    assert store.jobs.of_user("ana") == []


def test_when_to_notify_can_be_changed_while_a_job_is_in_progress(
    studio: Studio, job: models.Job
) -> None:
    store = studio.store
    store.users.ensure("ana")
    user = store.users.get("ana")
    assert user is not None
    notices.change_planned_notice(store, user, job.id, None, "UTC")
    found = store.jobs.get(job.id)
    assert found is not None
    assert (found.status, found.notify.channels) == (models.JobStatus.PROCESSING, ())
    with pytest.raises(JobNotFound):
        notices.change_planned_notice(store, user, "gone", None, "UTC")


def test_preferences_are_checked_before_they_are_stored(studio: Studio) -> None:
    store = studio.store
    store.users.ensure("ana")
    user = store.users.get("ana")
    assert user is not None
    with pytest.raises(models.InvalidInput, match="save a webhook"):
        preferences.choose_defaults(studio, user, models.Notify.read(["webhook"]), None)
    preferences.choose_webhook(store, user, "https://hooks.example.org/x", None)
    with_webhook = store.users.get("ana")
    assert with_webhook is not None
    preferences.choose_defaults(studio, with_webhook, models.Notify.read(["webhook"]), "Asia/Tokyo")
    preferences.remove_webhook(store, with_webhook)
    stored = store.users.get("ana")
    assert stored is not None
    assert (stored.notify.channels, stored.zone, stored.webhook) == (
        ("webhook",),
        "Asia/Tokyo",
        None,
    )


def test_only_admins_invite_and_only_the_right_name_deletes(studio: Studio) -> None:
    store = studio.store
    store.users.ensure("ana")
    store.users.create("root", admin=True)
    with pytest.raises(models.InvalidInput, match="Only admins"):
        account.invite(store, "ana", "", "")
    with pytest.raises(models.InvalidInput, match="no account"):
        account.invite(store, "root", "nobody", "")
    assert account.invite(store, "root", "ana", "")
    [invitation] = store.invitations.open()
    with pytest.raises(models.InvalidInput, match="Only admins"):
        account.withdraw_invitation(store, "ana", invitation.id)
    account.withdraw_invitation(store, "root", invitation.id)
    assert store.invitations.open() == []
    with pytest.raises(models.InvalidInput, match="There is no such language"):
        account.choose_language(store, "ana", "tlh")


def test_the_studio_is_opened_by_the_settings(settings: Settings, store: Store) -> None:
    assert store.ping()
    opened = open_studio(settings)
    with opened.store:
        assert isinstance(opened.content, FolderStore)
        assert opened.content.root == Path(settings.content_url)
        assert opened.catalogue.providers.keys() >= illustrator_only().providers.keys()
