//! The log on one machine: segmented sled databases.
