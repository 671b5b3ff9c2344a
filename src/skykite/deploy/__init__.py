"""From an assembly to CloudFormation: diff, plan, change sets, assets, events; and back to nothing.

In: a manifest, its assembly, an `AwsSession`. Out: outputs and physical ids. I/O: AWS or an embedded cloud through the
session; the files of the assembly; `outputs.json` of the stage. Whether the session is local is nowhere asked.
"""

from skykite.deploy.deployer import Deployed, Deployer, RemovedStacks
from skykite.deploy.images import Docker, ImagePublisher, image_publisher
from skykite.deploy.links import LinkedFunction, deployed_functions, links_of
from skykite.deploy.secrets import SecretStore, StoredSecret, require_secrets, secrets_notice
from skykite.deploy.shipment import Shipment, read_shipment
from skykite.deploy.state import StageFiles

__all__ = [
    "Deployed",
    "Deployer",
    "Docker",
    "ImagePublisher",
    "LinkedFunction",
    "RemovedStacks",
    "SecretStore",
    "Shipment",
    "StageFiles",
    "StoredSecret",
    "deployed_functions",
    "image_publisher",
    "links_of",
    "read_shipment",
    "require_secrets",
    "secrets_notice",
]
