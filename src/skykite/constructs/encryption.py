"""The keys of one's own that resources are encrypted with.

In: what a user gave. Out: a KMS key, or a PropProblem. No I/O but questions to the CDK kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from skykite.constructs.links import has_attribute
from skykite.constructs.props import PropProblem, shown

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms


def read_encryption_key(given: object) -> kms.IKey | None:
    """CDK's grants allow its use together with that of the resource. Raises PropProblem."""
    if given is None:
        return None
    if not has_attribute(given, "key_arn"):
        raise PropProblem(
            "prop-type",
            f"was given encryption_key={shown(given)}, which is not a KMS key",
            hint='make one with aws_kms.Key(self, "Key"), or bring one in with aws_kms.Key.from_key_arn(…)',
        )
    return cast("kms.IKey", given)
