//! Compiling proto texts.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lru::LruCache;
use openclaw_model::event::run::{Resource, WorkflowError};
use openclaw_workflow::{error, suggest::nearest};
use prost_reflect::{DescriptorPool, MethodDescriptor};
use protox::{
    Compiler, Error,
    file::{ChainFileResolver, File, FileResolver, GoogleFileResolver},
};
use tokio::time::Instant;

use crate::effects::{exposure::Exposure, http::HttpEffects};

/// Compiled texts that are kept, and addresses whose text is.
const KEPT: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");
/// How long a text that was fetched is used before it is fetched again.
const FRESH: Duration = Duration::from_secs(60);
/// Longest text that is compiled.
const MAX_TEXT: usize = 1 << 20;
/// What the text is called for the compiler.
const NAME: &str = "service.proto";

/// Descriptors by text.
pub(super) struct Schemas {
    compiled: Mutex<LruCache<[u8; 32], DescriptorPool>>,
    fetched: Mutex<LruCache<String, (Arc<str>, Instant)>>,
}

impl Default for Schemas {
    fn default() -> Self {
        Self { compiled: Mutex::new(LruCache::new(KEPT)), fetched: Mutex::new(LruCache::new(KEPT)) }
    }
}

impl Schemas {
    /// The descriptors of a proto text, recorded or fetched.
    ///
    /// # Errors
    /// A configuration error with the place that does not compile, else what went wrong on the way.
    pub(super) async fn get(
        &self,
        http: &HttpEffects,
        resource: &Resource,
        recorded: Option<&str>,
        exposure: &mut Exposure<'_>,
    ) -> Result<DescriptorPool, WorkflowError> {
        let text: Arc<str> = match recorded {
            Some(text) => text.into(),
            None => self.fetch(http, resource, exposure).await?,
        };
        if text.len() > MAX_TEXT {
            return Err(error::configuration(format!("{} is longer than {MAX_TEXT} bytes", resource.uri)));
        }
        let key = *blake3::hash(text.as_bytes()).as_bytes();
        if let Some(pool) = self.compiled.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(pool.clone());
        }
        let pool = tokio::task::spawn_blocking(move || compile(&text))
            .await
            .map_err(|problem| error::runtime(format!("compiling a proto text failed: {problem}")))?
            .map_err(|problem| {
                error::configuration(format!("{} does not compile: {problem}", resource.uri))
            })?;
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner).put(key, pool.clone());
        Ok(pool)
    }

    async fn fetch(
        &self,
        http: &HttpEffects,
        resource: &Resource,
        exposure: &mut Exposure<'_>,
    ) -> Result<Arc<str>, WorkflowError> {
        let uri = &resource.uri;
        if !uri.starts_with("http://") && !uri.starts_with("https://") {
            return Err(error::configuration(format!(
                "the proto file {uri} was not recorded with the workflow, and only http: and https: can be fetched"
            )));
        }
        let credentials = serde_json::to_string(&resource.authentication).unwrap_or_default();
        let key = format!("{uri} {credentials}");
        if let Some((text, until)) = self.fetched.lock().unwrap_or_else(PoisonError::into_inner).get(&key)
            && Instant::now() < *until
        {
            return Ok(text.clone());
        }
        let answer = http.get(uri, resource.authentication.as_ref(), &[], exposure).await?;
        let text: Arc<str> = String::from_utf8(answer.body)
            .map_err(|_| error::configuration(format!("the proto file {uri} is no UTF-8")))?
            .into();
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        fetched.put(key, (text.clone(), Instant::now() + FRESH));
        Ok(text)
    }
}

/// One text under its name; nothing else exists but Google's well-known types.
struct Only(String);

impl FileResolver for Only {
    fn open_file(&self, name: &str) -> Result<File, Error> {
        if name == NAME { File::from_source(name, &self.0) } else { Err(Error::file_not_found(name)) }
    }
}

fn compile(text: &str) -> Result<DescriptorPool, String> {
    let mut files = ChainFileResolver::new();
    files.add(Only(text.to_owned()));
    files.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(files);
    let compiled = compiler.include_imports(true).open_file(NAME).map(|compiler| compiler.descriptor_pool());
    compiled.map_err(|problem| {
        if problem.is_file_not_found() {
            return format!("{problem}; only google/protobuf/*.proto can be imported");
        }
        // The alternate form has the place in it.
        format!("{problem:#}")
    })
}

/// The unary method of a service.
///
/// # Errors
/// A configuration error that names what there is not.
pub(super) fn method(
    pool: &DescriptorPool,
    service: &str,
    method: &str,
) -> Result<MethodDescriptor, WorkflowError> {
    let hint = |name: &str, known: Vec<String>| {
        nearest(name, known.iter().map(String::as_str))
            .map_or_else(String::new, |near| format!(" Did you mean {near:?}?"))
    };
    let found = pool.get_service_by_name(service).ok_or_else(|| {
        let known = pool.services().map(|service| service.full_name().to_owned()).collect();
        error::configuration(format!("the proto file has no service {service:?}.{}", hint(service, known)))
    })?;
    let found = found.methods().find(|known| known.name() == method).ok_or_else(|| {
        let known = found.methods().map(|method| method.name().to_owned()).collect();
        error::configuration(format!(
            "the service {service:?} has no method {method:?}.{}",
            hint(method, known)
        ))
    })?;
    if found.is_client_streaming() || found.is_server_streaming() {
        return Err(error::configuration(format!(
            "the method {method:?} streams; only unary methods can be called"
        )));
    }
    Ok(found)
}
