//! What the door refuses, and why.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use stardust_domain::reading::{Refusal, RefusalCode};
use warp::http::StatusCode;

/// The stable code of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// From the rules of the domain.
    Body(RefusalCode),
    /// An API call names a gateway that nobody registered.
    DeviceNotFound,
    /// No such route or receipt.
    NotFound,
    /// The route exists, the method does not.
    MethodNotAllowed,
    /// Not for this client.
    Forbidden,
    /// Too many bytes or messages.
    PayloadTooLarge,
    /// A type or an encoding of the body that is not read.
    UnsupportedMediaType,
    /// The body did not come in time.
    RequestTimeout,
    /// It cannot be made durable, or read, now.
    ServiceUnavailable,
    /// Something that must not happen.
    InternalServerError,
}

impl Code {
    /// The code as clients know it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Body(code) => code.label(),
            Self::DeviceNotFound => "DEVICE_NOT_FOUND",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::Forbidden => "FORBIDDEN",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::RequestTimeout => "REQUEST_TIMEOUT",
            Self::ServiceUnavailable => "SERVICE_UNAVAILABLE",
            Self::InternalServerError => "INTERNAL_SERVER_ERROR",
        }
    }

    /// The class of the code.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Body(RefusalCode::InvalidJson) => "parse_error",
            Self::Body(_) => "validation_error",
            Self::DeviceNotFound | Self::NotFound => "not_found",
            Self::MethodNotAllowed
            | Self::Forbidden
            | Self::PayloadTooLarge
            | Self::UnsupportedMediaType
            | Self::RequestTimeout => "request_error",
            Self::ServiceUnavailable => "service_error",
            Self::InternalServerError => "server_error",
        }
    }

    /// The status of the answer.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Body(RefusalCode::InvalidJson) => StatusCode::BAD_REQUEST,
            Self::Body(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::DeviceNotFound | Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::InternalServerError => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A refusal. Never holds a measured value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The code.
    pub code: Code,
    /// What is wrong.
    pub message: Cow<'static, str>,
    /// The field as sent, where one is to blame.
    pub field: Option<String>,
    /// What to do instead.
    pub suggestion: Cow<'static, str>,
    /// When to come again, seconds.
    pub retry_after: Option<u32>,
    /// The connection is of no more use: a body was not read to its end.
    pub close: bool,
}

/// One element of the envelope's `errors`.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorBody<'a> {
    error_code: &'a str,
    error_type: &'a str,
    message: &'a str,
    field: Option<Cow<'a, str>>,
    /// Kept for clients that read it; what was sent never comes back.
    value: Option<()>,
    suggestion: &'a str,
}

impl Fault {
    fn new(
        code: Code,
        message: impl Into<Cow<'static, str>>,
        suggestion: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            code,
            message: message.into(),
            field: None,
            suggestion: suggestion.into(),
            retry_after: None,
            close: false,
        }
    }

    pub(crate) fn refusal(refusal: Refusal) -> Self {
        Self {
            field: refusal.field,
            ..Self::new(Code::Body(refusal.code), refusal.message, refusal.suggestion)
        }
    }

    pub(crate) fn invalid_json(message: &'static str) -> Self {
        Self::new(
            Code::Body(RefusalCode::InvalidJson),
            message,
            "Send JSON in UTF-8 as the API's description says.",
        )
    }

    pub(crate) fn invalid_format(field: &str, message: &'static str, suggestion: &'static str) -> Self {
        Self {
            field: Some(field.to_owned()),
            ..Self::new(Code::Body(RefusalCode::InvalidFormat), message, suggestion)
        }
    }

    pub(crate) fn device_not_found() -> Self {
        Self {
            field: Some("device_id".to_owned()),
            ..Self::new(
                Code::DeviceNotFound,
                "No gateway with this address is registered.",
                "Register the gateway, or correct device_id.",
            )
        }
    }

    pub(crate) fn not_found(message: &'static str) -> Self {
        Self::new(
            Code::NotFound,
            message,
            "GET /openapi.json describes what there is.",
        )
    }

    pub(crate) fn forbidden(message: &'static str, suggestion: &'static str) -> Self {
        Self::new(Code::Forbidden, message, suggestion)
    }

    pub(crate) fn method_not_allowed(allowed: &str) -> Self {
        Self::new(
            Code::MethodNotAllowed,
            "This route does not know the method.",
            format!("Use {allowed}."),
        )
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(
            Code::PayloadTooLarge,
            format!("The body is larger than {limit} bytes."),
            "Send less at once.",
        )
    }

    pub(crate) fn message_too_large(limit: usize) -> Self {
        Self::new(
            Code::PayloadTooLarge,
            format!("The message is larger than {limit} bytes."),
            "Split the message.",
        )
    }

    pub(crate) fn too_many(limit: usize) -> Self {
        Self::new(
            Code::PayloadTooLarge,
            format!("The batch has more than {limit} messages."),
            "Send less at once.",
        )
    }

    pub(crate) fn unsupported_media_type(suggestion: &'static str) -> Self {
        Self::new(
            Code::UnsupportedMediaType,
            "The body's type or encoding is not supported.",
            suggestion,
        )
    }

    pub(crate) fn timeout() -> Self {
        Self {
            close: true,
            ..Self::new(
                Code::RequestTimeout,
                "The body did not arrive in time.",
                "Send the request again.",
            )
        }
    }

    pub(crate) fn unavailable(message: &'static str, retry_after: Duration) -> Self {
        Self {
            retry_after: Some(u32::try_from(retry_after.as_secs()).unwrap_or(u32::MAX).max(1)),
            ..Self::new(
                Code::ServiceUnavailable,
                message,
                "Send the request again after Retry-After seconds; sending it twice is safe.",
            )
        }
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            Code::InternalServerError,
            "The service could not do this.",
            "Tell the operator the request_id.",
        )
    }

    /// As an element of the envelope; in a batch with the index before the field.
    pub(crate) fn body(&self, index: Option<usize>) -> ErrorBody<'_> {
        let field = match (index, self.field.as_deref()) {
            (None, field) => field.map(Cow::Borrowed),
            (Some(index), None) => Some(Cow::Owned(format!("[{index}]"))),
            (Some(index), Some(field)) => Some(Cow::Owned(format!("[{index}].{field}"))),
        };
        ErrorBody {
            error_code: self.code.label(),
            error_type: self.code.kind(),
            message: &self.message,
            field,
            value: None,
            suggestion: &self.suggestion,
        }
    }
}
