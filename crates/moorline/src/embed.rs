//! What pages of other sites may take from this server: the widget's scripts, which are nobody's secret, and, where
//! `--embed-origin` names them, the page `/embed` in a frame. Called by the page for each file that it answers with.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// The file behind the address `/embed`.
pub(crate) const FRAME_PAGE: &str = "embed.html";

/// Files that a page of any origin may load as scripts. Chunks import each other, and a module of another origin is
/// always fetched by the rules of CORS.
fn is_script_for_others(path: &str) -> bool {
    path.ends_with(".js")
        && (path.starts_with("assets/") || matches!(path, "embed.js" | "widget.js"))
}

/// Opens what is meant for other pages: scripts to all of them, the frame to those that are named.
pub(crate) fn open(path: &str, framers: &[String], headers: &mut HeaderMap) {
    let cross_origin = HeaderValue::from_static("cross-origin");
    if is_script_for_others(path) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(HeaderName::from_static("cross-origin-resource-policy"), cross_origin);
    } else if path == FRAME_PAGE && !framers.is_empty() {
        headers.insert(HeaderName::from_static("cross-origin-resource-policy"), cross_origin);
        let policy = headers.get(header::CONTENT_SECURITY_POLICY);
        let framed = policy.and_then(|policy| framed(policy.to_str().ok()?, framers));
        if let Some(framed) = framed {
            headers.insert(header::CONTENT_SECURITY_POLICY, framed);
        }
    }
}

/// The same policy, with the pages that may put a frame of this one into themselves.
fn framed(policy: &str, framers: &[String]) -> Option<HeaderValue> {
    let named = format!("frame-ancestors {}", framers.join(" "));
    HeaderValue::from_str(&policy.replacen("frame-ancestors 'none'", &named, 1)).ok()
}
