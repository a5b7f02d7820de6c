//! Where the passwords of a configuration stand, for whoever looks at the rights of those places. Never a password itself.

use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Where a trunk's password comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordPlace {
    /// A file of its own.
    File(PathBuf),
    /// A variable of the engine's environment.
    Variable,
    /// The configuration itself.
    Inline,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    trunks: Vec<Trunk>,
}

#[derive(Deserialize)]
struct Trunk {
    #[serde(default)]
    name: String,
    password_file: Option<PathBuf>,
    password_env: Option<String>,
    password: Option<serde::de::IgnoredAny>,
}

/// Trunks by name with the place of their password, those without one left out. The configuration is taken to be correct:
/// what cannot be read here has no place.
pub fn password_places(file: &Path) -> std::io::Result<Vec<(String, PasswordPlace)>> {
    let text = std::fs::read_to_string(file)?;
    // The parser's own words could quote the text; its place is all that is told.
    let read: File = toml::from_str(&text)
        .map_err(|_| std::io::Error::new(std::io::ErrorKind::InvalidData, "is not TOML"))?;
    Ok(read
        .trunks
        .into_iter()
        .filter_map(|trunk| {
            let place = match (trunk.password_file, trunk.password_env, trunk.password) {
                (Some(path), _, _) => PasswordPlace::File(path),
                (None, Some(_), _) => PasswordPlace::Variable,
                (None, None, Some(_)) => PasswordPlace::Inline,
                (None, None, None) => return None,
            };
            Some((trunk.name, place))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_password_is_found_at_its_place_and_stays_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("t.toml");
        let text = "data_dir = \"x\"\n\
                    [[trunks]]\nname = \"a\"\npassword = \"geheim\"\n\
                    [[trunks]]\nname = \"b\"\npassword_file = \"/etc/b\"\n\
                    [[trunks]]\nname = \"c\"\npassword_env = \"C\"\n\
                    [[trunks]]\nname = \"d\"\n";
        std::fs::write(&path, text).expect("written");
        let places = password_places(&path).expect("read");
        assert_eq!(
            places,
            [
                ("a".to_owned(), PasswordPlace::Inline),
                ("b".to_owned(), PasswordPlace::File("/etc/b".into())),
                ("c".to_owned(), PasswordPlace::Variable),
            ]
        );
        assert!(!format!("{places:?}").contains("geheim"));
        std::fs::write(&path, "password = \"geheim\" x").expect("written");
        let error = password_places(&path).expect_err("broken");
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
}
