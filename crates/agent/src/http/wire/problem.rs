//! Refusals: a status and JSON that says what to do.

use crate::error::WriteError;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rumormill_core::data::Refused;
use serde_json::{Map, Value};

/// Why a request was not carried out.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    fields: Map<String, Value>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let fields = Map::from_iter([("error".to_owned(), Value::String(message.into()))]);
        Self { status, fields, header: None }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Adds a field for programs.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, HeaderValue::from_static(value)));
        self
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        self.fields.get("error").and_then(Value::as_str).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.fields)).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let status = match refused {
            Refused::ValueTooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refused::KeyTooLong { .. } => StatusCode::BAD_REQUEST,
            Refused::Clock { own_ms, cluster_ms } => {
                return Self::new(StatusCode::SERVICE_UNAVAILABLE, refused.to_string())
                    .with("own_ms", own_ms)
                    .with("cluster_ms", cluster_ms);
            }
            Refused::Ahead { stamp_ms, time_ms, wait_ms } => {
                return Self::new(StatusCode::SERVICE_UNAVAILABLE, refused.to_string())
                    .with("stamp_ms", stamp_ms)
                    .with("time_ms", time_ms)
                    .with("wait_ms", wait_ms)
                    .header(header::RETRY_AFTER, "1");
            }
            Refused::OtherKind(kind) => {
                return Self::new(StatusCode::CONFLICT, refused.to_string()).with("kind", kind.0);
            }
        };
        Self::new(status, refused.to_string())
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Refused(refused) => refused.into(),
            WriteError::Store(_) | WriteError::Leaving | WriteError::Closed => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
                    .header(header::RETRY_AFTER, "1")
            }
        }
    }
}
