"""What uv complains of, in the terms of whoever deploys functions, with what to do about it. Pure.

In: what uv wrote to stderr. Out: a SkykiteError with uv's own words below.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from skykite.errors import SkykiteError

_DOWN: Final = (
    "error sending request",
    "dns error",
    "failed to connect",
    "connection refused",
    "timed out",
    "network is unreachable",
    "could not connect",
    "no route to host",
    "status server error",
    "request failed after",
)
_NAME: Final = r"(?P<package>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Complaint:
    """`shown` names the file that says which packages, `platform` what for, `package` the one it is about."""

    context: str | None
    shown: str
    platform: str
    package: str


_Explain = Callable[[_Complaint], SkykiteError]


def explain_complaint(complaint: str, *, shown: str, platform: str) -> SkykiteError:
    """`shown` is how messages name the file that says which packages, `platform` what for."""
    context = complaint.strip() or None
    said = " ".join(complaint.split())  # uv wraps its lines to the terminal's width, or to COLUMNS
    for pattern, explain in _KINDS:
        if found := re.search(pattern, said, re.IGNORECASE):
            name = found.groupdict().get("package")
            package = f"`{name}`" if name else "a package"
            return explain(_Complaint(context=context, shown=shown, platform=platform, package=package))
    return SkykiteError(
        "packages-unresolved",
        f"the packages of `{shown}` cannot be installed",
        context=context,
        hint="put right what uv says above; `uv pip install` with the same file says it in the same words",
    )


def _broken_lock(it: _Complaint) -> SkykiteError:
    return SkykiteError(
        "lock-invalid", f"the lock file beside `{it.shown}` cannot be read", context=it.context, hint="run `uv lock`"
    )


def _no_credentials(it: _Complaint) -> SkykiteError:
    return SkykiteError(
        "packages-unresolved",
        f"the packages of `{it.shown}` cannot be fetched: an index wants credentials, or others than it was given",
        context=it.context,
        hint="give them to uv or pip: for an index that is called `name` in `[[tool.uv.index]]`, in "
        "UV_INDEX_NAME_USERNAME and UV_INDEX_NAME_PASSWORD; or in netrc, or in pip's configuration. Tokens that "
        "expire, as CodeArtifact's do, have to be fetched again; those that only Poetry or PDM was told are not read",
    )


def _unknown_certificate(it: _Complaint) -> SkykiteError:
    return SkykiteError(
        "registry-unreachable",
        f"the packages of `{it.shown}` could not be fetched: nobody here knows who has signed the certificate of the "
        "index, or of a proxy before it",
        context=it.context,
        hint="name the file with your company's certificates in SSL_CERT_FILE, or set UV_SYSTEM_CERTS=true to trust "
        "what this machine trusts",
    )


def _git(it: _Complaint) -> SkykiteError:
    return SkykiteError(
        "packages-unresolved",
        f"{it.package}, which `{it.shown}` asks for, cannot be fetched with git",
        context=it.context,
        hint="git has to reach the repository without asking anything: try `git ls-remote` with its address. On your "
        "machine an SSH key has to be loaded; CI needs a deploy key or a token",
    )


def _unreachable(it: _Complaint) -> SkykiteError:
    return SkykiteError(
        "registry-unreachable",
        f"the packages of `{it.shown}` could not be fetched",
        context=it.context,
        hint="check the network and the package index that uv or pip is configured for; what was fetched is kept, so "
        "that trying again goes on from there",
    )


def _gone(it: _Complaint) -> SkykiteError:
    return SkykiteError(
        "packages-unresolved",
        f"{it.package} is not where `{it.shown}` says",
        context=it.context,
        hint="put its address right; a lock that names files which the index no longer has is to be written again",
    )


def _other_file(it: _Complaint) -> SkykiteError:
    return SkykiteError(
        "packages-unresolved",
        f"{it.package} in the index is another file than `{it.shown}` was locked with",
        context=it.context,
        hint="find out who changed it; if that is as it should be, for instance since it comes from another index now, "
        "lock again",
    )


def _full(it: _Complaint) -> SkykiteError:
    return SkykiteError(
        "packages-unresolved",
        f"there is no room on this machine's disk for the packages of `{it.shown}`",
        context=it.context,
        hint="make some: `uv cache prune` removes what uv no longer needs",
    )


def _unreadable(it: _Complaint) -> SkykiteError:
    return SkykiteError(
        "packages-unresolved",
        f"`{it.shown}` holds what uv cannot read",
        context=it.context,
        hint="put right what is pointed to above; a requirement looks like `name>=1.2`",
    )


def _no_file(it: _Complaint) -> SkykiteError:
    return SkykiteError(
        "packages-unresolved",
        f"`{it.shown}` asks for a file or folder that is not there",
        context=it.context,
        hint="put its path right; it is relative to the file that names it",
    )


def _unbuilt(it: _Complaint) -> SkykiteError:
    return SkykiteError(
        "packages-unresolved",
        f"{it.package}, which `{it.shown}` asks for, cannot be built",
        context=it.context,
        hint="`uv build` in its folder fails likewise; `build-system` in its `pyproject.toml` says what builds it",
    )


def _other_python(it: _Complaint) -> SkykiteError:
    return SkykiteError(
        "packages-conflict",
        f"what `{it.shown}` asks for is for newer Pythons than {it.platform}",
        context=it.context,
        hint="give the function a newer `runtime`, or allow older versions of what is named above",
    )


def _no_wheel(it: _Complaint) -> SkykiteError:
    return SkykiteError(
        "wheel-missing",
        f"{it.package}, which `{it.shown}` asks for, has no wheel for {it.platform}",
        context=it.context,
        hint="choose a version that has one, or another `runtime` or `architecture` for the function; or build the "
        "wheel on such a machine and name its file or your own index in the requirements. Lambda cannot compile "
        "packages",
    )


def _absent(it: _Complaint) -> SkykiteError:
    return SkykiteError(
        "packages-unresolved",
        f"no index has {it.package}, which `{it.shown}` asks for",
        context=it.context,
        hint="if that is its name, it is in an index that was not asked, or that wants credentials: name that in "
        "`[[tool.uv.index]]`, in UV_INDEX or in pip's configuration, and give it UV_INDEX_NAME_USERNAME and "
        "UV_INDEX_NAME_PASSWORD if `name` is what it is called there. Credentials that only Poetry or PDM was told are "
        "not read",
    )


def _no_version(it: _Complaint) -> SkykiteError:
    return SkykiteError(
        "packages-unresolved",
        f"no index has the version of {it.package} that `{it.shown}` asks for",
        context=it.context,
        hint="ask for one that there is; an index that was not given its credentials has none. Of several indexes, uv "
        "looks only into the first that has the package at all: "
        "`[tool.uv.sources]` says which index one is from; UV_INDEX_STRATEGY=unsafe-best-match has it look into all",
    )


def _conflict(it: _Complaint) -> SkykiteError:
    return SkykiteError(
        "packages-conflict",
        f"what `{it.shown}` asks for cannot be had together",
        context=it.context,
        hint="loosen one of the versions named above",
    )


_KINDS: Final[tuple[tuple[str, _Explain], ...]] = (
    (r"Failed to parse `?[^`\s]*(?:uv\.lock|pylock[^`\s]*\.toml)|Not a valid `pylock\.toml`", _broken_lock),
    (r"401 Unauthorized|403 Forbidden|valid authentication credentials", _no_credentials),
    (r"invalid peer certificate|UnknownIssuer|certificate verify failed", _unknown_certificate),
    (rf"`{_NAME} @ git\+[^`]*` cause: Git operation failed|Git operation failed|failed to clone", _git),
    ("|".join(_DOWN), _unreachable),
    (rf"Failed to (?:download|fetch) `{_NAME}[^`]*` [^`]*\(404 Not Found\)|404 Not Found", _gone),
    (rf"Hash mismatch for `{_NAME}[^`]*`", _other_file),
    (r"No space left on device|disk quota exceeded", _full),
    (r"Couldn't parse requirement|Failed to parse", _unreadable),
    (r"Distribution not found at", _no_file),
    (rf"Failed to build `{_NAME}[^`]*`", _unbuilt),
    (r"requested Python version .* does not satisfy Python|requires? Python ?[<>=~]", _other_python),
    (
        rf"because (?:only |all versions of |all of: )?{_NAME}(?:[=<>! ][^,]*)? (?:has|have) no (?:usable )?wheels",
        _no_wheel,
    ),
    (r"no (?:usable )?wheels?\b|building (?:source distributions )?is disabled|no-build|only-binary", _no_wheel),
    (rf"because {_NAME} was not found in", _absent),
    (r"was not found in", _absent),
    (rf"there (?:is|are) no versions? of {_NAME}", _no_version),
    (r"No solution found when resolving|requirements are unsatisfiable", _conflict),
)
"""What uv says of one kind of failure, the more telling before what may stand beside it."""
