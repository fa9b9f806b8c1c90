"""What users, and whoever runs the installation, can do about accounts."""

from core.store import Store


def ensure_account(store: Store, user_id: str, address: str | None = None) -> None:
    """Create an account if there is none, at the word of whoever runs the installation.

    Args:
        store: the database.
        user_id: the account.
        address: an e-mail address to count as confirmed; None: none.
    """
    store.users.ensure(user_id)
    if address is not None:
        store.email_addresses.vouch(user_id, address)
