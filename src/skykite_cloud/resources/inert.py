"""Properties that may go unread: they change nothing that a program under development can see.

For types that users bring. docs/decisions/0009 says how a property comes onto this list. The types that Skykite's own
constructs emit are held to more: what has no effect there is refused, whatever its name. Pure.
"""

from __future__ import annotations

from typing import Any


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# For people to read.
_LABELS = _names("Comment Description HostedZoneTags Tags")
# How AWS runs it: capacity, placement, updates. Here all of it is one process.
_RUNNING = _names(
    "AdditionalStorageVolumes AllocatedCapacity AutoMinorVersionUpgrade AvailabilityZoneDistribution "
    "AvailabilityZoneImpairmentPolicy AvailabilityZoneRebalancing CapacityRebalance CapacityReservationSpecification "
    "CertificateRotationRestart ControlPlaneScalingConfig DBClusterInstanceClass DedicatedLogVolume "
    "DefaultInstanceWarmup DeploymentStrategyOptions Durability EbsOptimized EnableECSManagedTags "
    "EngineLifecycleSupport ExecutionClass FifoThroughputScope ForceNewDeployment InstanceMaintenancePolicy Iops "
    "MaintenanceWindow MaintenanceWindows MinimumLoadBalancerCapacity NodeRepairConfig PlacementConstraints "
    "PlacementGroup PlacementStrategies PlacementTenancy PricingPlan PricingPlanDataSource ProcessorFeatures "
    "PropagateTags QueuedTimeoutInMinutes RuntimePlatform ScalingConfiguration SchedulingStrategy "
    "ServerlessV2ScalingConfiguration SpotPrice StorageThroughput StorageType UpgradePolicy "
    "UseDefaultProcessorFeatures WarmPoolConfig WarmThroughput WarmThroughputMiBps ZonalShiftConfig"
)
# How AWS keeps it: copies, and encryption where it lies.
_KEEPING = _names(
    "AutomatedSnapshotPauseOptions AutomaticBackupReplicationKmsKeyId AutomaticBackupReplicationRegion "
    "AutomaticBackupReplicationRetentionPeriod BacktrackWindow DeleteAutomatedBackups EncryptionConfiguration "
    "KmsKeyArn KmsKeyIdentifier StorageClassConfiguration StorageConfig StorageEncrypted StreamEncryption"
)
# What AWS tells about it.
_WATCHING = _names(
    "AccessLogSetting CloudWatchLoggingOptions DatabaseInsightsMode DesiredShardLevelMetrics "
    "EnableCloudwatchLogsExports InstanceMonitoring LogConfiguration LogConfig LogPublishingOptions LogsConfig "
    "MetricsCollection MetricsConfiguration Monitoring MonitoringInterval MonitoringRoleArn "
    "PerformanceInsightsEnabled PerformanceInsightsKmsKeyId PerformanceInsightsRetentionPeriod "
    "QueryLoggingConfig TracingConfiguration XrayEnabled"
)
_INERT = _LABELS | _RUNNING | _KEEPING | _WATCHING

# What only these types have, or what only there has no effect.
_BY_TYPE = {
    "AWS::ApiGateway::RequestValidator": _names("Name RestApiId"),
    "AWS::AutoScaling::LaunchConfiguration": _names(
        "AssociatePublicIpAddress BlockDeviceMappings IamInstanceProfile MetadataOptions"
    ),
    "AWS::CertificateManager::Certificate": _names("DomainValidationOptions"),
    "AWS::CodeBuild::Project": _names("Cache"),
    "AWS::Glue::Connection": _names("CatalogId"),
    "AWS::Glue::Database": _names("CatalogId"),
    "AWS::Glue::Table": _names("CatalogId"),
    "AWS::RDS::DBCluster": _names("DBClusterParameterGroupName EnableIAMDatabaseAuthentication"),
}


def asks_for_nothing(value: Any) -> bool:
    """What stands for the absence of what the property turns on."""
    return value is None or value is False or value in ("", "false") or value == [] or value == {}


def is_inert(type_name: str, path: tuple[str, ...]) -> bool:
    """Whether nothing can be observed here of the property at this path."""
    names = set(path)
    return not names.isdisjoint(_INERT) or not names.isdisjoint(_BY_TYPE.get(type_name, ()))


def is_label(path: tuple[str, ...]) -> bool:
    """Whether it is a tag, a description or a part of one."""
    return not _LABELS.isdisjoint(path)
