"""Real servers on loopback: moto for S3 and azurite for Azure, where they are installed; skipped, and said, where they are not.

azurite is a program of Node's: TRACT_AZURITE names it, or it is on the path.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.making import make_tract, texts
from tract import Priority, RemoteAuthError, RemoteError, RemoteMovedError, Tract
from tract.remote.remotes import open_link
from tract.remote.sweep import sweep
from tract.remote.verify import verify_remote

pytest.importorskip("obstore", reason="obstore is not installed: pip install 'tract-ai[remote]'")


SECRET = "testing-secret-that-nobody-may-see"


# One request after the other: moto looks and then puts, and on a busy machine two of its threads both find nothing.
MOTO = """
import sys
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
"""


class Bucket(NamedTuple):
    url: str
    options: dict[str, str]
    probed: str


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            pytest.skip("the server did not start")
        try:
            with socket.create_connection(("127.0.0.1", port), 0.2):
                return
        except OSError:
            time.sleep(0.1)
    pytest.skip("the server did not start in time")


def serving(port: int, command: list[str]) -> Iterator[int]:
    """The port, while the server that *command* starts answers there."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        yield port
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def moto_port() -> Iterator[int]:
    pytest.importorskip("moto.server", reason="moto is not installed: pip install 'tract-ai[remote-test]'")
    port = free_port()
    yield from serving(port, [sys.executable, "-W", "ignore", "-c", MOTO, str(port)])


@pytest.fixture(scope="module")
def azurite_port() -> Iterator[int]:
    program = os.environ.get("TRACT_AZURITE") or shutil.which("azurite-blob")
    if program is None or shutil.which("node") is None:
        pytest.skip("azurite is not installed: npm install azurite, and TRACT_AZURITE=…/azurite-blob")
    port = free_port()
    command = [program, "--silent", "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    command += ["--skipApiVersionCheck", "--inMemoryPersistence", "--disableTelemetry"]
    yield from serving(port, command)


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
    account = "devstoreaccount1"
    # The key that azurite's own pages give, for this account and no other.
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", account)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", key)
    endpoint = f"http://127.0.0.1:{port}/{account}"
    make_azure_container(endpoint, account, key, name)
    return Bucket(f"az://{name}/team", {"endpoint": endpoint, "allow_http": "true"}, "if-match")


def make_s3_bucket(port: int, name: str) -> None:
    """A bucket, by a request signed as S3 wants it: obstore makes none."""
    import hashlib
    import hmac
    from datetime import UTC, datetime

    import httpx

    now, host = datetime.now(UTC), f"127.0.0.1:{port}"
    day, moment, empty = f"{now:%Y%m%d}", f"{now:%Y%m%dT%H%M%SZ}", hashlib.sha256(b"").hexdigest()
    signed = "host;x-amz-content-sha256;x-amz-date"
    headers = f"host:{host}\nx-amz-content-sha256:{empty}\nx-amz-date:{moment}\n"
    asked = f"PUT\n/{name}\n\n{headers}\n{signed}\n{empty}"
    scope = f"{day}/us-east-1/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(asked.encode()).hexdigest()}"
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    mark = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    who = f"AWS4-HMAC-SHA256 Credential=testing/{scope}, SignedHeaders={signed}, Signature={mark}"
    sent = {"Authorization": who, "x-amz-date": moment, "x-amz-content-sha256": empty}
    done = httpx.put(f"http://{host}/{name}", headers=sent)
    assert done.status_code == 200, done.text


def make_azure_container(endpoint: str, account: str, key: str, name: str) -> None:
    import base64
    import hashlib
    import hmac
    from email.utils import formatdate

    import httpx

    date, version = formatdate(usegmt=True), "2021-08-06"
    resource = f"/{account}/{account}/{name}\nrestype:container"
    text = "PUT\n\n\n\n\n\n\n\n\n\n\n\n" + f"x-ms-date:{date}\nx-ms-version:{version}\n{resource}"
    mark = base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()
    headers = {"x-ms-date": date, "x-ms-version": version, "Authorization": f"SharedKey {account}:{mark}"}
    done = httpx.put(f"{endpoint}/{name}?restype=container", headers={**headers, "Content-Length": "0"})
    assert done.status_code == 201, done.text


def test_a_bucket_does_what_a_folder_does(bucket: Bucket, tmp_path: Path) -> None:
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
    assert "secret-that" not in (tmp_path / "one" / ".tract" / "config.toml").read_text()
    t.close()


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
