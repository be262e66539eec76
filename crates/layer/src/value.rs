//! What a message is made of: the values that msgpack knows, with text and bytes kept apart.
//!
//! Used by the codecs and by every caller of the layer. Nothing here knows a wire format.

use std::sync::Arc;

use indexmap::IndexMap;

/// Looking through so few entries is faster than hashing a key.
const FEW: usize = 8;

/// A message of the channel layer: a map, in Django a `dict`, whose `type` names the handler.
///
/// ```
/// use moorline_layer::Message;
/// let message = Message::of_type("chat.message").with("text", "Hello").with("n", 1);
/// assert_eq!(message.kind(), Some("chat.message"));
/// ```
pub type Message = Map;

/// One value inside a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Python's `None`.
    Nil,
    /// True or false.
    Bool(bool),
    /// A whole number between -2^63 and 2^64-1.
    Integer(Integer),
    /// A double.
    Float(f64),
    /// Python's `str`.
    Text(String),
    /// Python's `bytes`. JSON cannot carry them.
    Bytes(Vec<u8>),
    /// A list; tuples arrive as lists.
    Array(Vec<Value>),
    /// A map in the order of its entries.
    Map(Map),
    /// An extension of msgpack: its type (-1 is a timestamp) and its bytes. JSON cannot carry it.
    Extension(i8, Vec<u8>),
}

/// A whole number of msgpack: -2^63 to 2^64-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Integer(Sign);

/// Each number has one form, so that equality is derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Sign {
    Negative(i64),
    Natural(u64),
}

/// The key of a map's entry: text, except where a Python peer used bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A text, as nearly always.
    Text(String),
    /// Bytes, which msgpack allows and JSON does not.
    Bytes(Vec<u8>),
}

/// A map that keeps the order of its entries. Equality does not look at the order, as in Python.
///
/// Clones share the entries until one of them is changed: a message to a thousand channels is there once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Map(Arc<IndexMap<Key, Value>>);

impl Map {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty map with room for so many entries.
    pub(crate) fn with_capacity(entries: usize) -> Self {
        Self(Arc::new(IndexMap::with_capacity(entries)))
    }

    /// A message with this `type`; Django calls the handler of that name, dots as underscores.
    #[must_use]
    pub fn of_type(kind: &str) -> Self {
        Self::with_capacity(FEW).with("type", kind)
    }

    /// The same map with one more entry, or with another value under a key that it has.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.insert(key, value);
        self
    }

    /// Sets an entry. A key that is there keeps its place; the value before is returned.
    pub fn insert(&mut self, key: impl Into<Key>, value: impl Into<Value>) -> Option<Value> {
        Arc::make_mut(&mut self.0).insert(key.into(), value.into())
    }

    /// Takes an entry out; the others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        Arc::make_mut(&mut self.0).shift_remove(key)
    }

    /// Tells maps that share their entries from all others: the same number for clones of which none was changed, and
    /// nobody else's while one of them lives. For who keeps what it made of a message for those who get the same one.
    #[must_use]
    pub fn identity(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Whether another clone shares the entries at this moment.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// The value under a text key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        if self.0.len() > FEW {
            return self.0.get(key);
        }
        let is_it = |known: &Key| matches!(known, Key::Text(text) if text == key);
        self.0.iter().find(|(known, _)| is_it(known)).map(|(_, value)| value)
    }

    /// The text under a text key, if it is one.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_text()
    }

    /// The message's `type`.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.text("type")
    }

    /// The entries in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Key, &Value)> {
        self.0.iter()
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Hashes a text key as its `str`, so that one can be looked up without making a `String`.
impl std::hash::Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self {
            Self::Text(text) => text.hash(state),
            Self::Bytes(bytes) => bytes.hash(state),
        }
    }
}

impl indexmap::Equivalent<Key> for str {
    fn equivalent(&self, key: &Key) -> bool {
        key.as_text() == Some(self)
    }
}

impl Value {
    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The bytes, if they are bytes.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// The whole number, if it is one that fits an `i64`.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        if let Self::Integer(number) = self { number.as_i64() } else { None }
    }

    /// The number as a double, whether it is whole or not; a large whole number is rounded.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            Self::Integer(Integer(Sign::Negative(number))) => Some(*number as f64),
            Self::Integer(Integer(Sign::Natural(number))) => Some(*number as f64),
            _ => None,
        }
    }

    /// The list, if it is one.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value]> {
        if let Self::Array(values) = self { Some(values) } else { None }
    }

    /// The map, if it is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }
}

impl Integer {
    /// The number, if it is at most 2^63-1.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        match self.0 {
            Sign::Negative(number) => Some(number),
            Sign::Natural(number) => i64::try_from(number).ok(),
        }
    }

    /// The number, if it is not negative.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        if let Sign::Natural(number) = self.0 { Some(number) } else { None }
    }
}

impl std::fmt::Display for Integer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Sign::Negative(number) => number.fmt(f),
            Sign::Natural(number) => number.fmt(f),
        }
    }
}

impl From<i64> for Integer {
    fn from(number: i64) -> Self {
        Self(u64::try_from(number).map_or(Sign::Negative(number), Sign::Natural))
    }
}

impl From<u64> for Integer {
    fn from(number: u64) -> Self {
        Self(Sign::Natural(number))
    }
}

impl Key {
    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// `From` for the Rust types that mean exactly one kind of value.
macro_rules! value_from {
    ($($from:ty => |$name:ident| $value:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($name: $from) -> Self {
                $value
            }
        })*
    };
}

value_from! {
    bool => |value| Self::Bool(value);
    i32 => |number| Self::Integer(i64::from(number).into());
    i64 => |number| Self::Integer(number.into());
    u32 => |number| Self::Integer(u64::from(number).into());
    u64 => |number| Self::Integer(number.into());
    Integer => |number| Self::Integer(number);
    f64 => |number| Self::Float(number);
    &str => |text| Self::Text(text.to_owned());
    String => |text| Self::Text(text);
    Vec<u8> => |bytes| Self::Bytes(bytes);
    &[u8] => |bytes| Self::Bytes(bytes.to_owned());
    Vec<Value> => |values| Self::Array(values);
    Map => |map| Self::Map(map);
}

impl FromIterator<(Key, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (Key, Value)>>(entries: I) -> Self {
        Self(Arc::new(entries.into_iter().collect()))
    }
}

impl IntoIterator for Map {
    type Item = (Key, Value);
    type IntoIter = indexmap::map::IntoIter<Key, Value>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_same_however_it_was_made() {
        assert_eq!(Value::from(5_i64), Value::from(5_u64));
        assert_ne!(Value::from(-1_i64), Value::from(u64::MAX));
    }

    #[test]
    fn a_number_says_what_it_fits() {
        assert_eq!(Integer::from(u64::MAX).as_i64(), None);
        assert_eq!(Integer::from(u64::MAX).as_u64(), Some(u64::MAX));
        assert_eq!(Integer::from(-3_i64).as_u64(), None);
        assert_eq!(Integer::from(i64::MIN).to_string(), "-9223372036854775808");
    }

    #[test]
    fn setting_a_key_again_keeps_its_place() {
        let message = Message::of_type("a").with("x", 1).with("type", "b");
        let keys: Vec<_> = message.iter().filter_map(|(key, _)| key.as_text()).collect();
        assert_eq!((keys, message.kind()), (vec!["type", "x"], Some("b")));
    }

    #[test]
    fn changing_a_clone_leaves_the_other_as_it_was() {
        let message = Message::of_type("a").with("x", 1);
        let mut other = message.clone();
        other.insert("x", 2);
        assert_eq!(other.remove("type"), Some(Value::from("a")));
        assert_eq!(message, Message::of_type("a").with("x", 1));
        assert_eq!(other, Message::new().with("x", 2));
    }

    #[test]
    fn text_and_bytes_are_different_keys() {
        let mut map = Map::new().with("a", 1);
        map.insert(Key::Bytes(b"a".to_vec()), 2);
        assert_eq!((map.len(), map.get("a")), (2, Some(&Value::from(1))));
        assert_eq!(map.remove("a"), Some(Value::from(1)));
        assert_eq!(map.get("a"), None);
    }
}
