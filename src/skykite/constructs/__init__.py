"""The public constructs. With `synth`, the only room that imports aws_cdk; users reach it through `skykite`."""
