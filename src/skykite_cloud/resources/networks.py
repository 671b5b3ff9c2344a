"""AWS::EC2::*: what a VPC needs for functions to be put in it. No packet goes through any of it: functions run here.

Elastic IPs, NAT gateways and rules beside a security group have their handlers here; MiniStack lacks them.
"""

from __future__ import annotations

from typing import Any

from skykite_cloud.resources.rules import (
    Handlers,
    Properties,
    PropertyError,
    TypeRules,
    expect_success,
    identify,
    names,
)

Attributes = dict[str, Any]

EIP, NAT = "AWS::EC2::EIP", "AWS::EC2::NatGateway"
INGRESS, EGRESS = "AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress"
_RULE = names(
    "CidrIp CidrIpv6 Description DestinationPrefixListId DestinationSecurityGroupId FromPort GroupId GroupName "
    "IpProtocol SourcePrefixListId SourceSecurityGroupId SourceSecurityGroupName SourceSecurityGroupOwnerId ToPort"
)


def vpc_attributes(vpc_id: str, properties: Properties, old: Properties) -> Attributes:
    """What MiniStack's handler leaves out of Fn::GetAtt."""
    from ministack.services import ec2

    return {"CidrBlock": ec2._vpcs[vpc_id]["CidrBlock"], "CidrBlockAssociations": [], "Ipv6CidrBlocks": []}


def subnet_attributes(subnet_id: str, properties: Properties, old: Properties) -> Attributes:
    """The same of a subnet."""
    from ministack.services import ec2

    subnet = ec2._subnets[subnet_id]
    return {"CidrBlock": subnet["CidrBlock"], "VpcId": subnet["VpcId"], "Ipv6CidrBlocks": []}


def find_vpc(properties: Properties) -> None:
    """What is in a VPC is in one that exists."""
    from ministack.services import ec2

    ec2._ensure_defaults_initialized()
    vpc = properties.get("VpcId")
    if vpc is not None and vpc not in ec2._vpcs:
        raise PropertyError(f"The vpc ID '{vpc}' does not exist")


def _find_subnet(properties: Properties) -> None:
    from ministack.services import ec2

    if properties.get("SubnetId") not in ec2._subnets:
        raise PropertyError(f"The subnet ID '{properties.get('SubnetId')}' does not exist")


def _create_address(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, Attributes]:
    from ministack.services import ec2
    from ministack.services.cloudformation import provisioners

    known = set(ec2._addresses)
    expect_success("AllocateAddress", ec2._allocate_address({"Domain": [properties.get("Domain", "vpc")]}))
    (allocation,) = set(ec2._addresses) - known
    provisioners._ec2_apply_tags(allocation, properties)
    address = ec2._addresses[allocation]["PublicIp"]
    return address, {"AllocationId": allocation, "PublicIp": address}


def _update_address(address: str, old: Properties, new: Properties, stack_name: str) -> tuple[str, Attributes]:
    from ministack.services.cloudformation import provisioners

    allocation = _allocation(address)
    provisioners._ec2_apply_tags(allocation, new, old)
    return address, {"AllocationId": allocation, "PublicIp": address}


def _delete_address(address: str, properties: Properties) -> None:
    from ministack.services import ec2

    ec2._release_address({"AllocationId": [_allocation(address)]})


def _allocation(address: str) -> str:
    from ministack.services import ec2

    return next((key for key, one in ec2._addresses.items() if one["PublicIp"] == address), "")


def _create_nat_gateway(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, Attributes]:
    from ministack.services import ec2
    from ministack.services.cloudformation import provisioners

    known = set(ec2._nat_gateways)
    given = {
        name: [properties[name]] for name in ("SubnetId", "AllocationId", "ConnectivityType") if name in properties
    }
    expect_success("CreateNatGateway", ec2._create_nat_gateway(given))
    (gateway,) = set(ec2._nat_gateways) - known
    provisioners._ec2_apply_tags(gateway, properties)
    return gateway, {"NatGatewayId": gateway}


def _update_nat_gateway(gateway: str, old: Properties, new: Properties, stack_name: str) -> tuple[str, Attributes]:
    from ministack.services.cloudformation import provisioners

    provisioners._ec2_apply_tags(gateway, new, old)
    return gateway, {"NatGatewayId": gateway}


def _delete_nat_gateway(gateway: str, properties: Properties) -> None:
    from ministack.services import ec2

    ec2._nat_gateways.pop(gateway, None)
    ec2._tags.pop(gateway, None)


def _group(properties: Properties) -> Attributes:
    from ministack.services import ec2

    ec2._ensure_defaults_initialized()
    group: Attributes | None = ec2._security_groups.get(properties.get("GroupId"))
    if group is None:
        raise PropertyError(f"The security group '{properties.get('GroupId')}' does not exist")
    return group


def _rule_handlers(store: str) -> Handlers:
    def create(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, Attributes]:
        from ministack.services.cloudformation import provisioners

        _group(properties).setdefault(store, []).extend(provisioners._ec2_sg_permissions([properties]))
        rule = f"sgr-{provisioners.new_uuid().replace('-', '')[:17]}"
        return rule, {"Id": rule}

    def update(rule: str, old: Properties, new: Properties, stack_name: str) -> tuple[str, Attributes]:
        delete(rule, old)
        create(rule, new, stack_name)
        return rule, {"Id": rule}

    def delete(rule: str, properties: Properties) -> None:
        from ministack.services import ec2
        from ministack.services.cloudformation import provisioners

        group = ec2._security_groups.get(properties.get("GroupId"))
        if group is not None:
            gone = provisioners._ec2_sg_permissions([properties])
            group[store] = [one for one in group.get(store, []) if one not in gone]

    return {"create": create, "update": update, "delete": delete}


HANDLERS: dict[str, Handlers] = {
    EIP: {"create": _create_address, "update": _update_address, "delete": _delete_address},
    NAT: {"create": _create_nat_gateway, "update": _update_nat_gateway, "delete": _delete_nat_gateway},
    INGRESS: _rule_handlers("IpPermissions"),
    EGRESS: _rule_handlers("IpPermissionsEgress"),
}
REPLACING = {
    EIP: ("Address", "Domain"),
    NAT: ("AllocationId", "ConnectivityType", "SubnetId"),
    INGRESS: tuple(sorted(_RULE - {"Description"})),
    EGRESS: tuple(sorted(_RULE - {"Description"})),
}
RULES = {
    EIP: TypeRules(consumed=names("Domain Tags")),
    NAT: TypeRules(
        consumed=names("AllocationId ConnectivityType SubnetId Tags"), required=("SubnetId",), before=(_find_subnet,)
    ),
    INGRESS: TypeRules(consumed=_RULE - names("DestinationPrefixListId DestinationSecurityGroupId GroupName")),
    EGRESS: TypeRules(
        consumed=names(
            "CidrIp CidrIpv6 Description DestinationPrefixListId DestinationSecurityGroupId FromPort GroupId "
            "IpProtocol ToPort"
        )
    ),
    "AWS::EC2::VPC": TypeRules(
        consumed=names("CidrBlock EnableDnsHostnames EnableDnsSupport InstanceTenancy Tags"), after=(vpc_attributes,)
    ),
    "AWS::EC2::Subnet": TypeRules(
        consumed=names(
            "AvailabilityZone AvailabilityZoneId CidrBlock EnableDns64 MapPublicIpOnLaunch "
            "PrivateDnsNameOptionsOnLaunch Tags VpcId"
        ),
        before=(find_vpc,),
        after=(subnet_attributes,),
    ),
    "AWS::EC2::SecurityGroup": TypeRules(
        consumed=names("GroupDescription GroupName SecurityGroupEgress SecurityGroupIngress Tags VpcId"),
        before=(find_vpc,),
        after=(identify,),
    ),
}
