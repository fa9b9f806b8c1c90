"""The rows of the tables on the page “Activity”: logins, views and jobs."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from core.i18n import N_
from core.i18n import gettext as _
from core.models import Job, LoginEntry, User, Via, ViewEntry
from core.models.job_summary import status_text
from core.notifications.message import shortened
from core.store.jobs.activity import ViewsByOther
from core.web.activity.csv_routes import owner_of
from core.web.resources import studio
from core.web.text.browsers import browser_text
from core.web.text.money import job_cost_text

Row = dict[str, Any]
GUEST: Final = N_("A guest")  # with a share link, not logged in
NOT_ME: Final = N_("This was not me")
OUTCOMES: Final = {"accepted": N_("Logged in"), "refused": N_("Refused")}
REASONS: Final = {
    "passphrase missing": N_("The passphrase was asked for"),
    "wrong passphrase": N_("The passphrase was wrong"),
    "no account": N_("There was no such account"),
    "invalid user_id": N_("That is no user id"),
    "too many attempts": N_("It was tried too often"),
    "weak passphrase": N_("The new passphrase was too easy to guess"),
    "taken": N_("The user id was taken"),
    "registration closed": N_("New accounts are not made here"),
    "no invitation": N_("There was no invitation"),
    "invitation ended": N_("The invitation had ended"),
    "invitation used": N_("The invitation was used before"),
    "recovery link": N_("The invitation was for another account"),
    "another's link": N_("The invitation was for another account"),
    "unprotected admin": N_("An admin's account had no passphrase"),
    "being deleted": N_("The account is being deleted"),
    "by the provider only": N_("The identity provider was left out"),
    "ticket ended": N_("The login took too long"),
    "proof too old": N_("The login took too long"),
    "replayed": N_("The login was used before"),
    "claim missing": N_("The identity provider named no user id"),
    "address not verified": N_("The identity provider had not verified the address"),
    "another's account": N_("The account belongs to somebody else"),
    "provider refused": N_("The identity provider refused"),
    "provider unproven": N_("The identity provider's answer could not be verified"),
    "provider unreachable": N_("The identity provider did not answer"),
    "cross-site": N_("Another site's page sent it"),
    "malformed": N_("It was no login"),
    "too long": N_("It was too long"),
}
METHODS: Final = {
    "user_id": N_("User id"),
    "passphrase": N_("Passphrase"),
    "oidc": N_("Identity provider"),
    "invite": N_("Invitation"),
    "registration": N_("New account"),
}
ACTIONS: Final = {
    "open_job": N_("Opened the job"),
    "open_gallery": N_("Opened the gallery"),
    "open_activity": N_("Opened the activity"),
    "view": N_("Looked at the image"),
    "play": N_("Played the video"),
    "download": N_("Downloaded"),
    "download_many": N_("Downloaded with others"),
    "share": N_("Made a link to share"),
    "unshare": N_("Withdrew a shared link"),
    "preview": N_("Saw the preview"),
    "part": N_("Loaded a part"),
    "download_all": N_("Downloaded everything"),
    "invite": N_("Made an invitation"),
}
ITEMS: Final = {"image": N_("image {number}"), "video": N_("video {number}")}
RIGHTS: Final = {
    Via.OWN: N_("Own"),
    Via.ADMIN: N_("As an admin"),
    Via.SHARE: N_("By a shared link"),
}
TITLE_CHARACTERS: Final = 80


def login_row(entry: LoginEntry, here: str | None) -> Row:
    """Return the row of a login attempt; `here`: the id of this browser's session."""
    outcome = _(OUTCOMES.get(entry.outcome, entry.outcome))
    if here and entry.session == here:
        outcome = _("{outcome} (this browser)").format(outcome=outcome)
    return {
        N_("Time"): entry.time,
        N_("User id"): entry.user_id,
        N_("Outcome"): outcome,
        N_("Was this you?"): _(NOT_ME) if entry.session and entry.session != here else None,
        N_("From"): entry.address,
        N_("Browser"): browser_text(entry.agent) if entry.agent else "",
        N_("By"): _(METHODS.get(entry.method, entry.method)),
        N_("Why refused"): _(REASONS.get(entry.reason, entry.reason)),
    }


def view_row(entry: ViewEntry, viewer: User, prompts: Mapping[str, str]) -> Row:
    """Return the row of a view.

    Args:
        entry: the view.
        viewer: whom it is shown to.
        prompts: of the jobs that the viewer may see, by id.
    """
    owner, job_id = owner_of(entry), entry.job_id or ""
    kind, _dash, slot = (entry.asset_id or "").removeprefix(f"{job_id}-").partition("-")
    return {
        N_("Time"): entry.time,
        N_("Who"): entry.user_id or _(GUEST),
        N_("What"): _(ACTIONS.get(entry.action, entry.action)),
        N_("Job"): prompts.get(job_id, ""),
        N_("Open"): job_address(job_id) if job_id in prompts else None,
        N_("Item"): _(ITEMS[kind]).format(number=slot) if kind in ITEMS else "",
        N_("Whose"): {viewer.id: _("Yours"), "": _("Everybody's")}.get(owner, owner),
        N_("By which right"): _(RIGHTS[entry.via]),
        N_("From"): entry.address,
    }


def others_view_row(views: ViewsByOther, prompts: Mapping[str, str]) -> Row:
    """Return the row of another user's views of a job; `prompts`: by the ids of jobs."""
    job_id = views.job_id or ""
    return {
        N_("Who"): views.user_id or _(GUEST),
        N_("By which right"): _(RIGHTS[views.via]),
        N_("Job"): prompts.get(job_id, "") if job_id else _("Gallery, activity, or invitation"),
        N_("Open"): job_address(job_id) if job_id in prompts else None,
        N_("Looks"): views.number,
        N_("Downloads"): views.downloads,
        N_("Last"): views.last,
    }


def job_row(job: Job, viewer: User) -> Row:
    """Return the row of a job."""
    may_view = may_open(viewer, job)
    return {
        N_("Time"): job.created_at,
        N_("Who"): job.user_id,
        N_("Job"): shortened(job.prompt, TITLE_CHARACTERS) if may_view else "",
        N_("Open"): job_address(job.id) if may_view else None,
        N_("Status"): status_text(job),
        N_("Images"): len(job.image_paths),
        N_("Videos"): len(job.video_paths),
        N_("Cost"): job_cost_text(job),
    }


def may_open(user: User, job: Job) -> bool:
    """Return whether a user may open a job; those in the bin only their owners may."""
    return job.user_id == user.id or (user.admin and job.binned_at is None)


def job_address(job_id: str) -> str:
    """Return the address of a job's page."""
    return studio().at(f"/job?{urlencode({'id': job_id})}")
