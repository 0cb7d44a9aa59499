"""An S3 server that checks keys, signatures and policies: that of moto, a package from PyPI."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

from benchmarks.faults.project import until
from tests.support.ports import free_port

REGION = "us-east-1"


@dataclass
class S3:
    """An S3 server, and for each of its buckets a user who may use no other.

    Attributes:
        url: for AWS_ENDPOINT_URL.
        keys: the environment of the user of each bucket.
    """

    url: str
    keys: dict[str, dict[str, str]] = field(default_factory=dict)

    def client(self, service: str, keys: Mapping[str, str]) -> object:
        """A client of one of its services."""
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            return requests.get(f"{self.url}/moto-api/", timeout=5).ok
        except requests.ConnectionError:
            return False

    def set_up(self, buckets: Iterable[str]) -> None:
        """Make buckets and users; from then on nobody gets in without a key."""
        admin = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "asks"}
        iam, s3 = self.client("iam", admin), self.client("s3", admin)
        for bucket in buckets:
            s3.create_bucket(Bucket=bucket)
            iam.create_user(UserName=bucket)
            here = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
            may = {"Effect": "Allow", "Action": "s3:*", "Resource": here}
            policy = json.dumps({"Version": "2012-10-17", "Statement": [may]})
            iam.put_user_policy(UserName=bucket, PolicyName=bucket, PolicyDocument=policy)
            key = iam.create_access_key(UserName=bucket)["AccessKey"]
            self.keys[bucket] = {
                "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
                "AWS_ENDPOINT_URL": self.url,
                "AWS_DEFAULT_REGION": REGION,
            }
        requests.post(f"{self.url}/moto-api/reset-auth", data="0", timeout=10).raise_for_status()

    def names(self, bucket: str) -> list[str]:
        """What is in a bucket."""
        pages = self.client("s3", self.keys[bucket]).get_paginator("list_objects_v2")
        return [
            entry["Key"]
            for page in pages.paginate(Bucket=bucket)
            for entry in page.get("Contents", [])
        ]

    def download(self, bucket: str, folder: Path) -> None:
        """All that is in a bucket, in a folder."""
        for name in self.names(bucket):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            self.client("s3", self.keys[bucket]).download_file(bucket, name, str(folder / name))


@contextmanager
def running(folder: Path, *buckets: str) -> Iterator[S3]:
    """An S3 server with empty buckets, in memory, while the block runs; its log is in a folder."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "s3.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        s3 = S3(f"http://127.0.0.1:{port}")
        until(s3.answers, "S3 does not answer")
        s3.set_up(buckets)
        yield s3
    finally:
        process.terminate()
        process.wait()
