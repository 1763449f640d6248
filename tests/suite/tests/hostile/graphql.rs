//! Hostile input at `/graphql`.

use openclaw_suite::Server;
use reqwest::Method;
use serde_json::{Value, json};

use super::{beside_others, unharmed};

fn bomb(levels: usize) -> String {
    let mut query = "{ ...f0 }".to_owned();
    for level in 0..levels {
        query += &format!(" fragment f{level} on Query {{ ...f{next} ...f{next} }}", next = level + 1);
    }
    query + &format!(" fragment f{levels} on Query {{ server {{ version }} }}")
}

#[tokio::test]
async fn questions_that_would_explode_are_refused_with_a_code() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    server
        .run(openclaw_suite::documents::workflow("w", json!([{ "a": { "set": { "a": 1 } } }])), json!({}))
        .await;
    let aliases: String = (0..500).map(|number| format!("a{number}: __typename ")).collect();
    let cases = [
        (bomb(40), "TOO_COMPLEX"),
        ("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }".into(), "FRAGMENT_CYCLE"),
        (format!("{{ {} id {} }}", "a { ".repeat(2_000), "} ".repeat(2_000)), "TOO_DEEP"),
        (format!("{{ {aliases} }}"), "TOO_MANY_"),
        (format!("{{ {} }}", "a ".repeat(8_000)), "TOO_MANY_TOKENS"),
        (format!("{{ a(b: \"{}\") }}", "x".repeat(20_000)), "DOCUMENT_TOO_LARGE"),
        (format!("{{ __typename {} }}", "@skip(if: false) ".repeat(50)), "TOO_MANY_DIRECTIVES"),
        ("{ runs(first: 1000000) { nodes { id } } }".into(), "TOO_COMPLEX"),
        ("{ runs(first: 201) { nodes { id } } }".into(), "PAGE_TOO_LARGE"),
        ("{ runs(first: 200) { nodes { tasks(first: 200) { nodes { run { tasks(first: 200) { nodes { id } } } } } } } }".into(), "TOO_COMPLEX"),
        ("{ runs(first: -1) { nodes { id } } }".into(), "BAD_ARGUMENT"),
        ("{ runs(after: \"....\") { nodes { id } } }".into(), "BAD_CURSOR"),
        ("{ events(filter: { stream: \"'; DROP TABLE runs; --\" }) { nodes { id } } }".into(), "BAD_ARGUMENT"),
        ("{ runs(minPosition: \"18446744073709551615\") { position } }".into(), "VALIDATION_FAILED"),
        ("{ nothing }".into(), "VALIDATION_FAILED"),
        ("mutation { a }".into(), "VALIDATION_FAILED"),
        ("{".into(), "PARSE_ERROR"),
        ("".into(), "PARSE_ERROR"),
    ];
    for (query, code) in cases {
        let shown: String = query.chars().take(70).collect();
        let body = json!({ "query": query }).to_string();
        let (_, text) = beside_others(&server, server.caller().post("/graphql", body)).await.unwrap();
        let answer: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{shown}: {error}: {text}"));
        let error = &answer["errors"][0];
        let actual = error["extensions"]["code"].as_str().unwrap_or_default();
        assert!(actual.starts_with(code), "{shown}: {text}");
        assert!(
            error["extensions"]["page"].as_str().is_some_and(|page| page.starts_with("OC-QRY-")),
            "{shown}: {text}"
        );
        assert!(!text.contains("SELECT") && !text.contains("sqlite"), "{text}");
    }
    unharmed(server).await;
}

#[tokio::test]
async fn only_one_question_as_json_by_post_is_a_question() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let question = r#"{"query":"{ server { version } }"}"#;
    let cases = [
        (Method::POST, "application/json", format!("[{question},{question}]"), 400, "BATCH_REFUSED"),
        (Method::POST, "text/plain", question.to_owned(), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (
            Method::POST,
            "application/x-www-form-urlencoded",
            "query={a}".to_owned(),
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (Method::POST, "application/json", "{".to_owned(), 400, "BAD_REQUEST"),
        (Method::POST, "application/json", r#"{"query":"{a}","more":1}"#.to_owned(), 400, "BAD_REQUEST"),
        (
            Method::POST,
            "application/json",
            format!(r#"{{"query":"{{a}}","variables":{}1{}}}"#, "[".repeat(20_000), "]".repeat(20_000)),
            400,
            "BAD_REQUEST",
        ),
        (
            Method::POST,
            "application/json",
            format!("{{\"query\":\"{}\"}}", "a".repeat(900_000)),
            413,
            "PAYLOAD_TOO_LARGE",
        ),
        (Method::GET, "application/json", String::new(), 405, "METHOD_NOT_ALLOWED"),
    ];
    for (method, media, body, status, code) in cases {
        let shown: String = body.chars().take(50).collect();
        let request =
            server.caller().request(method.clone(), "/graphql").header("content-type", media).body(body);
        let response = match beside_others(&server, request.send()).await {
            // Whoever sends too much may be hung up on before it has said everything.
            Err(_) if status == 413 => continue,
            response => response.unwrap(),
        };
        assert_eq!(response.status().as_u16(), status, "{method} {media} {shown}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{method} {media} {shown}");
    }
    unharmed(server).await;
}
