//! Makes a plan of what was typed: checks numbers, finds the secret, names the people.

use std::time::Duration;

use moorline_load::probe::Probe;
use moorline_load::run::Plan;
use moorline_load::run::fault::Fault;
use moorline_load::target::Target;
use moorline_load::tokens::Tokens;
use moorline_load::wire::Transport;

use super::args::{FaultName, LoadArgs, Over, SoakArgs};
use super::local::Local;
use crate::failure::Failure;
use crate::parse;
use crate::settings::Environment;

/// One process can play so many windows.
const WINDOWS: usize = 20_000;
/// And so many messages a second can be offered by it.
const RATE: f64 = 100_000.0;
/// Bytes of a message, at most; the server's own limit.
const BYTES: usize = 65_536;
/// From one fault to the next.
const EVERY: Duration = Duration::from_secs(20);

/// A plan without faults and history; of the local server, where there is one.
pub(super) fn of(
    args: &LoadArgs,
    local: Option<&Local>,
    environment: &Environment,
) -> Result<Plan, Failure> {
    let seed = args.seed.unwrap_or_else(rand::random);
    let run: u32 = rand::random();
    let count = number(args.people, 10, "people", 2..=WINDOWS)?;
    let people = match args.user.as_slice() {
        [] => (0..count).map(|person| format!("soak-{run:08x}-{person}")).collect(),
        users => users.to_vec(),
    };
    if people.len() < 2 {
        return Err(wrong("--user names one person.", "Name two or more: who would listen?"));
    }
    let tabs = number(args.tabs, 1, "tabs", 1..=WINDOWS / people.len().max(1))?;
    let rooms = number(args.rooms, people.len().div_ceil(5), "rooms", 1..=people.len())?;
    let rate = args.rate.unwrap_or(20.0);
    if !(rate > 0.0 && rate <= RATE) {
        return Err(wrong(
            &format!("--rate: {rate} messages a second cannot be sent."),
            "Use a number above 0, at most 100000.",
        ));
    }
    Ok(Plan {
        nodes: nodes(args, local)?,
        tokens: tokens(args, local, environment)?,
        people,
        tabs,
        rooms,
        rate,
        bytes: number(args.bytes, 64, "bytes", 1..=BYTES)?,
        lasts: time(args.duration.as_ref(), Duration::from_secs(60), "duration")?,
        transports: match args.transport {
            Over::Websocket => vec![Transport::WebSocket],
            Over::Stream => vec![Transport::Stream],
            Over::Poll => vec![Transport::Poll],
            Over::Mixed => Transport::ALL.to_vec(),
        },
        faults: Vec::new(),
        every: EVERY,
        is_lively: false,
        history: None,
        probe: probe(args, local)?,
        seed,
    })
}

/// Adds what happens in a soak.
pub(super) fn with_faults(mut plan: Plan, args: &SoakArgs) -> Result<Plan, Failure> {
    plan.faults = args
        .faults
        .iter()
        .map(|name| match name {
            FaultName::KillConnections => Fault::KillConnections,
            FaultName::Stall => Fault::Stall,
            FaultName::Storm => Fault::Storm,
        })
        .chain(args.exec.clone().map(Fault::Exec))
        .collect();
    plan.every = time(args.every.as_ref(), EVERY, "every")?;
    plan.is_lively = true;
    Ok(plan)
}

fn nodes(args: &LoadArgs, local: Option<&Local>) -> Result<Vec<Target>, Failure> {
    if let Some(local) = local {
        return Ok(vec![local.target()]);
    }
    args.urls.iter().map(|url| target(url)).collect()
}

fn target(url: &str) -> Result<Target, Failure> {
    Target::parse(url).map_err(|error| {
        let what = format!("`{url}` is no address of a server.");
        Failure::usage(what, "Use for example https://chat.example.org.").because(error)
    })
}

fn tokens(
    args: &LoadArgs,
    local: Option<&Local>,
    environment: &Environment,
) -> Result<Tokens, Failure> {
    if let Some(local) = local {
        return Ok(Tokens::signed(local.secret().as_bytes()));
    }
    if let Some(command) = &args.token_command {
        return Ok(Tokens::by_command(command));
    }
    let secret = environment.secret(
        args.jwt_secret.as_ref(),
        args.jwt_secret_file.as_ref(),
        "jwt-secret",
    )?;
    let secret = secret.ok_or_else(|| {
        wrong(
            "Nobody vouches for the people who are to talk.",
            "Give the server's own secret by --jwt-secret-file FILE, or --token-command COMMAND; \
             --local needs neither.",
        )
    })?;
    Ok(Tokens::signed(secret.expose().as_bytes()))
}

fn probe(args: &LoadArgs, local: Option<&Local>) -> Result<Probe, Failure> {
    let pid = args.pid.or(local.and_then(Local::pid));
    match (&args.metrics, pid) {
        (Some(url), _) => Ok(Probe::Metrics(target(url)?)),
        (None, Some(pid)) => Ok(Probe::Process(pid)),
        (None, None) => Ok(Probe::Nothing),
    }
}

fn number(
    typed: Option<usize>,
    default: usize,
    option: &str,
    range: std::ops::RangeInclusive<usize>,
) -> Result<usize, Failure> {
    let number = typed.unwrap_or(default);
    if range.contains(&number) {
        return Ok(number);
    }
    let (least, most) = (range.start(), range.end());
    Err(wrong(
        &format!("--{option}: {number} is not between {least} and {most}."),
        "There is at least one window a person, and no more rooms than people.",
    ))
}

/// A time of 100 ms or more.
fn time(typed: Option<&String>, default: Duration, option: &str) -> Result<Duration, Failure> {
    let Some(text) = typed else { return Ok(default) };
    parse::duration(text).filter(|time| *time >= Duration::from_millis(100)).ok_or_else(|| {
        wrong(
            &format!("`{text}` from --{option} is not a time of 0.1 s or more."),
            "Use for example 30s, 10m or 12h.",
        )
    })
}

fn wrong(what: &str, fix: &str) -> Failure {
    Failure::usage(what, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> LoadArgs {
        LoadArgs {
            urls: vec!["http://localhost:1".into()],
            token_command: Some("true".into()),
            ..LoadArgs::default()
        }
    }

    #[test]
    fn what_was_not_typed_is_a_small_run_of_new_people() {
        let plan = of(&args(), None, &Environment::default()).unwrap();
        assert_eq!((plan.people.len(), plan.tabs, plan.rooms), (10, 1, 2));
        assert_eq!((plan.lasts.as_secs(), plan.rate), (60, 20.0));
        let again = of(&args(), None, &Environment::default()).unwrap();
        assert_ne!(plan.people, again.people, "each run has its own people");
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_the_option_that_asks_for_it() {
        let cases = [
            (LoadArgs { people: Some(1), ..args() }, "--people"),
            (LoadArgs { people: Some(3), rooms: Some(4), ..args() }, "--rooms"),
            (LoadArgs { people: Some(20_000), tabs: Some(2), ..args() }, "--tabs"),
            (LoadArgs { rate: Some(0.0), ..args() }, "--rate"),
            (LoadArgs { rate: Some(f64::NAN), ..args() }, "--rate"),
            (LoadArgs { duration: Some("0".into()), ..args() }, "--duration"),
            (LoadArgs { bytes: Some(70_000), ..args() }, "--bytes"),
            (LoadArgs { user: vec!["ann".into()], ..args() }, "--user"),
            (LoadArgs { urls: vec!["localhost".into()], ..args() }, "localhost"),
            (LoadArgs { metrics: Some("9464".into()), ..args() }, "9464"),
            (LoadArgs { token_command: None, ..args() }, "vouches"),
        ];
        for (args, text) in cases {
            let failure = of(&args, None, &Environment::default()).unwrap_err();
            assert!(failure.what.contains(text), "{failure}");
            assert_eq!(failure.exit, crate::failure::Exit::Usage);
        }
    }
}
