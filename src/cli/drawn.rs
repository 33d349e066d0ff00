//! What commands draw: a page, lanes as SVG, Markdown; and where it goes.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::report::picture::{self, Picture};

/// Which drawings are asked for.
#[derive(Debug, Default, Args)]
pub(super) struct Drawn {
    /// Write a page that one can walk through.
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
    /// Write the lanes as an SVG document.
    #[arg(long, value_name = "OUT")]
    svg: Option<PathBuf>,
    /// Print Markdown with a sequence diagram, for a pull request or the summary of a job.
    #[arg(long)]
    markdown: bool,
}

impl Drawn {
    /// Whether any drawing is asked for.
    pub(super) fn is_any(&self) -> bool {
        self.html.is_some() || self.svg.is_some() || self.markdown
    }

    /// Whether Markdown takes the place of what is printed otherwise.
    pub(super) fn is_markdown(&self) -> bool {
        self.markdown
    }

    /// Writes and prints what is asked for; `listing` is folded away in the Markdown.
    pub(super) fn draw(&self, picture: &Picture<'_>, listing: &str) -> anyhow::Result<()> {
        if let Some(file) = &self.html {
            write(file, &picture::html(picture))?;
        }
        if let Some(file) = &self.svg {
            write(file, &picture::svg(picture))?;
        }
        if self.markdown {
            print!("{}", picture::markdown(picture, listing));
        }
        Ok(())
    }
}

/// Writes a page where it was asked for, and says so.
pub(super) fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).map_err(|error| {
        anyhow::anyhow!("cannot write {}: {error}; name a file in a folder that is there", file.display())
    })?;
    eprintln!("wrote    {}", file.display());
    Ok(())
}
