"""The options of `generate` that choose providers, models and the models' own options."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.models import Asset, InvalidInput, Kind, Task
from core.providers.registry import Catalogue
from core.studio.order import Choice
from core.studio.planning import choose_model, kinds_of


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The options as typed; None: the preferred provider or model."""

    image_provider: str | None = None
    image_model: str | None = None
    video_provider: str | None = None
    video_model: str | None = None
    #: `NAME=VALUE` for each kind that has the option, `image.NAME=VALUE` for one.
    options: Sequence[str] = ()

    def choices(
        self, catalogue: Catalogue, task: Task = Task.CREATE, source: Asset | None = None
    ) -> dict[Kind, Choice]:
        """Return the choice for each kind that is generated.

        Args:
            catalogue: the configured providers.
            task: what is to be done.
            source: the source of the task; None for `CREATE`.

        Raises:
            InvalidInput: there is no such model or option.
        """
        named = {
            Kind.IMAGE: (self.image_provider, self.image_model),
            Kind.VIDEO: (self.video_provider, self.video_model),
        }
        kinds = kinds_of(task, source)
        chosen = {kind: choose_model(catalogue, kind, *named[kind], task)[1] for kind in kinds}
        known = {kind: [each.name for each in model.options] for kind, model in chosen.items()}
        values: dict[Kind, dict[str, str]] = {kind: {} for kind in kinds}
        for typed in self.options:
            name, equals, value = typed.partition("=")
            which, _, plain = name.rpartition(".")
            matching = [kind for kind in kinds if which in ("", kind) and plain in known[kind]]
            if not equals or not matching:
                there = ", ".join(f"{kind}.{each}" for kind in known for each in known[kind])
                raise InvalidInput(f"“{typed}” is no NAME=VALUE of: {there or 'none'}.")
            for kind in matching:
                values[kind][plain] = value
        return {
            kind: Choice(provider=named[kind][0], model=named[kind][1], options=values[kind])
            for kind in kinds
        }
