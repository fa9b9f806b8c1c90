"""Pages, routes and the command line are doors: what a user can do stands once, in the service."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
DOORS: Final = ("pages", "core/web", "core/cli")
CHANGES: Final = {
    "jobs": {"create"},
    "job_actions": {"cancel", "retry", "resend", "recover", "put_first"},
    "settlement": {"announce"},
    "library": {"change", "rename_collection", "delete_collection"},
    "bin": {"put", "put_job", "restore", "remove"},
    "shares": {"make", "withdraw"},
    "users": {"set_preferences", "ensure"},
    "email_addresses": {"request_confirmation", "confirm", "confirm_locally", "unsubscribe"},
    "notices": {"add", "send_now", "reschedule", "cancel", "mark_read", "retry_now", "readdress"},
    "login_sessions": {"revoke", "revoke_all"},
    "invitations": {"make", "withdraw"},
    "account_deletion": {"request"},
}
"""What changes something for a user, by the parts of the store."""


def changes(folder: str) -> Iterator[tuple[str, str]]:
    """Every call in a folder that changes something for a user, with the file that it is in."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr=name, value=ast.Attribute(attr=part, value=store))
                ) if name in CHANGES.get(part, ()) and "store" in ast.unparse(store):
                    yield f"{part}.{name}", str(path.relative_to(ROOT))


@pytest.mark.parametrize("folder", DOORS)
def test_a_door_changes_nothing_past_the_service(folder: str) -> None:
    assert list(changes(folder)) == []


@pytest.mark.parametrize(
    "change", sorted(f"{part}.{name}" for part, names in CHANGES.items() for name in names)
)
def test_each_change_is_made_in_the_service(change: str) -> None:
    """This fails if a method is renamed, and would no longer be found in a door either."""
    assert change in {name for name, _path in changes("core/studio")}


def test_an_order_is_stored_in_one_place() -> None:
    places = [
        path
        for folder in ("core", "pages")
        for name, path in changes(folder)
        if name == "jobs.create"
    ]
    assert places == ["core/studio/jobs.py"]
