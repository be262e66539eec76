//! The server of a test, and a bystander on it who must notice nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use moorline_faults::raw::{Came, Raw};
use moorline_faults::server::{Server, Site};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// The bystander's answers come in this time, on a busy machine too.
const PROMPT: Duration = Duration::from_secs(5);
/// What the server may grow by, whatever is thrown at it.
const GROWTH_KIB: u64 = 64 * 1024;

/// A server with ann, bob and the bystander in `hall`, and `secret`, where none of them is.
pub(super) struct Ground {
    pub(super) server: Server,
    pub(super) site: Site,
    resident_kib: u64,
    over: Arc<AtomicBool>,
    bystander: JoinHandle<(u32, Duration)>,
    _folder: TempDir,
}

impl Ground {
    pub(super) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// A server with these further arguments.
    pub(super) async fn with(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut site = Site::new(folder.path()).unwrap();
        site.args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let server = site.start().await.unwrap();
        for user in ["ann", "bob", "cem", "canary"] {
            let name = json!({"name":user});
            server.api("PUT", &format!("/api/v1/users/{user}"), Some(name)).await.unwrap();
        }
        for (id, members) in [("hall", vec!["ann", "bob", "canary"]), ("secret", vec!["cem"])] {
            let room = json!({"id":id,"kind":"group","name":id,"members":members});
            server.api("POST", "/api/v1/rooms", Some(room)).await.unwrap();
        }
        let over = Arc::new(AtomicBool::new(false));
        let socket = Raw::welcome(site.address, "canary").await.unwrap();
        let bystander = tokio::spawn(stand_by(socket, Arc::clone(&over)));
        let resident_kib = server.resident_kib().unwrap();
        Self { server, site, resident_kib, over, bystander, _folder: folder }
    }

    /// A person's connection after the welcome.
    pub(super) async fn person(&self, name: &str) -> Raw {
        Raw::welcome(self.site.address, name).await.unwrap()
    }

    /// The server is up, the bystander noticed nothing, memory is bounded.
    pub(super) async fn stayed_calm(mut self) {
        assert!(self.server.is_running().unwrap(), "the server is gone");
        self.over.store(true, Ordering::Relaxed);
        let (sends, slowest) = self.bystander.await.unwrap();
        assert!(sends > 0, "the bystander never sent");
        assert!(slowest < PROMPT, "the bystander waited {slowest:?}");
        let grown = self.server.resident_kib().unwrap().saturating_sub(self.resident_kib);
        assert!(grown < GROWTH_KIB, "the server grew by {grown} KiB");
    }
}

/// Sends twenty times a second and counts how long the slowest answer took.
async fn stand_by(mut socket: Raw, over: Arc<AtomicBool>) -> (u32, Duration) {
    let (mut sends, mut slowest) = (0, Duration::ZERO);
    while !over.load(Ordering::Relaxed) || sends == 0 {
        let cid = Uuid::now_v7().to_string();
        let began = Instant::now();
        let answer = socket
            .ask(&json!({"type":"send","id":1,"room":"hall","cid":cid,"body":"still here"}))
            .await
            .expect("the bystander lost its connection");
        assert!(matches!(&answer, Came::Frame(frame) if frame["type"] == "ack"), "{answer:?}");
        sends += 1;
        slowest = slowest.max(began.elapsed());
        sleep(Duration::from_millis(50)).await;
    }
    (sends, slowest)
}
