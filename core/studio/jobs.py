"""Jobs: placing an order, and what its owner can do about it afterwards."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from core.generation.disk_space import full_disks
from core.i18n import language, translated
from core.models import ENDED_STATES, Asset, AssetState, InvalidInput, Job, Task
from core.store import Store
from core.studio.errors import JobNotFound
from core.studio.order import Order
from core.studio.planning import plan
from core.studio.preferences import check_preferences
from core.studio.studio import Studio


def place_order(studio: Studio, order: Order) -> Job:
    """Check an order and store its job; the workers do the rest.

    Raises:
        InvalidInput: it cannot be done, or there is no room or budget; the text says what.
        JobNotFound: the job of the item to upscale is gone.
        DatabaseError: it was not stored.
    """
    if full := full_disks(studio.settings, studio.content):
        raise InvalidInput(translated(full))
    user = studio.store.users.get(order.user_id)
    if order.notify is not None:
        check_preferences(order.notify, user, studio.channels())
    elif user is not None:
        order = replace(order, notify=user.notify)
    if order.task == Task.UPSCALE:
        order = replace(order, prompt=_source_prompt(studio.store, order))
    job, assets = plan(order, studio.catalogue)
    job = job.model_copy(update={"language": language()})
    studio.store.jobs.create(job, assets)
    return job


def cancel(store: Store, user_id: str, job_id: str, item_id: str | None = None) -> int:
    """Cancel a job of the user's, or one item; return how many items are affected.

    Items that have not begun are cancelled at once, others by their worker.
    """
    return _changed(store, store.job_actions.cancel(job_id, user_id, item_id))


def retry(store: Store, user_id: str, job_id: str, item_id: str | None = None) -> int:
    """Retry failed and cancelled items, of a job or one item, where nothing is paid twice.

    Returns:
        how many items are retried.

    Raises:
        InvalidInput: the budget does not allow it.
    """
    return _changed(store, store.job_actions.retry(job_id, user_id, item_id))


def send_again(store: Store, user_id: str, job_id: str, item_id: str | None = None) -> int:
    """Send items again whose outcome is unknown or that were charged; they may be charged twice.

    Returns:
        how many items are sent.

    Raises:
        InvalidInput: the budget does not allow it.
    """
    return _changed(store, store.job_actions.resend(job_id, user_id, item_id))


def recover(store: Store, user_id: str, job_id: str, item_id: str | None = None) -> int:
    """Read the kept replies of paid calls again, which costs nothing; return for how many items."""
    return _changed(store, store.job_actions.recover(job_id, user_id, item_id))


def make_next(store: Store, user_id: str, job_id: str, item_id: str | None = None) -> int:
    """Move waiting items to the front of the user's queue; return how many."""
    return _changed(store, store.job_actions.put_first(job_id, user_id, item_id))


def may_be_charged_again(store: Store, job_id: str, item_id: str | None = None) -> list[Asset]:
    """Return the ended items of a job that only `send_again` generates again.

    Args:
        store: the database.
        job_id: the job.
        item_id: one item of it; None: all.
    """
    return [
        each
        for each in store.assets.of_job(job_id)
        if (each.charged or each.state == AssetState.UNKNOWN)
        and each.state in ENDED_STATES
        and item_id in {None, each.id}
    ]


def cost_of_sending_again(assets: Sequence[Asset]) -> dict[str, float]:
    """Return what items are expected to cost once more, by unit, as far as it is known."""
    costs: dict[str, float] = defaultdict(float)
    for each in assets:
        amount = each.cost.estimated if each.cost.estimated is not None else each.cost.actual
        costs[each.cost.unit] += amount or 0.0
    return costs


def _changed(store: Store, number: int) -> int:
    store.eta.forget()  # places in the queue have changed
    return number


def _source_prompt(store: Store, order: Order) -> str:
    """Return the prompt of the item that is upscaled."""
    source = order.source
    job = None if source is None else store.jobs.get(source.job_id, order.user_id)
    if source is None or job is None:
        raise JobNotFound
    return source.prompt or job.prompt
