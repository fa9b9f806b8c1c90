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
    """An account. `id` is the lower-case user_id.

    Attributes:
        admin: whether everybody's work and logs may be looked at.
        protected: whether a passphrase is asked for; its hash is not part of this.
        subject: who its owner is for the OpenID Connect provider.
        deleting_at: since when the account is being deleted; nobody can log in any more.
        notify: how the user is told of jobs, unless something else is chosen for one.
        zone: the zone that the user's times are shown and meant in; None: the browser's.
        language: the language that the user reads, by its code; None: the browser's.
        email: where mail goes; see `EmailAddress` for whether it may.
        webhook: where webhooks go.
        stay: whether Create stays on the screen once something is ordered.
    """

    id: str = Field(alias="_id")
    created_at: Moment
    last_login_at: Moment | None = None
    admin: bool = False
    protected: Annotated[bool, VITAL] = False
    subject: Annotated[Subject | None, VITAL] = None
    deleting_at: Annotated[Moment | None, VITAL] = None
    notify: Notify = Notify()
    zone: Zone | None = None
    language: Language | None = None
    email: str | None = None
    webhook: Webhook | None = None
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
    """One login that lasts. `id` is the SHA-256 of the secret in the browser's cookie, in hex.

    Attributes:
        method: what proved who it is, as `Method` names it; empty (in sessions of earlier
            versions): that is not known, so it counts as no more than the user id.
        seen_at: when it was last used, to the minute.
        revoked_at: when it was ended before its time: by logging out, or from elsewhere.
        address: where the login came from.
        agent: what the browser calls itself.
    """

    id: str = Field(alias="_id")
    user_id: str
    created_at: Moment
    seen_at: Moment
    expires_at: Moment
    revoked_at: Annotated[Moment | None, VITAL] = None
    address: str = ""
    agent: str = ""
    method: str = ""


class Invitation(Document):
    """Leave to make one account, or to choose a passphrase anew. `id` is the link's SHA-256.

    Attributes:
        made_by: which admin made it; `terminal`: this machine's command line.
        user_id: the account that it is for; None: any new one.
    """

    id: str = Field(alias="_id")
    made_by: str
    created_at: Moment
    expires_at: Moment
    user_id: Annotated[str | None, VITAL] = None
    used_at: Annotated[Moment | None, VITAL] = None
    used_by: str | None = None


class Share(Document):
    """Leave for whoever has the link to look at one job.

    Attributes:
        user_id: whose job it is.
        withdrawn_at: when the owner took the leave back.
    """

    id: str = Field(alias="_id")
    job_id: str
    user_id: str
    created_at: Moment
    expires_at: Moment
    withdrawn_at: Annotated[Moment | None, VITAL] = None

    def holds(self, moment: datetime) -> bool:
        """Return whether the link works at a time."""
        return self.withdrawn_at is None and moment < self.expires_at


class LoginEntry(Document):
    """One attempt to log in, successful or not.

    Attributes:
        user_id: which account it was about; where that is none, what was typed, or what the
            identity provider said.
        outcome: `accepted` or `refused`.
        reason: why it was refused; empty otherwise.
        method: `user_id`, `passphrase`, `oidc` or `invite`; empty: not known.
        session: the id of the session that it began.
    """

    user_id: str
    outcome: str
    reason: str
    address: str
    agent: str
    time: Moment
    method: str = ""
    session: str | None = None


class Via(StrEnum):
    """By which right somebody looks at a job, an item, or a gallery."""

    OWN = "own"
    ADMIN = "admin"
    SHARE = "share"


class ViewEntry(Document):
    """One look at content: a page opened, an image viewed, a video played, a download, a share.

    Attributes:
        user_id: who looked; empty: somebody with a link who was not logged in.
        owner: whose content it is; None (in old entries): the same.
        job_id: which job.
        asset_id: which item; None: the whole job, or the gallery.
        action: such as `open_job`, `open_gallery`, `view`, `play`, `download`, `share`.
        via: by which right.
        share: the id of the share that it came by.
        address: where it came from.
    """

    user_id: str
    job_id: str | None
    asset_id: str | None
    action: str
    time: Moment
    owner: str | None = None
    via: Annotated[Via, VITAL] = Via.OWN
    share: str | None = None
    address: str = ""
