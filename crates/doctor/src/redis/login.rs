//! Whether Redis is there, and whether it lets us in. The words for what it answers are those of the logs on both sides.

use moorline_layer::{Cause, Host, Probe, Reply, Trouble};

use super::{ANSWER, UNREACHED, of_hosts};
use crate::finding::Outcome;
use crate::subject::Subject;

pub(crate) async fn is_reachable(subject: &Subject) -> Outcome {
    of_hosts(subject, async |host, _| reach(host).await).await
}

async fn reach(host: &Host) -> Outcome {
    let why = "Without Redis the nodes, and Django, hear each other only by looking at the store, seconds later; relays and \
               notices stop. Nothing is lost.";
    let started = std::time::Instant::now();
    let pinged = match Probe::open_as_stranger(host, ANSWER).await {
        Ok(mut probe) => probe.ask(&["PING"], ANSWER).await,
        Err(trouble) => Err(trouble),
    };
    match pinged {
        Ok(_) => {
            let took = started.elapsed().as_millis();
            Outcome::pass(format!("{host} answers after {took} ms.")).reached(true)
        }
        Err(trouble) => Outcome::fail(
            format!("{host} does not answer: {}.", trouble.why),
            why,
            "Check host, port and firewall of the URL, and that Redis runs and listens there (`bind` in redis.conf): \
             redis-cli -u URL ping.",
        )
        .reached(trouble.is_reached()),
    }
}

/// What a stranger hears, and what somebody with our login hears.
struct Heard {
    stranger: Reply,
    login: Result<(), Trouble>,
}

async fn heard(host: &Host) -> Result<Heard, Trouble> {
    let mut stranger = Probe::open_as_stranger(host, ANSWER).await?;
    let stranger = stranger.ask(&["PING"], ANSWER).await?;
    Ok(Heard { stranger, login: Probe::open(host).await.map(drop) })
}

pub(crate) async fn lets_in(subject: &Subject) -> Outcome {
    of_hosts(subject, async |host, _| match heard(host).await {
        Ok(heard) => judge(host, &heard),
        Err(_) => Outcome::skipped("Redis was not reached: see ML-REDIS-001."),
    })
    .await
}

fn judge(host: &Host, heard: &Heard) -> Outcome {
    let asks = matches!(&heard.stranger, Reply::Refused(why) if why.starts_with("NOAUTH"));
    let why = "This side cannot use Redis at all. In Django the word NOAUTH never appears: its sockets end with HTTP 500, or \
               close with 1011 right after they opened.";
    match &heard.login {
        Ok(()) if host.has_password() && !asks => Outcome::warn(
            format!("{host} takes the password, but asks strangers for none."),
            "Whoever reaches its port can read and write everything there. redis-py 7 on the Django side is refused with \
             such a URL, redis-py 8 is not.",
            "Set requirepass in redis.conf (or: redis-cli CONFIG SET requirepass …), or take the password out of the URLs.",
        ),
        Ok(()) if !asks => {
            Outcome::pass(format!("{host} asks for no password, and none is given."))
        }
        Ok(()) => Outcome::pass(format!("{host} takes user and password.")),
        Err(trouble) => match trouble.cause {
            Cause::PasswordMissing => Outcome::fail(
                format!("{host} asks for a password (NOAUTH), and the URL has none."),
                why,
                "Write it into the URL, redis://:PASSWORD@HOST:6379/0, with @ as %40, : as %3A, / as %2F; better in a file: \
                 --redis-url-file FILE, or REDIS_URL_FILE.",
            ),
            Cause::PasswordWrong => Outcome::fail(
                format!("{host} refuses user or password (WRONGPASS)."),
                why,
                "Compare it with requirepass in redis.conf or the ACL (redis-cli ACL LIST), and with Django's \
                 CHANNEL_LAYERS; in a URL, @ is %40, : is %3A, / is %2F.",
            ),
            _ if trouble.why.contains("DB index") => {
                Outcome::pass(format!("{host} takes the login; for the database see ML-REDIS-003."))
            }
            _ => Outcome::fail(
                format!("{host} refuses the login: {}.", trouble.why),
                why,
                "Try the same by hand: redis-cli -u URL ping.",
            ),
        },
    }
}

pub(crate) async fn takes_events(subject: &Subject) -> Outcome {
    let Ok(local) = &subject.local else { return crate::local::unread() };
    let Some(host) = &local.events else {
        return Outcome::skipped("Domain events are off (--events-url).");
    };
    match Probe::open(host).await {
        Ok(_) => Outcome::pass(format!(
            "{host} can be used. Its database number separates nothing there: the prefix does."
        )),
        Err(trouble) => Outcome::fail(
            format!("{host} cannot be used: {}.", trouble.why),
            "Backends that subscribe there hear nothing of what happens.",
            "Check the URL of --events-url as ML-REDIS-001 and ML-REDIS-002 say for the layer's.",
        ),
    }
}

/// What other checks say where Redis was not to be had, or refuses what they ask.
pub(crate) fn unreached(trouble: Trouble) -> Outcome {
    if trouble.why.starts_with("SCAN") {
        return Outcome::skipped(format!("This user may not look: {}.", trouble.why));
    }
    Outcome::skipped(UNREACHED)
}
