//! Which addresses may be called. A destination's URL is written by people whom the operator of this machine need not
//! trust with the machine's own network, so private and special addresses are refused unless a network is allowed.
//!
//! The check that counts is made on every resolved address at the moment of dialling (see `connector`):
//! a name that resolves well today may resolve to the cloud's metadata service tomorrow. [`check_url`] only tells
//! early what could never work.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::{Host, Url};

/// Why a URL cannot be a destination's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlRefusal {
    /// Neither http nor https.
    #[error("the URL's scheme is `{0}`: use https, or http within a trusted network")]
    Scheme(String),
    /// User name or password in the URL.
    #[error(
        "the URL holds a user name or a password, which would show up in logs: put them into an `Authorization` header instead"
    )]
    Userinfo,
    /// No host.
    #[error("the URL names no host")]
    Host,
    /// An address that is not allowed.
    #[error(
        "{0} is a private or reserved address: name a public one, or let the operator add its network to the allowed networks"
    )]
    Address(IpAddr),
}

/// Tells early what could never be called. A URL that passes may still resolve to a forbidden address later.
pub fn check_url(url: &Url, allowed: &[IpNet]) -> Result<(), UrlRefusal> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlRefusal::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlRefusal::Userinfo);
    }
    let address = match url.host() {
        None => return Err(UrlRefusal::Host),
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Domain(name)) if is_localhost(name) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(Host::Domain(_)) => return Ok(()),
    };
    if is_permitted(address, allowed) { Ok(()) } else { Err(UrlRefusal::Address(address)) }
}

/// Whether `address` may be dialled: it is public, or in one of the allowed networks.
pub fn is_permitted(address: IpAddr, allowed: &[IpNet]) -> bool {
    let is_allowed = |address: IpAddr| allowed.iter().any(|network| network.contains(&address));
    match address {
        IpAddr::V4(v4) => is_public_v4(v4) || is_allowed(address),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            // A packet to such an address ends at the IPv4 address within it.
            Some(v4) => is_public_v4(v4) || is_allowed(IpAddr::V4(v4)) || is_allowed(address),
            None => is_public_v6(v6) || is_allowed(address),
        },
    }
}

/// `localhost` and everything below it is this machine (RFC 6761, section 6.3).
fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

/// Everything in the IANA registry of special-purpose IPv4 addresses that is not globally reachable, and Azure's
/// wire server, which lies in public space and answers every virtual machine there.
/// <https://www.iana.org/assignments/iana-ipv4-special-registry/>
fn is_public_v4(address: Ipv4Addr) -> bool {
    const AZURE_WIRE_SERVER: [u8; 4] = [168, 63, 129, 16];
    let special = match address.octets() {
        [0 | 10 | 127 | 224..=255, ..]
        | [100, 64..=127, ..]
        | [169, 254, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => true,
        octets => octets == AZURE_WIRE_SERVER,
    };
    !special
}

/// Global unicast space without the parts of it that are set aside.
/// <https://www.iana.org/assignments/iana-ipv6-special-registry/>
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let global_unicast = matches!(segments, [first, ..] if first & 0xe000 == 0x2000);
    let set_aside = match segments {
        // 2001::/23: Teredo, benchmarking, ORCHID and other protocol assignments.
        [0x2001, second, ..] if second < 0x0200 => true,
        // Documentation.
        [0x2001, 0x0db8, ..] => true,
        [0x3fff, second, ..] if second < 0x1000 => true,
        _ => false,
    };
    global_unicast && !set_aside
}

/// The IPv4 address where a packet to this IPv6 address ends: mapped and compatible addresses, NAT64 (RFC 6052) and
/// 6to4 (RFC 3056).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_refused_and_public_ones_are_not() {
        let forbidden = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.9",
            "203.0.113.5",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a00:1",
            "2002:a00:1::",
            "2002:7f00:1::5",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "5f00::1",
            "::ffff:0:127.0.0.1",
        ];
        for text in forbidden {
            assert!(!is_permitted(text.parse().unwrap(), &[]), "{text} must be refused");
        }
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::5",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
            "2002:808:808::",
        ];
        for text in public {
            assert!(is_permitted(text.parse().unwrap(), &[]), "{text} must be permitted");
        }
    }

    #[test]
    fn an_allowed_network_permits_only_itself() {
        let allowed: Vec<IpNet> = vec!["10.8.0.0/16".parse().unwrap(), "fd12::/16".parse().unwrap()];
        for (text, permitted) in [
            ("10.8.1.1", true),
            ("::ffff:10.8.1.1", true),
            ("10.9.1.1", false),
            ("fd12::9", true),
            ("fd13::9", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(is_permitted(text.parse().unwrap(), &allowed), permitted, "{text}");
        }
    }

    #[test]
    fn urls_are_refused_with_a_reason() {
        let check = |text: &str| check_url(&Url::parse(text).unwrap(), &[]);
        assert_eq!(check("https://hooks.example.com/x"), Ok(()));
        assert_eq!(check("http://93.184.216.34:8080/"), Ok(()));
        assert_eq!(check("ftp://example.com/"), Err(UrlRefusal::Scheme("ftp".into())));
        assert_eq!(check("https://user:pw@example.com/"), Err(UrlRefusal::Userinfo));
        for text in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://localhost/",
            "http://a.LOCALHOST./",
        ] {
            assert_eq!(check(text), Err(UrlRefusal::Address("127.0.0.1".parse().unwrap())), "{text}");
        }
        assert!(matches!(check("http://[::ffff:7f00:1]/"), Err(UrlRefusal::Address(_))));
        let allowed: Vec<IpNet> = vec!["127.0.0.0/8".parse().unwrap()];
        assert_eq!(check_url(&Url::parse("http://localhost:9/").unwrap(), &allowed), Ok(()));
    }
}
