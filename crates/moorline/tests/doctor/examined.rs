//! One run of `moorline doctor` and what it says.

use std::process::{Command, Output, Stdio};

use moorline_test_redis::{PASSWORD, PASSWORD_IN_URL};
use serde_json::Value;

use crate::running::{SECRET, program};

/// Keys of the tests; like the passwords, they must be in no output.
pub(crate) const KEY: &str = "the-key-of-this-side-93a1";
pub(crate) const OTHER_KEY: &str = "the-key-of-the-other-side-5c02";
pub(crate) const OTHER_SECRET: &str = "fedcba9876543210fedcba9876543210";
pub(crate) const WRONG_PASSWORD: &str = "not-the-password-7f3e";

const SECRETS: [&str; 7] =
    [PASSWORD, PASSWORD_IN_URL, SECRET, KEY, OTHER_KEY, OTHER_SECRET, WRONG_PASSWORD];

/// A doctor about to be asked: the words behind `doctor`, variables, and further secrets.
#[derive(Default, Clone)]
pub(crate) struct Doctor {
    words: Vec<String>,
    variables: Vec<(String, String)>,
    secrets: Vec<String>,
    /// The most files that it may have open.
    files: Option<u32>,
}

/// What one check found.
pub(crate) struct Found {
    pub(crate) status: String,
    pub(crate) told: String,
    pub(crate) fix: String,
}

impl Doctor {
    pub(crate) fn with(words: &[&str]) -> Self {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Self { words, ..Self::default() }
    }

    pub(crate) fn and(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn token(mut self, token: &str) -> Self {
        self.secrets.push(token.to_owned());
        self.variable("MOORLINE_TOKEN", token)
    }

    pub(crate) fn files(mut self, most: u32) -> Self {
        self.files = Some(most);
        self
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut words: Vec<&str> = vec!["doctor"];
        words.extend(self.words.iter().map(String::as_str).chain(more.iter().copied()));
        let mut command = match self.files {
            None => program(&words),
            Some(most) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {most} && exec \"$0\" \"$@\"")]);
                shell.arg(crate::running::PROGRAM).args(&words);
                shell
            }
        };
        command.env_remove("REDIS_URL").envs(self.variables.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it and looks for secrets in all that it says.
    pub(crate) fn run(&self, more: &[&str]) -> (i32, String) {
        self.judge(self.command(more).output().unwrap())
    }

    fn judge(&self, output: Output) -> (i32, String) {
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        let said = String::from_utf8(said).unwrap();
        for secret in SECRETS.iter().copied().chain(self.secrets.iter().map(String::as_str)) {
            assert!(!said.contains(secret), "{secret} is shown:\n{said}");
        }
        (output.status.code().unwrap(), said)
    }

    /// What one check says to programs and, at the same time, to people.
    pub(crate) fn check(&self, code: &str) -> (i32, Found) {
        let people = self.command(&["--only", code]).spawn().unwrap();
        let (exit, json) = self.run(&["--only", code, "--json"]);
        let (same_exit, text) = self.judge(people.wait_with_output().unwrap());
        assert_eq!(exit, same_exit, "{json}\n{text}");
        let report: Value = serde_json::from_str(&json).unwrap_or_else(|_| panic!("{json}"));
        let findings = report["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 1, "{json}");
        let of = |name: &str| findings[0][name].as_str().unwrap_or_default().to_owned();
        assert_eq!(of("code"), code);
        assert!(text.contains(&of("seen")) || of("status") != "fail", "{json}\n{text}");
        assert!(text.contains(&of("fix")), "{json}\n{text}");
        let told = format!("{}\n{}\n{}", of("seen"), of("why"), of("fix"));
        (exit, Found { status: of("status"), told, fix: of("fix") })
    }

    /// The check fails, says this of what it saw, this of the remedy, and the program ends with 1.
    pub(crate) fn finds(&self, code: &str, seen: &str, remedy: &str) {
        let (exit, found) = self.check(code);
        assert_eq!((exit, found.status.as_str()), (1, "fail"), "{}", found.told);
        assert!(found.told.contains(seen), "{seen} is not in:\n{}", found.told);
        assert!(found.fix.contains(remedy), "{remedy} is not in:\n{}", found.fix);
    }

    /// The check passes, and the program ends with 0.
    pub(crate) fn passes(&self, code: &str) -> String {
        let (exit, found) = self.check(code);
        assert_eq!((exit, found.status.as_str()), (0, "pass"), "{}", found.told);
        found.told
    }
}
