//! Texts into values: durations and origins. `config` calls these once at the start;
//! an error here is only "no", the sentence for people is made by the caller.

use std::time::Duration;

/// Reads `25`, `0.5`, `90s`, `15m`, `12h`, `7d` or `250ms`; a bare number is in seconds.
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

/// A web origin: scheme, host and port, nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Reads `https://chat.example.org` or `http://localhost:5173`, as a browser would send it.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('/').unwrap_or(text).to_lowercase();
        let (scheme, authority) = text.split_once("://")?;
        let default_port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return None,
        };
        let authority = authority.strip_suffix(default_port).unwrap_or(authority);
        let known = authority.parse::<http::uri::Authority>().ok()?;
        let has_bad_port =
            authority.rsplit(']').next()?.contains(':') && known.port_u16().is_none();
        if known.host().is_empty()
            || known.host().contains('*')
            || authority.contains('@')
            || has_bad_port
        {
            return None;
        }
        Some(Self(format!("{scheme}://{authority}")))
    }

    /// As a browser sends it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit_or_is_in_seconds() {
        let expected = [
            ("25", 25_000),
            ("0.5", 500),
            ("90s", 90_000),
            ("15m", 900_000),
            ("12h", 43_200_000),
            ("7d", 604_800_000),
            ("250ms", 250),
            ("0", 0),
        ];
        for (text, ms) in expected {
            assert_eq!(duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "-1", "s", "5 m", "1w", "1e9", "1.2.3", "99999999999999999999999d", "inf"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_origin_is_written_as_a_browser_sends_it() {
        let expected = [
            ("https://chat.example.org", "https://chat.example.org"),
            ("https://Chat.Example.org/", "https://chat.example.org"),
            ("https://chat.example.org:443", "https://chat.example.org"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:8000", "http://[::1]:8000"),
        ];
        for (text, origin) in expected {
            assert_eq!(Origin::parse(text).as_ref().map(Origin::as_str), Some(origin), "{text}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        let bad = [
            "*",
            "null",
            "",
            "chat.example.org",
            "ftp://a",
            "https://",
            "https://a/b",
            "https://*.a.org",
            "https://u@a.org",
            "https://a.org:99999",
            "https://a.org:",
        ];
        for text in bad {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }
}
