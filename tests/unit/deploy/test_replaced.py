"""Which stages are for production."""

from __future__ import annotations

import pytest

from skykite.deploy.replaced import is_production
from skykite.model.names import StageName


@pytest.mark.parametrize(
    ("stage", "production"),
    [
        ("prod", True),
        ("production", True),
        ("live", True),
        ("Prod", True),
        ("prod-eu", True),
        ("eu-production", True),
        ("alice", False),
        ("product", False),
        ("reprod", False),
        ("preprod", False),
    ],
)
def test_a_stage_is_for_production_if_a_word_of_its_name_says_so(stage: str, production: bool) -> None:
    assert is_production(StageName(stage)) is production
