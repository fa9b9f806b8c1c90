"""Activity: who logged in, who looked at what, and what was made."""

import streamlit as st

from core.i18n import gettext as _
from core.web import activity, session

st.title(_("Activity"), anchor=False)
activity.draw(session.account(session.require_user()))
