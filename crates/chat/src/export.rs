//! What is known of a person, as JSON, piece by piece: whoever writes it out holds one piece at a time.
//!
//! The HTTP API and the command `users export` write it. Holds no secret: no password's hash, no session's token.

use std::collections::VecDeque;

use moorline_protocol::export::{
    ExportedMessage, ExportedPerson, ExportedRoom, ExportedSession, Header,
};
use moorline_protocol::{Event, EventKind};
use moorline_store::{Error, LogCursor, LogPlace, Profile, RoomCursor, Store};

/// Rooms of one piece.
const ROOMS: usize = 200;
/// Messages of one piece.
const MESSAGES: usize = 200;
/// Bytes of text of one piece; one message may be longer.
const PIECE_BYTES: u64 = 1 << 20;

/// An export under way.
#[derive(Debug)]
pub struct Export {
    store: Store,
    profile: Profile,
    stage: Stage,
    /// Whether the list that is being written has something in it.
    has_some: bool,
}

#[derive(Debug)]
enum Stage {
    Person { at_ms: u64 },
    Rooms { after: Option<RoomCursor> },
    Messages { after: Option<LogCursor>, found: VecDeque<LogPlace> },
    Done,
}

impl Export {
    /// Of this person; none where there is none.
    ///
    /// # Errors
    /// Where the store cannot be read now.
    pub async fn begin(
        store: &Store,
        user: &moorline_protocol::UserId,
        at_ms: u64,
    ) -> Result<Option<Self>, Error> {
        let profile = store.profile(user).await?;
        Ok(profile.map(|profile| Self {
            store: store.clone(),
            profile,
            stage: Stage::Person { at_ms },
            has_some: false,
        }))
    }

    /// The next piece of text; none at the end. All of them together are one JSON object.
    ///
    /// # Errors
    /// Where the store cannot be read; what was given so far is then not whole.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        match &mut self.stage {
            Stage::Person { at_ms } => {
                let at_ms = *at_ms;
                self.stage = Stage::Rooms { after: None };
                self.head(at_ms).await.map(Some)
            }
            Stage::Rooms { after } => {
                let after = after.take();
                self.rooms(after).await.map(Some)
            }
            Stage::Messages { .. } => self.messages().await.map(Some),
            Stage::Done => Ok(None),
        }
    }

    async fn head(&self, at_ms: u64) -> Result<String, Error> {
        let Profile { id, name, login, created_ms, seen_ms, .. } = self.profile.clone();
        let sessions = self.store.sessions(&id, at_ms).await?;
        let person = ExportedPerson { id, name, login, created: created_ms, seen: seen_ms };
        let session = |row: moorline_store::SessionRow| ExportedSession {
            device: row.device,
            created: row.created_ms,
            expires: row.expires_ms,
        };
        let sessions = sessions.into_iter().map(session).collect();
        let format = "moorline-export";
        let head = Header { format, version: 1, at: at_ms, person, sessions }.json();
        // The object goes on where it would end.
        let open = head.strip_suffix('}').unwrap_or(&head);
        Ok(format!("{open},\n\"rooms\":["))
    }

    async fn rooms(&mut self, after: Option<RoomCursor>) -> Result<String, Error> {
        let page = self.store.rooms_of(&self.profile.id, after, ROOMS).await?;
        let mut piece = String::new();
        for room in page.rooms {
            let room = ExportedRoom {
                id: room.id,
                kind: room.kind,
                name: room.name,
                role: room.role,
                with: room.peer,
                read: room.read,
            };
            self.add(&mut piece, &room.json());
        }
        self.stage = match page.after {
            Some(after) => Stage::Rooms { after: Some(after) },
            None => {
                self.has_some = false;
                piece.push_str("\n],\n\"messages\":[");
                Stage::Messages { after: Some(LogCursor::default()), found: VecDeque::new() }
            }
        };
        Ok(piece)
    }

    async fn messages(&mut self) -> Result<String, Error> {
        let Stage::Messages { after, found } = &mut self.stage else { return Ok(String::new()) };
        if found.is_empty() {
            let Some(from) = after.take() else {
                self.stage = Stage::Done;
                return Ok("\n]}\n".to_owned());
            };
            let (places, next) = self.store.messages_of(&self.profile, from).await?;
            (*after, *found) = (next, places.into());
        }
        let places = take(found);
        let mut piece = String::new();
        for event in self.store.events_at(&places).await? {
            if let Some(message) = message(event) {
                self.add(&mut piece, &message.json());
            }
        }
        Ok(piece)
    }

    fn add(&mut self, piece: &mut String, item: &str) {
        piece.push_str(if self.has_some { ",\n" } else { "\n" });
        self.has_some = true;
        piece.push_str(item);
    }
}

/// As many as one piece holds.
fn take(found: &mut VecDeque<LogPlace>) -> Vec<LogPlace> {
    let (mut places, mut bytes) = (Vec::new(), 0);
    while let Some(place) = found.front() {
        bytes += place.bytes;
        if places.len() >= MESSAGES || (bytes > PIECE_BYTES && !places.is_empty()) {
            break;
        }
        places.extend(found.pop_front());
    }
    places
}

/// A message as it is now; anything else, and what was deleted since it was found, is left out.
fn message(event: Event) -> Option<ExportedMessage> {
    let EventKind::Message { body, reply_to, edited, deleted: None, .. } = event.kind else {
        return None;
    };
    let Event { room, seq, id, at, .. } = event;
    Some(ExportedMessage { room, seq, id, at, body, reply_to, edited: edited.map(|mark| mark.at) })
}
