//! Every way a question can fail, with its code. Nothing of the database or the file system gets out.

use async_graphql::{Error, ErrorExtensions as _, ServerError, Value};
use openclaw_log::ReadError;
use openclaw_projection::{Progress, Reader, Stale, Unavailable};

/// Declares the codes with the pages that explain them.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $page:literal;)+) => {
        /// What went wrong, as `extensions.code` says it; `extensions.page` names the page that explains it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $variant,)+
        }

        impl Code {
            /// The text in `extensions.code`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The code of the error page.
            #[must_use]
            pub const fn page(self) -> &'static str {
                match self { $(Self::$variant => $page,)+ }
            }
        }
    };
}

codes! {
    /// The HTTP request is not one JSON object with a `query`.
    BadRequest = "BAD_REQUEST", "OC-QRY-001";
    /// The method is not POST.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", "OC-QRY-001";
    /// The content type is not `application/json`.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", "OC-QRY-001";
    /// The body is larger than 64 KiB.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", "OC-QRY-001";
    /// A list of questions instead of one.
    BatchRefused = "BATCH_REFUSED", "OC-QRY-001";
    /// The document is longer than 16 KiB.
    DocumentTooLarge = "DOCUMENT_TOO_LARGE", "OC-QRY-002";
    /// The document has more than 1,000 tokens.
    TooManyTokens = "TOO_MANY_TOKENS", "OC-QRY-002";
    /// Brackets or selections are nested too deeply.
    TooDeep = "TOO_DEEP", "OC-QRY-002";
    /// The answer could have too many objects.
    TooComplex = "TOO_COMPLEX", "OC-QRY-002";
    /// The document has more than 30 aliases.
    TooManyAliases = "TOO_MANY_ALIASES", "OC-QRY-002";
    /// The document has more than 8 directives.
    TooManyDirectives = "TOO_MANY_DIRECTIVES", "OC-QRY-002";
    /// Fragments that spread each other.
    FragmentCycle = "FRAGMENT_CYCLE", "OC-QRY-002";
    /// The document is no GraphQL.
    ParseError = "PARSE_ERROR", "OC-QRY-003";
    /// The document does not fit the schema.
    ValidationFailed = "VALIDATION_FAILED", "OC-QRY-003";
    /// An argument has a value that makes no sense.
    BadArgument = "BAD_ARGUMENT", "OC-QRY-004";
    /// A cursor that this field did not give.
    BadCursor = "BAD_CURSOR", "OC-QRY-004";
    /// More than 200 items were asked for.
    PageTooLarge = "PAGE_TOO_LARGE", "OC-QRY-004";
    /// The view did not reach `minPosition` in time.
    ConsistencyTimeout = "CONSISTENCY_TIMEOUT", "OC-QRY-005";
    /// There are no rows to read, or they cannot be read.
    Unavailable = "UNAVAILABLE", "OC-QRY-006";
    /// The database would work too long on it.
    TooExpensive = "TOO_EXPENSIVE", "OC-QRY-007";
    /// Our fault; the log of the server says more.
    Internal = "INTERNAL", "OC-QRY-008";
    /// A subscriber that did not take what it was sent.
    Lagged = "LAGGED", "OC-QRY-009";
    /// Nobody was authenticated.
    Unauthenticated = "UNAUTHENTICATED", "OC-QRY-010";
    /// The caller is not allowed this field.
    Forbidden = "FORBIDDEN", "OC-ACC-001";
    /// There is nothing of this id to subscribe to.
    NotFound = "NOT_FOUND", "OC-QRY-011";
    /// A run with more history than one question may fold or compare.
    RunTooLarge = "RUN_TOO_LARGE", "OC-QRY-012";
    /// The caller asks more than one caller may.
    Limited = "LIMITED", "OC-QRY-013";
}

impl Code {
    /// An error of this code.
    pub(crate) fn error(self, message: impl Into<String>) -> Error {
        let message = message.into();
        Error::new(message).extend_with(|_, values| {
            values.set("code", self.as_str());
            values.set("page", self.page());
        })
    }

    /// The same, outside of a field.
    pub(crate) fn server_error(self, message: impl Into<String>) -> ServerError {
        outside(self.error(message))
    }
}

/// The answer to a caller that asks more than one caller may.
pub(crate) fn limited(wait: std::time::Duration) -> ServerError {
    let error = Code::Limited.error("more than one caller may ask, try again later");
    outside(error.extend_with(|_, values| {
        values.set("retryAfterMs", u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    }))
}

/// An error that no place in the document is to blame for.
pub(crate) fn outside(error: Error) -> ServerError {
    let mut error = error.into_server_error(async_graphql::Pos::default());
    error.locations.clear();
    error
}

/// The answer to a view that is not where it should be.
pub(crate) fn stale(stale: &Stale) -> Error {
    let message =
        format!("the view stands at position {}, {} was asked for", stale.progress.position, stale.wanted);
    at(Code::ConsistencyTimeout.error(message), &stale.progress)
        .extend_with(|_, values| values.set("wanted", stale.wanted.to_string()))
}

/// The answer to rows that cannot be had.
pub(crate) fn unavailable(error: &Unavailable) -> Error {
    match error {
        Unavailable::Building(progress) => {
            at(Code::Unavailable.error("the read model is being built; ask again soon"), progress)
        }
        Unavailable::Failed(failure) => Code::Unavailable
            .error("the read model could not be built")
            .extend_with(|_, values| values.set("cause", failure.code())),
        Unavailable::Storage(source) => {
            tracing::warn!(%error, %source, "no reader");
            Code::Unavailable.error("the read model cannot be read at the moment")
        }
    }
}

/// The answer to a failed statement.
pub(crate) fn database(error: sqlx::Error) -> Error {
    if Reader::is_exhausted(&error) {
        return Code::TooExpensive.error("the question would take too long; narrow its filters");
    }
    tracing::error!(%error, "a statement of the read model failed");
    Code::Internal.error("the read model could not answer")
}

/// The answer to a log that cannot be read.
pub(crate) fn log(error: &ReadError) -> Error {
    tracing::error!(%error, "the log could not be read for an answer");
    let code = if matches!(error, ReadError::Damaged { .. }) { "OC-LOG-001" } else { "OC-LOG-003" };
    Code::Internal.error("the log could not be read").extend_with(|_, values| values.set("cause", code))
}

fn at(error: Error, progress: &Progress) -> Error {
    error.extend_with(|_, values| {
        values.set("position", progress.position.to_string());
        values.set("status", progress.status.as_str());
    })
}

/// The code that an error carries; an error of the library itself gets one here.
pub(crate) fn code_of(error: &mut ServerError) -> String {
    let extensions = error.extensions.get_or_insert_with(Default::default);
    if let Some(Value::String(code)) = extensions.get("code") {
        return code.clone();
    }
    // Whatever the resolvers refuse has a code; what is left was refused before they ran.
    extensions.set("code", Code::ValidationFailed.as_str());
    extensions.set("page", Code::ValidationFailed.page());
    Code::ValidationFailed.as_str().to_owned()
}
