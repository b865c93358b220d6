"""The built edge in front of a private bucket: what a browser gets of it, and what nobody gets."""

import hashlib
import random

import pytest

from bucket import KEYS, body_of, url_of
from edge import HOST

OPEN_KEYS = [key for key in KEYS if key.split("/")[0] not in ("private", "forbidden")]

# Words of S3's pages; none may reach a client.
S3_WORDS = [b"<Error>", b"<?xml", b"ListBucketResult", b"AccessControlPolicy", b"NoSuchKey", b"AccessDenied"]


def shows_nothing_of_s3(answer):
    assert not [word for word in S3_WORDS if word in answer.body], answer
    assert "xml" not in answer.headers.get("content-type", ""), answer
    shown = [name for name in answer.headers if name.startswith("x-amz-") and not name.startswith("x-amz-meta-")]
    assert not shown, answer


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("key", OPEN_KEYS)
def test_an_object_is_served_whatever_its_key(edge, key, tls):
    answer = edge.get(url_of(key), tls=tls)
    assert (answer.status, answer.body) == (200, body_of(key))
    assert answer.headers["content-type"] == "text/plain"
    shows_nothing_of_s3(answer)
    again = edge.get(url_of(key), tls=tls)
    assert again.is_hit() and again.body == body_of(key)


def test_what_s3_keeps_with_an_object_is_served_with_it(edge, bucket):
    bucket.put("meta.txt", b"hello", ContentType="text/x-test", ContentLanguage="de", Metadata={"camera": "leica"})
    answer = edge.get("/meta.txt")
    assert answer.headers["content-type"] == "text/x-test"
    assert answer.headers["content-language"] == "de"
    assert answer.headers["x-amz-meta-camera"] == "leica"
    assert answer.headers["etag"] == '"5d41402abc4b2a76b9719d911017c592"'


def test_a_head_tells_what_a_get_would(edge, bucket):
    bucket.put("head.txt", b"hello", CacheControl="max-age=60")
    head = edge.get("/head.txt", method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "5")
    assert edge.get("/head.txt").body == b"hello"


def test_ranges_of_a_cold_and_of_a_cached_object(edge, bucket):
    for name, warm in [("cold.txt", False), ("warm.txt", True)]:
        bucket.put(name, b"0123456789", CacheControl="max-age=60")
        if warm:
            assert edge.get(f"/{name}").status == 200
        for wanted, body, place in [
            ("bytes=2-4", b"234", "bytes 2-4/10"),
            ("bytes=-2", b"89", "bytes 8-9/10"),
            ("bytes=7-", b"789", "bytes 7-9/10"),
        ]:
            answer = edge.get(f"/{name}", {"Range": wanted})
            assert (answer.status, answer.body, answer.headers["content-range"]) == (206, body, place), name
        assert edge.get(f"/{name}", {"Range": "bytes=10-"}).status == 416, name
        assert edge.get(f"/{name}").body == b"0123456789", name


def test_a_large_object_is_the_same_byte_for_byte(edge, bucket):
    body = random.Random(7).randbytes(5 * 1024 * 1024 + 17)
    bucket.put("large.bin", body, CacheControl="max-age=60")
    part = edge.get("/large.bin", {"Range": "bytes=2097100-2097200"})
    assert (part.status, part.body) == (206, body[2097100:2097201])
    digest = hashlib.sha256(body).hexdigest()
    for _ in range(2):
        assert hashlib.sha256(edge.get("/large.bin", tls=True).body).hexdigest() == digest


def test_conditions_of_a_browser(edge, bucket):
    bucket.put("condition.txt", b"hello", CacheControl="max-age=60")
    first = edge.get("/condition.txt")
    for _ in range(2):
        answer = edge.get("/condition.txt", {"If-None-Match": first.headers["etag"]})
        assert (answer.status, answer.body) == (304, b"")
    assert edge.get("/condition.txt", {"If-None-Match": '"other"'}).body == b"hello"
    since = {"If-Modified-Since": first.headers["last-modified"]}
    assert edge.get("/condition.txt", since).status == 304
    assert edge.get("/condition.txt", {"If-Match": '"other"'}).status == 412


def test_what_is_stale_is_revalidated_with_s3(new_edge, bucket):
    edge = new_edge()
    bucket.put("changing.txt", b"old", CacheControl="no-cache")
    assert edge.get("/changing.txt").body == b"old"
    assert edge.get("/changing.txt").body == b"old"
    assert edge.count("seawall_origin_requests_total", code="304") == 1, "the second one cost no body"
    bucket.put("changing.txt", b"new", CacheControl="no-cache")
    assert edge.get("/changing.txt").body == b"new"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/missing.txt", "/missing/", "/forbidden/secret.txt", "/double/slash.txt"])
def test_a_missing_or_a_forbidden_key_is_404(edge, path, method):
    answer = edge.get(path, method=method)
    assert answer.status == 404
    shows_nothing_of_s3(answer)


@pytest.mark.parametrize(
    "path",
    ["/", "//", "/?list-type=2", "/?list-type=2&prefix=a", "/?versions", "/?uploads", "/?acl", "/?policy", "/?location"],
)
def test_the_bucket_cannot_be_listed_or_asked_about_itself(edge, path):
    answer = edge.get(path)
    assert answer.status in (403, 404), answer
    shows_nothing_of_s3(answer)


@pytest.mark.parametrize("query", ["acl", "tagging", "torrent", "uploads", "attributes", "legal-hold"])
def test_an_object_cannot_be_asked_about_itself(edge, query):
    answer = edge.get(f"/plain.txt?{query}")
    assert answer.status >= 400 or answer.body == body_of("plain.txt"), answer
    shows_nothing_of_s3(answer)


def test_the_client_cannot_choose_the_response_fields(edge):
    answer = edge.get("/plain.txt?response-content-type=text/html&response-cache-control=no-store")
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["cache-control"] == "max-age=60"


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_nothing_can_be_written(edge, bucket, method):
    assert edge.get("/plain.txt", {"Content-Length": "0"}, method=method).status == 405
    assert bucket.client().get_object(Bucket="photos", Key="plain.txt")["Body"].read() == body_of("plain.txt")


@pytest.mark.parametrize("path", ["/../plain.txt", "/a/..%2f..%2fplain.txt", "/..%2fother-bucket/x", "/%2e%2e/x"])
def test_no_path_leaves_the_bucket(edge, path):
    answer = edge.get(path)
    assert answer.status in (400, 404), answer
    shows_nothing_of_s3(answer)


def test_what_the_client_sends_does_not_disturb_the_signature(edge, bucket):
    bucket.put("signed-by-us.txt", b"hello", CacheControl="max-age=60, public")
    meddling = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/eu-central-1/s3/aws4_request, Signature=00",
        "X-Amz-Date": "20200101T000000Z",
        "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD",
        "X-Amz-Security-Token": "x",
    }
    assert edge.get("/signed-by-us.txt", meddling).body == b"hello"


def test_a_wrong_secret_is_a_502_that_tells_nothing(new_edge):
    edge = new_edge(secret="not the secret")
    answer = edge.get("/plain.txt")
    assert answer.status == 502 and b"origin_refused" in answer.body
    shows_nothing_of_s3(answer)
    assert edge.count("seawall_refusals_total", reason="origin_refused") == 1


def test_an_index_is_served_for_a_folder(new_edge, bucket):
    bucket.put("site/index.html", b"<h1>hello", ContentType="text/html", CacheControl="max-age=60")
    edge = new_edge(s3='prefix = "site/"\nindex = "index.html"')
    answer = edge.get("/")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"<h1>hello", "text/html")
    assert edge.get("/plain.txt").status == 404, "what is not under the prefix is not there"


def test_a_link_made_by_the_command_line_opens_its_path(edge):
    path = "/private/report.pdf"
    assert edge.get(path).status == 403
    link = edge.seawall("sign", "--config", str(edge.config), "--url", f"https://{HOST}{path}", "--expires-in", "5m")
    assert link.startswith(f"https://{HOST}{path}?")
    signed = link.removeprefix(f"https://{HOST}")
    answer = edge.get(signed, tls=True)
    assert (answer.status, answer.body) == (200, body_of("private/report.pdf"))
    assert edge.get(path).status == 403, "being in the cache opens nothing"
    assert edge.get(signed[:-1] + ("A" if signed[-1] != "A" else "B")).status == 403
    assert edge.get(signed.replace("report", "other")).status == 403


def test_the_metrics_are_prometheus_text_and_count(new_edge):
    edge = new_edge()
    assert edge.get("/plain.txt").status == 200
    for _ in range(3):
        assert edge.get("/plain.txt").is_hit()
    # The last one is counted when its last byte is gone, which may be a moment after it was read.
    edge.eventually(lambda: edge.count("seawall_requests_total", site=HOST, outcome="hit") == 3)
    assert edge.count("seawall_requests_total", site=HOST, status="2xx") == 4
    assert edge.count("seawall_origin_requests_total", pool="photos", code="200") == 1
    assert edge.count("process_resident_memory_bytes") > 1e6


def test_the_configuration_is_checked_by_its_command(edge):
    edge.seawall("check", "--config", str(edge.config))


def test_a_sigterm_drains_and_ends_with_0(new_edge):
    edge = new_edge()
    assert edge.get("/plain.txt").status == 200
    assert edge.stop() == 0
    with pytest.raises(ConnectionRefusedError):
        edge.get("/plain.txt")
