"""What becomes of a construct's data when its stack goes: kept in production, gone with a personal stage.

In: the `removal_policy` a user gave, and the stage. Out: CDK's removal policy. Pure.
"""

from __future__ import annotations

from typing import Any

import aws_cdk

from skykite.constructs.props import check_choice
from skykite.model.names import is_production
from skykite.model.synthesis import Synthesis


def kept_when_removed(synthesis: Synthesis) -> bool:
    """Whether data outlives its stack: in production, on AWS."""
    return synthesis.mode != "local" and is_production(synthesis.stage)


def removal_policy(given: object, synthesis: Synthesis) -> Any:
    """`"retain"`, `"destroy"`, an `aws_cdk.RemovalPolicy`, or None for what the stage says. Raises PropProblem."""
    if isinstance(given, aws_cdk.RemovalPolicy):
        return given
    if given is not None:
        check_choice("removal_policy", given, ("retain", "destroy"))
    kept = given == "retain" or (given is None and kept_when_removed(synthesis))
    return aws_cdk.RemovalPolicy.RETAIN if kept else aws_cdk.RemovalPolicy.DESTROY
