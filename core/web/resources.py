"""What every page and route shares: settings, database, files, providers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from core.generation.disk_space import full_disks
from core.generation.generators import open_catalogue
from core.i18n import gettext as _
from core.i18n import language, translated
from core.media.storage import ContentStore, open_content
from core.models import ChannelName, InvalidInput, Job, Kind, Task, now
from core.notifications.preferences import check_preferences
from core.notifications.registry import offered
from core.providers.base import Capability, Provider
from core.providers.errors import (
    BalanceSpent,
    InvalidCredentials,
    ProviderError,
    RateLimited,
    RequestRejected,
)
from core.providers.registry import Catalogue
from core.settings import Settings, load_settings
from core.store import Store, open_store
from core.store.accounts.login_sessions import LoginSessionStore
from core.studio.order import Choice, Order, plan, upscaled_size
from core.studio.styles import STYLES
from core.web.identity.middleware import Identity, open_identity
from core.web.text.dates import zone_of
from core.web.text.viewer import View

__all__ = ["STYLES", "Choice", "Maker", "Order", "Studio", "plan", "studio", "upscaled_size"]


CHAT_CALL_USD: Final = 0.05
"""What a call of a chat model counts with in a budget, unless `ASSUMED_COSTS` names the model.

Its server does not say what it costs. A call takes and gives a few thousand tokens, which costs
less with all but the dearest models.
"""


@dataclass(frozen=True)
class Maker:
    """A provider with one of its models, as it can be chosen."""

    provider: Provider
    capability: Capability

    @property
    def label(self) -> str:
        """What it is called in the form."""
        return f"{self.capability.model} · {_(self.provider.title)}"

    @property
    def key(self) -> str:
        """What tells it from the others that make the same kind."""
        return f"{self.provider.name}/{self.capability.model}"

    @property
    def price(self) -> tuple[str, float | None]:
        """What an item costs with nothing chosen, in its unit; None: that is not said."""
        capability = self.capability
        shape = next(iter(capability.ratios.values()), (0, 0))
        usual = {option.name: option.default for option in capability.options}
        params = {"width": shape[0], "height": shape[1], "seconds": capability.default_seconds}
        chosen = params | {name: value for name, value in usual.items() if value is not None}
        try:
            cost = capability.estimate(chosen)
        except (LookupError, TypeError, ValueError):  # it needs more than that
            cost = capability.cost
        return cost.unit, cost.estimated


@dataclass(frozen=True)
class Studio:
    """One process's connections; safe to use from several threads at once."""

    settings: Settings
    store: Store
    content: ContentStore
    catalogue: Catalogue
    identity: Identity

    @property
    def sessions(self) -> LoginSessionStore:
        """The logins, of which only those go on that `LOGIN` allows."""
        return self.store.login_sessions.under(self.settings.login)

    def at(self, path: str) -> str:
        """Return the address of a path of ours, under `PUBLIC_URL`'s own path where it has one."""
        return self.settings.prefix + path

    def makers(self, kind: Kind, task: Task = Task.CREATE) -> list[Maker]:
        """Return who makes a kind so, the preferred one first."""
        return [Maker(*each) for each in self.catalogue.offers(kind, task)]

    def channels(self) -> list[ChannelName]:
        """Return the ways in which users can be told here."""
        return offered(self.settings)

    def animates(self) -> bool:
        """Return whether any provider makes clips of an image."""
        return bool(self.makers(Kind.VIDEO, Task.ANIMATE))

    def upscales(self, kind: Kind) -> bool:
        """Return whether any provider makes items of a kind again with more pixels."""
        return bool(self.makers(kind, Task.UPSCALE))

    def title(self, provider: str) -> str:
        """Return a provider's name for people; its plain name where it is not configured."""
        found = self.catalogue.providers.get(provider)
        return provider if found is None else _(found.title)

    def view(self, zone: str) -> View:
        """Return who looks, and when, where somebody looks at their own work.

        Args:
            zone: the name of the zone that they live by.
        """
        return View(
            zone=zone_of(zone),
            today=now(),
            title_of=self.title,
            animates=self.animates(),
            upscales=frozenset(kind for kind in Kind if self.upscales(kind)),
            bin_days=self.settings.bin_days,
        )

    def accounts(self, makers: Sequence[Maker]) -> list[str]:
        """Return what the workers last heard of these makers' accounts, such as balances."""
        heard: dict[str, str] = {}
        for worker in self.store.workers.alive():
            heard |= worker.accounts
        chosen = {maker.provider.name: _(maker.provider.title) for maker in makers}
        return [
            f"{title}: {translated(heard[name])}" for name, title in chosen.items() if name in heard
        ]

    def unserved(self, makers: Sequence[Maker]) -> list[str]:
        """Return the queues of these makers that no worker serves at the moment."""
        served = {queue for worker in self.store.workers.alive() for queue in worker.queues}
        return sorted({maker.capability.queue for maker in makers} - served)

    def can_vary(self) -> bool:
        """Return whether a chat model is there to rewrite prompts."""
        return bool(self.settings.openai_chat_model)

    def vary(self, user_id: str, prompt: str, kind: Kind, number: int) -> list[str]:
        """Have a chat model rewrite a prompt into one for each item, on a user's budget.

        Raises:
            InvalidInput: it did not, or the budget does not allow it; the text says why.
            DatabaseError: the budget could not be looked at, so it was not asked.
        """
        from core.providers.openai.variations import vary  # noqa: PLC0415  # loads an SDK

        settings, spending = self.settings, self.store.budgets
        model, api_key = settings.openai_chat_model, settings.openai_api_key.get_secret_value()
        booking = None
        if api_key:  # a server that wants no key sends no bill
            booking = spending.book(user_id, "openai", model, kind, CHAT_CALL_USD)
        asking = vary(
            prompt,
            kind,
            number,
            model=model,
            api_key=api_key,
            base_url=settings.openai_base_url or None,
        )
        try:
            return asyncio.run(asking)
        except (BalanceSpent, InvalidCredentials, RateLimited, RequestRejected) as error:
            spending.unbook(booking)
            raise InvalidInput(translated(str(error))) from None
        except (ProviderError, TimeoutError) as error:
            why = translated(str(error)) or _("The chat model did not answer in time.")
            raise InvalidInput(why) from None

    def order(self, order: Order) -> Job:
        """Check an order and store it; the worker takes it from there.

        Raises:
            InvalidInput: something in it cannot be made, or there is no room; the text says what.
            DatabaseError: it was not stored.
        """
        if full := full_disks(self.settings, self.content):
            raise InvalidInput(translated(full))
        check_preferences(order.notify, self.store.users.get(order.user_id), self.channels())
        job, assets = plan(order, self.catalogue)
        job = job.model_copy(update={"language": language()})
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
        identity=open_identity(settings),
    )
