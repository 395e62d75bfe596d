//! Who may ask: the token, and the protection against other sites' pages.
//!
//! A port on loopback without a token is still in reach of every page that a browser on this
//! machine shows. So a name that is not known here is refused (a page could have its own name
//! resolve to this port), and so is whatever a page of another origin asks for.

use super::app::App;
use super::wire::problem::Problem;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// Answers without a token and under any name: a load balancer asks as it likes.
const HEALTH: [&str; 2] = ["/healthz", "/readyz"];

/// Lets a request through or refuses it.
pub(super) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = match may_pass(&app, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    // Users' bytes are never to be taken for a script or a style.
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

fn may_pass(app: &App, request: &Request) -> Result<(), Problem> {
    let path = request.uri().path();
    if HEALTH.contains(&path) {
        return Ok(());
    }
    let host = known_host(request.uri(), request.headers(), &app.options.hosts)?;
    same_origin(request.method(), request.headers(), &host, &app.options.hosts)?;
    // The page holds no data; it asks for the token itself.
    if path == "/" || knows_token(app, request.headers()) { Ok(()) } else { Err(no_token()) }
}

/// The name and port under which the client reached this node.
fn known_host(uri: &Uri, headers: &HeaderMap, names: &[String]) -> Result<Authority, Problem> {
    let mut given = headers.get_all(header::HOST).iter();
    let host = match (uri.authority(), given.next(), given.next()) {
        (_, _, Some(_)) => None,
        (Some(authority), ..) => Some(authority.clone()),
        (None, Some(host), None) => Authority::try_from(host.as_bytes()).ok(),
        (None, None, None) => None,
    };
    let host = host.filter(|host| !host.as_str().contains('@')).ok_or_else(|| {
        Problem::bad("the request needs one Host header with the name or address of this node")
    })?;
    if is_known(host.host(), names) {
        return Ok(host);
    }
    let message = format!(
        "this node does not go by the name {:?}: use its IP address or localhost, or add the \
         name to the agent's http_hosts setting. (Other names are refused so that no web site \
         can make a browser talk to this port)",
        host.host()
    );
    Err(Problem::new(StatusCode::FORBIDDEN, message))
}

/// True for addresses, names of this machine, and names that were configured.
fn is_known(host: &str, names: &[String]) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    address.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || names.iter().any(|known| known.eq_ignore_ascii_case(&name))
}

/// Refuses what a page of another origin asks for; following a link to here is fine.
fn same_origin(
    method: &Method,
    headers: &HeaderMap,
    host: &Authority,
    names: &[String],
) -> Result<(), Problem> {
    let origin = headers.get(header::ORIGIN).map(|origin| {
        let (scheme, authority) = origin.to_str().ok()?.split_once("://")?;
        matches!(scheme, "http" | "https").then(|| Authority::try_from(authority).ok())?
    });
    let own = match origin {
        None => {
            let fetch = |name: &str| headers.get(name).map(|value| value.as_bytes());
            let foreign = matches!(fetch("sec-fetch-site"), Some(b"cross-site" | b"same-site"));
            let follows_link = matches!(*method, Method::GET | Method::HEAD)
                && fetch("sec-fetch-mode") == Some(b"navigate");
            !foreign || follows_link
        }
        // A proxy in front may have changed the Host, so configured names count as well.
        Some(Some(origin)) => {
            origin.as_str().eq_ignore_ascii_case(host.as_str())
                || names.iter().any(|known| known.eq_ignore_ascii_case(origin.host()))
        }
        Some(None) => false,
    };
    if own {
        return Ok(());
    }
    let message = "a page of another site may not use this port; ask without an Origin header, \
                   or from a page that this node serves";
    Err(Problem::new(StatusCode::FORBIDDEN, message))
}

fn knows_token(app: &App, headers: &HeaderMap) -> bool {
    let Some(token) = &app.options.token else { return true };
    let given = headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
    given.is_some_and(|given| given.ct_eq(token.bytes()).into())
}

/// The token in an `Authorization` header.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn no_token() -> Problem {
    let message = "this node wants its token: send the header Authorization: Bearer <token>";
    Problem::new(StatusCode::UNAUTHORIZED, message)
        .header(header::WWW_AUTHENTICATE, "Bearer realm=\"rumormill\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[(&'static str, &'static str)]) -> HeaderMap {
        given
            .iter()
            .map(|(name, value)| {
                (header::HeaderName::from_static(name), HeaderValue::from_static(value))
            })
            .collect()
    }

    #[test]
    fn only_names_of_this_node_are_known() {
        let names = vec!["mill.example".to_owned()];
        let uri = Uri::from_static("/v1/kv");
        let known = |host| known_host(&uri, &headers(&[("host", host)]), &names).is_ok();
        for host in
            ["127.0.0.1", "127.0.0.1:80", "[::1]:80", "[fe80::1]", "localhost:1", "LOCALHOST."]
        {
            assert!(known(host), "{host}");
        }
        assert!(known("mill.example:7") && known("Mill.Example") && known("a.localhost"));
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "mill"] {
            assert!(!known(host), "{host}");
        }
        for host in ["", "a b", "localhost@evil.example", "evil.example@localhost", "[::1"] {
            assert!(!known(host), "{host}");
        }
        assert!(known_host(&uri, &HeaderMap::new(), &names).is_err());
        let absolute = Uri::from_static("http://evil.example/v1/kv");
        assert!(known_host(&absolute, &headers(&[("host", "localhost")]), &names).is_err());
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let host = Authority::from_static("localhost:80");
        let names = vec!["mill.example".to_owned()];
        let ok = |method: Method, given: &[(&'static str, &'static str)]| {
            same_origin(&method, &headers(given), &host, &names).is_ok()
        };
        assert!(ok(Method::PUT, &[]));
        assert!(ok(Method::PUT, &[("origin", "http://localhost:80")]));
        assert!(ok(Method::PUT, &[("origin", "https://mill.example")]));
        assert!(ok(Method::PUT, &[("sec-fetch-site", "same-origin")]));
        assert!(ok(Method::GET, &[("sec-fetch-site", "none")]));
        let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert!(ok(Method::GET, &link));
        assert!(!ok(Method::POST, &link));
        assert!(!ok(Method::GET, &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")]));
        for origin in
            ["null", "http://localhost:81", "http://evil.example", "file://localhost:80", "x"]
        {
            assert!(!ok(Method::PUT, &[("origin", origin)]), "{origin}");
        }
    }

    #[test]
    fn tokens_come_as_bearer() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bearer  abc "), Some(&b"abc"[..]));
        assert_eq!(bearer(b"Basic abc"), None);
        assert_eq!(bearer(b"Bearer"), None);
    }
}
