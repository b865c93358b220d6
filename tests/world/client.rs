//! Clients: a comfortable one that sends good requests, under it a connection that sends exact bytes.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::gate::within;
use super::seen::Seen;
use super::tls;
use super::wire::{Broken, Reader, Wire};

/// Sends each request on a connection of its own.
#[derive(Clone)]
pub struct Client {
    pub(super) address: SocketAddr,
    pub(super) tls: bool,
    pub(super) host: String,
}

impl Client {
    /// A client of whatever listens there, without TLS.
    pub fn of(address: SocketAddr, host: &str) -> Self {
        Self { address, tls: false, host: host.to_owned() }
    }

    /// The same client asking for another host (and, over TLS, naming it in SNI).
    pub fn host(&self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self.clone() }
    }

    /// The same client speaking plain HTTP to where TLS is expected.
    pub fn without_tls(&self) -> Self {
        Self { tls: false, ..self.clone() }
    }

    /// What it connects to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new connection.
    pub async fn connect(&self) -> Connection {
        self.connect_naming(&self.host).await
    }

    /// A new connection with this SNI, whatever Host the requests on it name.
    pub async fn connect_naming(&self, name: &str) -> Connection {
        within("a connection to the edge", async {
            let wire: Box<dyn Wire> = if self.tls {
                Box::new(tls::connect(self.address, name, &["http/1.1"]).await)
            } else {
                Box::new(TcpStream::connect(self.address).await.expect("the listener takes connections"))
            };
            Connection { reader: Reader::new(wire) }
        })
        .await
    }

    /// Fails unless nobody listens any more.
    pub async fn refused(&self) {
        let connected = within("a connection to be refused", TcpStream::connect(self.address)).await;
        assert!(connected.is_err(), "the listener still takes connections");
    }

    /// A GET to be.
    pub fn get(&self, target: &str) -> Request {
        self.request("GET", target)
    }

    /// A request to be, with any method.
    pub fn request(&self, method: &str, target: &str) -> Request {
        let (client, method, target) = (self.clone(), method.to_owned(), target.to_owned());
        Request { client, method, target, fields: Vec::new(), body: None }
    }

    /// Sends these bytes on a new connection and reads one response. The connection is kept open meanwhile: a
    /// server that waits for more of a request that is already wrong makes the test time out.
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> Result<Seen, Broken> {
        let mut connection = self.connect().await;
        connection.send(bytes).await;
        connection.try_read("GET").await
    }
}

/// A request that has not been sent.
#[derive(Clone)]
pub struct Request {
    client: Client,
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Option<Bytes>,
}

impl Request {
    /// Adds a field.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body and its Content-Length.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(Bytes::copy_from_slice(body.as_ref()));
        self
    }

    /// Sends it on a new connection and reads the response to its end.
    ///
    /// # Panics
    /// If the response is broken in any way.
    pub async fn send(self) -> Seen {
        let what = format!("{} {}", self.method, self.target);
        self.try_send().await.unwrap_or_else(|broken| panic!("{what}: {broken}"))
    }

    /// The same, for a response that should break.
    ///
    /// # Errors
    /// How it broke.
    pub async fn try_send(self) -> Result<Seen, Broken> {
        let method = self.method.clone();
        let mut connection = self.client.connect().await;
        connection.send(self.bytes()).await;
        connection.try_read(&method).await
    }

    /// Sends it and reads only the head, so that the body can be read as it comes.
    ///
    /// # Panics
    /// If the head is broken.
    pub async fn begin(self) -> Streaming {
        let what = format!("the head of {} {}", self.method, self.target);
        let mut connection = self.client.connect().await;
        connection.send(self.bytes()).await;
        let head = within(&what, connection.reader.head(&self.method)).await;
        let head = head.unwrap_or_else(|broken| panic!("{what}: {broken}"));
        Streaming { head, connection, left: BytesMut::new() }
    }

    /// What goes over the wire.
    pub fn bytes(&self) -> Bytes {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("Host: {}\r\n", self.client.host));
        }
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = BytesMut::from(head.as_bytes());
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes.freeze()
    }
}

/// One connection, for exact bytes and for several requests.
pub struct Connection {
    reader: Reader,
}

impl Connection {
    /// Writes these bytes. A peer that has already closed is no error: what it said is still to be read.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let wire = self.reader.wire();
        let sent = async {
            let _ = wire.write_all(bytes.as_ref()).await;
            let _ = wire.flush().await;
        };
        within("the edge to take the request's bytes", sent).await;
    }

    /// The next response, to the end of its body.
    ///
    /// # Panics
    /// If it is broken in any way.
    pub async fn read(&mut self, method: &str) -> Seen {
        self.try_read(method).await.unwrap_or_else(|broken| panic!("the response to a {method}: {broken}"))
    }

    /// The same, for a response that should break.
    ///
    /// # Errors
    /// How it broke.
    pub async fn try_read(&mut self, method: &str) -> Result<Seen, Broken> {
        let whole = async {
            let mut seen = self.reader.head(method).await?;
            seen.body = self.reader.body().await?;
            Ok(seen)
        };
        within(format!("the response to a {method}"), whole).await
    }

    /// Sends `byte` again and again, `pause` apart, until the edge answers.
    pub async fn trickle(&mut self, byte: u8, pause: Duration) -> Seen {
        let answered = async {
            loop {
                match tokio::time::timeout(pause, self.try_read("GET")).await {
                    Ok(answer) => return answer,
                    Err(_) => self.send([byte]).await,
                }
            }
        };
        let answer = within("the edge to lose patience with a trickle", answered).await;
        answer.unwrap_or_else(|broken| panic!("the answer to a trickle: {broken}"))
    }

    /// The interim response that must come next.
    pub async fn interim(&mut self, status: u16) {
        let head = within(format!("a {status}"), self.reader.any_head()).await;
        let head = head.unwrap_or_else(|broken| panic!("a {status} should come: {broken}"));
        assert_eq!(head.status, status, "{head:?}");
    }

    /// Until the edge closes the connection, with nothing more said.
    pub async fn closed(&mut self) {
        assert!(
            within("the edge to close the connection", self.reader.ended()).await,
            "it said something more"
        );
    }
}

/// A response whose head has come and whose body is read as it comes.
pub struct Streaming {
    /// Status and fields; the body is empty.
    pub head: Seen,
    connection: Connection,
    left: BytesMut,
}

impl Streaming {
    /// The next `n` bytes of the body, as soon as they are there.
    ///
    /// # Panics
    /// If the body ends or breaks before that.
    pub async fn read(&mut self, n: usize) -> String {
        let fill = async {
            while self.left.len() < n {
                match self.connection.reader.piece().await {
                    Ok(Some(piece)) => self.left.extend_from_slice(&piece),
                    Ok(None) => panic!("the body ended after {:?}, {n} bytes wanted", self.left),
                    Err(broken) => panic!("{broken}, {n} bytes wanted"),
                }
            }
        };
        within(format!("{n} bytes of a body"), fill).await;
        String::from_utf8_lossy(&self.left.split_to(n)).into_owned()
    }

    /// The rest of the body.
    ///
    /// # Errors
    /// How it broke; the bytes are those after what was read.
    pub async fn rest(mut self) -> Result<String, Broken> {
        let rest = within("the rest of a body", self.connection.reader.body()).await?;
        self.left.extend_from_slice(&rest);
        Ok(String::from_utf8_lossy(&self.left).into_owned())
    }
}
