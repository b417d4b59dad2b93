//! What the door reads of a request's head.

use stardust_domain::time::Timestamp;
use warp::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TRANSFER_ENCODING};
use warp::http::{HeaderMap, HeaderValue};

use crate::clock;

/// The header of the request id.
pub(crate) const X_REQUEST_ID: &str = "x-request-id";

/// The id of a request: the client's own where it is usable, otherwise a new UUIDv7. Visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    fn from_headers(headers: &HeaderMap, at: Timestamp) -> Self {
        let usable = |value: &&HeaderValue| {
            (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
        };
        Self(match headers.get(X_REQUEST_ID).filter(usable) {
            Some(given) => given.clone(),
            None => {
                let mut text = [0_u8; 36];
                let text = clock::new_id(at).hyphenated().encode_lower(&mut text);
                HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
            }
        })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("-")
    }

    pub(crate) const fn header(&self) -> &HeaderValue {
        &self.0
    }
}

/// What the door reads of a request's head.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The request id.
    pub request_id: RequestId,
    content_type: Option<HeaderValue>,
    encoded: bool,
    length: Option<u64>,
    expects: bool,
}

/// What a body is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    /// No Content-Type, as small devices send it.
    Unsaid,
    /// `application/json`.
    Json,
    /// A JSON document a line.
    Lines,
    /// Anything else, or an encoding on top.
    Other,
}

impl Ask {
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        Self {
            request_id: RequestId::from_headers(headers, clock::now()),
            content_type: headers.get(CONTENT_TYPE).cloned(),
            encoded: headers
                .get(CONTENT_ENCODING)
                .is_some_and(|v| !v.as_bytes().eq_ignore_ascii_case(b"identity")),
            length: headers
                .get(CONTENT_LENGTH)
                // A transfer encoding overrides the length.
                .filter(|_| !headers.contains_key(TRANSFER_ENCODING))
                .and_then(|v| v.to_str().ok()?.parse().ok()),
            expects: headers.contains_key(EXPECT),
        }
    }

    pub(crate) fn media(&self) -> Media {
        if self.encoded {
            return Media::Other;
        }
        let Some(value) = &self.content_type else {
            return Media::Unsaid;
        };
        let essence = value
            .as_bytes()
            .split(|b| *b == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        let is = |name: &str| essence.eq_ignore_ascii_case(name.as_bytes());
        if is("application/json") {
            Media::Json
        } else if is("application/x-ndjson")
            || is("application/ndjson")
            || is("application/jsonl")
            || is("application/x-jsonlines")
        {
            Media::Lines
        } else {
            Media::Other
        }
    }

    /// Content-Type as the raw record keeps it.
    pub(crate) fn content_type(&self) -> Option<String> {
        Some(self.content_type.as_ref()?.to_str().ok()?.to_owned())
    }

    /// The length that the client announces.
    pub(crate) const fn length(&self) -> Option<u64> {
        self.length
    }

    /// The client waits for a word before it sends the body.
    pub(crate) const fn expects(&self) -> bool {
        self.expects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(pairs: &[(&'static str, &'static str)]) -> Ask {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        Ask::from_headers(&headers)
    }

    #[test]
    fn a_request_id_of_visible_ascii_is_kept_and_any_other_is_replaced() {
        for given in ["a", "order-1/\"x\"", "~"] {
            assert_eq!(ask(&[(X_REQUEST_ID, given)]).request_id.as_str(), given);
        }
        let long: &'static str = Box::leak("x".repeat(129).into_boxed_str());
        for given in ["", "two words", "tab\there", long] {
            let made = ask(&[(X_REQUEST_ID, given)]).request_id;
            assert_eq!(made.as_str().len(), 36, "{given}");
        }
        assert_eq!(ask(&[]).request_id.as_str().len(), 36);
    }

    #[test]
    fn json_is_known_with_any_parameters_and_in_any_case() {
        for text in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/json ;x=1",
        ] {
            assert_eq!(ask(&[("content-type", text)]).media(), Media::Json);
        }
        assert_eq!(ask(&[]).media(), Media::Unsaid);
        assert_eq!(
            ask(&[("content-type", "application/x-ndjson")]).media(),
            Media::Lines
        );
        for text in ["text/plain", "", "application/jsonx", "application/xml"] {
            assert_eq!(ask(&[("content-type", text)]).media(), Media::Other);
        }
        let zipped = ask(&[("content-type", "application/json"), ("content-encoding", "gzip")]);
        assert_eq!(zipped.media(), Media::Other);
    }
}
