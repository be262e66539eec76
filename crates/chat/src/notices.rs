//! Notices: what a backend tells the people of a room, or one person, and nobody stores. One set of rules for both ways
//! in, the channel layer (`django`) and the HTTP API.
//!
//! At most once: a person who is not connected never hears of it. With an id, one that is repeated is shown once.

use std::time::Instant;

use moorline_protocol::{Cid, Notice, RoomId, UserId};

use crate::Chat;
use crate::django::{Reason, Refusal, plain};
use crate::nodes::Noticed;

/// The longest name of a notice.
const NAME_BYTES: usize = 64;
/// A notice that says when it was made may be as old as this, or as far from the future: half of what ids are kept.
pub(crate) const FRESH_MS: u64 = 300_000;

/// A notice as a backend asks for it.
#[derive(Debug, Clone, Default)]
pub struct NoticeDraft {
    /// To everybody who has this room open on a connection.
    pub room: Option<RoomId>,
    /// To all connections of this person. Exactly one of the two is there.
    pub user: Option<UserId>,
    /// What it is: 1 to 64 printable ASCII characters.
    pub name: String,
    /// What the backend says; at most 64 KiB and 16 levels deep.
    pub data: serde_json::Value,
    /// The backend's own id of it: the same again within ten minutes is shown to nobody.
    pub id: Option<Cid>,
    /// When it was made, ms since 1970: more than five minutes from now is refused.
    pub at_ms: Option<u64>,
}

/// How far a notice went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Whether one with this id came before: then it was shown to nobody now.
    pub is_repeated: bool,
    /// Whether the other nodes were told; true too where there are none. A line that carries nothing tells nobody.
    pub is_everywhere: bool,
}

impl NoticeDraft {
    /// The notice, if it may be said. Numbers that a browser would round become texts.
    pub(crate) fn checked(self, now_ms: u64) -> Result<Noticed, Refusal> {
        let Self { room, user, name, data, id, at_ms } = self;
        if room.is_some() == user.is_some() {
            return Err(invalid("a notice is for a `room` or for a `user`: give one of them"));
        }
        if !(1..=NAME_BYTES).contains(&name.len()) || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(invalid("the `name` of a notice is 1 to 64 printable ASCII characters"));
        }
        if at_ms.is_some_and(|at| at.abs_diff(now_ms) > FRESH_MS) {
            let text = "`at` is more than five minutes from now; compare the clocks";
            return Err(Refusal::new(Reason::Stale, text));
        }
        Ok(Noticed { notice: Notice { room, user, name, data: plain(data)? }, id })
    }
}

impl Chat {
    /// Shows a notice to those who are connected, on every node.
    ///
    /// # Errors
    /// If it breaks a rule, there is no such room or person, or the store cannot say.
    pub async fn notify(&self, draft: NoticeDraft, now_ms: u64) -> Result<Shown, Refusal> {
        let noticed = draft.checked(now_ms)?;
        self.check_target(&noticed.notice).await?;
        Ok(self.hub().notice(&noticed, Instant::now(), true))
    }

    /// Whether there is such a room or person.
    pub(crate) async fn check_target(&self, notice: &Notice) -> Result<(), Refusal> {
        if let Some(room) = &notice.room {
            self.store().head(room).await.map_err(crate::Error::from)?;
        }
        if let Some(user) = &notice.user {
            let known = self.store().user(user).await.map_err(crate::Error::from)?;
            if known.is_none_or(|known| known.removed) {
                return Err(Refusal::new(Reason::NotFound, "there is no such person"));
            }
        }
        Ok(())
    }
}

fn invalid(text: &str) -> Refusal {
    Refusal::new(Reason::Invalid, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_377_137_000;

    fn to_ops() -> NoticeDraft {
        let room = Some(RoomId::new("ops").unwrap());
        NoticeDraft { room, name: "refresh".to_owned(), ..NoticeDraft::default() }
    }

    fn refused(draft: NoticeDraft) -> Reason {
        draft.checked(NOW).unwrap_err().reason
    }

    #[test]
    fn a_notice_is_for_a_room_or_a_person_and_never_for_both_or_nobody() {
        let ann = Some(UserId::new("ann").unwrap());
        assert!(to_ops().checked(NOW).is_ok());
        assert!(NoticeDraft { room: None, user: ann.clone(), ..to_ops() }.checked(NOW).is_ok());
        assert_eq!(refused(NoticeDraft { user: ann, ..to_ops() }), Reason::Invalid);
        assert_eq!(refused(NoticeDraft { room: None, ..to_ops() }), Reason::Invalid);
    }

    #[test]
    fn its_name_and_its_time_have_bounds() {
        for bad in ["", "a b", &"x".repeat(65), "ü"] {
            assert_eq!(refused(NoticeDraft { name: bad.to_owned(), ..to_ops() }), Reason::Invalid);
        }
        for (at, is_good) in [
            (NOW, true),
            (NOW - FRESH_MS, true),
            (NOW + FRESH_MS, true),
            (NOW - FRESH_MS - 1, false),
            (NOW + FRESH_MS + 1, false),
            (0, false),
        ] {
            let draft = NoticeDraft { at_ms: Some(at), ..to_ops() };
            let outcome = draft.checked(NOW).map_err(|refusal| refusal.reason);
            assert_eq!(outcome.is_ok(), is_good, "{at}");
            assert!(is_good || outcome == Err(Reason::Stale));
        }
    }

    #[test]
    fn its_data_has_bounds_and_no_number_that_a_browser_would_round() {
        let with = |data| NoticeDraft { data, ..to_ops() };
        let checked = with(serde_json::json!([1, 1_u64 << 60])).checked(NOW).unwrap();
        assert_eq!(checked.notice.data, serde_json::json!([1, "1152921504606846976"]));
        let deep = (0..17).fold(serde_json::Value::Null, |inner, _| vec![inner].into());
        assert_eq!(refused(with(deep)), Reason::TooDeep);
        assert_eq!(refused(with("x".repeat(65_537).into())), Reason::TooLarge);
    }
}
