"""What the code that runs here may do of what its role may: everything but what the bridge alone does with that role.

A live function's role lets its stub talk to this machine. The function's own code runs here under the same role, and
must neither touch the key that authenticates the bridge's messages nor speak on its channels. Pure.
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
"""

from __future__ import annotations

import json
import re
from typing import Final

from skykite.model.bootstrap import LIVE_PREFIX, EventApi
from skykite.model.live import stage_key_name

POLICY_LIMIT: Final = 2048  # characters, of STS
_SESSION_NAME: Final = re.compile(r"[^A-Za-z0-9_+=,.@-]")
_LONGEST_NAME: Final = 64


def session_policy(*, api: EventApi, bucket: str, app: str, stage: str) -> str:
    """As JSON, for `Sts.assume_role`. `bucket` is the bootstrap bucket's name."""
    _, partition, _, region, account, *_ = api.arn.split(":")
    key = stage_key_name(app, stage)
    # Neither read nor replaced nor deleted. GetParametersByPath shows all below the path that it is allowed for, so the
    # paths above the key are denied too.
    paths = ("/", *(key[:end] for end, letter in enumerate(key) if letter == "/" and end), key)
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {
                "Effect": "Deny",
                "Action": [f"appsync:Event{verb}" for verb in ("Connect", "Publish", "Subscribe")],
                "Resource": [api.arn, f"{api.arn}/*"],
            },
            {
                "Effect": "Deny",
                "Action": "ssm:*",
                "Resource": [f"arn:{partition}:ssm:{region}:{account}:parameter{path}" for path in paths],
            },
            {"Effect": "Deny", "Action": "s3:*", "Resource": f"arn:{partition}:s3:::{bucket}/{LIVE_PREFIX}*"},
        ],
    }
    return json.dumps(document, separators=(",", ":"))


def role_session_name(function: str) -> str:
    """How AWS names our session of a role, after the function, as Lambda does: 2 to 64 of the allowed characters."""
    return _SESSION_NAME.sub("-", function)[:_LONGEST_NAME].ljust(2, "-")
