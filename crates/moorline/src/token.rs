//! `moorline token mint`: makes the token that a backend would make, for trying things out.
//! Prints the token and nothing else, so that it can be used in a script.

mod inspect;

pub use inspect::{InspectArgs, inspect};

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use moorline_protocol::api::TokenClaims;
use moorline_protocol::{RoomId, UserId};
use moorline_server::auth::jwt;

use crate::args::MintArgs;
use crate::failure::{Exit, Failure};
use crate::parse;
use crate::settings::Environment;

/// An hour: long enough to try something, short enough to forget.
const DEFAULT_TTL: Duration = Duration::from_secs(3_600);

/// Signs a token for the person and rooms in `args`, good from `now` on.
pub fn mint(
    args: &MintArgs,
    environment: &Environment,
    now: SystemTime,
) -> Result<String, Failure> {
    let secret = environment
        .secret(args.jwt_secret.as_ref(), args.jwt_secret_file.as_ref(), "jwt-secret")?
        .ok_or_else(|| {
            Failure::usage(
                "There is no secret to sign with.",
                "Give the server's own: --jwt-secret-file FILE, or MOORLINE_JWT_SECRET_FILE.",
            )
        })?;
    let claims = claims(args, now)?;
    jwt::sign(&claims, secret.expose().as_bytes()).map_err(|error| {
        Failure::new(Exit::Failed, "The token could not be signed.", "Try another secret.")
            .because(error)
    })
}

fn claims(args: &MintArgs, now: SystemTime) -> Result<TokenClaims, Failure> {
    let invalid = |error: &dyn std::fmt::Display, option: &str| {
        Failure::usage(format!("--{option}: {error}."), "Correct it and try again.")
    };
    UserId::new(&args.sub).map_err(|error| invalid(&error, "sub"))?;
    let room = |id: &String| RoomId::new(id).map_err(|error| invalid(&error, "room"));
    let rooms: Vec<RoomId> = args.room.iter().map(room).collect::<Result<_, _>>()?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(TokenClaims {
        sub: args.sub.clone(),
        exp: now.saturating_add(time_to_live(args.ttl.as_deref())?.as_secs()),
        iat: Some(now),
        nbf: None,
        name: args.name.clone(),
        rooms: (!rooms.is_empty()).then_some(rooms),
    })
}

fn time_to_live(text: Option<&str>) -> Result<Duration, Failure> {
    let Some(text) = text else { return Ok(DEFAULT_TTL) };
    parse::duration(text).filter(|ttl| ttl.as_secs() > 0).ok_or_else(|| {
        Failure::usage(
            format!("`{text}` from --ttl is not a time of a second or more."),
            "Use for example 90s, 15m, 12h or 7d.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn args() -> MintArgs {
        MintArgs { sub: "ann".into(), jwt_secret: Some(SECRET.into()), ..MintArgs::default() }
    }

    #[test]
    fn a_minted_token_is_one_that_the_server_takes() {
        let now = UNIX_EPOCH + Duration::from_secs(1_795_377_137);
        let args = MintArgs {
            name: Some("Ann".into()),
            room: vec!["ops".into()],
            ttl: Some("15m".into()),
            ..args()
        };
        let token = mint(&args, &Environment::default(), now).unwrap();
        let claims = jwt::read(&token, SECRET.as_bytes(), 1_795_377_137).unwrap();
        assert_eq!(claims.sub, "ann");
        assert_eq!(claims.exp, 1_795_377_137 + 900);
        assert_eq!(claims.iat, Some(1_795_377_137));
        assert_eq!(claims.rooms, Some(vec![RoomId::new("ops").unwrap()]));
    }

    #[test]
    fn what_cannot_be_minted_is_explained() {
        let mint = |args: &MintArgs| mint(args, &Environment::default(), UNIX_EPOCH);
        let cases = [
            (MintArgs { jwt_secret: None, ..args() }, "no secret"),
            (MintArgs { sub: String::new(), ..args() }, "--sub"),
            (MintArgs { room: vec!["a b".into()], ..args() }, "--room"),
            (MintArgs { ttl: Some("soon".into()), ..args() }, "`soon` from --ttl"),
            (MintArgs { ttl: Some("0".into()), ..args() }, "`0` from --ttl"),
        ];
        for (args, text) in cases {
            let failure = mint(&args).unwrap_err();
            assert!(failure.what.contains(text), "{failure}");
            assert_eq!(failure.exit, Exit::Usage);
        }
    }
}
