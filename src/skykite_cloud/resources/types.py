"""The table: which properties of which type have their effect in the embedded cloud.

What AWS has beyond them (`schemas.json`) is refused.
"""

from __future__ import annotations

from skykite_cloud.resources import (
    apis,
    buckets,
    buses,
    cdkresources,
    eventapis,
    functions,
    groups,
    loadbalancers,
    mappings,
    networks,
    parameters,
    queues,
    references,
    releases,
    roles,
    schedules,
    secrets,
    streams,
    tables,
    topics,
)
from skykite_cloud.resources.rules import Handlers, TypeRules, identify, names

_PARTS = (
    buses,
    groups,
    loadbalancers,
    mappings,
    networks,
    parameters,
    queues,
    references,
    releases,
    schedules,
    secrets,
    streams,
    tables,
    topics,
)
_MAKERS = (buses, eventapis, groups, mappings, networks, schedules)


def handlers_by_type() -> dict[str, Handlers]:
    """Handlers in place of MiniStack's, or of types that it does not have."""
    return {name: handlers for part in (*_MAKERS, cdkresources) for name, handlers in part.HANDLERS.items()}


def replacing_by_type() -> dict[str, tuple[str, ...]]:
    """For those: the properties whose change takes a new resource."""
    return {name: properties for part in _MAKERS for name, properties in part.REPLACING.items()}


def rules_by_type() -> dict[str, TypeRules]:
    """By type name. A function, since the parts it names import MiniStack's services when they are called only."""
    return {
        **{name: rules for part in _PARTS for name, rules in part.RULES.items()},
        "AWS::Lambda::Function": TypeRules(
            consumed=names(
                "Architectures Code CodeSigningConfigArn DeadLetterConfig Description DurableConfig Environment "
                "EphemeralStorage FunctionName Handler ImageConfig KmsKeyArn Layers LoggingConfig MemorySize "
                "PackageType RecursiveLoop ReservedConcurrentExecutions Role Runtime SnapStart Tags Timeout "
                "TracingConfig VpcConfig"
            ),
            before=(functions.find_code, functions.find_role),
            after=(functions.apply_dropped,),
        ),
        "AWS::Lambda::Permission": TypeRules(
            consumed=names(
                "Action EventSourceToken FunctionName FunctionUrlAuthType InvokedViaFunctionUrl Principal "
                "PrincipalOrgID SourceAccount SourceArn"
            ),
            before=(functions.find_function,),
            after=(identify,),
        ),
        "AWS::IAM::Role": TypeRules(
            consumed=names(
                "AssumeRolePolicyDocument Description ManagedPolicyArns MaxSessionDuration Path PermissionsBoundary "
                "Policies RoleName Tags"
            ),
            after=(roles.apply_boundary,),
        ),
        "AWS::IAM::Policy": TypeRules(
            consumed=names("Groups PolicyDocument PolicyName Roles Users"),
            required=("PolicyDocument", "PolicyName"),
            before=(roles.need_principals, roles.find_principals),
        ),
        "AWS::IAM::ManagedPolicy": TypeRules(
            consumed=names("Description Groups ManagedPolicyName Path PolicyDocument Roles Users"),
            before=(roles.find_principals,),
            after=(roles.describe_managed,),
        ),
        "AWS::DynamoDB::Table": TypeRules(
            consumed=names(
                "AttributeDefinitions BillingMode DeletionProtectionEnabled GlobalSecondaryIndexes KeySchema "
                "LocalSecondaryIndexes OnDemandThroughput PointInTimeRecoverySpecification ProvisionedThroughput "
                "SSESpecification StreamSpecification TableClass TableName Tags TimeToLiveSpecification"
            ),
            before=(tables.check_keys,),
            after=(tables.apply_dropped,),
        ),
        "AWS::ApiGatewayV2::Api": TypeRules(
            consumed=names(
                "ApiKeySelectionExpression CorsConfiguration Description DisableExecuteApiEndpoint "
                "DisableSchemaValidation Name ProtocolType RouteSelectionExpression Tags Version"
            ),
            required=("Name", "ProtocolType"),
            after=(apis.name_endpoint, apis.apply_cors),
        ),
        "AWS::ApiGatewayV2::Stage": TypeRules(
            consumed=names(
                "AccessLogSettings ApiId AutoDeploy ClientCertificateId DefaultRouteSettings DeploymentId Description "
                "RouteSettings StageName StageVariables Tags"
            ),
            before=(apis.find_api,),
        ),
        "AWS::ApiGatewayV2::Route": TypeRules(
            consumed=names(
                "ApiId ApiKeyRequired AuthorizationScopes AuthorizationType AuthorizerId ModelSelectionExpression "
                "OperationName RequestModels RequestParameters RouteKey RouteResponseSelectionExpression Target"
            ),
            before=(apis.find_api, apis.find_target),
            before_create=(apis.refuse_second_route,),
        ),
        "AWS::ApiGatewayV2::Integration": TypeRules(
            consumed=names(
                "ApiId ConnectionId ConnectionType ContentHandlingStrategy Description IntegrationMethod "
                "IntegrationType IntegrationUri PayloadFormatVersion RequestParameters RequestTemplates "
                "ResponseParameters TimeoutInMillis"
            ),
            before=(apis.find_api,),
        ),
        eventapis.API: TypeRules(
            consumed=names("EventConfig Name OwnerContact Tags"),
            before=(eventapis.check_event_config,),
        ),
        eventapis.NAMESPACE: TypeRules(
            consumed=names("ApiId CodeHandlers Name PublishAuthModes SubscribeAuthModes Tags"),
            before=(eventapis.find_event_api,),
        ),
        "AWS::Logs::LogGroup": TypeRules(
            consumed=names("KmsKeyId LogGroupClass LogGroupName ResourcePolicyDocument RetentionInDays Tags"),
        ),
        "AWS::S3::Bucket": TypeRules(
            consumed=names(
                "AccessControl BucketEncryption BucketName CorsConfiguration LifecycleConfiguration "
                "LoggingConfiguration NotificationConfiguration OwnershipControls PublicAccessBlockConfiguration Tags "
                "VersioningConfiguration WebsiteConfiguration"
            ),
            after=(buckets.apply_dropped,),
        ),
        "AWS::S3::BucketPolicy": TypeRules(
            consumed=names("Bucket PolicyDocument"),
            before=(buckets.find_bucket,),
        ),
    }
