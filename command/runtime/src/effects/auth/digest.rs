//! HTTP digest authentication (RFC 7616): MD5 and SHA-256, also as `-sess`, with `qop=auth` or without any.

use std::{collections::BTreeMap, fmt::Write};

use md5::{Digest, Md5};
use reqwest::{Method, Url};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Account;

/// What a server wants to be proved.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Challenge {
    realm: String,
    pub(super) nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// Whether the server knows `qop=auth`; RFC 2069 otherwise.
    auth: bool,
    hashes_names: bool,
    /// Whether only the nonce was too old.
    pub(super) stale: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Algorithm {
    sha256: bool,
    session: bool,
    /// As the server wrote it; nothing if it wrote nothing.
    name: Option<&'static str>,
}

impl Algorithm {
    fn parse(name: Option<&str>) -> Option<Self> {
        let known = [
            ("MD5", false, false),
            ("MD5-sess", false, true),
            ("SHA-256", true, false),
            ("SHA-256-sess", true, true),
        ];
        let Some(name) = name else { return Some(Self { sha256: false, session: false, name: None }) };
        known
            .into_iter()
            .find(|(known, ..)| known.eq_ignore_ascii_case(name))
            .map(|(name, sha256, session)| Self { sha256, session, name: Some(name) })
    }

    fn hash(self, text: &str) -> String {
        let hex = |bytes: &[u8]| {
            bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            })
        };
        if self.sha256 { hex(&Sha256::digest(text)) } else { hex(&Md5::digest(text)) }
    }
}

impl Challenge {
    /// A server may offer several; the strongest is met.
    pub(super) const fn strength(&self) -> u8 {
        self.algorithm.sha256 as u8
    }

    /// The value of `Authorization` for the `count`th use of the nonce, from 1.
    pub(super) fn answer(
        &self,
        method: &Method,
        url: &Url,
        account: &Account,
        count: u32,
        cnonce: &str,
    ) -> Zeroizing<String> {
        let (nonce, realm, count) = (&self.nonce, &self.realm, format!("{count:08x}"));
        let hash = |text: &str| self.algorithm.hash(text);
        let mut uri = url.path().to_owned();
        if let Some(query) = url.query() {
            uri = format!("{uri}?{query}");
        }
        let secret =
            Zeroizing::new(format!("{}:{realm}:{}", account.username.as_str(), account.password.as_str()));
        let mut proof = Zeroizing::new(hash(&secret));
        if self.algorithm.session {
            proof = Zeroizing::new(hash(&format!("{}:{nonce}:{cnonce}", *proof)));
        }
        let request = hash(&format!("{method}:{uri}"));
        let response = if self.auth {
            hash(&format!("{}:{nonce}:{count}:{cnonce}:auth:{request}", *proof))
        } else {
            hash(&format!("{}:{nonce}:{request}", *proof))
        };
        let name = if self.hashes_names {
            format!("username=\"{}\"", hash(&format!("{}:{realm}", account.username.as_str())))
        } else if account.username.is_ascii() {
            format!("username={}", quoted(&account.username))
        } else {
            let encoded =
                percent_encoding::utf8_percent_encode(&account.username, crate::effects::exposure::RESERVED);
            format!("username*=UTF-8''{encoded}")
        };
        let mut header = Zeroizing::new(format!(
            "Digest {name}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            quoted(realm),
            quoted(nonce),
            quoted(&uri)
        ));
        if let Some(name) = self.algorithm.name {
            let _ = write!(header, ", algorithm={name}");
        }
        if self.auth {
            let _ = write!(header, ", qop=auth, nc={count}");
        }
        if self.auth || self.algorithm.session {
            let _ = write!(header, ", cnonce=\"{cnonce}\"");
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(header, ", opaque={}", quoted(opaque));
        }
        if self.hashes_names {
            header.push_str(", userhash=true");
        }
        header
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The digest challenges of a `WWW-Authenticate` header that can be met.
pub(super) fn challenges(header: &str) -> Vec<Challenge> {
    let offered = schemes(header).into_iter();
    offered
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("digest"))
        .filter_map(|(_, of)| challenge(&of))
        .collect()
}

fn challenge(parameters: &BTreeMap<String, String>) -> Option<Challenge> {
    let of = |name: &str| parameters.get(name).map(String::as_str);
    let is = |name: &str| of(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let auth = match of("qop") {
        None => false,
        Some(offered) if offered.split(',').any(|qop| qop.trim().eq_ignore_ascii_case("auth")) => true,
        // Only auth-int, which wants a hash of the body.
        Some(_) => return None,
    };
    Some(Challenge {
        realm: of("realm").unwrap_or_default().to_owned(),
        nonce: of("nonce")?.to_owned(),
        opaque: of("opaque").map(str::to_owned),
        algorithm: Algorithm::parse(of("algorithm"))?,
        auth,
        hashes_names: is("userhash"),
        stale: is("stale"),
    })
}

/// The challenges of a header: schemes with their parameters (RFC 9110 section 11.6.1). Both are separated by commas,
/// so that only the next character tells a scheme from a parameter.
fn schemes(header: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut found: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        if end == 0 {
            return found;
        }
        let (word, after) = rest.split_at(end);
        let value = after.trim_start().strip_prefix('=');
        match (value, found.last_mut()) {
            (Some(value), Some((_, parameters))) => {
                let (value, tail) = parameter(value.trim_start());
                parameters.insert(word.to_ascii_lowercase(), value);
                rest = tail;
            }
            (Some(value), None) => rest = parameter(value.trim_start()).1,
            (None, _) => {
                found.push((word.to_owned(), BTreeMap::new()));
                rest = after;
            }
        }
    }
}

/// A quoted text or a token, and what follows it.
fn parameter(text: &str) -> (String, &str) {
    let Some(inner) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let (mut value, mut escaped) = (String::new(), false);
    for (at, character) in inner.char_indices() {
        match character {
            _ if escaped => {
                value.push(character);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, &inner[at + 1..]),
            _ => value.push(character),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            username: Zeroizing::new("Mufasa".into()),
            password: Zeroizing::new("Circle of Life".into()),
        }
    }

    /// The example of RFC 7616 section 3.9.1.
    #[test]
    fn the_example_of_the_specification_is_answered_as_it_says() {
        let offered = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, \
            nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\", \
            Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, \
            nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
        let found = challenges(offered);
        assert_eq!(found.len(), 2);
        let url = Url::parse("http://www.example.org/dir/index.html").unwrap();
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let response = |challenge: &Challenge| {
            let header = challenge.answer(&Method::GET, &url, &account(), 1, cnonce);
            header.split("response=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
        };
        let strongest = found.iter().max_by_key(|challenge| challenge.strength()).unwrap();
        assert_eq!(response(strongest), "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
        assert_eq!(response(&found[1]), "8ca523f5e9506fed4657c9700eebdbec");
        let header = strongest.answer(&Method::GET, &url, &account(), 1, cnonce);
        for part in
            ["username=\"Mufasa\"", "uri=\"/dir/index.html\"", "algorithm=SHA-256", "qop=auth, nc=00000001"]
        {
            assert!(header.contains(part), "{part} in {}", *header);
        }
    }

    #[test]
    fn headers_with_several_schemes_and_odd_spelling_are_read() {
        let header =
            "Basic realm=\"a, b\", DIGEST  nonce = \"x\\\"y\" , Realm=r,stale=TRUE , Negotiate abc==";
        let found = challenges(header);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].nonce.as_str(), found[0].realm.as_str(), found[0].stale), ("x\"y", "r", true));
        assert!(!found[0].auth);
        for cannot in [
            "Digest nonce=\"n\", qop=\"auth-int\"",
            "Digest nonce=n, algorithm=SHA-512-256",
            "Digest realm=r",
            "=",
            "Digest nonce=\"n",
        ] {
            assert!(challenges(cannot).len() <= usize::from(cannot.ends_with("\"n")), "{cannot}");
        }
    }

    #[test]
    fn a_session_algorithm_and_hashed_names_are_answered() {
        let found = challenges("Digest realm=r, nonce=n, algorithm=MD5-sess, userhash=true, qop=auth");
        let url = Url::parse("http://h/a?b=c").unwrap();
        let header = found[0].answer(&Method::POST, &url, &account(), 255, "c");
        let hash = |text: &str| found[0].algorithm.hash(text);
        let proof = hash(&format!("{}:n:c", hash("Mufasa:r:Circle of Life")));
        let response = hash(&format!("{proof}:n:000000ff:c:auth:{}", hash("POST:/a?b=c")));
        assert!(header.contains(&format!("response=\"{response}\"")), "{}", *header);
        assert!(
            header.contains(&format!("username=\"{}\"", hash("Mufasa:r")))
                && header.ends_with("userhash=true")
        );
    }
}
