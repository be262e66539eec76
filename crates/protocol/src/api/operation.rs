//! The operations of the HTTP API: the one table from which the server mounts its routes and from which the OpenAPI
//! document is made (`examples/schema`), so that neither can have a route that the other does not know.
//!
//! It names method, path and purpose. What goes in and out of an operation stands in the generator; what it does, in
//! `moorline-server`.

/// The methods that the API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Changes nothing.
    Get,
    /// The same again is the same.
    Put,
    /// May make something.
    Post,
    /// Takes away.
    Delete,
}

impl Method {
    /// Every method of the API.
    pub const ALL: [Self; 4] = [Self::Get, Self::Put, Self::Post, Self::Delete];

    /// As a request's first line has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

macro_rules! operations {
    ($(#[doc = $doc:literal] $name:ident = $method:ident $path:literal;)+) => {
        /// One method on one path.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Operation { $(#[doc = $doc] $name,)+ }

        impl Operation {
            /// Every operation, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its method.
            #[must_use]
            pub const fn method(self) -> Method {
                match self { $(Self::$name => Method::$method,)+ }
            }

            /// Its path; `{name}` stands for one segment.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self { $(Self::$name => $path,)+ }
            }

            /// What it does, in a sentence.
            #[must_use]
            pub fn summary(self) -> &'static str {
                match self { $(Self::$name => $doc.trim_ascii(),)+ }
            }

            /// Its name in the OpenAPI document, from which generated clients name their functions.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }
        }
    };
}

operations! {
    /// Makes a person, or gives one another name.
    PutUser = Put "/api/v1/users/{id}";
    /// Erases a person for good; asked again, tells how it stands.
    EraseUser = Delete "/api/v1/users/{id}";
    /// All that is known of a person, as one streamed JSON object.
    ExportUser = Get "/api/v1/users/{id}/export";
    /// Signs a person out everywhere: sockets close with 4403 within 5 s, and older tokens are refused.
    RevokeSessions = Delete "/api/v1/users/{id}/sessions";
    /// Makes a room; the same again finds it.
    CreateRoom = Post "/api/v1/rooms";
    /// Makes a person a member of a room; a member already is no mistake.
    AddMember = Put "/api/v1/rooms/{id}/members/{user}";
    /// Takes a person out of a room.
    RemoveMember = Delete "/api/v1/rooms/{id}/members/{user}";
    /// Posts a message in a member's name; the same key again is stored once and answered with the first message.
    PostMessage = Post "/api/v1/rooms/{id}/messages";
    /// A piece of a room's log, in ascending order.
    ListEvents = Get "/api/v1/rooms/{id}/events";
    /// Tells the people of a room, or one person, something that is not stored.
    PostNotice = Post "/api/v1/notices";
    /// How long a room's events are kept; for a backend, and for the room's members.
    GetRetention = Get "/api/v1/rooms/{id}/retention";
    /// Says how long a room's events are kept, for a backend and for the room's owner; the same again changes nothing.
    PutRetention = Put "/api/v1/rooms/{id}/retention";
    /// Finds messages: for a backend in the name of `user`, for a signed-in person their own.
    Search = Get "/api/v1/search";
    /// What the server sends, as an event stream to be read by `fetch`: `welcome`, what was missed, live events.
    OpenStream = Post "/api/v1/stream";
    /// The same for `EventSource` and curl; each event's `id:` is all positions.
    GetStream = Get "/api/v1/stream";
    /// What a stream would bring, a page at a time: at once if there is something, else when there is, in at most 25 s.
    Poll = Post "/api/v1/poll";
    /// The same for curl; `id` beside the frames is the next `from`.
    GetPoll = Get "/api/v1/poll";
    /// Makes a ticket that opens one stream from a URL: good once, within 30 seconds, then together with the cookie that it brings.
    MakeTicket = Post "/api/v1/tickets";
    /// Carries out commands of the client protocol in their order, and answers each.
    CarryOut = Post "/api/v1/commands";
    /// Who is signed in, and what the server offers.
    GetSession = Get "/api/v1/session";
    /// Makes an account and signs it in by a cookie.
    SignUp = Post "/api/v1/signup";
    /// Signs in by a cookie.
    Login = Post "/api/v1/login";
    /// Ends the session; its sockets close with 4403. Nobody signed in is no mistake.
    Logout = Post "/api/v1/logout";
    /// Where one is signed in.
    ListSessions = Get "/api/v1/sessions";
    /// Ends one of one's own sessions.
    RevokeSession = Delete "/api/v1/sessions/{id}";
    /// Gives oneself another name; open windows hear of it.
    PutProfile = Put "/api/v1/profile";
    /// All that is known of oneself, as a file.
    Export = Get "/api/v1/export";
    /// Makes an invitation, where sign-up is by invitation.
    CreateInvite = Post "/api/v1/invites";
    /// The documentation of this API, as a page.
    Docs = Get "/api/docs";
    /// How the documentation's page looks.
    DocsStyle = Get "/api/docs/style.css";
    /// This API as an OpenAPI 3.1 document.
    OpenApi = Get "/api/docs/openapi.json";
    /// The frames of the client protocol as an AsyncAPI 3 document.
    AsyncApi = Get "/api/docs/asyncapi.json";
    /// Whether the process lives.
    Livez = Get "/livez";
    /// Whether the server wants new work, and what does not work as it should.
    Readyz = Get "/readyz";
    /// What the server counts, in OpenMetrics' text form; for peers on the same machine, or on the address of `--metrics-bind` alone.
    Metrics = Get "/metrics";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_operations_share_a_name_or_a_method_and_path() {
        let names: BTreeSet<_> = Operation::ALL.iter().map(|operation| operation.name()).collect();
        let places: BTreeSet<_> =
            Operation::ALL.iter().map(|one| (one.method().as_str(), one.path())).collect();
        assert_eq!((names.len(), places.len()), (Operation::ALL.len(), Operation::ALL.len()));
    }

    #[test]
    fn every_summary_is_a_sentence() {
        for operation in Operation::ALL {
            let summary = operation.summary();
            assert!(summary.ends_with('.') && !summary.starts_with(' '), "{summary:?}");
        }
    }
}
