"""The studio: the connections of one process, which every operation of the service works on."""

from dataclasses import dataclass

from core.i18n import gettext as _
from core.media.storage import ContentStore, open_content
from core.models import Kind, Task
from core.notifications.registry import offered
from core.providers.registry import Catalogue, open_catalogue
from core.settings import Settings
from core.store import Store, open_store
from core.studio.offers import Offer


@dataclass(frozen=True)
class Studio:
    """The connections of one process; safe to use from several threads."""

    settings: Settings
    store: Store
    #: Where the files are.
    content: ContentStore
    #: The configured providers.
    catalogue: Catalogue

    def offers(self, kind: Kind, task: Task = Task.CREATE) -> list[Offer]:
        """Return the models that can do a task for a kind, the preferred one first."""
        return [Offer(*each) for each in self.catalogue.offers(kind, task)]

    def channels(self) -> list[str]:
        """Return the notification channels that are available."""
        return offered(self.settings)

    def animates(self) -> bool:
        """Return whether any provider makes clips from an image."""
        return bool(self.offers(Kind.VIDEO, Task.ANIMATE))

    def upscales(self, kind: Kind) -> bool:
        """Return whether any provider upscales items of a kind."""
        return bool(self.offers(kind, Task.UPSCALE))

    def title(self, provider: str) -> str:
        """Return a provider's display name, or its plain name if it is not configured."""
        found = self.catalogue.providers.get(provider)
        return provider if found is None else _(found.title)


def open_studio(settings: Settings) -> Studio:
    """Open the connections that the settings describe; close `store` when done.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    return Studio(
        settings=settings,
        store=open_store(settings),
        content=open_content(settings.content_url),
        catalogue=open_catalogue(settings),
    )
