//! What the load needs beside the socket: people and rooms made by the server API, and tokens.
//! Plain blocking HTTP over a kept connection; nothing here is measured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::plan::Plan;

/// Requests that are under way at once: each waits for a commit.
const WORKERS: usize = 32;

/// Members that a room is made with; the others are added one by one.
const FIRST_MEMBERS: usize = 100;

/// One kept connection to the server API.
pub(crate) struct Api {
    stream: BufReader<TcpStream>,
    key: String,
}

impl Api {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr, key: &str) -> Result<Api> {
        let stream = TcpStream::connect(address).context("cannot connect to the server API")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Api { stream: BufReader::new(stream), key: key.to_owned() })
    }

    /// One request; the status and the body of the answer.
    pub(crate) fn call(&mut self, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.answer().with_context(|| format!("no answer to {method} {path}"))
    }

    fn answer(&mut self) -> Result<(u16, String)> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.with_context(|| format!("not an HTTP answer: {line:?}"))?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let header = line.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    fn must(&mut self, method: &str, path: &str, body: &serde_json::Value) -> Result<()> {
        let (status, answer) = self.call(method, path, &body.to_string())?;
        if !(200..300).contains(&status) {
            bail!("{method} {path} was answered with {status} {answer}");
        }
        Ok(())
    }
}

/// Makes the people and the rooms of a plan.
pub(crate) fn make(address: SocketAddr, key: &str, plan: &Plan) -> Result<()> {
    in_parallel(address, key, &plan.people, |api, person| {
        let path = format!("/api/v1/users/{}", person.user);
        api.must("PUT", &path, &json!({ "name": person.user }))
    })?;
    in_parallel(address, key, &plan.rooms, |api, room| {
        let first = &room.members[..room.members.len().min(FIRST_MEMBERS)];
        let mut body = json!({ "id": room.id, "kind": room.kind, "members": first });
        if room.kind != "direct" {
            body["name"] = json!(room.id);
        }
        api.must("POST", "/api/v1/rooms", &body)
    })?;
    for room in plan.rooms.iter().filter(|room| room.members.len() > FIRST_MEMBERS) {
        in_parallel(address, key, &room.members[FIRST_MEMBERS..], |api, user| {
            let path = format!("/api/v1/rooms/{}/members/{user}", room.id);
            api.must("PUT", &path, &json!({}))
        })?;
    }
    Ok(())
}

fn in_parallel<T: Sync>(
    address: SocketAddr,
    key: &str,
    items: &[T],
    work: impl Fn(&mut Api, &T) -> Result<()> + Sync,
) -> Result<()> {
    let share = items.len().div_ceil(WORKERS).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = items
            .chunks(share)
            .map(|chunk| {
                scope.spawn(|| {
                    let mut api = Api::connect(address, key)?;
                    chunk.iter().try_for_each(|item| work(&mut api, item))
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap_or_else(|_| bail!("a worker of the server API stopped"))?;
        }
        Ok(())
    })
}

/// Mints a token for a person: HS256 with the shared secret, good for a day.
pub(crate) fn token(secret: &str, user: &str) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = json!({ "sub": user, "name": user, "iat": now, "exp": now + 86_400 });
    sign(secret, &claims.to_string())
}

fn sign(secret: &str, claims: &str) -> Result<String> {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
    mac.update(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    Ok(format!("{signed}.{signature}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_signed_as_every_library_does_it() {
        // The example of jwt.io with the secret "your-256-bit-secret".
        let claims = r#"{"sub":"1234567890","name":"John Doe","iat":1516239022}"#;
        let token = sign("your-256-bit-secret", claims).unwrap();
        assert!(token.ends_with(".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"), "{token}");
    }
}
