//! Broken files and what is said of them, line by line.

use super::*;

/// What is appended to [`BASE`], from line 9 on, and the whole of what is said.
const TABLE: &[(&str, &[&str])] = &[
    // the file
    ("x = [", &["e.toml:9: not TOML: unclosed array, expected `]`"]),
    ("[server]\nthreads = 1\nthreads = 2", &["e.toml:11: not TOML: duplicate key"]),
    ("[sevrer]", &[r#"e.toml:9: unknown key "sevrer"; did you mean "server"?"#]),
    ("[banana]", &[r#"e.toml:9: unknown key "banana""#]),
    ("server = 1", &[r#"e.toml:9: unknown key "site.server""#]),
    // server
    ("[server]\nthreads = \"many\"", &[r#"e.toml:10: "server.threads" must be "auto" or a whole number from 1 to 1024, not "many""#]),
    ("[server]\nthreads = \"4\"", &[r#"e.toml:10: "server.threads" must be "auto" or a whole number from 1 to 1024, not "4""#]),
    ("[server]\nserver_name = \"a b\"", &[r#"e.toml:10: "server.server_name" must be a token of RFC 9110, not "a b""#]),
    ("[server]\nshutdown_timeout = 30", &[r#"e.toml:10: "server.shutdown_timeout" must be a duration from 0s to 1h, not 30"#]),
    ("[server]\nshutdown_timeout = \"2h\"", &[r#"e.toml:10: "server.shutdown_timeout" must be a duration from 0s to 1h, not "2h""#]),
    ("[server]\ntrusted_proxies = [\"10.0.0.0/8\",\n  \"10.0.0.0/40\"]", &[r#"e.toml:11: "server.trusted_proxies" holds "10.0.0.0/40", which is no address or network"#]),
    ("[server]\ntrusted_proxies = \"10.0.0.0/8\"", &[r#"e.toml:10: "server.trusted_proxies" must be a list, not "10.0.0.0/8""#]),
    ("[server.limits]\nheader_bytes = \"4KiB\"", &[r#"e.toml:10: "server.limits.header_bytes" must be a size from 8KiB to 1MiB, not "4KiB""#]),
    ("[server.limits]\nconnections = 1.5", &[r#"e.toml:10: "server.limits.connections" must be a whole number from 1 to 10000000, not 1.5"#]),
    ("[server]\nlimits = 5", &[r#"e.toml:10: "server.limits" must be a table, not 5"#]),
    // listener
    ("[[listener]]", &["e.toml:9: listener has no address"]),
    ("[[listener]]\naddress = \"localhost\"", &[r#"e.toml:10: listener "localhost" has no address to listen on; write "127.0.0.1:8080", "[::]:8080" or "unix:/path""#]),
    ("[[listener]]\naddress = \"[::]:80\"\n[[listener]]\naddress = \"[0::0]:80\"", &[r#"e.toml:12: listener "[0::0]:80" stands twice"#]),
    ("[[listener]]\naddress = \"unix:/a\"\n[[listener]]\naddress = \"unix:/a\"", &[r#"e.toml:12: listener "unix:/a" stands twice"#]),
    ("[[listener]]\naddress = \"[::]:443\"\n[listener.tls]", &[r#"e.toml:11: listener "[::]:443" has tls but no certificates, and self_signed is false"#]),
    ("[[listener]]\naddress = \"[::]:443\"\nredirect_https = true\ntls.self_signed = true", &[r#"e.toml:11: listener "[::]:443" has tls and redirects to https: a loop"#]),
    ("[[listener]]\naddress = \"[::]:443\"\ntls = { self_signed = true, min_version = \"1.1\" }", &[r#"e.toml:11: "listener.tls.min_version" must be "1.2" or "1.3", not "1.1""#]),
    ("[[listener]]\naddress = \"[::]:443\"\ntls = { certificates = [{ cert = \"\", key = \"k\" }] }", &["e.toml:11: \"k\" can not be read: No such file or directory (os error 2)", "e.toml:11: certificate has no cert"]),
    ("[[listener]]\naddress = \"[::]:443\"\ntls = { certificates = [\"a.pem\"] }", &[r#"e.toml:11: "listener.tls.certificates" must be a list of tables, not hold "a.pem""#]),
    // cache
    ("[cache.memory]\ncapacity = \"1GB\"", &[r#"e.toml:10: "cache.memory.capacity" must be a size from 1MiB to 64TiB, not "1GB""#]),
    ("[cache.disk]\nadmission = \"some\"", &[r#"e.toml:10: "cache.disk.admission" must be "all" or "second-hit", not "some""#]),
    ("[cache.disk]\npath = \"\"", &[r#"e.toml:10: "cache.disk.path" is empty"#]),
    ("[cache.memory]\ncapacity = \"1MiB\"\nmax_object = \"2MiB\"", &[r#"e.toml:11: "cache.memory.max_object" is larger than "cache.memory.capacity""#]),
    // pool
    ("[[pool]]\nmembers = [{ url = \"http://a\" }]", &["e.toml:9: pool has no name"]),
    ("[[pool]]\nname = \"b\"\nmembers = []", &[r#"e.toml:11: pool "b" has no members"#]),
    ("[[pool]]\nname = \"photos\"\nmembers = [{ url = \"http://a\" }]", &[r#"e.toml:10: pool "photos" stands twice"#]),
    ("[[pool]]\nname = \"a b\"\nmembers = [{ url = \"http://a\" }]", &[r#"e.toml:10: pool "a b": a name has letters, digits, "-", "_" and ".""#]),
    ("[[pool]]\nname = \"b\"\nload_bound = 0.9\nmembers = [{ url = \"http://a\" }]", &[r#"e.toml:11: "pool.load_bound" must be a number from 1 to 100, not 0.9"#]),
    ("[[pool]]\nname = \"b\"\nmembers = [\n  { url = \"http://a\" },\n  { url = \"http://b\", weight = 0 },\n]", &[r#"e.toml:13: "pool.members.weight" must be a whole number from 1 to 1000, not 0"#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://a/x\" }]", &[r#"e.toml:11: pool "b" has a member "http://a/x": a path has no place in it"#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://a?x\" }]", &[r#"e.toml:11: pool "b" has a member "http://a?x": a query has no place in it"#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://me:pw@a\" }]", &[r#"e.toml:11: pool "b" has a member "http://…@a": user and password have no place in it"#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"ftp://a\" }]", &[r#"e.toml:11: pool "b" has a member "ftp://a": a member is "http://host:port", "https://host:port", "srv+http://name" or "unix:/path""#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://a\" }, { url = \"http://A:80\" }]", &[r#"e.toml:11: pool "b" has the member "http://A:80" twice"#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ weight = 1 }]", &["e.toml:11: member has no url"]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://a\" }]\nhost = \"a b\"", &[r#"e.toml:12: pool "b" has a host that is none: "a b""#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://a\" }]\ntimeouts.connect = \"1ms\"", &[r#"e.toml:12: "pool.timeouts.connect" must be a duration from 10ms to 10m, not "1ms""#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://a\" }]\ntls.client_cert = \"x\"", &[r#"e.toml:12: "pool.tls.client_cert" needs "pool.tls.client_key""#, "e.toml:12: \"x\" can not be read: No such file or directory (os error 2)"]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://a\" }]\n[pool.s3]\nbucket = \"b\"\nregion = \"r\"\nprefix = \"/x\"\ncredentials = \"defualt\"", &[r#"e.toml:15: "pool.s3.prefix" must not begin with "/": "/x""#, r#"e.toml:16: "pool.s3.credentials" must be "default", "anonymous" or a table, not "defualt""#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"http://a\" }]\n[pool.s3]\nbucket = \"b\"\nregion = \"r\"\ncredentials = { access_key_id = \"a\" }", &["e.toml:15: pool.s3.credentials has no secret_access_key"]),
    // site
    ("[[site]]\npool = \"photos\"", &["e.toml:9: site has no hosts"]),
    ("[[site]]\nhosts = [\"b\"]", &[r#"e.toml:9: site "b" has no pool"#]),
    ("[[site]]\nhosts = [\"b\"]\npool = \"phtos\"", &[r#"e.toml:11: site "b" names an unknown pool "phtos"; did you mean "photos"?"#]),
    ("[[site]]\nhosts = [\"b\", \"A.example\"]\npool = \"photos\"", &[r#"e.toml:10: host "A.example" of site "b" already belongs to site "a.example""#]),
    ("[[site]]\nhosts = [\"b:80\"]\npool = \"photos\"", &[r#"e.toml:10: host "b:80" has a port; hosts are written without"#]),
    ("[[site]]\nhosts = [\"::1\"]\npool = \"photos\"", &[r#"e.toml:10: host "::1" is an IPv6 address: write "[::1]", as in the Host header"#]),
    ("methods = [\"GET\", \"TRACE\"]", &["e.toml:9: method TRACE is never served"]),
    ("methods = [\"get\"]", &[r#"e.toml:9: "get" is no method; methods are upper case: "GET""#]),
    ("methods = []", &[r#"e.toml:9: site "a.example" has no methods"#]),
    ("[site.cache]\ndefault_ttl = \"60\"", &[r#"e.toml:10: "site.cache.default_ttl" must be "" or a duration from 0s to 3650d, not "60""#]),
    ("[site.cache]\nslice = \"32KiB\"", &[r#"e.toml:10: "site.cache.slice" must be a size from 64KiB to 64MiB, not "32KiB""#]),
    ("[site.cache]\nslice = 100000", &[r#"e.toml:10: "slice" must be a power of two from 64KiB to 64MiB"#]),
    ("[site.cache]\nmin_ttl = \"2s\"\nmax_ttl = \"1s\"", &[r#"e.toml:10: "min_ttl" is longer than "max_ttl""#]),
    ("[site.cache]\nstatus_ttl = { 40 = \"1s\", 404 = \"x\" }", &[r#"e.toml:10: "site.cache.status_ttl.404" must be a duration from 0s to 3650d, not "x""#, r#"e.toml:10: "status_ttl" has "40", which is no status from 200 to 599"#]),
    ("[site.cache]\nquery = { include = [\"a\"], exclude = [\"b\"] }", &[r#"e.toml:10: "query" must have either "include" or "exclude""#]),
    ("[site.cache]\nquery = \"some\"", &[r#"e.toml:10: "site.cache.query" must be "all", "none" or a table, not "some""#]),
    ("[site.cache]\nheaders = [\"a b\"]\ncookies = [\"c;d\"]", &[r#"e.toml:10: "a b" is no header name"#, r#"e.toml:11: "c;d" is no cookie name"#]),
    ("[site.headers.request]\nContent-Length = \"1\"", &[r#"e.toml:10: header "Content-Length" frames the message and can not be set here"#]),
    ("[site.headers]\nresponse = { X-A = \"a\\nb\", \"X B\" = \"\" }", &[r#"e.toml:10: "X B" is no header name"#, r#"e.toml:10: header "X-A" can not have the value "a\nb""#]),
    ("[site.headers]\nresponse = { X-A = \"1\", x-a = \"2\" }", &[r#"e.toml:10: header "x-a" is set twice"#]),
    // signed
    ("[[site.signed]]", &[r#"e.toml:9: signed has no keys"#]),
    ("[[site.signed]]\nkeys = [{ id = \"a\", secret = \"short\" }]", &[r#"e.toml:10: the secret of key "a" has 5 bytes; at least 16"#]),
    ("[[site.signed]]\nkeys = [{ id = \"a.b\", secret = \"0123456789abcdef\" }]", &[r#"e.toml:10: key id "a.b": an id has letters, digits, "-" and "_""#]),
    ("[[site.signed]]\nkeys = [\n{ id = \"a\", secret = \"0123456789abcdef\" },\n{ id = \"a\", secret = \"0123456789abcdef\" }]", &[r#"e.toml:12: key id "a" stands twice"#]),
    ("[[site.signed]]\npaths = [\"private\"]\nkeys = [{ id = \"a\", secret = 7 }]", &[r#"e.toml:10: signed: a path pattern begins with "/" or "*", not like "private""#, r#"e.toml:11: "site.signed.keys.secret" must be text, not something else"#]),
    ("[[site.signed]]\nkeys = [{ id = \"a\", secret = \"${NOPE}\" }]", &[r#"e.toml:10: "site.signed.keys.secret" is taken from ${NOPE}, which the environment does not set"#]),
    ("[[site.signed]]\nkeys = [{ id = \"a\", secret = \"${EMPTY}\" }]", &[r#"e.toml:10: "site.signed.keys.secret" is taken from ${EMPTY}, which is empty"#]),
    ("[[site.signed]]\nkeys = [{ id = \"a\", secret = \"file:/does/not/exist\" }]", &[r#"e.toml:10: "site.signed.keys.secret" is taken from file:/does/not/exist: No such file or directory (os error 2)"#]),
    // rules
    ("[[site.rule]]", &["e.toml:9: rule has no path"]),
    ("[[site.rule]]\npath = \"api/*\"", &[r#"e.toml:10: rule "api/*" of site "a.example": a path pattern begins with "/" or "*", not like "api/*""#]),
    ("[[site.rule]]\npath = \"/a?b\"", &[r#"e.toml:10: rule "/a?b" of site "a.example": a path pattern has no '?': "/a?b""#]),
    ("[[site.rule]]\npath = \"/a\"\npool = \"b\"", &[r#"e.toml:11: rule "/a" names an unknown pool "b""#]),
    ("[[site.rule]]\npath = \"/a\"\ncache = { enabld = false }", &[r#"e.toml:11: unknown key "site.rule.cache.enabld"; did you mean "enabled"?"#]),
    ("[[site.rule]]\npath = \"/a\"\nmethods = [\"GET\"]", &[r#"e.toml:11: unknown key "site.rule.methods""#]),
    // a mistake of the site is not said again for its rules
    ("[site.cache]\nslice = 100000\n[[site.rule]]\npath = \"/a\"\ncache.enabled = false", &[r#"e.toml:10: "slice" must be a power of two from 64KiB to 64MiB"#]),
    // operating
    ("[admin]\naddress = \"0.0.0.0:9090\"", &[r#"e.toml:10: "admin.token" is required: 0.0.0.0:9090 is not on loopback"#]),
    ("[admin]\naddress = \"9090\"", &[r#"e.toml:10: "admin.address" must be like "127.0.0.1:9090", not "9090""#]),
    ("[admin]\naddress = \"127.0.0.1:81\"\n[[listener]]\naddress = \"127.0.0.1:81\"", &[r#"e.toml:10: "admin.address" 127.0.0.1:81 is also that of a listener"#]),
    ("[admin]\ntoken = \"a b\"", &[r#"e.toml:10: "admin.token" must be visible ASCII without spaces: it travels in a header"#]),
    ("[admin]\nread_token = \"r\"", &[r#"e.toml:10: "admin.read_token" needs "admin.token""#]),
    ("[admin]\nmetrics = \"token\"", &[r#"e.toml:10: "admin.metrics" = "token" needs "admin.token""#]),
    ("[admin]\nmetrics = \"closed\"", &[r#"e.toml:10: "admin.metrics" must be "open" or "token", not "closed""#]),
    ("[log]\nlevel = \"inof\"", &[r#"e.toml:10: "log.level" has "inof", which is no level; did you mean "info"?"#]),
    ("[log]\nsample = 2", &[r#"e.toml:10: "log.sample" must be a number from 0 to 1, not 2"#]),
    // not built yet
    ("[[pool]]\nname = \"b\"\nbalance = \"rign\"\nmembers = [{ url = \"http://a\" }]", &[r#"e.toml:11: "pool.balance" must be "ring", "least-requests" or "round-robin", not "rign""#]),
    // a bound that a rule breaks is the rule's
    ("[site.cache]\nmin_ttl = \"2s\"\n[[site.rule]]\npath = \"/a\"\ncache.max_ttl = \"1s\"", &[r#"e.toml:13: "min_ttl" is longer than "max_ttl""#]),
    ("[[listener]]\naddress = \"[::]:1\"\nhttp3 = true\nproxy_protocol = true", &[r#"e.toml:11: "listener.http3" is not supported yet"#, r#"e.toml:12: "listener.proxy_protocol" is not supported yet"#]),
    ("[[listener]]\naddress = \"[::]:1\"\n[listener.tls.acme]\ndomains = [\"a\"]", &[r#"e.toml:11: "listener.tls.acme" is not supported yet"#]),
    ("[site.compress]\nencodings = []", &[r#"e.toml:9: "site.compress" is not supported yet"#]),
    ("[[site.rule]]\npath = \"/a\"\ncompress = {}", &[r#"e.toml:11: "site.rule.compress" is not supported yet"#]),
    ("[[site.signed]]\nscheme = \"jwt\"\nkeys = [{ id = \"a\", secret = \"0123456789abcdef\" }]", &[r#"e.toml:10: "site.signed.scheme" = "jwt" is not supported yet"#]),
    ("[[site.signed]]\nscheme = \"${SCHEME}\"\nkeys = [{ id = \"a\", secret = \"0123456789abcdef\" }]", &[r#"e.toml:10: "site.signed.scheme" = what ${SCHEME} holds is not supported yet"#]),
    ("[[site.rule]]\npath = \"/a\"\nsigned = [{ scheme = \"cloudfront\", keys = [{ id = \"a\", secret = \"0123456789abcdef\" }] }]", &[r#"e.toml:11: "site.rule.signed.scheme" = "cloudfront" is not supported yet"#]),
    ("[telemetry]\notlp_endpoint = \"http://a\"", &[r#"e.toml:10: "telemetry.otlp_endpoint" is not supported yet"#]),
    ("[cluster]", &[r#"e.toml:9: "cluster" is not supported yet"#]),
    ("[[pool]]\nname = \"b\"\nmembers = [{ url = \"srv+http://a:80\" }]", &[r#"e.toml:11: pool "b" has a member "srv+http://a:80": its port is in its SRV records"#]),
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

#[test]
fn an_empty_file_lacks_what_every_edge_needs() {
    assert_eq!(errors("", &[]), ["e.toml: there is no [[listener]]", "e.toml: there is no [[site]]"]);
}
