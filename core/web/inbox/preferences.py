"""Notification preferences: their controls, on Create and on Notifications."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Final

import streamlit as st

from core.i18n import N_, pgettext
from core.i18n import gettext as _
from core.models import (
    EMAIL,
    TERMINAL,
    InvalidInput,
    Notify,
    User,
    WebhookFormat,
    When,
    now,
)
from core.models.times import zone_names
from core.notifications.registry import channel_title
from core.store import DatabaseError
from core.studio.preferences import (
    choose_defaults,
    choose_email,
    choose_webhook,
    remove_webhook,
    send_test,
)
from core.web.http.errors import database_unavailable_text
from core.web.inbox.notices import address_text, webhook_place
from core.web.resources import studio
from core.web.tab_session import zone_name
from core.web.text.dates import zone_of

WHENS: Final = {
    When.READY: N_("As soon as it is ready"),
    When.AT: N_("Not before a time"),
    When.DAILY: N_("In my daily digest"),
}
FORMATS: Final = {
    WebhookFormat.FIVEFOLD: N_("JSON, signed"),
    WebhookFormat.SLACK: "Slack",
    WebhookFormat.DISCORD: "Discord",
}
BROWSERS_ZONE: Final = N_("As the browser says ({zone})")
PASSED: Final = N_("That time has passed, so you are told as soon as it is ready.")
MORNING: Final = time(9)
MINUTES: Final = timedelta(minutes=5)


def draw_notify(user: User, key: str, *, whens: Sequence[When] = tuple(When)) -> Notify:
    """Draw the choice of when and by which channels to be notified, and return it.

    Args:
        user: whose preferences are the default.
        key: the prefix of the widgets' keys.
        whens: the options.

    Raises:
        InvalidInput: the choice is not possible.
    """
    usual = user.notify
    zone = zone_name(user)
    at = daily = None
    with st.container(key=f"{key}-when", horizontal=True):
        index = whens.index(usual.when) if usual.when in whens else 0
        when = st.selectbox(
            _("Tell me"), whens, index, lambda each: _(WHENS[each]), key=f"{key}-choice"
        )
        if when == When.AT:
            tomorrow = datetime.now(zone_of(zone)).date() + timedelta(days=1)
            typed = st.datetime_input(
                _("Not before ({zone})").format(zone=zone),
                datetime.combine(tomorrow, MORNING),
                key=f"{key}-at",
                step=MINUTES,
            )
            at = None if typed is None else typed.isoformat(timespec="minutes")
        if when == When.DAILY:
            clock = time.fromisoformat(usual.daily) if usual.daily else MORNING
            chosen = st.time_input(
                _("Every day at ({zone})").format(zone=zone),
                clock,
                key=f"{key}-daily",
                step=MINUTES,
            )
            daily = None if chosen is None else f"{chosen:%H:%M}"
        names = [name for name in studio().channels() if name != TERMINAL]
        channels = st.pills(
            pgettext("channels", "By"),
            names,
            selection_mode="multi",
            default=[name for name in names if name in usual.channels],
            format_func=channel_title,
            key=f"{key}-channels",
            width="content",
            wrap=True,
        )
    notify = Notify.read(channels, at=at, daily=daily, timezone=zone)
    if notify.at is not None and notify.at < now():
        st.caption(_(PASSED))
    return notify


def draw_settings(user: User) -> None:
    """Draw a user's default notification preferences, and store changes."""
    with st.container(key="preferences"):
        st.subheader(_("How you are told"), anchor=False)
        for draw in (_draw_defaults, _draw_email, _draw_webhook, _draw_test):
            try:
                draw(user)
            except InvalidInput as error:
                st.error(str(error))
            except DatabaseError:
                st.error(database_unavailable_text())


def _draw_defaults(user: User) -> None:
    zones = ["", *zone_names()]
    as_browser = _(BROWSERS_ZONE).format(zone=zone_of(st.context.timezone))
    named = st.selectbox(
        _("Time zone"),
        zones,
        zones.index(user.zone) if user.zone in zones else 0,
        format_func=lambda name: name or as_browser,
        key="preferences-zone",
    )
    zone = named or None
    notify = draw_notify(
        user.model_copy(update={"zone": zone}), "preferences", whens=(When.READY, When.DAILY)
    )
    if st.button(_("Save"), key="preferences-save", type="primary"):
        choose_defaults(studio(), user, notify, zone)
        _done(_("Saved."))


def _draw_email(user: User) -> None:
    if EMAIL not in studio().channels():
        st.caption(_("Mail is not set up here: whoever runs Fivefold can set SMTP_HOST."))
        return
    typed = st.text_input(
        _("E-mail address"), user.email or "", key="preferences-email", max_chars=254
    )
    found = studio().store.email_addresses.get(user.id, user.email) if user.email else None
    if state := address_text(found):
        st.caption(state)
    with st.container(key="preferences-email-acts", horizontal=True):
        if st.button(_("Save the address"), key="preferences-email-save"):
            _done(choose_email(studio().store, user, typed))
        if found is not None and not found.takes_mail and st.button(_("Send the link again")):
            _done(choose_email(studio().store, user, found.address))


def _draw_webhook(user: User) -> None:
    with st.expander(_("Webhook"), expanded=False):
        if user.webhook is not None:
            place = webhook_place(user.webhook)
            form = _(FORMATS[user.webhook.format])
            st.text(_("It leads to {place} ({format}).").format(place=place, format=form))
            if user.webhook.format == WebhookFormat.FIVEFOLD:
                st.caption(_("It is signed as Standard Webhooks (standardwebhooks.com) say, with:"))
                st.code(user.webhook.secret, language=None)
            if st.button(_("Remove the webhook"), key="preferences-webhook-remove"):
                remove_webhook(studio().store, user)
                _done(_("Removed."))
            return
        url = st.text_input(
            _("Address"), key="preferences-webhook", type="password", max_chars=2000
        )
        chosen = st.selectbox(
            _("Its receiver understands"),
            ["", *WebhookFormat],
            format_func=lambda each: _(FORMATS[each]) if each else _("What its address suggests"),
            key="preferences-webhook-format",
        )
        if st.button(_("Save the webhook"), key="preferences-webhook-save"):
            choose_webhook(studio().store, user, url, chosen or None)
            _done(_("Saved."))


def _draw_test(user: User) -> None:
    with st.container(key="preferences-test", horizontal=True, vertical_alignment="bottom"):
        names = studio().channels()
        channel = st.selectbox(
            _("Send me a test by"),
            names,
            format_func=channel_title,
            key="preferences-test-channel",
        )
        if st.button(_("Send"), key="preferences-test-send"):
            send_test(studio().store, user, channel)
            _done(_("On its way; see the list."))


def _done(message: str) -> None:
    """Redraw the page, with a message."""
    st.session_state["toast"] = message
    st.session_state.pop("preferences-channels", None)  # to be drawn with the stored value
    st.rerun()
