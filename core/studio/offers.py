"""Offers: the models that can be chosen."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.i18n import gettext as _
from core.i18n import translated
from core.providers.base import Capability, Provider
from core.store import Store


@dataclass(frozen=True)
class Offer:
    """A model of a provider, as it can be chosen."""

    provider: Provider
    capability: Capability

    @property
    def label(self) -> str:
        """The display name."""
        return f"{self.capability.model} · {_(self.provider.title)}"

    @property
    def key(self) -> str:
        """The identifier among the offers for the same kind and task."""
        return f"{self.provider.name}/{self.capability.model}"

    @property
    def price(self) -> tuple[str, float | None]:
        """The unit and the price of an item with default options; None: not declared."""
        capability = self.capability
        shape = next(iter(capability.ratios.values()), (0, 0))
        usual = {option.name: option.default for option in capability.options}
        params = {"width": shape[0], "height": shape[1], "seconds": capability.default_seconds}
        chosen = params | {name: value for name, value in usual.items() if value is not None}
        try:
            cost = capability.estimate(chosen)
        except (LookupError, TypeError, ValueError):  # the price depends on more than that
            cost = capability.cost
        return cost.unit, cost.estimated


def account_notes(store: Store, offers: Sequence[Offer]) -> list[str]:
    """Return what the workers last reported of the accounts at these providers, such as balances.

    Raises:
        DatabaseError: the database does not answer.
    """
    reported: dict[str, str] = {}
    for worker in store.workers.alive():
        reported |= worker.accounts
    titles = {offer.provider.name: _(offer.provider.title) for offer in offers}
    return [
        f"{title}: {translated(reported[name])}"
        for name, title in titles.items()
        if name in reported
    ]


def unserved_queues(store: Store, offers: Sequence[Offer]) -> list[str]:
    """Return the queues of these offers that no running worker serves.

    Raises:
        DatabaseError: the database does not answer.
    """
    served = {queue for worker in store.workers.alive() for queue in worker.queues}
    return sorted({offer.capability.queue for offer in offers} - served)
