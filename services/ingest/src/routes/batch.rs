//! The devices' route for many messages at once: all or none.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures_util::Stream;
use serde::Serialize;
use tokio::task::spawn_blocking;
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::batch::{self, NoBatch};
use crate::body;
use crate::clock;
use crate::door::{Message, Taken};
use crate::fault::Fault;
use crate::lane::Processing;
use crate::reply::{self, RECEIVED};
use crate::request::{Ask, Media};
use crate::routes::data::{Query, backfill, refused};
use crate::routes::{Context, ask, with};
use crate::rules::Rules;
use crate::views::Views;

pub(super) fn filter<M: Rules, V: Views>(
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
    let backfill = match backfill(query) {
        Ok(backfill) => backfill,
        Err(fault) => return Err(Refused::Whole(body::refuse(stream, ask, fault).await)),
    };
    let limits = context.limits(context.http.batch_limit);
    let (body, weight) = body::read(stream, ask, limits, context.door.memory())
        .await
        .map_err(Refused::Whole)?;
    let timer = context.door.metrics().batch_seconds.start_timer();
    let most = context.http.batch_messages;
    let parts = spawn_blocking(move || split(&body, media, most))
        .await
        .unwrap_or_else(|_| Err(Fault::internal()))
        .map_err(Refused::Whole)?;
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
