"""The ruler itself: this S3 checks signatures and permissions, so an edge that gets an answer has signed rightly."""

from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError

from bucket import BUCKET, KEYS, body_of, url_of


@pytest.mark.parametrize("key", [key for key in KEYS if not key.startswith("forbidden/")])
def test_the_right_signature_is_accepted(bucket, key):
    assert bucket.client().get_object(Bucket=BUCKET, Key=key)["Body"].read() == body_of(key)


def test_a_wrong_signature_is_refused(bucket):
    with pytest.raises(ClientError) as refused:
        bucket.client(secret="not the secret").get_object(Bucket=BUCKET, Key="plain.txt")
    assert refused.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


def test_no_signature_is_refused(bucket):
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{bucket.endpoint}/{BUCKET}{url_of('plain.txt')}")
    assert refused.value.code == 403


def test_what_the_policy_denies_is_refused(bucket):
    with pytest.raises(ClientError) as refused:
        bucket.client().get_object(Bucket=BUCKET, Key="forbidden/secret.txt")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_the_key_could_list_the_bucket(bucket):
    listed = bucket.client().list_objects_v2(Bucket=BUCKET)
    assert listed["KeyCount"] >= len(KEYS), "so an edge that does not list refuses by itself"
