"""The pages that links in mails lead to: to confirm an address, and to end the mail.

They need no login and no script, for mail is read anywhere. A link's token is all the right that
they ask for, so it goes into no log and to no other site. Scanners of mail follow every link
with GET and HEAD: only POST changes anything.
"""

import logging
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from core.i18n import N_, language
from core.i18n import gettext as _
from core.models import EmailAddress, now
from core.store import DatabaseError, DatabaseUnavailable
from core.store.accounts.email_addresses import LINK_DAYS, EmailAddressStore
from core.web.resources import Studio

_MARK: Final = (Path(__file__).parents[1] / "frontend" / "mark.svg").read_text(encoding="utf-8")
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
# The colours are those of .streamlit/config.toml.
_STYLE: Final = """
:root { color-scheme: light dark; --accent: light-dark(#0e6560, #1f8278); }
* { box-sizing: border-box; }
body {
  display: grid; place-items: center; min-height: 100vh; min-height: 100dvh;
  margin: 0; padding: 1.25rem;
  font: 1.05rem/1.6 "Source Sans", system-ui, sans-serif;
  color: light-dark(#24211c, #f1ece3); background: light-dark(#fbf9f5, #171512);
}
main {
  width: 100%; max-width: 33rem; padding: clamp(1.6rem, 6vw, 3rem);
  border: 1px solid light-dark(#ddd6c9, #3a352e); border-radius: 20px;
  background: light-dark(#ffffff, #211e1a); overflow-wrap: anywhere;
}
h1, .mark { font-family: "Source Serif", Georgia, serif; font-weight: 600; }
.mark { display: flex; align-items: center; gap: 0.6rem; margin: 0 0 1.8rem; font-size: 1.35rem; }
.mark svg { display: block; width: 34px; height: 34px; }
h1 { margin: 0 0 0.8rem; font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.015em; }
p { margin: 0 0 0.8rem; }
p + form, p + .button { margin-top: 1.6rem; }
.faint { color: light-dark(#6d6962, #a7a29a); font-size: 0.95rem; }
.button {
  display: inline-block; min-height: 3rem; padding: 0.7rem 1.6rem;
  border: 0; border-radius: 999px; font: inherit; font-weight: 600; line-height: 1.5;
  color: #fff; background: var(--accent); text-decoration: none; cursor: pointer;
}
.button:hover { filter: brightness(1.12); }
:focus-visible { outline: 2.5px solid var(--accent); outline-offset: 3px; }
"""
_TO_FIVEFOLD: Final = ("../../", N_("Open Fivefold"))  # from /mail/confirm/TOKEN, wherever that is
_TO_NOTIFICATIONS: Final = ("../../notifications", N_("Open “Notifications”"))

_log = logging.getLogger(__name__)


def mail_link_routes(open_studio: Callable[[], Studio]) -> list[Route]:
    """Return `/mail/confirm/{token}` and `/mail/unsubscribe/{token}`, each for GET and POST.

    Whoever posts to the second needs no cookie and no page of ours, for mail programs do it by
    themselves (RFC 8058, section 3.2); what they post is of no interest and is not read.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
    """
    # Plain functions: Starlette runs them in its thread pool, where they may wait.

    def ask_to_confirm(request: Request) -> Response:
        return _answer(
            lambda: _ask_to_confirm(open_studio().store.email_addresses, _token(request))
        )

    def confirm(request: Request) -> Response:
        return _answer(lambda: _confirm(open_studio(), _token(request)))

    def ask_to_unsubscribe(request: Request) -> Response:
        return _answer(
            lambda: _ask_to_unsubscribe(open_studio().store.email_addresses, _token(request))
        )

    def unsubscribe(request: Request) -> Response:
        return _answer(lambda: _unsubscribe(open_studio().store.email_addresses, _token(request)))

    return [
        Route("/mail/confirm/{token}", ask_to_confirm),
        Route("/mail/confirm/{token}", confirm, methods=["POST"]),
        Route("/mail/unsubscribe/{token}", ask_to_unsubscribe),
        Route("/mail/unsubscribe/{token}", unsubscribe, methods=["POST"]),
    ]


def _token(request: Request) -> str:
    return str(request.path_params["token"])


def _answer(make: Callable[[], Response]) -> Response:
    try:
        return make()
    except (DatabaseError, DatabaseUnavailable) as error:
        _log.warning("a link of a mail was not followed: %s", error)
        return _page(
            _("Please try again in a minute"),
            _("The database does not answer at the moment. Please follow the link again then."),
            status=503,
        )


def _ask_to_confirm(addresses: EmailAddressStore, token: str) -> Response:
    found = addresses.of_link(token)
    if found is None or found.confirm_token != token or _ended(found):
        return _cannot_confirm(addresses, token)
    return _page(
        _("Is this your address?"),
        _("{user} would like to be told at {address} when images and videos are ready.").format(
            user=found.user_id, address=found.address
        ),
        faint=_(
            "If you do not know who that is, just close this page: nothing is sent there before "
            "you agree."
        ),
        below=_button(_("Yes, send mail there")),
    )


def _confirm(studio: Studio, token: str) -> Response:
    found = studio.store.email_addresses.confirm(token)
    if found is None:
        return _cannot_confirm(studio.store.email_addresses, token)
    studio.store.notices.hurry(found.user_id, found.address)
    return _page(
        _("Your address is confirmed"),
        _("From now on {user} is told at {address}.").format(
            user=found.user_id, address=found.address
        ),
        faint=_("Every mail has a link by which you can put an end to it."),
        below=_link(*_TO_FIVEFOLD),
    )


def _cannot_confirm(addresses: EmailAddressStore, token: str) -> Response:
    found = addresses.of_link(token)
    if found is not None and found.confirm_token == token and _ended(found):
        return _page(
            _("This link has ended"),
            _(
                "A link to confirm an address works for {days} days. Please ask for a new one on "
                "the page “Notifications”."
            ).format(days=LINK_DAYS),
            below=_link(*_TO_NOTIFICATIONS),
            status=410,
        )
    return _page(
        _("This link leads nowhere"),
        _(
            "It was used before, or a newer mail has taken its place. If you have confirmed your "
            "address already, all is well; if not, please ask for a new link on the page "
            "“Notifications”."
        ),
        below=_link(*_TO_NOTIFICATIONS),
        status=404,
    )


def _ask_to_unsubscribe(addresses: EmailAddressStore, token: str) -> Response:
    found = addresses.of_link(token)
    if found is None or found.unsubscribe_token != token:
        return _cannot_unsubscribe()
    if found.unsubscribed_at is not None:
        return _unsubscribed(found)
    return _page(
        _("Do you want no more mail?"),
        _("Fivefold will no longer write to {address} about what {user} makes.").format(
            user=found.user_id, address=found.address
        ),
        below=_button(_("Unsubscribe")),
    )


def _unsubscribe(addresses: EmailAddressStore, token: str) -> Response:
    found = addresses.unsubscribe(token)
    return _cannot_unsubscribe() if found is None else _unsubscribed(found)


def _unsubscribed(address: EmailAddress) -> Response:
    return _page(
        _("You will get no more mail"),
        _("Fivefold no longer writes to {address} about what {user} makes.").format(
            user=address.user_id, address=address.address
        ),
        faint=_("To take that back, confirm the address anew on the page “Notifications”."),
        below=_link(*_TO_FIVEFOLD),
    )


def _cannot_unsubscribe() -> Response:
    return _page(
        _("This link leads nowhere"),
        _(
            "Perhaps a part of it was lost. Please follow the link in the latest mail, or switch "
            "e-mail off on the page “Notifications”."
        ),
        below=_link(*_TO_NOTIFICATIONS),
        status=404,
    )


def _ended(address: EmailAddress) -> bool:
    return address.confirm_until is None or address.confirm_until < now()


def _button(text: str) -> str:
    """Return a form that posts to the page's own address."""
    return f'<form method="post"><button class="button">{escape(text)}</button></form>'


def _link(href: str, text: str) -> str:
    return f'<a class="button" href="{href}">{escape(_(text))}</a>'


def _page(
    title: str, text: str, *, faint: str = "", below: str = "", status: int = 200
) -> HTMLResponse:
    """Return a page; all of it is text but `below`, which is HTML."""
    more = f'<p class="faint">{escape(faint)}</p>' if faint else ""
    return HTMLResponse(
        f"""<!doctype html>
<html lang="{language()}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · Fivefold</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<p class="mark"><span aria-hidden="true">{_MARK}</span> Fivefold</p>
<h1>{escape(title)}</h1>
<p>{escape(text)}</p>
{more}
{below}
</main>
</body>
</html>
""",
        status,
        _HEADERS,
    )
