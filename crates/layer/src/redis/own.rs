//! A connection of one task, on which commands may block and subscriptions arrive.
//!
//! The readers of the core layer and the subscriber of the Pub/Sub layer have one each. The task that owns it reads and
//! writes it itself, so that nothing stands between a message and whoever hands it on. It never connects again.

use std::time::Duration;

use redis::{Cmd, Value};
use tokio::io::AsyncWriteExt as _;

use crate::redis::connect::{BoxedStream, Failure};
use crate::redis::link::explain;
use crate::redis::resp::{self, Frames, Part};

/// The connection, logged in; it ends when dropped.
pub(crate) struct OwnConnection {
    stream: BoxedStream,
    frames: Frames,
    written: Vec<u8>,
}

impl OwnConnection {
    pub(crate) fn new(stream: BoxedStream) -> Self {
        Self { stream, frames: Frames::default(), written: Vec::new() }
    }

    /// The reply, if it comes within this time; a connection that stays silent longer is dead. After an error, or if
    /// this is dropped before it is ready, the connection is of no use any more.
    pub(crate) async fn command(
        &mut self,
        command: &Cmd,
        within: Duration,
    ) -> Result<Value, Failure> {
        let reply = tokio::time::timeout(within, self.ask(command));
        let reply = reply.await.map_err(|_| Failure::network("it stays silent"))??;
        match reply {
            Value::ServerError(error) => Err(Failure::network(explain(&error.into()))),
            reply => Ok(reply),
        }
    }

    async fn ask(&mut self, command: &Cmd) -> Result<Value, Failure> {
        self.write(command).await?;
        loop {
            if let Some(frame) = self.frames.next().map_err(Failure::network)? {
                return resp::value(frame).map_err(Failure::network);
            }
            self.fill().await?;
        }
    }

    /// Sends a command whose reply [`next`](Self::next) will give.
    pub(crate) async fn write(&mut self, command: &Cmd) -> Result<(), Failure> {
        self.written.clear();
        command.write_packed_command(&mut self.written);
        self.stream.write_all(&self.written).await.map_err(Failure::network)?;
        self.stream.flush().await.map_err(Failure::network)
    }

    /// Waits until something arrives. Cancel-safe.
    pub(crate) async fn fill(&mut self) -> Result<(), Failure> {
        self.frames.fill(&mut self.stream).await.map_err(Failure::network)
    }

    /// The parts of the next reply or message that has arrived as a whole.
    pub(crate) fn next(&mut self) -> Result<Option<impl Iterator<Item = Part<'_>>>, Failure> {
        Ok(self.frames.next().map_err(Failure::network)?.map(resp::parts))
    }
}
