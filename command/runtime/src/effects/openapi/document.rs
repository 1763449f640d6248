//! Documents: fetched, read, and kept.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lru::LruCache;
use openclaw_model::event::run::{Resource, WorkflowError};
use openclaw_workflow::error;
use reqwest::StatusCode;
use serde_json::Value;
use tokio::time::Instant;

use crate::effects::{exposure::Exposure, http::HttpEffects};

/// Documents that are kept.
const KEPT: NonZeroUsize = NonZeroUsize::new(32).expect("not zero");
/// How long a document is used before its server is asked whether it has changed.
const FRESH: Duration = Duration::from_secs(60);
/// The deepest that a document may nest, and below it the most nodes that it may have.
const MAX_DEPTH: usize = 128;
const MAX_NODES: usize = 1_000_000;

#[derive(Clone)]
struct Kept {
    document: Arc<Value>,
    /// What the server calls this version of it.
    version: Option<String>,
    until: Instant,
}

/// Documents by URI, those of files by their text.
pub(super) struct Documents(Mutex<LruCache<String, Kept>>);

impl Default for Documents {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KEPT)))
    }
}

impl Documents {
    /// The document: of the recorded text, or from its address.
    ///
    /// # Errors
    /// A configuration error if it cannot be read, else what went wrong on the way.
    pub(super) async fn get(
        &self,
        http: &HttpEffects,
        resource: &Resource,
        recorded: Option<&str>,
        exposure: &mut Exposure<'_>,
    ) -> Result<Arc<Value>, WorkflowError> {
        if let Some(text) = recorded {
            let key = blake3::hash(text.as_bytes()).to_hex().to_string();
            if let Some(kept) = self.kept(&key) {
                return Ok(kept.document);
            }
            let document = read(resource.uri.clone(), text.as_bytes().to_vec()).await?;
            return Ok(self.keep(key, document, None));
        }
        if !resource.uri.starts_with("http://") && !resource.uri.starts_with("https://") {
            return Err(error::configuration(format!(
                "the OpenAPI document {} was not recorded with the workflow, and only http: and https: can be fetched",
                resource.uri
            )));
        }
        // With other credentials it may be another document.
        let credentials = serde_json::to_string(&resource.authentication).unwrap_or_default();
        let key = format!("{} {credentials}", resource.uri);
        let kept = self.kept(&key);
        if let Some(kept) = &kept
            && Instant::now() < kept.until
        {
            return Ok(kept.document.clone());
        }
        let version = kept.as_ref().and_then(|kept| kept.version.clone());
        let known: Vec<_> =
            version.as_deref().map(|version| ("if-none-match", version)).into_iter().collect();
        let answer = http.get(&resource.uri, resource.authentication.as_ref(), &known, exposure).await?;
        if let (StatusCode::NOT_MODIFIED, Some(kept)) = (answer.status, kept) {
            return Ok(self.keep(key, kept.document, kept.version));
        }
        let version = answer.header("etag").map(str::to_owned);
        let document = read(resource.uri.clone(), answer.body).await?;
        Ok(self.keep(key, document, version))
    }

    fn kept(&self, key: &str) -> Option<Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn keep(&self, key: String, document: Arc<Value>, version: Option<String>) -> Arc<Value> {
        let kept = Kept { document: document.clone(), version, until: Instant::now() + FRESH };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(key, kept);
        document
    }
}

/// Reads JSON or YAML, away from the threads that others wait for.
async fn read(uri: String, text: Vec<u8>) -> Result<Arc<Value>, WorkflowError> {
    let parsed = tokio::task::spawn_blocking(move || {
        let text = str::from_utf8(&text).map_err(|problem| problem.to_string())?;
        if text.trim_start().starts_with('{') {
            return serde_json::from_str(text).map_err(|problem| problem.to_string());
        }
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_depth: MAX_DEPTH,
                flow_nesting_limit: MAX_DEPTH,
                max_documents: 1,
                max_nodes: MAX_NODES,
                max_events: 2 * MAX_NODES,
            },
            alias_limits: serde_saphyr::alias_limits! {
                max_total_replayed_events: MAX_NODES,
            },
            strict_booleans: true,
        };
        serde_saphyr::from_str_with_options(text, options).map_err(|problem| problem.to_string())
    });
    let parsed: Result<Value, String> =
        parsed.await.map_err(|problem| error::runtime(format!("reading a document failed: {problem}")))?;
    let document = parsed.map_err(|problem| {
        error::configuration(format!("the OpenAPI document {uri} is neither JSON nor YAML: {problem}"))
    })?;
    Ok(Arc::new(document))
}
