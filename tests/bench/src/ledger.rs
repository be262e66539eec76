//! The histories of a run: every connection of a room must get each of its events once, in order,
//! and the same event at the same place as everybody else. Whatever is wrong voids the row.

/// What each connection has seen, for rows in which a connection has one room.
pub(crate) struct Ledger {
    room_of: Vec<usize>,
    next: Vec<u64>,
    rooms: Vec<Log>,
    fault: Option<String>,
    delivered: u64,
}

/// The events of one room as the first member saw them.
#[derive(Default, Clone)]
struct Log {
    base: u64,
    sends: Vec<u64>,
}

impl Ledger {
    /// For connections in these rooms.
    pub(crate) fn new(room_of: Vec<usize>) -> Ledger {
        let rooms = room_of.iter().max().map_or(0, |last| last + 1);
        Ledger {
            next: vec![1; room_of.len()],
            rooms: vec![Log { base: 1, sends: Vec::new() }; rooms],
            room_of,
            fault: None,
            delivered: 0,
        }
    }

    /// The connection was told this head on signing in, and expects what follows.
    pub(crate) fn start(&mut self, conn: usize, head: u64) {
        self.next[conn] = head + 1;
        self.rooms[self.room_of[conn]].base = head + 1;
    }

    /// An event came: its place and the number of the send that it stands for.
    pub(crate) fn take(&mut self, conn: usize, seq: u64, send: u64) {
        let expected = self.next[conn];
        if seq != expected {
            return self.fail(format!("connection {conn} got {seq} instead of {expected}"));
        }
        self.next[conn] += 1;
        self.delivered += 1;
        let log = &mut self.rooms[self.room_of[conn]];
        match log.sends.get((seq - log.base) as usize) {
            None => log.sends.push(send),
            Some(&known) if known == send => {}
            Some(_) => self.fail(format!("connection {conn} got another event at {seq}")),
        }
    }

    /// Something happened that no history may contain.
    pub(crate) fn fail(&mut self, why: String) {
        self.fault.get_or_insert(why);
    }

    /// All deliveries so far.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Whether everybody has everything that anybody has of each room, and nothing is wrong.
    pub(crate) fn verdict(&self, sent: u64) -> Result<(), String> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        for (conn, (&room, &next)) in self.room_of.iter().zip(&self.next).enumerate() {
            let log = &self.rooms[room];
            if next - log.base != log.sends.len() as u64 {
                return Err(format!("connection {conn} misses events before {next}"));
            }
        }
        let mut all: Vec<u64> = self.rooms.iter().flat_map(|log| &log.sends).copied().collect();
        all.sort_unstable();
        all.dedup();
        let stored: usize = self.rooms.iter().map(|log| log.sends.len()).sum();
        if stored as u64 != sent || all.len() != stored {
            return Err(format!("{sent} sends became {stored} events, {} different", all.len()));
        }
        Ok(())
    }

    /// What is wrong so far.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_three() -> Ledger {
        let mut ledger = Ledger::new(vec![0, 0, 1]);
        (0..3).for_each(|conn| ledger.start(conn, 1));
        ledger
    }

    #[test]
    fn each_event_once_in_order_for_everybody_is_right() {
        let mut ledger = of_three();
        for (conn, seq, send) in [(0, 2, 7), (1, 2, 7), (2, 2, 8), (1, 3, 9), (0, 3, 9)] {
            ledger.take(conn, seq, send);
        }
        assert_eq!((ledger.verdict(3), ledger.delivered()), (Ok(()), 5));
    }

    #[test]
    fn a_missing_a_repeated_and_a_different_event_are_found() {
        let wrong: [&[(usize, u64, u64)]; 5] = [
            &[(0, 2, 7)],
            &[(0, 2, 7), (0, 2, 7), (1, 2, 7)],
            &[(0, 3, 7)],
            &[(0, 2, 7), (1, 2, 8)],
            &[(0, 2, 7), (1, 2, 7), (0, 3, 7), (1, 3, 7)],
        ];
        for takes in wrong {
            let mut ledger = of_three();
            takes.iter().for_each(|&(conn, seq, send)| ledger.take(conn, seq, send));
            assert!(ledger.verdict(1).is_err(), "{takes:?}");
        }
    }
}
