//! Runs one child process under bubblewrap, or refuses.
