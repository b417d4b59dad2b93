//! The accept loop: connections bounded, heads timed, and an end that finishes what is open.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::config::HttpConfig;

/// Largest request head, bytes.
const HEAD: usize = 32 << 10;
/// Read buffer of a connection, bytes.
const BUFFER: usize = 64 << 10;

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The service cannot listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be had.
    #[error(
        "cannot listen on {address}: {source}; is another process using it? Set STARDUST_LISTEN to another address"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Without tokens anyone who reaches the port could write into patients' records.
    #[error(
        "refusing to listen on {0}: an address other than loopback needs DEVICE_TOKENS_FILE, which this version does \
         not support yet; use 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
}

impl ServeError {
    /// A stable label.
    #[must_use]
    pub const fn tag(&self) -> &'static str {
        match self {
            Self::Bind { .. } => "bind",
            Self::NotLoopback(_) => "not_loopback",
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        matches!(self, Self::Bind { .. })
    }
}

/// Listens on a loopback address; port 0 takes a free one.
///
/// # Errors
/// Where the address is taken or not loopback.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Bind { address, source })
}

/// Serves until `shutdown` resolves, then finishes open requests within `config.drain_within`. Says how many
/// connections had to be cut.
pub async fn serve(
    listener: TcpListener,
    routes: BoxedFilter<(Response,)>,
    config: HttpConfig,
    shutdown: impl Future<Output = ()>,
) -> usize {
    let places = Arc::new(Semaphore::new(config.connections.max(1)));
    let graceful = GracefulShutdown::new();
    let service = TowerToHyperService::new(warp::service(routes));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(config.head_within)
        .max_header_size(HEAD)
        .max_buf_size(BUFFER);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (stream, peer, place) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        let service = service.clone();
        let knowing_the_peer = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            service.call(request)
        });
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), knowing_the_peer));
        connections.spawn(async move {
            // A client that goes away or talks nonsense is no event of ours.
            if let Err(e) = connection.await {
                tracing::debug!("connection ended: {e}");
            }
            drop(place);
        });
    }
    drop(listener);
    if timeout(config.drain_within, graceful.shutdown()).await.is_err() {
        connections.abort_all();
    }
    let mut cut = 0;
    while let Some(ended) = connections.join_next().await {
        cut += usize::from(ended.is_err());
    }
    if cut > 0 {
        tracing::warn!(cut, "connections were cut at the end of the drain");
    }
    cut
}

/// The next connection, once there is a place for it. Cancel-safe: nothing is taken before the end.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // Never closed, so that the permit is always there.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Err(e) = stream.set_nodelay(true) {
                    tracing::debug!("no TCP_NODELAY: {e}");
                }
                return (stream, peer, place);
            }
            Err(e) => {
                // Out of descriptors, or the client was faster: a pause, never an end.
                tracing::warn!("a connection could not be accepted: {e}");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
