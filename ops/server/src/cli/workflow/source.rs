//! Files that are given on the command line.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use openclaw_workflow::definition::MAX_TEXT_BYTES;

use crate::resources::Directory;

/// Where the files are that a document refers to.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Beside {
    /// The directory of the files that documents refer to with `file:`; by default that of each document.
    #[arg(long, value_name = "DIR")]
    resources: Option<PathBuf>,
}

impl Beside {
    /// The directory for the document at `path`; of standard input it is the current one.
    pub(super) fn of(&self, path: &Path) -> Directory {
        Directory::new(self.resources.as_deref().or(path.parent()).unwrap_or(Path::new(".")))
    }
}

/// A file's text and what it is called.
pub(in crate::cli) struct Source {
    pub(in crate::cli) name: String,
    pub(in crate::cli) text: String,
}

impl Source {
    /// Reads a file; `-` is standard input. Of a file that is longer than a document may be only so much is read that
    /// this can be seen.
    pub(in crate::cli) fn read(path: &Path) -> anyhow::Result<Self> {
        let (name, reader): (String, Box<dyn Read>) = if path == Path::new("-") {
            ("standard input".into(), Box::new(io::stdin().lock()))
        } else {
            let name = path.display().to_string();
            let file = File::open(path).with_context(|| format!("{name} cannot be read"))?;
            (name, Box::new(file))
        };
        let mut text = String::new();
        reader
            .take(MAX_TEXT_BYTES as u64 + 4)
            .read_to_string(&mut text)
            .with_context(|| format!("{name} cannot be read as text"))?;
        Ok(Self { name, text })
    }

    /// A line of the text, from 1.
    pub(super) fn line(&self, number: u64) -> Option<&str> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.text.lines().nth(index)
    }
}
