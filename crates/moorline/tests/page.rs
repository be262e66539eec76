//! The page as a browser gets it: headers, caching, views, and what is refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop there")]

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use moorline::page::Page;
use tempfile::TempDir;
use tower::ServiceExt;

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("assets")).unwrap();
    write("index.html", "<!doctype html><title>Moorline</title>");
    write("embed.html", "<!doctype html><title>Room</title>");
    write("embed.js", "let small;");
    write("favicon.svg", "<svg/>");
    write("assets/index-4f2a.js", "let long;");
    write("assets/index-4f2a.js.br", "packed");
    folder
}

async fn get(folder: &TempDir, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
    get_framed(folder, path, headers, &[]).await
}

async fn get_framed(
    folder: &TempDir,
    path: &str,
    headers: &[(&str, &str)],
    framers: &[&str],
) -> Response<Body> {
    let mut request = Request::get(path).header("host", "chat.example:8000");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let framers = framers.iter().map(|origin| origin.to_string()).collect();
    let page = Page::Folder(folder.path().to_owned()).router(framers);
    page.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn body(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn header_of<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn the_page_is_asked_for_anew_each_time_and_answered_by_its_tag() {
    let folder = folder();
    let first = get(&folder, "/", &[]).await;
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(header_of(&first, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header_of(&first, "cache-control"), "no-cache");
    let tag = header_of(&first, "etag").to_owned();
    let again = get(&folder, "/", &[("if-none-match", &tag)]).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(body(again).await, "");
}

#[tokio::test]
async fn a_file_with_a_hash_in_its_name_is_kept_for_ever() {
    let response = get(&folder(), "/assets/index-4f2a.js", &[]).await;
    assert_eq!(header_of(&response, "cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(header_of(&response, "content-type"), "text/javascript; charset=utf-8");
    assert_eq!(body(response).await, "let long;");
}

#[tokio::test]
async fn the_packed_form_is_sent_to_those_who_take_it() {
    let takes = [("accept-encoding", "gzip, br")];
    let response = get(&folder(), "/assets/index-4f2a.js", &takes).await;
    assert_eq!(header_of(&response, "content-encoding"), "br");
    assert_eq!(header_of(&response, "content-type"), "text/javascript; charset=utf-8");
    assert_eq!(body(response).await, "packed");
}

#[tokio::test]
async fn the_policy_of_the_page_is_the_one_of_the_threat_model() {
    let response = get(&folder(), "/", &[]).await;
    let policy = header_of(&response, "content-security-policy").to_owned();
    for part in [
        "script-src 'self';",
        "style-src 'self';",
        "frame-ancestors 'none';",
        "base-uri 'none';",
        "form-action 'none';",
        "require-trusted-types-for 'script';",
        "trusted-types svelte-trusted-html moorline-worker",
        "connect-src 'self' ws://chat.example:8000 wss://chat.example:8000;",
    ] {
        assert!(policy.contains(part), "{part} is not in {policy}");
    }
    assert!(!policy.contains("unsafe"));
}

#[tokio::test]
async fn a_host_cannot_add_words_to_the_policy() {
    let response = get(&folder(), "/", &[("host", "a; script-src *")]).await;
    assert!(!header_of(&response, "content-security-policy").contains('*'));
}

#[tokio::test]
async fn a_view_of_the_page_is_the_page_and_a_missing_file_is_missing() {
    let folder = folder();
    let view = get(&folder, "/r/ops", &[("accept", "text/html")]).await;
    assert_eq!(header_of(&view, "content-type"), "text/html; charset=utf-8");
    for path in ["/r/ops", "/assets/old.js", "/api/v1/nothing"] {
        assert_eq!(get(&folder, path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let api = get(&folder, "/api/v1/nothing", &[("accept", "text/html")]).await;
    assert_eq!(api.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nothing_outside_of_the_folder_is_served() {
    let folder = folder();
    std::fs::write(folder.path().join("../outside.txt"), "secret").unwrap();
    for path in
        ["/../outside.txt", "/assets/../../outside.txt", "//etc/passwd", "/%2e%2e/outside.txt"]
    {
        let response = get(&folder, path, &[]).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_program_without_a_page_says_so() {
    let empty = tempfile::tempdir().unwrap();
    let page = Page::Folder(empty.path().to_owned());
    assert!(!page.exists());
    let request = Request::get("/").body(Body::empty()).unwrap();
    let response = page.router(Vec::new()).oneshot(request).await.unwrap();
    assert!(body(response).await.contains("cargo xtask web"));
}

#[tokio::test]
async fn only_reading_is_possible() {
    let page = Page::Folder(folder().path().to_owned()).router(Vec::new());
    let request = Request::post("/").header(header::HOST, "a").body(Body::empty()).unwrap();
    assert_eq!(page.oneshot(request).await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn scripts_of_the_widget_may_be_loaded_by_every_page_and_nothing_else_may() {
    let folder = folder();
    for path in ["/embed.js", "/assets/index-4f2a.js"] {
        let response = get(&folder, path, &[]).await;
        assert_eq!(header_of(&response, "access-control-allow-origin"), "*", "{path}");
        assert_eq!(header_of(&response, "cross-origin-resource-policy"), "cross-origin", "{path}");
    }
    for path in ["/", "/favicon.svg", "/embed"] {
        let response = get(&folder, path, &[]).await;
        assert_eq!(header_of(&response, "access-control-allow-origin"), "", "{path}");
        assert_eq!(header_of(&response, "cross-origin-resource-policy"), "", "{path}");
    }
}

#[tokio::test]
async fn only_the_frame_is_framed_and_only_by_the_pages_that_are_named() {
    let folder = folder();
    let html = [("accept", "text/html")];
    let framers = ["https://shop.example", "http://localhost:3000"];
    let closed = get(&folder, "/embed", &html).await;
    assert!(header_of(&closed, "content-security-policy").contains("frame-ancestors 'none';"));
    let open = get_framed(&folder, "/embed", &html, &framers).await;
    let policy = header_of(&open, "content-security-policy").to_owned();
    let named = "frame-ancestors https://shop.example http://localhost:3000;";
    assert!(policy.contains(named) && policy.contains("script-src 'self';"), "{policy}");
    assert_eq!(body(open).await, "<!doctype html><title>Room</title>");
    for path in ["/", "/r/ops", "/embed/more", "/index.html"] {
        let other = get_framed(&folder, path, &html, &framers).await;
        let policy = header_of(&other, "content-security-policy");
        assert!(policy.contains("frame-ancestors 'none';"), "{path}: {policy}");
    }
}
