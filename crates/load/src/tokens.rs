//! Whose word a client shows: a token for a person, signed with the server's secret or asked of a command, so that people
//! can talk to an installation whose accounts are elsewhere. Tokens are never printed.

use std::collections::HashMap;
use std::fmt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use jsonwebtoken::{EncodingKey, Header, encode};
use parking_lot::Mutex;
use serde_json::json;
use tokio::process::Command;
use tokio::time::{Instant, timeout};

/// How long a signed token is good for: longer than a run.
const LIFE: Duration = Duration::from_secs(86_400);
/// How long a command's token is used again.
const KEPT: Duration = Duration::from_secs(120);
/// A command that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where tokens come from; clones share what was asked for.
#[derive(Clone)]
pub struct Tokens(Arc<Source>);

enum Source {
    Secret(Vec<u8>),
    Command { command: String, known: Mutex<HashMap<String, (String, Instant)>> },
}

impl fmt::Debug for Tokens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Tokens")
    }
}

impl Tokens {
    /// Signed here, with HS256 and the secret that the server was started with.
    pub fn signed(secret: &[u8]) -> Self {
        Self(Arc::new(Source::Secret(secret.to_vec())))
    }

    /// What a shell command prints, which finds the person's id in `MOORLINE_USER`.
    pub fn by_command(command: &str) -> Self {
        let known = Mutex::default();
        Self(Arc::new(Source::Command { command: command.to_owned(), known }))
    }

    /// A token for this person.
    ///
    /// # Errors
    /// If it cannot be signed, or the command fails, prints nothing, or takes longer than 30 s.
    pub async fn token(&self, user: &str) -> Result<String> {
        match &*self.0 {
            Source::Secret(secret) => signed(secret, user),
            Source::Command { command, known } => {
                let fresh =
                    |(token, at): &(String, Instant)| (at.elapsed() < KEPT).then(|| token.clone());
                if let Some(token) = known.lock().get(user).and_then(fresh) {
                    return Ok(token);
                }
                let token = printed(command, user).await?;
                known.lock().insert(user.to_owned(), (token.clone(), Instant::now()));
                Ok(token)
            }
        }
    }

    /// The person's token was refused: the next one is a new one.
    pub(crate) fn forget(&self, user: &str) {
        if let Source::Command { known, .. } = &*self.0 {
            known.lock().remove(user);
        }
    }
}

fn signed(secret: &[u8], user: &str) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = json!({"sub": user, "name": user, "iat": now, "exp": now + LIFE.as_secs()});
    encode(&Header::default(), &claims, &EncodingKey::from_secret(secret))
        .context("the secret cannot sign")
}

async fn printed(command: &str, user: &str) -> Result<String> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("MOORLINE_USER", user);
    let output = shell.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output();
    let output = timeout(PATIENCE, output).await.context("the token command does not end")??;
    ensure!(output.status.success(), "the token command ended with {} for {user}", output.status);
    let token = String::from_utf8(output.stdout).context("the token command printed no text")?;
    let token = token.trim();
    ensure!(!token.is_empty(), "the token command printed nothing for {user}");
    ensure!(!token.contains(char::is_whitespace), "the token command printed more than a token");
    Ok(token.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop there")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_is_asked_once_for_a_person_until_its_token_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let asked = folder.path().join("asked");
        let command =
            format!("echo \"$MOORLINE_USER\" >> {0}; wc -l < {0} | tr -d ' '", asked.display());
        let tokens = Tokens::by_command(&command);
        assert_eq!(tokens.token("ann").await.unwrap(), "1");
        assert_eq!(tokens.clone().token("ann").await.unwrap(), "1");
        assert_eq!(tokens.token("bob").await.unwrap(), "2");
        tokens.forget("ann");
        assert_eq!(tokens.token("ann").await.unwrap(), "3");
        assert_eq!(std::fs::read_to_string(asked).unwrap(), "ann\nbob\nann\n");
    }

    #[tokio::test]
    async fn a_command_that_gives_no_token_is_explained() {
        for (command, why) in
            [("exit 3", "ended with"), ("true", "nothing"), ("echo a b", "more than")]
        {
            let error = Tokens::by_command(command).token("ann").await.unwrap_err();
            assert!(error.to_string().contains(why), "{command}: {error}");
        }
    }

    #[tokio::test]
    async fn a_secret_signs_three_parts_and_is_not_shown() {
        let tokens = Tokens::signed(b"0123456789abcdef0123456789abcdef");
        assert_eq!(tokens.token("ann").await.unwrap().split('.').count(), 3);
        assert_eq!(format!("{tokens:?}"), "Tokens");
    }
}
