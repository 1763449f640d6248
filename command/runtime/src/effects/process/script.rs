//! Scripts as files in the workspace.
//!
//! As a file, a script may be longer than an argument and keeps standard input free, and its arguments stand where
//! the language expects them: `process.argv[2]` and `sys.argv[1]` on.

use std::{
    io,
    path::{Path, PathBuf},
};

use openclaw_model::event::run::ScriptLanguage;
use tokio::{fs, io::AsyncWriteExt};

/// Numbers that are tried for a name before giving up. One is taken by each other script of the run that is running.
const MAX_NAMES: u32 = 10_000;

/// A script that is ready to run.
pub(super) struct Script {
    language: ScriptLanguage,
    path: PathBuf,
}

impl Script {
    /// Stores `code` under a name in `workspace` that nothing has yet.
    ///
    /// The file is made, never opened: a link that a task left under the name would lead the server out of the
    /// workspace. The tree may read it and not write it.
    pub(super) async fn write(workspace: &Path, language: ScriptLanguage, code: &str) -> io::Result<Self> {
        let digest = blake3::hash(code.as_bytes()).to_hex();
        let extension = extension(language, code);
        for number in 0..MAX_NAMES {
            let path = workspace.join(format!(".openclaw-script-{}-{number}.{extension}", &digest[..16]));
            match fs::OpenOptions::new().write(true).create_new(true).mode(0o444).open(&path).await {
                Ok(mut file) => {
                    file.write_all(code.as_bytes()).await?;
                    file.flush().await?;
                    return Ok(Self { language, path });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "every name for it is taken"))
    }

    /// The command that runs it; arguments follow.
    pub(super) fn command(&self) -> Vec<String> {
        let interpreter = match self.language {
            ScriptLanguage::Javascript => "node",
            ScriptLanguage::Python => "python3",
        };
        vec![interpreter.into(), self.path.to_string_lossy().into_owned()]
    }

    /// Takes it away again, if the task has not.
    pub(super) async fn remove(self) {
        if let Err(error) = fs::remove_file(&self.path).await
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "a script stays in its workspace");
        }
    }
}

/// The extension tells Node.js which of its two module systems a script is for: the old one if it calls `require` and
/// has no `import` or `export` statement, else the standard one.
fn extension(language: ScriptLanguage, code: &str) -> &'static str {
    match language {
        ScriptLanguage::Python => "py",
        ScriptLanguage::Javascript => {
            let statement = |line: &str| {
                ["import", "export"].iter().any(|word| {
                    line.trim_start()
                        .strip_prefix(word)
                        .is_some_and(|rest| rest.starts_with([' ', '\t', '{', '*', '"', '\'']))
                })
            };
            if code.contains("require(") && !code.lines().any(statement) { "cjs" } else { "mjs" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_system_is_told_by_the_code() {
        let of = |code| extension(ScriptLanguage::Javascript, code);
        assert_eq!(of("const fs = require('fs');"), "cjs");
        assert_eq!(of("// require('x')\n  import { readFileSync } from 'node:fs';"), "mjs");
        assert_eq!(of("import{a}from'b'"), "mjs");
        assert_eq!(of("const important = require('x');\nimportant();"), "cjs");
        assert_eq!(of("await 1; console.log(process.argv)"), "mjs");
        assert_eq!(extension(ScriptLanguage::Python, "import sys"), "py");
    }

    #[tokio::test]
    async fn a_link_under_the_name_is_not_followed() {
        let (workspace, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = Script::write(workspace.path(), ScriptLanguage::Python, "1").await.unwrap();
        let (name, target) = (first.path.clone(), outside.path().join("target"));
        first.remove().await;
        std::os::unix::fs::symlink(&target, &name).unwrap();
        let second = Script::write(workspace.path(), ScriptLanguage::Python, "1").await.unwrap();
        assert_ne!(second.path, name);
        assert!(!target.exists());
        assert_eq!(std::fs::read_to_string(&second.path).unwrap(), "1");
    }
}
