//! What keeps a layer from its Redis now, for those who show how a program is. Nothing waits here and nothing is logged.

/// A host that cannot be used now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The host, its password masked.
    pub host: String,
    /// Why, in one word for programs.
    pub cause: Cause,
    /// Why, and what to do about it where that is known.
    pub why: String,
}

/// Why a host cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// It asks for a password and none is given.
    PasswordMissing,
    /// It refuses the user name or the password.
    PasswordWrong,
    /// It answers and refuses the login for another reason, or is no Redis: waiting does not help.
    Refused,
    /// It does not answer, or is not ready yet.
    Unreachable,
}

impl Cause {
    /// The word for it, as in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PasswordMissing => "password_missing",
            Self::PasswordWrong => "password_wrong",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
        }
    }
}
