//! The page of links at `/`.

/// A small page without scripts or anything from elsewhere.
pub(super) fn page(server_name: &str) -> String {
    let name = escape(server_name);
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{name}: seawall</title>\n\
         <h1>{name}</h1>\n<p>seawall {version}</p>\n<ul>\n\
         <li><a href=\"/metrics\">/metrics</a>: for Prometheus\n\
         <li><a href=\"/healthz\">/healthz</a>: 200 while the process lives\n\
         <li><a href=\"/readyz\">/readyz</a>: 200 while it should get traffic, else 503 and why\n\
         <li><a href=\"/hot?n=20\">/hot?n=20</a>: the busiest cache keys of the last minutes\n\
         <li>/objects?url=…: what is cached for a URL\n\
         <li>POST /purge, POST /prefetch: <a href=\"/openapi.yaml\">/openapi.yaml</a> says how\n\
         </ul>\n</html>\n",
        version = env!("CARGO_PKG_VERSION"),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_is_text() {
        let page = super::page("<b>\"&");
        assert!(page.contains("<h1>&lt;b&gt;&quot;&amp;</h1>") && !page.contains("<b>"));
    }
}
