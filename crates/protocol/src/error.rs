//! The closed list of errors. The codes are stable; the texts may improve.

use serde::{Deserialize, Serialize};

macro_rules! error_codes {
    ($($(#[$attribute:meta])* $name:ident $retry:literal $status:literal $text:literal;)+) => {
        /// Why something was refused. `docs/protocol.md` lists them for clients.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode {
            $(#[doc = $text] $(#[$attribute])* $name,)+
        }

        impl ErrorCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Whether the same command may succeed later, unchanged.
            #[must_use]
            pub fn is_retryable(self) -> bool {
                match self { $(Self::$name => $retry,)+ }
            }

            /// The HTTP status that carries this code (RFC 9110 section 15).
            #[must_use]
            pub fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// What a person reads where nothing more precise is known.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

error_codes! {
    BadJson false 400 "This is not a JSON object in UTF-8 text.";
    UnknownType false 400 "There is no command of this type.";
    Invalid false 400 "A field of the command is missing or not allowed.";
    TooLarge false 413 "This is longer than the limit allows.";
    TooDeep false 400 "The JSON is nested deeper than 32 levels.";
    HelloFirst false 400 "The first command of a connection must be hello.";
    AlreadyHello false 400 "This connection has said hello already.";
    TokenRefused false 401 "The token or the session is not valid. Sign in again.";
    // The SDK needs no tickets: it reads streams by `fetch`.
    #[cfg_attr(feature = "schema", ts(skip))]
    TicketRefused false 401 "The ticket was used, has expired or is none. Ask for a new one.";
    NotFound false 404 "There is no such room or message.";
    Forbidden false 403 "Your role in this room does not allow this.";
    CidConflict false 409 "This cid was used for another command already.";
    Deleted false 410 "The message is deleted.";
    TooManyRooms false 409 "A person can be in at most 5000 rooms.";
    TooManyMembers false 409 "The room is full.";
    RateLimited true 429 "Too many commands. Wait a moment.";
    Overloaded true 503 "The server has too much to do. Wait a moment.";
    Unavailable true 503 "The store is not available. Nothing is lost; try again.";
    StorageFull true 507 "The server's disk is full. Nothing is lost; try again later.";
    Draining true 503 "The server is about to restart. Try again in a moment.";
    Internal true 500 "Something failed inside the server. Try again.";
    Unauthorized false 401 "Sign in first, or send a valid API key.";
    BadOrigin false 403 "Requests from this origin are not allowed.";
    NameTaken false 409 "This name is taken.";
    SignupClosed false 403 "Sign-up is closed on this server.";
    BadCredentials false 401 "The name or the password is wrong.";
    Erased false 410 "This person was erased. The id is not given out again.";
    Conflict false 409 "Something else exists under this id already.";
    MethodNotAllowed false 405 "This method is not allowed here.";
    UnsupportedMediaType false 415 "The body must be application/json.";
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The wire's word is serde's; a unit variant always serialises.
        Serialize::serialize(self, f)
    }
}
