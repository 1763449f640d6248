//! The same shell over TLS.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::http::tls::{Error, Files};

/// Writes a new certificate for `localhost` with its key; answers it.
fn write_pair(directory: &Path) -> (Files, CertificateDer<'static>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let files = Files { certificate: directory.join("cert.pem"), key: directory.join("key.pem") };
    fs::write(&files.certificate, cert.pem()).expect("written");
    fs::write(&files.key, signing_key.serialize_pem()).expect("written");
    fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).expect("ours");
    (files, cert.der().clone())
}

fn trusting(
    root: &CertificateDer<'static>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).expect("a certificate");
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("known versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

async fn shake(server: &Server, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(server.address).await.expect("listening");
    let name = ServerName::try_from("localhost").expect("a name");
    timeout(LONG, TlsConnector::from(Arc::new(config)).connect(name, socket)).await.expect("in time")
}

async fn ask(socket: &mut TlsStream<TcpStream>, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {SECRET}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = vec![0; 4_096];
    let length = timeout(LONG, socket.read(&mut answer)).await.expect("answered").expect("whole");
    answer.truncate(length);
    String::from_utf8(answer).expect("text")
}

const BOTH: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

#[tokio::test]
async fn requests_are_answered_over_both_versions_and_with_the_same_rules() {
    let directory = tempfile::tempdir().expect("a directory");
    let (files, root) = write_pair(directory.path());
    let server = start_with(64, Some(Tls::new(files).expect("usable")), |_| {}).await;
    for version in BOTH {
        let mut config = trusting(&root, &[version]);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut socket = shake(&server, config).await.expect("trusted");
        assert_eq!(socket.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
        assert!(ask(&mut socket, "/who").await.ends_with("token:operator"));
        assert_eq!(status(&ask(&mut socket, "/no/such").await), 404);
    }
    let mut config = trusting(&root, BOTH);
    config.alpn_protocols = vec![b"h2".to_vec()];
    assert!(shake(&server, config).await.is_err(), "whoever speaks HTTP/2 alone is not understood");
    let plain = server.get("/livez", &[("host", "localhost")]).await;
    assert!(!plain.starts_with("HTTP/1.1 200"), "nothing is answered in plain text: {plain}");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_to_an_end_is_cut_off_and_gives_its_place_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let (files, root) = write_pair(directory.path());
    let server = start_with(2, Some(Tls::new(files).expect("usable")), |_| {}).await;
    let mut silent = Vec::new();
    for beginning in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut socket = TcpStream::connect(server.address).await.expect("listening");
        socket.write_all(beginning).await.expect("sent");
        silent.push(socket);
    }
    for socket in &mut silent {
        let mut rest = Vec::new();
        timeout(LONG, socket.read_to_end(&mut rest)).await.expect("closed by the server").ok();
    }
    let served = async {
        loop {
            if let Ok(mut socket) = shake(&server, trusting(&root, BOTH)).await {
                return ask(&mut socket, "/livez").await;
            }
        }
    };
    assert_eq!(status(&timeout(LONG, served).await.expect("the places come back")), 200);
}

#[tokio::test]
async fn a_new_certificate_is_taken_without_dropping_anybody_and_a_broken_one_is_not_taken() {
    let directory = tempfile::tempdir().expect("a directory");
    let (files, old) = write_pair(directory.path());
    let tls = Tls::new(files.clone()).expect("usable");
    let server = start_with(64, Some(tls.clone()), |_| {}).await;
    let mut before = shake(&server, trusting(&old, BOTH)).await.expect("trusted");
    assert_eq!(status(&ask(&mut before, "/livez").await), 200);

    let (_, new) = write_pair(directory.path());
    tls.reload();
    assert!(shake(&server, trusting(&old, BOTH)).await.is_err(), "the old one is no longer shown");
    let mut after = shake(&server, trusting(&new, BOTH)).await.expect("trusted");
    assert_eq!(status(&ask(&mut after, "/livez").await), 200);
    assert_eq!(status(&ask(&mut before, "/livez").await), 200, "who was there stays");

    fs::write(&files.certificate, "no certificate").expect("written");
    tls.reload();
    assert!(shake(&server, trusting(&new, BOTH)).await.is_ok(), "the last good one stays in force");
}

#[test]
fn files_that_cannot_be_used_are_refused_with_a_code_and_without_their_content() {
    let directory = tempfile::tempdir().expect("a directory");
    let (files, _) = write_pair(directory.path());
    let code = |files: &Files| match Tls::new(files.clone()) {
        Ok(_) => panic!("{files:?} was taken"),
        Err(error) => {
            let text = format!("{error} {error:?}");
            assert!(!text.contains("c2VjcmV0"), "{text}");
            (error.to_string()[1..11].to_owned(), matches!(error, Error::Untrusted { .. }))
        }
    };
    let secret = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    let good = fs::read(&files.key).expect("there");
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(&files.key, fs::Permissions::from_mode(mode)).expect("ours");
        assert_eq!(code(&files), ("OC-TLS-002".to_owned(), true), "{mode:o}");
    }
    fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).expect("ours");
    for broken in [secret, "c2VjcmV0", ""] {
        fs::write(&files.key, broken).expect("written");
        assert_eq!(code(&files).0, "OC-TLS-003", "{broken}");
    }
    let gone = directory.path().join("gone.pem");
    assert_eq!(code(&Files { key: gone, certificate: files.certificate.clone() }).0, "OC-TLS-001");
    // The certificate is a new one, the key is not.
    write_pair(directory.path());
    fs::write(&files.key, &good).expect("written");
    assert_eq!(code(&files).0, "OC-TLS-003", "the key of another certificate");
    assert_eq!(code(&Files { certificate: directory.path().to_owned(), ..files }).0, "OC-TLS-001");
}
