//! The words of the driver: options, messages and errors from and to JSON.
//!
//! Only `layer_driver` uses it. Bytes travel as `{"$bytes": "hex"}`.

use std::time::Duration;

use moorline_layer::{
    ChannelLayer, Counters, Error, Glob, Host, Key, Map, Options, Serializer, Value,
};

/// An error as the driver tells it.
pub(crate) struct Failure {
    /// The name that tests compare.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) detail: String,
}

impl Failure {
    pub(crate) fn other(detail: &str) -> Self {
        Self { code: "Other", detail: detail.to_owned() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::ChannelFull { .. } => "ChannelFull",
            Error::InvalidName { .. } => "InvalidName",
            Error::InvalidMessage(_) => "InvalidMessage",
            Error::NotInProcess { .. } => "NotInProcess",
            Error::WrongClient { .. } => "WrongClient",
            Error::Decode(_) => "Decode",
            _ => "Other",
        };
        Self { code, detail: error.to_string() }
    }
}

/// A line as a request, or the id of what is none and why.
pub(crate) fn parse(line: &[u8]) -> Result<Map, (Value, Failure)> {
    let why = match Serializer::Json.decode(line) {
        Ok(Value::Map(request)) => return Ok(request),
        Ok(_) => "a request is a JSON object on one line".to_owned(),
        Err(error) => error.to_string(),
    };
    // Numbers that no message can hold are JSON all the same.
    let loose = serde_json::from_slice::<serde_json::Value>(line).unwrap_or_default();
    let id = loose["id"].as_i64().map_or(Value::Nil, Value::from);
    let failure = match loose["op"].as_str() {
        Some("send" | "group_send") => Error::InvalidMessage(why).into(),
        _ => Failure::other(&why),
    };
    Err((id, failure))
}

/// The text under a key that a request must have.
pub(crate) fn text<'a>(request: &'a Map, key: &str) -> Result<&'a str, Failure> {
    request.text(key).ok_or_else(|| Failure::other(&format!("the request has no text {key:?}")))
}

/// The message of a request.
pub(crate) fn message(request: &Map) -> Result<Map, Failure> {
    match request.get("message").cloned().map(from_json) {
        Some(Value::Map(message)) => Ok(message),
        _ => Err(Error::InvalidMessage("it is not a map".to_owned()).into()),
    }
}

/// Opens the layer that a request describes.
pub(crate) fn open(request: &Map) -> Result<ChannelLayer, Failure> {
    let options = options(request)?;
    Ok(match text(request, "layer")? {
        "memory" => ChannelLayer::memory(options)?,
        "core" => ChannelLayer::redis(options)?,
        "pubsub" => ChannelLayer::redis_pubsub(options)?,
        other => return Err(Failure::other(&format!("there is no layer {other:?}"))),
    })
}

/// The options of `channels_redis`, with its defaults, not this crate's, for what is absent.
fn options(request: &Map) -> Result<Options, Failure> {
    let list = |key| request.get(key).and_then(Value::as_array).unwrap_or_default();
    let seconds = |key, default| {
        let seconds = request.get(key).and_then(Value::as_f64).unwrap_or(default);
        Duration::try_from_secs_f64(seconds).map_err(|error| Failure::other(&error.to_string()))
    };
    let mut options = Options {
        expiry: seconds("expiry", 60.0)?,
        group_expiry: seconds("group_expiry", 86_400.0)?,
        capacity: size(request, "capacity", 100)?,
        random_prefix_length: size(request, "random_prefix_length", 12)?,
        ..Options::default()
    };
    if let Some(prefix) = request.text("prefix") {
        options.prefix = prefix.to_owned();
    }
    if !list("hosts").is_empty() {
        options.hosts = list("hosts").iter().map(host).collect::<Result<_, _>>()?;
    }
    options.channel_capacity =
        list("channel_capacity").iter().map(capacity).collect::<Result<_, _>>()?;
    options.symmetric_encryption_keys =
        list("keys").iter().filter_map(Value::as_text).map(str::to_owned).collect();
    options.serializer = match request.text("serializer") {
        None | Some("msgpack") => Serializer::Msgpack,
        Some("json") => Serializer::Json,
        Some(other) => return Err(Failure::other(&format!("there is no serializer {other:?}"))),
    };
    Ok(options)
}

fn size(request: &Map, key: &str, default: usize) -> Result<usize, Failure> {
    let Some(value) = request.get(key) else { return Ok(default) };
    let number = value.as_i64().and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| Failure::other(&format!("{key} is no number of things")))
}

/// A host as Django's settings have it: a URL, a pair of host and port, or a map of these and of a Sentinel's names.
fn host(value: &Value) -> Result<Host, Failure> {
    match value {
        Value::Text(url) => Ok(Host::parse(url)?),
        Value::Array(_) => pair(value).map(|(host, port)| Host::pair(host, port)),
        Value::Map(map) => host_of_map(map),
        _ => Err(Failure::other("a host is a URL, a pair of host and port, or a map")),
    }
}

fn pair(value: &Value) -> Result<(&str, u16), Failure> {
    if let Some([Value::Text(host), port]) = value.as_array()
        && let Some(port) = port.as_i64().and_then(|port| u16::try_from(port).ok())
    {
        return Ok((host, port));
    }
    Err(Failure::other("a host and a port are a text and a number up to 65535"))
}

fn host_of_map(map: &Map) -> Result<Host, Failure> {
    let mut host = if let Some(url) = map.text("address") {
        Host::parse(url)?
    } else if let Some(master) = map.text("master_name") {
        let sentinels = map.get("sentinels").and_then(Value::as_array).unwrap_or_default();
        let sentinels: Vec<_> = sentinels.iter().map(pair).collect::<Result<_, _>>()?;
        let host = Host::sentinel(&sentinels, master);
        let own = map.get("sentinel_kwargs").and_then(Value::as_map);
        match own.and_then(|own| Some((own.text("username"), own.text("password")?))) {
            Some((user, password)) => host.with_sentinel_login(user, password),
            None => host,
        }
    } else {
        let port = map.get("port").and_then(Value::as_i64).unwrap_or(6379);
        let port = u16::try_from(port).map_err(|_| Failure::other("a port is too large"))?;
        Host::pair(map.text("host").unwrap_or("localhost"), port)
    };
    if let Some(password) = map.text("password") {
        host = host.with_login(map.text("username"), password);
    }
    if let Some(database) = map.get("db").and_then(Value::as_i64) {
        host = host.with_database(u32::try_from(database).unwrap_or_default());
    }
    Ok(host)
}

fn capacity(value: &Value) -> Result<(Glob, usize), Failure> {
    if let Some([Value::Text(pattern), capacity]) = value.as_array()
        && let Some(capacity) = capacity.as_i64().and_then(|number| usize::try_from(number).ok())
    {
        return Ok((Glob::new(pattern), capacity));
    }
    Err(Failure::other("channel_capacity is a list of pairs of pattern and number"))
}

/// What a JSON value means: `{"$bytes": "00ff"}` is bytes.
fn from_json(value: Value) -> Value {
    match value {
        Value::Map(map) => match (map.len(), map.text("$bytes").map(hex::decode)) {
            (1, Some(Ok(bytes))) => Value::Bytes(bytes),
            _ => Value::Map(map.into_iter().map(|(key, value)| (key, from_json(value))).collect()),
        },
        Value::Array(values) => Value::Array(values.into_iter().map(from_json).collect()),
        other => other,
    }
}

/// The other way round; an extension of msgpack becomes `{"$extension": [type, "hex"]}`.
pub(crate) fn to_json(value: Value) -> Value {
    let entry = |(key, value)| match key {
        Key::Text(text) => (Key::Text(text), to_json(value)),
        Key::Bytes(bytes) => (format!("$bytes:{}", hex::encode(bytes)).into(), to_json(value)),
    };
    match value {
        Value::Bytes(bytes) => Map::new().with("$bytes", hex::encode(bytes)).into(),
        Value::Extension(kind, bytes) => {
            let parts = vec![Value::from(i32::from(kind)), hex::encode(bytes).into()];
            Map::new().with("$extension", parts).into()
        }
        Value::Map(map) => Value::Map(map.into_iter().map(entry).collect()),
        Value::Array(values) => Value::Array(values.into_iter().map(to_json).collect()),
        other => other,
    }
}

/// The layer's counters.
pub(crate) fn counters(counters: Counters) -> Value {
    Map::new()
        .with("sent", counters.sent)
        .with("received", counters.received)
        .with("dropped_at_capacity", counters.dropped_at_capacity)
        .with("expired", counters.expired)
        .with("undecodable", counters.undecodable)
        .with("reconnects", counters.reconnects)
        .into()
}

/// What stands for a float that JSON has no word for until the line is made; no message holds this text.
const NOT_FINITE: &str = "not finite 6f1a2c7e95b04d3e: ";

/// An answer as a line, with the words that Python has for floats that are not finite.
pub(crate) fn encode(answer: Map) -> Vec<u8> {
    let marked = mark(answer.into());
    let Some(Ok(line)) = marked.as_map().map(|answer| Serializer::Json.encode(answer)) else {
        return br#"{"id": null, "ok": false, "error": "Other", "detail": "no JSON"}"#.to_vec();
    };
    let mut line = String::from_utf8_lossy(&line).into_owned();
    for word in ["NaN", "Infinity", "-Infinity"] {
        line = line.replace(&format!("\"{NOT_FINITE}{word}\""), word);
    }
    line.into_bytes()
}

fn mark(value: Value) -> Value {
    let word = |word| Value::from(format!("{NOT_FINITE}{word}"));
    match value {
        Value::Float(number) if number.is_nan() => word("NaN"),
        Value::Float(f64::INFINITY) => word("Infinity"),
        Value::Float(f64::NEG_INFINITY) => word("-Infinity"),
        Value::Map(map) => {
            Value::Map(map.into_iter().map(|(key, value)| (key, mark(value))).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(mark).collect()),
        other => other,
    }
}
