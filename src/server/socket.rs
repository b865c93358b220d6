//! Listening sockets: shared by the workers of this process, and by nobody else.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// The kernel cuts it down to net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// Who may connect to a unix socket: the server's user and its group.
const MODE: u32 = 0o660;

/// So many sockets that listen on `addr`, which the kernel spreads connections over, and the address with the port that
/// port 0 became.
///
/// SO_REUSEPORT would let every process of the same user join in, and a second server would silently get half of the
/// connections. So the first socket is bound and listens without it, which fails if anybody listens there, and only
/// then lets the others in. A start while it already listens fails the same way.
///
/// # Errors
/// As bind(2) and listen(2): above all, that the address is in use.
pub fn tcp(addr: SocketAddr, count: usize) -> io::Result<(Vec<std::net::TcpListener>, SocketAddr)> {
    let first = tcp_socket(addr)?;
    listen(&first, addr)?;
    first.set_reuse_port(true)?;
    let first = std::net::TcpListener::from(first);
    let addr = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..count {
        let socket = tcp_socket(addr)?;
        socket.set_reuse_port(true)?;
        listen(&socket, addr)?;
        sockets.push(socket.into());
    }
    Ok((sockets, addr))
}

fn tcp_socket(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() && addr.ip().is_unspecified() {
        // `[::]` is every address, IPv4 too, whatever the system's default.
        socket.set_only_v6(false)?;
    }
    // Connections of a server that has ended must not keep the next one from listening.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn listen(socket: &Socket, addr: SocketAddr) -> io::Result<()> {
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)
}

/// A unix socket at `path`, for the server's user and group. A socket file that nobody listens on any more is left from
/// a crash, and replaced; one that somebody listens on is theirs, and what is no socket is left alone.
///
/// # Errors
/// As bind(2), listen(2) and chmod(2): above all, that the address is in use.
pub fn unix(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    let address = SockAddr::unix(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path, &address)? => {
            std::fs::remove_file(path)?;
            socket.bind(&address)?;
        }
        bound => bound?,
    }
    // Before listen(2) nobody can connect, so nobody has got in by the mode that the umask left.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Whether `path` is a socket that nobody listens on.
fn is_stale(path: &Path, address: &SockAddr) -> io::Result<bool> {
    // A connection to a file that is no socket is refused as well.
    if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
        return Ok(false);
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // With a full backlog it would wait.
    probe.set_nonblocking(true)?;
    Ok(matches!(probe.connect(address), Err(error) if error.kind() == io::ErrorKind::ConnectionRefused))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    fn accept_all(listener: &TcpListener) -> Vec<TcpStream> {
        std::iter::from_fn(|| listener.accept().ok()).map(|(stream, _)| stream).collect()
    }

    #[test]
    fn connections_are_spread_over_the_sockets() {
        let (sockets, addr) = tcp(ANY_PORT, 2).unwrap();
        let clients: Vec<_> = (0..64).map(|_| TcpStream::connect(addr).unwrap()).collect();
        let accepted: Vec<_> = sockets.iter().map(|socket| accept_all(socket).len()).collect();
        assert_eq!(accepted.iter().sum::<usize>(), clients.len());
        assert!(accepted.iter().all(|&count| count > 0), "{accepted:?}");
    }

    #[test]
    fn nobody_else_gets_in() {
        let (sockets, addr) = tcp(ANY_PORT, 2).unwrap();
        let error = tcp(addr, 2).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let _client = TcpStream::connect(addr).unwrap();
        let accepted: Vec<_> = sockets.iter().flat_map(accept_all).collect();
        assert_eq!(accepted.len(), 1);
        drop(sockets);
        tcp(addr, 2).expect("a connection that is left is in nobody's way");
    }

    #[test]
    fn a_unix_socket_is_for_user_and_group_and_replaces_only_a_stale_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let live = unix(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(unix(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse, "somebody listens");
        drop(live);
        let again = unix(&path).expect("nobody listens");
        std::os::unix::net::UnixStream::connect(&path).unwrap();
        again.accept().unwrap();

        let file = folder.path().join("file");
        std::fs::write(&file, "precious").unwrap();
        assert_eq!(unix(&file).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    }
}
