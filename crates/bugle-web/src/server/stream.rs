//! A TCP stream with three manners that hyper's connections lack.
//!
//! - Until it is clear which protocol is spoken, hyper waits for bytes without a limit; here the first ones have one.
//! - A refusal is often written while the caller still sends its body. Closing then makes the kernel reset the
//!   connection, and the caller never sees why it was refused. Here closing reads on for a moment and throws away.
//! - Who asks and never reads the answers holds a connection for ever; here a write that gets nowhere has a limit.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

/// The length of HTTP/2's preface: past it the protocol is known, and hyper's own time limits hold.
const PROTOCOL_KNOWN_BYTES: usize = 24;
/// How long a closing connection is still read from.
const LINGER_TIME_MAX: Duration = Duration::from_secs(2);
/// How much of it.
const LINGER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A TCP stream whose first bytes must come in time, and which closes gently.
#[derive(Debug)]
pub(super) struct BoundedStream {
    inner: TcpStream,
    /// Until the protocol is known: bytes read so far, and until when they must come.
    opening: Option<(usize, Pin<Box<Sleep>>)>,
    /// Once our half is closed: bytes thrown away, and until when.
    lingering: Option<(usize, Pin<Box<Sleep>>)>,
    /// While the peer takes nothing: until when it must.
    stalled: Option<Pin<Box<Sleep>>>,
    peer_time_max: Duration,
}

impl BoundedStream {
    /// `peer_time_max` bounds the wait for the first bytes, and for the peer to take what is written.
    pub(super) fn new(inner: TcpStream, peer_time_max: Duration) -> Self {
        let opening = Some((0, after(peer_time_max)));
        Self { inner, opening, lingering: None, stalled: None, peer_time_max }
    }

    /// Passes a write's outcome on, unless the peer has taken nothing for too long.
    fn bound_write(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.opening = None;
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let limit = self.peer_time_max;
        ready!(self.stalled.get_or_insert_with(|| after(limit)).as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

fn after(time: Duration) -> Pin<Box<Sleep>> {
    Box::pin(sleep_until(Instant::now() + time))
}

impl AsyncRead for BoundedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        let Some((read, deadline)) = &mut this.opening else { return polled };
        if polled.is_pending() {
            ready!(deadline.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        *read += buf.filled().len() - before;
        if *read >= PROTOCOL_KNOWN_BYTES {
            this.opening = None;
        }
        polled
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.bound_write(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.bound_write(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
        }
        let (thrown_away, deadline) = this.lingering.get_or_insert_with(|| (0, after(LINGER_TIME_MAX)));
        let mut scratch = [0; 16 * 1024];
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut this.inner).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if buf.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => *thrown_away += buf.filled().len(),
                Poll::Ready(Err(_)) => return Poll::Ready(Ok(())),
                Poll::Pending => return deadline.as_mut().poll(cx).map(Ok),
            }
            if *thrown_away > LINGER_BYTES_MAX || deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
