"""A team's stores from nothing: S3, PostgreSQL, MLflow's server with passwords. Needs root.

    pip install -r requirements-benchmarks.txt -c constraints.txt
    python -m benchmarks.faults.team

S3 is moto's server, set to check keys, signatures and policies. A machine is a pid namespace with
its own clone and so its own locks. All servers listen on 127.0.0.1 only.
"""

import importlib.util
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests
from mlflow import MlflowClient

from benchmarks.faults import project as faults
from benchmarks.faults import s3, servers
from benchmarks.faults.project import Project
from tests.support.mlflow_server import Server

CACHE, ARTIFACTS = "team-dvc", "team-mlflow"  # buckets
MEMBERS = ("ann", "bob")
PACKAGES = ("boto3", "dvc_s3", "flask_wtf", "moto", "psycopg2")
MACHINE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts", "--")
PATIENCE = 900.0  # seconds


@dataclass
class Team:
    """The stores and those who use them.

    Attributes:
        folder: of the clones.
        s3: the S3 server.
        uri: of MLflow's server.
        passwords: of MLflow's users.
        outputs: all that the members' commands printed.
    """

    folder: Path
    s3: s3.S3
    uri: str
    passwords: dict[str, str]
    outputs: list[str] = field(default_factory=list)

    def clone(self, member: str, name: str) -> Project:
        """A member's clone of the common repository, on a machine of its own."""
        folder = self.folder / name
        subprocess.run(["git", "clone", "-q", self.origin, folder], check=True)
        environment = {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": member,
            "MLFLOW_TRACKING_PASSWORD": self.passwords[member],
            **self.s3.keys[CACHE],
        }
        project = Project(folder, settings=environment, prefix=MACHINE)
        project.run("git", "config", "user.name", member)
        project.run("git", "config", "user.email", f"{member}@example.org")
        return project

    @property
    def client(self) -> MlflowClient:
        """Of MLflow's server."""
        return MlflowClient(self.uri, registry_uri=self.uri)

    @property
    def origin(self) -> Path:
        """The common git repository."""
        return self.folder / "origin.git"

    def run(self, project: Project, *command: str, fails: bool = False) -> str:
        """Run a command in a clone; its output."""
        self.outputs.append(project.run(*command, fails=fails))
        return self.outputs[-1]

    def repro(self, *projects: Project) -> list[str]:
        """`dvc repro` in several clones at once; the output of each."""
        processes = [project.start("dvc", "repro") for project in projects]
        try:
            outputs = [process.communicate(timeout=PATIENCE)[0] for process in processes]
        finally:
            for process in processes:
                process.kill()  # and with it all in its namespace
        self.outputs += outputs
        for process, output in zip(processes, outputs, strict=True):
            assert process.returncode == 0, output[-500:]
        return outputs

    def differences(self, *clones: str) -> list[str]:
        """What differs between the results in two clones."""
        return faults.differences(*(faults.digests(Project(self.folder / c)) for c in clones))

    def wrong_in_stores(self, project: Project, name: str) -> list[str]:
        """What is wrong unless MLflow and S3 hold the experiment in a clone whole and once."""
        return project.wrong_in(self.client, name, name)


def push(team: Team) -> list[str]:
    """One clone: `dvc repro`, `git push`, `dvc push --run-cache`."""
    faults.clone(team.folder / "project")
    bare = ["git", "clone", "-q", "--bare", team.folder / "project", team.origin]
    subprocess.run(bare, check=True)
    ann = team.clone("ann", "first")
    team.run(ann, "dvc", "remote", "add", "--default", "shared", f"s3://{CACHE}/cache")
    named(ann, "first")
    team.repro(ann)
    ann.commit()
    team.run(ann, "dvc", "push", "--run-cache")
    team.run(ann, "git", "push", "-q")
    kinds = {name.removeprefix("cache/").partition("/")[0] for name in team.s3.names(CACHE)}
    return team.wrong_in_stores(ann, "first") + ([] if kinds == {"files", "runs"} else [str(kinds)])


def pull(team: Team) -> list[str]:
    """A second clone: `dvc pull --run-cache && dvc repro`."""
    bob = team.clone("bob", "second")
    team.run(bob, "dvc", "pull", "--run-cache")
    wrong = only_registered(bob, *team.repro(bob))
    wrong += team.differences("first", "second")
    return wrong + team.wrong_in_stores(bob, "first")


def by_name(team: Team) -> list[str]:
    """`dvc exp run` and `dvc exp push`; a third clone: `dvc exp pull`, `apply`, `dvc repro`."""
    bob = team.clone("bob", "run")
    team.run(bob, "dvc", "pull")
    team.run(bob, "dvc", "exp", "run", "-n", "fast", "-S", "train.lr=0.002")
    team.run(bob, "dvc", "exp", "push", "origin", "fast")
    ann = team.clone("ann", "taken")
    team.run(ann, "dvc", "exp", "pull", "origin", "fast")
    team.run(ann, "dvc", "exp", "apply", "fast")
    wrong = only_registered(ann, *team.repro(ann))
    return wrong + team.differences("run", "taken")


def wrong_password(team: Team) -> list[str]:
    """A wrong password for MLflow: `register` fails; with the right one, `dvc repro` again."""
    bob = team.clone("bob", "wrong-password")
    named(bob, "wrong-password")
    right = bob.settings
    bob.settings = right | {"MLFLOW_TRACKING_PASSWORD": "wrong"}
    team.run(bob, "dvc", "pull", "--run-cache")
    output = team.run(bob, "dvc", "repro", fails=True)
    errors = [line for line in output.splitlines() if line.startswith("ERROR: the MLflow store")]
    wrong = [] if len(errors) == 1 else [output[-500:]]
    bob.settings = right
    team.repro(bob)
    return wrong + team.wrong_in_stores(bob, "wrong-password")


def twins(team: Team) -> list[str]:
    """The same experiment on two machines at once, from training to publishing."""
    clones = [team.clone(member, f"twins-{member}") for member in MEMBERS]
    for project in clones:
        named(project, "twins")
        faults.change(project, train={"momentum": 0.8})
    team.repro(*clones)
    return team.wrong_in_stores(clones[0], "twins")


def no_secrets(team: Team) -> list[str]:
    """No password and no secret key in any output, clone, cache or artifact."""
    words = [key["AWS_SECRET_ACCESS_KEY"] for key in team.s3.keys.values()]
    words += team.passwords.values()
    for bucket in (CACHE, ARTIFACTS):
        team.s3.download(bucket, team.folder / bucket)
    files = [path for path in team.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    files = [path for path in files if "server" not in path.relative_to(team.folder).parts]
    found = [f"in {path}" for path in files for word in words if word.encode() in path.read_bytes()]
    output = "".join(team.outputs)
    found += ["in an output" for word in words if word in output]
    return found + (["a traceback"] if "Traceback" in output else [])


ROWS: tuple[Callable[[Team], list[str]], ...] = (
    push,
    pull,
    by_name,
    wrong_password,
    twins,
    no_secrets,
)


def named(project: Project, name: str) -> None:
    """Give a clone a MLflow experiment and a registered model of its own."""
    faults.change(project, tracking={"experiment": name, "model_name": name})


def only_registered(project: Project, *outputs: str) -> list[str]:
    """What is wrong if `dvc repro` ran more than the stages which run in any case."""
    ran = [project.ran(output) for output in outputs]
    return [f"ran {stages}" for stages in ran if stages != faults.ALWAYS]


def main() -> None:
    """Print a row for each step."""
    options = faults.parser(__doc__).parse_args()
    missing = [package for package in PACKAGES if importlib.util.find_spec(package) is None]
    if not servers.binaries():
        missing.append("Debian's package postgresql")
    if missing:
        sys.exit(f"missing: {', '.join(missing)}")
    with faults.working_folder(options) as folder, stores(folder) as team:
        table = faults.Table("what", "seconds", "then")
        for row in ROWS:
            begin = time.monotonic()
            try:
                wrong = row(team)
            except (AssertionError, subprocess.SubprocessError) as error:
                wrong = [f"{type(error).__name__}: {error}"]
            table.add(row.__doc__.rstrip("."), f"{time.monotonic() - begin:.0f}", wrong=wrong)
        table.exit()


@contextmanager
def stores(folder: Path) -> Iterator[Team]:
    """All servers, new and empty, while the block runs."""
    passwords = {user: secrets.token_urlsafe(16) for user in ("admin", "postgresql", *MEMBERS)}
    own = folder / "server"
    own.mkdir()
    with ExitStack() as stack:
        buckets = stack.enter_context(s3.running(own, CACHE, ARTIFACTS))
        database = stack.enter_context(servers.postgresql(passwords["postgresql"]))
        settings = own / "auth.ini"
        settings.write_text(
            # Members take over and tidy up what others left: MLflow's default is to read only.
            # A password is hashed at each request unless the result is kept for a while.
            "[mlflow]\ndefault_permission = MANAGE\nauth_cache_ttl_seconds = 60\n"
            f"admin_username = admin\ndatabase_uri = {database}_auth\n",
            encoding="utf-8",
        )
        environment = {
            "MLFLOW_AUTH_CONFIG_PATH": str(settings),
            "MLFLOW_AUTH_ADMIN_PASSWORD": passwords["admin"],
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(16),
            "PGPASSWORD": passwords["postgresql"],
            **buckets.keys[ARTIFACTS],
        }
        arguments = {
            "app-name": "basic-auth",
            "artifacts-destination": f"s3://{ARTIFACTS}",
            "workers": "2",
        }
        server = Server(own, database, arguments, environment)
        stack.enter_context(server)
        admin = ("admin", passwords["admin"])
        for member in MEMBERS:
            new = {"username": member, "password": passwords[member]}
            url = f"{server.uri}/api/2.0/mlflow/users/create"
            requests.post(url, json=new, auth=admin, timeout=60).raise_for_status()
        os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"] = admin
        yield Team(folder, buckets, server.uri, passwords)


if __name__ == "__main__":
    main()
