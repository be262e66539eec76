//! `moorline doctor`: gives what `serve` would use, or a URL, to the checks of `moorline-doctor`, and prints what they found.
//! It decides nothing about what is well.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Args;
use moorline_doctor::{
    CHECKS, Group, Layer, Listening, Local, Mask, Problem, Report, Subject, Target, Verdict,
    Wanted, Web, examine,
};

use crate::args::{self, ServeArgs};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::secret::Secret;
use crate::settings::Environment;
use crate::{lock, parse};

/// A longer silence tells nothing more: no usual limit is beyond.
const LONGEST_IDLE: Duration = Duration::from_secs(570);

/// `moorline doctor`, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct DoctorArgs {
    /// Where people reach the server, as https://chat.example.org, to look at it from outside
    /// [default: look at what `serve` would use]
    #[arg(value_name = "URL")]
    pub url: Option<String>,
    /// Only this check or group of checks; repeatable
    #[arg(long, value_name = "CODE", help_heading = "Doctor")]
    pub only: Vec<String>,
    /// List all checks
    #[arg(long, help_heading = "Doctor")]
    pub list_checks: bool,
    /// Say it as one JSON object, as docs/doctor.schema.json describes
    #[arg(long, help_heading = "Doctor")]
    pub json: bool,
    /// With a URL: be silent for so long (330s, up to 570s), to find what ends silent connections [default: off]
    #[arg(long, value_name = "TIME", help_heading = "Doctor")]
    pub idle: Option<String>,
    /// A person's token to come in with; better in a file
    #[arg(long, value_name = "TOKEN", help_heading = "Doctor")]
    pub token: Option<String>,
    /// File that holds the token; - is standard input
    #[arg(long, value_name = "FILE", help_heading = "Doctor")]
    pub token_file: Option<String>,
    /// What the server would be started with.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// Looks, prints, and says how it ended.
pub fn run(args: &DoctorArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    if args.list_checks {
        print(&list());
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = Wanted::of(&args.only).map_err(|unknown| {
        let what = format!("`{}` is neither a check nor a group of checks.", unknown.0);
        Failure::usage(what, "moorline doctor --list-checks lists them.")
    })?;
    let subject = subject(args, environment)?;
    if !args.json {
        print(&beginning(&subject));
    }
    let report = look(subject, &wanted)?;
    if args.json {
        print(&format!("{}\n", report.json()));
    } else {
        print(&report.text());
    }
    Ok(match report.verdict {
        Verdict::Well => ExitCode::SUCCESS,
        Verdict::Faults => Exit::Failed.into(),
        Verdict::Unreachable => Exit::Unreachable.into(),
    })
}

fn look(subject: Subject, wanted: &Wanted) -> Result<Report, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        let fix = "Check the limits of this user: ulimit -a.";
        Failure::new(Exit::Failed, "The threads of the checks cannot be started.", fix)
            .because(error)
    })?;
    // What a crashing check would print could hold anything; the report says that it crashed.
    std::panic::set_hook(Box::new(|_| {}));
    let report = runtime.block_on(examine(subject, wanted));
    // A check that hangs in the kernel is not waited for.
    runtime.shutdown_background();
    Ok(report)
}

fn beginning(subject: &Subject) -> String {
    match &subject.web {
        Some(web) => format!("Looking at {} from outside. Nothing is changed.\n", web.target.origin()),
        None => "Looking at what `moorline serve` would use with these settings, for some seconds. Nothing is changed.\n"
            .to_owned(),
    }
}

fn list() -> String {
    let mut text = String::new();
    for group in Group::ALL {
        text += &format!("{} ({})\n", group.title(), group.as_str());
        let checks = CHECKS.iter().filter(|check| check.group == group);
        checks.for_each(|check| text += &format!("  {}  {}\n", check.code, check.title));
    }
    text
}

/// Where the output is gone, nothing can be said any more.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

fn subject(args: &DoctorArgs, environment: &Environment) -> Result<Subject, Failure> {
    let token = environment.secret(args.token.as_ref(), args.token_file.as_ref(), "token")?;
    let web = args.url.as_deref().map(|url| web(url, args, environment)).transpose()?;
    if web.is_none() && args.idle.is_some() {
        return Err(Failure::usage(
            "--idle looks at a connection from outside, and no URL is given.",
            "moorline doctor https://chat.example.org --idle 330s --token-file FILE",
        ));
    }
    let mut mask = Mask::default();
    if let Some(token) = &token {
        mask.hide(token.expose());
    }
    let local = match Config::resolve(&args.serve, environment) {
        Ok(config) => {
            hide(&mut mask, &config);
            Ok(local(config))
        }
        Err(failure) => Err(problem(&failure)),
    };
    Ok(Subject {
        local,
        misspelt: environment.misspelt(&options()),
        web,
        token: token.map(|token| moorline_doctor::Secret(token.expose().trim().to_owned())),
        mask,
        now: SystemTime::now,
    })
}

fn problem(failure: &Failure) -> Problem {
    let why = failure.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    Problem { what: format!("{}{why}", failure.what), fix: failure.fix.clone() }
}

/// The options whose variables count: those of `serve`, and ours.
fn options() -> Vec<String> {
    let command = args::command();
    let doctor = command.find_subcommand("doctor");
    let names = doctor.into_iter().flat_map(clap::Command::get_arguments);
    names.filter_map(|arg| arg.get_long().map(str::to_owned)).collect()
}

fn web(url: &str, args: &DoctorArgs, environment: &Environment) -> Result<Web, Failure> {
    let target = Target::parse(url).map_err(|_| {
        Failure::usage(
            "The URL is no address of the web.",
            "Write it as the browser's address bar shows it, for example https://chat.example.org.",
        )
    })?;
    let idle = args.idle.as_deref().map(|text| {
        let is_sane = |idle: &Duration| !idle.is_zero() && *idle <= LONGEST_IDLE;
        parse::duration(text).filter(is_sane).ok_or_else(|| {
            let what = format!(
                "`{text}` from --idle is not a time between 1 s and {} s.",
                LONGEST_IDLE.as_secs()
            );
            Failure::usage(what, "Use for example 330s, which finds limits of five minutes.")
        })
    });
    let origins = environment.pick_all(&args.serve.origin, "origin");
    Ok(Web {
        target,
        origins: origins.into_iter().map(|setting| setting.value).collect(),
        idle: idle.transpose()?,
    })
}

fn hide(mask: &mut Mask, config: &Config) {
    let secrets = [&config.jwt_secret, &config.api_key];
    secrets.into_iter().flatten().for_each(|secret| mask.hide(secret.expose()));
    if let Some(password) = config.database.as_ref().and_then(moorline_store::DatabaseUrl::secret) {
        mask.hide(&password);
    }
    if let Some(layer) = &config.layer {
        let options = layer.options();
        options.symmetric_encryption_keys.iter().for_each(|key| mask.hide(key));
        options
            .hosts
            .iter()
            .flat_map(moorline_layer::Host::secrets)
            .for_each(|text| mask.hide(text));
    }
    if let Some(events) = &config.outside.events {
        events.host.secrets().into_iter().for_each(|text| mask.hide(text));
    }
}

fn local(config: Config) -> Local {
    let layer = config
        .layer
        .as_ref()
        .map(|layer| Layer { options: layer.options().clone(), is_pubsub: layer.is_pubsub() });
    let of = |secret: &Secret| moorline_doctor::Secret(secret.expose().to_owned());
    Local {
        running: lock::holder(&config.data_dir),
        listening: Listening { tcp: config.listen.tcp, metrics: config.metrics_bind },
        layer,
        events: config.outside.events.map(|events| events.host),
        jwt_secret: config.jwt_secret.as_ref().map(of),
        ping_interval: config.ping_interval,
        database: config.database,
        data_dir: config.data_dir,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject_of(args: &DoctorArgs, variables: &[(&str, &str)]) -> Result<Subject, Failure> {
        let pair = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        subject(args, &variables.iter().map(pair).collect())
    }

    #[test]
    fn every_secret_of_the_settings_is_hidden() {
        let variables = [
            ("REDIS_URL", "redis://:redis-password@h"),
            ("DATABASE_URL", "postgres://me:database-password@h/x"),
            ("MOORLINE_EVENTS_URL", "redis://:events-password@h"),
            ("MOORLINE_LAYER_KEY", "layer-key"),
            ("MOORLINE_JWT_SECRET", "jwt-secret"),
            ("MOORLINE_API_KEY", "api-key"),
            ("MOORLINE_TOKEN", "the-token"),
        ];
        let subject = subject_of(&DoctorArgs::default(), &variables).unwrap();
        assert!(subject.local.is_ok(), "{subject:?}");
        let all = "redis-password database-password events-password layer-key jwt-secret api-key the-token";
        assert_eq!(subject.mask.cover(all), "*** *** *** *** *** *** ***");
        let shown = format!("{subject:?}");
        for (_, value) in variables {
            let secret = value.split(':').next_back().unwrap().split('@').next().unwrap();
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
    }

    #[test]
    fn settings_that_serve_refuses_are_a_finding_and_not_the_end() {
        let subject = subject_of(&DoctorArgs::default(), &[("MOORLINE_PORT", "http")]).unwrap();
        assert!(subject.local.unwrap_err().what.contains("`http` from MOORLINE_PORT"));
        let found = subject_of(&DoctorArgs::default(), &[("MOORLINE_PROT", "1")]).unwrap().misspelt;
        assert_eq!(found, [("MOORLINE_PROT".to_owned(), "MOORLINE_PORT".to_owned())]);
    }

    #[test]
    fn a_url_and_a_silence_that_make_no_sense_are_refused() {
        let args = |url: Option<&str>, idle: Option<&str>| DoctorArgs {
            url: url.map(str::to_owned),
            idle: idle.map(str::to_owned),
            ..DoctorArgs::default()
        };
        for (url, idle) in [
            (Some("chat.example.org"), None),
            (Some("https://a"), Some("0s")),
            (Some("https://a"), Some("2h")),
            (None, Some("330s")),
        ] {
            let refused = subject_of(&args(url, idle), &[]).unwrap_err();
            assert_eq!(refused.exit, Exit::Usage, "{url:?} {idle:?}");
        }
        let web = subject_of(&args(Some("https://a"), Some("330s")), &[]).unwrap().web.unwrap();
        assert_eq!(web.idle, Some(Duration::from_secs(330)));
    }
}
