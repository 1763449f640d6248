//! The import rules of the house as a test.
