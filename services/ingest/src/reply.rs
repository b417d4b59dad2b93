//! Answers: JSON, the request id in header and body.

use serde::Serialize;
use uuid::Uuid;
use warp::http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;

use crate::clock;
use crate::fault::{ErrorBody, Fault};
use crate::lane::Processing;
use crate::request::{Ask, X_REQUEST_ID};

static JSON: HeaderValue = HeaderValue::from_static("application/json");
static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The message of every 200 for data: clients compare it.
pub(crate) const RECEIVED: &str = "AVA4 data received successfully";

#[derive(Serialize)]
pub(crate) struct Received<'a> {
    pub(crate) success: bool,
    pub(crate) message: &'static str,
    pub(crate) receipt_id: Uuid,
    pub(crate) observation_id: Option<Uuid>,
    pub(crate) observation_ids: &'a [Uuid],
    pub(crate) processing: Processing,
    pub(crate) request_id: &'a str,
    pub(crate) timestamp: String,
}

#[derive(Serialize)]
struct Envelope<'a, I> {
    success: bool,
    error_count: usize,
    errors: Vec<ErrorBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<I>>,
    request_id: &'a str,
    timestamp: String,
}

#[derive(Serialize)]
struct BadItem<'a> {
    index: usize,
    errors: [ErrorBody<'a>; 1],
}

/// An answer with these bytes.
pub(crate) fn bytes(
    ask: &Ask,
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Vec<u8>>,
) -> Response {
    let mut response = Response::new(body.into().into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(X_REQUEST_ID, ask.request_id.header().clone());
    response
}

/// A JSON answer.
pub(crate) fn json<T: Serialize>(ask: &Ask, status: StatusCode, value: &T) -> Response {
    let mut body = Vec::with_capacity(512);
    if let Err(e) = serde_json::to_writer(&mut body, value) {
        tracing::error!("an answer could not be written: {e}");
        return bytes(ask, StatusCode::INTERNAL_SERVER_ERROR, JSON.clone(), "{}");
    }
    bytes(ask, status, JSON.clone(), body)
}

/// A JSON answer about a state of the moment.
pub(crate) fn fresh<T: Serialize>(ask: &Ask, status: StatusCode, value: &T) -> Response {
    let mut response = json(ask, status, value);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE.clone());
    response
}

/// The envelope of one fault.
pub(crate) fn fault(ask: &Ask, fault: &Fault) -> Response {
    let envelope = Envelope::<BadItem<'_>> {
        success: false,
        error_count: 1,
        errors: vec![fault.body(None)],
        items: None,
        request_id: ask.request_id.as_str(),
        timestamp: clock::text(clock::now()),
    };
    finish(json(ask, fault.code.status(), &envelope), fault)
}

/// The envelope of a refused batch: nothing of it was taken.
pub(crate) fn faults(ask: &Ask, faults: &[(usize, Fault)]) -> Response {
    let envelope = Envelope {
        success: false,
        error_count: faults.len(),
        errors: faults
            .iter()
            .map(|(index, fault)| fault.body(Some(*index)))
            .collect(),
        items: Some(
            faults
                .iter()
                .map(|(index, fault)| BadItem {
                    index: *index,
                    errors: [fault.body(None)],
                })
                .collect(),
        ),
        request_id: ask.request_id.as_str(),
        timestamp: clock::text(clock::now()),
    };
    json(ask, StatusCode::UNPROCESSABLE_ENTITY, &envelope)
}

fn finish(mut response: Response, fault: &Fault) -> Response {
    let headers = response.headers_mut();
    if let Some(wait) = fault.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait));
    }
    if fault.close {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The answer to a method that a route does not know.
pub(crate) fn method_not_allowed(ask: &Ask, allowed: &'static str) -> Response {
    let mut response = fault(ask, &Fault::method_not_allowed(allowed));
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}
