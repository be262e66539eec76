//! New secrets for a layer that runs: passwords of its hosts, and the keys that seal its messages. Who reads settings again
//! calls it. It opens and closes no connection.

use crate::error::Error;
use crate::layer::ChannelLayer;
use crate::options::Options;

/// What of a layer's new options was taken over while it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Renewed {
    /// Users and passwords, by connections that are opened from now on. They are not, where another host is named.
    pub logins: bool,
    /// The keys. They are not, where there were none or are to be none: that is no change of secrets.
    pub keys: bool,
}

impl ChannelLayer {
    /// Takes users, passwords and keys over from these options; nothing else of them is looked at. Open connections stay.
    /// The keys that were in use before should be among the new ones as long as peers may still seal with them.
    ///
    /// # Errors
    /// [`Error::InvalidOptions`] where the machine's cryptography refuses a key; then nothing has changed.
    pub fn renew(&self, options: &Options) -> Result<Renewed, Error> {
        let ((hosts, wire), known) = match self {
            Self::Memory(_) => return Ok(Renewed::default()),
            Self::Redis(layer) => (layer.parts(), layer.hosts().1),
            Self::RedisPubSub(layer) => (layer.parts(), layer.hosts().1),
        };
        let has_keys = |options: &Options| !options.symmetric_encryption_keys.is_empty();
        let same = known.hosts.iter().zip(&options.hosts);
        let renewed = Renewed {
            logins: known.hosts.len() == options.hosts.len()
                && same.into_iter().all(|(old, new)| old.is_same_but_for_login(new)),
            keys: has_keys(known) && has_keys(options),
        };
        if renewed.keys {
            wire.renew(&options.symmetric_encryption_keys)?;
        }
        if renewed.logins {
            hosts.renew(&options.hosts);
        }
        Ok(renewed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;

    fn options(url: &str, keys: &[&str]) -> Options {
        let symmetric_encryption_keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Options {
            hosts: vec![Host::parse(url).unwrap()],
            symmetric_encryption_keys,
            ..Options::default()
        }
    }

    #[tokio::test]
    async fn secrets_are_taken_over_and_nothing_else_is() {
        let layer = ChannelLayer::redis(options("redis://:old@127.0.0.1:1/0", &["old"])).unwrap();
        let renew = |url, keys: &[&str]| {
            let Renewed { logins, keys } = layer.renew(&options(url, keys)).unwrap();
            (logins, keys)
        };
        assert_eq!(renew("redis://ann:new@127.0.0.1:1/0", &["new", "old"]), (true, true));
        assert_eq!(renew("redis://:new@127.0.0.1:2/0", &["new"]), (false, true), "another host");
        assert_eq!(renew("redis://:new@127.0.0.1:1/1", &[]), (false, false), "another database");
        let open = ChannelLayer::redis_pubsub(options("redis://127.0.0.1:1/0", &[])).unwrap();
        let renewed = open.renew(&options("redis://127.0.0.1:1/0", &["new"])).unwrap();
        assert_eq!(renewed, Renewed { logins: true, keys: false }, "it was in the clear");
        let memory = ChannelLayer::memory(Options::default()).unwrap();
        assert_eq!(memory.renew(&Options::default()).unwrap(), Renewed::default());
    }
}
