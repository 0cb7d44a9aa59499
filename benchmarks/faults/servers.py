"""A PostgreSQL of its own while a block runs."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.faults.project import until
from tests.support.ports import free_port


def binaries() -> Path | None:
    """The folder of PostgreSQL's newest programs, if Debian's package is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: p.parts[4])
    return found[-1].parent if found else None


@contextmanager
def postgresql(password: str) -> Iterator[str]:
    """A database of an own PostgreSQL, which refuses to be run by root; its URI.

    Args:
        password: what it asks for; it is not in the URI.
    """
    programs, folder = binaries(), Path(tempfile.mkdtemp(prefix="srcnn-postgresql-"))
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    port, data, secret = free_port(), folder / "data", folder / "password"
    secret.write_text(password, encoding="utf-8")

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), *arguments]
        environment = os.environ | {"PGPASSWORD": password}
        subprocess.run(
            command, check=True, cwd=folder, user=user, env=environment, stdout=subprocess.DEVNULL
        )

    login = ("-U", "srcnn", "--auth=scram-sha-256", f"--pwfile={secret}")
    run("initdb", "-D", str(data), *login, "-E", "UTF8", "--locale=C")
    process = subprocess.Popen(
        [programs / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder],
        user=user,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("w"),
    )
    try:
        where = ("-h", "127.0.0.1", "-p", str(port), "-U", "srcnn")
        ready = [programs / "pg_isready", "-q", *where]
        until(lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL is not ready")
        run("createdb", *where, "mlflow")
        run("createdb", *where, "mlflow_auth")  # for the users of a server with passwords
        yield f"postgresql+psycopg2://srcnn@127.0.0.1:{port}/mlflow"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
