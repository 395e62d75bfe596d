//! Whoever changes the node, and not its data, is named in the log.

use super::conn::Peer;
use axum::extract::{MatchedPath, Request};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::Response;

/// Longest path and query that is logged, bytes.
const MAX_SHOWN: usize = 200;

/// Logs a request that administers the node: what it was, where it came from, what was answered.
pub(super) async fn log(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let Some(action) = route.and_then(|route| action(request.method(), route, request.uri()))
    else {
        return next.run(request).await;
    };
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.to_string());
    let response = next.run(request).await;
    let by = peer.as_deref().unwrap_or("an unknown address");
    let status = response.status().as_u16();
    tracing::info!(%action, by = %format_args!("HTTP, from {by}"), status, "administered");
    response
}

/// The request in words, if it is one that administers.
fn action(method: &Method, route: &str, uri: &Uri) -> Option<String> {
    if method.is_safe() || route == "/v1/kv" || route.starts_with("/v1/kv/") {
        return None;
    }
    let shown: String = uri.to_string().chars().take(MAX_SHOWN).collect();
    Some(format!("{method} {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_the_node_is_told_and_what_changes_data_is_not() {
        let told =
            |method: Method, route: &str, uri: &str| action(&method, route, &uri.parse().unwrap());
        let forget = "/v1/members/{member}/forget";
        assert_eq!(
            told(Method::POST, forget, "/v1/members/n%0A2/forget?force=1").unwrap(),
            "POST /v1/members/n%0A2/forget?force=1"
        );
        assert!(told(Method::PATCH, "/v1/tags", "/v1/tags").is_some());
        assert!(told(Method::GET, "/v1/keyring", "/v1/keyring").is_none());
        assert!(told(Method::PUT, "/v1/kv/{*key}", "/v1/kv/k").is_none());
        assert!(told(Method::POST, "/v1/kv", "/v1/kv").is_none());
        let long = format!("/v1/members/{}/forget", "n".repeat(9000));
        assert_eq!(told(Method::POST, forget, &long).unwrap().len(), "POST ".len() + MAX_SHOWN);
    }
}
