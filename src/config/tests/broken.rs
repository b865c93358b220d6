//! Broken files and what is said of them, line by line.

use super::*;

/// What is appended to [`BASE`], from line 9 on, and the whole of what is said.
const TABLE: &[(&str, &[&str])] = &[
    // the file
    ("x = [", &["e.toml:9: not TOML: unclosed array, expected `]`"]),
    ("[server]\nthreads = 1\nthreads = 2", &["e.toml:11: \"threads\" is defined twice"]),
    ("[sevrer]", &[r#"e.toml:9: unknown key "sevrer"; did you mean "server"?"#]),
    ("[banana]", &[r#"e.toml:9: unknown key "banana""#]),
    ("server = 1", &[r#"e.toml:9: unknown key "site.server""#]),
    // server
    ("[server]\nthreads = \"many\"", &[r#"e.toml:10: "server.threads" must be "auto" or a whole number from 1 to 1024, not "many""#]),
    ("[server]\nthreads = \"4\"", &[r#"e.toml:10: "server.threads" must be "auto" or a whole number from 1 to 1024, not "4""#]),
    ("[server]\nserver_name = \"a b\"", &[r#"e.toml:10: "server.server_name" must be a token of RFC 9110, not "a b""#]),
    ("[server]\nshutdown_timeout = 30", &[r#"e.toml:10: "server.shutdown_timeout" must be a duration from 0s to 1h, not 30; did you mean "30s"?"#]),
    ("[server]\nshutdown_timeout = \"2h\"", &[r#"e.toml:10: "server.shutdown_timeout" must be a duration from 0s to 1h, not "2h""#]),
    ("[server]\ntrusted_proxies = [\"10.0.0.0/8\",\n  \"10.0.0.0/40\"]", &[r#"e.toml:11: "server.trusted_proxies" holds "10.0.0.0/40", which is neither an address nor a network"#]),
    ("[server]\ntrusted_proxies = \"10.0.0.0/8\"", &[r#"e.toml:10: "server.trusted_proxies" must be a list, not "10.0.0.0/8""#]),
    ("[server.limits]\nheader_bytes = \"4KiB\"", &[r#"e.toml:10: "server.limits.header_bytes" must be a size from 8KiB to 1MiB, not "4KiB""#]),
    ("[server.limits]\nconnections = 1.5", &[r#"e.toml:10: "server.limits.connections" must be a whole number from 1 to 10000000, not 1.5"#]),
    ("[server]\nlimits = 5", &[r#"e.toml:10: "server.limits" must be a table, not 5"#]),
    // listener
    ("[[listener]]", &["e.toml:9: listener has no address"]),
    ("[[listener]]\naddress = \"localhost\"", &[r#"e.toml:10: listener "localhost" must have an IP address and a port, not a name: "127.0.0.1:8080", "[::]:8080" or "unix:/path""#]),
    ("[[listener]]\naddress = \"[::]:80\"\n[[listener]]\naddress = \"[0::0]:80\"", &[r#"e.toml:12: listener "[0::0]:80" is defined twice"#]),
    ("[[listener]]\naddress = \"unix:/a\"\n[[listener]]\naddress = \"unix:/a\"", &[r#"e.toml:12: listener "unix:/a" is defined twice"#]),
    ("[[listener]]\naddress = \"[::]:443\"\n[listener.tls]", &[r#"e.toml:11: listener "[::]:443" has tls but no certificates, and self_signed is false"#]),
    ("[[listener]]\naddress = \"[::]:443\"\nredirect_https = true\ntls.self_signed = true", &[r#"e.toml:11: listener "[::]:443" has both tls and redirect_https: it would redirect to itself"#]),
    ("[[listener]]\naddress = \"[::]:443\"\ntls = { self_signed = true, min_version = \"1.1\" }", &[r#"e.toml:11: "listener.tls.min_version" must be "1.2" or "1.3", not "1.1""#]),
    ("[[listener]]\naddress = \"[::]:443\"\ntls = { certificates = [{ cert = \"\", key = \"k\" }] }", &["e.toml:11: \"k\" cannot be read: No such file or directory (os error 2)", "e.toml:11: certificate has no cert"]),
    ("[[listener]]\naddress = \"[::]:443\"\ntls = { certificates = [\"a.pem\"] }", &[r#"e.toml:11: "listener.tls.certificates" is a list of tables: write certificates = [{ cert = "a.pem", key = "…" }]"#]),
    // cache
    ("[cache.memory]\ncapacity = \"1GB\"", &[r#"e.toml:10: "cache.memory.capacity" must be a size from 1MiB to 64TiB, not "1GB"; did you mean "1GiB"?"#]),
    ("[cache.disk]\nadmission = \"some\"", &[r#"e.toml:10: "cache.disk.admission" must be "all" or "second-hit", not "some""#]),
    ("[cache.disk]\npath = \"\"", &[r#"e.toml:10: "cache.disk.path" is empty"#]),
    ("[cache.memory]\ncapacity = \"1MiB\"\nmax_object = \"2MiB\"", &[r#"e.toml:11: "cache.memory.max_object" is larger than "cache.memory.capacity""#]),
    // pool
    ("[[pool]]\nmembers = [{ url = \"http://a\" }]", &["e.toml:9: pool has no name"]),
    ("[[pool]]\nname = \"b\"\nmembers = []", &[r#"e.toml:11: pool "b" has no members"#]),
    ("[[pool]]\nname = \"photos\"\nmembers = [{ url = \"http://a\" }]", &[r#"e.toml:10: pool "photos" is defined twice"#]),
    ("[[pool]]\nname = \"a b\"\nmembers = [{ url = \"http://a\" }]", &[r#"e.toml:10: pool "a b": a name may have only letters, digits, "-", "_" and ".""#]),
    ("[[pool]]\nname = \"b\"\nload_bound = 0.9\nmembers = [{ url = \"http://a\" }]", &[r#"e.toml:11: "pool.load_bound" must be a number from 1 to 100, not 0.9"#]),
    ("[[pool]]\nname = \"b\"\nmembers = [\n  { url = \"http://a\" },\n  { url = \"http://b\", weight = 0 },\n]", &[r#"e.toml:13: "pool.members.weight" must be a whole number from 1 to 1000, not 0"#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://a/x\" }]", &[r#"e.toml:11: pool "b" has a member "http://a/x": it must not have a path"#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://a?x\" }]", &[r#"e.toml:11: pool "b" has a member "http://a?x": it must not have a query"#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://me:pw@a\" }]", &[r#"e.toml:11: pool "b" has a member "http://…@a": it must not have a user or a password"#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"ftp://a\" }]", &[r#"e.toml:11: pool "b" has a member "ftp://a": a member is "http://host:port", "https://host:port", "srv+http://name" or "unix:/path""#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://a\" }, { url = \"http://A:80\" }]", &[r#"e.toml:11: pool "b" has the member "http://A:80" twice"#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ weight = 1 }]", &["e.toml:11: member has no url"]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://a\" }]\nhost = \"a b\"", &[r#"e.toml:12: pool "b": host "a b" is not a host name"#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://a\" }]\ntimeouts.connect = \"1ms\"", &[r#"e.toml:12: "pool.timeouts.connect" must be a duration from 10ms to 10m, not "1ms""#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://a\" }]\ntls.client_cert = \"x\"", &[r#"e.toml:12: "pool.tls.client_cert" needs "pool.tls.client_key""#, "e.toml:12: \"x\" cannot be read: No such file or directory (os error 2)"]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://a\" }]\n[pool.s3]\nbucket = \"b\"\nregion = \"r\"\nprefix = \"/x\"\ncredentials = \"defualt\"", &[r#"e.toml:15: "pool.s3.prefix" must not begin with "/": "/x""#, r#"e.toml:16: "pool.s3.credentials" must be "default", "anonymous" or a table, not "defualt"; did you mean "default"?"#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://a\" }]\n[pool.s3]\nbucket = \"b\"\nregion = \"r\"\ncredentials = { access_key_id = \"a\" }", &["e.toml:15: pool.s3.credentials has no secret_access_key"]),
    ("[[pool]]\nname = \"b\"\nmembers = [\"http://a\"]", &[r#"e.toml:11: "pool.members" is a list of tables: write members = [{ url = "http://a" }]"#]),
    ("[[pool]]\nname = \"b\"\nmembers = \"http://a\"", &[r#"e.toml:11: "pool.members" is a list of tables: write members = [{ url = "http://a" }]"#]),
    ("[[pool]]\nname = \"b\"\nmembers = { url = \"http://a\" }", &[r#"e.toml:11: "pool.members" is a list of tables: write [[pool.members]], or members = [{ url = "…" }]"#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://a\" }]\ns3.region = \"\"", &[r#"e.toml:12: "pool.s3.region" is empty: signatures need the bucket's region, such as "eu-central-1""#]),
    // another server's words
    ("[[listener]]\nlisten = \"127.0.0.1:1\"", &[r#"e.toml:10: unknown key "listener.listen"; did you mean "address"?"#, "e.toml:9: listener has no address"]),
    ("[upstream]", &[r#"e.toml:9: unknown key "upstream"; did you mean "pool"?"#]),
    ("server_name = \"b\"", &[r#"e.toml:9: unknown key "site.server_name"; did you mean "hosts"?"#]),
    ("[site.cache]\nttl = \"1m\"", &[r#"e.toml:10: unknown key "site.cache.ttl"; did you mean "default_ttl"?"#]),
    // units of another kind
    ("[cache.memory]\ncapacity = \"64M\"", &[r#"e.toml:10: "cache.memory.capacity" must be a size from 1MiB to 64TiB, not "64M"; did you mean "64MiB"?"#]),
    ("[site.cache]\ndefault_ttl = \"1h30m\"", &[r#"e.toml:10: "site.cache.default_ttl" must be "" or a duration from 0s to 3650d, not "1h30m"; did you mean "90m"?"#]),
    ("[site.cache]\ndefault_ttl = 3600", &[r#"e.toml:10: "site.cache.default_ttl" must be "" or a duration from 0s to 3650d, not 3600; did you mean "1h"?"#]),
    ("[site.cache]\ndefault_ttl = \"1 hour\"", &[r#"e.toml:10: "site.cache.default_ttl" must be "" or a duration from 0s to 3650d, not "1 hour"; did you mean "1h"?"#]),
    ("[site.cache]\ndefault_ttl = \"soon\"", &[r#"e.toml:10: "site.cache.default_ttl" must be "" or a duration from 0s to 3650d, not "soon""#]),
    // site
    ("[[site]]\npool = \"photos\"", &["e.toml:9: site has no hosts"]),
    ("[[site]]\nhosts = [\"b\"]", &[r#"e.toml:9: site "b" has no pool"#]),
    ("[[site]]\nhosts = [\"b\"]\npool = \"phtos\"", &[r#"e.toml:11: site "b" names an unknown pool "phtos"; did you mean "photos"?"#]),
    ("[[site]]\nhosts = [\"b\", \"A.example\"]\npool = \"photos\"", &[r#"e.toml:10: host "A.example" of site "b" already belongs to site "a.example""#]),
    ("[[site]]\nhosts = [\"b:80\"]\npool = \"photos\"", &[r#"e.toml:10: host "b:80" has a port: write it without"#]),
    ("[[site]]\nhosts = [\"::1\"]\npool = \"photos\"", &[r#"e.toml:10: host "::1" is an IPv6 address: write "[::1]", as in the Host header"#]),
    ("methods = [\"GET\", \"TRACE\"]", &["e.toml:9: method TRACE is never served"]),
    ("methods = [\"get\"]", &[r#"e.toml:9: "get" is not a method; methods are in upper case: "GET""#]),
    ("methods = []", &[r#"e.toml:9: site "a.example" has no methods"#]),
    ("[site.cache]\ndefault_ttl = \"60\"", &[r#"e.toml:10: "site.cache.default_ttl" must be "" or a duration from 0s to 3650d, not "60"; did you mean "1m"?"#]),
    ("[site.cache]\nslice = \"32KiB\"", &[r#"e.toml:10: "site.cache.slice" must be a size from 64KiB to 64MiB, not "32KiB""#]),
    ("[site.cache]\nslice = 100000", &[r#"e.toml:10: "slice" must be a power of two from 64KiB to 64MiB"#]),
    ("[site.cache]\nmin_ttl = \"2s\"\nmax_ttl = \"1s\"", &[r#"e.toml:10: "min_ttl" is longer than "max_ttl""#]),
    ("[site.cache]\nstatus_ttl = { 40 = \"1s\", 404 = \"x\" }", &[r#"e.toml:10: "site.cache.status_ttl.404" must be a duration from 0s to 3650d, not "x""#, r#"e.toml:10: "status_ttl" has "40", which is not a status from 200 to 599"#]),
    ("[site.cache]\nquery = { include = [\"a\"], exclude = [\"b\"] }", &[r#"e.toml:10: "query" must have either "include" or "exclude""#]),
    ("[site.cache]\nquery = \"some\"", &[r#"e.toml:10: "site.cache.query" must be "all", "none" or a table, not "some""#]),
    ("[site.cache]\nheaders = [\"a b\"]\ncookies = [\"c;d\"]", &[r#"e.toml:10: "a b" is not a header name"#, r#"e.toml:11: "c;d" is not a cookie name"#]),
    ("[site.headers.request]\nContent-Length = \"1\"", &[r#"e.toml:10: header "Content-Length" frames the message and cannot be set here"#]),
    ("[site.headers]\nresponse = { X-A = \"a\\nb\", \"X B\" = \"\" }", &[r#"e.toml:10: "X B" is not a header name"#, r#"e.toml:10: header "X-A" cannot have the value "a\nb""#]),
    ("[site.headers]\nresponse = { X-A = \"1\", x-a = \"2\" }", &[r#"e.toml:10: header "x-a" is set twice"#]),
    ("[[site]]\nhosts = [\"https://b.example/\"]\npool = \"photos\"", &[r#"e.toml:10: host "https://b.example/" has a scheme: write "b.example""#]),
    ("[[site]]\nhosts = [\"b.example/x\"]\npool = \"photos\"", &[r#"e.toml:10: host "b.example/x" has a path: write "b.example""#]),
    ("[site.rule]\npath = \"/a\"", &[r#"e.toml:9: "site.rule" is a list of tables: write [[site.rule]], or rule = [{ path = "…" }]"#]),
    ("[site.headers.request]\nAuthorization = \"Bearer ${NOPE}\"", &[r#"e.toml:10: "site.headers.request.Authorization" takes its value from ${NOPE}, which is not set in the environment"#]),
    ("[site.headers.request]\nAuthorization = \"Bearer ${NO PE}\"", &[r#"e.toml:10: "site.headers.request.Authorization" has a "${" that no name and no "}" follow; a plain "${" is written "$${""#]),
    // signed
    ("[[site.signed]]", &[r#"e.toml:9: signed has no keys"#]),
    ("[[site.signed]]\nkeys = [{ id = \"a\", secret = \"short\" }]", &[r#"e.toml:10: the secret of key "a" has 5 bytes; it must have at least 16"#]),
    ("[[site.signed]]\nkeys = [{ id = \"a.b\", secret = \"0123456789abcdef\" }]", &[r#"e.toml:10: key id "a.b" may have only letters, digits, "-" and "_""#]),
    ("[[site.signed]]\nkeys = [\n{ id = \"a\", secret = \"0123456789abcdef\" },\n{ id = \"a\", secret = \"0123456789abcdef\" }]", &[r#"e.toml:12: key id "a" is defined twice"#]),
    ("[[site.signed]]\npaths = [\"private\"]\nkeys = [{ id = \"a\", secret = 7 }]", &[r#"e.toml:10: signed: path pattern "private" must begin with "/" or "*""#, r#"e.toml:11: "site.signed.keys.secret" must be text"#]),
    ("[[site.signed]]\nkeys = [{ id = \"a\", secret = \"${NOPE}\" }]", &[r#"e.toml:10: "site.signed.keys.secret" takes its value from ${NOPE}, which is not set in the environment"#]),
    ("[[site.signed]]\nkeys = [{ id = \"a\", secret = \"${EMPTY}\" }]", &[r#"e.toml:10: "site.signed.keys.secret" takes its value from ${EMPTY}, which is empty"#]),
    ("[[site.signed]]\nkeys = [{ id = \"a\", secret = \"file:/does/not/exist\" }]", &[r#"e.toml:10: "site.signed.keys.secret" takes its value from "/does/not/exist": No such file or directory (os error 2)"#]),
    // rules
    ("[[site.rule]]", &["e.toml:9: rule has no path"]),
    ("[[site.rule]]\npath = \"api/*\"", &[r#"e.toml:10: rule "api/*" of site "a.example": path pattern "api/*" must begin with "/" or "*""#]),
    ("[[site.rule]]\npath = \"/a?b\"", &[r#"e.toml:10: rule "/a?b" of site "a.example": path pattern "/a?b" must not contain '?'"#]),
    ("[[site.rule]]\npath = \"/a\"\npool = \"b\"", &[r#"e.toml:11: rule "/a" names an unknown pool "b""#]),
    ("[[site.rule]]\npath = \"/a\"\ncache = { enabld = false }", &[r#"e.toml:11: unknown key "site.rule.cache.enabld"; did you mean "enabled"?"#]),
    ("[[site.rule]]\npath = \"/a\"\nmethods = [\"GET\"]", &[r#"e.toml:11: unknown key "site.rule.methods""#]),
    // a mistake of the site is not said again for its rules
    ("[site.cache]\nslice = 100000\n[[site.rule]]\npath = \"/a\"\ncache.enabled = false", &[r#"e.toml:10: "slice" must be a power of two from 64KiB to 64MiB"#]),
    // operating
    ("[admin]\naddress = \"0.0.0.0:9090\"", &[r#"e.toml:10: "admin.token" is required: 0.0.0.0:9090 is not on loopback"#]),
    ("[admin]\naddress = \"9090\"", &[r#"e.toml:10: "admin.address" must be like "127.0.0.1:9090", not "9090""#]),
    ("[admin]\naddress = \"127.0.0.1:81\"\n[[listener]]\naddress = \"127.0.0.1:81\"", &[r#"e.toml:10: "admin.address" 127.0.0.1:81 is also the address of a listener"#]),
    ("[admin]\ntoken = \"a b\"", &[r#"e.toml:10: "admin.token" must be visible ASCII without spaces: it travels in a header"#]),
    ("[admin]\nread_token = \"r\"", &[r#"e.toml:10: "admin.read_token" needs "admin.token""#]),
    ("[admin]\nmetrics = \"token\"", &[r#"e.toml:10: "admin.metrics" = "token" needs "admin.token""#]),
    ("[admin]\nmetrics = \"closed\"", &[r#"e.toml:10: "admin.metrics" must be "open" or "token", not "closed""#]),
    ("[log]\nlevel = \"inof\"", &[r#"e.toml:10: "log.level" has "inof"; the levels are off, error, warn, info, debug, trace; did you mean "info"?"#]),
    ("[log]\nsample = 2", &[r#"e.toml:10: "log.sample" must be a number from 0 to 1, not 2"#]),
    ("[log]\nlevel = \"verbose\"", &[r#"e.toml:10: "log.level" has "verbose"; the levels are off, error, warn, info, debug, trace"#]),
    ("[log]\naccess = \"no/such/access.log\"", &[r#"e.toml:10: "log.access" "no/such/access.log" is in a folder that does not exist"#]),
    ("[[listener]]\naddress = \"unix:/no/such/a\"", &[r#"e.toml:10: listener "unix:/no/such/a" is in a folder that does not exist"#]),
    ("[[listener]]\naddress = \"localhost:8443\"", &[r#"e.toml:10: listener "localhost:8443" must have an IP address and a port, not a name: "127.0.0.1:8080", "[::]:8080" or "unix:/path""#]),
    // not built yet
    ("[[pool]]\nname = \"b\"\nbalance = \"rign\"\nmembers = [{ url = \"http://a\" }]", &[r#"e.toml:11: "pool.balance" must be "ring", "least-requests" or "round-robin", not "rign"; did you mean "ring"?"#]),
    // a bound that a rule breaks is the rule's
    ("[site.cache]\nmin_ttl = \"2s\"\n[[site.rule]]\npath = \"/a\"\ncache.max_ttl = \"1s\"", &[r#"e.toml:13: "min_ttl" is longer than "max_ttl""#]),
    ("[[listener]]\naddress = \"[::]:1\"\nhttp3 = true\nproxy_protocol = true", &[r#"e.toml:11: "listener.http3" is not supported yet"#, r#"e.toml:12: "listener.proxy_protocol" is not supported yet"#]),
    ("[[listener]]\naddress = \"[::]:1\"\n[listener.tls.acme]\ndomains = [\"a\"]", &[r#"e.toml:11: "listener.tls.acme" is not supported yet"#]),
    ("[site.compress]\nencodings = []", &[r#"e.toml:9: "site.compress" is not supported yet"#]),
    ("[[site.rule]]\npath = \"/a\"\ncompress = {}", &[r#"e.toml:11: "site.rule.compress" is not supported yet"#]),
    ("[[site.signed]]\nscheme = \"jwt\"\nkeys = [{ id = \"a\", secret = \"0123456789abcdef\" }]", &[r#"e.toml:10: "site.signed.scheme" = "jwt" is not supported yet"#]),
    ("[[site.signed]]\nscheme = \"${SCHEME}\"\nkeys = [{ id = \"a\", secret = \"0123456789abcdef\" }]", &[r#"e.toml:10: "site.signed.scheme" = the value of ${SCHEME} is not supported yet"#]),
    ("[[site.rule]]\npath = \"/a\"\nsigned = [{ scheme = \"cloudfront\", keys = [{ id = \"a\", secret = \"0123456789abcdef\" }] }]", &[r#"e.toml:11: "site.rule.signed.scheme" = "cloudfront" is not supported yet"#]),
    ("[telemetry]\notlp_endpoint = \"http://a\"", &[r#"e.toml:10: "telemetry.otlp_endpoint" is not supported yet"#]),
    ("[cluster]", &[r#"e.toml:9: "cluster" is not supported yet"#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"srv+http://a:80\" }]", &[r#"e.toml:11: pool "b" has a member "srv+http://a:80": the port comes from the SRV records, so write none"#]),
];

#[test]
fn each_mistake_is_said_with_its_line() {
    let mut wrong = Vec::new();
    for (text, expected) in TABLE {
        let said = errors(&format!("{BASE}{text}\n"), &[("EMPTY", ""), ("SCHEME", "jwt")]);
        // Two errors of one line may come in either order.
        let mut sorted = (said.clone(), expected.to_vec());
        sorted.0.sort();
        sorted.1.sort_unstable();
        if sorted.0 != sorted.1 {
            wrong.push(format!("{text}\n  said {said:#?}\n  not  {expected:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), TABLE.len(), wrong.join("\n"));
}

/// One mistake, one message.
#[test]
fn what_was_misnamed_is_not_missed_as_well() {
    let listener = "[[listener]]\naddress = \"127.0.0.1:0\"\n";
    let pool = "name = \"p\"\nmembers = [{ url = \"http://a\" }]\n";
    let site = "hosts = [\"a\"]\npool = \"p\"\n";
    for (text, said) in [
        (format!("{listener}[pool]\n{pool}[[site]]\n{site}"), r#"e.toml:3: "pool" is a list of tables: write [[pool]], not [pool]"#),
        (format!("{listener}[[pools]]\n{pool}[[site]]\n{site}"), r#"e.toml:3: unknown key "pools"; did you mean "pool"?"#),
        (format!("{listener}[[upstream]]\n{pool}[[site]]\n{site}"), r#"e.toml:3: unknown key "upstream"; did you mean "pool"?"#),
        (format!("{listener}[[pool]]\n{pool}[[sites]]\n{site}"), r#"e.toml:6: unknown key "sites"; did you mean "site"?"#),
        (format!("[[listeners]]\naddress = \"127.0.0.1:0\"\n[[pool]]\n{pool}[[site]]\n{site}"), r#"e.toml:1: unknown key "listeners"; did you mean "listener"?"#),
    ] {
        assert_eq!(errors(&text, &[]), [said]);
    }
}

#[test]
fn an_empty_file_lacks_what_every_edge_needs() {
    assert_eq!(errors("", &[]), ["e.toml: there is no [[listener]]", "e.toml: there is no [[site]]"]);
}
