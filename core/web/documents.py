"""Showing a page of the documentation in the app."""

from pathlib import Path
from typing import Final

import streamlit as st

_DOCS: Final = Path(__file__).parents[2] / "docs"


def show_document(name: str) -> None:
    """Draw one of the files in `docs/`; they are our own text, so they are drawn as Markdown."""
    with st.container(key="document"):
        st.markdown((_DOCS / name).read_text(encoding="utf-8"))
