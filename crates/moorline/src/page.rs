//! The chat page: the files of `web/dist`, built into the program, or a folder while one works on them.
//! Files with a hash in their name may be kept for ever; `index.html` is asked for anew each time.
//! The page carries the policy that keeps foreign scripts out; the transport adds the other headers.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use moorline_server::PAGE_CSP;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use crate::embed;

#[derive(RustEmbed)]
#[folder = "../../web/dist/"]
#[allow_missing = true]
struct Built;

/// What is shown where the program was built without the page.
const MISSING: &str = "<!doctype html><title>Moorline</title><p>This Moorline was built without its page. \
    The server itself works. Build the page with <code>cargo xtask web</code>, then the server again.";

/// Where the page comes from.
#[derive(Debug, Clone)]
pub enum Page {
    /// What was built into the program.
    BuiltIn,
    /// A folder, read anew for each request.
    Folder(PathBuf),
}

/// What a request is answered from.
struct Site {
    page: Page,
    framers: Vec<String>,
}

struct File {
    bytes: Cow<'static, [u8]>,
    encoding: Option<&'static str>,
}

impl Page {
    /// Whether there is a page at all.
    pub fn exists(&self) -> bool {
        self.read("index.html").is_some()
    }

    /// Answers everything that no other route takes. `framers` are the origins whose pages may show `/embed` in a
    /// frame; no other view is ever framed.
    pub fn router(self, framers: Vec<String>) -> Router {
        Router::new().fallback(serve).with_state(Arc::new(Site { page: self, framers }))
    }

    fn read(&self, path: &str) -> Option<Cow<'static, [u8]>> {
        match self {
            Self::BuiltIn => Built::get(path).map(|file| file.data),
            Self::Folder(folder) => {
                let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
                let is_inside = Path::new(path).components().all(is_plain);
                let read = is_inside.then(|| std::fs::read(folder.join(path)).ok()).flatten();
                read.map(Cow::Owned)
            }
        }
    }

    /// The smallest form of the file that the browser takes.
    fn find(&self, path: &str, accepted: &str) -> Option<File> {
        for (encoding, ending) in [("br", "br"), ("gzip", "gz")] {
            let is_accepted = accepted.split(',').any(|word| word.trim() == encoding);
            if let Some(bytes) =
                is_accepted.then(|| self.read(&format!("{path}.{ending}"))).flatten()
            {
                return Some(File { bytes, encoding: Some(encoding) });
            }
        }
        self.read(path).map(|bytes| File { bytes, encoding: None })
    }
}

async fn serve(
    State(site): State<Arc<Site>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD work here.\n");
    }
    let wanted = uri.path().trim_start_matches('/');
    let path = match wanted {
        "embed" => embed::FRAME_PAGE,
        wanted if wanted.is_empty() || is_view(wanted, &headers) => "index.html",
        wanted => wanted,
    };
    let accepted = text(&headers, header::ACCEPT_ENCODING);
    let mut response = match site.page.find(path, accepted) {
        Some(file) => answer(path, file, &headers),
        None if path == "index.html" => {
            let file = File { bytes: MISSING.as_bytes().into(), encoding: None };
            answer(path, file, &headers)
        }
        None => return plain(StatusCode::NOT_FOUND, "There is no such file.\n"),
    };
    embed::open(path, &site.framers, response.headers_mut());
    response
}

/// A path that a person opened and that names no file belongs to the page's own views.
fn is_view(path: &str, headers: &HeaderMap) -> bool {
    let has_ending = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    let is_ours = path.starts_with("api/") || path == "api" || path == "ws";
    !has_ending && !is_ours && text(headers, header::ACCEPT).contains("text/html")
}

fn answer(path: &str, file: File, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", short_hash(&file.bytes));
    let is_same = text(headers, header::IF_NONE_MATCH).split(',').any(|known| known.trim() == tag);
    let body = if is_same { Body::empty() } else { Body::from(file.bytes.into_owned()) };
    let mut response = Response::new(body);
    if is_same {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let out = response.headers_mut();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            out.insert(name, value);
        }
    };
    set(header::ETAG, &tag);
    set(header::CONTENT_TYPE, content_type(path));
    set(header::VARY, "Accept-Encoding");
    if let Some(encoding) = file.encoding {
        set(header::CONTENT_ENCODING, encoding);
    }
    let is_hashed = path.starts_with("assets/");
    let cache = if is_hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    set(header::CACHE_CONTROL, cache);
    set(header::CONTENT_SECURITY_POLICY, &policy(text(headers, header::HOST)));
    response
}

/// The page's policy with its own WebSocket address, which older Safari does not count as 'self'.
fn policy(host: &str) -> String {
    let is_allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
    if host.is_empty() || host.len() > 255 || !host.bytes().all(is_allowed) {
        return PAGE_CSP.to_owned();
    }
    let own = format!("connect-src 'self' ws://{host} wss://{host}");
    PAGE_CSP.replacen("connect-src 'self'", &own, 1)
}

fn plain(status: StatusCode, words: &'static str) -> Response {
    let mut response = Response::new(Body::from(words));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn short_hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
