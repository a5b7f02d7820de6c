//! TLS for API and desks: one certificate, read anew when its files change, and when it ends.
//!
//! Connections that are open keep the certificate that they were greeted with. A pair of files that cannot be used is told and the one
//! in use stays: a renewal that went wrong at night must not close the floor in the morning.

use crate::config::TlsFiles;
use crate::time::UnixMs;
use arc_swap::ArcSwap;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection};
use tokio_rustls::{Accept, TlsAcceptor, server::TlsStream};

/// Time between two looks at the files.
const LOOK: Duration = Duration::from_secs(5);
/// Longest handshake; a stranger who dribbles his own holds a place meanwhile.
const SHAKE_MAX: Duration = Duration::from_secs(5);
/// The end of a certificate is told from so many days before it on.
const TELL_DAYS: i64 = 21;

/// Why files are of no use.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// One cannot be read.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Everybody on this machine can read the key.
    #[error("{path} may be read by everybody on this machine (mode {mode:03o}); chmod 600 {path}, or 640 with a group of its own", path = path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// One is not PEM, or holds something else.
    #[error("{path} holds no {what}: {why}", path = path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// Why it was not found.
        why: String,
    },
    /// They do not fit together, or the library does not take them.
    #[error("{certificate} and its key cannot be used: {why}", certificate = certificate.display())]
    Unfit {
        /// The certificate.
        certificate: PathBuf,
        /// Why.
        why: String,
    },
}

/// What a pair of files holds.
struct Pair {
    config: Arc<ServerConfig>,
    ends: UnixMs,
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFault> {
    std::fs::read(path).map_err(|source| TlsFault::File {
        path: path.to_owned(),
        source,
    })
}

/// The certificates of a PEM file, the server's own first.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let pem = |why: String| TlsFault::Pem {
        path: path.to_owned(),
        what: "certificate",
        why,
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|fault| pem(format!("{fault}")))?;
    if chain.is_empty() {
        return Err(pem("there is none in it".to_owned()));
    }
    Ok(chain)
}

fn pair(files: &TlsFiles) -> Result<Pair, TlsFault> {
    use std::os::unix::fs::PermissionsExt;
    let chain = certificates(&files.certificate)?;
    let (_, parsed) =
        x509_parser::parse_x509_certificate(&chain[0]).map_err(|fault| TlsFault::Pem {
            path: files.certificate.clone(),
            what: "certificate",
            why: fault.to_string(),
        })?;
    let ends = UnixMs(
        parsed
            .validity()
            .not_after
            .timestamp()
            .saturating_mul(1_000),
    );
    let metadata = std::fs::metadata(&files.key).map_err(|source| TlsFault::File {
        path: files.key.clone(),
        source,
    })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(TlsFault::Open {
            path: files.key.clone(),
            mode,
        });
    }
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|fault| TlsFault::Pem {
        path: files.key.clone(),
        what: "private key",
        why: fault.to_string(),
    })?;
    let unfit = |why: String| TlsFault::Unfit {
        certificate: files.certificate.clone(),
        why,
    };
    // TLS 1.2 and 1.3: the library has nothing older (ASVS 12.1.1).
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|fault| unfit(fault.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|fault| unfit(fault.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Pair {
        config: Arc::new(config),
        ends,
    })
}

/// When a file last changed, and how long it is: a renewal changes both files, by a new one in its place or within it.
type Stamp = Option<(SystemTime, u64)>;

fn stamps(files: &TlsFiles) -> [Stamp; 2] {
    [&files.certificate, &files.key].map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

/// The door through which API and desks are entered. Shared by both listeners, the reload and the scrape.
pub struct TlsDoor {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
    ends_ms: AtomicI64,
    seen: ArcSwap<[Stamp; 2]>,
}

impl std::fmt::Debug for TlsDoor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TlsDoor({})", self.files.certificate.display())
    }
}

impl TlsDoor {
    /// Reads the files; a start without a usable pair fails.
    pub fn open(files: &TlsFiles) -> Result<Arc<TlsDoor>, TlsFault> {
        let seen = stamps(files);
        let pair = pair(files)?;
        Ok(Arc::new(TlsDoor {
            files: files.clone(),
            config: ArcSwap::new(pair.config),
            ends_ms: AtomicI64::new(pair.ends.0),
            seen: ArcSwap::from_pointee(seen),
        }))
    }

    /// Reads the files anew, for connections that come from then on. What cannot be used is told; the pair in use stays.
    pub fn reload(&self) -> Result<(), TlsFault> {
        self.seen.store(Arc::new(stamps(&self.files)));
        match pair(&self.files) {
            Ok(pair) => {
                self.config.store(pair.config);
                self.ends_ms.store(pair.ends.0, Ordering::Relaxed);
                tracing::info!(ends = %told(pair.ends), "The certificate was read anew.");
                Ok(())
            }
            Err(fault) => {
                tracing::error!(%fault, ends = %told(self.ends()), "The new certificate cannot be used; the old one stays in use.");
                Err(fault)
            }
        }
    }

    /// When the certificate in use ends.
    pub fn ends(&self) -> UnixMs {
        UnixMs(self.ends_ms.load(Ordering::Relaxed))
    }

    /// Looks at the files every few seconds until `stopping`, and reads them when they have changed.
    pub async fn watch(self: Arc<Self>, mut stopping: tokio::sync::watch::Receiver<bool>) {
        let mut told_at: Option<i64> = None;
        loop {
            let is_new = **self.seen.load() != stamps(&self.files);
            if is_new {
                // Both files are written, one after the other: the next look finds the pair whole.
                tokio::time::sleep(Duration::from_millis(500)).await;
                let _ = self.reload();
            }
            let now = crate::shell::lanes::Clock::new().now().unix;
            let days = (self.ends().0 - now.0).div_euclid(86_400_000);
            if days < TELL_DAYS && told_at != Some(days) {
                told_at = Some(days);
                tracing::warn!(days, ends = %told(self.ends()), "The certificate of API and desks ends soon.");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Greets a connection whole, as the desks need it.
    pub(crate) async fn greet(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TcpStream, ServerConnection)> {
        let greeting = self.acceptor().accept(stream);
        let greeted = tokio::time::timeout(SHAKE_MAX, greeting).await;
        Ok(greeted
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??
            .into_inner())
    }

    /// Greets a connection while it is read and written.
    pub(crate) fn enter(&self, stream: TcpStream) -> Connection {
        Connection::Greeting(Box::new(self.acceptor().accept(stream)))
    }
}

fn told(at: UnixMs) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .unwrap_or_default()
        .to_string()
}

/// A connection, sealed or plain.
pub(crate) enum Connection {
    Plain(TcpStream),
    Greeting(Box<Accept<TcpStream>>),
    Sealed(Box<TlsStream<TcpStream>>),
}

impl Connection {
    /// Goes on with the greeting.
    fn poll_greeted(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Connection::Greeting(greeting) = self {
            let sealed = ready!(Pin::new(&mut **greeting).poll(context))?;
            *self = Connection::Sealed(Box::new(sealed));
        }
        Poll::Ready(Ok(()))
    }
}

/// What is asked of a greeting that is not over: not reached, because it is awaited first.
fn not_yet<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_greeted(context))?;
        match &mut *self {
            Connection::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Connection::Sealed(stream) => Pin::new(&mut **stream).poll_read(context, buffer),
            Connection::Greeting(_) => not_yet(),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_greeted(context))?;
        match &mut *self {
            Connection::Plain(stream) => Pin::new(stream).poll_write(context, octets),
            Connection::Sealed(stream) => Pin::new(&mut **stream).poll_write(context, octets),
            Connection::Greeting(_) => not_yet(),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_greeted(context))?;
        match &mut *self {
            Connection::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Connection::Sealed(stream) => {
                Pin::new(&mut **stream).poll_write_vectored(context, slices)
            }
            Connection::Greeting(_) => not_yet(),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Connection::Plain(stream) => Pin::new(stream).poll_flush(context),
            Connection::Sealed(stream) => Pin::new(&mut **stream).poll_flush(context),
            // Nothing of ours has been said yet.
            Connection::Greeting(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Connection::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Connection::Sealed(stream) => Pin::new(&mut **stream).poll_shutdown(context),
            Connection::Greeting(_) => Poll::Ready(Ok(())),
        }
    }
}
