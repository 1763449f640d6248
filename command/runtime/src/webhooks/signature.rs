//! Signatures as the Standard Webhooks say: <https://github.com/standard-webhooks/standard-webhooks>, "Signature scheme".

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What the text of a key begins with when the rest is its bytes in base 64.
const PREFIX: &str = "whsec_";

/// The value of the header `webhook-signature`: HMAC-SHA256 over id, time and body, in base 64. A key that begins with
/// `whsec_` is base 64; any other is taken as it is.
pub(super) fn sign(key: &str, id: &str, seconds: i64, body: &str) -> String {
    let decoded = key.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
    let key = zeroize::Zeroizing::new(decoded.unwrap_or_else(|| key.as_bytes().to_vec()));
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    for part in [id, ".", &seconds.to_string(), ".", body] {
        mac.update(part.as_bytes());
    }
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's libraries.
    #[test]
    fn the_published_example_comes_out() {
        let signature = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
