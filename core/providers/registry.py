"""The registry of providers: finding those that are switched on, and choosing among them."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from typing import Any, Final

from core import providers
from core.i18n import gettext as _
from core.models import Kind, Task
from core.providers.base import Capability, Limits, Provider, what_is_made
from core.settings import Settings

ENTRY_POINTS: Final = "fivefold.providers"
"""Group of the entry points by which an installed package adds providers: each names a module with
a function `from_settings`, as the built-in ones have it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Catalogue:
    """The configured providers, the preferred ones first.

    Attributes:
        providers: by their names.
        broken: why a plug-in or module offers nothing, by its name.
        narrowed: limits chosen for this installation, by `provider` or `provider/model`.
    """

    providers: dict[str, Provider]
    broken: dict[str, str] = field(default_factory=dict)
    narrowed: Mapping[str, Limits] = field(default_factory=dict)

    def offers(self, kind: Kind, task: Task = Task.CREATE) -> Iterator[tuple[Provider, Capability]]:
        """Yield each provider and capability for a kind and task, the preferred ones first."""
        for provider in self.providers.values():
            for capability in provider.capabilities():
                if (capability.kind, capability.task) == (kind, task):
                    yield provider, capability

    def choose(
        self,
        kind: Kind,
        provider: str | None = None,
        model: str | None = None,
        task: Task = Task.CREATE,
    ) -> tuple[Provider, Capability]:
        """Return the provider and model that make a kind.

        Args:
            kind: what is to be made.
            provider: the chosen provider's name; None: the first that makes it. One that needs
                consent is chosen only by name.
            model: the chosen model; None: the first.
            task: what is to be done.

        Raises:
            LookupError: there is none; the text says so.
        """
        for found, capability in self.offers(kind, task):
            if provider is None and found.consent:
                continue
            if provider in (None, found.name) and model in (None, capability.model):
                return found, capability
        what = what_is_made(kind, task)
        if provider is not None and provider not in self.providers:
            sentence = _("There is no provider “{name}” here; there are: {known}.")
            raise LookupError(sentence.format(name=provider, known=", ".join(self.providers)))
        if provider is None:
            sentence = (
                _("No configured provider makes {what}.")
                if model is None
                else _("No configured provider makes {what} with a model “{model}”.")
            )
            raise LookupError(sentence.format(what=what, model=model))
        sentence = (
            _("{provider} makes no {what}.")
            if model is None
            else _("{provider} makes no {what} with a model “{model}”.")
        )
        title = _(self.providers[provider].title)
        raise LookupError(sentence.format(provider=title, what=what, model=model))

    def capability(
        self, provider: str, kind: Kind, model: str, task: Task = Task.CREATE
    ) -> Capability | None:
        """Return a capability of a provider's model; None: it is not configured (any more)."""
        return next(
            (
                capability
                for found, capability in self.offers(kind, task)
                if (found.name, capability.model) == (provider, model)
            ),
            None,
        )

    def model(self, provider: str, model: str) -> Capability | None:
        """Return a capability of a provider's model, of any kind, for its limits."""
        found = self.providers.get(provider)
        capabilities = () if found is None else found.capabilities()
        return next((each for each in capabilities if each.model == model), None)

    def limits(self, provider: str, model: str | None = None) -> Limits:
        """Return the limits of a provider, or of one of its models.

        Those that the provider declares are narrowed by those of this installation.
        """
        if model is None:
            found = self.providers.get(provider)
            declared, name = Limits() if found is None else found.limits, provider
        else:
            capability, name = self.model(provider, model), f"{provider}/{model}"
            declared = (
                Limits()
                if capability is None
                else Limits(
                    at_once=capability.limit,
                    per_minute=capability.per_minute,
                    per_day=capability.per_day,
                )
            )
        return declared.narrowed(self.narrowed.get(name, Limits()))

    def to_json(self) -> list[dict[str, Any]]:
        """Return every model of every provider, for programs."""
        return [
            {
                "provider": provider.name,
                "title": provider.title,
                "consent": provider.consent,
                "kind": each.kind,
                "model": each.model,
                "task": each.task,
                "ratios": {name: list(size) for name, size in each.ratios.items()},
                "seconds": list(each.seconds),
                "default_seconds": each.default_seconds,
                "options": [asdict(option) for option in each.options],
                "max_prompt": each.max_prompt,
                "paid": each.paid,
                "cost": each.cost.to_document(),
                "queue": each.queue,
                "limits": asdict(self.limits(provider.name, each.model)),
            }
            for provider in self.providers.values()
            for each in provider.capabilities()
        ]

    async def close(self) -> None:
        """Close every provider."""
        for provider in self.providers.values():
            await provider.close()


def open_catalogue(settings: Settings) -> Catalogue:
    """Return the providers that are switched on, the preferred ones first.

    Each module of this package and each plug-in may offer a function `from_settings(settings)`
    that returns the providers that the settings switch on: none, one or several. What they need,
    such as a vendor's SDK, is to be imported in there, so that only what is switched on is loaded.
    One that raises keeps no other out.

    Args:
        settings: keys, addresses and models of providers, and limits of this installation.
    """
    found: list[Provider] = []
    broken: dict[str, str] = {}
    for name, load in _modules():
        try:
            found += load()(settings)
        except Exception as error:  # noqa: BLE001  # one provider's mistake takes no other down
            _log.exception("the provider “%s” cannot be used", name)
            broken[name] = f"{type(error).__name__}: {error}"
    found.sort(key=lambda each: each.rank)
    narrowed = {name: Limits(**each.model_dump()) for name, each in settings.limits.items()}
    return Catalogue({each.name: each for each in found}, broken, narrowed)


_FromSettings = Callable[[Settings], Sequence[Provider]]


def _modules() -> Iterator[tuple[str, Callable[[], _FromSettings]]]:
    """Yield the name of each plug-in and module, and a function that loads its `from_settings`."""
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda each: each.name):
        yield entry.name, partial(_from_settings_of, entry)
    for module in iter_modules(providers.__path__):
        yield module.name, partial(_built_in, module.name)


def _from_settings_of(entry: EntryPoint) -> _FromSettings:
    from_settings: _FromSettings = entry.load().from_settings
    return from_settings


def _built_in(name: str) -> _FromSettings:
    module = import_module(f"{providers.__name__}.{name}")
    return getattr(module, "from_settings", lambda _settings: ())  # not all modules have one
