//! Divides what is to be told to the other nodes into hints of a bounded size. Knows no layer.

use moorline_protocol::{Event, EventKind};

use super::hints::{News, Noticed, RoomNews};

/// About so many bytes of bodies go into one hint.
const HINT_BYTES: usize = 128 * 1024;

/// Divides what is to be told into hints of a bounded size; at least one, which may say nothing.
pub(super) fn pieces(mut news: News) -> Vec<News> {
    let rooms = std::mem::take(&mut news.rooms);
    let notices = std::mem::take(&mut news.notices);
    let mut pieces = vec![news];
    let mut bytes = 0;
    for noticed in notices {
        bytes += notice_size(&noticed);
        if bytes > HINT_BYTES {
            pieces.push(News::default());
            bytes = notice_size(&noticed);
        }
        if let Some(piece) = pieces.last_mut() {
            piece.notices.push(noticed);
        }
    }
    for RoomNews { room, members, events } in rooms {
        let mut part = RoomNews { room: room.clone(), members, events: Vec::new() };
        for event in events {
            bytes += size(&event);
            part.events.push(event);
            if bytes > HINT_BYTES {
                let next = RoomNews { room: room.clone(), members, events: Vec::new() };
                let full = std::mem::replace(&mut part, next);
                if let Some(piece) = pieces.last_mut() {
                    piece.rooms.push(full);
                }
                pieces.push(News::default());
                bytes = 0;
            }
        }
        if let Some(piece) = pieces.last_mut().filter(|_| !part.events.is_empty()) {
            piece.rooms.push(part);
        }
    }
    pieces
}

/// About how many bytes an event takes as JSON.
fn size(event: &Event) -> usize {
    const REST: usize = 300;
    match &event.kind {
        EventKind::Message { body, .. } | EventKind::Edit { body, .. } => REST + body.len() * 2,
        _ => REST,
    }
}

/// About how many bytes a notice takes as JSON.
pub(super) fn notice_size(noticed: &Noticed) -> usize {
    const REST: usize = 300;
    REST + noticed.notice.data.to_string().len()
}

#[cfg(test)]
mod tests {
    use moorline_protocol::{Notice, UserId};

    use super::*;

    fn noticed(number: usize) -> Noticed {
        let user = Some(UserId::new("ann").unwrap());
        let data = format!("{number}:{}", "x".repeat(50_000)).into();
        Noticed { notice: Notice { room: None, user, name: "n".to_owned(), data }, id: None }
    }

    #[test]
    fn long_notices_are_spread_over_hints_in_their_order_and_none_is_left_out() {
        let news = News { notices: (0..7).map(noticed).collect(), look: true, ..News::default() };
        let pieces = pieces(news);
        assert_eq!(
            pieces.iter().map(|piece| piece.notices.len()).collect::<Vec<_>>(),
            [2, 2, 2, 1]
        );
        assert_eq!(pieces.iter().filter(|piece| piece.look).count(), 1);
        let told: Vec<Noticed> = pieces.into_iter().flat_map(|piece| piece.notices).collect();
        assert_eq!(told, (0..7).map(noticed).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_to_tell_is_one_hint_which_shows_that_the_node_lives() {
        assert_eq!(pieces(News::default()).len(), 1);
    }
}
