//! Which database is used: the option, its variables, or `DATABASE_URL` as other programs know it.
//! `config` and `migrate` ask here. The URL's password is never shown.

use moorline_store::DatabaseUrl;

use crate::failure::Failure;
use crate::settings::Environment;

/// The word for the store in the data folder, where `DATABASE_URL` is meant for another program.
const SQLITE: &str = "sqlite";

/// The database, or none for SQLite in the data folder. `MOORLINE_DATABASE_URL` beats `DATABASE_URL`.
pub fn database(
    url: Option<&String>,
    file: Option<&String>,
    environment: &Environment,
) -> Result<Option<DatabaseUrl>, Failure> {
    let (text, source) = match environment.secret(url, file, "database-url")? {
        Some(own) => (own, "--database-url"),
        None => match environment.shared_secret("DATABASE_URL")? {
            Some(shared) => (shared, "DATABASE_URL"),
            None => return Ok(None),
        },
    };
    if text.expose() == SQLITE {
        return Ok(None);
    }
    let parsed = text.expose().trim().parse::<DatabaseUrl>();
    parsed.map(Some).map_err(|error| {
        Failure::usage(
            format!("The database URL from {source} cannot be used: {error}."),
            "Write postgres://user:password@host:5432/name, or the word sqlite to store in the data folder.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Option<String>, Failure> {
        let pair = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let environment: Environment = variables.iter().map(pair).collect();
        Ok(database(None, None, &environment)?.map(|url| url.to_string()))
    }

    #[test]
    fn our_own_variable_beats_the_one_that_all_know() {
        let shared = ("DATABASE_URL", "postgres://a:hush@one/x");
        assert_eq!(of(&[shared]).unwrap().as_deref(), Some("postgres://a:***@one:5432/x"));
        let both = [shared, ("MOORLINE_DATABASE_URL", "postgres://b@two/y")];
        assert_eq!(of(&both).unwrap().as_deref(), Some("postgres://b@two:5432/y"));
        assert_eq!(of(&[shared, ("MOORLINE_DATABASE_URL", "sqlite")]).unwrap(), None);
        assert_eq!(of(&[]).unwrap(), None);
    }

    #[test]
    fn it_comes_from_a_file_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url");
        std::fs::write(&path, "postgres://a:hush@one/x\n").unwrap();
        for name in ["DATABASE_URL_FILE", "MOORLINE_DATABASE_URL_FILE"] {
            let url = of(&[(name, path.to_str().unwrap())]).unwrap();
            assert_eq!(url.as_deref(), Some("postgres://a:***@one:5432/x"));
        }
    }

    #[test]
    fn another_kind_of_database_is_refused_without_showing_the_password() {
        let refused = of(&[("DATABASE_URL", "mysql://a:hush@one/x")]).unwrap_err().to_string();
        assert!(refused.contains("DATABASE_URL") && refused.contains("sqlite"), "{refused}");
        assert!(!refused.contains("hush"), "{refused}");
    }
}
