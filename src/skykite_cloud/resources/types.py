"""The table: which properties of which type have their effect in the embedded cloud.

The sets together are AWS's own list of writable properties per type; a test compares them with the published schemas.
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
            refused=_names(
                "CapacityProviderConfig FileSystemConfigs FunctionScalingConfig PublishToLatestPublished "
                "RuntimeManagementConfig TenancyConfig"
            ),
            required=("Code", "Role"),
            before=(functions.find_code, functions.find_role),
            after=(functions.apply_dropped,),
        ),
        "AWS::Lambda::Permission": TypeRules(
            consumed=_names(
                "Action EventSourceToken FunctionName FunctionUrlAuthType InvokedViaFunctionUrl Principal "
                "PrincipalOrgID SourceAccount SourceArn"
            ),
            required=("Action", "FunctionName", "Principal"),
            before=(functions.find_function,),
        ),
        "AWS::IAM::Role": TypeRules(
            consumed=_names(
                "AssumeRolePolicyDocument Description ManagedPolicyArns MaxSessionDuration Path PermissionsBoundary "
                "Policies RoleName Tags"
            ),
            required=("AssumeRolePolicyDocument",),
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
            refused=_names(
                "ContributorInsightsSpecification ImportSourceSpecification KinesisStreamSpecification "
                "ResourcePolicy VectorIndexes WarmThroughput"
            ),
            required=("KeySchema",),
            before=(tables.check_keys,),
            after=(tables.apply_dropped,),
        ),
        "AWS::ApiGatewayV2::Api": TypeRules(
            consumed=_names(
                "ApiKeySelectionExpression CorsConfiguration Description DisableExecuteApiEndpoint "
                "DisableSchemaValidation Name ProtocolType RouteSelectionExpression Tags Version"
            ),
            refused=_names("BasePath Body BodyS3Location CredentialsArn FailOnWarnings IpAddressType RouteKey Target"),
            required=("Name", "ProtocolType"),
            after=(apis.name_endpoint, apis.apply_cors),
        ),
        "AWS::ApiGatewayV2::Stage": TypeRules(
            consumed=_names(
                "AccessLogSettings ApiId AutoDeploy ClientCertificateId DefaultRouteSettings DeploymentId Description "
                "RouteSettings StageName StageVariables Tags"
            ),
            refused=_names("AccessPolicyId"),
            required=("ApiId", "StageName"),
            before=(apis.find_api,),
        ),
        "AWS::ApiGatewayV2::Route": TypeRules(
            consumed=_names(
                "ApiId ApiKeyRequired AuthorizationScopes AuthorizationType AuthorizerId ModelSelectionExpression "
                "OperationName RequestModels RequestParameters RouteKey RouteResponseSelectionExpression Target"
            ),
            required=("ApiId", "RouteKey"),
            before=(apis.find_api, apis.find_target),
            before_create=(apis.refuse_second_route,),
        ),
        "AWS::ApiGatewayV2::Integration": TypeRules(
            consumed=_names(
                "ApiId ConnectionId ConnectionType ContentHandlingStrategy Description IntegrationMethod "
                "IntegrationType IntegrationUri PayloadFormatVersion RequestParameters RequestTemplates "
                "ResponseParameters TimeoutInMillis"
            ),
            refused=_names(
                "CredentialsArn IntegrationSubtype PassthroughBehavior TemplateSelectionExpression TlsConfig"
            ),
            required=("ApiId", "IntegrationType"),
            before=(apis.find_api,),
        ),
        eventapis.API: TypeRules(
            consumed=_names("EventConfig Name OwnerContact Tags"),
            required=("Name",),
            before=(eventapis.check_event_config,),
        ),
        eventapis.NAMESPACE: TypeRules(
            consumed=_names("ApiId CodeHandlers Name PublishAuthModes SubscribeAuthModes Tags"),
            refused=_names("CodeS3Location HandlerConfigs"),
            required=("ApiId", "Name"),
            before=(eventapis.find_event_api,),
        ),
        "AWS::Logs::LogGroup": TypeRules(
            consumed=_names("KmsKeyId LogGroupClass LogGroupName ResourcePolicyDocument RetentionInDays Tags"),
            refused=_names(
                "BearerTokenAuthenticationEnabled DataProtectionPolicy DeletionProtectionEnabled FieldIndexPolicies"
            ),
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
            refused=_names(
                "AbacStatus AccelerateConfiguration AccessControl AnalyticsConfigurations BucketNamePrefix "
                "BucketNamespace IntelligentTieringConfigurations InventoryConfigurations LoggingConfiguration "
                "MetadataConfiguration MetadataTableConfiguration MetricsConfigurations ObjectLockConfiguration "
                "ObjectLockEnabled ReplicationConfiguration"
            ),
            after=(buckets.apply_dropped,),
        ),
        "AWS::S3::BucketPolicy": TypeRules(
            consumed=_names("Bucket PolicyDocument"),
            required=("Bucket", "PolicyDocument"),
            before=(buckets.find_bucket,),
        ),
    }
