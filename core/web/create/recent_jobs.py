"""The cards of recent jobs on the page Create."""

from core.web import tab_session
from core.web.frontend import components
from core.web.live.feeds import CardsFeed, Viewer, read_feed
from core.web.resources import studio


def draw(user_id: str) -> bool:
    """Draw the cards of a user's recent jobs; return whether there are any.

    Raises:
        DatabaseError: the database does not answer.
    """
    zone = tab_session.zone_name(tab_session.account(user_id))
    shown = read_feed(studio(), CardsFeed(Viewer(user_id, zone=zone)))
    if shown is None or not shown["cards"]:
        return False
    components.recent_jobs(shown | {"zone": zone})
    return True
