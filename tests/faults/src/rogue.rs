//! Somebody who can write to Redis: hears the nodes' hints, and alters, repeats, holds back, invents. With the store's key,
//! which only nodes have, it is the planted fault of the proof of many nodes.

use anyhow::{Context, Result};
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, EncodingKey};
use moorline_layer::{ChannelLayer, Host, Message, Options};
use moorline_store::{Store, StoreConfig};
use moorline_test_postgres::Database;
use moorline_test_redis::Server as Redis;
use serde_json::Value;

/// The group of all nodes.
pub const GROUP: &str = "moorline.nodes";
/// What a hint's MAC is made over begins with this.
const PURPOSE: &[u8] = b"moorline hint 1\0";

/// The intruder.
pub struct Rogue {
    layer: ChannelLayer,
    channel: String,
    key: Option<EncodingKey>,
}

impl Rogue {
    /// Listens to the nodes.
    ///
    /// # Errors
    /// If Redis is not there.
    pub async fn listen(redis: &Redis) -> Result<Self> {
        let hosts = vec![Host::parse(&redis.url(0))?];
        let layer = ChannelLayer::redis(Options { hosts, ..Options::default() })?;
        let channel = layer.new_channel().await?;
        layer.group_add(GROUP, &channel).await?;
        Ok(Self { layer, channel, key: None })
    }

    /// Takes the key out of the store, as only a node can.
    ///
    /// # Errors
    /// If the store has none.
    pub fn steal_key(&mut self, database: &Database) -> Result<()> {
        let folder = tempfile::tempdir()?;
        let config = StoreConfig::new(folder.path()).in_database(database.url().parse()?);
        let (store, _commits) = Store::open(config)?;
        let key = store.shared_key("hints").context("the store has no key")?;
        self.key = Some(EncodingKey::from_secret(&key));
        Ok(())
    }

    /// The next hint that tells of a message.
    ///
    /// # Errors
    /// If nothing can be received.
    pub async fn overhear(&self) -> Result<Message> {
        loop {
            let message = self.layer.receive(&self.channel).await?;
            if message.text("body").is_some_and(|body| body.contains("\"kind\":\"message\"")) {
                return Ok(message);
            }
        }
    }

    /// Puts something before all nodes.
    ///
    /// # Errors
    /// If Redis does not take it.
    pub async fn say(&self, message: &Message) -> Result<()> {
        Ok(self.layer.group_send(GROUP, message).await?)
    }

    /// The hint with its events altered, under a node and a number of its own; with the MAC that belongs to it if the key
    /// is known, else with the old one.
    ///
    /// # Errors
    /// If it is no hint.
    pub fn forge(
        &self,
        hint: &Message,
        number: u64,
        alter: impl Fn(&mut Value),
    ) -> Result<Message> {
        let mut body: Value = serde_json::from_str(hint.text("body").context("no body")?)?;
        for room in body["rooms"].as_array_mut().into_iter().flatten() {
            room["events"].as_array_mut().into_iter().flatten().for_each(&alter);
        }
        let (node, body) = (0x0bad_u64, body.to_string());
        let at = hint.get("at").and_then(moorline_layer::Value::as_i64).context("no time")?;
        let forged = hint.clone().with("node", format!("{node:016x}"));
        let forged = forged.with("number", i64::try_from(number)?).with("body", body.as_str());
        let Some(key) = &self.key else { return Ok(forged) };
        let mut signed = PURPOSE.to_vec();
        for part in [node, number, u64::try_from(at)?] {
            signed.extend_from_slice(&part.to_be_bytes());
        }
        signed.extend_from_slice(body.as_bytes());
        Ok(forged.with("mac", sign(&signed, key, Algorithm::HS256)?))
    }
}
