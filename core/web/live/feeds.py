"""Feeds: what an event stream sends, a snapshot and then patches; equal viewers share one."""

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
from core.web.resources import WebStudio
from core.web.text.view_context import ViewContext

Json = dict[str, Any]

CARDS: Final = 8
"""How many cards of recent jobs are shown at first, and how many more at a time."""


@dataclass(frozen=True)
class Viewer:
    """Who views a feed, and what its words depend on."""

    #: None: nobody is logged in.
    user_id: str | None
    #: The key of the share link that is used; empty: the login decides.
    share_key: str = ""
    #: The name of the time zone of the times.
    zone: str = "UTC"
    #: The code of the language.
    language: str = ENGLISH

    @property
    def key(self) -> str:
        """What identifies the user or the link, for limits on streams."""
        return f"share {self.share_key}" if self.user_id is None else f"user {self.user_id}"


class Reading:
    """Jobs as they are stored at one moment, and what is derived from them, computed once.

    Args:
        studio: the connections.
        job_ids: which jobs.
    """

    def __init__(self, studio: WebStudio, job_ids: Collection[str]) -> None:
        self.studio = studio
        self.jobs: Mapping[str, Job] = {}
        self.assets: Mapping[str, list[Asset]] = {}
        if job_ids:
            self.jobs = studio.store.jobs.by_ids(list(job_ids))
            self.assets = studio.store.assets.of_jobs(list(self.jobs))
        self._views: dict[str, ViewContext] = {}
        self._etas: dict[str, Eta] = {}
        self._rights: dict[tuple[str | None, str, str], Access | None] = {}

    def eta(self, job_id: str) -> Eta:
        """Return the places and expected times of a job's items."""
        if job_id not in self._etas:
            self._etas[job_id] = self.studio.store.eta.of_items(self.assets[job_id])
        return self._etas[job_id]

    def right(self, viewer: Viewer, job: Job) -> Access | None:
        """Return a viewer's right to view a job; None: there is none.

        With a link, only the link's right counts, even for the owner, so that owners see what
        guests see.
        """
        key = (viewer.user_id, viewer.share_key, job.id)
        if key not in self._rights:
            user_id = None if viewer.share_key else viewer.user_id
            store, identity = self.studio.store, self.studio.identity
            self._rights[key] = permissions.to_found(
                store, identity, user_id, job, viewer.share_key
            )
        return self._rights[key]

    def view(self, viewer: Viewer) -> ViewContext:
        """Return what words for the viewer depend on."""
        if viewer.zone not in self._views:
            self._views[viewer.zone] = self.studio.view(viewer.zone)
        return replace(self._views[viewer.zone], share_key=viewer.share_key)


POLL_SECONDS: Final = 5.0


class Feed(ABC):
    """Something that changes, in the words of one viewer.

    Attributes:
        poll_seconds: after how long it is drawn again if no change was seen.
        viewer: whom the words are for.
        jobs: the jobs that it shows.
    """

    poll_seconds: ClassVar[float] = POLL_SECONDS

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.jobs: frozenset[str] = frozenset()

    @property
    @abstractmethod
    def key(self) -> Hashable:
        """What identifies the feed; viewers with the same key share it."""

    @abstractmethod
    def needs(self, studio: WebStudio, changed: Collection[str] | None) -> Collection[str]:
        """Return the jobs to read before drawing.

        Args:
            studio: the connections.
            changed: jobs that have changed since the last drawing; None: any may have.
        """

    @abstractmethod
    def draw(self, reading: Reading) -> Json | None:
        """Return a snapshot; None: the viewer may not view it any more."""

    @abstractmethod
    def patch(self, before: Json, after: Json) -> Json | None:
        """Return what changed between snapshots; empty: nothing; None: send the new snapshot."""

    @abstractmethod
    def is_live(self, shown: Json) -> bool:
        """Return whether more changes are expected after a snapshot."""


def read_feed(studio: WebStudio, feed: Feed) -> Json | None:
    """Return a snapshot of a feed; None: the viewer may not view it.

    Its `now` is before the reading, and that of a pushed snapshot after it, so that the browser
    knows which of two snapshots is newer.
    """
    began = now()
    shown = feed.draw(Reading(studio, feed.needs(studio, None)))
    return None if shown is None else shown | {"now": began.isoformat()}


class JobFeed(Feed):
    """A job as its page shows it.

    Args:
        viewer: whom it is shown to.
        job_id: the job.
    """

    def __init__(self, viewer: Viewer, job_id: str) -> None:
        super().__init__(viewer)
        self._job_id = job_id
        self._drawn: dict[str, tuple[tuple[Any, ...], Json]] = {}
        self.jobs = frozenset([job_id])

    @property
    def key(self) -> Hashable:
        """The viewer and the job."""
        return self.viewer, self._job_id

    def needs(self, studio: WebStudio, changed: Collection[str] | None) -> Collection[str]:  # noqa: ARG002
        """Return the job."""
        return self.jobs

    def draw(self, reading: Reading) -> Json | None:
        """Return the job's snapshot."""
        job = reading.jobs.get(self._job_id)
        right = None if job is None else reading.right(self.viewer, job)
        if job is None or right is None or job.binned_at is not None:
            return None
        view = replace(reading.view(self.viewer), via=right.via)
        assets, eta = reading.assets[job.id], reading.eta(job.id)
        return snapshot.snapshot(job, assets, view, eta, self._tile)

    def patch(self, before: Json, after: Json) -> Json | None:
        """Return what has changed of the snapshot."""
        return snapshot.patch(before, after)

    def is_live(self, shown: Json) -> bool:
        """Return whether the job is in progress."""
        return bool(shown["job"]["active"])

    def _tile(self, asset: Asset, prompt: str, view: ViewContext, eta: Eta) -> Json:
        """Return a tile; an unchanged item keeps its tile."""
        of = (
            view.via,
            asset,
            *(each.get(asset.id) for each in (eta.places, eta.own, eta.expected)),
        )
        known = self._drawn.get(asset.id)
        if known is None or known[0] != of:
            self._drawn[asset.id] = known = (of, item_view.tile(asset, prompt, view, eta))
        return known[1]


class CardsFeed(Feed):
    """The cards of a user's own recent jobs.

    Args:
        viewer: the user.
        limit: how many cards.
    """

    def __init__(self, viewer: Viewer, limit: int = CARDS) -> None:
        super().__init__(viewer)
        self._limit = limit
        self._listed: list[Job] = []
        self._drawn: dict[str, tuple[Job, Json]] = {}
        self._more = False

    @property
    def key(self) -> Hashable:
        """The viewer and how many cards."""
        return self.viewer, self._limit

    def needs(self, studio: WebStudio, changed: Collection[str] | None) -> Collection[str]:
        """Return the jobs that have changed, or may have."""
        if changed is not None:
            return self.jobs & set(changed)
        found = studio.store.jobs.of_user(self.viewer.user_id or "", self._limit + 1)
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
        view = reading.view(self.viewer)
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

    def is_live(self, shown: Json) -> bool:
        """Return whether any of the jobs is in progress."""
        return any(each["percent"] is not None for each in shown["cards"])
