//! Which secrets are others than before, wherever they come from: a file may have another content under the same name. Those
//! of the channel layer are handed to it; the rest is put in force by who asked. No secret is named here but by its setting.

use super::LiveParts;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::layer::LayerConfig;

/// A secret that is another one now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Changed {
    /// Its setting, without `-file`.
    pub(super) name: &'static str,
    /// Whether it takes effect now; else it needs a restart.
    pub(super) is_live: bool,
}

/// Compares all secrets, and renews those of the layer.
///
/// # Errors
/// Where the layer cannot take its new keys; then nothing has changed.
pub(super) fn changed(
    before: &Config,
    after: &Config,
    parts: &LiveParts,
) -> Result<Vec<Changed>, Failure> {
    let mut found = of_layer(before.layer.as_ref(), after.layer.as_ref(), parts)?;
    let host = |config: &Config| config.outside.events.as_ref().map(|events| events.host.clone());
    let is_there = before.admin.token.is_some() && after.admin.token.is_some();
    let others = [
        ("jwt-secret", before.jwt_secret != after.jwt_secret, true),
        ("api-key", before.api_key != after.api_key, true),
        ("admin-token", before.admin.token != after.admin.token, is_there),
        ("events-url", host(before) != host(after), false),
        ("database-url", before.database != after.database, false),
    ];
    let is_other = others.into_iter().filter(|(_, has_changed, _)| *has_changed);
    found.extend(is_other.map(|(name, _, is_live)| Changed { name, is_live }));
    Ok(found)
}

fn of_layer(
    before: Option<&LayerConfig>,
    after: Option<&LayerConfig>,
    parts: &LiveParts,
) -> Result<Vec<Changed>, Failure> {
    let (Some(before), Some(after), Some(layer)) = (before, after, &parts.layer) else {
        // That there is one at all, or none any more, needs a restart.
        let has_changed = before.is_some() != after.is_some();
        let changed = has_changed.then_some(Changed { name: "redis-url", is_live: false });
        return Ok(changed.into_iter().collect());
    };
    let (before, after) = (before.options(), after.options());
    let has_other_hosts = before.hosts != after.hosts;
    let has_other_keys = before.symmetric_encryption_keys != after.symmetric_encryption_keys;
    if !has_other_hosts && !has_other_keys {
        return Ok(Vec::new());
    }
    let renewed = layer.renew(after).map_err(|error| {
        let fix = "Compare it with symmetric_encryption_keys in Django's settings.";
        Failure::new(Exit::Failed, "The keys of --layer-key cannot be used.", fix).because(error)
    })?;
    let hosts = has_other_hosts.then_some(Changed { name: "redis-url", is_live: renewed.logins });
    let keys = has_other_keys.then_some(Changed { name: "layer-key", is_live: renewed.keys });
    Ok(hosts.into_iter().chain(keys).collect())
}
