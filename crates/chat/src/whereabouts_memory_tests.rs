//! What the whereabouts of everybody cost in memory. Measured in a process of its own, in which nothing else runs.

use std::process::Command;

use super::*;

const PEOPLE: usize = 100_000;
/// Bytes a person, with an id as long as a UUID; `docs/nodes.md` names the figure.
const MOST: usize = 240;
/// Set in the process that measures.
const CHILD: &str = "MOORLINE_TEST_MEASURES_WHEREABOUTS";
/// What it prints before the figure.
const SAID: &str = "bytes a person:";

#[test]
fn a_hundred_thousand_people_online_take_few_bytes_each_on_every_node() {
    if std::env::var_os(CHILD).is_some() {
        println!("{SAID} {}", bytes_a_person());
        return;
    }
    let name = std::thread::current().name().unwrap().to_owned();
    let program = std::env::current_exe().unwrap();
    let words = ["--exact", &name, "--nocapture", "--test-threads=1"];
    let output = Command::new(program).args(words).env(CHILD, "1").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let figure = text.split_once(SAID).and_then(|(_, rest)| rest.split_whitespace().next());
    let bytes: usize = figure.unwrap_or_else(|| panic!("no figure in {text}")).parse().unwrap();
    println!("{bytes} bytes a person");
    assert!(bytes > 60, "that is less than their ids take: {bytes}");
    assert!(bytes < MOST, "{bytes} bytes a person");
}

/// Half of them are here, half on another node, as it tells of them.
fn bytes_a_person() -> usize {
    let (here, there) = (NodeId(1), NodeId(2));
    let before = resident();
    let (mut whereabouts, now) = (Whereabouts::new(here), Instant::now());
    let mut version = 0;
    for some in (0..PEOPLE).collect::<Vec<_>>().chunks(1_000) {
        let (own, others) = some.split_at(some.len() / 2);
        for number in own {
            whereabouts.settle(&user(*number), Presence::Online, now);
        }
        let places = others.iter().map(|number| {
            version += 1;
            Place { user: user(*number), connections: 1, is_away: false, version }
        });
        whereabouts.hear(there, &places.collect::<Vec<_>>(), now);
        while whereabouts.has_unwritten() {
            whereabouts.take_unwritten();
        }
    }
    assert_eq!(whereabouts.people.len(), PEOPLE);
    (resident() - before) / PEOPLE
}

fn user(number: usize) -> UserId {
    UserId::new(format!("01930000-0000-7000-8000-{number:012}")).unwrap()
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}
