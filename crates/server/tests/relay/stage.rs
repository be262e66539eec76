//! A server with one relay over a layer in memory, and what stands at its two ends.

use std::sync::Arc;
use std::time::Duration;

use moorline_chat::{Chat, Directory, now_ms};
use moorline_layer::{ChannelLayer, Message, Options};
use moorline_protocol::api::TokenClaims;
use moorline_server::auth::{Authenticator, cookie::SessionToken, jwt};
use moorline_server::relay::{FromBrowser, RelayCounts, RelayRule, RelaySettings, Template};
use moorline_server::{Metrics, Origins};
use moorline_store::{NewSession, Store, StoreConfig};
use tempfile::TempDir;

use crate::layered::{Layered, SOON, Socket, memory};

const SECRET: &str = "a secret of the tests, long enough";
pub(crate) const PAGE: (&str, &str) = ("origin", "http://django.example:8001");

/// `/ws/chat/{room}/ group=chat_{room} types=chat.message echo=chat.message anonymous=yes`, as a beginning.
pub(crate) fn tutorial() -> RelayRule {
    RelayRule {
        path: "/ws/chat/{room}/".into(),
        groups: vec![Template::parse("chat_{room}").unwrap()],
        room: None,
        types: vec!["chat.message".into()],
        from_browser: FromBrowser::Echo {
            kind: "chat.message".into(),
            fields: vec!["message".into()],
        },
        keeps_type: false,
        anonymous: true,
    }
}

/// The same with a worker behind it.
pub(crate) fn with_inbox() -> RelayRule {
    let inbox = FromBrowser::Inbox { channel: "chat.inbox".into(), lifecycle: false };
    RelayRule { from_browser: inbox, ..tutorial() }
}

/// The same, whose worker hears of each socket's beginning and end.
pub(crate) fn with_lifecycle() -> RelayRule {
    let inbox = FromBrowser::Inbox { channel: "chat.inbox".into(), lifecycle: true };
    RelayRule { from_browser: inbox, ..tutorial() }
}

pub(crate) struct Stage {
    pub(crate) server: Layered,
    pub(crate) chat: Arc<Chat>,
    _folder: TempDir,
}

impl Stage {
    pub(crate) async fn start(rule: RelayRule) -> Self {
        Self::start_with(rule, false, Options::default()).await
    }

    pub(crate) async fn start_with(
        rule: RelayRule,
        limit_loopback: bool,
        options: Options,
    ) -> Self {
        Self::start_on(rule, limit_loopback, memory(options)).await
    }

    /// On a layer over Redis, for example.
    pub(crate) async fn start_on(
        rule: RelayRule,
        limit_loopback: bool,
        layer: ChannelLayer,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, commits) = Store::open(StoreConfig::new(folder.path())).unwrap();
        let (chat, _) = Chat::start(store.clone(), commits, Directory::All, None);
        let (counts, metrics) = (Arc::new(RelayCounts::default()), Arc::new(Metrics::new()));
        counts.register(&metrics);
        let settings = RelaySettings {
            layer: layer.clone(),
            chat: Arc::clone(&chat),
            auth: Arc::new(Authenticator::new(store, Some(SECRET))),
            origins: Origins::Listed(vec![PAGE.1.to_owned()]),
            message_bytes: moorline_server::DEFAULT_MESSAGE_BYTES,
            limit_loopback,
            counts,
        };
        let server = Layered::start_on(layer, settings.route(rule), metrics).await;
        Self { server, chat, _folder: folder }
    }

    /// A page's socket, of nobody in particular.
    pub(crate) async fn page(&self, path: &str) -> Socket {
        self.server.try_socket(path, &[PAGE]).await.unwrap()
    }

    /// A page's socket with a session's cookie.
    pub(crate) async fn page_of(&self, user: &str, path: &str) -> Socket {
        let cookie = self.cookie(user).await;
        self.server.try_socket(path, &[PAGE, ("cookie", &cookie)]).await.unwrap()
    }

    pub(crate) async fn cookie(&self, user: &str) -> String {
        let (token, at_ms) = (SessionToken::random(), now_ms());
        self.chat.store().put_user(user.parse().unwrap(), user.into(), at_ms).await.unwrap();
        let session = NewSession {
            token_hash: token.hash(),
            user: user.parse().unwrap(),
            device: None,
            at_ms,
            expires_ms: at_ms + 60_000,
        };
        self.chat.store().add_session(session).await.unwrap();
        token.set_cookie(false).split(';').next().unwrap().to_owned()
    }

    /// A token that ends at this second from now; the leeway of 30 s comes on top.
    pub(crate) fn token(&self, user: &str, ends_in: i64) -> String {
        self.token_for(user, ends_in, &[])
    }

    /// The same with rooms in it.
    pub(crate) fn token_for(&self, user: &str, ends_in: i64, rooms: &[&str]) -> String {
        let now = now_ms() / 1_000;
        let claims = TokenClaims {
            sub: user.into(),
            exp: now.checked_add_signed(ends_in).unwrap(),
            iat: Some(now - 60),
            nbf: None,
            name: None,
            rooms: Some(rooms.iter().map(|room| room.parse().unwrap()).collect()),
        };
        jwt::sign(&claims, SECRET.as_bytes()).unwrap()
    }

    /// What Django's `group_send` does.
    pub(crate) async fn group_send(&self, group: &str, message: Message) {
        self.server.layer.group_send(group, &message).await.unwrap();
    }

    /// What a worker on this channel receives next.
    pub(crate) async fn worker_gets(&self, channel: &str) -> Message {
        self.server.layer.receive_within(channel, SOON).await.unwrap().expect("a message")
    }

    /// Waits until nobody is in a group any more.
    pub(crate) async fn is_left(&self, group: &str) {
        let until = tokio::time::Instant::now() + SOON;
        loop {
            let before = self.server.layer.counters().sent;
            self.group_send(group, Message::of_type("unknown")).await;
            if self.server.layer.counters().sent == before {
                return;
            }
            assert!(tokio::time::Instant::now() < until, "somebody stays in {group}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
