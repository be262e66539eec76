//! `--auth-url`: the backend that says whose a cookie is, its options and how they are told. `config` asks here.

use std::sync::Arc;

use clap::Args;
use http::{HeaderName, Uri, header};
use moorline_server::auth::Backend;

use crate::failure::{Exit, Failure};
use crate::settings::{Environment, Setting};

/// Headers that belong to one connection or to the question itself, so they cannot be passed on.
const NOT_PASSED_ON: [HeaderName; 9] = [
    header::HOST,
    header::CONNECTION,
    header::UPGRADE,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::EXPECT,
    header::ACCEPT_ENCODING,
];

/// The backend that knows people, as typed.
#[derive(Debug, Default, Clone, Args)]
pub struct AuthUrlArgs {
    /// Endpoint of your backend that is shown the cookie of whoever comes without a token, and says
    /// who it is, as https://host/path
    #[arg(long, value_name = "URL", help_heading = "People")]
    pub auth_url: Option<String>,
    /// Header of the request that the endpoint is shown; repeatable [default: Cookie]
    #[arg(long, value_name = "NAME", help_heading = "People")]
    pub auth_header: Vec<String>,
}

/// The endpoint and what it is shown, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthUrl {
    url: Uri,
    headers: Vec<HeaderName>,
}

impl AuthUrl {
    /// Gives types to what was typed; none without a URL.
    pub fn resolve(args: &AuthUrlArgs, environment: &Environment) -> Result<Option<Self>, Failure> {
        let headers = environment.pick_all(&args.auth_header, "auth-header");
        let Some(setting) = environment.pick(args.auth_url.as_ref(), "auth-url") else {
            return match headers.first() {
                Some(first) => Err(bad(
                    first,
                    "is a header for an endpoint, and there is none",
                    "Name the endpoint as well: --auth-url https://host/path.",
                )),
                None => Ok(None),
            };
        };
        let url = url(&setting)?;
        let mut headers = headers.iter().map(name).collect::<Result<Vec<_>, _>>()?;
        if headers.is_empty() {
            headers.push(header::COOKIE);
        }
        headers.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        headers.dedup();
        Ok(Some(Self { url, headers }))
    }

    /// The headers by which people are known.
    pub fn headers(&self) -> &[HeaderName] {
        &self.headers
    }

    /// Makes ready to ask it.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn backend(&self) -> Result<Arc<Backend>, Failure> {
        let backend = Backend::new(self.url.clone(), self.headers.clone());
        backend.map(Arc::new).map_err(|error| {
            let fix = "Install the system's certificates (ca-certificates), or set SSL_CERT_FILE.";
            Failure::new(Exit::Failed, "The auth URL cannot be asked.", fix).because(error)
        })
    }
}

fn url(setting: &Setting) -> Result<Uri, Failure> {
    let url: Option<Uri> = setting.value.parse().ok();
    let is_asked = |url: &Uri| {
        let scheme = url.scheme_str();
        let host = url.authority().is_some_and(|host| !host.as_str().contains('@'));
        matches!(scheme, Some("http" | "https")) && host && !setting.value.contains('#')
    };
    url.filter(is_asked).ok_or_else(|| {
        bad(
            setting,
            "is not an address that can be asked",
            "Use http or https, a host and a path, without a user, a password or a #, for example \
             http://127.0.0.1:8001/moorline/auth/.",
        )
    })
}

fn name(setting: &Setting) -> Result<HeaderName, Failure> {
    let name: HeaderName = setting.value.parse().map_err(|_| {
        bad(setting, "is not the name of a header", "Use for example Cookie or Authorization.")
    })?;
    let is_of_connection = NOT_PASSED_ON.contains(&name)
        || ["sec-websocket-", "proxy-"].iter().any(|kind| name.as_str().starts_with(kind));
    if is_of_connection || ["keep-alive", "origin"].contains(&name.as_str()) {
        return Err(bad(
            setting,
            "is a header that does not say who somebody is",
            "Use for example Cookie or Authorization.",
        ));
    }
    Ok(name)
}

fn bad(setting: &Setting, why: &str, fix: &str) -> Failure {
    Failure::usage(format!("`{}` from {} {why}.", setting.value, setting.source), fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(url: Option<&str>, headers: &[&str]) -> Result<Option<AuthUrl>, Failure> {
        let args = AuthUrlArgs {
            auth_url: url.map(str::to_owned),
            auth_header: headers.iter().map(|name| (*name).to_owned()).collect(),
        };
        AuthUrl::resolve(&args, &Environment::default())
    }

    #[test]
    fn the_cookie_is_shown_unless_other_headers_are_named() {
        let shown = |headers: &[&str]| {
            resolve(Some("http://127.0.0.1:8001/auth/?x=1"), headers).unwrap().unwrap().headers
        };
        assert_eq!(shown(&[]), [header::COOKIE]);
        assert_eq!(shown(&["Authorization"]), [header::AUTHORIZATION]);
        assert_eq!(shown(&["Cookie", "X-Team", "cookie"]).len(), 2);
    }

    #[test]
    fn an_address_that_cannot_be_asked_is_refused() {
        for url in ["", "auth", "/auth", "ftp://h/a", "http://u:p@h/a", "http://h/#a", "http:///a"]
        {
            let refused = resolve(Some(url), &[]).unwrap_err().to_string();
            assert!(refused.contains("--auth-url"), "{refused}");
        }
        resolve(Some("https://app.example.org/me"), &[]).unwrap().unwrap();
    }

    #[test]
    fn a_header_of_the_connection_itself_is_refused() {
        for name in ["Host", "upgrade", "Sec-WebSocket-Key", "Content-Length", "a b", "Origin"] {
            let refused = resolve(Some("http://h/a"), &[name]).unwrap_err().to_string();
            assert!(refused.contains("--auth-header"), "{refused}");
        }
    }

    #[test]
    fn a_header_without_an_endpoint_is_refused_and_nothing_at_all_is_fine() {
        assert!(resolve(None, &["Cookie"]).unwrap_err().to_string().contains("--auth-url"));
        assert_eq!(resolve(None, &[]).unwrap(), None);
    }
}
