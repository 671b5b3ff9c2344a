"""Which changes lose data. In: a change of a change set, or a template about to go. Out: a judgement. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from skykite.aws import Change

STATEFUL: Final[Mapping[str, frozenset[str]]] = {
    kind: frozenset(properties.split())
    for kind, properties in {
        "AWS::Backup::BackupVault": "BackupVaultName EncryptionKeyArn",
        "AWS::Cassandra::Keyspace": "KeyspaceName",
        "AWS::Cassandra::Table": "ClientSideTimestampsEnabled ClusteringKeyColumns KeyspaceName PartitionKeyColumns "
        "TableName",
        "AWS::CloudFormation::Stack": "",
        "AWS::CloudTrail::EventDataStore": "",
        "AWS::CodeCommit::Repository": "",
        "AWS::Cognito::IdentityPool": "",
        "AWS::Cognito::UserPool": "",
        "AWS::DSQL::Cluster": "",
        "AWS::DocDB::DBCluster": "AvailabilityZones DBClusterIdentifier DBSubnetGroupName KmsKeyId MasterUsername "
        "SnapshotIdentifier SourceDBClusterIdentifier StorageEncrypted",
        "AWS::DocDBElastic::Cluster": "AdminUserName AuthType ClusterName KmsKeyId",
        "AWS::DynamoDB::GlobalTable": "AttributeDefinitions GlobalTableSourceArn KeySchema LocalSecondaryIndexes "
        "TableName",
        "AWS::DynamoDB::Table": "AttributeDefinitions ImportSourceSpecification KeySchema TableName",
        "AWS::EC2::Volume": "",
        "AWS::ECR::Repository": "EncryptionConfiguration RepositoryName",
        "AWS::EFS::FileSystem": "AvailabilityZoneName Encrypted KmsKeyId PerformanceMode",
        "AWS::ElastiCache::CacheCluster": "CacheSubnetGroupName ClusterName Engine IpDiscovery NetworkType Port "
        "PreferredAvailabilityZones SnapshotArns SnapshotName",
        "AWS::ElastiCache::ReplicationGroup": "AtRestEncryptionEnabled AuthToken CacheSubnetGroupName "
        "DataTieringEnabled GlobalReplicationGroupId KmsKeyId NetworkType NodeGroupConfiguration Port "
        "PreferredCacheClusterAZs ReplicationGroupId SnapshotArns SnapshotName",
        "AWS::ElastiCache::ServerlessCache": "ConnectionType KmsKeyId NetworkType ServerlessCacheName "
        "SnapshotArnsToRestore SubnetIds",
        "AWS::Elasticsearch::Domain": "DomainName",
        "AWS::FSx::FileSystem": "BackupId FileSystemType KmsKeyId SecurityGroupIds SubnetIds",
        "AWS::KMS::Key": "",
        "AWS::Kinesis::Stream": "Name",
        "AWS::MSK::Cluster": "BrokerNodeGroupInfo ClusterName EncryptionInfo",
        "AWS::MSK::ServerlessCluster": "ClientAuthentication ClusterName Tags VpcConfigs",
        "AWS::MemoryDB::Cluster": "ClusterName DataTiering KmsKeyId MultiRegionClusterName NetworkType Port "
        "SnapshotArns SnapshotName SubnetGroupName TLSEnabled",
        "AWS::Neptune::DBCluster": "AvailabilityZones DBClusterIdentifier DBSubnetGroupName GlobalClusterIdentifier "
        "KmsKeyId RestoreToTime RestoreType SnapshotIdentifier SourceDBClusterIdentifier StorageEncrypted "
        "UseLatestRestorableTime",
        "AWS::NeptuneGraph::Graph": "GraphName ImportTask KmsKeyIdentifier ProvisionedMemory ReplicaCount "
        "VectorSearchConfiguration",
        "AWS::OpenSearchServerless::Collection": "CollectionGroupName EncryptionConfig Name StandbyReplicas Tags Type",
        "AWS::OpenSearchService::Domain": "AdvancedSecurityOptions DomainName EncryptionAtRestOptions EngineMode",
        "AWS::QLDB::Ledger": "Name",
        "AWS::RDS::DBCluster": "AvailabilityZones ClusterScalabilityType DBClusterIdentifier DBSubnetGroupName "
        "DBSystemId DatabaseName Engine EngineMode GlobalClusterIdentifier KmsKeyId MasterUsername PubliclyAccessible "
        "RestoreToTime RestoreType SnapshotIdentifier SourceDBClusterIdentifier SourceDbClusterResourceId "
        "SourceRegion StorageEncrypted UseLatestRestorableTime",
        "AWS::RDS::DBInstance": "AvailabilityZone BackupTarget CharacterSetName CustomIAMInstanceProfile "
        "DBClusterIdentifier DBClusterSnapshotIdentifier DBInstanceIdentifier DBName DBSnapshotIdentifier "
        "DBSubnetGroupName DBSystemId Engine KmsKeyId MasterUsername NcharCharacterSetName RestoreTime "
        "SourceDBClusterIdentifier SourceDBInstanceAutomatedBackupsArn SourceDBInstanceIdentifier "
        "SourceDbiResourceId SourceRegion StorageEncrypted Timezone UseLatestRestorableTime",
        "AWS::RDS::GlobalCluster": "Engine GlobalClusterIdentifier SourceDBClusterIdentifier StorageEncrypted",
        "AWS::Redshift::Cluster": "ClusterIdentifier ClusterSubnetGroupName DBName MasterUsername OwnerAccount "
        "SnapshotClusterIdentifier SnapshotIdentifier",
        "AWS::RedshiftServerless::Namespace": "NamespaceName",
        "AWS::Route53::HostedZone": "DelegationSetId Name",
        "AWS::S3::Bucket": "BucketName BucketNamePrefix BucketNamespace",
        "AWS::S3Express::DirectoryBucket": "BucketName DataRedundancy LocationName",
        "AWS::S3Tables::Table": "IcebergMetadata OpenTableFormat StorageClassConfiguration TableBucketARN "
        "WithoutMetadata",
        "AWS::S3Tables::TableBucket": "TableBucketName",
        "AWS::S3Vectors::Index": "DataType Dimension DistanceMetric EncryptionConfiguration IndexName "
        "MetadataConfiguration VectorBucketArn VectorBucketName",
        "AWS::S3Vectors::VectorBucket": "EncryptionConfiguration VectorBucketName",
        "AWS::SDB::Domain": "",
        "AWS::SQS::Queue": "FifoQueue QueueName",
        "AWS::SecretsManager::Secret": "Name",
        "AWS::Timestream::Database": "DatabaseName",
        "AWS::Timestream::InfluxDBInstance": "Bucket Name NetworkType Organization Password PubliclyAccessible "
        "Username VpcSecurityGroupIds VpcSubnetIds",
        "AWS::Timestream::Table": "DatabaseName TableName",
    }.items()
}
"""Types that hold what nobody can make again, and the properties whose change may replace the resource.

The properties are what the types' CloudFormation schemas call create-only and conditionally create-only. They decide
where a change set says `Conditional`, which it also says when it merely does not know.
"""

KEEPING: Final = frozenset({"Retain", "RetainExceptOnCreate"})
_TABLES: Final = frozenset({"AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"})


def replaces(change: Change) -> bool:
    """Whether a change surely gives a new physical resource."""
    return change.action == "Modify" and change.replacement == "True"


def needs_deployed_template(changes: Iterable[Change]) -> bool:
    """Whether `loses_data` must see the template as deployed to judge one of these."""
    return any(
        change.type in _TABLES
        and change.replacement == "Conditional"
        and any(detail.name == "AttributeDefinitions" for detail in change.details)
        for change in changes
    )


def loses_data(change: Change, *, deployed: Mapping[str, Any] | None, desired: Mapping[str, Any]) -> bool:
    """Whether a change deletes a resource that holds data, or replaces it by an empty one.

    What a policy retains is not lost. `deployed` is the present template, where `needs_deployed_template` asks for it.
    """
    may_replace = STATEFUL.get(change.type)
    if may_replace is None:
        return False
    if change.action == "Remove":
        return change.policy_action != "Retain"
    if change.action != "Modify" or change.policy_action == "ReplaceAndRetain":
        return False
    if change.replacement == "True":
        return True
    if change.replacement != "Conditional" or _policy(desired, change.logical_id, "UpdateReplacePolicy") in KEEPING:
        return False
    suspects = {
        detail.name
        for detail in change.details
        if detail.attribute == "Properties"
        and detail.recreation != "Never"
        and (detail.recreation == "Always" or detail.name in may_replace)
    }
    if change.type in _TABLES and deployed is not None and _only_adds_attributes(deployed, desired, change.logical_id):
        suspects.discard("AttributeDefinitions")
    return bool(suspects)


def _only_adds_attributes(deployed: Mapping[str, Any], desired: Mapping[str, Any], logical_id: str) -> bool:
    """A table is replaced only when an attribute it has becomes another type; a new index brings new attributes."""
    before, after = _attributes(deployed, logical_id), _attributes(desired, logical_id)
    return all(after.get(name, kind) == kind for name, kind in before.items())


def _attributes(template: Mapping[str, Any], logical_id: str) -> dict[str, str]:
    properties = _resource(template, logical_id).get("Properties") or {}
    definitions = properties.get("AttributeDefinitions")
    if not isinstance(definitions, list):
        return {}
    return {str(entry.get("AttributeName")): str(entry.get("AttributeType")) for entry in definitions}


def _policy(template: Mapping[str, Any], logical_id: str, attribute: str) -> str:
    return str(_resource(template, logical_id).get(attribute) or "Delete")


def _resource(template: Mapping[str, Any], logical_id: str) -> Mapping[str, Any]:
    resource = (template.get("Resources") or {}).get(logical_id)
    return resource if isinstance(resource, dict) else {}
