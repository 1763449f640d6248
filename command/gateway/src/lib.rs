//! The JSON-RPC surface and the sequencer, the only door into the log.
