use super::*;

const OWN: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);
const THREE: NodeId = NodeId(3);

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn place(id: &str, connections: u32, version: u64) -> Place {
    Place { user: user(id), connections, is_away: false, version }
}

struct Stage {
    here: Whereabouts,
    now: Instant,
}

impl Stage {
    fn new() -> Self {
        Self { here: Whereabouts::new(OWN), now: Instant::now() }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn settle(&mut self, id: &str, presence: Presence) -> Option<Presence> {
        self.here.settle(&user(id), presence, self.now)
    }

    fn hear(&mut self, node: NodeId, place: Place) -> Vec<(String, Presence)> {
        told(self.here.hear(node, &[place], self.now))
    }

    /// A look that finds these nodes alive, these ended, and these places.
    fn look(
        &mut self,
        living: &[NodeId],
        ended: &[NodeId],
        places: Vec<(NodeId, Place)>,
    ) -> Vec<(String, Presence)> {
        told(self.found(living, ended, places, |found| found).0)
    }

    fn found(
        &mut self,
        living: &[NodeId],
        ended: &[NodeId],
        places: Vec<(NodeId, Place)>,
        change: impl FnOnce(Found) -> Found,
    ) -> (Turned, bool) {
        let nodes = living.iter().map(|node| (*node, true));
        let nodes = nodes.chain(ended.iter().map(|node| (*node, false))).collect();
        let found = Found { began: self.now, is_all: false, places, nodes, is_sure: true };
        self.here.look(&change(found))
    }
}

fn told(turned: Turned) -> Vec<(String, Presence)> {
    let mut told: Vec<_> =
        turned.into_iter().map(|(user, presence)| (user.to_string(), presence)).collect();
    told.sort_by(|one, other| one.0.cmp(&other.0));
    told
}

fn one(id: &str, presence: Presence) -> Vec<(String, Presence)> {
    vec![(id.to_owned(), presence)]
}

#[test]
fn one_who_changes_to_another_node_is_told_once_and_not_gone_between() {
    let mut stage = Stage::new();
    stage.look(&[OWN, TWO], &[], vec![]);
    assert_eq!(stage.settle("ann", Presence::Online), Some(Presence::Online));
    assert_eq!(stage.hear(TWO, place("ann", 1, 1)), []);
    assert_eq!(stage.settle("ann", Presence::Offline), None);
    assert_eq!(stage.here.presence(&user("ann")), Presence::Online);
    assert_eq!(stage.hear(TWO, place("ann", 0, 2)), one("ann", Presence::Offline));
    assert_eq!(stage.settle("ann", Presence::Offline), None);
}

#[test]
fn a_node_that_ends_takes_its_people_with_it_but_not_those_who_are_elsewhere() {
    let mut stage = Stage::new();
    let places = vec![
        (TWO, place("ann", 1, 1)),
        (TWO, place("bob", 1, 2)),
        (THREE, place("bob", 1, 1)),
        (TWO, place("cid", 1, 3)),
    ];
    assert_eq!(stage.look(&[OWN, TWO, THREE], &[], places).len(), 3);
    stage.settle("cid", Presence::Online);
    assert_eq!(stage.look(&[OWN, THREE], &[TWO], vec![]), one("ann", Presence::Offline));
    assert_eq!(stage.look(&[OWN, THREE], &[], vec![]), []);
}

#[test]
fn one_that_is_known_to_have_ended_comes_back_by_the_store_alone() {
    let mut stage = Stage::new();
    stage.look(&[OWN, TWO], &[], vec![(TWO, place("ann", 1, 1))]);
    stage.look(&[OWN], &[TWO], vec![]);
    assert_eq!(stage.hear(TWO, place("ann", 1, 2)), []);
    let (turned, is_to_begin_anew) = stage.found(&[OWN, TWO], &[], vec![], |found| found);
    assert_eq!((told(turned), is_to_begin_anew), (vec![], true));
    let places = vec![(TWO, place("ann", 1, 2))];
    let (turned, _) =
        stage.found(&[OWN, TWO], &[], places, |found| Found { is_all: true, ..found });
    assert_eq!(told(turned), one("ann", Presence::Online));
}

#[test]
fn a_node_that_began_after_the_look_did_is_not_taken_for_ended() {
    let mut stage = Stage::new();
    let before = stage.now;
    stage.pass(1);
    assert_eq!(stage.hear(TWO, place("ann", 1, 1)), one("ann", Presence::Online));
    let late = |found| Found { began: before, is_all: true, ..found };
    assert_eq!(told(stage.found(&[OWN], &[], vec![], late).0), []);
    stage.pass(1);
    assert_eq!(stage.look(&[OWN], &[], vec![]), one("ann", Presence::Offline));
}

#[test]
fn leases_that_nobody_could_renew_end_nobody() {
    let mut stage = Stage::new();
    stage.look(&[OWN, TWO], &[], vec![(TWO, place("ann", 1, 1))]);
    let unsure = |found| Found { is_sure: false, ..found };
    assert_eq!(told(stage.found(&[], &[OWN, TWO], vec![], unsure).0), []);
    assert_eq!(stage.look(&[OWN], &[TWO], vec![]), one("ann", Presence::Offline));
}

#[test]
fn an_older_word_changes_nothing_whichever_way_it_comes() {
    let mut stage = Stage::new();
    stage.look(&[OWN, TWO], &[], vec![(TWO, place("ann", 1, 5))]);
    assert_eq!(stage.hear(TWO, place("ann", 0, 7)), one("ann", Presence::Offline));
    assert_eq!(stage.hear(TWO, place("ann", 1, 6)), []);
    assert_eq!(stage.look(&[OWN, TWO], &[], vec![(TWO, place("ann", 1, 5))]), []);
}

#[test]
fn what_a_look_from_the_beginning_does_not_show_is_nowhere() {
    let mut stage = Stage::new();
    let places = vec![(TWO, place("ann", 1, 1)), (TWO, place("bob", 1, 2))];
    stage.look(&[OWN, TWO], &[], places);
    stage.settle("cid", Presence::Online);
    stage.pass(1);
    let all = |found| Found { is_all: true, ..found };
    let (turned, _) = stage.found(&[OWN, TWO], &[], vec![(TWO, place("bob", 1, 2))], all);
    assert_eq!(told(turned), one("ann", Presence::Offline));
    assert_eq!(stage.here.presence(&user("cid")), Presence::Online);
}

#[test]
fn one_is_away_only_where_every_node_says_so() {
    let mut stage = Stage::new();
    stage.look(&[OWN, TWO], &[], vec![(TWO, place("ann", 1, 1))]);
    assert_eq!(stage.settle("ann", Presence::Away), None);
    let away = Place { is_away: true, ..place("ann", 1, 2) };
    assert_eq!(stage.hear(TWO, away), one("ann", Presence::Away));
    assert_eq!(stage.settle("ann", Presence::Online), Some(Presence::Online));
}

#[test]
fn what_is_to_be_written_is_taken_once_in_batches_and_again_after_a_lapse() {
    let mut stage = Stage::new();
    for n in 0..1_500 {
        stage.settle(&format!("p{n}"), Presence::Online);
    }
    stage.settle("p7", Presence::Offline);
    let first = stage.here.take_unwritten();
    assert_eq!((first.len(), stage.here.take_unwritten().len()), (1_000, 500));
    assert!(!stage.here.has_unwritten() && stage.here.take_unwritten().is_empty());
    let newest = first.iter().map(|(.., version)| *version).max();
    stage.here.write_all_again();
    // Who is gone is gone with the lease.
    let again: Vec<_> = [stage.here.take_unwritten(), stage.here.take_unwritten()].concat();
    assert_eq!(again.len(), 1_499);
    assert!(again.iter().all(|(.., version)| Some(*version) > newest));
}

#[test]
fn what_the_store_lost_of_this_node_is_written_again_and_nothing_else() {
    let mut stage = Stage::new();
    for id in ["ann", "bob", "cid"] {
        stage.settle(id, Presence::Online);
    }
    stage.settle("cid", Presence::Offline);
    let written = stage.here.take_unwritten();
    let newest = written.iter().map(|(.., version)| *version).max();
    stage.pass(1);
    // The one is there, another is not, the third is as it was before, the fourth was never here.
    let places =
        vec![(OWN, place("ann", 1, 1)), (OWN, place("cid", 1, 3)), (OWN, place("dan", 1, 4))];
    let all = |found| Found { is_all: true, ..found };
    assert_eq!(told(stage.found(&[OWN], &[], places, all).0), []);
    let mut again = stage.here.take_unwritten();
    again.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(again.iter().all(|(.., version)| Some(*version) > newest));
    let again: Vec<_> =
        again.iter().map(|(user, presence, _)| (user.as_str(), *presence)).collect();
    let expected =
        [("bob", Presence::Online), ("cid", Presence::Offline), ("dan", Presence::Offline)];
    assert_eq!(again, expected);
}

#[test]
fn who_went_is_forgotten_after_a_while_and_nobody_else() {
    let mut stage = Stage::new();
    stage.look(&[OWN, TWO], &[], vec![(TWO, place("ann", 0, 1)), (TWO, place("bob", 1, 2))]);
    stage.settle("cid", Presence::Online);
    stage.settle("cid", Presence::Offline);
    stage.pass(301);
    stage.look(&[OWN, TWO], &[], vec![]);
    let left: Vec<_> = stage.here.people.keys().map(UserId::as_str).collect();
    assert!(!left.contains(&"ann") && left.contains(&"bob"));
    assert!(left.contains(&"cid"), "it is not written yet");
    stage.here.take_unwritten();
    stage.pass(61);
    stage.look(&[OWN, TWO], &[], vec![]);
    assert_eq!(stage.here.people.len(), 1);
}

#[test]
fn of_the_living_one_speaks_for_a_node_that_ended_and_tells_nothing_of_those_who_are_elsewhere() {
    for (own, others, speaks) in [(OWN, [TWO, THREE], true), (TWO, [OWN, THREE], false)] {
        let mut stage = Stage { here: Whereabouts::new(own), now: Instant::now() };
        let places = vec![(THREE, place("ann", 1, 1)), (THREE, place("bob", 1, 2))];
        stage.look(&others, &[], places);
        stage.settle("bob", Presence::Online);
        stage.pass(60);
        let turned = stage.found(&others[..1], &[THREE], vec![], |found| found).0;
        assert_eq!(told(turned.clone()), one("ann", Presence::Offline));
        let expected = if speaks { one("ann", Presence::Offline) } else { vec![] };
        assert_eq!(told(stage.here.orphaned(&turned)), expected, "{own:?}");
        assert_eq!(told(stage.here.orphaned(&turned)), [], "once");
    }
}
