"""What a worker that runs something built depends on: what the build has read, and what is used beside it.

In: the inputs of a build, a function. Out: `Observed`, as if the worker itself had read it. I/O: `os.stat`, listings.
"""

from __future__ import annotations

import msgspec

from skykite.model.built import BuildInputs
from skykite.model.invocation import FunctionConfig
from skykite.runtime.freshness import Observed
from skykite_lambda.secret_values import STAMP_VARIABLE
from skykite_lambda.tracking import EVERY_NAME, Tracker


def read_beside(config: FunctionConfig) -> Observed:
    """Files copied into the function's zip, and whether secrets were set anew, as they are now. Call it before the
    build, so that any change since shows."""
    tracker = Tracker([str(config.project_root), str(config.import_root)])
    stamp = config.environment.get(STAMP_VARIABLE)
    tracker.depend_on([*map(str, config.copied), *([stamp] if stamp else [])])
    return msgspec.convert(tracker.take() or {}, type=Observed)


def observed_of(inputs: BuildInputs, beside: Observed) -> Observed:
    """Both together."""
    return Observed(
        files=[*((one.path, one.stat, one.digest) for one in inputs.files), *beside.files],
        folders=[
            *((one.path, one.stat, None if one.names is None else list(one.names)) for one in inputs.folders),
            *beside.folders,
        ],
        names={
            **{one.path: [EVERY_NAME] if one.stems is None else list(one.stems) for one in inputs.folders},
            **beside.names,
        },
        packages=beside.packages,
    )
