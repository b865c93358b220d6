//! The key a scope is signed with: derived from the secret, good for one day, region and service.

use std::time::SystemTime;

use aws_lc_rs::hmac;

/// `YYYYMMDDTHHMMSSZ`, the way SigV4 writes a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp([u8; 16]);

impl Timestamp {
    /// From the clock; a time outside the years 1 to 9999 is the epoch.
    pub fn new(at: SystemTime) -> Self {
        let at = time::OffsetDateTime::from(at);
        let year = u32::try_from(at.year()).unwrap_or(1970).min(9999);
        let mut out = *b"00000000T000000Z";
        let mut put = |from: usize, digits: usize, mut value: u32| {
            for slot in out[from..from + digits].iter_mut().rev() {
                *slot = b'0' + (value % 10) as u8;
                value /= 10;
            }
        };
        put(0, 4, year);
        put(4, 2, u32::from(u8::from(at.month())));
        put(6, 2, u32::from(at.day()));
        put(9, 2, u32::from(at.hour()));
        put(11, 2, u32::from(at.minute()));
        put(13, 2, u32::from(at.second()));
        Self(out)
    }

    /// Reads `X-Amz-Date`; `None` if it is not in exactly this form.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 16] = text.as_bytes().try_into().ok()?;
        let shape = bytes.iter().enumerate().all(|(i, b)| match i {
            8 => *b == b'T',
            15 => *b == b'Z',
            _ => b.is_ascii_digit(),
        });
        shape.then_some(Self(bytes))
    }

    /// The whole of it.
    pub fn as_str(&self) -> &str {
        // Only ASCII gets in, so the fallback is never taken.
        std::str::from_utf8(&self.0).unwrap_or("19700101T000000Z")
    }

    /// Its day, `YYYYMMDD`.
    pub fn date(&self) -> &str {
        &self.as_str()[..8]
    }
}

/// What a signature is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// `YYYYMMDD`
    pub date: &'a str,
    /// `eu-central-1`
    pub region: &'a str,
    /// `s3`
    pub service: &'a str,
}

impl std::fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

/// A derived key. It opens nothing outside its scope, but is still a secret: it has no `Debug` that shows it.
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// Four chained HMACs from the secret access key to the scope.
    pub fn derive(secret_access_key: &str, scope: Scope<'_>) -> Self {
        let mut first = Vec::with_capacity(4 + secret_access_key.len());
        first.extend_from_slice(b"AWS4");
        first.extend_from_slice(secret_access_key.as_bytes());
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, &first);
        for part in [scope.date, scope.region, scope.service, "aws4_request"] {
            key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
        }
        Self(key)
    }

    /// The signature of a string to sign: 64 lower-case hex digits.
    pub fn sign(&self, string_to_sign: &str) -> String {
        hex(hmac::sign(&self.0, string_to_sign.as_bytes()).as_ref())
    }

    /// Whether `signature` (hex) is that of the string to sign. Takes the same time wherever they differ.
    pub fn verify(&self, string_to_sign: &str, signature: &str) -> bool {
        let expected = self.sign(string_to_sign);
        aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_bytes(), signature.as_bytes()).is_ok()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_published_key() {
        let scope = Scope { date: "20150830", region: "us-east-1", service: "iam" };
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let mut key = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret}").as_bytes()),
            scope.date.as_bytes(),
        );
        for part in [scope.region, scope.service, "aws4_request"] {
            key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), part.as_bytes());
        }
        assert_eq!(hex(key.as_ref()), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
        let by_hand = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), b"text");
        let derived = SigningKey::derive(secret, scope);
        assert_eq!(derived.sign("text"), hex(by_hand.as_ref()));
        assert!(derived.verify("text", &hex(by_hand.as_ref())));
        assert!(!derived.verify("texu", &hex(by_hand.as_ref())));
        assert!(!derived.verify("text", ""));
        assert_eq!(format!("{derived:?}"), "SigningKey(***)");
    }

    #[test]
    fn timestamps() {
        let at = Timestamp::new(UNIX_EPOCH + Duration::from_secs(1_369_353_600));
        assert_eq!((at.as_str(), at.date()), ("20130524T000000Z", "20130524"));
        assert_eq!(
            Timestamp::new(UNIX_EPOCH + Duration::from_secs(1_709_251_199)).as_str(),
            "20240229T235959Z"
        );
        assert_eq!(Timestamp::parse("20130524T000000Z"), Some(at));
        for bad in ["", "20130524T000000", "20130524 000000Z", "2013052xT000000Z", "20130524T000000Z0"] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
    }
}
