//! The log in memory.
pub struct MemoryLog;
