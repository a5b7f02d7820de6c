//! HTTPS and WSS of a real engine: our own client pins its certificate, a renewed one is taken without a restart, plain is refused.

use super::{LIMIT, wait_until};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use tandem::config::Config;
use tandem::shell::api::client::ApiClient;
use tandem::shell::serve::store_path;
use tandem::shell::store::AgentAudio;
use tandem::shell::store::sqlite::BackOffice;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

fn pem(kind: &str, der: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {kind}-----\n");
    for line in der.chunks(48) {
        for part in line.chunks(3) {
            let bits = part
                .iter()
                .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
            let bits = bits << (8 * (3 - part.len()));
            for sign in 0..4 {
                let place = (bits >> (18 - 6 * sign) & 63) as usize;
                text.push(if sign as usize > part.len() {
                    '='
                } else {
                    char::from(SIGNS[place])
                });
            }
        }
        text.push('\n');
    }
    text + &format!("-----END {kind}-----\n")
}

/// Writes a new pair into the files, and gives its certificate.
fn renew(dir: &Path) -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed(vec!["tandem.bank.example".to_owned()]).unwrap();
    let key = pem("PRIVATE KEY", &made.signing_key.serialize_der());
    // The key first and private from the start, as careful renewals do.
    use std::os::unix::fs::OpenOptionsExt;
    let new = dir.join("key.new");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .unwrap();
    file.write_all(key.as_bytes()).unwrap();
    std::fs::rename(&new, dir.join("key.pem")).unwrap();
    std::fs::write(dir.join("cert.pem"), pem("CERTIFICATE", made.cert.der())).unwrap();
    made.cert.der().to_vec()
}

/// Takes any certificate, and remembers it.
#[derive(Debug, Default)]
struct Shown(Mutex<Vec<u8>>);

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.0.lock().unwrap() = shown.to_vec();
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

type Sealed = StreamOwned<ClientConnection, TcpStream>;

/// A greeted connection, and the certificate that was shown.
fn greeted(address: SocketAddr) -> std::io::Result<(Sealed, Vec<u8>)> {
    let shown = Arc::new(Shown::default());
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&shown) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let name = ServerName::try_from("tandem.bank.example").unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut sealed = StreamOwned::new(session, stream);
    while sealed.conn.is_handshaking() {
        sealed.conn.complete_io(&mut sealed.sock)?;
    }
    let certificate = shown.0.lock().unwrap().clone();
    Ok((sealed, certificate))
}

struct Engine {
    child: Child,
    config: Config,
    dir: tempfile::TempDir,
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free() -> SocketAddr {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap()
}

fn engine() -> Engine {
    let dir = tempfile::tempdir().unwrap();
    renew(dir.path());
    let at = |name: &str| dir.path().join(name);
    let text = format!(
        "data_dir = {:?}\n[sip]\nlisten = \"{}\"\n[desk]\nlisten = \"{}\"\n[api]\nlisten = \"{}\"\n\
         [media]\nport_first = 34000\nport_last = 34063\n\
         [tls]\ncertificate_file = {:?}\nkey_file = {:?}\n\
         [[trunks]]\nname = \"a\"\naddress = \"127.0.0.1:9\"\n\
         [[campaigns]]\nname = \"TEST\"\ncaller_id = \"+842873000000\"\n",
        at("data"),
        free(),
        free(),
        free(),
        at("cert.pem"),
        at("key.pem"),
    );
    let path: PathBuf = at("tandem.toml");
    std::fs::write(&path, text).unwrap();
    let config = Config::load(&path).unwrap_or_else(|faults| panic!("{faults}"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_tandem"))
        .args(["serve", path.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.find_map(|line| line.ok().filter(|line| line.starts_with("ready:")));
    let ready = ready.expect("it serves");
    assert!(
        ready.contains("wss://") && ready.contains("https://"),
        "{ready}"
    );
    Engine { child, config, dir }
}

/// What an agent's socket says to a good log-in, and a ping afterwards.
fn log_in(engine: &Engine, token: &str) -> WebSocket<Sealed> {
    let (sealed, _) = greeted(engine.config.desk.listen).unwrap();
    let (mut socket, _) = client("ws://localhost/agent", sealed).unwrap();
    let hello = serde_json::json!({"type": "hello", "version": 1, "agent": "minh", "token": token});
    socket.send(Message::text(hello.to_string())).unwrap();
    let welcome = socket.read().unwrap().into_text().unwrap();
    assert!(welcome.contains("\"welcome\""), "{welcome}");
    socket
}

fn still_answers(socket: &mut WebSocket<Sealed>) {
    socket.send(Message::Ping(vec![1, 2, 3].into())).unwrap();
    loop {
        match socket.read().unwrap() {
            Message::Pong(octets) => {
                assert_eq!(&octets[..], [1, 2, 3]);
                return;
            }
            // News may come first.
            Message::Text(_) | Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn api_and_desks_are_sealed_and_a_renewed_certificate_is_taken_while_both_go_on() {
    let engine = engine();
    let store = store_path(&engine.config);
    let token = BackOffice::open(&store)
        .unwrap()
        .agent_add("minh", &[("TEST".to_owned(), 1)], &[], &AgentAudio::None)
        .unwrap();
    let client = ApiClient::of(&engine.config).unwrap();
    assert_eq!(client.campaigns().unwrap().len(), 1);
    let mut desk = log_in(&engine, &token);

    // Plain words get no answer in plain words.
    let mut plain = TcpStream::connect(engine.config.api.listen).unwrap();
    plain.set_read_timeout(Some(LIMIT)).unwrap();
    plain
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");

    // Somebody else's certificate in our client's hands: it speaks to nobody.
    let stranger = tempfile::tempdir().unwrap();
    renew(stranger.path());
    let wary = ApiClient::sealed(
        engine.config.api.listen,
        &engine.config.data_dir,
        &stranger.path().join("cert.pem"),
    );
    let refused = wary.unwrap().campaigns().unwrap_err().to_string();
    assert!(refused.starts_with("is the engine running?"), "{refused}");

    let before = greeted(engine.config.api.listen).unwrap().1;
    let renewed = renew(engine.dir.path());
    assert_ne!(before, renewed);
    for address in [engine.config.api.listen, engine.config.desk.listen] {
        wait_until("the new certificate is shown", || {
            greeted(address).is_ok_and(|(_, shown)| shown == renewed)
        });
    }
    still_answers(&mut desk);
    assert_eq!(
        ApiClient::of(&engine.config)
            .unwrap()
            .campaigns()
            .unwrap()
            .len(),
        1
    );

    // A pair that does not fit stays out.
    std::fs::write(engine.dir.path().join("cert.pem"), "no certificate").unwrap();
    let client = ApiClient::sealed(
        engine.config.api.listen,
        &engine.config.data_dir,
        &stranger.path().join("cert.pem"),
    );
    assert!(client.unwrap().reload(false).is_err(), "pinned elsewhere");
    assert_eq!(greeted(engine.config.api.listen).unwrap().1, renewed);

    let (mut scrape, _) = greeted(engine.config.api.listen).unwrap();
    scrape
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    let _ = scrape.read_to_string(&mut text);
    let line = text
        .lines()
        .find(|line| line.starts_with("tandem_tls_certificate_expiry"));
    let ends: f64 = line.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    // Ours are made to last far into the future.
    assert!(ends > 2_000_000_000.0, "{line:?}");
    still_answers(&mut desk);
}
