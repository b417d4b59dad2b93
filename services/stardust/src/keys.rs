//! Key files: read, and only where nobody else can read the secret ones.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use stardust_audit_recorder::{PublicKey, SigningKey};

use crate::settings::{SettingError, Settings};

const NAME: &str = "AUDIT_SIGNING_KEY_FILE";
const ALLOWED: &str = "a file with an Ed25519 private key as `openssl genpkey -algorithm ed25519` writes it, \
                       that its owner alone may read (chmod 600; a file of root also its group: chmod 640)";
/// No key is near this size; a device file would never end.
const LARGEST: u64 = 64 << 10;

/// The key that signs the heads of the audit chains, if there is one.
///
/// # Errors
/// Where the file cannot be used, or others may read it.
pub fn signing(settings: &Settings) -> Result<Option<SigningKey>, SettingError> {
    let Some(path) = &settings.audit_key else {
        return Ok(None);
    };
    let refuse = |problem: String| SettingError::new(NAME, format!("{} {problem}", path.display()), ALLOWED);
    let file = File::open(path).map_err(|e| refuse(format!("cannot be read: {e}")))?;
    // Of the opened file, not of whatever has its name now.
    let about = file
        .metadata()
        .map_err(|e| refuse(format!("cannot be read: {e}")))?;
    let mode = about.permissions().mode() & 0o777;
    let others = if about.uid() == 0 { 0o037 } else { 0o077 };
    if mode & others != 0 {
        return Err(refuse(format!(
            "can be read or written by others (mode {mode:03o})"
        )));
    }
    let pem = read(file).map_err(|e| refuse(format!("cannot be read: {e}")))?;
    match SigningKey::from_pem(&pem) {
        Ok(key) => Ok(Some(key)),
        Err(e) => Err(refuse(format!("cannot be used: {e}"))),
    }
}

/// A public key of the command line.
///
/// # Errors
/// In words, where the file cannot be used.
pub fn public(path: &Path) -> Result<PublicKey, String> {
    let pem = File::open(path)
        .and_then(read)
        .map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
    PublicKey::from_pem(&pem).map_err(|e| format!("{} cannot be used: {e}", path.display()))
}

fn read(file: File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";

    fn of(path: &Path) -> Result<Option<SigningKey>, SettingError> {
        let settings = Settings::from_lookup(&|name| (name == NAME).then(|| path.display().to_string()));
        signing(&settings.unwrap())
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        fs::write(&path, PEM).unwrap();
        let root = fs::metadata(&path).unwrap().uid() == 0;
        for (mode, fits) in [
            (0o600, true),
            (0o400, true),
            (0o640, root),
            (0o660, false),
            (0o604, false),
            (0o644, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let key = of(&path);
            assert_eq!(key.is_ok(), fits, "{mode:o}: {key:?}");
            if let Err(e) = key {
                let text = e.to_string();
                assert!(text.starts_with(NAME) && text.contains("chmod 600"), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_key_is_named_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        assert!(of(&path).unwrap_err().to_string().contains("cannot be read"));
        fs::write(&path, "hush hush").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let text = of(&path).unwrap_err().to_string();
        assert!(text.contains("key.pem") && !text.contains("hush"), "{text}");
        let text = public(&path).unwrap_err();
        assert!(text.contains("key.pem") && !text.contains("hush"), "{text}");
    }
}
