//! The parameters of the interface's requests: known ones only, each with a clear refusal.

use moorline_protocol::ErrorCode;

use crate::api::failure::Failure;

/// The pairs of a query.
pub(super) type Pairs = Vec<(String, String)>;

/// Refuses what is not known: a misspelt filter would show everything.
pub(super) fn check(pairs: &Pairs, known: &[&str]) -> Result<(), Failure> {
    match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((name, _)) => Err(invalid(format!(
            "There is no parameter `{}` here, only: {}.",
            moorline_protocol::admin::cut(name, 40),
            known.join(", ")
        ))),
        None => Ok(()),
    }
}

/// The value of a parameter.
pub(super) fn one<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The value as an id or number.
pub(super) fn parsed<T: std::str::FromStr>(pairs: &Pairs, name: &str) -> Result<Option<T>, Failure>
where
    T::Err: std::fmt::Display,
{
    let parse = |text: &str| text.parse().map_err(|error| invalid(format!("`{name}`: {error}.")));
    one(pairs, name).map(parse).transpose()
}

/// All values as ids.
pub(super) fn all<T: std::str::FromStr>(pairs: &Pairs, name: &str) -> Result<Vec<T>, Failure>
where
    T::Err: std::fmt::Display,
{
    let values = pairs.iter().filter(|(known, _)| known == name);
    let parse = |(_, text): &(String, String)| {
        text.parse().map_err(|error| invalid(format!("`{name}`: {error}.")))
    };
    values.map(parse).collect()
}

/// How many are wanted in one answer, at most a thousand.
pub(super) fn limit(pairs: &Pairs) -> Result<usize, Failure> {
    Ok(parsed::<usize>(pairs, "limit")?.unwrap_or(100).clamp(1, 1_000))
}

pub(super) fn invalid(text: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::Invalid, text)
}
