"""The contender: what `st.image`, `st.video` and `run_every` make of the same library.

Run by Streamlit as it comes, in a folder without our settings:
`?show=gallery` draws the newest images and clips, `?show=job&id=…` follows a job.
"""

import streamlit as st

from core.media.storage import open_content
from core.models import Asset, AssetState, Kind
from core.settings import load_settings
from core.store import Store, open_store
from core.store.jobs.library_filter import Filter

IMAGES, CLIPS = 50, 20
COLUMNS = {Kind.IMAGE: 4, Kind.VIDEO: 3}
USER = "ana"


@st.cache_resource
def opened() -> Store:
    """Return the process's database."""
    return open_store(load_settings())


def path_of(asset: Asset) -> str:
    """Return the file of an item."""
    return str(open_content(load_settings().content_url).locate(USER, asset.path or ""))


def gallery() -> None:
    """Draw as many items as our own first screen has at most, the simple way."""
    for kind, limit, draw in ((Kind.VIDEO, CLIPS, st.video), (Kind.IMAGE, IMAGES, st.image)):
        columns = st.columns(COLUMNS[kind])
        page = opened().library.find(Filter(owner=USER, kind=kind), limit=limit)
        for number, asset in enumerate(page.assets):
            with columns[number % len(columns)]:
                draw(path_of(asset))


@st.fragment(run_every="1s")
def job(job_id: str) -> None:
    """Show how far each item of a job is, once a second."""
    for asset in opened().assets.of_job(job_id):
        how = "done" if asset.state == AssetState.DONE else f"{100 * asset.progress:.0f}%"
        st.progress(asset.progress, f"{asset.kind} {asset.slot}: {how}")


def main() -> None:
    """Draw what the address asks for."""
    if st.query_params.get("show") == "gallery":
        gallery()
    else:
        job(st.query_params["id"])


if __name__ == "__main__":
    main()
