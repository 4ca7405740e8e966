"""Real servers on loopback: moto for S3 and azurite for Azure, where they are installed; skipped, and said, where they are not."""

from __future__ import annotations

import http.server
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.making import make_tract, texts
from tests.remote.servers import (
    ACCOUNT,
    ACCOUNT_KEY,
    SECRET,
    NotStartedError,
    azurite,
    free_port,
    make_azure_container,
    make_s3_bucket,
    moto,
)
from tract import Priority, RemoteAuthError, RemoteError, RemoteMovedError, Tract
from tract.remote.remotes import open_link
from tract.remote.sweep import sweep
from tract.remote.verify import verify_remote

pytest.importorskip("obstore", reason="obstore is not installed: pip install 'tract-ai[remote]'")


class Bucket(NamedTuple):
    url: str
    options: dict[str, str]
    probed: str


@contextmanager
def or_skipped(server: AbstractContextManager[int]) -> Iterator[int]:
    try:
        port = server.__enter__()
    except NotStartedError as exc:
        pytest.skip(str(exc))
    try:
        yield port
    finally:
        server.__exit__(None, None, None)


@pytest.fixture(scope="module")
def moto_port() -> Iterator[int]:
    pytest.importorskip("moto.server", reason="moto is not installed: pip install 'tract-ai[remote-test]'")
    with or_skipped(moto()) as port:
        yield port


@pytest.fixture(scope="module")
def azurite_port() -> Iterator[int]:
    with or_skipped(azurite()) as port:
        yield port


@pytest.fixture(scope="module")
def ceph_port() -> int:
    """A Ceph that ``scripts/remote-ceph`` started."""
    port = os.environ.get("TRACT_CEPH")
    if port is None:
        pytest.skip("no Ceph: scripts/remote-ceph starts one, and runs these tests")
    return int(port)


@pytest.fixture(params=["s3", "azure", "ceph"])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    name = f"b{os.urandom(6).hex()}"
    if request.param in ("s3", "ceph"):
        port = request.getfixturevalue("moto_port" if request.param == "s3" else "ceph_port")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        make_s3_bucket(port, name)
        options = {"endpoint": f"http://127.0.0.1:{port}", "region": "us-east-1", "allow_http": "true"}
        return Bucket(f"s3://{name}/team", options, "if-match" if request.param == "s3" else "if-match-bare")
    port = request.getfixturevalue("azurite_port")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", ACCOUNT_KEY)
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    make_azure_container(endpoint, ACCOUNT, ACCOUNT_KEY, name)
    return Bucket(f"az://{name}/team", {"endpoint": endpoint, "allow_http": "true"}, "if-match")


def test_a_bucket_does_what_a_folder_does_and_no_credential_is_kept(
    bucket: Bucket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    t = make_tract("a", "b", path=tmp_path / "one")
    assert bucket.probed == t.add_remote("origin", bucket.url, **bucket.options).conditions
    t.push()
    t.assistant("c", generation_config={"model": "m"}, key="k")
    assert 2 == t.push().requests
    t.annotate("HEAD:1", Priority.PINNED)
    t.tag("v1")
    t.push("origin", everything=True)

    with Tract.clone(bucket.url, tmp_path / "two", **bucket.options) as other:
        assert texts(t) == texts(other) == ["a", "b", "c"]
        assert {"model": "m"} == other.log()[0].generation_config
        assert ["v1"] == list(other.tags())
        other.user("d")
        other.push()
        t.user("e")
        with pytest.raises(RemoteMovedError):
            t.push()
        assert 1 == other.fetch().requests
        assert "merged" == t.pull(strategy="merge").kind
        t.push()
        other.pull()
        assert texts(t) == texts(other)

    link = open_link(t.repository, "origin")
    assert verify_remote(link).is_clean
    assert sweep(link, grace=0, wait=0).named
    assert verify_remote(link).is_clean
    t.close()
    secrets = (SECRET.encode(), ACCOUNT_KEY.encode())
    assert [] == [
        path for path in tmp_path.rglob("*") if path.is_file() and any(s in path.read_bytes() for s in secrets)
    ]
    assert not any(secret.decode() in caplog.text for secret in secrets)


def test_a_store_lives_in_a_bucket(bucket: Bucket, tmp_path: Path) -> None:
    with make_tract("a", path=tmp_path / "one") as t:
        t.add_remote("origin", bucket.url, **bucket.options)
        t.push()
    with Tract.open(tmp_path / "one", remote="origin", sync="commit", on_moved="append") as t:
        t.user("b")
        with t.batch():
            t.user("c")
            t.user("d")
    with Tract.clone(bucket.url, tmp_path / "two", **bucket.options) as other:
        assert ["a", "b", "c", "d"] == texts(other)


def test_refused_credentials_and_a_bucket_that_is_not_there_are_told_without_a_secret(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_tract("a", path=tmp_path / "one") as t:
        t.add_remote("origin", bucket.url, probe=False, **bucket.options)
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "d3Jvbmcgc2VjcmV0IHRoYXQgbm9ib2R5IG1heSBzZWU=")
        missing = bucket.url.replace("/team", "x/team")
        with pytest.raises(RemoteError) as error:
            t.add_remote("other", missing, **bucket.options)
        assert [] == [word for word in ("secret-that", "d3Jvbmcg", "\n") if word in str(error.value)]
        if bucket.url.startswith("az"):
            with pytest.raises(RemoteAuthError):
                t.push()


def test_a_server_that_is_not_there_is_an_error_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    options = {"endpoint": f"http://127.0.0.1:{free_port()}", "region": "us-east-1", "allow_http": "true"}
    with make_tract("a", path=tmp_path) as t:
        began = time.monotonic()
        with pytest.raises(RemoteError, match="s3://nowhere"):
            t.add_remote("origin", "s3://nowhere", timeout=1, **options)
        assert time.monotonic() - began < 20
        assert [] == t.remotes()


def test_requests_go_by_the_proxy_that_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("NO_PROXY", "")
        options = {"endpoint": "http://s3.far.invalid", "region": "us-east-1", "allow_http": "true"}
        with (
            make_tract("a", path=tmp_path) as t,
            pytest.raises(RemoteAuthError, match="refuses the credentials") as error,
        ):
            t.add_remote("origin", "s3://b/team", timeout=5, **options)
        server.shutdown()
    assert asked
    assert all("http://s3.far.invalid/b/team/v1/probe/" in one for one in asked)
    assert SECRET not in str(error.value)
