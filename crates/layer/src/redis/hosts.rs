//! Which host has what: the hash by which all peers spread names over several hosts.
//!
//! Both Redis layers ask it before every command. The number of hosts and their order must be the same everywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::gaps::Reporter;
use crate::options::Options;
use crate::redis::link::Link;

/// The hosts of one layer, in the order of its options.
#[derive(Debug)]
pub(crate) struct Hosts {
    links: Vec<Arc<Link>>,
    turn: AtomicUsize,
}

impl Hosts {
    pub(crate) fn new(options: &Options, reporter: &Reporter) -> Self {
        let link = |host: &crate::Host| {
            Arc::new(Link::new(host.clone(), options.patience, reporter.clone()))
        };
        Self { links: options.hosts.iter().map(link).collect(), turn: AtomicUsize::new(0) }
    }

    /// From the next connection on, uses these hosts' logins; they are the same hosts otherwise.
    pub(crate) fn renew(&self, hosts: &[crate::Host]) {
        self.links.iter().zip(hosts).for_each(|(link, host)| link.renew(host));
    }

    pub(crate) fn count(&self) -> usize {
        self.links.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Link>> {
        self.links.iter()
    }

    /// The index of the host for a name.
    pub(crate) fn index_of(&self, name: &str) -> usize {
        index(name.as_bytes(), self.links.len())
    }

    /// The link of an index below [`count`](Self::count).
    pub(crate) fn link(&self, index: usize) -> &Arc<Link> {
        &self.links[index]
    }

    /// The host for a name.
    pub(crate) fn of(&self, name: &str) -> &Arc<Link> {
        self.link(self.index_of(name))
    }

    /// The next host in turn, for normal channels, which every reader polls on all hosts.
    pub(crate) fn next_in_turn(&self) -> &Arc<Link> {
        self.link(self.turn.fetch_add(1, Ordering::Relaxed) % self.links.len())
    }
}

/// CRC-32 of the name, of which twelve bits count, spread evenly over the hosts.
fn index(name: &[u8], hosts: usize) -> usize {
    (crc32fast::hash(name) & 0xfff) as usize * hosts / 4096
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_where_python_sends_them() {
        let client = "specific.0123456789abcdef0123456789abcdef!";
        let channel = format!("{client}{}", "0".repeat(32));
        let cases = [
            ("room.1", [1, 2, 2, 3, 5, 11]),
            ("chat_lobby", [1, 1, 2, 2, 3, 8]),
            (client, [0, 1, 1, 1, 2, 5]),
            (&channel, [1, 1, 2, 3, 4, 9]),
            ("asgi__group__room.1", [0, 0, 1, 1, 1, 4]),
            ("asgispecific.0123456789abcdef0123456789abcdef", [0, 1, 1, 1, 2, 5]),
            ("a", [1, 2, 3, 4, 6, 14]),
            ("é", [1, 2, 3, 4, 5, 13]),
        ];
        for (name, wanted) in cases {
            let got = [2, 3, 4, 5, 7, 16].map(|hosts| index(name.as_bytes(), hosts));
            assert_eq!(got, wanted, "{name}");
            assert_eq!(index(name.as_bytes(), 1), 0);
        }
    }

    #[test]
    fn whole_numbers_divide_as_pythons_floats_do() {
        for hosts in (1..=16).chain([100]) {
            for hash in 0..4096_usize {
                let float = (hash as f64 / (4096.0 / hosts as f64)) as usize;
                assert_eq!(hash * hosts / 4096, float, "{hash} on {hosts} hosts");
            }
        }
    }
}
