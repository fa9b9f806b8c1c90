"""The sections of the page “Account”: drawing them, and submitting their forms.

A button acts in its callback, before the page is drawn, so that the page shows the new state.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import streamlit as st

from core.accounts.login import LoginRefused
from core.accounts.rules import Accounts
from core.models import InvalidInput, User, now
from core.store import DatabaseError
from core.web import tab_session
from core.web.http.errors import database_unavailable_text
from core.web.resources import studio
from core.web.text.dates import moment_text, zone_of

OUTCOME: Final = "account_outcome"
_ROUND: Final = "account_round"


@dataclass(frozen=True)
class Outcome:
    """The outcome of an action, shown once in its section."""

    section: str
    text: str
    refused: bool = False


@contextmanager
def section(name: str, title: str) -> Iterator[None]:
    """Draw the block under a title, after the outcome of its last action."""
    with st.container(key=f"account-{name}"):
        st.subheader(title, anchor=False)
        outcome = st.session_state.get(OUTCOME)
        if outcome is not None and outcome.section == name:
            del st.session_state[OUTCOME]
            (st.error if outcome.refused else st.success)(outcome.text)
        try:
            yield
        except DatabaseError:
            st.error(database_unavailable_text())


def submit(section: str, do: Callable[[], str]) -> None:
    """Carry out an action; its outcome is shown when the section is drawn."""
    try:
        outcome = Outcome(section, do())
    except (InvalidInput, LoginRefused) as error:
        outcome = Outcome(section, str(error), refused=True)
    except DatabaseError:
        outcome = Outcome(section, database_unavailable_text(), refused=True)
    st.session_state[OUTCOME] = outcome


def field_key(field: str) -> str:
    """Return the key of a form's field in Streamlit's state; `take` changes it."""
    return f"{field}-{st.session_state.get(_ROUND, 0)}"


def take(*fields: str) -> list[str]:
    """Return the values of some fields, and replace them by new, empty ones.

    Clearing them is not enough: Streamlit keeps the value of a field until the next run, but
    forgets a field that no longer exists.
    """
    typed = [str(st.session_state.get(field_key(field), "")) for field in fields]
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
    return typed


def secret_input(label: str, field: str, autocomplete: str) -> None:
    """Draw a field for a passphrase; `autocomplete` is HTML's attribute."""
    # No `max_chars`: it would silently truncate a pasted passphrase.
    st.text_input(label, type="password", key=field_key(field), autocomplete=autocomplete)


@contextmanager
def row(key: str, title: str, facts: str) -> Iterator[None]:
    """Draw a list item, and the block to its right."""
    with st.container(key=f"account-row-{key[:16]}", horizontal=True, vertical_alignment="center"):
        st.text(f"{title}\n{facts}", width="stretch")
        yield


def moment_of(user: User, moment: datetime) -> str:
    """Return a time in words, in the user's zone."""
    return moment_text(moment, zone_of(tab_session.zone_name(user)), now())


def accounts() -> Accounts:
    """Return the account rules of this installation."""
    return Accounts(studio().store, studio().settings)
