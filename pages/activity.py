"""Activity: who logged in, who looked at what, and what was made."""

import streamlit as st

from core.web import activity, session

st.title("Activity", anchor=False)
activity.draw(session.account(session.require_user()))
