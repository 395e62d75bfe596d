//! The status page: one HTML file without anything from elsewhere.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::LazyLock;

/// Markup, style and script joined; the places of the nonce are left open.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    include_str!("page/page.html")
        .replace("/* page.css */", include_str!("page/page.css"))
        .replace("/* page.js */", include_str!("page/page.js"))
});
const NONCE: &str = "{{nonce}}";

/// `GET` of the page.
pub(crate) async fn page() -> Response {
    // Fresh for every answer, from the operating system's randomness: only the page's own style
    // and script carry it, so nothing that found its way into the page would run.
    let random = || RandomState::new().build_hasher().finish();
    let nonce = format!("{:016x}{:016x}", random(), random());
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
         connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    let mut response =
        ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], PAGE.replace(NONCE, &nonce))
            .into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_stands_alone() {
        assert_eq!(PAGE.matches(NONCE).count(), 2, "one style, one script");
        assert!(!PAGE.contains("/* page."), "style and script are in it");
        // Text that could be read as markup, or fetched from elsewhere, has no place in it.
        for taboo in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", " onclick"]
        {
            assert!(!PAGE.contains(taboo), "{taboo}");
        }
        for taboo in ["src=\"http", "href=\"http", "@import", "url(http", "eval("] {
            assert!(!PAGE.contains(taboo), "{taboo}");
        }
    }
}
