"""AWS::ElasticLoadBalancingV2::TargetGroup: its targets, which MiniStack's handler drops."""

from __future__ import annotations

from skykite_cloud.resources.rules import Properties, TypeRules, expect_success


def register_targets(arn: str, properties: Properties, old: Properties) -> None:
    """Through the calls of its API."""
    from ministack.services import alb

    wanted, had = (
        [{key: str(value) for key, value in target.items()} for target in given.get("Targets") or ()]
        for given in (properties, old)
    )
    gone, added = [one for one in had if one not in wanted], [one for one in wanted if one not in had]
    if gone:
        expect_success("DeregisterTargets", alb._deregister_targets(_members(arn, gone)))
    if added:
        expect_success("RegisterTargets", alb._register_targets(_members(arn, added)))


def _members(arn: str, targets: list[dict[str, str]]) -> dict[str, list[str]]:
    given = {
        f"Targets.member.{index}.{key}": [value]
        for index, target in enumerate(targets, start=1)
        for key, value in target.items()
    }
    return {"TargetGroupArn": [arn], **given}


RULES = {"AWS::ElasticLoadBalancingV2::TargetGroup": TypeRules(consumed=None, after=(register_targets,))}
