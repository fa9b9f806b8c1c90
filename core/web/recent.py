"""Recent work: the cards on the first page."""

from core.web import components, session
from core.web.channels import CardsChannel, Looker, look
from core.web.studio import studio


def draw(user_id: str) -> bool:
    """Draw the cards of a user's recent jobs; return whether there are any.

    Raises:
        DatabaseError: the database does not answer.
    """
    zone = session.zone_name(session.account(user_id))
    shown = look(studio(), CardsChannel(Looker(user_id, zone=zone)))
    if shown is None or not shown["cards"]:
        return False
    components.shelf(shown | {"zone": zone})
    return True
