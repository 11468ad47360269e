"""A real S3 over HTTP in a thread of its own, which knows one bucket and one person, and checks their signature."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import boto3
import httpx
from moto.server import ThreadedMotoServer

BUCKET = "datasets"
_REGION = "eu-central-1"
_RIGHTS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::*"}],
}


@dataclass(frozen=True)
class S3Server:
    """``environment`` gives a program its address and the rights to ``BUCKET``."""

    environment: dict[str, str]

    def _client(self, service: str) -> "boto3.session.Client":
        return boto3.client(
            service,
            endpoint_url=self.environment["AWS_ENDPOINT"],
            region_name=_REGION,
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

    def objects(self) -> dict[str, bytes]:
        """What the bucket holds, by key."""
        s3 = self._client("s3")
        return {
            key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in dict.fromkeys(self.writes())
        }

    def writes(self) -> list[str]:
        """The key of every object that was ever written whole, as often as it was."""
        pages = self._client("s3").get_paginator("list_object_versions").paginate(Bucket=BUCKET)
        return [version["Key"] for page in pages for version in page.get("Versions", ())]

    def remove(self, key: str) -> None:
        self._client("s3").delete_object(Bucket=BUCKET, Key=key)


@contextmanager
def s3_server() -> Iterator[S3Server]:
    served = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    served.start()
    host, port = served.get_host_and_port()
    address = f"http://{host}:{port}"
    try:
        yield _with_a_bucket(address)
    finally:
        _check_rights(address, False)
        served.stop()


def _with_a_bucket(address: str) -> S3Server:
    environment = {
        "AWS_ENDPOINT": address,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": _REGION,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
    }
    nobody = S3Server(environment)
    s3, iam = nobody._client("s3"), nobody._client("iam")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": _REGION})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    iam.create_user(UserName="researcher")
    iam.put_user_policy(UserName="researcher", PolicyName="write", PolicyDocument=json.dumps(_RIGHTS))
    key = iam.create_access_key(UserName="researcher")["AccessKey"]
    _check_rights(address, True)
    return S3Server(
        environment
        | {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    )


def _check_rights(address: str, are_checked: bool) -> None:
    httpx.post(f"{address}/moto-api/reset-auth", content="0" if are_checked else "inf").raise_for_status()
