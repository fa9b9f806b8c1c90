"""Accounts, and what is logged of what they do."""

from datetime import datetime

from pydantic import Field

from core.models.base import Document
from core.models.notices import Notify, Webhook


class User(Document):
    """An account. `id` is the lower-case user_id.

    Attributes:
        notify: how the user is told of jobs, unless something else is chosen for one.
        zone: the zone that the user's times are shown and meant in; None: the browser's.
        email: where mail goes; see `Address` for whether it may.
        webhook: where webhooks go.
    """

    id: str = Field(alias="_id")
    created_at: datetime
    last_login_at: datetime | None = None
    notify: Notify = Notify()
    zone: str | None = None
    email: str | None = None
    webhook: Webhook | None = None


class LoginEntry(Document):
    """One attempt to log in, successful or not. `user_id` is what was typed."""

    user_id: str
    outcome: str
    reason: str
    address: str
    agent: str
    time: datetime


class ViewEntry(Document):
    """One look at content: a page opened, an image viewed, a video played, a download."""

    user_id: str
    job_id: str | None
    asset_id: str | None
    action: str
    time: datetime
