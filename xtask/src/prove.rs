//! `cargo xtask prove`: the proofs that take minutes or hours, at their full numbers.
//!
//! `cargo xtask test` runs the same code with smaller numbers. Each proof has a twin with a planted
//! fault that must turn it red; the twins run inside the proof.

mod kind;

use anyhow::{Result, bail};

use crate::interop::Subject;
use crate::repository::Repository;
use crate::steps::{self, OnFailure, Step};
use crate::{install, test};
use kind::{Form, Kind};

/// Arguments of `cargo xtask prove`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The proofs to run; all but the six hours if none is named.
    names: Vec<String>,
    /// Print the proofs and run none.
    #[arg(long)]
    list: bool,
    /// Use the numbers of `cargo xtask test`.
    #[arg(long)]
    short: bool,
}

/// When a proof runs without being named.
#[derive(Clone, Copy, PartialEq)]
enum When {
    /// In `cargo xtask prove` and, in its short form, in `cargo xtask test`.
    Always,
    /// In `cargo xtask prove`; its short form is among the Rust tests.
    Prove,
    /// Never: it takes hours.
    Named,
}

struct Proof {
    name: &'static str,
    about: &'static str,
    kind: Kind,
    when: When,
}

const PROOFS: &[Proof] = &[
    Proof {
        name: "power-cut",
        about: "300 power cuts: every acknowledged send is there afterwards",
        kind: Kind::Faults {
            program: "power_cut",
            short: &["--cuts", "12"],
            full: &["--cuts", "300"],
        },
        when: When::Prove,
    },
    Proof {
        name: "power-cut-twin",
        about: "the same on a disk that ignores sync is found out",
        kind: Kind::Planted {
            program: "power_cut",
            short: &["--ignore-sync", "--cuts", "4"],
            full: &["--ignore-sync", "--cuts", "20"],
        },
        when: When::Prove,
    },
    Proof {
        name: "failed-sync",
        about: "a sync that fails with EIO or ENOSPC is never followed by an ack that a cut takes back",
        kind: Kind::Faults {
            program: "power_cut",
            short: &["--fail-sync", "--cuts", "2"],
            full: &["--fail-sync", "--cuts", "40"],
        },
        when: When::Prove,
    },
    Proof {
        name: "kill",
        about: "200 times kill -9 just after an ack: it is there afterwards",
        kind: Kind::Faults {
            program: "kill_after_ack",
            short: &["--kills", "20"],
            full: &["--kills", "200"],
        },
        when: When::Prove,
    },
    Proof {
        name: "interop",
        about: "ten rounds in a row, a Django process cannot tell the Rust channel layer from another Django process",
        kind: Kind::Interop(Subject::Rust),
        when: When::Prove,
    },
    Proof {
        name: "interop-twin",
        about: "the interop tests hold for channels_redis itself, and each planted fault turns them red",
        kind: Kind::Interop(Subject::Python),
        when: When::Prove,
    },
    Proof {
        name: "postgres-crash",
        about: "300 crashes of the node or of PostgreSQL, its full disk among them: everything acknowledged is there, once",
        kind: Kind::Faults {
            program: "postgres_crash",
            short: &["--points", "12"],
            full: &["--points", "300"],
        },
        when: When::Prove,
    },
    Proof {
        name: "backup",
        about: "a backup of 1,000,000 messages, taken while 200 are sent a second, holds what was acknowledged before",
        kind: Kind::Faults {
            program: "backup_under_load",
            short: &["--messages", "2000"],
            full: &["--messages", "1000000"],
        },
        when: When::Prove,
    },
    Proof {
        name: "backup-postgres",
        about: "the same of a server on PostgreSQL",
        kind: Kind::Faults {
            program: "backup_under_load",
            short: &["--postgres", "--messages", "2000"],
            full: &["--postgres", "--messages", "1000000"],
        },
        when: When::Prove,
    },
    Proof {
        name: "backup-twin",
        about: "what was acknowledged only after a backup is missing from it, and that is found",
        kind: Kind::Planted {
            program: "backup_under_load",
            short: &["--ask-too-much", "--messages", "100"],
            full: &["--ask-too-much", "--messages", "10000"],
        },
        when: When::Prove,
    },
    Proof {
        name: "postgres-crash-twin",
        about: "the same with commits that are lost between the node and its server is found out",
        kind: Kind::Planted {
            program: "postgres_crash",
            short: &["--points", "4", "--lose-commits"],
            full: &["--points", "12", "--lose-commits"],
        },
        when: When::Prove,
    },
    Proof {
        name: "many-nodes",
        about: "3 nodes, 300 people, 20,000 messages: every promise is kept whatever happens to Redis and to the nodes",
        kind: Kind::Faults { program: "many_nodes", short: &["--short"], full: &[] },
        when: When::Prove,
    },
    Proof {
        name: "many-nodes-twin",
        about: "hints that nobody's commit made, but with the store's own key, are found out",
        kind: Kind::Planted {
            program: "many_nodes",
            short: &["--short", "--believe-forgeries"],
            full: &["--believe-forgeries"],
        },
        when: When::Prove,
    },
    Proof {
        name: "soak",
        about: "`moorline soak` for 10 minutes on 3 nodes that are killed one after the other: 0 lost, 0 doubled, 0 out of order",
        kind: Kind::Faults { program: "soak", short: &["--short"], full: &[] },
        when: When::Prove,
    },
    Proof {
        name: "soak-bugs",
        about: "`moorline soak` finds a server that spoils one message in 10,000 guilty, whichever way it does",
        kind: Kind::Faults { program: "soak", short: &["--bugs", "--short"], full: &["--bugs"] },
        when: When::Prove,
    },
    Proof {
        name: "doctor",
        about: "`moorline doctor` names each planted fault, a proxy's limit of 30 s and redis-py 8 as it is among them",
        kind: Kind::Doctor,
        when: When::Prove,
    },
    Proof {
        name: "two-nodes",
        about: "at 5,000 messages a second over two nodes no hint is lost, and in one room the store is hardly read",
        kind: Kind::Faults { program: "two_nodes", short: &["--short"], full: &[] },
        when: When::Prove,
    },
    Proof {
        name: "two-nodes-twin",
        about: "channels that hold one hint, and hints that come late, are found out by the same counters",
        kind: Kind::Planted {
            program: "two_nodes",
            short: &["--short", "--spoil-hints"],
            full: &["--spoil-hints"],
        },
        when: When::Prove,
    },
    Proof {
        name: "import",
        about: "an import of 1,000,000 messages, killed twice, equals the original, and clients go on where they were",
        kind: Kind::Faults {
            program: "import_store",
            short: &["--messages", "20000"],
            full: &["--messages", "1000000"],
        },
        when: When::Prove,
    },
    Proof {
        name: "import-twin",
        about: "an import that differs by one row is found out",
        kind: Kind::Planted {
            program: "import_store",
            short: &["--change-one", "--messages", "6000"],
            full: &["--change-one", "--messages", "20000"],
        },
        when: When::Prove,
    },
    Proof {
        name: "postgres-versions",
        about: "the contract of the store holds on PostgreSQL 14, 16 and 17 as on Debian's 15",
        kind: Kind::Versions { short: &["17"], full: &["14", "16", "17"] },
        when: When::Prove,
    },
    Proof {
        name: "autobahn-compression",
        about: "the Autobahn cases about compression hold with all of their thousand messages each",
        kind: Kind::Autobahn { short: "10", full: "1000" },
        when: When::Prove,
    },
    Proof {
        name: "sdk-contract",
        about: "on 1,000 courses of faults each acknowledged message is seen once, in order, in all windows of the SDK",
        kind: Kind::Seeds { short: 100, full: 1_000 },
        when: When::Prove,
    },
    Proof {
        name: "two-windows",
        about: "200 messages from two windows survive five kills, five cuts and a reload",
        kind: Kind::Browser(&["proxy", "two-windows"]),
        when: When::Always,
    },
    Proof {
        name: "latency",
        about: "each message is seen in the other window within 250 ms at p99",
        kind: Kind::Browser(&["latency"]),
        when: When::Always,
    },
    Proof {
        name: "idle-10min",
        about: "ten idle minutes behind a proxy that cuts after 60 s: no disconnect",
        kind: Kind::Browser(&["idle"]),
        when: When::Always,
    },
    Proof {
        name: "page",
        about: "every view and state of the page does what it says, and it asks nobody else",
        kind: Kind::Browser(&[
            "page-people",
            "page-rooms",
            "page-link",
            "page-talk",
            "page-scroll",
            "page-hostile",
        ]),
        when: When::Always,
    },
    Proof {
        name: "widget",
        about: "the widget in another site's page: under the strictest policy, beside the rudest style, in a frame, by keys, by HTTP",
        kind: Kind::BrowserPairs(&["widget", "widget-look", "widget-ways"]),
        when: When::Always,
    },
    Proof {
        name: "workers",
        about: "the SDK connects, talks and comes back in a worker, a shared worker and a service worker",
        kind: Kind::Browser(&["workers"]),
        when: When::Always,
    },
    Proof {
        name: "page-long",
        about: "a room of 100,000 messages keeps 40 rows in the page, and nothing under the eye moves",
        kind: Kind::Browser(&["page-long"]),
        when: When::Always,
    },
    Proof {
        name: "page-offline",
        about: "the page opens without its server, shows what was last known, heals, and leaves nothing after signing out",
        kind: Kind::BrowserPairs(&["page-offline"]),
        when: When::Always,
    },
    Proof {
        name: "page-frame",
        about: "the list, the search and the settings do what they say, by keys alone and at any width",
        kind: Kind::BrowserPairs(&[
            "page-list",
            "page-search",
            "page-settings",
            "page-look",
            "page-keys",
            "page-help",
            "page-retention",
        ]),
        when: When::Always,
    },
    Proof {
        name: "page-views",
        about: "every view of the page is filled and accessible in light, dark and forced colours, on a desk and a phone",
        kind: Kind::BrowserPairs(&["page-views-desk", "page-views-phone", "page-views-twin"]),
        when: When::Always,
    },
    Proof {
        name: "tabs",
        about: "tabs that share a connection lose and double nothing when their leader goes, stands still or sleeps",
        kind: Kind::Browser(&["tabs"]),
        when: When::Always,
    },
    Proof {
        name: "many-tabs",
        about: "12 tabs of 4 people chat for 10 minutes on 4 connections whatever becomes of their leaders: 0 lost, 0 doubled",
        kind: Kind::Browser(&["many-tabs"]),
        when: When::Always,
    },
    Proof {
        name: "relay",
        about: "the page of the Channels tutorial works with its socket moved to Moorline, beside Daphne and a worker",
        kind: Kind::Browser(&["relay"]),
        when: When::Always,
    },
    Proof {
        name: "fallback",
        about: "two people talk through proxies that refuse, swallow, hold back and cut connections, and nothing is lost",
        kind: Kind::Browser(&["fallback"]),
        when: When::Always,
    },
    Proof {
        name: "page-load",
        about: "the page can be used within 300 ms with 500 rooms",
        kind: Kind::Browser(&["page-load"]),
        when: When::Always,
    },
    Proof {
        name: "idle",
        about: "six idle hours behind the same proxy: no disconnect",
        kind: Kind::Browser(&["idle"]),
        when: When::Named,
    },
];

/// Runs the named proofs and tells whether all of them held.
pub(crate) fn run(repository: &Repository, args: &Args) -> Result<bool> {
    if args.list {
        PROOFS.iter().for_each(|proof| println!("{:<20} {}", proof.name, proof.about));
        return Ok(true);
    }
    for name in &args.names {
        if !PROOFS.iter().any(|proof| proof.name == name) {
            bail!("there is no proof `{name}`; `cargo xtask prove --list` names them");
        }
    }
    let form = if args.short { Form::Short } else { Form::Full };
    let chosen: Vec<Step> = PROOFS
        .iter()
        .filter(|proof| match args.names.is_empty() {
            true => proof.when != When::Named,
            false => args.names.iter().any(|name| name == proof.name),
        })
        .map(|proof| step(proof, form))
        .collect();
    install::everything(repository)?;
    // A server that was named is there already.
    if std::env::var_os("MOORLINE_BIN").is_none() {
        test::build(repository)?;
    }
    Ok(steps::run(repository, &chosen, false))
}

/// The short forms of all proofs, as steps of `cargo xtask test`.
pub(crate) fn short_steps() -> impl Iterator<Item = Step> {
    PROOFS.iter().filter(|proof| proof.when == When::Always).map(|proof| step(proof, Form::Short))
}

fn step(proof: &'static Proof, form: Form) -> Step {
    let short = if form == Form::Short { " --short" } else { "" };
    Step {
        name: format!("proof-{}", proof.name),
        remedy: format!(
            "it shows that {}; see the first line above that says so is not",
            proof.about
        ),
        again: format!("cargo xtask prove {}{short}", proof.name),
        // The full form is a verdict, and has one attempt.
        on_failure: match form == Form::Short && proof.kind.is_in_a_browser() {
            true => OnFailure::TryAgain,
            false => OnFailure::GoOn,
        },
        run: Box::new(move |repository| proof.kind.prove(repository, proof.name, form)),
    }
}
