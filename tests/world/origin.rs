//! A scripted origin: a real TCP server that answers by script, records what it gets, and fails the test on a surprise.

use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::BytesMut;
use parking_lot::Mutex;
use seawall::edge::clock::Clock;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use super::answer::Answer;
use super::gate::{Gate, within};
use super::received::{Fault, Received};

type Handler = Box<dyn FnMut(&Received) -> Answer + Send>;

/// A running origin; clones are the same one. A request meets the script first, then the handler of its path;
/// what meets neither is answered with 599 and fails the test when the world ends.
#[derive(Clone)]
pub struct Origin {
    shared: Arc<Shared>,
    address: SocketAddr,
}

struct Shared {
    clock: Clock,
    state: Mutex<State>,
    /// How many requests have come in; what tests wait on.
    requests: watch::Sender<usize>,
    dead: Gate,
}

#[derive(Default)]
struct State {
    script: VecDeque<(Expect, Answer)>,
    handlers: HashMap<String, Handler>,
    received: Vec<Received>,
    connections: usize,
    complaints: Vec<String>,
}

impl State {
    fn handler(&mut self, path: &str) -> Option<&mut Handler> {
        let name = if self.handlers.contains_key(path) { path } else { "*" };
        self.handlers.get_mut(name)
    }
}

/// What the next request must look like.
#[derive(Clone)]
pub struct Expect {
    method: &'static str,
    target: String,
    has: Vec<(String, String)>,
    lacks: Vec<String>,
}

impl Expect {
    /// A GET of exactly this target.
    pub fn get(target: &str) -> Self {
        Self::method("GET", target)
    }

    /// Another method.
    pub fn method(method: &'static str, target: &str) -> Self {
        Self { method, target: target.to_owned(), has: Vec::new(), lacks: Vec::new() }
    }

    /// With this field.
    pub fn has(mut self, name: &str, value: &str) -> Self {
        self.has.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without this field.
    pub fn lacks(mut self, name: &str) -> Self {
        self.lacks.push(name.to_owned());
        self
    }

    fn difference(&self, got: &Received) -> Option<String> {
        if got.method != self.method || got.target != self.target {
            let (method, target) = (self.method, &self.target);
            return Some(format!("expected {method} {target}, got {} {}", got.method, got.target));
        }
        for (name, value) in &self.has {
            let is = got.header(name);
            if is.as_deref() != Some(value) {
                return Some(format!("{} {}: expected {name}: {value}, got {is:?}", got.method, got.target));
            }
        }
        let unwanted = self.lacks.iter().find(|name| got.header(name).is_some())?;
        Some(format!("{} {}: {unwanted} should not be there:\n{}", got.method, got.target, got.head))
    }
}

impl Origin {
    /// Starts one on a free port.
    pub async fn start(clock: Clock) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (requests, dead) = (watch::Sender::new(0), Gate::new("the origin's death"));
        let shared = Arc::new(Shared { clock, state: Mutex::default(), requests, dead });
        let accepting = shared.clone();
        let accepting = async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepting.state.lock().connections += 1;
                tokio::spawn(until(accepting.dead.clone(), accepting.clone().converse(stream)));
            }
        };
        tokio::spawn(until(shared.dead.clone(), accepting));
        Self { shared, address }
    }

    /// Closes its port and all its connections, and waits until nobody answers there any more.
    pub async fn die(&self) {
        self.shared.dead.open();
        let refused = async { while TcpStream::connect(self.address).await.is_ok() {} };
        within("the origin to die", refused).await;
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next request in order must be `expect` and gets `answer`.
    pub fn then(&self, expect: Expect, answer: Answer) -> &Self {
        self.shared.state.lock().script.push_back((expect, answer));
        self
    }

    /// Every request of `path` (without query) that no script takes gets what `handler` says. `*` is any path
    /// that has no handler of its own.
    pub fn on(&self, path: &str, handler: impl FnMut(&Received) -> Answer + Send + 'static) -> &Self {
        self.shared.state.lock().handlers.insert(path.to_owned(), Box::new(handler));
        self
    }

    /// Every request of `path` gets the same answer.
    pub fn always(&self, path: &str, answer: Answer) -> &Self {
        self.on(path, move |_| answer.clone())
    }

    /// All requests so far, in order.
    pub fn received(&self) -> Vec<Received> {
        self.shared.state.lock().received.clone()
    }

    /// The latest request.
    pub fn last(&self) -> Received {
        self.shared.state.lock().received.last().cloned().expect("the origin got no request at all")
    }

    /// How many requests so far.
    pub fn count(&self) -> usize {
        self.shared.state.lock().received.len()
    }

    /// How many connections so far.
    pub fn connections(&self) -> usize {
        self.shared.state.lock().connections
    }

    /// Until `n` requests have come in all.
    pub async fn got(&self, n: usize) {
        let mut requests = self.shared.requests.subscribe();
        let arrived = requests.wait_for(|count| *count >= n);
        let _ = within(format!("request {n} at the origin"), arrived).await;
    }

    /// What went against the script, and what of it nobody asked for. Empty is good.
    pub fn complaints(&self) -> Vec<String> {
        let state = self.shared.state.lock();
        let left = state.script.iter().map(|(e, _)| format!("never asked for {} {}", e.method, e.target));
        state.complaints.iter().cloned().chain(left).collect()
    }
}

impl Shared {
    async fn converse(self: Arc<Self>, mut stream: TcpStream) {
        let mut buffer = BytesMut::new();
        loop {
            let received = match Received::read(&mut stream, &mut buffer).await {
                Ok(Some(received)) => received,
                Ok(None) | Err(Fault::BrokenOff) => return,
                Err(Fault::NoRequest(what)) => {
                    return self
                        .state
                        .lock()
                        .complaints
                        .push(format!("the edge sent what is no request: {what:?}"));
                }
            };
            let is_head = received.method == "HEAD";
            let answer = self.answer(received);
            if !answer.play(&mut stream, is_head, self.clock.now()).await {
                return;
            }
        }
    }

    fn answer(&self, received: Received) -> Answer {
        let mut state = self.state.lock();
        state.received.push(received.clone());
        let (answer, complaint) = match state.script.pop_front() {
            Some((expect, answer)) => match expect.difference(&received) {
                None => (answer, None),
                Some(difference) => (surprise(&difference), Some(difference)),
            },
            None => match state.handler(received.path()) {
                Some(handler) => (handler(&received), None),
                None => {
                    let what = format!("nothing is scripted for {} {}", received.method, received.target);
                    (surprise(&what), Some(what))
                }
            },
        };
        state.complaints.extend(complaint);
        let count = state.received.len();
        drop(state);
        self.requests.send_replace(count);
        answer
    }
}

/// Ends early when `gate` opens.
async fn until(gate: Gate, work: impl Future<Output = ()>) {
    tokio::select! {
        () = gate.passed() => {}
        () = work => {}
    }
}

fn surprise(what: &str) -> Answer {
    Answer::status(599).header("Cache-Control", "no-store").body(what)
}

/// A port that refuses connections for as long as this lives: bound, so that nobody else gets it, but not listening.
pub struct DeadMember {
    socket: TcpSocket,
}

impl DeadMember {
    /// On a free port.
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        Self { socket }
    }

    /// What refuses.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("bound")
    }
}
