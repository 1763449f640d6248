//! What kind of address an address is.
//!
//! The tables are IANA's registries of special-purpose addresses
//! (<https://www.iana.org/assignments/iana-ipv4-special-registry>, <https://www.iana.org/assignments/iana-ipv6-special-registry>).
//! Of IPv6 only the global unicast range 2000::/3 can be public; an address that carries an IPv4 address leads where that
//! one leads, so it is of its kind.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The kind of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Anybody's; the only kind that needs no permission.
    Public,
    /// Of a network that is not the internet: RFC 1918, RFC 6598, RFC 4193, RFC 3879.
    Private,
    /// This machine.
    Loopback,
    /// This link; the metadata services of clouds are here.
    LinkLocal,
    /// No address yet. Connecting to it reaches this machine.
    Unspecified,
    /// Several machines.
    Multicast,
    /// All machines of a network.
    Broadcast,
    /// For examples in texts.
    Documentation,
    /// For measurements (RFC 2544, RFC 5180).
    Benchmark,
    /// Nobody's, or of a protocol.
    Reserved,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Private => "an address of a private network",
            Self::Loopback => "an address of this machine",
            Self::LinkLocal => "a link-local address, where clouds keep their metadata",
            Self::Unspecified => "the unspecified address, which is this machine",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "a broadcast address",
            Self::Documentation => "an address for documentation",
            Self::Benchmark => "an address for measurements",
            Self::Reserved => "a reserved address",
        })
    }
}

/// The kind of `address`. Costs nothing.
#[must_use]
pub fn class(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

fn v4(address: Ipv4Addr) -> Class {
    match address.octets() {
        [255, 255, 255, 255] => Class::Broadcast,
        [0, ..] => Class::Unspecified,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Class::Private,
        [127, ..] => Class::Loopback,
        [169, 254, ..] => Class::LinkLocal,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Class::Documentation,
        [198, 18 | 19, ..] => Class::Benchmark,
        // Protocol assignments, and the anycast address of the 6to4 relays that are gone.
        [192, 0, 0, _] | [192, 88, 99, _] => Class::Reserved,
        [224..=239, ..] => Class::Multicast,
        [240..=255, ..] => Class::Reserved,
        _ => Class::Public,
    }
}

fn v6(address: Ipv6Addr) -> Class {
    if address.is_unspecified() {
        return Class::Unspecified;
    }
    if address.is_loopback() {
        return Class::Loopback;
    }
    let carried = carried(address);
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => worst(&carried),
        // Compatible (RFC 4291) and translated (RFC 2765) addresses are used no more, so a public one is no address of
        // anybody.
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => match worst(&carried) {
            Class::Public => Class::Reserved,
            class => class,
        },
        // NAT64 of a local network (RFC 8215).
        [0x64, 0xff9b, 1, ..] => Class::Private,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Class::Private,
        [0xfe80..=0xfebf, ..] => Class::LinkLocal,
        [0xff00..=0xffff, ..] => Class::Multicast,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Class::Documentation,
        [0x2001, 2, 0, ..] => Class::Benchmark,
        // Teredo.
        [0x2001, 0, ..] => worst(&carried),
        // The rest of the protocol assignments.
        [0x2001, 1..=0x1ff, ..] => Class::Reserved,
        [0x2000..=0x3fff, ..] => worst(&carried),
        _ => Class::Reserved,
    }
}

/// The IPv4 addresses that `address` carries and that what is sent to it may end at.
fn carried(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let segments = address.segments();
    let at = |first: usize| {
        let ([a, b], [c, d]) = (segments[first].to_be_bytes(), segments[first + 1].to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            vec![at(6)]
        }
        // 6to4 (RFC 3056).
        [0x2002, ..] => vec![at(1)],
        // Teredo (RFC 4380): the server, and the client with its bits inverted.
        [0x2001, 0, ..] => vec![at(2), Ipv4Addr::from_bits(!at(6).to_bits())],
        // ISATAP (RFC 5214), under any prefix.
        [.., 0 | 0x200, 0x5efe, _, _] => vec![at(6)],
        _ => Vec::new(),
    }
}

/// The kind of the first that is not public.
fn worst(addresses: &[Ipv4Addr]) -> Class {
    addresses
        .iter()
        .map(|address| v4(*address))
        .find(|class| *class != Class::Public)
        .unwrap_or(Class::Public)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Class {
        class(text.parse().unwrap_or_else(|error| panic!("{text}: {error}")))
    }

    #[test]
    fn each_range_is_known_from_its_first_to_its_last_address() {
        let ranges = [
            ("0.0.0.0", "0.255.255.255", Class::Unspecified),
            ("10.0.0.0", "10.255.255.255", Class::Private),
            ("100.64.0.0", "100.127.255.255", Class::Private),
            ("127.0.0.0", "127.255.255.255", Class::Loopback),
            ("169.254.0.0", "169.254.255.255", Class::LinkLocal),
            ("172.16.0.0", "172.31.255.255", Class::Private),
            ("192.0.0.0", "192.0.0.255", Class::Reserved),
            ("192.0.2.0", "192.0.2.255", Class::Documentation),
            ("192.88.99.0", "192.88.99.255", Class::Reserved),
            ("192.168.0.0", "192.168.255.255", Class::Private),
            ("198.18.0.0", "198.19.255.255", Class::Benchmark),
            ("198.51.100.0", "198.51.100.255", Class::Documentation),
            ("203.0.113.0", "203.0.113.255", Class::Documentation),
            ("224.0.0.0", "239.255.255.255", Class::Multicast),
            ("240.0.0.0", "255.255.255.254", Class::Reserved),
            ("255.255.255.255", "255.255.255.255", Class::Broadcast),
            ("::", "::", Class::Unspecified),
            ("::1", "::1", Class::Loopback),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Class::Private),
            ("100::", "100::ffff:ffff:ffff:ffff", Class::Reserved),
            ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", Class::Benchmark),
            ("2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", Class::Reserved),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Class::Documentation),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Class::Documentation),
            ("4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Class::Reserved),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Class::Private),
            ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Class::LinkLocal),
            ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Class::Private),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Class::Multicast),
        ];
        for (first, last, class) in ranges {
            assert_eq!((of(first), of(last)), (class, class), "{first} to {last}");
        }
    }

    #[test]
    fn what_lies_beside_the_ranges_is_public() {
        for public in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::",
            "2000::",
            "2606:4700::1111",
            "3fff:1000::",
            "3ffe:ffff::",
            "64:ff9b::1.1.1.1",
            "::ffff:1.1.1.1",
            "2002:101:101::1",
            "2001:0:101:101:0:0:fefe:fefe",
        ] {
            assert_eq!(of(public), Class::Public, "{public}");
        }
    }

    #[test]
    fn an_address_that_carries_another_is_of_its_kind() {
        for (carrying, class) in [
            ("::ffff:127.0.0.1", Class::Loopback),
            ("::ffff:169.254.169.254", Class::LinkLocal),
            ("::127.0.0.1", Class::Loopback),
            ("::1.1.1.1", Class::Reserved),
            ("::ffff:0:10.0.0.1", Class::Private),
            ("::ffff:0:1.1.1.1", Class::Reserved),
            ("64:ff9b::10.0.0.1", Class::Private),
            ("64:ff9b::169.254.169.254", Class::LinkLocal),
            ("2002:7f00:1::1", Class::Loopback),
            ("2002:c0a8:101::", Class::Private),
            ("2001:0:7f00:1::fefe:fefe", Class::Loopback),
            ("2001:0:101:101::80ff:fffe", Class::Loopback),
            ("2606:4700::5efe:10.0.0.1", Class::Private),
            ("2606:4700::200:5efe:127.0.0.1", Class::Loopback),
        ] {
            assert_eq!(of(carrying), class, "{carrying}");
        }
    }

    /// The ranges as numbers, written a second time, from the registries.
    const PRIVATE_V4: [(u32, u32); 16] = [
        (0x0000_0000, 8),
        (0x0a00_0000, 8),
        (0x6440_0000, 10),
        (0x7f00_0000, 8),
        (0xa9fe_0000, 16),
        (0xac10_0000, 12),
        (0xc000_0000, 24),
        (0xc000_0200, 24),
        (0xc058_6300, 24),
        (0xc0a8_0000, 16),
        (0xc612_0000, 15),
        (0xc633_6400, 24),
        (0xcb00_7100, 24),
        (0xe000_0000, 4),
        (0xf000_0000, 4),
        (0xffff_ffff, 32),
    ];

    fn not_public() -> impl Strategy<Value = Ipv4Addr> {
        (0..PRIVATE_V4.len(), any::<u32>()).prop_map(|(range, noise)| {
            let (network, bits) = PRIVATE_V4[range];
            let mask = u32::MAX.checked_shr(bits).unwrap_or(0);
            Ipv4Addr::from_bits(network | (noise & mask))
        })
    }

    proptest! {
        #[test]
        fn no_address_that_is_not_public_passes_whatever_carries_it(
            inner in not_public(), noise in any::<u64>(), way in 0..8_usize
        ) {
            let [a, b, c, d] = inner.octets().map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            let [n1, n2, n3, n4] = [noise >> 48, noise >> 32, noise >> 16, noise].map(|part| part as u16);
            let address = match way {
                0 => IpAddr::V4(inner),
                1 => Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low).into(),
                2 => Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low).into(),
                3 => Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low).into(),
                4 => Ipv6Addr::new(0x2002, high, low, n1, n2, n3, n4, 1).into(),
                5 => Ipv6Addr::new(0x2001, 0, high, low, n1, n2, n3, n4).into(),
                6 => Ipv6Addr::new(0x2001, 0, n1, n2, n3, n4, !high, !low).into(),
                _ => Ipv6Addr::new(0x2606, n1, n2, n3, 0x200, 0x5efe, high, low).into(),
            };
            prop_assert_ne!(class(address), Class::Public, "{}", address);
        }

        #[test]
        fn of_ipv6_only_global_unicast_is_public(address in any::<u128>()) {
            let address = Ipv6Addr::from_bits(address);
            if class(address.into()) == Class::Public {
                let first = address.segments()[0];
                let carries = address.to_ipv4_mapped().is_some() || address.segments()[..2] == [0x64, 0xff9b];
                prop_assert!((0x2000..=0x3fff).contains(&first) || carries, "{}", address);
            }
        }
    }
}
