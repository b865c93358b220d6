//! Where access log lines go: a buffer in front of a file, which may be moved away and opened anew, or of standard
//! output. A file that will not take them costs lines, never a request.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::metrics::LogMetrics;

/// Written when it is this full, or when the owner flushes.
const BUFFER: usize = 64 * 1024;

/// An append-only file, or standard output.
enum Target {
    Stdout,
    File { path: PathBuf, file: File },
}

pub(super) struct Sink {
    target: Target,
    buffer: Vec<u8>,
    lines: u64,
    /// A write stopped amid a line; the next must not be glued to it.
    torn: bool,
    /// The last write failed, and that was said once.
    failing: bool,
    metrics: LogMetrics,
}

impl Sink {
    pub(super) fn stdout(metrics: LogMetrics) -> Self {
        Self::new(Target::Stdout, metrics)
    }

    /// Opens or creates the file.
    pub(super) fn file(path: &Path, metrics: LogMetrics) -> io::Result<Self> {
        Ok(Self::new(Target::File { path: path.to_owned(), file: open(path)? }, metrics))
    }

    fn new(target: Target, metrics: LogMetrics) -> Self {
        let buffer = Vec::with_capacity(BUFFER + 16 * 1024);
        Self { target, buffer, lines: 0, torn: false, failing: false, metrics }
    }

    /// Adds the line that `write` appends to the buffer.
    pub(super) fn line(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.buffer);
        self.lines += 1;
        if self.buffer.len() >= BUFFER {
            self.flush();
        }
    }

    /// Hands the buffer to the system. Lines it does not take are counted and forgotten.
    pub(super) fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        match self.write_out() {
            Ok(()) => {
                self.metrics.written.inc_by(self.lines);
                if std::mem::replace(&mut self.failing, false) {
                    tracing::info!(target = %self.name(), "access log is written again");
                }
            }
            Err(error) => {
                self.metrics.dropped.inc_by(self.lines);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, target = %self.name(), "access log cannot be written, lines are dropped");
                }
            }
        }
        self.buffer.clear();
        self.lines = 0;
    }

    fn write_out(&mut self) -> io::Result<()> {
        let out: &mut dyn Write = match &mut self.target {
            Target::Stdout => &mut io::stdout(),
            Target::File { file, .. } => file,
        };
        if self.torn {
            out.write_all(b"\n")?;
        }
        // Torn until proven whole: `write_all` does not say how far it came.
        self.torn = true;
        out.write_all(&self.buffer)?;
        out.flush()?;
        self.torn = false;
        Ok(())
    }

    /// Opens the file's name again, after somebody moved the file away. If that fails the old file stays in use.
    pub(super) fn reopen(&mut self) {
        self.flush();
        match &mut self.target {
            Target::Stdout => {
                tracing::info!("the access log goes to standard output: there is nothing to reopen")
            }
            Target::File { path, file } => match open(path) {
                Ok(new) => {
                    *file = new;
                    self.torn = false;
                    tracing::info!(path = %path.display(), "access log reopened");
                }
                Err(error) => {
                    tracing::error!(%error, path = %path.display(), "access log cannot be reopened; the old file stays in use");
                }
            },
        }
    }

    fn name(&self) -> String {
        match &self.target {
            Target::Stdout => "stdout".into(),
            Target::File { path, .. } => path.display().to_string(),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::Registry;

    fn metrics() -> LogMetrics {
        LogMetrics::register(&Registry::new()).unwrap()
    }

    #[test]
    fn a_full_buffer_is_written_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut sink = Sink::file(&path, metrics()).unwrap();
        sink.line(|out| out.extend(b"short\n"));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
        sink.line(|out| out.resize(out.len() + BUFFER, b'x'));
        assert_eq!(std::fs::metadata(&path).unwrap().len() as usize, 6 + BUFFER);
        assert_eq!(sink.metrics.written.get(), 2);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_costs_lines_and_nothing_else() {
        let mut sink = Sink::file(Path::new("/dev/full"), metrics()).unwrap();
        for _ in 0..3 {
            sink.line(|out| out.extend(b"line\n"));
        }
        sink.flush();
        assert_eq!((sink.metrics.dropped.get(), sink.metrics.written.get()), (3, 0));
        assert!(sink.torn && sink.buffer.is_empty());
    }

    #[test]
    fn a_line_is_not_glued_to_a_torn_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut sink = Sink::file(&path, metrics()).unwrap();
        sink.torn = true;
        sink.line(|out| out.extend(b"a\n"));
        sink.flush();
        sink.line(|out| out.extend(b"b\n"));
        sink.flush();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "\na\nb\n");
    }

    #[test]
    fn a_name_that_cannot_be_reopened_keeps_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("log"), dir.path().join("moved"));
        let mut sink = Sink::file(&path, metrics()).unwrap();
        std::fs::rename(&path, &moved).unwrap();
        std::fs::create_dir(&path).unwrap();
        sink.reopen();
        sink.line(|out| out.extend(b"a\n"));
        sink.flush();
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "a\n");
    }
}
