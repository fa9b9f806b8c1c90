"""How many examples hypothesis tries: `fast` in `make test`, `deep` in `make prove`."""

from typing import Any, Final

import hypothesis
from hypothesis import HealthCheck

_DEEP: Final = "deep"


def register_profiles() -> None:
    """Register both profiles, and load `fast`; `--hypothesis-profile=deep` loads the other."""
    # A busy machine takes as long as it takes: no test asserts on time.
    hypothesis.settings.register_profile("fast", deadline=None)
    hypothesis.settings.register_profile(_DEEP, deadline=None, max_examples=2_000)
    hypothesis.settings.load_profile("fast")


def examples(fast: int, deep: int, **settings: Any) -> hypothesis.settings:
    """Return the settings of a test whose examples are expensive.

    Args:
        fast: number of examples in the profile `fast`.
        deep: number of examples in the profile `deep`.
        settings: further ones of hypothesis's.
    """
    checks = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)
    is_deep = hypothesis.settings.get_current_profile_name() == _DEEP
    given = {"suppress_health_check": checks} | settings
    return hypothesis.settings(max_examples=deep if is_deep else fast, **given)
