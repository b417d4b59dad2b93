//! The operators' switch between the asynchronous and the synchronous way.

use std::sync::Arc;

use bytes::Buf;
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use stardust_domain::reading::{Refusal, RefusalCode};
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::body;
use crate::fault::Fault;
use crate::reply;
use crate::request::{Ask, Media};
use crate::routes::data::refused;
use crate::routes::{Context, ask, with};
use crate::rules::Rules;
use crate::server::Peer;
use crate::views::Views;

/// Largest body.
const LIMIT: usize = 1 << 10;

/// Headers that say that a proxy passed the request on: then the peer is not the client.
const PASSED_ON: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

pub(super) fn filter<M: Rules, V: Views>(
    context: &Arc<Context<M, V>>,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<M, V> {
    warp::path!("admin" / "queue" / "mode")
        .and(warp::put())
        .and(with(context))
        .and(ask())
        .and(warp::ext::optional::<Peer>())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(
            |context: Arc<Context<M, V>>, ask: Ask, peer: Option<Peer>, headers: HeaderMap, body| async move {
                match switch(&context, &ask, is_local(peer, &headers), body).await {
                    Ok(mode) => reply::fresh(&ask, StatusCode::OK, &mode),
                    Err(fault) => refused(&context, &ask, &fault),
                }
            },
        )
}

#[derive(Serialize)]
struct Switched {
    enabled: bool,
    changed: bool,
}

/// Without tokens only who is on this machine is an operator.
fn is_local(peer: Option<Peer>, headers: &HeaderMap) -> bool {
    let loopback = peer.is_some_and(|Peer(address)| address.ip().to_canonical().is_loopback());
    loopback && !PASSED_ON.iter().any(|name| headers.contains_key(*name))
}

async fn switch<M: Rules, V: Views, S, B, E>(
    context: &Context<M, V>,
    ask: &Ask,
    local: bool,
    stream: S,
) -> Result<Switched, Fault>
where
    S: Stream<Item = Result<B, E>> + Send,
    B: Buf,
{
    if !local {
        let fault = Fault::forbidden(
            "The mode is switched from the machine of the door only.",
            "Send the request there, to its loopback address, without a proxy.",
        );
        return Err(body::refuse(stream, ask, fault).await);
    }
    if matches!(ask.media(), Media::Lines | Media::Other) {
        let fault = Fault::unsupported_media_type("Send application/json without a content encoding.");
        return Err(body::refuse(stream, ask, fault).await);
    }
    let limits = context.limits(LIMIT);
    let (body, _weight) = body::read(stream, ask, limits, context.door.memory()).await?;
    let enabled = wanted_mode(&body)?;
    let changed = context
        .door
        .switch(enabled)
        .ok_or_else(|| Fault::not_found("This door has no synchronous fallback."))?;
    Ok(Switched { enabled, changed })
}

/// What a body of the route asks for: true for the asynchronous way.
///
/// # Errors
/// Where it is no JSON object, names `enabled` twice or not at all, or gives it anything but true or false.
pub fn wanted_mode(body: &[u8]) -> Result<bool, Fault> {
    #[derive(Deserialize)]
    struct Wanted<'a> {
        #[serde(borrow)]
        enabled: Option<&'a RawValue>,
    }
    // An array would be read as the fields in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Fault::invalid_json("The body is not a JSON object."));
    }
    // Bytes that are no text would be skipped where they stand in a field that is not read.
    let not_json = || Fault::invalid_json("The body is not JSON, or names enabled twice.");
    let text = std::str::from_utf8(body).map_err(|_| not_json())?;
    let wanted: Wanted<'_> = serde_json::from_str(text).map_err(|_| not_json())?;
    let refusal = |code, message: &str| {
        Fault::refusal(Refusal {
            code,
            field: Some("enabled".to_owned()),
            message: message.to_owned(),
            suggestion: r#"Send {"enabled":true} or {"enabled":false}."#.to_owned(),
        })
    };
    match wanted.enabled.map(RawValue::get) {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(refusal(RefusalCode::InvalidType, "enabled is true or false.")),
        None => Err(refusal(
            RefusalCode::ValidationMissingField,
            "enabled is missing.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use warp::http::HeaderValue;

    use super::*;

    #[test]
    fn a_mode_is_wanted_once_and_in_an_object() {
        assert!(wanted_mode(br#" {"enabled":true} "#).unwrap());
        assert!(!wanted_mode(br#"{"by":"night shift","enabled":false}"#).unwrap());
        for (body, code) in [
            (r#"{"enabled":true,"enabled":false}"#, "INVALID_JSON"),
            ("[true]", "INVALID_JSON"),
            ("", "INVALID_JSON"),
            (r#"{"enabled":tru"#, "INVALID_JSON"),
            ("{}", "VALIDATION_MISSING_FIELD"),
            (r#"{"enabled":null}"#, "VALIDATION_MISSING_FIELD"),
            (r#"{"enabled":"true"}"#, "INVALID_TYPE"),
            (r#"{"enabled":1}"#, "INVALID_TYPE"),
        ] {
            assert_eq!(
                wanted_mode(body.as_bytes()).unwrap_err().code.label(),
                code,
                "{body}"
            );
        }
    }

    #[test]
    fn only_who_is_on_this_machine_may_switch() {
        let peer = |text: &str| Some(Peer(text.parse().unwrap()));
        let none = HeaderMap::new();
        for local in ["127.0.0.1:4", "127.8.8.8:4", "[::1]:4", "[::ffff:127.0.0.1]:4"] {
            assert!(is_local(peer(local), &none), "{local}");
        }
        for other in [
            "192.168.1.7:4",
            "0.0.0.0:4",
            "[2001:db8::1]:4",
            "[::ffff:10.0.0.1]:4",
        ] {
            assert!(!is_local(peer(other), &none), "{other}");
        }
        assert!(!is_local(None, &none));
        for name in PASSED_ON {
            let passed_on = HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static("x"))]);
            assert!(!is_local(peer("127.0.0.1:4"), &passed_on), "{name}");
        }
    }
}
