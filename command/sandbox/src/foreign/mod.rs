//! What a policy means on systems that are not Linux, as text and data. It is made and tested everywhere; nothing here
//! starts a process.
//!
//! On macOS and Windows the server does not run processes yet: [`crate::Machine`] is for Linux, and a server built
//! elsewhere refuses each job (`OC-SBX-001`). These plans are what such a sandbox will put on.

pub mod macos;
pub mod windows;
