"""Create: the prompt, what is wanted, and the work so far."""

import time

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.models import Asset, AssetState, InvalidInput, JobStatus
from core.store import DatabaseError
from core.web import board, components, form, session
from core.web.studio import Order, studio

CARDS = 8
POLL_SECONDS = 2.0
DOUBLE_CLICK_SECONDS = 3.0
NOT_STORED = (
    "The database does not answer. Your prompt is still here; in a minute, look whether it is "
    "among your recent work, and if not, try again."
)
EXAMPLES = (
    "A red fox crossing a snowy pine forest at dawn",
    "A lighthouse on a cliff, a storm coming in from the sea",
    "Hot-air balloons over green hills on a summer morning",
    "A quiet city street in the rain at night",
)


def place(order: Order, refusal: DeltaGenerator) -> None:
    """Store an order and lead to its job, or say why not; a double click is one order."""
    placed = st.session_state.setdefault("placed", {})  # changed in place: no rerun comes between
    moment = time.monotonic()
    if placed.get("order") != order or moment - placed["at"] > DOUBLE_CLICK_SECONDS:
        try:
            placed |= {"order": order, "job_id": studio().order(order).id, "at": moment}
        except InvalidInput as error:
            refusal.error(str(error))
            return
        except DatabaseError:
            refusal.error(NOT_STORED)
            return
    st.switch_page(session.all_pages()["/job"], query_params={"id": placed["job_id"]})


def open_job(job_id: str) -> None:
    """Go to a job's page."""
    session.want("/job", id=job_id)


def show_more(_: str) -> None:
    """Show more of the recent jobs."""
    st.session_state["cards"] = st.session_state.get("cards", CARDS) + CARDS


def recent(user: str) -> None:
    """Draw the cards of recent jobs; as a fragment, this runs again while one is being made."""
    session.leave_if_wanted()
    with session.apologies():
        draw_cards(user)


def draw_cards(user: str) -> None:
    """Draw the cards as they stand."""
    limit = st.session_state.get("cards", CARDS)
    store, view = studio().store, session.view(session.account(user))
    jobs = store.jobs.of_user(user, limit + 1)
    cards = [board.card(job, store.assets.of_job(job.id), view) for job in jobs[:limit]]
    active = any(job.status == JobStatus.PROCESSING for job in jobs[:limit])
    if st.session_state.get("cards_active", active) != active:
        st.session_state["cards_active"] = active
        st.rerun()
    components.shelf({"cards": cards, "more": len(jobs) > limit}, open_job, show_more)


def take_example(text: str) -> None:
    """Put an example into the prompt box."""
    st.session_state["prompt"] = text


def examples() -> None:
    """Invite somebody who has made nothing yet."""
    with st.container(key="examples"):
        st.subheader("Nothing made yet. Try one of these:", anchor=False)
        with st.container(horizontal=True):
            for text in EXAMPLES:
                st.button(text, on_click=take_example, args=(text,))


def image_to_animate(user: str) -> Asset | None:
    """Return the user's image that the address names, to make clips of."""
    asset_id = st.query_params.get("animate")
    if asset_id is None or not studio().animates():
        return None
    found = studio().store.assets.get(asset_id, user)
    return found if found is not None and found.state == AssetState.DONE else None


def ask_for(user: str, source: Asset | None) -> None:
    """Draw what is asked, and carry it out where it was sent."""
    if source is None:
        st.title("What would you like to see?", anchor=False)
    else:
        st.title("What should happen in this image?", anchor=False)
        st.html(f'<img class="source" src="/content/{source.id}/preview" alt="The image">')
    sent = form.order_form(session.account(user), source)
    if sent.create:
        place(sent.order, sent.refusal)
    if sent.vary:
        try:
            form.suggest(sent)
        except InvalidInput as error:
            sent.refusal.error(str(error))
        else:
            st.rerun()


def main() -> None:
    """Draw the page."""
    user = session.require_user()
    session.note_visit(user, None)
    ask = st.container(key="ask")
    with ask:
        ask_for(user, image_to_animate(user))
    with session.apologies():  # the form above keeps what was typed, whatever happens here
        jobs = studio().store.jobs.of_user(user, st.session_state.get("cards", CARDS))
        if not jobs:
            with ask:
                examples()
            return
        active = any(job.status == JobStatus.PROCESSING for job in jobs)
        st.session_state["cards_active"] = active
        st.fragment(recent, run_every=POLL_SECONDS if active else None)(user)


main()
