#!/usr/bin/env node
// Signs a URL for Seawall's scheme "token". Node's own modules only; docs/signed-urls.md has the format.
//
//     export SEAWALL_TOKEN_KEY=...
//     examples/sign_url.mjs '{"key": "2026-11", "exp": 1893456000, "path": "/private/report.pdf"}'

import { createHmac } from "node:crypto";
import { argv, env, exit } from "node:process";
import { fileURLToPath } from "node:url";

const ORDER = ["key", "exp", "path", "prefix", "ip", "host", "nbf", "iat"];

export function sign(claims, secret) {
  const text = ORDER.filter((name) => name in claims).map((name) => `${name}=${claims[name]}`).join("\n");
  const signed = "v1." + Buffer.from(text).toString("base64url");
  const mac = createHmac("sha256", secret).update("seawall-url-token\n" + signed).digest("base64url");
  return `${signed}.${mac}`;
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  if (argv.length !== 3 || !env.SEAWALL_TOKEN_KEY) {
    console.error(`usage: SEAWALL_TOKEN_KEY=... ${argv[1]} CLAIMS`);
    console.error(`for example with the claims {"key": "2026-11", "exp": 1893456000, "path": "/private/report.pdf"}`);
    exit(2);
  }
  let claims;
  try {
    claims = JSON.parse(argv[2]);
  } catch (error) {
    console.error(`the claims are not JSON: ${error.message}`);
    exit(2);
  }
  console.log(sign(claims, env.SEAWALL_TOKEN_KEY));
}
