//! `run: container` where the engine is a program that fails, and where there is none.

use openclaw_suite::{Options, Server, documents::workflow};
use serde_json::{Value, json};

fn container() -> Value {
    let container = json!({ "image": "alpine", "command": "echo hi" });
    workflow("contained", json!([{ "run": { "run": { "container": container } } }]))
}

#[tokio::test]
async fn a_server_without_an_engine_says_so_when_a_container_is_to_run() {
    let data = tempfile::tempdir().unwrap();
    for (setting, value, code) in [
        ("containers.engine", "none", "OC-CTR-001"),
        ("containers.program", "/no/such/engine", "OC-CTR-001"),
        ("containers.program", "/bin/false", "OC-CTR-002"),
    ] {
        let server = Server::start(data.path(), Options::default().set(setting, value)).await;
        let run = server.run(container(), Value::Null).await;
        let detail = run["error"]["detail"].as_str().unwrap();
        assert!(detail.starts_with(code), "{detail}");
        let _ = server.terminate().await;
    }
}
