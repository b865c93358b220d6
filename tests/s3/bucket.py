"""A private bucket: moto's S3 with signatures and permissions really checked, filled with awkward keys."""

import json
import os
from dataclasses import dataclass
from urllib.parse import quote
from urllib.request import Request, urlopen

# moto reads this when it is imported: it lets the first calls in without a check. `lock` ends that.
os.environ.setdefault("INITIAL_NO_AUTH_ACTION_COUNT", "1000000")

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"
BUCKET = "photos"

KEYS = [
    "plain.txt",
    "with space.txt",
    "plus+sign.txt",
    "percent%41.txt",
    "tilde~dash-under_score.txt",
    "ümläut/日本.txt",
    "double//slash.txt",
    "folder/",
    "a/b/c/d/e/f/deep.txt",
    "quotes'\"!().txt",
    "amp&eq=semi;comma,.txt",
    "colon:at@dollar$.txt",
    "star*.txt",
    "hash#question?.txt",
    "brackets[1]{2}.txt",
    "tick`caret^pipe|less<more>back\\slash",
    "percent%2Fliteral%00.txt",
    "a..b/..hidden/...",
    "trailing/slashes//",
    "/leading/slash.txt",
    "//two/leading.txt",
    "emoji-\U0001f30a-e\u0301.txt",
    " spaces around ",
    "+",
    "long/" + "k" * 1019,
    "private/report.pdf",
    "forbidden/secret.txt",
]


def url_of(key):
    """The path under which a browser asks for a key."""
    return "/" + quote(key, safe="/~")


def body_of(key):
    return f"this is {key}".encode()


@dataclass
class Bucket:
    server: ThreadedMotoServer
    endpoint: str
    access_key_id: str
    secret_access_key: str

    def client(self, secret=None):
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=secret or self.secret_access_key,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )

    def put(self, key, body, **more):
        return self.client().put_object(Bucket=BUCKET, Key=key, Body=body, **more)


def start():
    """A server with one user who may do everything in the bucket but read what is forbidden."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    first = dict(
        endpoint_url=endpoint, region_name=REGION, aws_access_key_id="first", aws_secret_access_key="first"
    )
    iam = boto3.client("iam", **first)
    iam.create_user(UserName="edge")
    statements = [
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:*", "Resource": f"arn:aws:s3:::{BUCKET}/forbidden/*"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName="edge", PolicyName="edge", PolicyDocument=policy)
    key = iam.create_access_key(UserName="edge")["AccessKey"]
    s3 = boto3.client("s3", **first)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    for name in KEYS:
        s3.put_object(Bucket=BUCKET, Key=name, Body=body_of(name), ContentType="text/plain", CacheControl="max-age=60")
    lock(endpoint)
    return Bucket(server, endpoint, key["AccessKeyId"], key["SecretAccessKey"])


def lock(endpoint):
    """From now on every call is checked."""
    headers = {"Content-Type": "text/plain"}  # urllib would call it a form, and moto would find no text in it
    urlopen(Request(f"{endpoint}/moto-api/reset-auth", data=b"0", headers=headers)).read()
