"""Whether there is room for what an order would make."""

from core.disks import full_disk
from core.media.folder import FolderStore
from core.media.storage import ContentStore
from core.settings import Settings


def full_disks(settings: Settings, content: ContentStore) -> str:
    """Return which disk of ours is full, in a sentence; empty: there is room.

    Only this machine's disks are looked at: those of a database or an object store elsewhere say
    so themselves.
    """
    folders = {} if settings.mongodb_uri.get_secret_value() else {"DATA_DIR": settings.data_dir}
    if isinstance(content, FolderStore):
        folders["CONTENT_URL"] = content.root
    return next(filter(None, (full_disk(*each) for each in folders.items())), "")
