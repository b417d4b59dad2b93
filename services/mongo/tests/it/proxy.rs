//! A way to the server that can be cut.

use mongodb::options::{ClientOptions, ServerAddress};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards connections to the server; while it is down it closes every connection.
#[derive(Debug)]
pub(crate) struct Proxy {
    down: watch::Sender<bool>,
    port: u16,
}

impl Proxy {
    /// In front of the first server of this URI.
    pub(crate) async fn before(uri: &str) -> (Self, String) {
        let options = ClientOptions::parse(uri).await.unwrap();
        let ServerAddress::Tcp { host, port } = options.hosts[0].clone() else {
            panic!("a server on a socket file");
        };
        let server = format!("{host}:{}", port.unwrap_or(27_017));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (down, state) = watch::channel(false);
        let target = server.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, target.clone(), state.clone()));
            }
        });
        let direct = uri.replacen(&server, &format!("127.0.0.1:{own}"), 1);
        (Self { down, port: own }, direct)
    }

    pub(crate) fn cut(&self, down: bool) {
        assert!(self.port > 0);
        self.down.send_replace(down);
    }
}

async fn forward(mut client: TcpStream, server: String, mut state: watch::Receiver<bool>) {
    let bytes = async {
        if let Ok(mut server) = TcpStream::connect(server).await {
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        }
    };
    tokio::select! {
        biased;
        _ = state.wait_for(|down| *down) => {}
        () = bytes => {}
    }
}
