//! Questions that are meant to hurt: each gets a code, at once, and the next one is answered as ever.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use common::{Served, code, history::run_id};
use openclaw_model::access::Grants;
use openclaw_query::Caller;
use serde_json::json;
use tokio::time::Instant;

mod common;

#[tokio::test]
async fn what_is_no_question_is_refused_with_a_status_and_a_code() {
    let served = Served::new().await;
    let question = r#"{"query":"{ server { version } }"}"#;
    let json = "application/json";
    let cases = [
        (json, question.to_owned(), true, StatusCode::OK, ""),
        ("application/json; charset=utf-8", question.to_owned(), true, StatusCode::OK, ""),
        (json, question.to_owned(), false, StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"),
        (
            "text/plain",
            question.to_owned(),
            true,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (
            "application/x-www-form-urlencoded",
            "query=1".to_owned(),
            true,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (json, format!("[{question},{question}]"), true, StatusCode::BAD_REQUEST, "BATCH_REFUSED"),
        (json, "{".to_owned(), true, StatusCode::BAD_REQUEST, "BAD_REQUEST"),
        (json, r#"{"query":1}"#.to_owned(), true, StatusCode::BAD_REQUEST, "BAD_REQUEST"),
        (json, r#"{"query":"{a}","unknown":1}"#.to_owned(), true, StatusCode::BAD_REQUEST, "BAD_REQUEST"),
        (
            json,
            format!(r#"{{"query":"{{a}}","variables":{}{}}}"#, "[".repeat(9_000), "]".repeat(9_000)),
            true,
            StatusCode::BAD_REQUEST,
            "BAD_REQUEST",
        ),
        (
            json,
            format!("{{\"query\":\"{}\"}}", "a".repeat(70_000)),
            true,
            StatusCode::PAYLOAD_TOO_LARGE,
            "PAYLOAD_TOO_LARGE",
        ),
    ];
    for (media, body, known, expected, expected_code) in cases {
        let shown = body.chars().take(60).collect::<String>();
        let (status, answer) = served.post(media, body, known).await;
        assert_eq!(status, expected, "{media} {shown}: {answer}");
        if !expected_code.is_empty() {
            assert_eq!(code(&answer), expected_code, "{shown}");
            assert!(answer["errors"][0]["extensions"]["page"].as_str().unwrap().starts_with("OC-QRY-"));
        }
    }
    for method in ["GET", "PUT", "DELETE"] {
        let uri = "/graphql?query=%7Bserver%7Bversion%7D%7D";
        let mut request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
        request.extensions_mut().insert(Caller { name: "good".into(), grants: Arc::new(Grants::all()) });
        let (status, answer) = served.send(request).await;
        assert_eq!((status, code(&answer).as_str()), (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"));
    }
}

#[tokio::test]
async fn documents_that_would_explode_are_refused_before_they_do() {
    let mut served = Served::new().await;
    served.scribe.run(run_id(1), "w", 1);
    served.flush().await;

    let bomb = |levels: usize, leaf: &str| {
        let mut query = "{ ...f0 }".to_owned();
        for level in 0..levels {
            query += &format!(" fragment f{level} on Query {{ ...f{n} ...f{n} }}", n = level + 1);
        }
        query + &format!(" fragment f{levels} on Query {{ {leaf} }}")
    };
    let nested = |depth: usize| format!("{{ {}id{} }}", "a{".repeat(depth), "}".repeat(depth));
    let cases = [
        (bomb(30, "server { version }"), "TOO_COMPLEX"),
        (bomb(60, "__typename"), "TOO_COMPLEX"),
        ("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }".into(), "FRAGMENT_CYCLE"),
        ("{ ...a } fragment a on Query { ...a }".into(), "FRAGMENT_CYCLE"),
        ("{ runs(first: 100) { nodes { tasks(first: 100) { nodes { run { tasks(first: 100) { nodes { id } } } } } } } }".into(), "TOO_COMPLEX"),
        ("query($n: Int = 200) { runs(first: $n) { nodes { tasks(first: $n) { nodes { id } } } } }".into(), "TOO_COMPLEX"),
        (nested(13), "TOO_DEEP"),
        (nested(5_000), "TOO_DEEP"),
        (format!("{{ a(b: {}{}) }}", "[".repeat(7_000), "]".repeat(7_000)), "TOO_DEEP"),
        (format!("{{ {} }}", "a ".repeat(8_000)), "TOO_MANY_TOKENS"),
        (format!("{{ {} }}", "a,".repeat(2_000)), "TOO_MANY_TOKENS"),
        (format!("{{ {} }}", (0..40).map(|i| format!("x{i}: __typename ")).collect::<String>()), "TOO_MANY_ALIASES"),
        (format!("{{ __typename {} }}", "@skip(if: false) ".repeat(9)), "TOO_MANY_DIRECTIVES"),
        (format!("{{ a(b: \"{}\") }}", "x".repeat(17_000)), "DOCUMENT_TOO_LARGE"),
        ("{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }".into(), "TOO_COMPLEX"),
        ("{".into(), "PARSE_ERROR"),
        (String::new(), "PARSE_ERROR"),
        ("\u{0}".into(), "PARSE_ERROR"),
        ("{ nothing }".into(), "VALIDATION_FAILED"),
        ("mutation { a }".into(), "VALIDATION_FAILED"),
        ("{ server { version } } { freshness { status } }".into(), "PARSE_ERROR"),
        ("{ run(id: \"no uuid\") { id } }".into(), "BAD_ARGUMENT"),
        ("{ session(id: \"\") { id } }".into(), "BAD_ARGUMENT"),
        ("{ runs(first: 201) { nodes { id } } }".into(), "PAGE_TOO_LARGE"),
        ("{ runs(last: -1) { nodes { id } } }".into(), "BAD_ARGUMENT"),
        ("{ runs(after: \"xyz\") { nodes { id } } }".into(), "BAD_CURSOR"),
        ("{ events(filter: { stream: \"nothing\" }) { nodes { id } } }".into(), "BAD_ARGUMENT"),
        ("{ events(filter: { correlation: \"' OR 1=1 --\" }) { nodes { id } } }".into(), "BAD_ARGUMENT"),
        ("{ messages(filter: { text: \"%\" }) { nodes { position } } }".into(), "BAD_ARGUMENT"),
        ("subscription { events { position } }".into(), "VALIDATION_FAILED"),
    ];
    for (query, expected) in cases {
        let shown: String = query.chars().take(70).collect();
        let began = Instant::now();
        let answer = served.ask(&query, json!({})).await;
        assert_eq!(code(&answer), expected, "{shown}: {answer}");
        // The unguarded library took seconds and a gibibyte for some of these.
        assert!(began.elapsed() < Duration::from_millis(500), "{shown} took {:?}", began.elapsed());
        let text = answer.to_string();
        assert!(!text.contains("SELECT") && !text.contains("sqlite"), "{text}");
    }
    let answer = served.ask("{ runs(first: 201) { nodes { id } } }", json!({})).await;
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("`first`"), "{answer}");
    assert_eq!(served.data("{ runs { totalCount } }").await["runs"]["totalCount"], 1);
}

#[tokio::test]
async fn the_usual_introspection_is_answered() {
    let served = Served::new().await;
    let kind =
        "kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";
    let query = format!(
        "query IntrospectionQuery {{ __schema {{ queryType {{ name }} mutationType {{ name }} subscriptionType {{ name }}
         types {{ kind name description specifiedByURL
           fields(includeDeprecated: true) {{ name description args {{ ...InputValue }} type {{ ...TypeRef }} isDeprecated }}
           inputFields {{ ...InputValue }} interfaces {{ ...TypeRef }}
           enumValues(includeDeprecated: true) {{ name description }} possibleTypes {{ ...TypeRef }} }}
         directives {{ name description locations args {{ ...InputValue }} }} }} }}
         fragment InputValue on __InputValue {{ name description type {{ ...TypeRef }} defaultValue }}
         fragment TypeRef on __Type {{ {kind} }}"
    );
    let schema = &served.data(&query).await["__schema"];
    assert_eq!(schema["mutationType"], serde_json::Value::Null);
    assert!(schema["types"].as_array().unwrap().len() > 40);
}
