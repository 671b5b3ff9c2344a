"""Whether a session that could not begin stays and waits for the save that mends it. Pure.

It does where somebody looks on, or was told to wait, and what failed is what the project says: the stacks, or their
deployment. It does not for what no save can mend: no access to AWS, a stage that the user did not want replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skykite.dev.freshness import Phase
from skykite.errors import SkykiteError
from skykite.model.events import Notice

if TYPE_CHECKING:
    from skykite.synth import SynthError


def mends_with_a_save(error: SkykiteError | SynthError, phase: Phase) -> bool:
    """`phase` is how far the session was when it failed."""
    from skykite.aws import AwsError
    from skykite.synth import SynthError

    if error.blame == "skykite" or isinstance(error, AwsError):
        return False
    if isinstance(error, SynthError):
        return bool(error.inputs)
    return phase in ("deploying", "asking")


def waiting() -> Notice:
    """What to say then."""
    return Notice(notice="waiting-for-change", message="waiting for a change of what failed; Ctrl-C ends it")
