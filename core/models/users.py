"""Accounts, how their owners prove who they are, and what is logged of what they do."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from core.models.base import VITAL, Document, Language, Moment
from core.models.notices import EMAIL, WEBHOOK, Notify, Webhook
from core.models.times import Zone


class Subject(Document):
    """Who somebody is for an OpenID Connect provider (OpenID Connect Core 1.0, section 2)."""

    issuer: str
    subject: str


class User(Document):
    """An account. `id` is the lower-case user_id."""

    id: str = Field(alias="_id")
    created_at: Moment
    last_login_at: Moment | None = None
    #: Whether it may look at everybody's work and logs.
    admin: bool = False
    #: Whether it has a passphrase; the hash is not part of this.
    protected: Annotated[bool, VITAL] = False
    #: Its owner at the OpenID Connect provider.
    subject: Annotated[Subject | None, VITAL] = None
    #: Since when it is being deleted; nobody can log in any more.
    deleting_at: Annotated[Moment | None, VITAL] = None
    #: How its owner is notified of jobs, unless something else is chosen for one.
    notify: Notify = Notify()
    #: The time zone of its owner's times; None: the browser's.
    zone: Zone | None = None
    #: The language of its owner; None: the browser's.
    language: Language | None = None
    #: Where mail goes; see `EmailAddress` for whether it may.
    email: str | None = None
    #: Where webhooks go.
    webhook: Webhook | None = None
    #: Whether Create stays on the screen after an order.
    stay: bool = False

    @property
    def sees_all(self) -> bool:
        """Whether the account may look at everybody's work and logs at present."""
        return self.admin and self.deleting_at is None


def recipient_of(channel: str, notify: Notify, user_id: str, user: User | None) -> str | None:
    """Return who is notified over a channel: the user, unless the channel has its own address.

    Args:
        channel: its name.
        notify: what was chosen for the job.
        user_id: whose job it is.
        user: the account; None: it cannot be read.

    Returns:
        an e-mail address, or the user_id; None: the channel leads nowhere (any more).
    """
    if channel == EMAIL:
        return notify.email or (None if user is None else user.email)
    if channel == WEBHOOK and (user is None or user.webhook is None):
        return None
    return user_id


class Method(StrEnum):
    """What proved at a login who somebody is; it stays with the session.

    `USER_ID`: nothing but the user id. `INVITATION`: the link of one, by which a passphrase was
    chosen.
    """

    USER_ID = "user_id"
    PASSPHRASE = "passphrase"  # noqa: S105  # the name of a way
    OIDC = "oidc"
    INVITATION = "invitation"


SESSION_METHODS: Final[dict[str, frozenset[Method]]] = {
    "user_id": frozenset({Method.USER_ID, Method.PASSPHRASE, Method.INVITATION}),
    "passphrase": frozenset({Method.PASSPHRASE, Method.INVITATION}),
    "oidc": frozenset({Method.OIDC}),
}
"""Which sessions go on, by what `LOGIN` is: those that began in a way that is offered still."""


class LoginSession(Document):
    """One login that lasts. `id` is the SHA-256 of the secret in the browser's cookie, in hex."""

    id: str = Field(alias="_id")
    user_id: str
    created_at: Moment
    #: When it was last used, to the minute.
    seen_at: Moment
    expires_at: Moment
    #: When it was ended before its time: by logging out, or from elsewhere.
    revoked_at: Annotated[Moment | None, VITAL] = None
    #: Where the login came from.
    address: str = ""
    #: What the browser calls itself.
    agent: str = ""
    #: What proved who it is, as in `Method`; empty (not known): no more than the user id.
    method: str = ""


class Invitation(Document):
    """Permission to create an account, or to renew a passphrase. `id` is the link's SHA-256."""

    id: str = Field(alias="_id")
    #: Which admin created it; `terminal`: the command line of this machine.
    made_by: str
    created_at: Moment
    expires_at: Moment
    #: The account that it is for; None: any new one.
    user_id: Annotated[str | None, VITAL] = None
    used_at: Annotated[Moment | None, VITAL] = None
    used_by: str | None = None


class Share(Document):
    """Permission for everybody with the link to look at one job."""

    id: str = Field(alias="_id")
    job_id: str
    #: Whose job it is.
    user_id: str
    created_at: Moment
    expires_at: Moment
    #: When its owner withdrew it.
    withdrawn_at: Annotated[Moment | None, VITAL] = None

    def holds(self, moment: datetime) -> bool:
        """Return whether the link works at a time."""
        return self.withdrawn_at is None and moment < self.expires_at


class LoginEntry(Document):
    """One attempt to log in, successful or not."""

    #: The account; where there is none, what was typed or what the identity provider said.
    user_id: str
    #: `accepted` or `refused`.
    outcome: str
    #: Why it was refused; empty otherwise.
    reason: str
    address: str
    agent: str
    time: Moment
    #: `user_id`, `passphrase`, `oidc` or `invite`; empty: not known.
    method: str = ""
    #: The id of the session that it began.
    session: str | None = None


class Via(StrEnum):
    """By which right somebody looks at a job, an item, or a gallery."""

    OWN = "own"
    ADMIN = "admin"
    SHARE = "share"


class ViewEntry(Document):
    """One look at content: a page opened, an image viewed, a video played, a download, a share."""

    #: Who looked; empty: a guest with a link.
    user_id: str
    #: Which job.
    job_id: str | None
    #: Which item; None: the whole job, or the gallery.
    asset_id: str | None
    #: Such as `open_job`, `open_gallery`, `view`, `play`, `download`, `share`.
    action: str
    time: Moment
    #: Whose content it is; None (in old entries): the same.
    owner: str | None = None
    #: By which right.
    via: Annotated[Via, VITAL] = Via.OWN
    #: The id of the share that it came by.
    share: str | None = None
    #: Where it came from.
    address: str = ""
