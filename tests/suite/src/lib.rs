//! End-to-end, fault and hostile-input tests against the real binary.
