"""The dev loop: start everything, watch files, decide, reload. Knows the manifest, not aws_cdk.

`session.DevSession` is the shell, `place.Place` the cloud it works with (`local.LocalPlace`: the embedded one);
`decide` and `configure` are pure; `freshness` holds requests that arrive after a save until the new infrastructure
runs; `lock` keeps two sessions off one stage.
"""
