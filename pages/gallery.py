"""Everything that a user has made, newest first."""

from functools import partial

import streamlit as st

from core.models import Kind, Via
from core.web import access, board, components, session, watch
from core.web.studio import studio

PAGE_SIZES = {Kind.VIDEO: 12, Kind.IMAGE: 30}


def open_job(job_id: str) -> None:
    """Go to the job that an item came from."""
    session.want("/job", id=job_id)


def animate(asset_id: str) -> None:
    """Go where clips are made of an image."""
    session.want("/", animate=asset_id)


def show_more(limits: dict[Kind, int], kind: str) -> None:
    """Show another page of a kind."""
    limits[Kind(kind)] += PAGE_SIZES[Kind(kind)]


def main() -> None:
    """Draw one's own gallery, or for an admin the one that the address names."""
    user, store = session.require_user(), studio().store
    right = access.to_gallery(store, user, st.query_params.get("user", ""))
    owner, own = right.owner, right.via == Via.OWN
    session.note_entry(right.entry("open_gallery", address=session.visitor().address))
    limits = st.session_state.setdefault(f"gallery_limits-{owner}", dict(PAGE_SIZES))
    counts = {kind: store.assets.count(owner, kind) for kind in Kind}
    if not any(counts.values()):
        session.message_page(
            "Your gallery is empty" if own else f"{owner}'s gallery is empty",
            "Every image and video that you make will hang here."
            if own
            else board.admin_note(owner),
            "Create something" if own else "Go to your work",
            to="/",
        )
        return
    found = {kind: store.assets.gallery(owner, kind, limits[kind]) for kind in Kind}
    job_ids = {asset.job_id for assets in found.values() for asset in assets}
    prompts = store.jobs.prompts(list(job_ids))
    shown = board.gallery(found, counts, prompts, watch.view_of(user, right.via))
    shown["note"] = "" if own else board.admin_note(owner)
    st.title("Gallery", anchor=False)
    components.board(
        "gallery" if own else f"gallery-{owner}",
        shown,
        open_job,
        partial(show_more, limits),
        on_animate=animate,
    )


main()
