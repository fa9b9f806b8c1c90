"""The pages of links in e-mails: to confirm an address, and to unsubscribe.

They need no login and no script, since mail is read in any program. The token of a link is the only
credential, so it is not logged and not sent to other sites. Mail scanners follow every link with
GET and HEAD: only POST changes anything.
"""

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.i18n import N_
from core.i18n import gettext as _
from core.models import EmailAddress, now
from core.store import Store
from core.store.accounts.email_addresses import LINK_DAYS, EmailAddressStore
from core.studio import preferences
from core.web.http.html_page import form_button, html_page, link_button
from core.web.resources import WebStudio

_TO_FIVEFOLD: Final = ("../../", N_("Open Fivefold"))  # from /mail/confirm/TOKEN, wherever that is
_TO_NOTIFICATIONS: Final = ("../../notifications", N_("Open “Notifications”"))


def email_link_routes(open_studio: Callable[[], WebStudio]) -> list[Route]:
    """Return `/mail/confirm/{token}` and `/mail/unsubscribe/{token}`, each for GET and POST.

    A POST to the second needs no cookie and no origin, since mail programs send it (RFC 8058,
    section 3.2); its body is not read.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
    """
    # Plain functions: Starlette runs them in its thread pool, where they may block.

    def ask_to_confirm(request: Request) -> Response:
        return _ask_to_confirm(open_studio().store.email_addresses, _token(request))

    def confirm(request: Request) -> Response:
        return _confirm(open_studio(), _token(request))

    def ask_to_unsubscribe(request: Request) -> Response:
        return _ask_to_unsubscribe(open_studio().store.email_addresses, _token(request))

    def unsubscribe(request: Request) -> Response:
        return _unsubscribe(open_studio().store, _token(request))

    return [
        Route("/mail/confirm/{token}", ask_to_confirm),
        Route("/mail/confirm/{token}", confirm, methods=["POST"]),
        Route("/mail/unsubscribe/{token}", ask_to_unsubscribe),
        Route("/mail/unsubscribe/{token}", unsubscribe, methods=["POST"]),
    ]


def _token(request: Request) -> str:
    return str(request.path_params["token"])


def _ask_to_confirm(addresses: EmailAddressStore, token: str) -> Response:
    found = addresses.of_link(token)
    if found is None or found.confirm_token != token or _ended(found):
        return _cannot_confirm(addresses, token)
    return html_page(
        _("Is this your address?"),
        _("{user} would like to be told at {address} when images and videos are ready.").format(
            user=found.user_id, address=found.address
        ),
        faint=_(
            "If you do not know who that is, just close this page: nothing is sent there before "
            "you agree."
        ),
        below=form_button(_("Yes, send mail there")),
    )


def _confirm(studio: WebStudio, token: str) -> Response:
    found = preferences.confirm_email(studio.store, token)
    if found is None:
        return _cannot_confirm(studio.store.email_addresses, token)
    return html_page(
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
        return html_page(
            _("This link has ended"),
            _(
                "A link to confirm an address works for {days} days. Please ask for a new one on "
                "the page “Notifications”."
            ).format(days=LINK_DAYS),
            below=_link(*_TO_NOTIFICATIONS),
            status=410,
        )
    return html_page(
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
    return html_page(
        _("Do you want no more mail?"),
        _("Fivefold will no longer write to {address} about what {user} makes.").format(
            user=found.user_id, address=found.address
        ),
        below=form_button(_("Unsubscribe")),
    )


def _unsubscribe(store: Store, token: str) -> Response:
    found = preferences.unsubscribe(store, token)
    return _cannot_unsubscribe() if found is None else _unsubscribed(found)


def _unsubscribed(address: EmailAddress) -> Response:
    return html_page(
        _("You will get no more mail"),
        _("Fivefold no longer writes to {address} about what {user} makes.").format(
            user=address.user_id, address=address.address
        ),
        faint=_("To take that back, confirm the address anew on the page “Notifications”."),
        below=_link(*_TO_FIVEFOLD),
    )


def _cannot_unsubscribe() -> Response:
    return html_page(
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


def _link(path: str, text: str) -> str:
    return link_button(path, _(text))
