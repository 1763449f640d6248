//! Tokens of programs.

use openclaw_suite::{documents::workflow, openclaw};

use super::*;

#[tokio::test]
async fn a_token_does_what_its_scopes_say_and_what_it_says_of_itself_counts_for_nothing() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let reader = issue(&server, "reader", &["query"]).await;
    let (status, text) = reader.post("/graphql", r#"{"query":"{ freshness { position } }"}"#).await.unwrap();
    assert!(status == 200 && text.contains("\"data\""), "{text}");
    for (method, needs) in [
        ("session.create", "command:session.create"),
        ("token.issue", "admin"),
        ("user.list", "admin"),
        ("run.start", "command:run.start"),
    ] {
        let refused = reader.call(method, &json!({}), None).await.unwrap().unwrap_err();
        assert_eq!((code(&refused), &refused["data"]["needs"]), ("OC-ACC-001", &json!(needs)));
    }
    // Neither headers nor parameters give anybody anything.
    let request = reader
        .request(Method::POST, "/rpc")
        .header("content-type", "application/json")
        .header("x-openclaw-scopes", "*")
        .header("x-forwarded-user", "operator")
        .body(
            json!({ "jsonrpc": "2.0", "id": 1, "method": "session.create", "params": {},
            "scopes": ["*"], "actor": "token:operator" })
            .to_string(),
        );
    assert!(request.send().await.unwrap().text().await.unwrap().contains("OC-"));
    assert_eq!(reader.request(Method::GET, "/metrics").send().await.unwrap().status(), 403);
    let event = reader
        .request(Method::POST, "/events")
        .header("content-type", "application/cloudevents+json")
        .body(r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#);
    assert_eq!(event.send().await.unwrap().status(), 403);
    let operator = issue(&server, "operator-2", &["operate", "command:event"]).await;
    assert_eq!(operator.request(Method::GET, "/metrics").send().await.unwrap().status(), 200);

    // Nobody gives more than they have.
    let admin = issue(&server, "admin", &["admin", "query"]).await;
    let refused = admin.call("token.issue", &json!({ "name": "more", "scopes": ["*"] }), None).await.unwrap();
    assert_eq!(code(&refused.unwrap_err()), "OC-ACC-002");
    let less = admin.call("token.issue", &json!({ "name": "less", "scopes": ["query@team-a"] }), None).await;
    assert!(less.unwrap().is_ok());
    let refused = admin.call("token.revoke", &json!({ "name": "operator-2" }), None).await.unwrap();
    assert_eq!(
        code(&refused.unwrap_err()),
        "OC-CMD-003",
        "what it could not have made does not exist for it"
    );

    let history = server.terminate().await;
    let denied = history.0.iter().filter(|entry| entry.r#type == "audit.denied").count();
    assert!((5..=12).contains(&denied), "{denied} refusals are recorded");
}

#[tokio::test]
async fn only_the_very_token_opens_any_door_and_it_is_written_down_nowhere() {
    let data = tempfile::tempdir().unwrap();
    let server =
        Server::start(data.path(), openclaw_suite::Options::default().set("limits.wrong_tokens", 0)).await;
    let caller = issue(&server, "canary", &["*"]).await;
    let token = caller.token().to_owned();
    assert!(token.starts_with("oc_") && token.len() == 46);
    for wrong in ["", "oc_", &token[..45], &token[1..], &format!("{token}A"), &token.to_uppercase()] {
        let bearer = format!("Bearer {wrong}");
        for path in ["/rpc", "/graphql", "/events", "/metrics", "/session", "/logout"] {
            let sent =
                server.caller().anonymous(Method::POST, path).header("authorization", &bearer).send().await;
            assert_eq!(sent.unwrap().status(), 401, "{path} {wrong:?}");
        }
        let header = [("authorization", bearer.as_str())];
        assert_eq!(socket(&server, "/rpc", &header).await.err(), Some(401), "{wrong:?}");
        assert_eq!(socket(&server, "/graphql/ws", &header).await.err(), Some(401), "{wrong:?}");
        let mut late = socket(&server, "/graphql/ws", &[]).await.unwrap();
        assert_eq!(introduce(&mut late, Some(&bearer)).await, Some(4403), "{wrong:?}");
    }
    let mut late = socket(&server, "/graphql/ws", &[]).await.unwrap();
    assert_eq!(introduce(&mut late, Some(&format!("Bearer {token}"))).await, None);
    let answered = caller.call("session.create", &json!({ "sessionId": "s" }), None).await.unwrap();
    assert!(answered.is_ok());
    let said = server.said().join("\n");
    drop(late);
    let history = server.terminate().await;
    assert!(!said.contains(&token[3..]));
    assert!(history.0.iter().any(|entry| entry.r#type == "audit.login_failed"));
    let found =
        std::process::Command::new("grep").args(["-rlaF", &token[3..]]).arg(data.path()).output().unwrap();
    assert!(found.stdout.is_empty(), "the token is in {}", String::from_utf8_lossy(&found.stdout));
}

#[tokio::test]
async fn revoking_counts_for_the_next_request_and_closes_what_is_open() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let (caller, other) = (issue(&server, "ci", &["*"]).await, issue(&server, "other", &["*"]).await);
    let bearer = format!("Bearer {}", caller.token());
    let header = [("authorization", bearer.as_str())];
    let rpc = socket(&server, "/rpc", &header).await.unwrap();
    let mut queries = socket(&server, "/graphql/ws", &header).await.unwrap();
    assert_eq!(introduce(&mut queries, None).await, None);
    let mut late = socket(&server, "/graphql/ws", &[]).await.unwrap();
    assert_eq!(introduce(&mut late, Some(&bearer)).await, None);
    let theirs = format!("Bearer {}", other.token());
    let mut others = socket(&server, "/graphql/ws", &[]).await.unwrap();
    assert_eq!(introduce(&mut others, Some(&theirs)).await, None);

    server.rpc("token.revoke", json!({ "name": "ci", "reason": "test" })).await.unwrap();
    let refused = caller.request(Method::POST, "/rpc").body("{}").send().await.unwrap();
    assert_eq!(refused.status(), 401, "the very next request");
    for (name, socket) in [("rpc", rpc), ("graphql", queries), ("late", late)] {
        let took = ends(socket).await;
        assert!(took <= Duration::from_secs(1), "{name} took {took:?}");
    }
    others.send(Message::text(r#"{"type":"ping"}"#)).await.unwrap();
    assert!(matches!(others.next().await, Some(Ok(Message::Text(text))) if text.contains("pong")));

    let server = server.kill9_and_restart().await;
    let again = Caller::new(server.caller().base(), caller.token());
    assert_eq!(again.request(Method::POST, "/rpc").body("{}").send().await.unwrap().status(), 401);
    let other = Caller::new(server.caller().base(), other.token());
    assert!(other.call("system.version", &json!([]), None).await.unwrap().is_ok(), "tokens outlive a crash");
    let taken = server.rpc("token.issue", json!({ "name": "ci", "scopes": ["query"] })).await.unwrap_err();
    assert_eq!(code(&taken), "OC-TOK-002");
    server.terminate().await;
}

#[tokio::test]
async fn an_expired_token_is_none_and_its_sockets_end_by_themselves() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let params = json!({ "name": "brief", "scopes": ["*"], "expiresIn": "3s" });
    let issued = server.rpc("token.issue", params).await.unwrap();
    let brief = Caller::new(server.caller().base(), issued["token"].as_str().unwrap());
    let bearer = format!("Bearer {}", brief.token());
    let socket = socket(&server, "/rpc", &[("authorization", &bearer)]).await.unwrap();
    // What it gives does not outlast it.
    let longer = json!({ "name": "longer", "scopes": ["query"], "expiresIn": "1h" });
    let refused = brief.call("token.issue", &longer, None).await.unwrap().unwrap_err();
    assert_eq!(code(&refused), "OC-ACC-002");
    assert!(ends(socket).await <= Duration::from_secs(4));
    assert_eq!(brief.request(Method::POST, "/rpc").body("{}").send().await.unwrap().status(), 401);
    let past = json!({ "name": "past", "scopes": ["query"], "expiresAt": "2020-01-01T00:00:00Z" });
    assert_eq!(code(&server.rpc("token.issue", past).await.unwrap_err()), "OC-TOK-003");
    server.terminate().await;
}

#[tokio::test]
async fn tokens_are_made_and_unmade_at_the_terminal() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let made =
        ["token", "issue", "ci", "--scope", "query", "--scope", "command:run@a", "--expires-in", "90d"];
    let made = server.cli(&made, None).await.succeeded();
    let token = made.stdout.trim();
    assert!(token.starts_with("oc_") && !made.stderr.contains(token), "{made:?}");
    assert!(
        Caller::new(server.caller().base(), token)
            .call("system.version", &json!([]), None)
            .await
            .unwrap()
            .is_ok()
    );
    let listed = server.cli(&["token", "list"], None).await.succeeded().stdout;
    assert!(
        listed.contains("ci  [query, command:run@a]") || listed.contains("command:run@a, query"),
        "{listed}"
    );
    assert!(!listed.contains(token));
    server.cli(&["token", "revoke", "ci", "--reason", "done"], None).await.succeeded();
    assert!(!server.cli(&["token", "list"], None).await.succeeded().stdout.contains("ci  ["));
    assert!(server.cli(&["token", "list", "--all"], None).await.succeeded().stdout.contains("revoked"));
    server.terminate().await;
}

#[tokio::test]
async fn who_may_start_a_run_sees_what_it_does_without_being_an_auditor() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let starter = issue(&server, "starter", &["query", "command:run"]).await;
    let audit =
        starter.post("/graphql", r#"{"query":"{ events(first: 1) { nodes { type } } }"}"#).await.unwrap().1;
    assert!(audit.contains("FORBIDDEN"), "{audit}");
    let elsewhere = tempfile::tempdir().unwrap();
    let document = workflow("told", json!([{ "greet": { "set": { "said": "hello" } } }])).to_string();
    let variables = [("OPENCLAW_URL", starter.base()), ("OPENCLAW_TOKEN", starter.token())];
    let ran = openclaw(elsewhere.path(), &["run", "-", "--json"], &variables, Some(&document)).await;
    assert!(ran.code == Some(0) && ran.stdout.contains("\"completed\""), "{ran:?}");
    assert!(ran.stderr.contains("started   greet (set)"), "{ran:?}");
    server.terminate().await;
}
