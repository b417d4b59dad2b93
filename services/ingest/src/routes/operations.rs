//! Health, metrics and the parser's queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus::{Encoder, TextEncoder};
use serde::Serialize;
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::clock;
use crate::fault::Fault;
use crate::reply;
use crate::request::Ask;
use crate::routes::{Context, ask, get, with};
use crate::rules::Rules;
use crate::views::{Component, Health, State, Views};

pub(super) fn filter<T, V>(
    shared: &Arc<T>,
    views: fn(&T) -> &V,
    counters: prometheus::Registry,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<T, V>
where
    T: Send + Sync + 'static,
    V: Views,
{
    let whole = warp::path!("health")
        .or(warp::path!("health" / "ready"))
        .unify()
        .and(get())
        .and(with(shared))
        .and(ask())
        .then(move |shared: Arc<T>, ask: Ask| async move {
            let health = views(&shared).health().await;
            let status = if health.ready {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            reply::fresh(&ask, status, &body(&ask, &health))
        });
    let live = warp::path!("health" / "live")
        .and(get())
        .and(ask())
        .map(|ask: Ask| {
            let alive = Health {
                ready: true,
                components: BTreeMap::new(),
            };
            reply::fresh(&ask, StatusCode::OK, &body(&ask, &alive))
        });
    let metrics = warp::path!("metrics")
        .and(get())
        .and(ask())
        .map(move |ask: Ask| metrics(&ask, &counters));
    whole.or(live).unify().or(metrics).unify()
}

pub(super) fn queue<M: Rules, V: Views>(
    context: &Arc<Context<M, V>>,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<M, V> {
    warp::path!("admin" / "queue" / "stats")
        .and(get())
        .and(with(context))
        .and(ask())
        .then(|context: Arc<Context<M, V>>, ask: Ask| async move {
            let stats = context.views.queue().await;
            reply::fresh(&ask, StatusCode::OK, &stats)
        })
}

#[derive(Serialize)]
struct Body<'a> {
    status: State,
    ready: bool,
    components: &'a BTreeMap<String, Component>,
    request_id: &'a str,
    timestamp: String,
}

fn body<'a>(ask: &'a Ask, health: &'a Health) -> impl Serialize + use<'a> {
    Body {
        status: health.status(),
        ready: health.ready,
        components: &health.components,
        request_id: ask.request_id.as_str(),
        timestamp: clock::text(clock::now()),
    }
}

fn metrics(ask: &Ask, counters: &prometheus::Registry) -> Response {
    let encoder = TextEncoder::new();
    let mut text = Vec::with_capacity(8 << 10);
    match encoder.encode(&counters.gather(), &mut text) {
        Ok(()) => reply::bytes(
            ask,
            StatusCode::OK,
            HeaderValue::from_static(prometheus::TEXT_FORMAT),
            text,
        ),
        Err(e) => {
            tracing::error!("the metrics could not be written: {e}");
            reply::fault(ask, &Fault::internal())
        }
    }
}
