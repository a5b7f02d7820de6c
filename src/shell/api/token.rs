//! The admin token: 256 random bits in a file that only its owner reads, made at the first start.

use crate::pii::Pii;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Name of the file in the data directory.
pub const TOKEN_FILE: &str = "admin.token";

/// What a state-changing request must bring.
pub struct AdminToken {
    digest: [u8; 32],
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken(***)")
    }
}

/// The token cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others can read the file.
    #[error("{path} may be read by others (mode {mode:03o}); make it yours alone: chmod 600 {path}", path = path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file holds no token.
    #[error("{path} holds no token (64 hexadecimal digits); remove it and the next start makes a new one", path = path.display())]
    Unfit {
        /// Which.
        path: PathBuf,
    },
    /// The operating system gave no randomness.
    #[error("no random bits from the operating system: {0}")]
    Random(String),
}

impl AdminToken {
    /// The token of this data directory; directory and token are made where they are missing.
    pub fn load_or_create(data_dir: &Path) -> Result<AdminToken, TokenError> {
        let path = data_dir.join(TOKEN_FILE);
        if !path.exists() {
            create(data_dir, &path)?;
        }
        let text = read(data_dir)?;
        Ok(AdminToken {
            digest: digest(text.expose()),
        })
    }

    /// Whether this is the token. Compares digests bit by bit to the end: time tells nothing about where they differ.
    pub fn is(&self, candidate: &str) -> bool {
        let other = digest(candidate);
        let mut difference = 0u8;
        for (ours, theirs) in self.digest.iter().zip(other) {
            difference |= ours ^ theirs;
        }
        std::hint::black_box(difference) == 0
    }
}

/// The token's text, for the client.
pub(super) fn read(data_dir: &Path) -> Result<Pii<String>, TokenError> {
    let path = data_dir.join(TOKEN_FILE);
    let failed = |source| TokenError::File {
        path: path.clone(),
        source,
    };
    let mode = std::fs::metadata(&path)
        .map_err(failed)?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o077 != 0 {
        return Err(TokenError::Open { path, mode });
    }
    let text = std::fs::read_to_string(&path).map_err(failed)?;
    let token = text.trim();
    if token.len() != 64 || !token.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(TokenError::Unfit { path });
    }
    Ok(Pii::new(token.to_owned()))
}

fn create(data_dir: &Path, path: &Path) -> Result<(), TokenError> {
    let failed = |source| TokenError::File {
        path: path.to_owned(),
        source,
    };
    let mut bits = [0u8; 32];
    getrandom::fill(&mut bits).map_err(|error| TokenError::Random(error.to_string()))?;
    let mut text = bits.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    text.push('\n');
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .map_err(failed)?;
    // Written aside and linked: a client never reads half a token, and a second start never replaces one.
    let aside = data_dir.join(format!("{TOKEN_FILE}.{}", std::process::id()));
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| match std::fs::hard_link(&aside, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    let _ = std::fs::remove_file(&aside);
    written.map_err(failed)
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let first = AdminToken::load_or_create(&data).unwrap();
        let text = read(&data).unwrap().into_exposed();
        let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(data.join(TOKEN_FILE)), 0o600);
        assert_eq!(mode(data.clone()), 0o700);
        assert!(first.is(&text));
        assert!(AdminToken::load_or_create(&data).unwrap().is(&text), "kept");
        assert!(
            !first.is("")
                && !first.is(&text[1..])
                && !first.is(&text.to_uppercase().replace('A', "b"))
        );
        assert_eq!(
            std::fs::read_dir(&data).unwrap().count(),
            1,
            "nothing left aside"
        );
        let other = AdminToken::load_or_create(&dir.path().join("other")).unwrap();
        assert!(!other.is(&text), "each engine has its own");
        assert_eq!(format!("{first:?}"), "AdminToken(***)");
    }

    #[test]
    fn a_token_that_others_can_read_or_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        AdminToken::load_or_create(dir.path()).unwrap();
        let path = dir.path().join(TOKEN_FILE);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = AdminToken::load_or_create(dir.path()).unwrap_err();
        assert!(
            matches!(error, TokenError::Open { mode: 0o640, .. }),
            "{error}"
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "short\n").unwrap();
        let error = AdminToken::load_or_create(dir.path()).unwrap_err();
        assert!(matches!(error, TokenError::Unfit { .. }), "{error}");
    }
}
