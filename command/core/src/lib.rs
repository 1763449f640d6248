//! What may happen: deciders, one file per command.
