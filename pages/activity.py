"""Activity: logins, views and jobs."""

import streamlit as st

from core.i18n import gettext as _
from core.web import tab_session
from core.web.activity import page as activity

st.title(_("Activity"), anchor=False)
activity.draw(tab_session.account(tab_session.require_user()))
