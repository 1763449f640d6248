//! Traits to the outside world. Adapters implement them; cores and shell only know these.

pub mod clock;
pub mod effects;
pub mod sandbox;
pub mod secrets;
pub mod signing;
pub mod vault;

pub use clock::{Clock, Ids};
pub use effects::{Beginning, EffectOutcome, Effects, Inquiring, Performing, Permitting};
pub use sandbox::Sandbox;
pub use secrets::Secrets;
pub use signing::SigningKeys;
pub use vault::Vault;
