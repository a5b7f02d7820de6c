//! `[tls]`: the certificate of API and desks; and that nothing beyond this machine is served without one unless somebody says so.

use super::reader::{Section, Sink};
use std::net::SocketAddr;
use std::path::PathBuf;

/// TLS for the API and for the agents' sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificate chain and key, both PEM; absent: plain.
    pub files: Option<TlsFiles>,
    /// Plain is served beyond loopback too, and said at each start.
    pub allow_plain: bool,
}

/// The two files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Our certificate and those between it and a root, in this order.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Reads `[tls]`.
pub(super) fn read(mut section: Section<'_>, sink: &mut Sink<'_>) -> TlsConfig {
    let mut path = |key| {
        let text = section.text(sink, key, "the path of a PEM file, in quotes");
        text.map(|text| PathBuf::from(text.value))
    };
    let (certificate, key) = (path("certificate_file"), path("key_file"));
    let allow_plain = section.flag(sink, "allow_plain", false);
    let files = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        (Some(_), None) => {
            let what = "is missing".to_owned();
            section.fault(sink, "key_file", what, "the key of certificate_file");
            None
        }
        (None, Some(_)) => {
            let what = "is missing".to_owned();
            section.fault(
                sink,
                "certificate_file",
                what,
                "the certificate of key_file",
            );
            None
        }
    };
    section.finish(sink);
    TlsConfig { files, allow_plain }
}

/// A microphone needs a secure page, and tokens go over these sockets: beyond this machine they are sealed.
pub(super) fn nothing_plain_beyond_loopback(
    top: &Section<'_>,
    sink: &mut Sink<'_>,
    tls: &TlsConfig,
    listeners: &[(&'static str, SocketAddr)],
) {
    if tls.files.is_some() || tls.allow_plain {
        return;
    }
    for (room, listen) in listeners {
        if !listen.ip().is_loopback() {
            sink.fault(
                top.place_inside(room, "listen").unwrap_or_default(),
                format!("{room}.listen"),
                format!("is {listen}, open to the network without TLS"),
                Some(
                    "[tls] with certificate_file and key_file, or an address of this machine behind a TLS proxy, or tls.allow_plain = true"
                        .to_owned(),
                ),
            );
        }
    }
}
