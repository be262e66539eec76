//! The running program and its account of its own API: every operation is there, and the page runs nothing.
#![allow(clippy::unwrap_used, reason = "tests stop there")]

mod running;

use std::collections::BTreeSet;

use moorline_protocol::api::Operation;
use running::{Answer, Running, SECRET};

/// Asks for an operation of nobody and nothing, as a backend with the key.
fn ask(server: &Running, operation: Operation) -> Answer {
    let path = operation.path().replace(['{', '}'], "");
    let bearer = format!("Bearer {SECRET}");
    server.request(operation.method().as_str(), &path).header("authorization", &bearer).send()
}

#[test]
fn every_operation_of_the_document_is_served() {
    let server = Running::start(&["--api-key", SECRET]);
    for operation in Operation::ALL {
        let answer = ask(&server, *operation);
        let kind = answer.header("content-type").unwrap_or_default().to_owned();
        let is_missing = answer.status == 405 || answer.text.contains("no such path");
        assert!(
            !is_missing && !answer.text.contains("no such file"),
            "{operation:?}: {}",
            answer.text
        );
        let is_chat_page = kind.starts_with("text/html") && *operation != Operation::Docs;
        assert!(!is_chat_page, "{operation:?} is answered by the chat page");
    }
    let unknown = server.get("/api/v1/nothing").send();
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "not_found"));
}

#[test]
fn the_documents_are_served_as_they_are_committed() {
    let server = Running::start(&[]);
    for name in ["openapi.json", "asyncapi.json"] {
        let answer = server.get(&format!("/api/docs/{name}")).send();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let path = format!("{}/../../docs/schema/{name}", env!("CARGO_MANIFEST_DIR"));
        assert_eq!(answer.text, std::fs::read_to_string(path).unwrap(), "{name}");
    }
}

#[test]
fn the_page_of_the_api_runs_nothing_and_asks_nobody_else() {
    let server = Running::start(&[]);
    let page = server.get("/api/docs").header("accept", "text/html").send();
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .starts_with("default-src 'none'; style-src 'self';")
    );
    for forbidden in ["<script", "style=", "src=", "http:", "https:", "onclick"] {
        assert!(!page.text.contains(forbidden), "{forbidden}");
    }
    let style = server.get("/api/docs/style.css").send();
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    assert!(!style.text.contains("url(") && !style.text.contains("@import"));
}

#[test]
fn every_link_of_the_page_leads_somewhere() {
    let server = Running::start(&[]);
    let page = server.get("/api/docs").send().text;
    let after = |mark: &'static str| {
        page.split(mark)
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect::<BTreeSet<_>>()
    };
    let (ids, links) = (after(" id=\""), after("href=\""));
    assert!(links.len() > 100, "only {} links", links.len());
    for link in links {
        match link.strip_prefix('#') {
            Some(id) => assert!(ids.contains(id), "{link}"),
            None => assert_eq!(server.get(link).send().status, 200, "{link}"),
        }
    }
}

#[test]
fn a_path_that_is_no_text_is_refused_in_the_shape_of_all_refusals() {
    let server = Running::start(&["--api-key", SECRET]);
    for path in
        ["/api/v1/users/%FF/export", "/api/v1/rooms/%FF/events", "/api/v1/rooms/r/retention%FF"]
    {
        let bearer = format!("Bearer {SECRET}");
        let answer = server.get(path).header("authorization", &bearer).send();
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        assert!(
            ["invalid", "not_found"].contains(&answer.code().as_str()),
            "{path}: {}",
            answer.text
        );
    }
    let own = server.sign_up("carol");
    let request = server.request("DELETE", "/api/v1/sessions/%FF").cookie(&own);
    let answer = request.header("origin", &server.origin()).send();
    assert_eq!((answer.status, answer.code().as_str()), (400, "invalid"));
}

#[test]
fn a_method_that_a_path_does_not_have_is_told_those_that_it_has() {
    let server = Running::start(&["--api-key", SECRET]);
    for (path, allowed) in
        [("/livez", "get, head"), ("/readyz", "get, head"), ("/metrics", "get, head")]
    {
        let answer = server.request("POST", path).send();
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{path}");
    }
    for path in ["/api/v1/stream", "/api/v1/poll"] {
        let answer = server.request("DELETE", path).send();
        assert_eq!((answer.status, answer.header("allow")), (405, Some("get, post")), "{path}");
    }
    let bearer = format!("Bearer {SECRET}");
    let request = server.request("POST", "/api/v1/rooms/r/events").header("authorization", &bearer);
    let answer = request.send();
    assert_eq!((answer.status, answer.code().as_str()), (405, "method_not_allowed"));
    assert_eq!(answer.header("allow"), Some("get,head"));
}
