"""How often somebody may try to log in: by account, by network, and for new accounts."""

import ipaddress
from collections.abc import Callable
from typing import Final

from core.accounts.login import LoginRefused, Requester
from core.i18n import gettext as _
from core.store import Store
from core.store.accounts.login_throttle import Limit

OF_ACCOUNT: Final = Limit(free=5, most=12)


OF_ADDRESS: Final = Limit(free=20, most=60)


OF_NEW_ACCOUNTS: Final = Limit(free=100, most=300)  # from one address


class Attempts:
    """Counts attempts before they are made, and refuses what comes too often.

    Args:
        store: where they are counted, so that all web processes agree.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def count_new_account(self, requester: Requester) -> None:
        """Count an account that is about to be made from an address."""
        self._wait_for(f"new {_network(requester.address)}", OF_NEW_ACCOUNTS)

    def begin(self, user_id: str, requester: Requester) -> Callable[[], None]:
        """Count an attempt at an account; return what takes it back when it succeeds.

        Guesses from where the owner has been do not add up with those from elsewhere, so that
        strangers cannot lock somebody out.
        """
        network = _network(requester.address)
        known = self._store.login_log.accepted_from(user_id, requester.address)
        account = f"account {user_id} {network}" if known else f"account {user_id}"
        address = f"address {network}"
        self._wait_for(address, OF_ADDRESS)
        self._wait_for(account, OF_ACCOUNT)

        def succeeded() -> None:
            self._store.login_throttle.forget(account)
            self._store.login_throttle.take_back(address)

        return succeeded

    def _wait_for(self, key: str, limit: Limit) -> None:
        wait = self._store.login_throttle.begin(key, limit)
        if wait:
            seconds = max(1, round(wait))
            if seconds < 60:  # noqa: PLR2004  # a minute
                span = _("{seconds} s").format(seconds=seconds)
            else:
                span = _("{minutes} min").format(minutes=seconds // 60 + 1)
            raise LoginRefused(
                "too many attempts",
                _("That was tried too often. Please try again in {span}.").format(span=span),
                wait=seconds,
            )


def _network(address: str) -> str:
    """Return whom an address stands for: for IPv6 the network of 64 bits that one customer has."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 6 and found.ipv4_mapped is not None:  # noqa: PLR2004  # IPv6
        found = found.ipv4_mapped
    if found.version == 4:  # noqa: PLR2004  # IPv4
        return str(found)
    return str(ipaddress.ip_network((found, 64), strict=False))
