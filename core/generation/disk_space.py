"""Whether there is room for what an order would make."""

from core.media.folder import FolderStore
from core.media.storage import ContentStore
from core.settings import Settings
from core.store.embedded import full_database_disk
from core.system.disks import full_disk


def full_disks(settings: Settings, content: ContentStore) -> str:
    """Return which disk of ours is full, in a sentence; empty: there is room.

    Only this machine's disks are looked at: those of a database or an object store elsewhere say
    so themselves.
    """
    full = full_database_disk(settings)
    if not full and isinstance(content, FolderStore):
        full = full_disk("CONTENT_URL", content.root)
    return full
