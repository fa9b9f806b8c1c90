"""The life of an asset in MongoDB against a simple model, under every interleaving."""

from dataclasses import dataclass
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from core import models
from core.store import LeaseLost, Store
from core.studio.order import Order
from core.studio.planning import plan
from tests.catalogue import illustrator_only
from tests.profiles import examples

ITEMS: Final = 3
KEPT: Final = {"kept": [{"what": "reply", "path": "a/.replies/b", "bytes": 9}]}
ERROR: Final = models.AssetError(code="x", message="$It went wrong.")

# What happens, as often as it takes for long lives: (what, to which item or worker, how).
EVENTS: Final = (
    *["a_worker_takes_an_item"] * 4,
    *["a_worker_goes_on"] * 6,
    *["a_message_is_lost", "a_message_comes_late_or_twice", "a_lease_runs_out"] * 2,
    *[
        "a_worker_is_stopped",
        "a_worker_is_killed",
        "a_worker_gives_up",
        "the_user_wishes",
        "the_user_wishes",
        "settle",
    ],
)
lives = st.lists(
    st.tuples(st.sampled_from(EVENTS), st.integers(0, 5), st.integers(0, 5)),
    min_size=40,
    max_size=60,
)


@dataclass
class Item:
    """What the model knows of an item."""

    state: models.AssetState = models.AssetState.QUEUED
    token: str | None = None  # who may write: a ticket or a worker's lease
    expired: bool = False
    remote: bool = False
    charged: bool = False
    kept: bool = False
    reread: bool = False
    to_cancel: bool = False
    call: str | None = None  # the lease under which it was last called
    calls: int = 0
    allowed: int = 1  # calls that the user's words allow

    def end(self, state: models.AssetState) -> None:
        self.state, self.token, self.to_cancel, self.reread = state, None, False, False


@dataclass
class Holder:
    """An executor that holds a lease, or thinks so, and what it does next."""

    index: int
    asset: models.Asset
    next_step: str = "begin"


def found_remote(store: Store, holder: Holder) -> str | None:
    """Return the task that the provider has for an item."""
    found = store.assets.get(holder.asset.id)
    return None if found is None else found.remote_id


class LifeCycle:
    """One job of three paid items, any number of workers, a killer, and an impatient user."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.job, assets = plan(Order(user_id="ana", prompt="x"), illustrator_only())
        self.ids = [asset.id for asset in assets[:ITEMS]]
        store.jobs.create(self.job, assets[:ITEMS])
        self.model = [Item() for _ in self.ids]
        self.tickets: list[tuple[int, str]] = []
        self.holders: list[Holder] = []

    # ── The dispatcher ───────────────────────────────────────────────────────────────────────

    def hand_out(self, index: int) -> None:
        item, ticket = self.model[index], f"ticket-{len(self.tickets)}"
        self.store.queue.hand_out([self.ids[index]], ticket, 600)
        self.tickets.append((index, ticket))
        free = item.state == models.AssetState.QUEUED and (item.token is None or item.expired)
        if free or (item.state in models.ACTIVE_STATES and item.expired):
            item.token, item.expired = ticket, False

    def a_worker_takes_an_item(self, which: int, _: int) -> None:
        self.hand_out(which % ITEMS)
        self.claim(*self.tickets[-1])

    def a_message_is_lost(self, which: int, _: int) -> None:
        self.hand_out(which % ITEMS)

    def a_lease_runs_out(self, which: int, _: int) -> None:
        index = which % ITEMS
        item = self.model[index]
        if item.token is not None:
            item.expired = True
            self.store.queue.take_back([self.ids[index]], item.token)

    def settle(self, _: int, __: int) -> None:
        states = {item.state for item in self.model}
        status = self.store.settlement.settle(self.job.id)
        if not states <= set(models.ENDED_STATES):
            assert status == models.JobStatus.PROCESSING
        elif states == {models.AssetState.DONE}:
            assert status == models.JobStatus.COMPLETED
        elif states <= {models.AssetState.DONE, models.AssetState.CANCELLED}:
            assert status == models.JobStatus.CANCELLED
        else:
            assert status == models.JobStatus.FAILED

    # ── The workers ──────────────────────────────────────────────────────────────────────────

    def a_message_comes_late_or_twice(self, which: int, _: int) -> None:
        if self.tickets:
            self.claim(*self.tickets[-1 - which % len(self.tickets)])

    def claim(self, index: int, ticket: str) -> None:
        item = self.model[index]
        claimed = self.store.leases.claim(self.ids[index], ticket, "worker", 600)
        valid = item.token == ticket and not item.expired and item.state in models.OPEN_STATES
        assert (claimed is not None) == valid
        if claimed is not None:
            assert claimed.lease is not None
            item.token = claimed.lease.token
            self.holders.append(Holder(index, claimed))

    def a_worker_goes_on(self, which: int, steps: int) -> None:
        for holder in self._holder(which):
            for _ in range(1 + steps % 2):
                if holder in self.holders:
                    getattr(self, f"_{holder.next_step}")(holder)

    def a_worker_is_killed(self, which: int, _: int) -> None:
        for holder in self._holder(which):
            self.holders.remove(holder)

    def a_worker_is_stopped(self, which: int, _: int) -> None:
        self.a_worker_gives_up(which, 2)

    def a_worker_gives_up(self, which: int, how: int) -> None:
        for holder in self._holder(which):
            if holder.next_step != "answer":  # a paid call is out: its answer is waited for
                self._give_up(
                    holder,
                    ("fail", "fail_resumable", "hand_back", "cancel", "fail_charged")[how % 5],
                )

    def _holder(self, which: int) -> list[Holder]:
        """Return one of the workers, or none where there is none."""
        return [self.holders[which % len(self.holders)]] if self.holders else []

    def _give_up(self, holder: Holder, ending: str) -> None:
        item = self.model[holder.index]
        transitions = self.store.transitions
        found = holder.asset
        begun = found.state != models.AssetState.QUEUED or found.reread
        in_doubt = begun and found.remote_id is None
        if ending == "hand_back":
            # A call that may be out is never handed back; the executor lets its lease run out.
            if not (in_doubt and holder.next_step == "begin") and self._writes(
                holder, transitions.hand_back, holder.asset, counted=False
            ):
                item.state, item.token = models.AssetState.QUEUED, None
        elif ending == "cancel":
            if item.to_cancel and self._writes(holder, transitions.cancelled, holder.asset, None):
                item.end(models.AssetState.CANCELLED)
                item.remote = False
        else:
            keep = ending == "fail_resumable" and item.remote
            task = found_remote(self.store, holder) if keep else None
            known = {"charged": ending == "fail_charged"}
            if self._writes(
                holder, transitions.failed, holder.asset, ERROR, remote_id=task, fields=known
            ):
                item.end(models.AssetState.FAILED)
                item.remote, item.charged = keep, ending == "fail_charged"
        if holder in self.holders:
            self.holders.remove(holder)

    def _writes(self, holder: Holder, write: Any, *args: Any, **more: Any) -> bool:
        """Try a write; it must succeed exactly where the model says that the lease is held."""
        assert holder.asset.lease is not None
        held = self.model[holder.index].token == holder.asset.lease.token
        try:
            write(*args, **more)
        except LeaseLost:
            assert not held
            self.holders.remove(holder)
            return False
        assert held
        return True

    def _begin(self, holder: Holder) -> None:  # noqa: C901  # one branch a state
        """Carry on from the state that the item was found in."""
        item, asset = self.model[holder.index], holder.asset
        transitions = self.store.transitions
        if asset.cancel_requested:
            if self._writes(holder, transitions.cancelled, asset, None):
                item.end(models.AssetState.CANCELLED)
                item.remote = False
                self.holders.remove(holder)
        elif asset.remote_id is not None:
            if self._writes(holder, transitions.resumed, asset):
                item.state, holder.next_step = models.AssetState.RUNNING, "save"
        elif asset.reread:  # what was kept is read again, and nothing is called
            if self._writes(holder, transitions.running, asset, None):
                item.state, item.reread, holder.next_step = models.AssetState.RUNNING, False, "save"
        elif asset.state != models.AssetState.QUEUED:
            if self._writes(holder, transitions.unknown, asset, ERROR, KEPT):
                item.kept, item.charged = True, True
                if item.remote:  # the answer came late, but it came
                    item.state, item.token = models.AssetState.QUEUED, None
                else:
                    item.end(models.AssetState.UNKNOWN)
                self.holders.remove(holder)
        elif self._writes(holder, transitions.submitting, asset):
            item.state, holder.next_step = models.AssetState.SUBMITTING, "call"
            item.call = item.token

    def _call(self, holder: Holder) -> None:
        """Call the provider: this is what costs money."""
        self.model[holder.index].calls += 1
        holder.next_step = "answer"

    def _answer(self, holder: Holder) -> None:
        """Store the provider's answer, even where it comes too late."""
        item = self.model[holder.index]
        assert holder.asset.lease is not None
        remote_id = f"remote-{holder.asset.lease.token}"
        if self._writes(holder, self.store.transitions.running, holder.asset, remote_id):
            item.state, item.remote, holder.next_step = models.AssetState.RUNNING, True, "save"
        else:
            waits = (
                models.AssetState.QUEUED,
                models.AssetState.SUBMITTING,
                models.AssetState.UNKNOWN,
            )
            awaited = (
                item.call == holder.asset.lease.token and not item.remote and item.state in waits
            )
            for _ in range(2):  # an answer whose storing was not acknowledged is stored again
                assert self.store.transitions.answered_late(holder.asset, remote_id) == awaited
            if awaited:
                item.remote, item.charged, item.reread = True, False, False
                if item.state == models.AssetState.UNKNOWN:
                    item.state = models.AssetState.QUEUED

    def _save(self, holder: Holder) -> None:
        if self._writes(holder, self.store.transitions.saving, holder.asset):
            self.model[holder.index].state, holder.next_step = models.AssetState.SAVING, "finish"

    def _finish(self, holder: Holder) -> None:
        if self._writes(holder, self.store.transitions.done, holder.asset, {"path": "a/b.png"}):
            self.model[holder.index].end(models.AssetState.DONE)
            self.holders.remove(holder)

    # ── The user ─────────────────────────────────────────────────────────────────────────────

    def the_user_wishes(self, which: int, what: int) -> None:
        (self.cancel, self.retry, self.resend, self.recover)[what % 4](which % ITEMS)

    def cancel(self, index: int) -> None:
        item = self.model[index]
        affected = self.store.job_actions.cancel(self.job.id, "ana", self.ids[index])
        assert affected == (item.state in models.OPEN_STATES)
        if item.state == models.AssetState.QUEUED and not item.remote:
            item.charged |= item.reread
            item.end(models.AssetState.CANCELLED)
        elif item.state in models.OPEN_STATES:
            item.to_cancel = True

    def retry(self, index: int) -> None:
        item = self.model[index]
        ended = item.state in (models.AssetState.FAILED, models.AssetState.CANCELLED)
        free = ended and (item.remote or not item.charged)
        assert self.store.job_actions.retry(self.job.id, "ana", self.ids[index]) == free
        if free:
            item.allowed += not item.remote
            self._anew(item)

    def resend(self, index: int) -> None:
        item = self.model[index]
        ended = item.state in (models.AssetState.FAILED, models.AssetState.CANCELLED)
        paid = item.state == models.AssetState.UNKNOWN or (ended and (item.charged or item.remote))
        assert self.store.job_actions.resend(self.job.id, "ana", self.ids[index]) == paid
        if paid:
            item.allowed += 1
            item.remote = False
            self._anew(item)

    def recover(self, index: int) -> None:
        item = self.model[index]
        ended = item.state in models.ENDED_STATES and item.state != models.AssetState.DONE
        recovers = ended and item.kept
        assert self.store.job_actions.recover(self.job.id, "ana", self.ids[index]) == recovers
        if recovers:
            item.state, item.token, item.to_cancel = models.AssetState.QUEUED, None, False
            item.reread = True

    @staticmethod
    def _anew(item: Item) -> None:
        item.state, item.token, item.to_cancel = models.AssetState.QUEUED, None, False
        item.charged = item.reread = False
        item.call = item.call if item.remote else None

    # ── What always holds ────────────────────────────────────────────────────────────────────

    def the_database_is_as_the_model_says(self) -> None:
        for asset_id, item in zip(self.ids, self.model, strict=True):
            asset = self.store.assets.get(asset_id)
            assert asset is not None
            assert (asset.state, asset.remote_id is not None) == (item.state, item.remote)
            assert asset.cancel_requested == item.to_cancel
            assert (bool(asset.kept), asset.reread) == (item.kept, item.reread)
            assert (asset.lease is None) == (item.token is None)

    def nothing_is_paid_twice_without_the_users_word(self) -> None:
        assert all(item.calls <= item.allowed for item in self.model)

    def a_job_is_called_completed_only_when_all_is_there(self) -> None:
        job = self.store.jobs.get(self.job.id)
        assert job is not None
        if job.status == models.JobStatus.COMPLETED:
            assert all(item.state == models.AssetState.DONE for item in self.model)


@examples(
    fast=40,
    deep=500,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes
)
@given(life=lives)
def test_no_interleaving_breaks_the_life_cycle_of_an_asset(
    store: Store, life: list[tuple[str, int, int]]
) -> None:
    cycle = LifeCycle(store)
    for event, which, how in life:
        getattr(cycle, event)(which, how)
        cycle.the_database_is_as_the_model_says()
        cycle.nothing_is_paid_twice_without_the_users_word()
        cycle.a_job_is_called_completed_only_when_all_is_there()
