//! `moorline version`: for people, and as JSON for scripts.

use serde_json::json;

/// The version of the program and of what it speaks.
pub fn text(as_json: bool) -> String {
    let version = env!("CARGO_PKG_VERSION");
    if !as_json {
        return format!("moorline {version}");
    }
    json!({ "name": "moorline", "version": version, "protocol": "moorline.v1", "stores": ["sqlite"] }).to_string()
}
