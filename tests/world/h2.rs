//! An HTTP/2 client over TLS: hyper's, so that the edge's frames are read by an implementation that checks them.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::client::Client;
use super::gate::within;
use super::seen::Seen;
use super::tls;

/// One connection; requests on it share it.
#[derive(Clone)]
pub struct H2 {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl H2 {
    /// Connects, insisting on `h2` in ALPN.
    pub async fn connect(client: &Client) -> Self {
        let stream = within("a TLS connection", tls::connect(client.address, &client.host, &["h2"])).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "ALPN should have agreed on h2");
        let (sender, connection) =
            handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("the HTTP/2 preface");
        tokio::spawn(connection);
        Self { sender, host: client.host.clone() }
    }

    /// Asks for `target` with these fields and reads the response to its end.
    ///
    /// # Errors
    /// If the stream is reset.
    pub async fn request(
        &self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
    ) -> Result<Seen, hyper::Error> {
        let uri = format!("https://{}{target}", self.host);
        let request = http::Request::builder().method(method).uri(uri).version(http::Version::HTTP_2);
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Full::default()).expect("a request");
        let mut sender = self.sender.clone();
        within(format!("h2 {method} {target}"), async {
            sender.ready().await?;
            let (head, body) = sender.send_request(request).await?.into_parts();
            let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let fields = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            Ok(Seen { status: head.status.as_u16(), fields, body: body.collect().await?.to_bytes() })
        })
        .await
    }

    /// A GET that should work.
    pub async fn get(&self, target: &str) -> Seen {
        self.request("GET", target, &[]).await.unwrap_or_else(|error| panic!("h2 GET {target}: {error}"))
    }
}
