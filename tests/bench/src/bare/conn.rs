//! One connection of the bare server: the upgrade, the hello, and writing without waiting.

use std::io::{Read, Write};

use mio::net::TcpStream;

use crate::{frame, scan};

/// The answer to the key of RFC 6455's example, which is the one that the load sends.
const UPGRADE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n\
upgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A connection with what it has not read or written yet.
pub(super) struct Conn<S = TcpStream> {
    pub(super) stream: S,
    pub(super) upgraded: bool,
    pub(super) user: Vec<u8>,
    pub(super) rooms: Vec<usize>,
    /// The beginning of a frame whose end did not come yet.
    pub(super) rest: Vec<u8>,
    /// What the kernel did not take yet.
    pub(super) out: Vec<u8>,
}

impl<S: Read + Write> Conn<S> {
    pub(super) fn new(stream: S) -> Self {
        let (user, rooms, rest, out) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Conn { stream, upgraded: false, user, rooms, rest, out }
    }

    /// Answers the upgrade once it is there as a whole; how many bytes it took.
    pub(super) fn upgrade(&mut self, bytes: &[u8]) -> Option<usize> {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            self.rest.extend_from_slice(bytes);
            return None;
        };
        self.upgraded = true;
        self.write(UPGRADE);
        Some(end + 4)
    }

    /// Takes the name, and answers with as many bytes as the load asks for: as many as the
    /// product answers its hello with.
    pub(super) fn hello(&mut self, hello: &[u8]) {
        self.user = scan::text(hello, b"\"user\":\"").unwrap_or_default().to_vec();
        let wanted = scan::number(hello, b"\"reply\":").unwrap_or(0).min(1 << 20) as usize;
        let mut text = br#"{"type":"welcome","pad":""#.to_vec();
        text.resize(wanted.saturating_sub(2).max(text.len()), b'.');
        text.extend_from_slice(b"\"}");
        let mut out = Vec::new();
        frame::push_from_server(&mut out, frame::TEXT, &text);
        self.write(&out);
    }

    /// Writes at once what the kernel takes, and keeps the remainder in order.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if !self.out.is_empty() {
            self.out.extend_from_slice(bytes);
            return;
        }
        // A broken connection shows itself at the next read.
        let written = self.stream.write(bytes).unwrap_or(0);
        if written < bytes.len() {
            self.out.extend_from_slice(&bytes[written..]);
        }
    }

    /// Writes what was kept, as far as the kernel takes it.
    pub(super) fn flush(&mut self) {
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(written) if written > 0 => drop(self.out.drain(..written)),
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes at most `at_once` bytes a write, and none when that is 0.
    #[derive(Default)]
    struct Narrow {
        at_once: usize,
        taken: Vec<u8>,
    }

    impl Read for Narrow {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Ok(0)
        }
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.at_once == 0 {
                return Err(std::io::ErrorKind::WouldBlock.into());
            }
            let taken = bytes.len().min(self.at_once);
            self.taken.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_the_kernel_does_not_take_is_kept_in_order() {
        let mut conn = Conn::new(Narrow { at_once: 2, ..Narrow::default() });
        conn.write(b"abc");
        conn.stream.at_once = 0;
        conn.write(b"def");
        conn.flush();
        assert_eq!(conn.stream.taken, b"ab");
        conn.stream.at_once = 3;
        conn.flush();
        assert_eq!(conn.stream.taken, b"abcdef");
    }

    #[test]
    fn the_upgrade_waits_for_its_last_byte_and_leaves_what_follows() {
        let mut conn = Conn::new(Narrow { at_once: 999, ..Narrow::default() });
        assert_eq!(conn.upgrade(b"GET /ws HTTP/1.1\r\n"), None);
        assert_eq!(conn.rest, b"GET /ws HTTP/1.1\r\n");
        assert_eq!(conn.upgrade(b"GET /ws HTTP/1.1\r\n\r\nxy"), Some(20));
        assert!(conn.upgraded && conn.stream.taken.starts_with(b"HTTP/1.1 101 "));
    }

    #[test]
    fn hello_is_answered_with_as_many_bytes_as_asked_for() {
        let mut conn = Conn::new(Narrow { at_once: 9999, ..Narrow::default() });
        conn.hello(br#"{"type":"hello","user":"ann","rooms":"r1","reply":500}"#);
        assert_eq!(conn.user, b"ann");
        let (_, payload, _) = frame::next(&mut conn.stream.taken).unwrap();
        assert_eq!(payload.len(), 500);
    }
}
