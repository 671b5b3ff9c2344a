"""The table: which properties of which type have their effect in the embedded cloud.

What AWS has beyond them (`schemas.json`) is refused.
"""

from __future__ import annotations

from skykite_cloud.resources import apis, buckets, eventapis, functions, roles, tables
from skykite_cloud.resources.rules import TypeRules


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def rules_by_type() -> dict[str, TypeRules]:
    """By type name. A function, since the parts it names import MiniStack's services when they are called only."""
    return {
        "AWS::Lambda::Function": TypeRules(
            consumed=_names(
                "Architectures Code CodeSigningConfigArn DeadLetterConfig Description DurableConfig Environment "
                "EphemeralStorage FunctionName Handler ImageConfig KmsKeyArn Layers LoggingConfig MemorySize "
                "PackageType RecursiveLoop ReservedConcurrentExecutions Role Runtime SnapStart Tags Timeout "
                "TracingConfig VpcConfig"
            ),
            before=(functions.find_code, functions.find_role),
            after=(functions.apply_dropped,),
        ),
        "AWS::Lambda::Permission": TypeRules(
            consumed=_names(
                "Action EventSourceToken FunctionName FunctionUrlAuthType InvokedViaFunctionUrl Principal "
                "PrincipalOrgID SourceAccount SourceArn"
            ),
            before=(functions.find_function,),
        ),
        "AWS::IAM::Role": TypeRules(
            consumed=_names(
                "AssumeRolePolicyDocument Description ManagedPolicyArns MaxSessionDuration Path PermissionsBoundary "
                "Policies RoleName Tags"
            ),
            after=(roles.apply_boundary,),
        ),
        "AWS::IAM::Policy": TypeRules(
            consumed=_names("Groups PolicyDocument PolicyName Roles Users"),
            required=("PolicyDocument", "PolicyName"),
            before=(roles.find_principals,),
        ),
        "AWS::DynamoDB::Table": TypeRules(
            consumed=_names(
                "AttributeDefinitions BillingMode DeletionProtectionEnabled GlobalSecondaryIndexes KeySchema "
                "LocalSecondaryIndexes OnDemandThroughput PointInTimeRecoverySpecification ProvisionedThroughput "
                "SSESpecification StreamSpecification TableClass TableName Tags TimeToLiveSpecification"
            ),
            before=(tables.check_keys,),
            after=(tables.apply_dropped,),
        ),
        "AWS::ApiGatewayV2::Api": TypeRules(
            consumed=_names(
                "ApiKeySelectionExpression CorsConfiguration Description DisableExecuteApiEndpoint "
                "DisableSchemaValidation Name ProtocolType RouteSelectionExpression Tags Version"
            ),
            required=("Name", "ProtocolType"),
            after=(apis.name_endpoint, apis.apply_cors),
        ),
        "AWS::ApiGatewayV2::Stage": TypeRules(
            consumed=_names(
                "AccessLogSettings ApiId AutoDeploy ClientCertificateId DefaultRouteSettings DeploymentId Description "
                "RouteSettings StageName StageVariables Tags"
            ),
            before=(apis.find_api,),
        ),
        "AWS::ApiGatewayV2::Route": TypeRules(
            consumed=_names(
                "ApiId ApiKeyRequired AuthorizationScopes AuthorizationType AuthorizerId ModelSelectionExpression "
                "OperationName RequestModels RequestParameters RouteKey RouteResponseSelectionExpression Target"
            ),
            before=(apis.find_api, apis.find_target),
            before_create=(apis.refuse_second_route,),
        ),
        "AWS::ApiGatewayV2::Integration": TypeRules(
            consumed=_names(
                "ApiId ConnectionId ConnectionType ContentHandlingStrategy Description IntegrationMethod "
                "IntegrationType IntegrationUri PayloadFormatVersion RequestParameters RequestTemplates "
                "ResponseParameters TimeoutInMillis"
            ),
            before=(apis.find_api,),
        ),
        eventapis.API: TypeRules(
            consumed=_names("EventConfig Name OwnerContact Tags"),
            before=(eventapis.check_event_config,),
        ),
        eventapis.NAMESPACE: TypeRules(
            consumed=_names("ApiId CodeHandlers Name PublishAuthModes SubscribeAuthModes Tags"),
            before=(eventapis.find_event_api,),
        ),
        "AWS::Logs::LogGroup": TypeRules(
            consumed=_names("KmsKeyId LogGroupClass LogGroupName ResourcePolicyDocument RetentionInDays Tags"),
        ),
        "AWS::SQS::Queue": TypeRules(
            consumed=_names(
                "ContentBasedDeduplication DeduplicationScope DelaySeconds FifoQueue FifoThroughputLimit "
                "KmsDataKeyReusePeriodSeconds KmsMasterKeyId MaximumMessageSize MessageRetentionPeriod QueueName "
                "ReceiveMessageWaitTimeSeconds RedriveAllowPolicy RedrivePolicy SqsManagedSseEnabled Tags "
                "VisibilityTimeout"
            ),
        ),
        "AWS::S3::Bucket": TypeRules(
            consumed=_names(
                "BucketEncryption BucketName CorsConfiguration LifecycleConfiguration NotificationConfiguration "
                "OwnershipControls PublicAccessBlockConfiguration Tags VersioningConfiguration WebsiteConfiguration"
            ),
            after=(buckets.apply_dropped,),
        ),
        "AWS::S3::BucketPolicy": TypeRules(
            consumed=_names("Bucket PolicyDocument"),
            before=(buckets.find_bucket,),
        ),
    }
