//! The tool's way out.
