//! The routes: what there is, and what answers it.

mod batch;
mod data;
mod mode;
mod operations;
mod page;
mod receipts;
mod schemas;

use std::sync::Arc;
use std::time::Instant;

use bytes::Buf;
use futures_util::Stream;
use warp::filters::BoxedFilter;
use warp::http::Method;
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::body::refuse;
use crate::config::HttpConfig;
use crate::door::Door;
use crate::fault::Fault;
use crate::reply;
use crate::request::Ask;
use crate::rules::Rules;
use crate::views::Views;

pub use mode::wanted_mode;

/// Everything that this crate serves: path (a segment in braces stands for any text) and methods.
pub(crate) const ROUTES: &[(&str, &str)] = &[
    ("/", GET),
    ("/status.json", GET),
    ("/openapi.json", GET),
    ("/health", GET),
    ("/health/live", GET),
    ("/health/ready", GET),
    ("/metrics", GET),
    ("/admin/queue/stats", GET),
    ("/admin/queue/mode", "PUT"),
    ("/api/ava4/data", "POST"),
    ("/api/ava4/data/batch", "POST"),
    ("/api/ava4/receipts/{receipt_id}", GET),
    ("/subjects", GET),
    ("/subjects/{subject}/versions", GET),
    ("/subjects/{subject}/versions/{version}", GET),
    ("/subjects/{subject}/versions/{version}/schema", GET),
    ("/schemas/ids/{id}", GET),
    ("/schemas/ids/{id}/schema", GET),
    ("/schemas/ids/{id}/versions", GET),
    ("/schemas/types", GET),
    ("/config", GET),
    ("/config/{subject}", GET),
    ("/mode", GET),
];

/// Those of a service that is no door.
const OPERATIONS: &[&str] = &["/health", "/health/live", "/health/ready", "/metrics"];

const GET: &str = "GET, HEAD";

/// What every handler shares.
struct Context<M, V> {
    door: Door<M>,
    views: V,
    counters: prometheus::Registry,
    http: HttpConfig,
    since: Instant,
    instance: String,
}

/// All routes of the door.
pub fn routes<M: Rules, V: Views>(
    door: Door<M>,
    views: V,
    counters: prometheus::Registry,
    http: HttpConfig,
    instance: &str,
) -> BoxedFilter<(Response,)> {
    let context = Arc::new(Context {
        door,
        views,
        counters,
        http,
        since: Instant::now(),
        instance: instance.to_owned(),
    });
    let counters = context.counters.clone();
    // The way of the devices first: a branch that does not match costs.
    data::single(&context)
        .or(batch::filter(&context))
        .unify()
        .or(receipts::filter(&context)
            .or(operations::filter(&context, |c| &c.views, counters))
            .unify()
            .or(operations::queue(&context))
            .unify()
            .or(mode::filter(&context))
            .unify()
            .or(page::filter(&context))
            .unify()
            .or(schemas::filter())
            .unify()
            .or(nothing_here(|_| true))
            .unify()
            .boxed())
        .unify()
        .boxed()
}

/// Health and metrics: the routes of a service that is no door.
pub fn operations<V: Views>(views: V, counters: prometheus::Registry) -> BoxedFilter<(Response,)> {
    operations::filter(&Arc::new(views), |views| views, counters)
        .or(nothing_here(|path| OPERATIONS.contains(&path)))
        .unify()
        .boxed()
}

fn with<T: Send + Sync + 'static>(
    shared: &Arc<T>,
) -> impl Filter<Extract = (Arc<T>,), Error = std::convert::Infallible> + Clone + use<T> {
    let shared = Arc::clone(shared);
    warp::any().map(move || Arc::clone(&shared))
}

fn ask() -> impl Filter<Extract = (Ask,), Error = std::convert::Infallible> + Clone {
    warp::header::headers_cloned().map(|headers| Ask::from_headers(&headers))
}

/// GET, and HEAD for those who only look whether it is there.
fn get() -> impl Filter<Extract = (), Error = Rejection> + Clone {
    warp::get().or(warp::head()).unify()
}

/// 404, or 405 where the path is known.
fn nothing_here(serves: fn(&str) -> bool) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    warp::path::full()
        .and(warp::method())
        .and(ask())
        .and(warp::body::stream())
        .then(move |path: FullPath, method: Method, ask: Ask, body| {
            none_of_ours(serves, path, method, ask, body)
        })
}

async fn none_of_ours<S, B, E>(
    serves: fn(&str) -> bool,
    path: FullPath,
    method: Method,
    ask: Ask,
    body: S,
) -> Response
where
    S: Stream<Item = Result<B, E>> + Send,
    B: Buf,
{
    let fault = refuse(body, &ask, Fault::not_found("There is no such route.")).await;
    let known = ROUTES
        .iter()
        .find(|(route, _)| serves(route) && matches(route, path.as_str()));
    match known {
        Some((_, allowed)) if !allowed.split(", ").any(|m| m == method.as_str()) => {
            reply::method_not_allowed(&ask, allowed)
        }
        _ => reply::fault(&ask, &fault),
    }
}

fn matches(route: &str, path: &str) -> bool {
    let path = path.strip_suffix('/').filter(|p| !p.is_empty()).unwrap_or(path);
    let mut wanted = route.split('/');
    let mut given = path.split('/');
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(w), Some(g)) if w == g || (w.starts_with('{') && !g.is_empty()) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_matches_its_pattern_only() {
        assert!(matches("/", "/"));
        assert!(matches("/health", "/health/"));
        assert!(matches("/schemas/ids/{id}", "/schemas/ids/7"));
        for path in ["/schemas/ids", "/schemas/ids/", "/schemas/ids/7/x", "/", "//"] {
            assert!(!matches("/schemas/ids/{id}", path), "{path}");
        }
    }

    #[test]
    fn the_description_names_exactly_the_routes_that_exist() {
        let description: serde_json::Value = serde_json::from_str(page::OPENAPI).unwrap();
        let mut described: Vec<_> = description["paths"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(path, methods)| (path.clone(), methods.get("post").is_some()))
            .collect();
        let mut served: Vec<_> = ROUTES
            .iter()
            .map(|(path, methods)| ((*path).to_owned(), methods.contains("POST")))
            .collect();
        described.sort();
        served.sort();
        assert_eq!(described, served);
    }
}
