"""How much is tried: `fast` in `make test`, `deep` in `make prove`.

`--hypothesis-profile=deep` chooses; `docs/development.md` lists what each proves.
"""

from typing import Any, Final, TypeVar

import hypothesis
from hypothesis import HealthCheck

T = TypeVar("T")
_DEEP: Final = "deep"


def register_profiles() -> None:
    """Register both profiles, and load `fast`."""
    # A busy machine takes as long as it takes: no test asserts on time.
    hypothesis.settings.register_profile("fast", deadline=None)
    hypothesis.settings.register_profile(_DEEP, deadline=None, max_examples=2_000)
    hypothesis.settings.load_profile("fast")


def by_profile(fast: T, deep: T) -> T:
    """Return the value for the profile that was chosen."""
    return deep if hypothesis.settings.get_current_profile_name() == _DEEP else fast


def examples(fast: int, deep: int, **settings: Any) -> hypothesis.settings:
    """Return the settings of a test whose examples are expensive.

    Args:
        fast: number of examples in the profile `fast`.
        deep: number of examples in the profile `deep`.
        settings: further ones of hypothesis's.
    """
    checks = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)
    given = {"suppress_health_check": checks} | settings
    return hypothesis.settings(max_examples=by_profile(fast, deep), **given)
