//! Configuration that means harm, or is a mistake: a code, the key, and never a value that may be a secret.

use std::fs;

use openclaw_suite::openclaw;

#[tokio::test]
async fn a_configuration_that_does_not_fit_is_refused_with_the_key_and_without_secrets() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("c.toml");
    let secret = "hunter2hunter2";
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("an unknown section", b"[srever]\nlisten = \"x\"".to_vec(), "srever"),
        ("an unknown key", b"[server]\nlissten = \"x\"".to_vec(), "server.lissten"),
        ("a wrong type", b"[server]\nmax_connections = \"many\"".to_vec(), "server.max_connections"),
        ("a negative number", b"[limits]\nbatch = -1".to_vec(), "limits.batch"),
        ("a number that is too large", b"[limits]\nbody_bytes = 99999999999999999999999".to_vec(), ""),
        ("zero", b"[limits]\ncaller_in_flight = 0".to_vec(), "limits.caller_in_flight"),
        ("half a certificate", b"[server.tls]\ncertificate = \"c\"".to_vec(), "key"),
        ("no TOML", b"[server\n= =".to_vec(), ""),
        ("a key twice", b"[server]\nlisten = \"a:1\"\nlisten = \"b:1\"".to_vec(), "listen"),
        ("bytes", (0..=255).collect(), ""),
        ("zeros", vec![0; 1 << 20], ""),
        ("deep", [b"x = ".to_vec(), b"[".repeat(100_000)].concat(), ""),
        ("a section in place of a value", b"[server.listen.x.y]\nz = 1".to_vec(), "server.listen"),
    ];
    for (what, bytes, named) in cases {
        fs::write(&file, bytes).unwrap();
        let arguments = ["serve", "--print-config", "--config", file.to_str().unwrap()];
        let variables = [("OPENCLAW_SECRET_DB", secret)];
        let refused = openclaw(data.path(), &arguments, &variables, None).await;
        assert_eq!((refused.code, refused.signal), (Some(4), None), "{what}: {refused:?}");
        assert!(refused.stderr.contains("OC-CFG-00"), "{what}: {}", refused.stderr);
        assert!(refused.stderr.contains(named), "{what}: {named} is not named: {}", refused.stderr);
        assert!(refused.stderr.len() < 16 << 10, "{what}: the refusal is longer than anybody reads");
        assert!(!refused.stderr.contains(secret), "{what}");
    }
    let directory = data.path().to_str().unwrap();
    for place in [directory, "/no/such/file"] {
        let refused = openclaw(data.path(), &["serve", "--print-config", "--config", place], &[], None).await;
        assert_eq!(refused.code, Some(4), "{place}: {refused:?}");
    }
    fs::write(&file, b"").unwrap();
    let printed = openclaw(
        data.path(),
        &["serve", "--print-config", "--config", file.to_str().unwrap()],
        &[("OPENCLAW_SECRET_DB", secret)],
        None,
    )
    .await
    .succeeded();
    assert!(!printed.stdout.contains(secret) && !printed.stderr.contains(secret), "secrets are no settings");
}
