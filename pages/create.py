"""Create: the prompt, the form and the recent jobs."""

import streamlit as st

from core.i18n import N_
from core.i18n import gettext as _
from core.models import InvalidInput, Task
from core.store import DatabaseError
from core.studio.offers import account_notes, unserved_queues
from core.studio.parameters import upscaled_size
from core.studio.quotes import quote
from core.web import tab_session
from core.web.create import prompt_box, recent_jobs, widgets
from core.web.create.estimate import Estimate
from core.web.create.form import Form
from core.web.create.page_state import page_state
from core.web.create.submit import submit
from core.web.http.errors import database_unavailable_text
from core.web.resources import studio

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
    page_state().set_prompt(text)


def draw_examples() -> None:
    """Draw example prompts for users without any jobs."""
    with st.container(key="examples"):
        st.subheader(_("Nothing made yet. Try one of these:"), anchor=False)
        with st.container(horizontal=True):
            for text in map(_, EXAMPLES):
                st.button(text, on_click=take_example, args=(text,))


def draw_source(form: Form) -> None:
    """Draw the source of the task."""
    source = form.source
    if source is None:
        return
    picture = "preview" if source.kind == "image" else "poster"
    alt = _("The image") if source.kind == "image" else _("The clip")
    address = studio().at(f"/content/{source.id}/{picture}")
    st.html(f'<img class="source" src="{address}" alt="{alt}">')
    if form.task == Task.UPSCALE:
        width, height = upscaled_size(source, form.options(source.kind))
        st.caption(
            _("{width} × {height} pixels become {more_width} × {more_height}.").format(
                width=source.width, height=source.height, more_width=width, more_height=height
            )
        )


def draw_notes(form: Form, user_id: str) -> Estimate:
    """Draw notes on the chosen models; return the estimate."""
    offers = list(form.chosen.values())
    try:
        estimate = estimate_for(form, user_id)
        store = studio().store
        accounts, unserved = account_notes(store, offers), unserved_queues(store, offers)
    except DatabaseError:  # an error must not lose what was typed in the form
        return Estimate()
    if accounts:
        st.caption(" ".join(accounts).replace("$", r"\$"))  # Markdown would show a formula
    for queue in unserved:
        st.warning(
            _(
                "No worker serves the queue “{queue}” at the moment, so this would wait. "
                "Start one: `python -m core worker --queues {queue}`."
            ).format(queue=queue)
        )
    more = _("More about it")
    for notice in dict.fromkeys(each.provider.notice for each in offers if each.provider.notice):
        st.caption(f"{_(notice)} [{more}](/providers)")
    return estimate


def estimate_for(form: Form, user_id: str) -> Estimate:
    """Return the quote for the form in words; empty if it cannot be generated like this."""
    try:
        return Estimate.of(quote(studio(), form.selection, user_id))
    except InvalidInput:
        return Estimate()


def draw_request(user_id: str) -> None:
    """Draw the prompt and the form, and carry out the box's message."""
    user, state = tab_session.account(user_id), page_state()
    form = state.open_form(user_id)
    st.title(_(TITLES[form.task]), anchor=False)
    source, box, error_box, about = st.container(), st.container(), st.empty(), st.container()
    if state.problem:
        error_box.warning(state.problem)
    extras = widgets.draw(form, user)
    with source:
        draw_source(form)
    try:
        if extras.problem:
            error_box.error(extras.problem)
        submit(state, form, extras, user)
    except InvalidInput as error:
        error_box.error(str(error))
    except DatabaseError:
        error_box.error(database_unavailable_text(NOT_STORED))
    with about:
        estimate = draw_notes(form, user_id)
    with box:
        prompt_box.draw(state, form, user, estimate)


def main() -> None:
    """Draw the page."""
    user = tab_session.require_user()
    tab_session.log_page_view(user, None)
    request = st.container(key="ask")
    with request:
        draw_request(user)
    # Errors here must not lose what was typed in the form above.
    with tab_session.handle_database_errors():
        if not recent_jobs.draw(user):
            with request:
                draw_examples()


main()
