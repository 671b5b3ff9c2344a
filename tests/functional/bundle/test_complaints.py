"""What keeps packages from being installed, and what people are told to do about it; with the real uv."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

from kit.bundles import BundleBench
from kit.wheels import make_wheel
from skykite.errors import SkykiteError


@pytest.fixture(params=["200", "40"], ids=["wide", "narrow"])
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> BundleBench:
    """uv wraps what it says to the terminal's width."""
    found = BundleBench(tmp_path)
    found.environment |= {"UV_HTTP_RETRIES": "0", "COLUMNS": request.param}
    make_wheel(found.wheels, "parcel", "1.0")
    return found


async def refused(bench: BundleBench, requirements: str, *, runtime: str = "python3.13") -> SkykiteError:
    bench.write("requirements.txt", requirements)
    with pytest.raises(SkykiteError) as raised:
        await bench.build(bench.layer(runtime=runtime))
    assert raised.value.context, "uv's own words are not there"
    assert raised.value.hint
    return raised.value


@contextmanager
def an_index(bench: BundleBench, status: int, *, tls: bool = False) -> Iterator[str]:
    """It answers everything with that status; the bench has no other."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    (bench.root / "uv.toml").write_text(f'[[index]]\nurl = "{url}/simple"\ndefault = true\n')
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def test_a_package_that_no_index_has_is_named_with_where_else_it_may_be(bench: BundleBench) -> None:
    error = await refused(bench, "parcel\nno-such.thing\n")
    assert (error.code, error.message) == (
        "packages-unresolved",
        "no index has `no-such-thing`, which `requirements.txt` asks for",
    )
    assert error.hint == (
        "if that is its name, it is in an index that was not asked, or that wants credentials: name that in "
        "`[[tool.uv.index]]`, in UV_INDEX or in pip's configuration, and give it UV_INDEX_NAME_USERNAME and "
        "UV_INDEX_NAME_PASSWORD if `name` is what it is called there. Credentials that only Poetry or PDM was told are "
        "not read"
    )


async def test_a_version_that_no_index_has_is_told_from_a_package(bench: BundleBench) -> None:
    error = await refused(bench, "parcel==9.0\n")
    assert (error.code, error.message) == (
        "packages-unresolved",
        "no index has the version of `parcel` that `requirements.txt` asks for",
    )
    assert "`[tool.uv.sources]`" in (error.hint or "")


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("place", ["index", "file"])
async def test_an_index_that_wants_credentials_is_not_called_unreachable(
    bench: BundleBench, status: int, place: str
) -> None:
    with an_index(bench, status) as url:
        line = "parcel\n" if place == "index" else f"parcel @ {url}/parcel-1.0-py3-none-any.whl\n"
        bench.environment.pop("UV_FIND_LINKS")
        error = await refused(bench, line)
    assert (error.code, error.message) == (
        "packages-unresolved",
        "the packages of `requirements.txt` cannot be fetched: an index wants credentials, or others than it was given",
    )
    assert "UV_INDEX_NAME_PASSWORD" in (error.hint or "")


async def test_an_index_that_fails_is_unreachable(bench: BundleBench) -> None:
    with an_index(bench, 500):
        bench.environment.pop("UV_FIND_LINKS")
        assert (await refused(bench, "parcel\n")).code == "registry-unreachable"


async def test_a_proxy_with_a_certificate_of_its_own_is_told_from_a_network_that_is_down(bench: BundleBench) -> None:
    with an_index(bench, 200, tls=True):
        bench.environment.pop("UV_FIND_LINKS")
        error = await refused(bench, "parcel\n")
    assert error.code == "registry-unreachable"
    assert "SSL_CERT_FILE" in (error.hint or "")


async def test_a_file_that_is_gone_is_named(bench: BundleBench) -> None:
    with an_index(bench, 404) as url:
        error = await refused(bench, f"parcel @ {url}/parcel-1.0-py3-none-any.whl\n")
    assert (error.code, error.message) == ("packages-unresolved", "`parcel` is not where `requirements.txt` says")


async def test_a_repository_that_git_cannot_reach_is_told_with_how_to_try(bench: BundleBench) -> None:
    error = await refused(bench, f"parcel @ git+file://{bench.root.as_posix()}/nowhere.git\n")
    assert error.message == "`parcel`, which `requirements.txt` asks for, cannot be fetched with git"
    assert "`git ls-remote`" in (error.hint or "")


async def test_a_file_other_than_the_locked_one_is_not_installed(bench: BundleBench) -> None:
    error = await refused(bench, f"parcel==1.0 --hash=sha256:{'0' * 64}\n")
    assert error.message == "`parcel` in the index is another file than `requirements.txt` was locked with"


@pytest.mark.parametrize(
    ("requirements", "message"),
    [
        ("parcel = 1.0\n", "`requirements.txt` holds what uv cannot read"),
        ("parcel @ file:///no/where-1.0.whl\n", "`requirements.txt` asks for a file or folder that is not there"),
        ("parcel\n./gone\n", "`requirements.txt` asks for a file or folder that is not there"),
    ],
)
async def test_lines_that_cannot_be_followed_say_why(bench: BundleBench, requirements: str, message: str) -> None:
    error = await refused(bench, requirements)
    assert (error.code, error.message) == ("packages-unresolved", message)


async def test_a_package_for_newer_pythons_says_that_the_runtime_is_too_old(bench: BundleBench) -> None:
    make_wheel(bench.wheels, "modern", "2.0", python=">=3.12")
    error = await refused(bench, "modern\n", runtime="python3.9")
    assert (error.code, error.message) == (
        "packages-conflict",
        "what `requirements.txt` asks for is for newer Pythons than Python 3.9 on aarch64-manylinux2014",
    )


async def test_a_package_of_ones_own_that_does_not_build_is_named(bench: BundleBench) -> None:
    bench.write(
        "shared/pyproject.toml",
        '[project]\nname = "shared"\nversion = "1"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    )
    bench.write("shared/backend.py", "def build_wheel(*given, **also):\n    raise RuntimeError('no compiler here')\n")
    bench.write("requirements.txt", "./shared\n")
    with pytest.raises(SkykiteError) as raised:
        await bench.build(bench.function())
    error = raised.value
    assert (error.code, error.message) == ("packages-unresolved", "`shared`, which `.` asks for, cannot be built")
    assert "no compiler here" in (error.context or "")
