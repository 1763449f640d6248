//! `openclaw serve`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;

use super::{FAILURE, Settings, output};
use crate::{config::Override, hardening, instance::Instance, shutdown::Signals, telemetry};

/// Run the server.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Address to listen at; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Speak TLS with this certificate, PEM with its chain.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's private key, PEM, mode 0600.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Speak plain HTTP even where other machines can reach it, because something in front of it speaks TLS.
    #[arg(long)]
    insecure_plaintext: bool,
    /// What may be reached although it is not on the public internet: this machine, private networks.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', env = "OPENCLAW_ALLOW_PRIVATE_EGRESS")]
    allow_private_egress: Vec<String>,
    /// Print the effective configuration and exit.
    #[arg(long)]
    print_config: bool,
}

/// Serves until a signal. Prints `listening on http://HOST:PORT` once it answers.
pub(super) async fn serve(args: Args) -> anyhow::Result<ExitCode> {
    let mut flags = Vec::new();
    if let Some(listen) = &args.listen {
        flags.push(Override::flag("--listen", "server.listen", listen));
    }
    if args.insecure_plaintext {
        flags.push(Override::switch("--insecure-plaintext", "server.insecure_plaintext"));
    }
    for (flag, path, file) in [
        ("--tls-certificate", "server.tls.certificate", &args.tls_certificate),
        ("--tls-key", "server.tls.key", &args.tls_key),
    ] {
        if let Some(file) = file {
            flags.push(Override::flag(flag, path, file.to_string_lossy()));
        }
    }
    // An empty variable says nothing.
    let private: Vec<String> =
        args.allow_private_egress.into_iter().filter(|text| !text.is_empty()).collect();
    if !private.is_empty() {
        flags.push(Override::list("--allow-private-egress", "egress.allow_private", &private));
    }
    let config = args.settings.load(&flags)?;
    if args.print_config {
        output::data(config.to_toml().trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    telemetry::install(&config.telemetry)?;
    hardening::protect_memory();
    // Before anything is open, so that a signal during a long start is not lost.
    let mut signals = Signals::listen().context("signals cannot be handled")?;

    let mut instance = tokio::select! {
        started = Instance::start(&config) => started?,
        () = signals.next() => {
            output::note("stopped before the server was ready");
            return Ok(ExitCode::from(FAILURE));
        }
    };
    if let (token, true) = instance.token() {
        output::note(&format!(
            "a new token is in {}; it is shown only now: {}",
            crate::token::Token::path(instance.data().path()).display(),
            token.reveal()
        ));
    }
    instance.data().announce(&for_this_machine(instance.url())).context("server.json cannot be written")?;
    // A reader that has gone away is no reason not to serve.
    let _ = output::data(&format!("listening on {}", instance.url()));
    tracing::info!(url = instance.url(), data = %instance.data().path().display(), "ready");

    let failed = tokio::select! {
        () = signals.next() => false,
        () = instance.failed() => true,
    };
    tracing::info!("stopping");
    let data = instance.data().clone();
    let whole = tokio::select! {
        whole = instance.stop() => whole,
        () = signals.next() => {
            tracing::warn!("stopped at once by a second signal; the next start recovers");
            false
        }
    };
    data.retract();
    tracing::info!(whole, "stopped");
    Ok(if whole && !failed { ExitCode::SUCCESS } else { ExitCode::from(FAILURE) })
}

/// A server that listens everywhere is reached at the loopback address by its own machine.
fn for_this_machine(url: &str) -> String {
    url.replacen("://0.0.0.0:", "://127.0.0.1:", 1).replacen("://[::]:", "://[::1]:", 1)
}
