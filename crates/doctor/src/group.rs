//! What checks belong to: the headings of the report and the words of `--only`.

use serde::Serialize;

/// What a check belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// The settings.
    Config,
    /// A person's token.
    Token,
    /// This machine.
    System,
    /// Where messages are kept.
    Store,
    /// The channel layer over Redis.
    Redis,
    /// What people reach.
    Web,
}

impl Group {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::Config, Self::Token, Self::System, Self::Store, Self::Redis, Self::Web];

    /// The word for `--only` and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Token => "token",
            Self::System => "system",
            Self::Store => "store",
            Self::Redis => "redis",
            Self::Web => "web",
        }
    }

    /// The heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Config => "Settings",
            Self::Token => "Token",
            Self::System => "This machine",
            Self::Store => "Store",
            Self::Redis => "Redis",
            Self::Web => "From outside",
        }
    }
}
