//! A small HTTP server on loopback, one thread for each connection: the receiver of deliveries, and the exporter that
//! Prometheus scrapes.

use std::{
    io::{self, BufReader, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

use super::{
    http::{Headers, read_body, read_head},
    wait_for,
};

/// Longest wait for the requests of a client that is gone.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// One request, read whole.
pub(crate) struct Request {
    /// Its path and query.
    pub(crate) path: String,
    /// Its headers.
    pub(crate) headers: Headers,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

/// What is done about it.
pub(crate) enum Reply {
    /// An answer with this status and text.
    Status(u16, String),
    /// No answer: the connection is closed.
    HangUp,
    /// No answer: the connection stays open for as long as the client waits.
    Hang,
    /// An answer whose body comes a byte a second, for as long as the client waits.
    Drip,
}

/// A running server; it stops taking connections when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    open: Arc<AtomicUsize>,
}

impl Server {
    /// Serves `respond` on a free port.
    pub(crate) fn start(respond: impl Fn(Request) -> Reply + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
        let address = listener.local_addr()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let open = Arc::new(AtomicUsize::new(0));
        let (flag, count, respond) = (Arc::clone(&stopped), Arc::clone(&open), Arc::new(respond));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if flag.load(Ordering::Relaxed) {
                    return;
                }
                let (respond, count) = (Arc::clone(&respond), Arc::clone(&count));
                count.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    // A connection that breaks is the client's loss; the client is what is tested.
                    drop(serve(stream, &*respond));
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Ok(Self { address, stopped, open })
    }

    /// Waits until all that a client sent before it died has been seen to: its last words must not be taken for those of
    /// the one that comes after it.
    pub(crate) fn settle(&self) -> Result<()> {
        // Connections are accepted in their order, so once this one is over all before it are counted.
        let mut last = TcpStream::connect(self.address)?;
        last.shutdown(Shutdown::Write)?;
        io::copy(&mut last, &mut io::sink())?;
        wait_for("the last requests of a dead client to be seen to", SETTLED_WITHIN, || {
            Ok((self.open.load(Ordering::SeqCst) == 0).then_some(()))
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection, so that it sees the flag.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(stream: TcpStream, respond: &(impl Fn(Request) -> Reply + ?Sized)) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some((first, headers)) = read_head(&mut stream)? {
        let body = read_body(&mut stream, &headers)?;
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        match respond(Request { path, headers, body }) {
            Reply::HangUp => return Ok(()),
            Reply::Hang => return io::copy(&mut stream, &mut io::sink()).map(drop),
            Reply::Drip => return drip(stream.get_mut()),
            Reply::Status(status, text) => {
                let answer = format!(
                    "HTTP/1.1 {status} .\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{text}",
                    text.len()
                );
                stream.get_mut().write_all(answer.as_bytes())?;
            }
        }
    }
    Ok(())
}

/// Ends with the error of writing to a client that has left.
fn drip(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 .\r\ncontent-type: text/plain\r\ncontent-length: 1000000\r\n\r\n")?;
    loop {
        stream.write_all(b".")?;
        thread::sleep(Duration::from_secs(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand::http::{Connection, request};

    #[test]
    fn it_answers_and_hangs_up_as_told() {
        let server = Server::start(|request| match request.body.as_slice() {
            b"go" => Reply::HangUp,
            body => Reply::Status(202, format!("{} bytes", body.len())),
        })
        .unwrap();
        let mut connection = Connection::open(server.address()).unwrap();
        for _ in 0..2 {
            let answer = connection.exchange(&request("POST", "/", &[], b"stay")).unwrap();
            assert_eq!((answer.status, answer.body.as_slice()), (202, &b"4 bytes"[..]));
        }
        assert!(connection.exchange(&request("POST", "/", &[], b"go")).is_err());
    }
}
