//! Finding a server: the one that is named, the one that runs on the data directory, or one of our own.

use std::path::PathBuf;

use anyhow::Context as _;
use openclaw_client::{Client, Error};

use super::Settings;
use crate::{config::Config, config::Override, data::Data, instance::Instance, token::Token};

/// How to reach a server.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Server {
    #[command(flatten)]
    pub(super) settings: Settings,
    /// A running server; without it the one of the data directory.
    #[arg(long, value_name = "URL", env = "OPENCLAW_URL")]
    url: Option<String>,
    /// The server's token; without it the one in the data directory.
    #[arg(long, value_name = "TOKEN", env = "OPENCLAW_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Trust the authorities of this PEM file alone, in place of the operating system's.
    #[arg(long, value_name = "FILE", env = "OPENCLAW_CA")]
    ca: Option<PathBuf>,
}

/// A server that can be talked to.
pub(super) struct Connection {
    pub(super) client: Client,
    /// Ours to stop, if we started it.
    pub(super) own: Option<Instance>,
}

impl Server {
    /// A client of a server that runs already; none if none is named and none runs on the data directory.
    ///
    /// # Errors
    /// When a named server has no usable address or token.
    pub(super) async fn find(&self, config: &Config) -> anyhow::Result<Option<Client>> {
        let data = Data::at(&config.data);
        if let Some(url) = &self.url {
            return Ok(Some(self.client(url, &self.token(&data)?)?));
        }
        let Some(address) = data.announced() else { return Ok(None) };
        let client = self.client(&address.url, &self.token(&data)?)?;
        match client.version().await {
            Ok(_) => Ok(Some(client)),
            // It was killed and could not take its announcement back.
            Err(Error::Transport { .. }) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("the server at {}", address.url)),
        }
    }

    /// A client of a server that runs already.
    ///
    /// # Errors
    /// When there is none, or it cannot be talked to.
    pub(super) async fn running(&self, config: &Config) -> anyhow::Result<Client> {
        let found = self.find(config).await?;
        found.with_context(|| format!("no server runs on {}; name one with --url", config.data.display()))
    }

    /// A client of the server that runs, or of one that is started for this process alone.
    ///
    /// # Errors
    /// When neither can be had.
    pub(super) async fn find_or_start(&self, config: &Config) -> anyhow::Result<Connection> {
        if let Some(client) = self.find(config).await? {
            return Ok(Connection { client, own: None });
        }
        let mut config = config.clone();
        // Whatever is configured, this server is for us alone.
        config.server.listen = "127.0.0.1:0".into();
        config.server.tls = None;
        let instance = Instance::start(&config).await?;
        let client = Client::new(instance.url(), instance.token().0.reveal())?;
        Ok(Connection { client, own: Some(instance) })
    }

    fn client(&self, url: &str, token: &str) -> anyhow::Result<Client> {
        let Some(path) = &self.ca else { return Ok(Client::new(url, token)?) };
        let pem = std::fs::read(path)
            .with_context(|| format!("the authority {} cannot be read", path.display()))?;
        Client::trusting(url, token, &pem).with_context(|| path.display().to_string())
    }

    fn token(&self, data: &Data) -> anyhow::Result<String> {
        match &self.token {
            Some(token) => Ok(token.trim().to_owned()),
            None => Ok(Token::load(data.path())
                .context("no token: set OPENCLAW_TOKEN, or name the server's data directory with --data")?
                .reveal()
                .to_owned()),
        }
    }

    /// The configuration. A server that is started for one command says only what went wrong, unless asked for more.
    pub(super) fn load(&self) -> Result<Config, crate::config::Error> {
        match self.settings.log_level {
            Some(_) => self.settings.load(&[]),
            None => self.settings.load(&[Override::flag(
                "the default of this command",
                "telemetry.level",
                "warn",
            )]),
        }
    }
}
