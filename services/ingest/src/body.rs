//! Bodies: counted, timed, and never larger in memory than allowed.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::fault::Fault;
use crate::intake::Weight;
use crate::request::Ask;

/// What is read of a body that is refused, so that the client gets to read the answer: closing a connection with
/// unread bytes in it resets it, and the answer is lost on the way.
const SPILL: usize = 16 << 20;
const SPILL_WITHIN: Duration = Duration::from_secs(2);

/// The limits of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes: usize,
    pub(crate) within: Duration,
    pub(crate) retry_after: Duration,
}

/// Reads a body to its end. A body of one frame is not copied.
pub(crate) async fn read<S, B, E>(
    stream: S,
    ask: &Ask,
    limits: Limits,
    memory: &Arc<Semaphore>,
) -> Result<(Bytes, Weight), Fault>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    let mut stream = std::pin::pin!(stream);
    let announced = ask.length();
    if announced.is_some_and(|n| n > limits.bytes as u64) {
        return Err(refuse(stream, ask, Fault::too_large(limits.bytes)).await);
    }
    let collected = timeout(
        limits.within,
        collect(stream.as_mut(), announced, limits.bytes, memory),
    );
    match collected.await {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(Stop::TooLarge)) => Err(refuse(stream, ask, Fault::too_large(limits.bytes)).await),
        Ok(Err(Stop::Broken)) => Err(Fault {
            close: true,
            ..Fault::invalid_json("The body broke off.")
        }),
        Ok(Err(Stop::NoMemory)) => {
            let fault = Fault::unavailable("Too much is under way.", limits.retry_after);
            Err(refuse(stream, ask, fault).await)
        }
        Err(_) => Err(Fault::timeout()),
    }
}

enum Stop {
    TooLarge,
    Broken,
    NoMemory,
}

/// How long a body waits for its share of the memory.
const MEMORY_WITHIN: Duration = Duration::from_secs(5);

async fn collect<S, B, E>(
    mut stream: S,
    announced: Option<u64>,
    most: usize,
    memory: &Arc<Semaphore>,
) -> Result<(Bytes, Weight), Stop>
where
    S: Stream<Item = Result<B, E>> + Unpin,
    B: Buf,
{
    let Some(first) = stream.next().await else {
        return Ok((Bytes::new(), None));
    };
    let mut first = first.map_err(|_| Stop::Broken)?;
    let length = first.remaining();
    if length > most {
        return Err(Stop::TooLarge);
    }
    let mut weight = weigh(None, length, memory).await?;
    let first = first.copy_to_bytes(length);
    if announced == Some(length as u64) {
        return Ok((first, weight.map(Arc::new)));
    }
    let mut whole = BytesMut::with_capacity(
        announced
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(length)
            .min(most),
    );
    whole.extend_from_slice(&first);
    drop(first);
    while let Some(next) = stream.next().await {
        let next = next.map_err(|_| Stop::Broken)?;
        if next.remaining() > most - whole.len() {
            return Err(Stop::TooLarge);
        }
        weight = weigh(weight, next.remaining(), memory).await?;
        let mut next = next;
        while next.has_remaining() {
            let chunk = next.chunk();
            whole.extend_from_slice(chunk);
            let n = chunk.len();
            next.advance(n);
        }
    }
    // A body that ends before its announced length is an error of the stream, met above.
    Ok((whole.freeze(), weight.map(Arc::new)))
}

/// Takes memory for the bytes that have really come: one that announces much and sends little holds little.
async fn weigh(
    held: Option<OwnedSemaphorePermit>,
    more: usize,
    memory: &Arc<Semaphore>,
) -> Result<Option<OwnedSemaphorePermit>, Stop> {
    let many = u32::try_from(more).map_err(|_| Stop::TooLarge)?;
    let more = match Arc::clone(memory).try_acquire_many_owned(many) {
        Ok(permit) => permit,
        Err(_) => timeout(MEMORY_WITHIN, Arc::clone(memory).acquire_many_owned(many))
            .await
            .map_err(|_| Stop::NoMemory)?
            .map_err(|_| Stop::NoMemory)?,
    };
    Ok(Some(match held {
        Some(mut held) => {
            held.merge(more);
            held
        }
        None => more,
    }))
}

/// Reads on for a while so that the answer arrives, then gives the fault.
pub(crate) async fn refuse<S, B, E>(stream: S, ask: &Ask, mut fault: Fault) -> Fault
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    // A client that waits for `100 Continue` has sent nothing yet.
    if ask.expects() {
        fault.close = true;
        return fault;
    }
    fault.close |= !drain(stream).await;
    fault
}

/// Whether the body came to its end within what is spilled.
async fn drain<S, B, E>(stream: S) -> bool
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    let mut stream = std::pin::pin!(stream);
    let all = async {
        let mut read = 0_usize;
        while let Some(Ok(frame)) = stream.next().await {
            read = read.saturating_add(frame.remaining());
            if read > SPILL {
                return false;
            }
        }
        true
    };
    timeout(SPILL_WITHIN, all).await.unwrap_or(false)
}
