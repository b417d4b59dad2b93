//! Where a receipt is now.

use std::sync::Arc;

use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::fault::Fault;
use crate::reply;
use crate::request::Ask;
use crate::routes::{Context, ask, get, with};
use crate::rules::Rules;
use crate::views::Views;

pub(super) fn filter<M: Rules, V: Views>(
    context: &Arc<Context<M, V>>,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<M, V> {
    warp::path!("api" / "ava4" / "receipts" / String)
        .and(get())
        .and(with(context))
        .and(ask())
        .then(|id: String, context, ask| async move { receipt(&id, context, ask).await })
}

async fn receipt<M: Rules, V: Views>(id: &str, context: Arc<Context<M, V>>, ask: Ask) -> Response {
    let unknown = || reply::fault(&ask, &Fault::not_found("Nobody knows this receipt."));
    // Only what can be a receipt is looked up.
    let Ok(id) = id.parse::<Uuid>() else {
        return unknown();
    };
    match context.views.receipt(&id.to_string()).await {
        Ok(Some(view)) => reply::fresh(&ask, StatusCode::OK, &view),
        Ok(None) => unknown(),
        Err(_) => {
            let wait = context.door.retry_after();
            reply::fault(&ask, &Fault::unavailable("The store cannot be read now.", wait))
        }
    }
}
