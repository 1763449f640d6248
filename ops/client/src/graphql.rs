//! Queries.

use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Client, Error, GraphqlError};

/// A GraphQL response.
#[derive(Deserialize)]
pub(crate) struct Response {
    #[serde(default)]
    pub(crate) data: Value,
    #[serde(default)]
    pub(crate) errors: Vec<GraphqlError>,
}

impl Response {
    /// The data, if there are no errors.
    pub(crate) fn into_data(self) -> Result<Value, Error> {
        if self.errors.is_empty() { Ok(self.data) } else { Err(Error::Graphql(self.errors)) }
    }
}

impl Client {
    /// Asks a query and answers its `data`. A query changes nothing, so it is repeated when no answer came.
    ///
    /// # Errors
    /// [`Error::Graphql`] if the server refused any part of it; the others if there was no proper answer.
    pub async fn graphql(&self, query: &str, variables: Value) -> Result<Value, Error> {
        let body = json!({ "query": query, "variables": variables });
        let answer = self.post_json("/graphql", &body, HeaderMap::new(), true).await?;
        serde_json::from_value::<Response>(answer)
            .map_err(|error| Error::Protocol(error.to_string()))?
            .into_data()
    }
}
