//! What processes of tasks reach through their proxies.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use axum::{Router, http::HeaderMap};
use openclaw_suite::{Options, Server, counting::Counting, documents::workflow, tell};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::connections;

const SECRET: &str = "s3cret-of-the-tool-7d1f";

/// A server for tools, and its headers.
struct Api {
    port: u16,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    _serving: JoinSet<()>,
}

impl Api {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        let application = Router::new().fallback(async move |headers: HeaderMap| {
            kept.lock().unwrap().push(headers);
            "from the api"
        });
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, application).await.unwrap() });
        Self { port, seen, _serving: serving }
    }

    fn headers(&self) -> Vec<HeaderMap> {
        self.seen.lock().unwrap().clone()
    }
}

/// A server whose tools may reach `network` if they run relaxed; `api` is put into requests to the first.
async fn start(data: &Path, network: &[&str]) -> Server {
    let config = data.join("egress.toml");
    let first = network[0];
    fs::write(
        &config,
        format!(
            "[sandbox]\nnetwork = {}\n[[egress.credentials]]\ncredential = \"api\"\n\
             destination = \"{first}\"\ntls = false\n",
            json!(network)
        ),
    )
    .unwrap();
    let mut options = Options::default();
    options.environment.push(("OPENCLAW_CONFIG".into(), config.display().to_string()));
    options.environment.push(("OPENCLAW_SECRET_API".into(), "unused".into()));
    options.environment.push(("OPENCLAW_SECRET_api".into(), SECRET.into()));
    Server::start(&data.join("data"), options).await
}

/// A task whose process runs `command` and asks for `network`.
fn tool(command: &str, network: Value) -> Value {
    json!({
        "run": { "shell": { "command": command }, "return": "all" },
        "metadata": { "sandbox": { "level": "relaxed", "network": network } },
    })
}

/// Whether there is a curl that the sandbox sees.
fn curl() -> bool {
    let there = Path::new("/usr/bin/curl").exists();
    if !there {
        tell("skipped: there is no /usr/bin/curl");
    }
    there
}

#[tokio::test]
async fn a_tool_reaches_what_its_task_asks_for_and_nothing_else() {
    if !curl() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (api, other) = (Api::start().await, Counting::start().await);
    let (here, there) =
        (format!("127.0.0.1:{}", api.port), other.url("/").replace("http://", "").replace('/', ""));
    let server = start(directory.path(), &[&here, &there]).await;
    let command = format!(
        "curl -sS -m 20 http://{here}/plain; echo \" $?\"; \
         curl -sS -m 20 -p http://{here}/tunnel; echo \" $?\"; \
         curl -sS -m 20 -o /dev/null -w '%{{http_code}}' http://{there}/; echo \" $?\"; \
         curl -sS -m 20 -p http://{there}/; echo \" $?\"; \
         curl -sS -m 20 -o /dev/null -w '%{{http_code}}' http://169.254.169.254/; echo \" $?\"; \
         curl -sS -m 20 --noproxy '*' http://{here}/; echo \" $?\""
    );
    let document = workflow("tool", json!([{ "fetch": tool(&command, json!([here])) }]));
    let run = server.run(document, Value::Null).await;
    assert_eq!(run["status"], "completed", "{run}");
    let output = &run["output"];
    let lines: Vec<&str> = output["stdout"].as_str().unwrap().lines().collect();
    let [plain, tunnel, refused, refused_tunnel, metadata, direct] = lines[..] else { panic!("{output}") };
    assert_eq!((plain, tunnel), ("from the api 0", "from the api 0"), "{output}");
    assert_eq!((refused, metadata), ("403 0", "403 0"), "{output}");
    assert!(refused_tunnel != " 0" && direct != " 0", "{output}");
    assert_eq!((api.headers().len(), other.calls().len()), (2, 0));

    let events = connections(&server, run["runId"].as_str().unwrap(), 7).await;
    let of =
        |name: &str| events.iter().filter(|(kind, _)| kind == name).map(|(_, data)| data).collect::<Vec<_>>();
    assert_eq!(of("egress.opened").len(), 2, "{events:?}");
    assert!(
        of("egress.opened").iter().all(|data| data["port"] == json!(api.port) && data["task"] == json!(1))
    );
    assert_eq!(of("egress.closed").len(), 2, "{events:?}");
    assert!(of("egress.closed").iter().all(|data| data["received_bytes"].as_u64().unwrap() > 12));
    let denied = of("egress.denied");
    assert!(denied.len() == 3 && denied.iter().all(|data| data["code"] == "OC-EGR-003"), "{events:?}");
    server.terminate().await;
}

#[tokio::test]
async fn a_tool_that_asks_for_more_than_the_server_allows_is_not_run() {
    let directory = tempfile::tempdir().unwrap();
    let api = Api::start().await;
    let here = format!("127.0.0.1:{}", api.port);
    let server = start(directory.path(), &[&here]).await;
    for (network, code) in [
        (json!(["example.com:443"]), "OC-SBX-005"),
        (json!(["127.0.0.1:*"]), "OC-SBX-005"),
        (json!([{ "host": "127.0.0.1", "port": api.port, "credential": "api" }]), "OC-EGR-008"),
    ] {
        let document = workflow("tool", json!([{ "fetch": tool("touch ran", network) }]));
        let run = server.run(document, Value::Null).await;
        assert_eq!((&run["status"], &run["error"]["status"]), (&json!("faulted"), &json!(403)), "{run}");
        assert!(run["error"]["detail"].as_str().unwrap().contains(code), "{run}");
    }
    server.terminate().await;
}

/// Every file below `directory` that holds the secret.
fn holding(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path));
        } else if fs::read(&path)
            .is_ok_and(|bytes| bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()))
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn a_credential_is_seen_by_the_server_that_it_is_for_and_nowhere_else() {
    if !curl() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let api = Api::start().await;
    let here = format!("127.0.0.1:{}", api.port);
    let server = start(directory.path(), &[&here]).await;
    // The tool shows whatever it can find out, and tries a token of its own.
    let command = format!(
        "curl -sSv -m 20 -H 'Authorization: Bearer mine' http://{here}/ 2>&1; env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'"
    );
    let network = json!([{ "host": "127.0.0.1", "port": api.port, "credential": "api" }]);
    let mut document = workflow("tool", json!([{ "fetch": tool(&command, network) }]));
    document["use"] = json!({ "secrets": ["api"] });
    let run = server.run(document, Value::Null).await;
    assert_eq!(run["status"], "completed", "{run}");
    assert!(run["output"]["stdout"].as_str().unwrap().contains("from the api"), "{run}");
    let headers = api.headers();
    let sent: Vec<_> =
        headers[0].get_all("authorization").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(sent, [format!("Bearer {SECRET}")]);
    let events = connections(&server, run["runId"].as_str().unwrap(), 2).await;
    assert_eq!(events[0].1["credential"], "api", "{events:?}");
    let said = server.said().join("\n");
    server.terminate().await;
    assert!(!format!("{run}{events:?}{said}").contains(SECRET));
    assert_eq!(holding(directory.path()), Vec::<String>::new());
}
