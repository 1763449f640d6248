//! The import rules of the house (DESIGN section 2), read from cargo itself.
