//! The Sentinels of the URL: all there, of one mind, and enough of them to choose another master.

use moorline_layer::{Host, Probe, Reply, Trouble};

use super::{ANSWER, of_hosts};
use crate::finding::Outcome;
use crate::subject::Subject;

pub(crate) async fn agree(subject: &Subject) -> Outcome {
    of_hosts(subject, async |host, _| match host.sentinels() {
        Some((sentinels, master)) => ask_all(&sentinels, master).await,
        None => Outcome::skipped("The URL names no Sentinels."),
    })
    .await
}

async fn ask_all(sentinels: &[Host], master: &str) -> Outcome {
    let (mut named, mut faults) = (Vec::new(), Vec::new());
    for sentinel in sentinels {
        match ask(sentinel, master).await {
            Ok(Answer::Master { at, quorum }) => {
                named.push(at);
                faults.extend(quorum.map(|why| format!("{sentinel}: {why}")));
            }
            Ok(Answer::Unknown) => faults.push(format!("{sentinel} knows no master `{master}`")),
            Err(trouble) => faults.push(format!("{sentinel}: {}", trouble.why)),
        }
    }
    let named = super::survey::sorted(named);
    let why = "After the loss of the master nobody, or not the right one, takes its place, and the layer stays down.";
    let fix = format!(
        "Start the missing Sentinels, three at least on machines of their own; compare: redis-cli -p 26379 SENTINEL CKQUORUM {master}, \
         SENTINEL GET-MASTER-ADDR-BY-NAME {master}."
    );
    match (named.as_slice(), faults.is_empty()) {
        ([], _) => {
            Outcome::fail(format!("No Sentinel names a master: {}.", faults.join("; ")), why, fix)
        }
        ([one], true) if sentinels.len() >= 3 => Outcome::pass(format!(
            "{} Sentinels name {one} as the master `{master}`.",
            sentinels.len()
        )),
        ([one], true) => Outcome::pass(format!(
            "All {} name {one} as the master `{master}`; with three of them one may be lost.",
            sentinels.len()
        )),
        ([one], false) => {
            Outcome::warn(format!("{one} is the master, but: {}.", faults.join("; ")), why, fix)
        }
        (several, _) => Outcome::fail(
            format!("Sentinels name several masters `{master}`: {}.", several.join(", ")),
            why,
            fix,
        ),
    }
}

enum Answer {
    Master { at: String, quorum: Option<String> },
    Unknown,
}

async fn ask(sentinel: &Host, master: &str) -> Result<Answer, Trouble> {
    let mut probe = Probe::open(sentinel).await?;
    let reply = probe.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", master], ANSWER).await?;
    let parts: Vec<String> = reply.parts().iter().filter_map(Reply::text).collect();
    let [host, port] = parts.as_slice() else { return Ok(Answer::Unknown) };
    let quorum = probe.ask(&["SENTINEL", "CKQUORUM", master], ANSWER).await?;
    let quorum = super::denied(&quorum).map(str::to_owned);
    Ok(Answer::Master { at: format!("{host}:{port}"), quorum })
}
