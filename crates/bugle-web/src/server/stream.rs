//! A TCP stream with two manners that hyper's connections lack.
//!
//! - Until it is clear which protocol is spoken, hyper waits for bytes without a limit; here the first ones have one.
//! - A refusal is often written while the caller still sends its body. Closing then makes the kernel reset the
//!   connection, and the caller never sees why it was refused. Here closing reads on for a moment and throws away.

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
}

impl BoundedStream {
    pub(super) fn new(inner: TcpStream, first_bytes_time_max: Duration) -> Self {
        let opening = Some((0, Box::pin(sleep_until(Instant::now() + first_bytes_time_max))));
        Self { inner, opening, lingering: None }
    }
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
        self.opening = None;
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.opening = None;
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
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
        let (thrown_away, deadline) = this
            .lingering
            .get_or_insert_with(|| (0, Box::pin(sleep_until(Instant::now() + LINGER_TIME_MAX))));
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
