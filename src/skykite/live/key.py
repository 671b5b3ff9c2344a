"""The key that authenticates a stage's messages: random, made once, kept by SSM, never in a template or an event.

I/O: SSM, through `aws`.
"""

from __future__ import annotations

import base64
import binascii
import secrets

from skykite.aws import AwsSession
from skykite.errors import SkykiteError
from skykite.model.live import STAGE_KEY_BYTES, stage_key_name


async def obtain_stage_key(aws: AwsSession, *, app: str, stage: str) -> bytes:
    """The stage's key, made now if it has none. Of several who make it at once, all get the same.

    Raises `live-key-unusable` if the parameter holds something else, or AwsError.
    """
    name = stage_key_name(app, stage)
    for _ in range(2):
        found = await aws.run(aws.ssm.get_secret, name)
        if found is not None:
            return _decoded(found, name)
        made = secrets.token_bytes(STAGE_KEY_BYTES)
        if await aws.run(
            aws.ssm.create_secret,
            name,
            base64.b64encode(made).decode(),
            description=f"Authenticates the messages of `kite dev` on stage {stage} of {app}",
            tags={"skykite:app": app, "skykite:stage": stage},
        ):
            return made
    raise SkykiteError(
        "live-key-unusable",
        f"the SSM parameter `{name}` can neither be read nor made: somebody deletes it all the time",
        hint="is `kite remove` running on this stage?",
    )


async def delete_stage_key(aws: AwsSession, *, app: str, stage: str) -> bool:
    """Forget the key, when the stage is removed; whether there was one."""
    return await aws.run(aws.ssm.delete, stage_key_name(app, stage))


def _decoded(text: str, name: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != STAGE_KEY_BYTES:
        raise SkykiteError(
            "live-key-unusable",
            f"the SSM parameter `{name}` does not hold a key of Skykite's",
            hint=f"delete it with `aws ssm delete-parameter --name {name}` and start again",
        )
    return key
