//! What the server says of itself to clients, in `welcome` and to the sign-in page.

use moorline_chat::Chat;
use moorline_protocol::ServerInfo;

/// Name, version, and which parts do not work as they should now.
pub(crate) fn server_info(chat: &Chat) -> ServerInfo {
    ServerInfo {
        name: "moorline".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        degraded: chat.degraded(),
    }
}
