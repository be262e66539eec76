//! What one relay does: its path, the groups that a socket joins, what passes in which direction.
//!
//! `serve` reads it from `--relay`. Names of groups are made here and nowhere else, since half of each comes from the
//! path, that is, from anybody.

use http::StatusCode;
use moorline_protocol::UserId;
use sha2::{Digest, Sha256};

use crate::consumer::Refusal;
use crate::scope::Scope;

/// The longest name that every peer of the layer accepts.
const NAME_CHARACTERS: usize = 99;
/// A longer id of a person, or one with other characters than names have, stands in a group's name as its hash.
const ID_CHARACTERS: usize = 64;
/// Names that begin so belong to the nodes among themselves.
const OWN: &str = "moorline.";

/// One relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayRule {
    /// The path, with `{name}` for a segment.
    pub path: String,
    /// The groups that each socket joins; what goes back into the group goes into the first.
    pub groups: Vec<Template>,
    /// The room that a person's token must name among its `rooms`; none lets everybody in who has signed in.
    pub room: Option<Template>,
    /// The types that are passed on to the browser.
    pub types: Vec<String>,
    /// What becomes of what the browser says.
    pub from_browser: FromBrowser,
    /// Whether the browser gets a message with its `type`.
    pub keeps_type: bool,
    /// Whether people who have not signed in may use it.
    pub anonymous: bool,
}

/// Where a relay sends what the browser says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromBrowser {
    /// To a channel, on which a worker receives.
    Inbox {
        /// Its name.
        channel: String,
        /// Whether the worker hears of each socket's beginning and end too.
        lifecycle: bool,
    },
    /// Back into the group, as a message of this type with these fields of the browser's JSON object.
    Echo {
        /// The message's type.
        kind: String,
        /// The fields that are taken over.
        fields: Vec<String>,
    },
    /// Nowhere.
    Nothing,
}

/// A group's name with gaps, such as `chat_{room}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A part of the path.
    Parameter(String),
    /// The id of who has signed in.
    User,
}

/// A template that can make no name of a group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// A brace without its partner, or an empty name.
    #[error("its braces do not fit together")]
    Braces,
    /// No text at all.
    #[error("it is empty")]
    Empty,
    /// A character that names of groups do not have.
    #[error("names of groups have only A-Z a-z 0-9 _ - . in them, no {0:?}")]
    Character(char),
    /// Longer than any peer accepts.
    #[error("names of groups have at most 99 characters")]
    Long,
    /// A name of the nodes among themselves.
    #[error("names that begin with `moorline.` belong to Moorline's own nodes")]
    Own,
}

impl Template {
    /// Reads a template; `{user}` is the person who has signed in, any other `{name}` a part of the path.
    ///
    /// # Errors
    /// Where no name of a group can come of it.
    pub fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let (mut parts, mut rest, mut length) = (Vec::new(), text, 0);
        while !rest.is_empty() {
            let (plain, gap) = rest.split_once('{').map_or((rest, None), |(a, b)| (a, Some(b)));
            if let Some(other) = plain.chars().find(|&character| !is_plain(character)) {
                let is_brace = matches!(other, '{' | '}');
                return Err(if is_brace {
                    InvalidTemplate::Braces
                } else {
                    InvalidTemplate::Character(other)
                });
            }
            length += plain.len();
            if !plain.is_empty() {
                parts.push(Part::Text(plain.to_owned()));
            }
            let Some(gap) = gap else { break };
            let (name, after) = gap.split_once('}').ok_or(InvalidTemplate::Braces)?;
            if name.is_empty() || name.contains('{') {
                return Err(InvalidTemplate::Braces);
            }
            parts.push(if name == "user" { Part::User } else { Part::Parameter(name.to_owned()) });
            rest = after;
        }
        if parts.is_empty() {
            return Err(InvalidTemplate::Empty);
        }
        if length > NAME_CHARACTERS {
            return Err(InvalidTemplate::Long);
        }
        if text.starts_with(OWN) {
            return Err(InvalidTemplate::Own);
        }
        Ok(Self(parts))
    }

    /// The parts of the path that it needs.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Parameter(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether it needs to know who has signed in.
    #[must_use]
    pub fn names_user(&self) -> bool {
        self.0.contains(&Part::User)
    }

    /// The name for one socket.
    ///
    /// # Errors
    /// Where the path makes a name that no peer accepts, or one of our own.
    pub(crate) fn fill(&self, scope: &Scope) -> Result<String, Refusal> {
        let mut name = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Parameter(parameter) => {
                    name.push_str(scope.parameter(parameter).unwrap_or_default())
                }
                Part::User => {
                    name.push_str(&scope.user.as_ref().map(of_person).unwrap_or_default())
                }
            }
        }
        let is_valid = name.len() <= NAME_CHARACTERS && name.chars().all(is_plain);
        if !is_valid || name.is_empty() || name.starts_with(OWN) {
            let text = "This path makes no name of a group: its parts may have only A-Z a-z 0-9 _ - . in them, and \
                        a name at most 99 characters.";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "invalid", text));
        }
        Ok(name)
    }
}

/// Whether names of groups and channels may have this character in them.
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.')
}

/// A person's id as it stands in a group's name.
fn of_person(user: &UserId) -> String {
    let id = user.as_str();
    if id.len() <= ID_CHARACTERS && id.chars().all(is_plain) {
        return id.to_owned();
    }
    let hash = Sha256::digest(id.as_bytes());
    let digits: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("h-{digits}")
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
