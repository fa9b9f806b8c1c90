"""A job on a page: a first snapshot, which the component then keeps up to date."""

from core.models import User, now
from core.web import tab_session
from core.web.frontend import components
from core.web.live.feeds import JobFeed, Viewer, read_feed
from core.web.resources import studio


def draw_job(job_id: str, user_id: str | None, *, note: str = "", share_key: str = "") -> None:
    """Draw a job.

    Args:
        job_id: the job.
        user_id: the viewer; None: not logged in.
        note: a note above the job; empty: none.
        share_key: the key of the share link that is used; empty: the login decides.

    Raises:
        DatabaseError: the database does not answer.
    """
    zone = zone_of_viewer(user_id)
    shown = read_feed(studio(), JobFeed(Viewer(user_id, share_key, zone), job_id))
    if shown is not None:
        extras = {"note": note, "zone": zone, "share": share_key}
        components.job(f"job-{job_id}", shown | extras)


def zone_of_viewer(user_id: str | None) -> str:
    """Return the name of the time zone for a viewer; None: not logged in."""
    guest = User(id="", created_at=now())
    return tab_session.zone_name(guest if user_id is None else tab_session.account(user_id))
