//! The devices' route: one message.

use std::sync::Arc;

use bytes::Buf;
use futures_util::Stream;
use warp::http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::body::{self, Limits};
use crate::clock;
use crate::door::{Message, Taken};
use crate::fault::Fault;
use crate::reply::{self, RECEIVED, Received};
use crate::request::{Ask, Media};
use crate::routes::{Context, ask, with};
use crate::rules::Rules;
use crate::views::Views;

pub(super) type Query = Vec<(String, String)>;

pub(super) fn single<M: Rules, V: Views>(
    context: &Arc<Context<M, V>>,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<M, V> {
    warp::path!("api" / "ava4" / "data")
        .and(warp::post())
        .and(with(context))
        .and(ask())
        .and(warp::query::<Query>())
        .and(warp::body::stream())
        .then(|context, ask, query, body| async move { take_one(context, ask, query, body).await })
}

async fn take_one<M: Rules, V: Views, S, B, E>(
    context: Arc<Context<M, V>>,
    ask: Ask,
    query: Query,
    body: S,
) -> Response
where
    S: Stream<Item = Result<B, E>> + Send,
    B: Buf,
{
    let metrics = context.door.metrics();
    match one(&context, &ask, &query, body).await {
        Ok(taken) => reply::json(
            &ask,
            StatusCode::OK,
            &Received {
                success: true,
                message: RECEIVED,
                receipt_id: taken.receipt_id,
                observation_id: taken.observation_ids.first().copied(),
                observation_ids: &taken.observation_ids,
                processing: taken.processing,
                request_id: ask.request_id.as_str(),
                timestamp: clock::text(clock::now()),
            },
        ),
        Err(fault) => {
            metrics.refused.inc();
            refused(&context, &ask, &fault)
        }
    }
}

async fn one<M: Rules, V: Views, S, B, E>(
    context: &Context<M, V>,
    ask: &Ask,
    query: &Query,
    stream: S,
) -> Result<Taken, Fault>
where
    S: Stream<Item = Result<B, E>> + Send,
    B: Buf,
{
    if matches!(ask.media(), Media::Lines | Media::Other) {
        let fault = Fault::unsupported_media_type("Send application/json without a content encoding.");
        return Err(body::refuse(stream, ask, fault).await);
    }
    let wanted = match backfill(query) {
        Ok(false) => None,
        // Taken as an ordinary message its old times would be replaced by the receipt time.
        Ok(true) => Some(Fault::invalid_format(
            "backfill",
            "Single messages cannot be marked as backfill.",
            "Send them to /api/ava4/data/batch?backfill=true.",
        )),
        Err(fault) => Some(fault),
    };
    if let Some(fault) = wanted {
        return Err(body::refuse(stream, ask, fault).await);
    }
    let limits = context.limits(context.http.single_limit);
    let (body, weight) = body::read(stream, ask, limits, context.door.memory()).await?;
    let timer = context.door.metrics().single_seconds.start_timer();
    let message = Message {
        body,
        content_type: ask.content_type(),
        request_id: ask.request_id.as_str().to_owned(),
        backfill: false,
    };
    let taken = context.door.take_weighed(message, weight).await;
    timer.observe_duration();
    taken
}

/// `?backfill=true`. Anything unclear is refused: the parameter decides which times are believed.
pub(super) fn backfill(query: &Query) -> Result<bool, Fault> {
    let mut given = query.iter().filter(|(name, _)| name == "backfill");
    match (given.next().map(|(_, value)| value.as_str()), given.next()) {
        (None, _) | (Some("false"), None) => Ok(false),
        (Some("true"), None) => Ok(true),
        _ => Err(Fault::invalid_format(
            "backfill",
            "backfill is true or false, once.",
            "Use ?backfill=true.",
        )),
    }
}

pub(super) fn refused<M: Rules, V: Views>(context: &Context<M, V>, ask: &Ask, fault: &Fault) -> Response {
    context.count(fault);
    tracing::debug!(
        request_id = ask.request_id.as_str(),
        code = fault.code.label(),
        "request refused"
    );
    reply::fault(ask, fault)
}

impl<M: Rules, V: Views> Context<M, V> {
    pub(super) fn limits(&self, bytes: usize) -> Limits {
        Limits {
            bytes,
            within: self.http.body_within,
            retry_after: self.door.retry_after(),
        }
    }

    pub(super) fn count(&self, fault: &Fault) {
        self.door
            .metrics()
            .refusals
            .with_label_values(&[fault.code.label()])
            .inc();
    }
}
