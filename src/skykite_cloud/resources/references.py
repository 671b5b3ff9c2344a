"""Types whose references MiniStack takes without looking: an alias of a key, the definition of a state machine."""

from __future__ import annotations

import json

from skykite_cloud.resources.rules import Properties, PropertyError, TypeRules


def find_key(properties: Properties) -> None:
    """An alias is of a key that exists."""
    from ministack.services import kms

    target = properties.get("TargetKeyId")
    if kms._resolve_key(target) is None:
        raise PropertyError(f"Key '{target}' does not exist")


def check_definition(properties: Properties) -> None:
    """A state machine starts somewhere."""
    from ministack.services.cloudformation import provisioners

    text = provisioners._sfn_definition(properties)
    try:
        definition = json.loads(text)
    except ValueError as error:
        raise PropertyError(f"Invalid State Machine Definition: 'INVALID_JSON_DESCRIPTION: {error}'") from error
    states = definition.get("States") if isinstance(definition, dict) else None
    if not isinstance(states, dict) or definition.get("StartAt") not in states:
        raise PropertyError("Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: StartAt names no state'")


RULES = {
    "AWS::KMS::Alias": TypeRules(consumed=None, before=(find_key,)),
    "AWS::StepFunctions::StateMachine": TypeRules(consumed=None, before=(check_definition,)),
}
