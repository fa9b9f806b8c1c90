"""What is said of a replica set that is not there, or is another one."""

import pytest
from pydantic import SecretStr

from core.settings import Settings
from core.store import DatabaseUnavailable, open_store
from tests.product import free_port

SOON = "serverSelectionTimeoutMS=1500"


def refusal(uri: str) -> str:
    with pytest.raises(DatabaseUnavailable) as refused:
        open_store(Settings(mongodb_uri=SecretStr(uri)))
    assert "s3cret" not in str(refused.value)
    return str(refused.value)


def test_members_that_do_not_answer_are_named_with_the_reason() -> None:
    port = free_port()
    message = refusal(
        f"mongodb://ana:s3cret@no-such-member.invalid,127.0.0.1:{port}/?replicaSet=rs9&{SOON}"
    )
    assert "It looks for the replica set rs9." in message
    assert "no-such-member.invalid:27017 (" in message
    assert "Name or service not known" in message or "name resolution" in message
    assert f"127.0.0.1:{port} (127.0.0.1:{port}: [Errno 111] Connection refused)" in message


def test_a_wrong_name_of_the_set_is_said(mongodb_uri: str) -> None:
    address = mongodb_uri.replace("directConnection=true", "replicaSet=another")
    message = refusal(f"{address}&{SOON}")
    assert "belongs to another replica set than another: 127.0.0.1:" in message
    assert message.endswith(" is of rs0.")
