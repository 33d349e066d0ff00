//! SCRAM-SHA-256 as a client speaks it (RFC 5802 and RFC 7677), without channel binding: just enough to give a password to
//! a server. Nothing here prints or keeps the password beyond the exchange.

use sha2::{Digest, Sha256};

/// Why an exchange fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// A message of the server that is none of SCRAM's.
    #[error("the server's part of the SCRAM exchange cannot be read")]
    Unreadable,
    /// The server does not know the password.
    #[error("the server did not prove that it knows the password")]
    Impostor,
    /// The system has no random bytes.
    #[error("no random bytes for a nonce: {0}")]
    Nonce(String),
}

/// A hash.
type Hash = [u8; 32];

/// One exchange.
pub(super) struct Scram {
    password: String,
    nonce: String,
    server_signature: Option<Hash>,
}

impl Scram {
    /// An exchange with a fresh nonce.
    pub(super) fn new(password: &str) -> Result<Self, ScramError> {
        Ok(Self::with_nonce(password, base64(&nonce()?)))
    }

    fn with_nonce(password: &str, nonce: String) -> Self {
        Self { password: password.to_owned(), nonce, server_signature: None }
    }

    fn first_bare(&self) -> String {
        // The server takes the user's name from the start-up packet.
        format!("n=,r={}", self.nonce)
    }

    /// SASLInitialResponse: mechanism, length, message.
    pub(super) fn first(&self) -> Vec<u8> {
        let message = format!("n,,{}", self.first_bare());
        [b"SCRAM-SHA-256\0".as_slice(), &(message.len() as u32).to_be_bytes(), message.as_bytes()].concat()
    }

    /// The answer to the server's challenge.
    pub(super) fn prove(&mut self, challenge: &str) -> Result<Vec<u8>, ScramError> {
        let field = |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name));
        let nonce =
            field("r=").filter(|nonce| nonce.starts_with(&self.nonce)).ok_or(ScramError::Unreadable)?;
        let salt = field("s=").and_then(unbase64).ok_or(ScramError::Unreadable)?;
        let rounds = field("i=").and_then(|text| text.parse::<u32>().ok()).ok_or(ScramError::Unreadable)?;
        let salted = stretch(self.password.as_bytes(), &salt, rounds);
        let client_key = hmac(&salted, b"Client Key");
        let last = format!("c=biws,r={nonce}");
        let signed = format!("{},{challenge},{last}", self.first_bare());
        let signature = hmac(&sha256(&client_key), signed.as_bytes());
        self.server_signature = Some(hmac(&hmac(&salted, b"Server Key"), signed.as_bytes()));
        Ok(format!("{last},p={}", base64(&xor(client_key, signature))).into_bytes())
    }

    /// Checks the server's proof.
    pub(super) fn verify(&self, last: &str) -> Result<(), ScramError> {
        let given = last.strip_prefix("v=").and_then(unbase64).ok_or(ScramError::Unreadable)?;
        match &self.server_signature {
            Some(signature) if given == signature => Ok(()),
            _ => Err(ScramError::Impostor),
        }
    }
}

fn nonce() -> Result<[u8; 18], ScramError> {
    use std::io::Read;
    let mut bytes = [0; 18];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|error| ScramError::Nonce(error.to_string()))?;
    Ok(bytes)
}

fn sha256(data: &[u8]) -> Hash {
    Sha256::digest(data).into()
}

fn hmac(key: &[u8], data: &[u8]) -> Hash {
    const BLOCK_BYTES: usize = 64;
    let mut block = [0; BLOCK_BYTES];
    if key.len() > BLOCK_BYTES {
        block[..32].copy_from_slice(&sha256(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = sha256(&[&block.map(|byte| byte ^ 0x36), data].concat());
    sha256(&[block.map(|byte| byte ^ 0x5c).as_slice(), &inner].concat())
}

/// PBKDF2 with HMAC-SHA-256, one block.
fn stretch(password: &[u8], salt: &[u8], rounds: u32) -> Hash {
    let mut last = hmac(password, &[salt, &1_u32.to_be_bytes()].concat());
    let mut out = last;
    for _ in 1..rounds {
        last = hmac(password, &last);
        out = xor(out, last);
    }
    out
}

fn xor(a: Hash, b: Hash) -> Hash {
    std::array::from_fn(|index| a[index] ^ b[index])
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let digit = ALPHABET[(group >> (18 - 6 * index) & 63) as usize];
            text.push(if index <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text
        .trim_end_matches('=')
        .bytes()
        .map(|byte| ALPHABET.iter().position(|digit| *digit == byte).map(|at| at as u32))
        .collect::<Option<_>>()?;
    let mut bytes = Vec::new();
    for chunk in digits.chunks(4) {
        let group = chunk.iter().fold(0, |group, digit| group << 6 | digit) << (6 * (4 - chunk.len()));
        bytes.extend_from_slice(&group.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_round_trips() {
        for (bytes, text) in [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foobar", "Zm9vYmFy")] {
            assert_eq!((base64(bytes).as_str(), unbase64(text).as_deref()), (text, Some(bytes)));
        }
        assert_eq!(unbase64("!"), None);
    }

    /// The exchange that RFC 7677 gives as an example, with its nonces and salt. PostgreSQL leaves the user's name out, so the
    /// signatures are those of an empty one; the parts that do not depend on it are the RFC's.
    #[test]
    fn a_challenge_is_answered_and_an_impostor_is_noticed() {
        let mut scram = Scram::with_nonce("pencil", "rOprNGfwEbeRWgbNEkqO".into());
        let challenge =
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let answer = String::from_utf8(scram.prove(challenge).unwrap()).unwrap();
        assert!(answer.starts_with("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p="));
        let proof = base64(&scram.server_signature.unwrap());
        assert_eq!(scram.verify(&format!("v={proof}")), Ok(()));
        assert_eq!(scram.verify("v=AAAA"), Err(ScramError::Impostor));
        assert_eq!(scram.verify("e=other-error"), Err(ScramError::Unreadable));
        assert_eq!(scram.prove("r=someone-elses,s=AAAA,i=1"), Err(ScramError::Unreadable));
    }

    /// RFC 7914, section 11, has this vector; one block of it is the first 32 bytes.
    #[test]
    fn stretching_is_pbkdf2() {
        let hex: String = stretch(b"passwd", b"salt", 1).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
    }
}
