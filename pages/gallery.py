"""Everything that the user has made, newest first."""

import streamlit as st

from core.models import Kind
from core.web import board, components, session
from core.web.studio import studio

PAGE_SIZES = {Kind.VIDEO: 12, Kind.IMAGE: 30}


def open_job(job_id: str) -> None:
    """Go to the job that an item came from."""
    session.want("/job", id=job_id)


def animate(asset_id: str) -> None:
    """Go where clips are made of an image."""
    session.want("/", animate=asset_id)


def show_more(kind: str) -> None:
    """Show another page of a kind."""
    st.session_state["gallery_limits"][Kind(kind)] += PAGE_SIZES[Kind(kind)]


def main() -> None:
    """Draw the gallery."""
    user = session.require_user()
    store = studio().store
    session.note_visit(user, "open_gallery")
    limits = st.session_state.setdefault("gallery_limits", dict(PAGE_SIZES))
    counts = {kind: store.assets.count(user, kind) for kind in Kind}
    if not any(counts.values()):
        session.message_page(
            "Your gallery is empty",
            "Every image and video that you make will hang here.",
            "Create something",
            to="/",
        )
        return
    found = {kind: store.assets.gallery(user, kind, limits[kind]) for kind in Kind}
    job_ids = {asset.job_id for assets in found.values() for asset in assets}
    prompts = store.jobs.prompts(list(job_ids))
    shown = board.gallery(found, counts, prompts, session.view(session.account(user)))
    st.title("Gallery", anchor=False)
    components.board("gallery", shown, open_job, show_more, on_animate=animate)


main()
