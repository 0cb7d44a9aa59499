"""A PostgreSQL of its own while a block runs."""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.mlflow_server import free_port


def missing_for_postgresql() -> str:
    """What PostgreSQL needs and is not here, in words; empty if all is here."""
    if _binaries() is None:
        return "Debian's package postgresql"
    if importlib.util.find_spec("psycopg2") is None:
        return "psycopg2 on PYTHONPATH (pip install --target FOLDER psycopg2-binary)"
    return ""


def _binaries() -> Path | None:
    """The folder of PostgreSQL's newest programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: p.parts[4])
    return found[-1].parent if found else None


@contextmanager
def postgresql(password: str) -> Iterator[str]:
    """A database of an own PostgreSQL, which refuses to be run by root; its URI.

    Args:
        password: what it asks for; it is not in the URI.
    """
    binaries, folder = _binaries(), Path(tempfile.mkdtemp(prefix="srcnn-postgresql-"))
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    port, data, secret = free_port(), folder / "data", folder / "password"
    secret.write_text(password, encoding="utf-8")

    def run(program: str, *arguments: str) -> None:
        command = [str(binaries / program), *arguments]
        environment = os.environ | {"PGPASSWORD": password}
        subprocess.run(
            command, check=True, cwd=folder, user=user, env=environment, stdout=subprocess.DEVNULL
        )

    login = ("-U", "srcnn", "--auth=scram-sha-256", f"--pwfile={secret}")
    run("initdb", "-D", str(data), *login, "-E", "UTF8", "--locale=C")
    process = subprocess.Popen(
        [binaries / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder],
        user=user,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("w"),
    )
    try:
        where = ("-h", "127.0.0.1", "-p", str(port), "-U", "srcnn")
        for _ in range(600):
            if subprocess.run([binaries / "pg_isready", "-q", *where], check=False).returncode == 0:
                break
            time.sleep(0.1)
        run("createdb", *where, "mlflow")
        run("createdb", *where, "mlflow_auth")  # for the users of a server with passwords
        yield f"postgresql+psycopg2://srcnn@127.0.0.1:{port}/mlflow"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
