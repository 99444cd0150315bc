//! Who really called: the socket's peer, or what a trusted proxy says of its own peer.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

/// The socket's peer; put into a request by the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Most hops that are looked at; what lies beyond is somebody's game.
const HOPS_MAX: usize = 32;

/// The caller's address. Only what trusted proxies wrote is believed: from the right, the first address that is not
/// one of them is the caller, and whatever stands to its left is only what the caller says.
pub(crate) fn client_ip(peer: Option<Peer>, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip()).to_canonical();
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    if !is_trusted(&peer) {
        return peer;
    }
    let mut caller = peer;
    for hop in hops(headers).into_iter().rev().take(HOPS_MAX) {
        let Some(ip) = hop else { return caller };
        caller = ip.to_canonical();
        if !is_trusted(&caller) {
            return caller;
        }
    }
    caller
}

/// The hops as the headers tell them, the farthest first; `None` for one that is not an address.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let items = |name: HeaderName| {
        let values = headers.get_all(name).into_iter();
        values.flat_map(|value| value.to_str().unwrap_or("?").split(',').map(str::trim)).collect::<Vec<_>>()
    };
    let forwarded_for = items(HeaderName::from_static("x-forwarded-for"));
    if forwarded_for.is_empty() {
        items(header::FORWARDED).into_iter().map(|element| parse_hop(forwarded_for_of(element)?)).collect()
    } else {
        forwarded_for.into_iter().map(parse_hop).collect()
    }
}

/// The `for` of one element of `Forwarded` (RFC 7239).
fn forwarded_for_of(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"'))
    })
}

/// An address, with or without a port and brackets.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(text, |(ip, _)| ip);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, headers: &[(&'static str, &str)], expected: &str) {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let peer = Peer(SocketAddr::new(peer.parse().unwrap(), 4711));
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let found = client_ip(Some(peer), &headers, &trusted);
        assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{headers:?}");
    }

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        check("203.0.113.9", &[("x-forwarded-for", "198.51.100.1")], "203.0.113.9");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &[("x-forwarded-for", "198.51.100.1")], "198.51.100.1");
        check("10.0.0.1", &[("x-forwarded-for", "1.1.1.1, 198.51.100.1, 10.0.0.7")], "198.51.100.1");
        check(
            "10.0.0.1",
            &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "198.51.100.2")],
            "198.51.100.2",
        );
        check("10.0.0.1", &[("x-forwarded-for", "10.0.0.3,10.0.0.2")], "10.0.0.3");
        check("10.0.0.1", &[("x-forwarded-for", "198.51.100.1:5123")], "198.51.100.1");
        check("::ffff:10.0.0.1", &[("x-forwarded-for", "::ffff:198.51.100.1")], "198.51.100.1");
    }

    #[test]
    fn what_is_no_address_ends_the_search() {
        check("10.0.0.1", &[("x-forwarded-for", "1.1.1.1, unknown, 10.0.0.7")], "10.0.0.7");
        check("10.0.0.1", &[("x-forwarded-for", "")], "10.0.0.1");
    }

    #[test]
    fn the_standard_header_counts_where_the_usual_one_is_missing() {
        check("10.0.0.1", &[("forwarded", "for=198.51.100.4;proto=https")], "198.51.100.4");
        check("fd00::1", &[("forwarded", "for=1.1.1.1, For=\"[2001:db8::7]:443\"")], "2001:db8::7");
        check("10.0.0.1", &[("forwarded", "for=_hidden")], "10.0.0.1");
        check("10.0.0.1", &[("forwarded", "proto=https")], "10.0.0.1");
    }
}
