"""AWS::SSM::Parameter: a generated name as on AWS.

MiniStack's is a path below the stack's name, which SSM refuses for a stack whose name begins with `aws` or `ssm`.
"""

from __future__ import annotations

from skykite_cloud.resources.rules import Properties, TypeRules, names


def name_parameter(logical_id: str, properties: Properties, stack_name: str) -> Properties:
    """`CFN-Greeting-1A2B3C4D5E6F7`."""
    if properties.get("Name"):
        return {}
    from ministack.services.cloudformation import provisioners

    drawn = provisioners._physical_name(stack_name, logical_id).rpartition("-")[2]
    return {"Name": f"CFN-{logical_id}-{drawn}"}


RULES = {
    "AWS::SSM::Parameter": TypeRules(
        consumed=names("AllowedPattern DataType Description Name Policies Tags Tier Type Value"), fill=name_parameter
    )
}
