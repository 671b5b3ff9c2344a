"""AWS::Kinesis::Stream: encryption, shard metrics and shard counts, which MiniStack's handler drops."""

from __future__ import annotations

from typing import Any

from skykite_cloud.resources.rules import Properties, PropertyError, TypeRules, expect_success, names

_SHORTEST, _LONGEST = 24, 8760  # hours


def check_stream(properties: Properties) -> None:
    """Shards are counted where they are provisioned, and hours of retention have their bounds."""
    mode = (properties.get("StreamModeDetails") or {}).get("StreamMode", "PROVISIONED")
    if mode == "ON_DEMAND" and properties.get("ShardCount") is not None:
        raise PropertyError("ShardCount must not be given when StreamMode is ON_DEMAND")
    if mode == "PROVISIONED" and not properties.get("ShardCount"):
        raise PropertyError("ShardCount must be given when StreamMode is PROVISIONED")
    hours = int(properties.get("RetentionPeriodHours", _SHORTEST))
    if not _SHORTEST <= hours <= _LONGEST:
        raise PropertyError(f"RetentionPeriodHours must be between {_SHORTEST} and {_LONGEST}; it is {hours}")


def apply_dropped(name: str, properties: Properties, old: Properties) -> dict[str, str]:
    """Through Kinesis' own calls; what an update leaves out goes back to what it is without."""
    from ministack.services import kinesis

    this = {"StreamName": name}
    encryption = properties.get("StreamEncryption")
    if encryption:
        given = {**this, "EncryptionType": encryption["EncryptionType"], "KeyId": encryption["KeyId"]}
        expect_success("StartStreamEncryption", kinesis._start_stream_encryption(given))
    elif old.get("StreamEncryption"):
        expect_success("StopStreamEncryption", kinesis._stop_stream_encryption(this))
    _apply_metrics(kinesis, name, properties, old)
    stream = kinesis._streams[name]
    if "RetentionPeriodHours" in old and "RetentionPeriodHours" not in properties:
        stream["RetentionPeriodHours"] = _SHORTEST
    wanted = properties.get("ShardCount")
    if old and wanted and int(wanted) != len(stream["shards"]):
        if any(shard.get("records") for shard in stream["shards"].values()):
            raise PropertyError(
                "The embedded cloud does not change the number of shards of a stream that holds records"
            )
        expect_success("UpdateShardCount", kinesis._update_shard_count({**this, "TargetShardCount": int(wanted)}))
    return {"Arn": stream["StreamARN"]}


def _apply_metrics(kinesis: Any, name: str, properties: Properties, old: Properties) -> None:
    wanted, had = (set(given.get("DesiredShardLevelMetrics") or ()) for given in (properties, old))
    if had - wanted:
        given = {"StreamName": name, "ShardLevelMetrics": sorted(had - wanted)}
        expect_success("DisableEnhancedMonitoring", kinesis._disable_enhanced_monitoring(given))
    if wanted - had:
        given = {"StreamName": name, "ShardLevelMetrics": sorted(wanted - had)}
        expect_success("EnableEnhancedMonitoring", kinesis._enable_enhanced_monitoring(given))


RULES = {
    "AWS::Kinesis::Stream": TypeRules(
        consumed=names(
            "DesiredShardLevelMetrics Name RetentionPeriodHours ShardCount StreamEncryption StreamModeDetails Tags"
        ),
        before=(check_stream,),
        after=(apply_dropped,),
    )
}
