"""What every page and route shares: settings, database, files, providers."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from core.generation.generators import open_catalogue
from core.generation.order import Order, plan
from core.media.storage import ContentStore, open_content
from core.models import Job, Kind
from core.providers.registry import Catalogue
from core.settings import Settings, load_settings
from core.store import Store, open_store

__all__ = ["Choices", "Order", "Studio", "studio"]


@dataclass(frozen=True)
class Choices:
    """What the form on the first page offers, as the providers say.

    Attributes:
        ratios: aspect ratios that both images and videos can have.
        seconds: the clip lengths.
        default_seconds: the clip length that is chosen beforehand.
        notices: what users must know about the providers in use.
    """

    ratios: Sequence[str]
    seconds: Sequence[int]
    default_seconds: int | None
    notices: Sequence[str]


@dataclass(frozen=True)
class Studio:
    """One process's connections; safe to use from several threads at once."""

    settings: Settings
    store: Store
    content: ContentStore
    catalogue: Catalogue

    def choices(self) -> Choices:
        """Return what can be chosen for the next job."""
        images_by, images = self.catalogue.choose(Kind.IMAGE)
        videos_by, videos = self.catalogue.choose(Kind.VIDEO)
        notices = dict.fromkeys(each.notice for each in (images_by, videos_by) if each.notice)
        return Choices(
            ratios=[ratio for ratio in images.ratios if ratio in videos.ratios],
            seconds=list(videos.seconds),
            default_seconds=videos.default_seconds,
            notices=list(notices),
        )

    def title(self, provider: str) -> str:
        """Return a provider's name for people; its plain name where it is not configured."""
        found = self.catalogue.providers.get(provider)
        return provider if found is None else found.title

    def order(self, order: Order) -> Job:
        """Check an order and store it; the worker takes it from there.

        Raises:
            InvalidInput: something in it cannot be made; the text says what.
            DatabaseError: it was not stored.
        """
        job, assets = plan(order, self.catalogue)
        self.store.jobs.create(job, assets)
        return job


@st.cache_resource(show_spinner=False)
def studio() -> Studio:
    """Return this process's studio, opening it at the first call.

    Raises:
        DatabaseUnavailable: the database does not answer; the next call tries again.
    """
    settings = load_settings()
    return Studio(
        settings=settings,
        store=open_store(settings),
        content=open_content(settings.content_url),
        catalogue=open_catalogue(settings),
    )
