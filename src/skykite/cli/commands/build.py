"""`kite build`: a stage's templates and bundles in one folder, to deploy from anywhere. Its path goes to stdout."""

from __future__ import annotations

from pathlib import Path

import click

from skykite.cli.settings import Settings, pass_settings


@click.command(short_help="Make a stage's templates and bundles, to be deployed elsewhere")
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where to; a build that is there is replaced, anything else is not. Without it: `.kite/STAGE/build`.",
)
@pass_settings
def command(settings: Settings, out: Path | None) -> None:
    """Run the app's stacks, check their templates, build every bundle, and print the folder that holds it all.

    `kite deploy --from DIR` deploys the folder, on any machine that has Skykite. The same project makes the same
    folder, to the byte. It is for one stage and one region.
    """
    from skykite.cli.building import run_build

    run_build(settings, out)
