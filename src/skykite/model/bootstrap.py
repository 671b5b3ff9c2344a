"""Names of the one stack per account and region that holds what every app's deploy needs. Pure.

`constructs` writes them into templates, `deploy` creates what they name; that they agree is the whole point.
"""

from __future__ import annotations

from typing import Final

BOOTSTRAP_STACK: Final = "skykite-bootstrap"
BOOTSTRAP_VERSION: Final = 1
BOOTSTRAP_VERSION_OUTPUT: Final = "Version"
BOOTSTRAP_BUCKET: Final = "skykite-bootstrap-${AWS::AccountId}-${AWS::Region}"
"""With CloudFormation's placeholders, as it stands in templates and in the manifest's assets."""


def bootstrap_bucket(account: str, region: str) -> str:
    """The bucket's real name."""
    return fill_placeholders(BOOTSTRAP_BUCKET, account=account, region=region)


def fill_placeholders(text: str, *, account: str, region: str, partition: str = "aws") -> str:
    """Replace the placeholders that CDK leaves in asset destinations."""
    return (
        text.replace("${AWS::AccountId}", account)
        .replace("${AWS::Region}", region)
        .replace("${AWS::Partition}", partition)
    )
