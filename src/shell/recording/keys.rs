//! Keys: one for each recording, wrapped by the site's. Owns the site's key file and what is sealed with what.
//!
//! - The site's file has one key to a line, 64 hexadecimal digits; the first seals new recordings, the others still open old ones.
//! - A recording's own key is drawn when it begins and stands in its file only wrapped: AES-256-GCM under the site's key, bound to the
//!   file's header. Whoever destroys those octets has destroyed the recording, also in every copy of the rest.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Name of the site's key file in the data directory.
pub const KEY_FILE: &str = "recording.key";
/// Octets of a key: AES-256.
pub const KEY_BYTES: usize = 32;
/// Octets of the tag that AES-GCM adds (NIST SP 800-38D).
pub const TAG_BYTES: usize = 16;
/// Octets of a wrapped key.
pub const WRAPPED_BYTES: usize = KEY_BYTES + TAG_BYTES;
/// Keys of a file: rotating monthly, five years of them.
const KEYS_MAX: usize = 64;

/// Which of the site's keys: the first octets of a digest of it. Says nothing about the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why a key cannot be had, or opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
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
    /// A line is no key.
    #[error("{path}:{line} is no key (64 hexadecimal digits; the first line seals, the others only open)", path = path.display())]
    Unfit {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// The operating system gave no randomness.
    #[error("no random bits from the operating system: {0}")]
    Random(String),
    /// The site's key that wrapped it is not in the file.
    #[error("the site's key {0} is not in the key file: without it the recording cannot be opened")]
    Absent(KeyId),
    /// The wrapped key was destroyed or changed.
    #[error("the recording's key is destroyed or was tampered with")]
    Destroyed,
}

/// A key ready for use.
pub struct Sealer(LessSafeKey);

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(***)")
    }
}

/// The tag did not match: another key, other octets, or another place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAuthentic;

impl Sealer {
    fn new(key: &[u8; KEY_BYTES]) -> Sealer {
        // Only a wrong length is refused, and the type has the right one.
        let key = UnboundKey::new(&AES_256_GCM, key).expect("32 octets are an AES-256 key");
        Sealer(LessSafeKey::new(key))
    }

    /// Seals `text` in place and appends the tag. `nonce` must never come twice under this key.
    pub fn seal(&self, nonce: [u8; NONCE_LEN], bound_to: &[u8], text: &mut Vec<u8>) {
        let nonce = Nonce::assume_unique_for_key(nonce);
        // It fails above 2^36 octets only (NIST SP 800-38D s.5.2.1.1); ours are below 2^17.
        self.0
            .seal_in_place_append_tag(nonce, Aad::from(bound_to), text)
            .expect("a chunk is far below the bound of AES-GCM");
    }

    /// Opens `sealed` in place and takes the tag off.
    pub fn open(
        &self,
        nonce: [u8; NONCE_LEN],
        bound_to: &[u8],
        sealed: &mut Vec<u8>,
    ) -> Result<(), NotAuthentic> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let length = self
            .0
            .open_in_place(nonce, Aad::from(bound_to), sealed)
            .map_err(|_| NotAuthentic)?
            .len();
        sealed.truncate(length);
        Ok(())
    }
}

/// A recording's own key.
pub struct DataKey(Zeroizing<[u8; KEY_BYTES]>);

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(***)")
    }
}

impl DataKey {
    /// A new one.
    pub fn draw() -> Result<DataKey, KeyFault> {
        let mut bits = Zeroizing::new([0; KEY_BYTES]);
        random(&mut bits[..])?;
        Ok(DataKey(bits))
    }

    /// What seals with it.
    pub fn sealer(&self) -> Sealer {
        Sealer::new(&self.0)
    }
}

/// Fills `bits` from the operating system.
pub(super) fn random(bits: &mut [u8]) -> Result<(), KeyFault> {
    getrandom::fill(bits).map_err(|fault| KeyFault::Random(fault.to_string()))
}

/// The site's keys.
#[derive(Debug)]
pub struct SiteKeys {
    /// Never empty; the first one seals.
    keys: Vec<(KeyId, Sealer)>,
}

impl SiteKeys {
    /// The keys of this file; it is made, with one key, where it is missing.
    pub fn load_or_create(path: &Path) -> Result<SiteKeys, KeyFault> {
        if !path.exists() {
            create(path)?;
        }
        SiteKeys::load(path)
    }

    /// The keys of this file.
    pub fn load(path: &Path) -> Result<SiteKeys, KeyFault> {
        let failed = |source| KeyFault::File {
            path: path.to_owned(),
            source,
        };
        let mode = std::fs::metadata(path)
            .map_err(failed)?
            .permissions()
            .mode()
            & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyFault::Open {
                path: path.to_owned(),
                mode,
            });
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
        let mut keys = Vec::new();
        for (place, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = key_of(line).filter(|_| keys.len() < KEYS_MAX);
            let key = key.ok_or_else(|| KeyFault::Unfit {
                path: path.to_owned(),
                line: place + 1,
            })?;
            keys.push((id_of(&key), Sealer::new(&key)));
        }
        if keys.is_empty() {
            return Err(KeyFault::Unfit {
                path: path.to_owned(),
                line: 1,
            });
        }
        Ok(SiteKeys { keys })
    }

    /// The key that seals new recordings.
    pub fn current(&self) -> KeyId {
        self.keys[0].0
    }

    /// Wraps a recording's key, bound to its header. The nonce is drawn: a site's key wraps far fewer than 2^32
    /// (NIST SP 800-38D s.8.3).
    pub(super) fn wrap(
        &self,
        key: &DataKey,
        header: &[u8],
    ) -> Result<([u8; NONCE_LEN], [u8; WRAPPED_BYTES]), KeyFault> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let mut text = key.0.to_vec();
        self.keys[0].1.seal(nonce, header, &mut text);
        let mut wrapped = [0; WRAPPED_BYTES];
        wrapped.copy_from_slice(&text);
        Ok((nonce, wrapped))
    }

    /// Opens a wrapped key.
    pub(super) fn unwrap(
        &self,
        id: KeyId,
        nonce: [u8; NONCE_LEN],
        wrapped: &[u8],
        header: &[u8],
    ) -> Result<DataKey, KeyFault> {
        let (_, site) = self
            .keys
            .iter()
            .find(|(known, _)| *known == id)
            .ok_or(KeyFault::Absent(id))?;
        let mut text = wrapped.to_vec();
        site.open(nonce, header, &mut text)
            .map_err(|NotAuthentic| KeyFault::Destroyed)?;
        let text = Zeroizing::new(text);
        let mut bits = Zeroizing::new([0; KEY_BYTES]);
        if text.len() != KEY_BYTES {
            return Err(KeyFault::Destroyed);
        }
        bits.copy_from_slice(&text);
        Ok(DataKey(bits))
    }
}

/// Puts a new key before the others: it seals from the next start on. The id of the new one.
pub fn rotate(path: &Path) -> Result<KeyId, KeyFault> {
    let failed = |source| KeyFault::File {
        path: path.to_owned(),
        source,
    };
    SiteKeys::load_or_create(path)?;
    let old = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
    let line = drawn_line()?;
    let text = Zeroizing::new(format!("{}\n{}", line.as_str(), old.as_str()));
    let aside = path.with_extension("key.new");
    write_private(&aside, &text).map_err(failed)?;
    // The new file is complete or not there: a torn key file would lose every recording.
    std::fs::rename(&aside, path).map_err(failed)?;
    sync_folder(path).map_err(failed)?;
    Ok(SiteKeys::load(path)?.current())
}

fn create(path: &Path) -> Result<(), KeyFault> {
    let failed = |source| KeyFault::File {
        path: path.to_owned(),
        source,
    };
    let text = Zeroizing::new(format!("{}\n", drawn_line()?.as_str()));
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let aside = PathBuf::from(name);
    // Written aside and linked: a second start never replaces a key under which something is sealed.
    let written =
        write_private(&aside, &text).and_then(|()| match std::fs::hard_link(&aside, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    let _ = std::fs::remove_file(&aside);
    written.and_then(|()| sync_folder(path)).map_err(failed)
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Makes the name of a file durable.
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn drawn_line() -> Result<Zeroizing<String>, KeyFault> {
    let mut bits = Zeroizing::new([0u8; KEY_BYTES]);
    random(&mut bits[..])?;
    let mut text = Zeroizing::new(String::with_capacity(2 * KEY_BYTES));
    for byte in bits.iter() {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

fn key_of(line: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    if line.len() != 2 * KEY_BYTES || !line.is_ascii() {
        return None;
    }
    for (place, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&line[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(key)
}

fn id_of(key: &[u8; KEY_BYTES]) -> KeyId {
    let digest = Sha256::new()
        .chain_update(b"tandem recording key id")
        .chain_update(key)
        .finalize();
    let mut id = [0; 8];
    id.copy_from_slice(&digest[..8]);
    KeyId(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_site_s_key_is_made_once_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(KEY_FILE);
        let first = SiteKeys::load_or_create(&path).unwrap().current();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(SiteKeys::load_or_create(&path).unwrap().current(), first);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = SiteKeys::load(&path).unwrap_err();
        assert!(
            matches!(refused, KeyFault::Open { mode: 0o640, .. }),
            "{refused}"
        );
    }

    #[test]
    fn after_a_rotation_old_recordings_still_open_and_new_ones_have_the_new_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(KEY_FILE);
        let old = SiteKeys::load_or_create(&path).unwrap();
        let key = DataKey::draw().unwrap();
        let (nonce, wrapped) = old.wrap(&key, b"header").unwrap();
        let new_id = rotate(&path).unwrap();
        let new = SiteKeys::load(&path).unwrap();
        assert_eq!(new.current(), new_id);
        assert_ne!(new_id, old.current());
        let opened = new
            .unwrap(old.current(), nonce, &wrapped, b"header")
            .unwrap();
        assert_eq!(*opened.0, *key.0);
        let other = new.unwrap(old.current(), nonce, &wrapped, b"another header");
        assert!(matches!(other, Err(KeyFault::Destroyed)));
        let gone = new.unwrap(old.current(), nonce, &[0; WRAPPED_BYTES], b"header");
        assert!(matches!(gone, Err(KeyFault::Destroyed)));
    }
}
