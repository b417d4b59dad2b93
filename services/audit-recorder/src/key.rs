//! Ed25519 keys, and the signatures of places in a chain.

use std::fmt;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use sha2::{Digest, Sha256};
use stardust_domain::time::Timestamp;
use stardust_pipeline::store::{ChainHead, Checkpoint, Mark};

use crate::chain::hex;

/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
const SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// A key that cannot be used. Nothing of the key is in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not the PEM of a private key.
    #[error(
        "it holds no unencrypted private key in PKCS#8 PEM; `openssl genpkey -algorithm ed25519` writes one"
    )]
    NoPrivateKey,
    /// A private key of another kind.
    #[error("its private key is not of Ed25519; `openssl genpkey -algorithm ed25519` writes one that is")]
    NotEd25519,
    /// Not the PEM of an Ed25519 public key.
    #[error("it holds no Ed25519 public key in PEM; `openssl pkey -in KEY -pubout` writes it")]
    NoPublicKey,
}

/// A key that signs.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.id)
    }
}

impl SigningKey {
    /// From PKCS#8 PEM as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| KeyError::NoPrivateKey)?;
        // "Maybe unchecked": OpenSSL does not write the public key beside the private one, so there is none to compare.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der())
            .map_err(|_| KeyError::NotEd25519)?;
        let public = PublicKey::from_bytes(pair.public_key().as_ref()).ok_or(KeyError::NotEd25519)?;
        Ok(Self { pair, public })
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a place of a chain.
    #[must_use]
    pub fn checkpoint(&self, mark: Mark, chain: i32, head: &ChainHead, at: Timestamp) -> Checkpoint {
        let mut checkpoint = Checkpoint {
            mark,
            chain,
            seq: head.seq,
            hash: head.hash.clone(),
            at,
            key_id: self.public.id.clone(),
            signature: String::new(),
        };
        checkpoint.signature = hex(self.pair.sign(statement(&checkpoint).as_bytes()).as_ref());
        checkpoint
    }
}

/// A key that signatures are checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    bytes: [u8; 32],
    id: String,
}

impl PublicKey {
    /// From PEM as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| KeyError::NoPublicKey)?;
        der.strip_prefix(&SPKI)
            .and_then(Self::from_bytes)
            .ok_or(KeyError::NoPublicKey)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; 32] = bytes.try_into().ok()?;
        let mut hash = Sha256::new();
        hash.update(SPKI);
        hash.update(bytes);
        let id = hex(&hash.finalize()[..8]);
        Some(Self { bytes, id })
    }

    /// The first 16 hex digits of the SHA-256 of the key in DER:
    /// `openssl pkey -pubin -in KEY -outform DER | sha256sum`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether this key signed the place as it stands.
    #[must_use]
    pub fn signed(&self, checkpoint: &Checkpoint) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, self.bytes);
        unhex(&checkpoint.signature)
            .is_some_and(|signature| key.verify(statement(checkpoint).as_bytes(), &signature).is_ok())
    }
}

/// What is signed: one text for each meaning of a checkpoint, so that none can stand for another.
fn statement(checkpoint: &Checkpoint) -> String {
    format!(
        "stardust audit {} 1\n{}\n{}\n{}\n{}\n{}\n",
        checkpoint.mark.label(),
        checkpoint.chain,
        checkpoint.seq,
        checkpoint.hash,
        checkpoint.at.micros(),
        checkpoint.key_id
    )
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[a, b]| Some(digit(*a)? << 4 | digit(*b)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of RFC 8410, section 10.
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

    fn key() -> SigningKey {
        SigningKey::from_pem(PRIVATE.as_bytes()).unwrap()
    }

    fn head() -> ChainHead {
        ChainHead {
            seq: 7,
            hash: "ab".repeat(32),
        }
    }

    #[test]
    fn a_signature_holds_for_the_place_and_its_meaning_alone() {
        let (key, at) = (key(), Timestamp::from_micros(1_772_323_200_000_001));
        let signed = key.checkpoint(Mark::Head, 3, &head(), at);
        assert!(PublicKey::from_pem(PUBLIC.as_bytes()).unwrap().signed(&signed));
        for change in [
            |c: &mut Checkpoint| c.mark = Mark::Cut,
            |c: &mut Checkpoint| c.chain = 4,
            |c: &mut Checkpoint| c.seq = 8,
            |c: &mut Checkpoint| c.hash.replace_range(..2, "ac"),
            |c: &mut Checkpoint| c.at = Timestamp::from_micros(1_772_323_200_000_002),
            |c: &mut Checkpoint| c.key_id.replace_range(..1, "-"),
            |c: &mut Checkpoint| c.signature.replace_range(..2, "zz"),
            |c: &mut Checkpoint| c.signature.truncate(126),
            |c: &mut Checkpoint| c.signature.clear(),
        ] {
            let mut changed = signed.clone();
            change(&mut changed);
            assert!(!key.public().signed(&changed), "{changed:?}");
        }
    }

    #[test]
    fn both_halves_have_one_id_as_openssl_and_sha256sum_give_it() {
        assert_eq!(PublicKey::from_pem(PUBLIC.as_bytes()).unwrap(), *key().public());
        assert_eq!(key().public().id(), "a1e9156054e04fac");
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_quoted() {
        let encrypted = PRIVATE.replace("PRIVATE", "ENCRYPTED PRIVATE");
        let x25519 = PRIVATE.replace("BQYDK2VwBCI", "BQYDK2VuBCI");
        for (pem, error) in [
            ("", KeyError::NoPrivateKey),
            ("hush", KeyError::NoPrivateKey),
            (encrypted.as_str(), KeyError::NoPrivateKey),
            (x25519.as_str(), KeyError::NotEd25519),
        ] {
            assert_eq!(SigningKey::from_pem(pem.as_bytes()).unwrap_err(), error);
            assert_eq!(
                PublicKey::from_pem(pem.as_bytes()).unwrap_err(),
                KeyError::NoPublicKey
            );
        }
        assert_eq!(
            PublicKey::from_pem(PRIVATE.as_bytes()).unwrap_err(),
            KeyError::NoPublicKey,
            "a private key is none to hand out"
        );
        assert!(!format!("{:?}", key()).contains("Ed25519"));
    }
}
