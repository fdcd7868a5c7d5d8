//! TLS in front of a server that has none, with a certificate that can be changed while it runs.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A server's identity, both in PEM.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// What it shows.
    pub certificate: &'static str,
    /// The key of it.
    pub key: &'static str,
}

impl Identity {
    /// What accepts connections with this identity.
    ///
    /// # Errors
    ///
    /// When one of the two cannot be read, or they do not belong together.
    pub fn acceptor(self) -> io::Result<TlsAcceptor> {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes())
            .map_err(io::Error::other)?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(io::Error::other)?;
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .map_err(io::Error::other)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// TLS on a free port of loopback. Dropping it ends it and closes its connections.
pub struct TlsFront {
    address: SocketAddr,
    acceptor: Arc<Mutex<TlsAcceptor>>,
    running: CancellationToken,
}

impl TlsFront {
    /// Takes TLS off what goes to `server`.
    ///
    /// # Errors
    ///
    /// When there is no free port, or the identity cannot be used.
    pub async fn start(server: SocketAddr, identity: Identity) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let front = Self {
            address: listener.local_addr()?,
            acceptor: Arc::new(Mutex::new(identity.acceptor()?)),
            running: CancellationToken::new(),
        };
        let (tasks, running) = (TaskTracker::new(), front.running.clone());
        let acceptor = Arc::clone(&front.acceptor);
        let accept = async move {
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = acceptor
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                let carrying = carry(client, acceptor, server);
                tasks.spawn(running.clone().run_until_cancelled_owned(carrying));
            }
        };
        let running = front.running.clone();
        TaskTracker::new().spawn(running.run_until_cancelled_owned(accept));
        Ok(front)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Shows another certificate to connections from here on.
    ///
    /// # Errors
    ///
    /// When the identity cannot be used.
    pub fn show(&self, identity: Identity) -> io::Result<()> {
        *self.acceptor.lock().unwrap_or_else(PoisonError::into_inner) = identity.acceptor()?;
        Ok(())
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.running.cancel();
    }
}

/// A client that does not like the certificate ends this, and so does either end.
async fn carry(client: TcpStream, acceptor: TlsAcceptor, server: SocketAddr) {
    let Ok(mut client) = acceptor.accept(client).await else {
        return;
    };
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}
