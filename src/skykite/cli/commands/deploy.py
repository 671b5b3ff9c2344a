"""`kite deploy`: from stacks to CloudFormation."""

from __future__ import annotations

from pathlib import Path

import click

from skykite.cli.settings import Settings, pass_settings


@click.command(short_help="Bring a stage to what your stacks say")
@click.option(
    "--from",
    "from_",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Deploy what `kite build` made there, instead of running the stacks.",
)
@click.option("--local", is_flag=True, help="Deploy to the embedded cloud that `kite cloud start` keeps, not to AWS.")
@pass_settings
def command(settings: Settings, from_: Path | None, local: bool) -> None:
    """Deploy the app to the AWS account that your credentials name, under the stage.

    Stacks that have not changed are left alone. A change that would lose data is asked about first; off a terminal
    it is refused unless --yes is given. Outputs go to stdout.

    With --from neither the project nor Node is needed: everything is in the folder, for the stage and region it was
    built for. Its files are compared with what was built before anything is done.
    """
    if from_ is not None:
        from skykite.cli.shipping import run_deploy_from

        run_deploy_from(settings, from_, local=local)
        return
    from skykite.cli.deploying import run_deploy

    run_deploy(settings, local=local)
