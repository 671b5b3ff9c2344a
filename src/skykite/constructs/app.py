"""`App`: the root of a Skykite app's construct tree.

I/O: reads `KITE_SYNTHESIS`, or else `kite.toml`, `.kite/stage`, `cdk.json` and `cdk.context.json` of the project;
writes `kite.manifest.json` beside the assembly that CDK writes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, get_args

import aws_cdk

from skykite.constructs.blame import find_user_line, refuse
from skykite.constructs.code import discard_unbuilt
from skykite.constructs.flags import FLAGS
from skykite.constructs.function_defaults import GivesFunctionDefaults
from skykite.constructs.manifest_writer import write_manifest
from skykite.constructs.program import Program, remember_program
from skykite.constructs.props import PropProblem, check_choice
from skykite.constructs.template_checks import explain_circle_of_stacks
from skykite.errors import SkykiteError
from skykite.model.bootstrap import BOOTSTRAP_BUCKET, IMAGES_REPOSITORY
from skykite.model.manifest import Mode
from skykite.model.names import StageName, parse_stage
from skykite.model.project import CONFIG_FILE, STATE_DIRECTORY, LiveCredentials, parse_project
from skykite.model.synthesis import SYNTHESIS_VARIABLE, Synthesis, decode_synthesis

_CONTEXT_FILES = ("cdk.json", "cdk.context.json")  # the later wins, as in the CDK CLI


class App(GivesFunctionDefaults, aws_cdk.App):
    """The root of the construct tree; an `aws_cdk.App`.

    `kite` makes it and hands it to `main(app)`. Outside of `kite` (a plain `python stacks/app.py`, the `cdk` CLI, a
    test) `App()` finds `kite.toml` in the working directory or above, and takes the stage from `stage`, else
    `KITE_STAGE`, else `.kite/stage`. Other keyword arguments go to `aws_cdk.App`.
    """

    def __init__(self, *, stage: str | None = None, **props: Any) -> None:
        text = os.environ.get(SYNTHESIS_VARIABLE)
        synthesis = decode_synthesis(text) if text else _find_synthesis(stage)
        if text and stage is not None and stage != synthesis.stage:
            raise refuse(
                "stage-twice",
                f"`App` was given stage={stage!r}, and `kite` runs the stage `{synthesis.stage}`",
                hint="leave the argument out; `app.stage` says which stage it is",
                root=Path(synthesis.project_root),
            )
        root = Path(synthesis.project_root)
        context = {
            **FLAGS,
            "@aws-cdk/core:stackResourceLimit": 0,  # `template_checks` says it better
            "aws:cdk:enable-path-metadata": True,  # what maps logical ids back to construct paths
            "aws:cdk:enable-asset-metadata": True,
            **_read_context(root),
            **props.pop("context", {}),
        }
        if synthesis.outdir:
            props["outdir"] = synthesis.outdir
        super().__init__(
            **{
                "analytics_reporting": False,
                "auto_synth": False,
                "default_stack_synthesizer": bootstrap_synthesizer(),
                "tree_metadata": False,
                **props,
                "context": context,
            }
        )
        self._kite_program = Program(synthesis=synthesis, live_credentials=synthesis.live_credentials)
        remember_program(self, self._kite_program)

    @property
    def name(self) -> str:
        """The app's name, from kite.toml."""
        return self._kite_program.synthesis.app

    @property
    def stage(self) -> StageName:
        """The stage this run is for: `alice`, `prod`."""
        return self._kite_program.synthesis.stage

    @property
    def mode(self) -> Mode:
        """`deploy`, `local` or `live`."""
        return self._kite_program.synthesis.mode

    @property
    def live_credentials(self) -> LiveCredentials:
        """Whose permissions functions have while `kite dev` runs them on your machine: `"role"`, each those of its own
        role, as on AWS; or `"developer"`, all those that you are signed in with, which hides what a role lacks.

        What `kite.toml` says, unless it is set here: `app.live_credentials = "developer"`.
        """
        return self._kite_program.live_credentials

    @live_credentials.setter
    def live_credentials(self, value: LiveCredentials) -> None:
        try:
            check_choice("live_credentials", value, get_args(LiveCredentials))
        except PropProblem as problem:
            raise refuse(
                problem.code, f"`App` {problem.message}", hint=problem.hint, root=self._kite_program.root
            ) from problem
        self._kite_program.live_credentials = value

    def synth(self, **options: Any) -> Any:
        """Write the assembly and `kite.manifest.json` beside it; a `aws_cdk.cx_api.CloudAssembly`, as in CDK."""
        try:
            assembly = super().synth(**options)
        except RuntimeError as error:
            explained = explain_circle_of_stacks(str(error), self._kite_program)
            if explained is None:
                raise
            raise explained from None
        discard_unbuilt(Path(assembly.directory), self._kite_program)
        write_manifest(Path(assembly.directory), self._kite_program)
        return assembly


def bootstrap_synthesizer() -> aws_cdk.CliCredentialsStackSynthesizer:
    """Assets go to Skykite's bucket and repository under the deployer's own credentials; no roles, no bootstrap
    version parameter."""
    return aws_cdk.CliCredentialsStackSynthesizer(
        file_assets_bucket_name=BOOTSTRAP_BUCKET, image_assets_repository_name=IMAGES_REPOSITORY
    )


def _find_synthesis(stage: str | None) -> Synthesis:
    root = _find_project()
    project = parse_project((root / CONFIG_FILE).read_text(encoding="utf-8"), root)
    if stage is not None:
        chosen = parse_stage(stage, source="`App`")
    elif os.environ.get("KITE_STAGE"):
        chosen = parse_stage(os.environ["KITE_STAGE"], source="`KITE_STAGE`")
    elif (root / STATE_DIRECTORY / "stage").is_file():
        chosen = parse_stage(
            (root / STATE_DIRECTORY / "stage").read_text(encoding="utf-8").strip(), source="`.kite/stage`"
        )
    else:
        raise SkykiteError(
            "stage-missing",
            "nothing says which stage this is",
            hint='set KITE_STAGE, or make the app with App(stage="alice")',
        )
    return Synthesis(
        app=project.name,
        stage=chosen,
        region=project.region,
        mode="deploy",
        project_root=str(root),
        main=str(project.main),
        outdir=os.environ.get("CDK_OUTDIR", ""),
        live_credentials=project.live_credentials,
    )


def _find_project() -> Path:
    """From the working directory upward, else from the file that makes the app."""
    starts = [Path.cwd()]
    line = find_user_line(None)
    if line is not None:
        starts.append(line.file.resolve().parent)
    for start in starts:
        for folder in (start, *start.parents):
            if (folder / CONFIG_FILE).is_file():
                return folder
    raise SkykiteError(
        "config-missing",
        f"there is no `{CONFIG_FILE}` in `{starts[0]}` or above it",
        hint="run this in a Skykite project, or start one with `kite init`",
    )


def _read_context(root: Path) -> dict[str, Any]:
    context: dict[str, Any] = {}
    for name in _CONTEXT_FILES:
        file = root / name
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        try:
            data = json.loads(text)
            values = data.get("context", {}) if name == "cdk.json" else data
            context.update(values)
        except (ValueError, AttributeError, TypeError) as error:
            raise SkykiteError("context-invalid", f"`{name}` is not what CDK writes: {error}") from error
    return context
