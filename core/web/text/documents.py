"""Pages of the documentation in the app."""

from pathlib import Path
from typing import Final

import streamlit as st

from core.i18n import ENGLISH, language
from core.i18n import gettext as _

_DOCS: Final = Path(__file__).parents[3] / "docs"


def show_document(name: str) -> None:
    """Draw a file of `docs/` as Markdown; these files are trusted."""
    with st.container(key="document"):
        if language() != ENGLISH:
            st.caption(_("The documentation is in English."))
        st.markdown((_DOCS / name).read_text(encoding="utf-8"))
