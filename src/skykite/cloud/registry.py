"""Let uv see the package index that pip is configured for. Reads pip's configuration files and the environment.

uv has settings of its own and ignores pip's. Where packages come through a mirror, people have told pip about it long
ago; without this, the embedded cloud's environment would be the one thing that cannot be installed there. Whatever
the user set for uv wins.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_PIP_TO_UV: Final = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}
_UV_INDEX_SETTINGS: Final = frozenset({"UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"})
_NOT_FOR_UV: Final = frozenset({"VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "UV_PYTHON", "UV_PROJECT_ENVIRONMENT"})


def uv_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment to run uv in: the given one, plus what pip knows about indexes."""
    kept = {name: value for name, value in environment.items() if name not in _NOT_FOR_UV}
    told = _pip_settings(environment)
    if _UV_INDEX_SETTINGS & kept.keys():
        told = {name: value for name, value in told.items() if name not in ("index-url", "extra-index-url")}
    translated = {_PIP_TO_UV[name]: value for name, value in told.items()}
    # pip separates lists by spaces or lines; uv takes links separated by commas.
    if "UV_FIND_LINKS" in translated:
        translated["UV_FIND_LINKS"] = ",".join(translated["UV_FIND_LINKS"].split())
    if "UV_INDEX" in translated:
        translated["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # pip looks into all its indexes alike
    return {**translated, **kept}


def _pip_settings(environment: Mapping[str, str]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for file in _pip_files(environment):
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (OSError, configparser.Error, UnicodeDecodeError):
            continue  # pip will tell its user about a broken file; here it only means that nothing is known
        for section in ("global", "install"):
            if parser.has_section(section):
                settings.update({key: value for key, value in parser.items(section) if key in _PIP_TO_UV})
    for key in _PIP_TO_UV:
        value = environment.get(f"PIP_{key.upper().replace('-', '_')}")
        if value:
            settings[key] = value
    return {key: " ".join(value.split()) for key, value in settings.items() if value.strip()}


def _pip_files(environment: Mapping[str, str]) -> list[Path]:
    """pip's configuration files, later ones winning: https://pip.pypa.io/en/stable/topics/configuration/"""
    named = environment.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = Path.home()
    if sys.platform == "win32":
        roaming = Path(environment.get("APPDATA", home / "AppData" / "Roaming"))
        files = [Path(environment.get("PROGRAMDATA", "C:/ProgramData")) / "pip" / "pip.ini"]
        files += [home / "pip" / "pip.ini", roaming / "pip" / "pip.ini", Path(sys.prefix) / "pip.ini"]
    else:
        config = Path(environment.get("XDG_CONFIG_HOME", home / ".config"))
        files = [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
        if sys.platform == "darwin":
            files.insert(0, Path("/Library/Application Support/pip/pip.conf"))
            files.append(home / "Library" / "Application Support" / "pip" / "pip.conf")
        files.append(Path(sys.prefix) / "pip.conf")
    return [*files, Path(named)] if named else files
