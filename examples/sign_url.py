#!/usr/bin/env python3
"""Signs a URL for Seawall's scheme "token". Standard library only; docs/signed-urls.md has the format.

    export SEAWALL_TOKEN_KEY=...
    examples/sign_url.py '{"key": "2026-11", "exp": 1893456000, "path": "/private/report.pdf"}'
"""

import base64
import hashlib
import hmac
import json
import os
import sys

ORDER = ("key", "exp", "path", "prefix", "ip", "host", "nbf", "iat")


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(claims: dict, secret: str) -> str:
    text = "\n".join(f"{name}={claims[name]}" for name in ORDER if name in claims)
    signed = "v1." + base64url(text.encode())
    mac = hmac.new(secret.encode(), b"seawall-url-token\n" + signed.encode(), hashlib.sha256).digest()
    return signed + "." + base64url(mac)


if __name__ == "__main__":
    secret = os.environ.get("SEAWALL_TOKEN_KEY")
    if len(sys.argv) != 2 or not secret:
        print(f"usage: SEAWALL_TOKEN_KEY=... {sys.argv[0]} CLAIMS\n{__doc__}", file=sys.stderr)
        sys.exit(2)
    try:
        claims = json.loads(sys.argv[1])
    except ValueError as error:
        print(f"the claims are not JSON: {error}", file=sys.stderr)
        sys.exit(2)
    print(sign(claims, secret))
