//! The file of rejects: line, reason and record of everything that an import did not take, as CSV that opens as text. Made when the
//! first reject is there; readable by its owner only, because it repeats borrowers' data.

use crate::shell::store::cells;
use crate::shell::store::lead_part::Reject;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Where rejects go; without a path they are only counted.
#[derive(Debug)]
pub(super) struct Rejects {
    path: Option<PathBuf>,
    file: Option<File>,
}

impl Rejects {
    pub(super) fn new(path: Option<&Path>) -> Self {
        Rejects {
            path: path.map(Path::to_owned),
            file: None,
        }
    }

    /// Goes on with the file of an earlier run, as it was when it had so many bytes. If it is not there any more, a new one is made.
    pub(super) fn resume(&mut self, bytes: u64) -> io::Result<()> {
        let Some(path) = self.path.as_ref().filter(|_| bytes > 0) else {
            return Ok(());
        };
        match File::options().write(true).open(path) {
            Ok(mut file) if file.metadata()?.len() >= bytes => {
                // What came after it is rejected again.
                file.set_len(bytes)?;
                file.seek(SeekFrom::End(0))?;
                self.file = Some(file);
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// Adds rejects; when it returns, they are in the file.
    pub(super) fn add<'a>(
        &mut self,
        rejects: impl IntoIterator<Item = &'a Reject>,
    ) -> io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let Some(path) = &self.path else {
            return Ok(());
        };
        let mut rejects = rejects.into_iter().peekable();
        if rejects.peek().is_none() {
            return Ok(());
        }
        let mut rows = csv::Writer::from_writer(Vec::new());
        if self.file.is_none() {
            let file = File::options()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(path)?;
            self.file = Some(file);
            rows.write_record(["line", "reason", "record"])?;
        }
        for reject in rejects {
            let record = String::from_utf8_lossy(&reject.record);
            rows.write_record([
                &reject.line.to_string(),
                &cells::neutral(&reject.reason)[..],
                &cells::neutral(&record)[..],
            ])?;
        }
        let rows = rows.into_inner().map_err(|fault| fault.into_error())?;
        match &mut self.file {
            Some(file) => file.write_all(&rows),
            None => Ok(()),
        }
    }

    /// How long the file is.
    pub(super) fn bytes(&mut self) -> io::Result<u64> {
        match &mut self.file {
            Some(file) => file.stream_position(),
            None => Ok(0),
        }
    }
}
