//! Close codes. Their range alone tells a client what to do (RFC 6455 section 7.4 leaves 4000 to 4999 to applications).

/// Why a WebSocket was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The work is done.
    pub const NORMAL: Self = Self(1000);
    /// The endpoint goes away.
    pub const GOING_AWAY: Self = Self(1001);
    /// Broken framing.
    pub const PROTOCOL: Self = Self(1002);
    /// Text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// Refused by policy.
    pub const POLICY: Self = Self(1008);
    /// A message over the limit.
    pub const TOO_BIG: Self = Self(1009);
    /// A consumer failed.
    pub const INTERNAL: Self = Self(1011);
    /// Drain: come back after `after_ms`.
    pub const RESTART: Self = Self(1012);
    /// The client broke this protocol; do not come back as you are.
    pub const BAD_CLIENT: Self = Self(4400);
    /// The token was refused or has expired: fetch one new token, then stop.
    pub const TOKEN: Self = Self(4401);
    /// Signed out or banned.
    pub const SIGNED_OUT: Self = Self(4403);
    /// Too much to do; come back with backoff.
    pub const OVERLOADED: Self = Self(4420);
    /// Too many commands or connections; come back with backoff.
    pub const TOO_MANY: Self = Self(4429);
    /// A slow reader without progress; come back at once and resume.
    pub const SLOW_READER: Self = Self(4440);
    /// Nothing was heard for `ping_timeout`; come back at once and resume.
    pub const PING_TIMEOUT: Self = Self(4441);
    /// Served elsewhere now; come back at once and resume.
    pub const MOVED: Self = Self(4442);

    /// Every code that the server sends, with its meaning.
    pub const ALL: &[(Self, &str)] = &[
        (Self::NORMAL, "the work is done"),
        (Self::GOING_AWAY, "the endpoint goes away"),
        (Self::PROTOCOL, "broken WebSocket framing"),
        (Self::INVALID_DATA, "text that is not UTF-8"),
        (Self::POLICY, "refused by policy"),
        (Self::TOO_BIG, "a message over the limit"),
        (Self::INTERNAL, "the server failed at this connection"),
        (Self::RESTART, "drain: come back after the goodbye's after_ms"),
        (Self::BAD_CLIENT, "the client broke this protocol"),
        (Self::TOKEN, "token refused or expired: fetch one new token, then stop"),
        (Self::SIGNED_OUT, "signed out or banned"),
        (Self::OVERLOADED, "the server has too much to do"),
        (Self::TOO_MANY, "too many commands or connections"),
        (Self::SLOW_READER, "a slow reader without progress"),
        (Self::PING_TIMEOUT, "nothing was heard for ping_timeout"),
        (Self::MOVED, "served elsewhere now"),
    ];

    /// Whether a client may come back as it is.
    #[must_use]
    pub fn may_reconnect(self) -> bool {
        !matches!(self.0, 1008 | 4400..=4419)
    }
}

impl std::fmt::Display for CloseCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}
