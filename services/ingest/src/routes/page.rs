//! The status page, its numbers, and the description of the API.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus::core::Collector;
use serde::Serialize;
use warp::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::clock;
use crate::reply;
use crate::request::Ask;
use crate::routes::{Context, ask, get, with};
use crate::rules::Rules;
use crate::views::{Component, QueueStats, State, Views};

const PAGE: &str = include_str!("../../assets/status.html");
pub(super) const OPENAPI: &str = include_str!("../../assets/openapi.json");

pub(super) fn filter<M: Rules, V: Views>(
    context: &Arc<Context<M, V>>,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<M, V> {
    let page = warp::path::end().and(get()).and(ask()).map(|ask: Ask| page(&ask));
    let openapi = warp::path!("openapi.json").and(get()).and(ask()).map(|ask: Ask| {
        reply::bytes(
            &ask,
            StatusCode::OK,
            HeaderValue::from_static("application/json"),
            OPENAPI,
        )
    });
    let numbers = warp::path!("status.json")
        .and(get())
        .and(with(context))
        .and(ask())
        .then(|context: Arc<Context<M, V>>, ask: Ask| async move { numbers(&context, &ask).await });
    page.or(openapi).unify().or(numbers).unify()
}

fn page(ask: &Ask) -> Response {
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let mut response = reply::bytes(ask, StatusCode::OK, html, PAGE);
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
             img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[derive(Serialize)]
struct Numbers<'a> {
    version: &'static str,
    instance: &'a str,
    uptime_seconds: u64,
    notice: Option<String>,
    messages: BTreeMap<&'static str, u64>,
    refusals: BTreeMap<String, u64>,
    readings: BTreeMap<String, u64>,
    queue: QueueStats,
    spool: Spool,
    health: Health<'a>,
    timestamp: String,
}

#[derive(Serialize)]
struct Spool {
    records: i64,
    bytes: i64,
}

#[derive(Serialize)]
struct Health<'a> {
    status: State,
    ready: bool,
    components: &'a BTreeMap<String, Component>,
}

async fn numbers<M: Rules, V: Views>(context: &Context<M, V>, ask: &Ask) -> Response {
    let metrics = context.door.metrics();
    let health = context.views.health().await;
    let numbers = Numbers {
        version: env!("CARGO_PKG_VERSION"),
        instance: &context.instance,
        notice: context.views.notice(),
        uptime_seconds: context.since.elapsed().as_secs(),
        messages: BTreeMap::from([
            ("queued", metrics.queued.get()),
            ("spooled", metrics.spooled.get()),
            ("stored", metrics.stored.get()),
            ("refused", metrics.refused.get()),
        ]),
        refusals: by_label(&metrics.refusals),
        readings: context.views.outcomes(),
        queue: context.views.queue().await,
        spool: Spool {
            records: metrics.spool_records.get(),
            bytes: metrics.spool_bytes.get(),
        },
        health: Health {
            status: health.status(),
            ready: health.ready,
            components: &health.components,
        },
        timestamp: clock::text(clock::now()),
    };
    reply::fresh(ask, StatusCode::OK, &numbers)
}

/// The values of a counter with one label.
fn by_label(counter: &prometheus::IntCounterVec) -> BTreeMap<String, u64> {
    counter
        .collect()
        .iter()
        .flat_map(|family| family.get_metric())
        .filter_map(|metric| {
            let label = metric.get_label().first()?.value().to_owned();
            let value = metric.get_counter().get_value();
            // Counters of events: whole, and far below 2^53.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Some((label, value as u64))
        })
        .collect()
}
