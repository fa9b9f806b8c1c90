"""Notices: what a user can do about those that are due or failed."""

from datetime import datetime

from core.models import User, When, now
from core.store import Store
from core.studio.errors import JobNotFound


def change_notice(
    store: Store,
    user: User,
    notice_id: str,
    action: str,
    due_at: datetime | None = None,
) -> bool:
    """Change a notice of a user's; return whether that was still possible.

    Args:
        store: the database.
        user: whose notice.
        notice_id: the notice.
        action: `send_now`, `reschedule` or `cancel`.
        due_at: for `reschedule`, the new time; None: now.
    """
    if action == "send_now":
        return store.notices.send_now(notice_id, user.id)
    if action == "cancel":
        return store.notices.cancel(notice_id, user.id)
    return store.notices.reschedule(notice_id, user.id, due_at or now())


def change_planned_notice(
    store: Store, user: User, job_id: str, due_at: datetime | None, zone: str
) -> None:
    """Change when a user is notified of a job that is in progress.

    Args:
        store: the database.
        user: whose job.
        job_id: the job.
        due_at: not before this time; None: do not notify.
        zone: the name of the user's time zone.

    Raises:
        JobNotFound: the user has no such job.
    """
    job = store.jobs.get(job_id, user.id)
    if job is None:
        raise JobNotFound
    changes: dict[str, object] = {"channels": ()}
    if due_at is not None:
        channels = job.notify.channels or user.notify.channels
        changes = {"channels": channels, "when": When.AT, "at": due_at, "timezone": zone}
    store.settlement.announce(job_id, user.id, job.notify.model_copy(update=changes))


def mark_read(store: Store, user_id: str, job_id: str | None = None) -> None:
    """Mark a user's notices as read, of one job or all."""
    store.notices.mark_read(user_id, job_id)
