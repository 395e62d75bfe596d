//! The ciphers of streams: Noise by the snow crate, over aws-lc-rs.

use super::key::fill_random;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::digest;
use snow::Error;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};
use zeroize::Zeroizing;

const TAG: usize = 16;

/// Gives snow what it computes with.
pub(super) struct Resolver;

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(SystemRandom))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| Box::new(Curve::default()) as Box<dyn Dh>)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        matches!(choice, HashChoice::SHA256).then(|| Box::new(Sha256::default()) as Box<dyn Hash>)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        matches!(choice, CipherChoice::AESGCM).then(|| Box::new(Gcm(None)) as Box<dyn Cipher>)
    }
}

struct SystemRandom;

impl Random for SystemRandom {
    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Error> {
        fill_random(to);
        Ok(())
    }
}

#[derive(Default)]
struct Curve {
    private: Zeroizing<[u8; 32]>,
    public: [u8; 32],
}

impl Curve {
    fn key(&self) -> Result<PrivateKey, Error> {
        PrivateKey::from_private_key(&X25519, self.private.as_ref()).map_err(|_| Error::Dh)
    }

    fn make_public(&mut self) -> Result<(), Error> {
        let public = self.key()?.compute_public_key().map_err(|_| Error::Dh)?;
        self.public = public.as_ref().try_into().map_err(|_| Error::Dh)?;
        Ok(())
    }
}

impl Dh for Curve {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, private: &[u8]) {
        for (to, from) in self.private.iter_mut().zip(private) {
            *to = *from;
        }
        // Without a public key the handshake fails at the other end.
        let _ = self.make_public();
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        rng.try_fill_bytes(self.private.as_mut())?;
        self.make_public()
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        self.private.as_ref()
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let public = UnparsedPublicKey::new(&X25519, public.get(..32).ok_or(Error::Dh)?);
        agree(&self.key()?, public, Error::Dh, |shared| {
            out.get_mut(..shared.len()).ok_or(Error::Dh)?.copy_from_slice(shared);
            Ok(())
        })
    }
}

struct Sha256(digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Hash for Sha256 {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        let hash = std::mem::take(self).0.finish();
        for (to, from) in out.iter_mut().zip(hash.as_ref()) {
            *to = *from;
        }
    }
}

/// `None` until a key is set, which snow does before the first use.
struct Gcm(Option<LessSafeKey>);

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; 12];
    if let Some(to) = nonce.last_chunk_mut() {
        *to = number.to_be_bytes();
    }
    Nonce::assume_unique_for_key(nonce)
}

impl Cipher for Gcm {
    fn name(&self) -> &'static str {
        "AESGCM"
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.0 = UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new);
    }

    fn encrypt(&self, number: u64, bound: &[u8], plain: &[u8], out: &mut [u8]) -> usize {
        let sealed = self.0.as_ref().and_then(|key| {
            let (body, tag) = out.get_mut(..plain.len() + TAG)?.split_at_mut(plain.len());
            let bound = Aad::from(bound);
            key.seal_out_of_place_scatter(nonce(number), bound, plain, body, &[], tag).ok()
        });
        // Nothing unsealed leaves here: 0 bytes cannot be opened.
        if sealed.is_some() { plain.len() + TAG } else { 0 }
    }

    fn decrypt(
        &self,
        number: u64,
        bound: &[u8],
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let opened = self.0.as_ref().and_then(|key| {
            let (body, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG)?)?;
            let out = out.get_mut(..body.len())?;
            let bound = Aad::from(bound);
            key.open_separate_gather(nonce(number), bound, body, tag, out).ok()?;
            Some(body.len())
        });
        opened.ok_or(Error::Decrypt)
    }
}
