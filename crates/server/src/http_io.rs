//! A socket while it speaks HTTP: watches what hyper does not tell and gives up on peers that stop reading.
//!
//! hyper resolves a request with both `Content-Length` and `Transfer-Encoding` silently. Such a request is how one
//! request is smuggled past a proxy inside another, so it must be refused; hence the lines are looked at here.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Sleep, sleep, timeout};

use crate::websocket::Socket;

/// How long an answer may wait for the peer to read on.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the end of an HTTP connection waits for the peer to end its side, so that it can read the last answer.
const LINGER: Duration = Duration::from_secs(1);

const CONTENT_LENGTH: &[u8] = b"content-length";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";

/// Lets the peer read the last answer: an end with unread bytes would reset the socket and take the answer with it.
pub(crate) async fn linger(mut socket: Socket) {
    let ended = async {
        socket.shutdown().await?;
        let mut scrap = [0; 4096];
        while socket.read(&mut scrap).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = timeout(LINGER, ended).await;
}

/// The framing headers that were seen since the last request was handed to the service.
#[derive(Clone, Default)]
pub(crate) struct Framing(Arc<AtomicU8>);

impl Framing {
    const LENGTH: u8 = 1;
    const ENCODING: u8 = 2;

    fn saw(&self, name: &[u8]) {
        let mark = match name {
            CONTENT_LENGTH => Self::LENGTH,
            TRANSFER_ENCODING => Self::ENCODING,
            _ => return,
        };
        self.0.fetch_or(mark, Ordering::Relaxed);
    }

    /// Whether the request at hand is framed in two ways. Requests sent in one go with it share its fate.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.0.swap(0, Ordering::Relaxed) == Self::LENGTH | Self::ENCODING
    }
}

/// The beginning of the line that is being read.
#[derive(Default)]
struct Line {
    name: [u8; TRANSFER_ENCODING.len()],
    /// Length of the name so far; longer than the array once it cannot be one of ours.
    len: usize,
}

impl Line {
    fn scan(&mut self, bytes: &[u8], framing: &Framing) {
        for &byte in bytes {
            match byte {
                b'\n' => self.len = 0,
                b':' if self.len <= self.name.len() => {
                    framing.saw(&self.name[..self.len]);
                    self.len = usize::MAX;
                }
                b' ' | b'\t' | b'\r' => {}
                _ => {
                    if let Some(place) = self.name.get_mut(self.len) {
                        *place = byte.to_ascii_lowercase();
                    }
                    self.len = self.len.saturating_add(1);
                }
            }
        }
    }
}

/// A socket under hyper.
pub(crate) struct HttpIo {
    socket: Socket,
    line: Line,
    framing: Framing,
    stall: Option<Pin<Box<Sleep>>>,
}

impl HttpIo {
    pub(crate) fn new(socket: Socket, framing: Framing) -> Self {
        Self { socket, line: Line::default(), framing, stall: None }
    }

    pub(crate) fn into_socket(self) -> Socket {
        self.socket
    }

    /// Fails a write that has waited for too long.
    fn watch(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(WRITE_TIMEOUT)));
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for HttpIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, buffer))?;
        this.line.scan(&buffer.filled()[before..], &this.framing);
        Poll::Ready(Ok(()))
    }
}

/// Without vectored writes: an answer's head and body leave in one plain write, which is cheaper for the small answers
/// that a handshake and the API have.
impl AsyncWrite for HttpIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(cx, bytes);
        this.watch(cx, written)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_framed_in_two_ways_is_seen_in_any_pieces() {
        let two = "POST / HTTP/1.1\r\nContent-Length: 3\r\nX: transfer-encoding\r\n\
                   Transfer-Encoding : chunked\r\n\r\n";
        let one = "POST / HTTP/1.1\r\nContent-Length: 3\r\nX-Transfer-Encoding: chunked\r\n\r\n";
        for (request, ambiguous) in [(two, true), (one, false)] {
            for cut in 0..request.len() {
                let (framing, mut line) = (Framing::default(), Line::default());
                line.scan(&request.as_bytes()[..cut], &framing);
                line.scan(&request.as_bytes()[cut..], &framing);
                assert_eq!(framing.is_ambiguous(), ambiguous, "{cut}");
                assert!(!framing.is_ambiguous());
            }
        }
    }
}
