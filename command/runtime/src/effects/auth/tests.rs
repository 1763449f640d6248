use std::{collections::BTreeMap, time::Duration};

use openclaw_model::event::run::{HttpOutput, HttpRequest};
use openclaw_ports::EffectOutcome;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::effects::{
    HttpEffects,
    exposure::tests::{Vault, handle},
    testing::{Local, Seen, http, json as answer},
};

fn get(url: &str, authentication: Authentication) -> HttpRequest {
    HttpRequest {
        method: "GET".into(),
        url: url.into(),
        headers: BTreeMap::new(),
        query: BTreeMap::new(),
        body: None,
        output: HttpOutput::Content,
        redirect: false,
        authentication: Some(authentication),
    }
}

async fn perform(effects: &HttpEffects, request: &HttpRequest) -> EffectOutcome {
    effects.perform(request, "k", &mut Exposure::nothing(), CancellationToken::new()).await
}

fn client_credentials(authority: &str) -> Oauth2 {
    Oauth2 {
        authority: authority.into(),
        token_endpoint: Some("/oauth2/token".into()),
        parameters: BTreeMap::from([
            ("grant_type".into(), "client_credentials".into()),
            ("scope".into(), "a b".into()),
        ]),
        client_id: Some("me".into()),
        client_secret: Some("pass&word".into()),
        client_authentication: "client_secret_post".into(),
        ..Oauth2::default()
    }
}

fn call(url: &str, grant: &Oauth2) -> HttpRequest {
    get(&format!("{url}/api"), Authentication::Oauth2(Box::new(grant.clone())))
}

fn kind(outcome: EffectOutcome) -> (u16, String, String) {
    let error = outcome.unwrap_err();
    (error.status, error.r#type.rsplit('/').next().unwrap().to_owned(), error.detail.unwrap_or_default())
}

fn tokens(server: &Local) -> Vec<Seen> {
    server.seen().into_iter().filter(|seen| seen.uri != "/api").collect()
}

#[tokio::test]
async fn names_passwords_and_tokens_are_sent_as_the_schemes_say() {
    let server = Local::start(|_, _| answer("1")).await;
    let vault = Vault::of("login", json!({ "password": "pass" }));
    let listed = vault.listed();
    let mut exposure = Exposure::new(&vault, &listed);
    let basic = Authentication::Basic { username: "Aladdin".into(), password: handle("login", "/password") };
    let bearer = Authentication::Bearer { token: "t".into() };
    for authentication in [basic, bearer] {
        let request = get(&server.url, authentication);
        http().perform(&request, "k", &mut exposure, CancellationToken::new()).await.unwrap();
    }
    let seen: Vec<_> =
        server.seen().iter().map(|seen| seen.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(seen, ["Basic QWxhZGRpbjpwYXNz", "Bearer t"]);
    let colon = Authentication::Basic { username: "a:b".into(), password: "c".into() };
    assert_eq!(kind(perform(&http(), &get(&server.url, colon)).await).0, 400);
    let unsendable = Authentication::Bearer { token: "a\nb".into() };
    let (status, _, detail) = kind(perform(&http(), &get(&server.url, unsendable)).await);
    assert!(status == 400 && !detail.contains("a\nb"));
}

#[tokio::test]
async fn a_digest_challenge_is_met_once_and_its_nonce_counted_on() {
    let server = Local::start(|seen, number| {
        let nonce = if number < 4 { "one" } else { "two" };
        let stale = if number < 4 { "" } else { ", stale=true" };
        let challenge =
            format!("Digest realm=\"r\", nonce=\"{nonce}\", qop=\"auth\", algorithm=SHA-256{stale}");
        match seen.header("authorization") {
            Some(proof) if proof.contains(&format!("nonce=\"{nonce}\"")) => answer("1"),
            _ => (401, vec![("www-authenticate", challenge)], String::new()),
        }
    })
    .await;
    let effects = http();
    let digest = Authentication::Digest { username: "ada".into(), password: "pass".into() };
    let request = get(&format!("{}/a?b=c", server.url), digest);
    for _ in 0..4 {
        assert_eq!(perform(&effects, &request).await, Ok(json!(1)));
    }
    let counts: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| {
            let proof = seen.header("authorization").unwrap_or_default();
            let part = |name: &str| {
                proof.split(name).nth(1).map_or("", |rest| rest.split([',', '"']).next().unwrap())
            };
            format!("{} {}", part("nonce=\""), part("nc="))
        })
        .collect();
    // Asked once, then counted; a nonce that is too old is replaced without a fault.
    assert_eq!(counts, [" ", "one 00000001", "one 00000002", "one 00000003", "one 00000004", "two 00000001"]);
}

#[tokio::test]
async fn a_password_that_is_wrong_is_tried_once() {
    let challenge = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"".to_owned();
    let server =
        Local::start(move |_, _| (401, vec![("www-authenticate", challenge.clone())], "no".into())).await;
    let digest = Authentication::Digest { username: "ada".into(), password: "wrong".into() };
    let effects = http();
    let (status, kind, _) = kind(perform(&effects, &get(&server.url, digest.clone())).await);
    assert_eq!((status, kind.as_str(), server.seen().len()), (401, "communication", 2));
    let _ = perform(&effects, &get(&server.url, digest)).await;
    assert_eq!(server.seen().len(), 3, "the same nonce with the same password is not tried again");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_fetched_once_for_all_and_again_before_it_expires() {
    let server = Local::start(|seen, number| match seen.uri.as_str() {
        "/api" => answer("1"),
        _ => {
            answer(json!({ "access_token": format!("t{number}"), "expires_in": 100, "token_type": "Bearer" }))
        }
    })
    .await;
    let (effects, grant) = (http(), client_credentials(&server.url));
    let request = call(&server.url, &grant);
    let both = tokio::join!(perform(&effects, &request), perform(&effects, &request));
    assert_eq!(both, (Ok(json!(1)), Ok(json!(1))));
    assert_eq!(tokens(&server).len(), 1, "one fetches, the other waits");
    let asked = tokens(&server).remove(0);
    assert_eq!(
        asked.body,
        "grant_type=client_credentials&scope=a%20b&client_id=me&client_secret=pass%26word"
    );
    assert_eq!((asked.uri.as_str(), asked.header("authorization")), ("/oauth2/token", None));
    assert!(server.seen()[1..].iter().all(|seen| seen.header("authorization") == Some("Bearer t0")));

    tokio::time::advance(Duration::from_secs(85)).await;
    perform(&effects, &request).await.unwrap();
    assert_eq!(tokens(&server).len(), 1);
    tokio::time::advance(Duration::from_secs(6)).await;
    perform(&effects, &request).await.unwrap();
    assert_eq!(tokens(&server).len(), 2, "not used in the last tenth of its life");
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    let server = Local::start(|seen, number| match (seen.uri.as_str(), seen.header("authorization")) {
        ("/api", Some("Bearer t2")) => answer("1"),
        ("/api", _) => (401, vec![], "expired".into()),
        _ => answer(json!({ "access_token": format!("t{number}") })),
    })
    .await;
    let (effects, grant) = (http(), client_credentials(&server.url));
    assert_eq!(perform(&effects, &call(&server.url, &grant)).await, Ok(json!(1)));
    assert_eq!((tokens(&server).len(), server.seen().len()), (2, 4));

    let never = Local::start(|seen, _| match seen.uri.as_str() {
        "/api" => (401, vec![], String::new()),
        _ => answer(json!({ "access_token": "t" })),
    })
    .await;
    let (status, kind, _) = kind(perform(&effects, &call(&never.url, &client_credentials(&never.url))).await);
    assert_eq!((status, kind.as_str(), never.seen().len()), (401, "communication", 4));
}

#[tokio::test]
async fn clients_prove_themselves_as_the_document_says() {
    let server = Local::start(|seen, _| match seen.uri.as_str() {
        "/api" => answer("1"),
        _ => answer(json!({ "access_token": "t", "expires_in": "60" })),
    })
    .await;
    let basic =
        Oauth2 { client_authentication: "client_secret_basic".into(), ..client_credentials(&server.url) };
    let none = Oauth2 { client_authentication: "none".into(), json: true, ..client_credentials(&server.url) };
    for grant in [&basic, &none] {
        perform(&http(), &call(&server.url, grant)).await.unwrap();
    }
    let asked = tokens(&server);
    assert_eq!(asked[0].header("authorization"), Some("Basic bWU6cGFzcyUyNndvcmQ="));
    assert_eq!(asked[0].body, "grant_type=client_credentials&scope=a%20b");
    assert_eq!(asked[1].header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_str(&asked[1].body).unwrap();
    assert_eq!(body, json!({ "grant_type": "client_credentials", "scope": "a b", "client_id": "me" }));

    let signed =
        Oauth2 { client_authentication: "private_key_jwt".into(), ..client_credentials(&server.url) };
    let (status, kind, detail) = kind(perform(&http(), &call(&server.url, &signed)).await);
    assert_eq!((status, kind.as_str()), (400, "configuration"));
    assert!(detail.contains("private_key_jwt"));
}

#[tokio::test]
async fn a_server_that_gives_no_token_is_an_authentication_error_without_the_secret() {
    let server = Local::start(|seen, _| {
        (
            400,
            vec![],
            json!({ "error": "invalid_client", "error_description": format!("no {}", seen.body) })
                .to_string(),
        )
    })
    .await;
    let vault = Vault::of("client", json!("pass-w0rd"));
    let listed = vault.listed();
    let mut exposure = Exposure::new(&vault, &listed);
    let grant = Oauth2 { client_secret: Some(handle("client", "")), ..client_credentials(&server.url) };
    let outcome =
        http().perform(&call(&server.url, &grant), "k", &mut exposure, CancellationToken::new()).await;
    let (status, kind, detail) = kind(outcome);
    assert_eq!((status, kind.as_str()), (401, "authentication"));
    assert!(detail.contains("invalid_client") && !detail.contains("pass-w0rd"), "{detail}");
    assert!(server.seen()[0].body.contains("client_secret=pass-w0rd"));

    let down = Local::start(|_, _| (503, vec![], String::new())).await;
    let (status, kind, _) =
        self::kind(perform(&http(), &call(&down.url, &client_credentials(&down.url))).await);
    assert_eq!((status, kind.as_str()), (503, "communication"), "which may be tried again");
}

#[tokio::test]
async fn the_token_endpoint_is_discovered_and_issuers_are_checked() {
    let server = Local::start(|seen, _| {
        let host = seen.header("host").unwrap();
        match seen.uri.as_str() {
            "/realm/.well-known/openid-configuration" => {
                answer(json!({ "issuer": "https://good", "token_endpoint": format!("http://{host}/t") }))
            }
            // The claims are {"iss":"https://good"}.
            "/t" => answer(json!({ "access_token": "e30.eyJpc3MiOiJodHRwczovL2dvb2QifQ.x" })),
            _ => answer("1"),
        }
    })
    .await;
    for authority in ["/realm", "/realm/", "/realm/.well-known/openid-configuration"] {
        let grant = Oauth2 {
            token_endpoint: None,
            issuers: vec!["https://good".into()],
            ..client_credentials(&format!("{}{authority}", server.url))
        };
        assert_eq!(perform(&http(), &call(&server.url, &grant)).await, Ok(json!(1)), "{authority}");
    }
    let other = Oauth2 {
        token_endpoint: Some("t".into()),
        issuers: vec!["https://other".into()],
        ..client_credentials(&server.url)
    };
    let (status, kind, detail) = kind(perform(&http(), &call(&server.url, &other)).await);
    assert_eq!((status, kind.as_str()), (401, "authentication"));
    assert!(detail.contains("https://good"), "{detail}");
}
