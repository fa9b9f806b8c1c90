"""What all who look at the same thing in the same words are told: a whole, then its changes."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from core.i18n import ENGLISH
from core.models import Asset, Job, JobStatus, now
from core.store.work.eta import Eta
from core.web.identity import permissions
from core.web.identity.permissions import Access
from core.web.jobs import item_view, snapshot
from core.web.resources import Studio
from core.web.text.viewer import View

Json = dict[str, Any]

CARDS: Final = 8
"""How many cards of recent work are shown at first, and how many more at a time."""


@dataclass(frozen=True)
class Looker:
    """Who looks, and in which words.

    Attributes:
        user_id: who it is; None: nobody is logged in.
        share_key: the key of the link that they look by; empty: the login is what counts.
        zone: the name of the zone that times are shown in.
        language: the code of the language.
    """

    user_id: str | None
    share_key: str = ""
    zone: str = "UTC"
    language: str = ENGLISH

    @property
    def who(self) -> str:
        """What tells whoever looks from everybody else."""
        return f"share {self.share_key}" if self.user_id is None else f"user {self.user_id}"


class Reading:
    """Jobs as the database has just shown them, and what is found out about them on the way.

    Args:
        studio: where they are.
        job_ids: which.
    """

    def __init__(self, studio: Studio, job_ids: Collection[str]) -> None:
        self.studio = studio
        self.jobs: Mapping[str, Job] = {}
        self.assets: Mapping[str, list[Asset]] = {}
        if job_ids:
            self.jobs = studio.store.jobs.named(list(job_ids))
            self.assets = studio.store.assets.of_jobs(list(self.jobs))
        self._views: dict[str, View] = {}
        self._etas: dict[str, Eta] = {}
        self._rights: dict[tuple[str | None, str, str], Access | None] = {}

    def eta(self, job_id: str) -> Eta:
        """Return how fast a job's items go."""
        if job_id not in self._etas:
            self._etas[job_id] = self.studio.store.eta.of_items(self.assets[job_id])
        return self._etas[job_id]

    def right(self, looker: Looker, job: Job) -> Access | None:
        """Return the right that somebody has to look at a job.

        Who looks by a link has the link's right only, also where it is their own work, so that
        they see what others see.
        """
        key = (looker.user_id, looker.share_key, job.id)
        if key not in self._rights:
            user_id = None if looker.share_key else looker.user_id
            store, identity = self.studio.store, self.studio.identity
            self._rights[key] = permissions.to_found(
                store, identity, user_id, job, looker.share_key
            )
        return self._rights[key]

    def view(self, looker: Looker) -> View:
        """Return who looks, and when."""
        if looker.zone not in self._views:
            self._views[looker.zone] = self.studio.view(looker.zone)
        return replace(self._views[looker.zone], share_key=looker.share_key)


LOOK_SECONDS: Final = 5.0


class Channel(ABC):
    """One thing in one looker's words.

    Attributes:
        looker: who looks.
        jobs: the jobs that it is about.
        look_seconds: after how long it is drawn again where no change was seen.
    """

    look_seconds: ClassVar[float] = LOOK_SECONDS

    def __init__(self, looker: Looker) -> None:
        self.looker = looker
        self.jobs: frozenset[str] = frozenset()

    @property
    @abstractmethod
    def key(self) -> Hashable:
        """What those have in common who may be told the same."""

    @abstractmethod
    def needs(self, studio: Studio, changed: Collection[str] | None) -> Collection[str]:
        """Return the jobs to be read before it is drawn.

        Args:
            studio: where they are.
            changed: jobs that have changed since it was drawn; None: anything may have.
        """

    @abstractmethod
    def draw(self, reading: Reading) -> Json | None:
        """Return the whole as it stands; None: it may not be looked at any more."""

    @abstractmethod
    def patch(self, before: Json, after: Json) -> Json | None:
        """Return what has changed; empty: nothing; None: only the whole tells it."""

    @abstractmethod
    def goes_on(self, shown: Json) -> bool:
        """Return whether more changes are to be expected."""


def look(studio: Studio, channel: Channel) -> Json | None:
    """Return what a channel shows at present; None: it may not be looked at.

    Its `now` is no later than what it shows, and that of what is pushed no earlier, so that of two
    of them the newer one is known.
    """
    began = now()
    shown = channel.draw(Reading(studio, channel.needs(studio, None)))
    return None if shown is None else shown | {"now": began.isoformat()}


class JobChannel(Channel):
    """A job as its page shows it.

    Args:
        looker: who looks.
        job_id: the job.
    """

    def __init__(self, looker: Looker, job_id: str) -> None:
        super().__init__(looker)
        self._job_id = job_id
        self._drawn: dict[str, tuple[tuple[Any, ...], Json]] = {}
        self.jobs = frozenset([job_id])

    @property
    def key(self) -> Hashable:
        """The looker and the job."""
        return self.looker, self._job_id

    def needs(self, studio: Studio, changed: Collection[str] | None) -> Collection[str]:  # noqa: ARG002
        """Return the job."""
        return self.jobs

    def draw(self, reading: Reading) -> Json | None:
        """Return the job's snapshot."""
        job = reading.jobs.get(self._job_id)
        right = None if job is None else reading.right(self.looker, job)
        if job is None or right is None or job.binned_at is not None:
            return None
        view = replace(reading.view(self.looker), via=right.via)
        assets, eta = reading.assets[job.id], reading.eta(job.id)
        return snapshot.snapshot(job, assets, view, eta, self._tile)

    def patch(self, before: Json, after: Json) -> Json | None:
        """Return what has changed of the snapshot."""
        return snapshot.patch(before, after)

    def goes_on(self, shown: Json) -> bool:
        """Return whether the job is being made."""
        return bool(shown["job"]["active"])

    def _tile(self, asset: Asset, prompt: str, view: View, eta: Eta) -> Json:
        """Return a tile; that of an item which has not changed is not made anew."""
        of = (
            view.via,
            asset,
            *(each.get(asset.id) for each in (eta.places, eta.own, eta.expected)),
        )
        known = self._drawn.get(asset.id)
        if known is None or known[0] != of:
            self._drawn[asset.id] = known = (of, item_view.tile(asset, prompt, view, eta))
        return known[1]


class CardsChannel(Channel):
    """The cards of somebody's own recent work.

    Args:
        looker: whose it is.
        limit: how many cards.
    """

    def __init__(self, looker: Looker, limit: int = CARDS) -> None:
        super().__init__(looker)
        self._limit = limit
        self._listed: list[Job] = []
        self._drawn: dict[str, tuple[Job, Json]] = {}
        self._more = False

    @property
    def key(self) -> Hashable:
        """The looker and how many cards."""
        return self.looker, self._limit

    def needs(self, studio: Studio, changed: Collection[str] | None) -> Collection[str]:
        """Return the jobs that have changed, or may have."""
        if changed is not None:
            return self.jobs & set(changed)
        found = studio.store.jobs.of_user(self.looker.user_id or "", self._limit + 1)
        self._more = len(found) > self._limit
        self._listed = found[: self._limit]
        self.jobs = frozenset(job.id for job in self._listed)
        known = {job.id: job for job, _ in self._drawn.values()}
        return [
            job.id
            for job in self._listed
            if job.status == JobStatus.PROCESSING or known.get(job.id) != job
        ]

    def draw(self, reading: Reading) -> Json | None:
        """Return the cards."""
        view = reading.view(self.looker)
        drawn = {
            job.id: (job, snapshot.card(job, reading.assets[job.id], view))
            for job in reading.jobs.values()
            if job.id in self.jobs
        }
        known = self._drawn | drawn
        self._drawn = {job.id: known[job.id] for job in self._listed if job.id in known}
        return {
            "now": view.today.isoformat(),
            "cards": [card for job, card in self._drawn.values() if job.binned_at is None],
            "more": self._more,
        }

    def patch(self, before: Json, after: Json) -> Json | None:
        """Return the cards that have changed."""
        if [each["id"] for each in before["cards"]] != [each["id"] for each in after["cards"]]:
            return None
        pairs = zip(before["cards"], after["cards"], strict=True)
        changed = [new for old, new in pairs if new is not old and new != old]
        return {"now": after["now"], "cards": changed} if changed else {}

    def goes_on(self, shown: Json) -> bool:
        """Return whether any of the jobs is being made."""
        return any(each["percent"] is not None for each in shown["cards"])
