//! A way to a server that breaks again and again: every connection is cut, and for a while there is no new one.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::Duration;

/// The way; it ends with this value.
pub struct Interrupted {
    address: SocketAddr,
    way: Arc<Way>,
}

#[derive(Default)]
struct Way {
    open: AtomicBool,
    over: AtomicBool,
    cuts: AtomicU64,
    ends: Mutex<Vec<TcpStream>>,
}

impl Way {
    fn keep(&self, ends: [&TcpStream; 2]) -> io::Result<()> {
        let mut kept = self.ends.lock().expect("nobody panics with it");
        for end in ends {
            kept.push(end.try_clone()?);
        }
        Ok(())
    }

    fn cut(&self) {
        let ends = std::mem::take(&mut *self.ends.lock().expect("nobody panics with it"));
        self.cuts
            .fetch_add(u64::from(!ends.is_empty()), Ordering::Relaxed);
        for end in ends {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

impl Interrupted {
    /// A way to this address that stands for `up` and is cut for `down`, over and over.
    pub fn to(server: SocketAddr, up: Duration, down: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let way = Arc::new(Way::default());
        way.open.store(true, Ordering::Relaxed);
        let accepts = Arc::clone(&way);
        spawn(move || {
            for client in listener.incoming() {
                if accepts.over.load(Ordering::Relaxed) {
                    return;
                }
                if let (true, Ok(client)) = (accepts.open.load(Ordering::Relaxed), client) {
                    // One that breaks at once is as good as one that is cut.
                    let _ = carry(&accepts, client, server);
                }
            }
        });
        let cuts = Arc::clone(&way);
        spawn(move || {
            while !cuts.over.load(Ordering::Relaxed) {
                sleep(up);
                cuts.open.store(false, Ordering::Relaxed);
                cuts.cut();
                sleep(down);
                cuts.open.store(true, Ordering::Relaxed);
            }
        });
        Self { address, way }
    }

    /// Where the way begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often connections were cut.
    pub fn cuts(&self) -> u64 {
        self.way.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Interrupted {
    fn drop(&mut self) {
        self.way.over.store(true, Ordering::Relaxed);
        self.way.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn carry(way: &Way, client: TcpStream, server: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    for end in [&client, &server] {
        end.set_nodelay(true)?;
    }
    way.keep([&client, &server])?;
    for (mut from, mut to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}
