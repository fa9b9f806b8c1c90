"""Create: the prompt, what is wanted, and the work so far."""

import streamlit as st

from core.i18n import N_
from core.i18n import gettext as _
from core.models import InvalidInput, Task
from core.store import DatabaseError
from core.web import tab_session
from core.web.create import recent_jobs, widgets
from core.web.create.estimate import Estimate
from core.web.create.form import Form
from core.web.create.page_state import Visit, visit
from core.web.http.errors import no_answer
from core.web.resources import studio, upscaled_size

NOT_STORED = N_(
    "The database does not answer. Your prompt is still here; in a minute, look whether it is "
    "among your recent work, and if not, try again."
)
TITLES = {
    Task.CREATE: N_("What would you like to see?"),
    Task.ANIMATE: N_("What should happen in this image?"),
    Task.UPSCALE: N_("The same with more pixels"),
}
EXAMPLES = (
    N_("A red fox crossing a snowy pine forest at dawn"),
    N_("A lighthouse on a cliff, a storm coming in from the sea"),
    N_("Hot-air balloons over green hills on a summer morning"),
    N_("A quiet city street in the rain at night"),
)


def take_example(text: str) -> None:
    """Put an example into the prompt box."""
    visit().put(text)


def examples() -> None:
    """Invite somebody who has made nothing yet."""
    with st.container(key="examples"):
        st.subheader(_("Nothing made yet. Try one of these:"), anchor=False)
        with st.container(horizontal=True):
            for text in map(_, EXAMPLES):
                st.button(text, on_click=take_example, args=(text,))


def show_source(filled: Form) -> None:
    """Show what something is to be done to."""
    source = filled.source
    if source is None:
        return
    picture = "preview" if source.kind == "image" else "poster"
    alt = _("The image") if source.kind == "image" else _("The clip")
    address = studio().at(f"/content/{source.id}/{picture}")
    st.html(f'<img class="source" src="{address}" alt="{alt}">')
    if filled.task == Task.UPSCALE:
        width, height = upscaled_size(source, filled.options(source.kind))
        st.caption(
            _("{width} × {height} pixels become {more_width} × {more_height}.").format(
                width=source.width, height=source.height, more_width=width, more_height=height
            )
        )


def say_more(filled: Form, here: Visit, rest: widgets.Rest, user_id: str) -> Estimate:
    """Say what else is to be known about who makes it, and return what it costs and takes."""
    makers = list(filled.chosen.values())
    try:
        expected = here.expected(filled, rest, user_id)
        accounts, unserved = studio().accounts(makers), studio().unserved(makers)
    except DatabaseError:  # the form keeps what was typed, whatever happens
        return Estimate()
    if accounts:
        st.caption(" ".join(accounts).replace("$", r"\$"))  # two of them would be a formula
    for queue in unserved:
        st.warning(
            _(
                "No worker serves the queue “{queue}” at the moment, so this would wait. "
                "Start one: `python -m core worker --queues {queue}`."
            ).format(queue=queue)
        )
    more = _("More about it")
    for notice in dict.fromkeys(each.provider.notice for each in makers if each.provider.notice):
        st.caption(f"{_(notice)} [{more}](/providers)")
    return expected


def ask_for(user_id: str) -> None:
    """Draw what is asked, and carry it out where it was sent."""
    user, here = tab_session.account(user_id), visit()
    filled = here.arrive(user_id)
    st.title(_(TITLES[filled.task]), anchor=False)
    source, box, refusal, about = st.container(), st.container(), st.empty(), st.container()
    if here.trouble:
        refusal.warning(here.trouble)
    rest = widgets.draw(filled, user)
    with source:
        show_source(filled)
    try:
        if rest.trouble:
            refusal.error(rest.trouble)
        here.carry_out(filled, rest, user)
    except InvalidInput as error:
        refusal.error(str(error))
    except DatabaseError:
        refusal.error(no_answer(NOT_STORED))
    with about:
        expected = say_more(filled, here, rest, user_id)
    with box:
        here.draw_box(filled, user, expected)


def main() -> None:
    """Draw the page."""
    user = tab_session.require_user()
    tab_session.note_visit(user, None)
    ask = st.container(key="ask")
    with ask:
        ask_for(user)
    with tab_session.apologies():  # the form above keeps what was typed, whatever happens here
        if not recent_jobs.draw(user):
            with ask:
                examples()


main()
