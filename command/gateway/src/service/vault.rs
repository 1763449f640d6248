//! `vault.*`: the vault is asked, and what happened to it is recorded.
//!
//! Invariant: one change at a time. The file is written first and recorded then, so that the log never says that something
//! is stored when it is not; a file that the log does not know yet is recorded before the next change. So it is never more
//! than one write ahead, which is what tells it from a foreign one.

mod attempts;
mod credentials;
mod settle;

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use openclaw_core::journal;
use openclaw_log::{EventLog, Health};
use openclaw_model::{
    Actor, CommandDigest, CommandId, Position, StreamId, StreamKind,
    envelope::Causality,
    event::vault::{VaultEvent, VaultExported, VaultRefused, VaultSaved, VaultSealed, VaultUnsealed},
};
use openclaw_ports::{
    Vault,
    secrets::Revealed,
    vault::{Change, Changed, Refused, State, Status, With},
};
use tokio::sync::Mutex;

use self::attempts::Attempts;
use super::{Service, answer};
use crate::{
    rpc::{
        Error,
        context::CallContext,
        methods::{
            credential::Credential,
            vault::{
                ChangePassphrase, Copy, Export, Import, Imported, Init, Made, NewRecoveryKey, Recorded,
                RotateKey, Standing, Unseal, with,
            },
        },
    },
    sequencer::{Accepted, Command, Submission},
};

/// The vault, and who is at it.
pub(super) struct Keeper {
    pub(super) vault: Arc<dyn Vault>,
    /// Held for the length of a change and of an attempt to open it.
    turn: Mutex<Attempts>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl Keeper {
    pub(super) fn new(vault: Arc<dyn Vault>) -> Self {
        Self { vault, turn: Mutex::new(Attempts::default()) }
    }
}

pub(super) fn refused(refused: Refused) -> Error {
    Error::Rejected { code: refused.code.into(), reason: refused.reason }
}

/// What makes an event of the file as it is now.
type Saved = fn(VaultSaved) -> VaultEvent;

impl<L: EventLog> Service<L> {
    pub(super) fn keeper(&self) -> Result<&Keeper, Error> {
        self.keeper.as_ref().ok_or_else(|| Error::Rejected {
            code: "OC-VLT-008".into(),
            reason: "this server has no vault".into(),
        })
    }

    pub(super) async fn vault_status(&self, context: &CallContext) -> Result<Standing, Error> {
        everywhere(context)?;
        self.standing().await
    }

    async fn standing(&self) -> Result<Standing, Error> {
        Ok(standing(self.keeper()?.vault.status().await.map_err(refused)?))
    }

    pub(super) async fn init_vault(&self, context: CallContext, params: Init) -> Result<Made, Error> {
        let change = Change::Init { passphrase: params.passphrase.into_revealed() };
        self.made(&context, change, VaultEvent::Created).await
    }

    pub(super) async fn rotate_vault_key(
        &self,
        context: CallContext,
        params: RotateKey,
    ) -> Result<Made, Error> {
        let change = Change::RotateKey { passphrase: params.passphrase.into_revealed() };
        self.made(&context, change, VaultEvent::KeyRotated).await
    }

    pub(super) async fn new_recovery_key(
        &self,
        context: CallContext,
        params: NewRecoveryKey,
    ) -> Result<Made, Error> {
        let change = Change::NewRecoveryKey { with: given(params.passphrase, params.recovery_key)? };
        self.made(&context, change, VaultEvent::RecoveryKeyChanged).await
    }

    /// A change that leads to a recovery key.
    async fn made(&self, context: &CallContext, change: Change, saved: Saved) -> Result<Made, Error> {
        everywhere(context)?;
        let (changed, position) = self.change_vault(context, change, saved, Vec::new()).await?;
        let key = changed.recovery_key.ok_or(Error::Internal)?;
        Ok(Made { recovery_key: key.expose().to_owned(), position })
    }

    pub(super) async fn change_passphrase(
        &self,
        context: CallContext,
        params: ChangePassphrase,
    ) -> Result<Recorded, Error> {
        everywhere(&context)?;
        let with = given(params.passphrase, params.recovery_key)?;
        let change = Change::ChangePassphrase { with, new: params.new_passphrase.into_revealed() };
        let (_, position) =
            self.change_vault(&context, change, VaultEvent::PassphraseChanged, Vec::new()).await?;
        Ok(Recorded { position })
    }

    pub(super) async fn import_vault(&self, context: CallContext, params: Import) -> Result<Imported, Error> {
        everywhere(&context)?;
        let file = STANDARD.decode(params.file).map_err(|_| Error::invalid("file", "is no base 64"))?;
        let (passphrase, replace) = (params.passphrase.into_revealed(), params.replace);
        let change = Change::Import { file, passphrase, replace };
        let (changed, position) =
            self.change_vault(&context, change, VaultEvent::Imported, Vec::new()).await?;
        let taken = changed.entries.into_iter().map(Credential::from).collect();
        Ok(Imported { taken, kept: changed.kept, position })
    }

    pub(super) async fn export_vault(&self, context: CallContext, params: Export) -> Result<Copy, Error> {
        everywhere(&context)?;
        let keeper = self.keeper()?;
        let _turn = keeper.turn.lock().await;
        let passphrase = params.passphrase.into_revealed();
        let (file, credentials) = keeper.vault.export(passphrase).await.map_err(refused)?;
        // Before it is given out: what cannot be recorded does not leave.
        self.journal(context.actor(), VaultEvent::Exported(VaultExported { credentials })).await?;
        Ok(Copy { file: STANDARD.encode(file), credentials })
    }

    pub(super) async fn unseal_vault(&self, context: CallContext, params: Unseal) -> Result<Standing, Error> {
        everywhere(&context)?;
        let with = given(params.passphrase, params.recovery_key)?;
        let label = match &with {
            With::Passphrase(_) => "passphrase",
            With::RecoveryKey(_) => "recovery_key",
        };
        self.unseal(context.actor(), label, with).await?;
        self.standing().await
    }

    /// Unseals the vault with a passphrase that this server was given at its start, by `source`.
    ///
    /// # Errors
    /// If it is not the passphrase, or the file is refused.
    pub async fn unseal_at_start(&self, source: &str, passphrase: Revealed) -> Result<(), Error> {
        self.unseal(&Actor::RUNTIME, source, With::Passphrase(passphrase)).await
    }

    async fn unseal(&self, actor: &Actor, label: &str, with: With) -> Result<(), Error> {
        let keeper = self.keeper()?;
        let mut turn = keeper.turn.lock().await;
        turn.admit()?;
        let unsealed = keeper.vault.unseal(with).await;
        self.proven(&mut turn, actor, unsealed.as_ref().err()).await?;
        unsealed.map_err(refused)?;
        let status = keeper.vault.status().await.map_err(refused)?;
        let epoch = status.saved.as_ref().map_or(0, |saved| saved.epoch);
        if let Err(error) = self.settle(keeper, &status).await {
            // It is not used before the log knows its file.
            let _ = keeper.vault.seal().await;
            return Err(error);
        }
        let event = VaultEvent::Unsealed(VaultUnsealed { with: label.to_owned(), epoch });
        self.journal(actor, event).await.map(drop)
    }

    /// Counts and records an attempt to prove something to the vault that did not.
    async fn proven(
        &self,
        turn: &mut Attempts,
        actor: &Actor,
        refused: Option<&Refused>,
    ) -> Result<(), Error> {
        match refused {
            None => turn.succeeded(),
            Some(refused)
                if refused.guessed || refused.code == "OC-VLT-004" || refused.code == "OC-VLT-005" =>
            {
                turn.failed();
                let event = VaultRefused { code: refused.code.clone(), reason: refused.reason.clone() };
                self.journal(actor, VaultEvent::Refused(event)).await?;
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Records why the file of the vault was refused when the server started.
    ///
    /// # Errors
    /// If the log takes nothing.
    pub async fn vault_refused(&self, refused: &Refused) -> Result<(), Error> {
        let event = VaultRefused { code: refused.code.clone(), reason: refused.reason.clone() };
        self.journal(&Actor::RUNTIME, VaultEvent::Refused(event)).await.map(drop)
    }

    pub(super) async fn seal_vault(&self, context: CallContext) -> Result<Standing, Error> {
        everywhere(&context)?;
        let keeper = self.keeper()?;
        let turn = keeper.turn.lock().await;
        let was = keeper.vault.status().await.map_err(refused)?.state;
        // Forgotten first: sealing must work when nothing can be recorded.
        keeper.vault.seal().await.map_err(refused)?;
        if was == State::Unsealed {
            self.journal(context.actor(), VaultEvent::Sealed(VaultSealed {})).await?;
        }
        drop(turn);
        self.standing().await
    }

    /// Changes the vault: asks it, records `commands` about credentials and then the file. Answers the position of the
    /// first of these commands, which is what a repetition is told, or else that of the file's event, or of the log if
    /// nothing was written.
    pub(super) async fn change_vault(
        &self,
        context: &CallContext,
        change: Change,
        saved: Saved,
        mut commands: Vec<(StreamId, Command)>,
    ) -> Result<(Changed, Position), Error> {
        let keeper = self.keeper()?;
        let mut turn = keeper.turn.lock().await;
        if let Health::ReadOnly(reason) = self.sequencer.health() {
            return Err(Error::ReadOnly { reason: reason.to_string() });
        }
        let proves = matches!(
            change,
            Change::RotateKey { .. } | Change::ChangePassphrase { .. } | Change::NewRecoveryKey { .. }
        );
        if proves {
            turn.admit()?;
        }
        let status = keeper.vault.status().await.map_err(refused)?;
        self.settle(keeper, &status).await?;
        let changed = keeper.vault.change(change).await;
        if proves {
            self.proven(&mut turn, context.actor(), changed.as_ref().err()).await?;
        }
        let changed = changed.map_err(refused)?;
        for entry in &changed.entries {
            commands.push(credentials::store(entry)?);
        }
        let (mut position, mut told) = (self.log.head().position, false);
        for (index, (stream, command)) in commands.into_iter().enumerate() {
            // The first answers a repetition under the same key.
            if index == 0 {
                position = self.submit(context, stream, command, None).await?.position;
                told = true;
            } else {
                self.record(context.actor(), stream, command).await?;
            }
        }
        if let Some(file) = changed.saved.clone() {
            let recorded = self.journal(context.actor(), saved(file)).await?.position;
            position = if told { position } else { recorded };
            keeper.vault.recorded().await.map_err(refused)?;
        }
        Ok((changed, position))
    }

    /// Records what happened to the vault.
    pub(super) async fn journal(&self, actor: &Actor, event: VaultEvent) -> Result<Accepted, Error> {
        let stream = StreamId::new(StreamKind::Vault, "main").expect("it is a name");
        self.record(actor, stream, journal::Command::Vault(event).into()).await
    }

    /// Submits a command of the server's own, in the name of `actor`.
    pub(super) async fn record(
        &self,
        actor: &Actor,
        stream: StreamId,
        command: Command,
    ) -> Result<Accepted, Error> {
        let submission = Submission {
            stream,
            command,
            id: CommandId(*self.ids.next().as_bytes()),
            digest: CommandDigest([0; 16]),
            keyed: false,
            expected: Default::default(),
            actor: actor.clone(),
            causality: Causality::default(),
        };
        self.sequencer.submit_patiently(submission).await.map_err(answer::refused)
    }
}

/// The vault belongs to no namespace.
fn everywhere(context: &CallContext) -> Result<(), Error> {
    if context.caller.grants.allow_everywhere(context.need) {
        Ok(())
    } else {
        Err(Error::Forbidden { needs: context.need.to_string() })
    }
}

fn given(
    passphrase: Option<crate::rpc::methods::secret::Secret>,
    recovery_key: Option<crate::rpc::methods::secret::Secret>,
) -> Result<With, Error> {
    with(passphrase, recovery_key)
        .ok_or_else(|| Error::invalid("passphrase", "or recoveryKey has to be given, and not both"))
}

fn standing(status: Status) -> Standing {
    let (state, reason) = match status.state {
        State::Absent => ("absent", None),
        State::Sealed => ("sealed", None),
        State::Unsealed => ("unsealed", None),
        State::Refused(refused) => ("refused", Some(format!("{}: {}", refused.code, refused.reason))),
    };
    Standing {
        state: state.into(),
        reason,
        vault: status.saved.as_ref().map(|saved| saved.vault.clone()),
        epoch: status.saved.as_ref().map_or(0, |saved| saved.epoch),
        credentials: status.credentials,
        key_generation: status.key_generation,
    }
}
