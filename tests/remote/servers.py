"""Servers on loopback that remotes can be kept in: moto for S3, azurite for Azure; and buckets in them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import formatdate

import httpx

ACCOUNT = "devstoreaccount1"
# The key that azurite's own pages give, for this account and no other.
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
SECRET = "testing-secret-that-nobody-may-see"


# One request after the other: moto looks and then puts, and on a busy machine two of its threads both find nothing.
MOTO = """
import sys
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
"""


class NotStartedError(Exception):
    """A server that is not installed, or did not start."""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise NotStartedError("the server did not start")
        try:
            with socket.create_connection(("127.0.0.1", port), 0.2):
                return
        except OSError:
            time.sleep(0.1)
    raise NotStartedError("the server did not start in time")


@contextmanager
def _serving(port: int, command: list[str]) -> Iterator[int]:
    """The port, while the server that *command* starts answers there."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.kill()
        process.wait()


@contextmanager
def moto() -> Iterator[int]:
    """The port of a moto that speaks S3."""
    port = free_port()
    with _serving(port, [sys.executable, "-W", "ignore", "-c", MOTO, str(port)]) as found:
        yield found


@contextmanager
def azurite() -> Iterator[int]:
    """The port of an azurite, which is a program of Node's: TRACT_AZURITE names it, or it is on the path."""
    program = os.environ.get("TRACT_AZURITE") or shutil.which("azurite-blob")
    if program is None or shutil.which("node") is None:
        raise NotStartedError("azurite is not installed: npm install azurite, and TRACT_AZURITE=…/azurite-blob")
    port = free_port()
    command = [program, "--silent", "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    with _serving(port, [*command, "--skipApiVersionCheck", "--inMemoryPersistence", "--disableTelemetry"]) as found:
        yield found


def make_s3_bucket(port: int, name: str) -> None:
    """A bucket, by a request signed as S3 wants it: obstore makes none."""
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
    date, version = formatdate(usegmt=True), "2021-08-06"
    resource = f"/{account}/{account}/{name}\nrestype:container"
    text = "PUT\n\n\n\n\n\n\n\n\n\n\n\n" + f"x-ms-date:{date}\nx-ms-version:{version}\n{resource}"
    mark = base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()
    headers = {"x-ms-date": date, "x-ms-version": version, "Authorization": f"SharedKey {account}:{mark}"}
    done = httpx.put(f"{endpoint}/{name}?restype=container", headers={**headers, "Content-Length": "0"})
    assert done.status_code == 201, done.text
