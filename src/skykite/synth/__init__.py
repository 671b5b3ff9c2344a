"""Run the user's program and bring back a cloud assembly with its manifest, fast.

Importing this costs little: aws_cdk and jsii load in the synth process only.
"""

from __future__ import annotations

from skykite.synth.synthesize import SynthResult, fingerprint_file, synthesize
from skykite.synth.validate import validate

__all__ = ["SynthResult", "fingerprint_file", "synthesize", "validate"]
