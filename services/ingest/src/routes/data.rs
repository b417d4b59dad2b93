//! The devices' routes: one message, or many.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures_util::Stream;
use serde::Serialize;
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::batch::{self, NoBatch};
use crate::body::{self, Limits};
use crate::clock;
use crate::door::{Message, Taken};
use crate::fault::Fault;
use crate::lane::Processing;
use crate::reply::{self, RECEIVED, Received};
use crate::request::{Ask, Media};
use crate::routes::{Context, ask, with};
use crate::rules::Rules;
use crate::views::Views;

type Query = Vec<(String, String)>;

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

pub(super) fn batch<M: Rules, V: Views>(
    context: &Arc<Context<M, V>>,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<M, V> {
    warp::path!("api" / "ava4" / "data" / "batch")
        .and(warp::post())
        .and(with(context))
        .and(ask())
        .and(warp::query::<Query>())
        .and(warp::body::stream())
        .then(|context, ask, query, body| async move { take_many(context, ask, query, body).await })
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
    if backfill(query)? {
        // Taken as an ordinary message its old times would be replaced by the receipt time.
        let fault = Fault::invalid_format(
            "backfill",
            "Single messages cannot be marked as backfill.",
            "Send them to /api/ava4/data/batch?backfill=true.",
        );
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

#[derive(Serialize)]
struct Batch<'a> {
    success: bool,
    message: &'static str,
    received: usize,
    items: Vec<Item<'a>>,
    request_id: &'a str,
    timestamp: String,
}

#[derive(Serialize)]
struct Item<'a> {
    index: usize,
    receipt_id: Uuid,
    observation_id: Option<Uuid>,
    observation_ids: &'a [Uuid],
    processing: Processing,
}

async fn take_many<M: Rules, V: Views, S, B, E>(
    context: Arc<Context<M, V>>,
    ask: Ask,
    query: Query,
    body: S,
) -> Response
where
    S: Stream<Item = Result<B, E>> + Send,
    B: Buf,
{
    match many(&context, &ask, &query, body).await {
        Ok(taken) => reply::json(
            &ask,
            StatusCode::OK,
            &Batch {
                success: true,
                message: RECEIVED,
                received: taken.len(),
                items: taken
                    .iter()
                    .enumerate()
                    .map(|(index, taken)| Item {
                        index,
                        receipt_id: taken.receipt_id,
                        observation_id: taken.observation_ids.first().copied(),
                        observation_ids: &taken.observation_ids,
                        processing: taken.processing,
                    })
                    .collect(),
                request_id: ask.request_id.as_str(),
                timestamp: clock::text(clock::now()),
            },
        ),
        Err(Refused::Whole(fault)) => refused(&context, &ask, &fault),
        Err(Refused::Items(faults)) => {
            for (_, fault) in &faults {
                context.count(fault);
            }
            tracing::debug!(
                request_id = ask.request_id.as_str(),
                items = faults.len(),
                "batch refused"
            );
            reply::faults(&ask, &faults)
        }
    }
}

enum Refused {
    Whole(Fault),
    Items(Vec<(usize, Fault)>),
}

async fn many<M: Rules, V: Views, S, B, E>(
    context: &Context<M, V>,
    ask: &Ask,
    query: &Query,
    stream: S,
) -> Result<Vec<Taken>, Refused>
where
    S: Stream<Item = Result<B, E>> + Send,
    B: Buf,
{
    let media = ask.media();
    if media == Media::Other {
        let fault = Fault::unsupported_media_type(
            "Send application/json or application/x-ndjson without a content encoding.",
        );
        return Err(Refused::Whole(body::refuse(stream, ask, fault).await));
    }
    let backfill = backfill(query).map_err(Refused::Whole)?;
    let limits = context.limits(context.http.batch_limit);
    let (body, weight) = body::read(stream, ask, limits, context.door.memory())
        .await
        .map_err(Refused::Whole)?;
    let timer = context.door.metrics().batch_seconds.start_timer();
    let parts = split(&body, media, context.http.batch_messages).map_err(Refused::Whole)?;
    let large: Vec<_> = parts
        .iter()
        .enumerate()
        .filter(|(_, part)| part.len() > context.http.single_limit)
        .map(|(index, _)| (index, Fault::message_too_large(context.http.single_limit)))
        .collect();
    if !large.is_empty() {
        return Err(Refused::Items(large));
    }
    let messages = parts
        .into_iter()
        .map(|body| Message {
            body,
            content_type: ask.content_type(),
            request_id: ask.request_id.as_str().to_owned(),
            backfill,
        })
        .collect();
    let taken = context.door.take_all_weighed(messages, weight).await;
    timer.observe_duration();
    taken.map_err(|faults| {
        let mut items = Vec::with_capacity(faults.len());
        for (index, fault) in faults {
            match index {
                Some(index) => items.push((index, fault)),
                None => return Refused::Whole(fault),
            }
        }
        Refused::Items(items)
    })
}

fn split(body: &Bytes, media: Media, most: usize) -> Result<Vec<Bytes>, Fault> {
    if body.trim_ascii().is_empty() && media != Media::Lines {
        return Err(Fault::invalid_json("The body is empty."));
    }
    let as_array = media == Media::Json || (media == Media::Unsaid && batch::looks_like_an_array(body));
    let parts = if as_array {
        batch::array(body, most)
    } else {
        batch::lines(body, most)
    };
    parts.map_err(|e| match e {
        NoBatch::NotAnArray => Fault::invalid_json("The body is not a JSON array of messages."),
        NoBatch::TooMany => Fault::too_many(most),
    })
}

/// `?backfill=true`. Anything unclear is refused: the parameter decides which times are believed.
fn backfill(query: &Query) -> Result<bool, Fault> {
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

fn refused<M: Rules, V: Views>(context: &Context<M, V>, ask: &Ask, fault: &Fault) -> Response {
    context.count(fault);
    tracing::debug!(
        request_id = ask.request_id.as_str(),
        code = fault.code.label(),
        "request refused"
    );
    reply::fault(ask, fault)
}

impl<M: Rules, V: Views> Context<M, V> {
    fn limits(&self, bytes: usize) -> Limits {
        Limits {
            bytes,
            within: self.http.body_within,
            retry_after: self.door.retry_after(),
        }
    }

    fn count(&self, fault: &Fault) {
        self.door
            .metrics()
            .refusals
            .with_label_values(&[fault.code.label()])
            .inc();
    }
}
