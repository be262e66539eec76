//! Between the layer's values and JSON, both ways. What comes from the layer is hostile until it is JSON here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use moorline_layer::{Integer, Key, Map, Value};
use serde_json::Value as Json;

use super::refusal::{Reason, Refusal};

/// Levels of lists and maps in the data of a notice.
const DEPTH: usize = 16;
/// Bytes of a notice's data as JSON, to within its escapes and separators; a message's text may be as long.
const BYTES: usize = 65_536;
/// The largest whole number that every client can hold.
const LARGEST: u64 = (1 << 53) - 1;

/// Our own JSON as a value of the layer.
pub(super) fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(on) => on.into(),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => number.into(),
            (None, Some(number), _) => number.into(),
            (None, None, number) => number.map_or(Value::Nil, Value::from),
        },
        Json::String(text) => text.into(),
        Json::Array(values) => Value::Array(values.into_iter().map(value).collect()),
        Json::Object(entries) => {
            let entries = entries.into_iter().map(|(key, json)| (Key::Text(key), value(json)));
            Value::Map(entries.collect::<Map>())
        }
    }
}

/// What a backend says in a notice as JSON, within the same bounds and with the same numbers as over the layer.
pub(crate) fn plain(said: Json) -> Result<Json, Refusal> {
    json(&value(said))
}

/// What a backend says in a notice, as JSON.
pub(super) fn json(value: &Value) -> Result<Json, Refusal> {
    let mut reader = Reader { bytes_left: BYTES };
    reader.read(value, DEPTH)
}

struct Reader {
    bytes_left: usize,
}

impl Reader {
    fn read(&mut self, value: &Value, depth_left: usize) -> Result<Json, Refusal> {
        self.spend(2)?;
        Ok(match value {
            Value::Nil => Json::Null,
            Value::Bool(on) => Json::Bool(*on),
            Value::Integer(number) => self.integer(*number)?,
            Value::Float(number) => self.float(*number)?,
            Value::Text(text) => self.text(text)?,
            Value::Bytes(bytes) => {
                self.spend(bytes.len().saturating_mul(4) / 3)?;
                serde_json::json!({ "$bytes": STANDARD.encode(bytes) })
            }
            Value::Array(values) => {
                let depth_left = down(depth_left)?;
                let read = values.iter().map(|value| self.read(value, depth_left));
                Json::Array(read.collect::<Result<_, _>>()?)
            }
            Value::Map(map) => Json::Object(self.entries(map, down(depth_left)?)?),
            Value::Extension(..) => return Err(invalid("`data` has a value that JSON has not")),
        })
    }

    fn entries(
        &mut self,
        map: &Map,
        depth_left: usize,
    ) -> Result<serde_json::Map<String, Json>, Refusal> {
        let mut entries = serde_json::Map::with_capacity(map.len().min(64));
        for (key, value) in map.iter() {
            let key = key.as_text().ok_or_else(|| invalid("`data` has a key that is no text"))?;
            self.spend(key.len() + 4)?;
            entries.insert(key.to_owned(), self.read(value, depth_left)?);
        }
        Ok(entries)
    }

    fn float(&mut self, number: f64) -> Result<Json, Refusal> {
        let number = serde_json::Number::from_f64(number)
            .ok_or_else(|| invalid("`data` has a number that JSON has not"))?;
        self.spend(number.to_string().len())?;
        Ok(Json::Number(number))
    }

    fn integer(&mut self, number: Integer) -> Result<Json, Refusal> {
        self.spend(number.to_string().len())?;
        let is_exact = match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.unsigned_abs() <= LARGEST,
            (None, number) => number.is_some_and(|number| number <= LARGEST),
        };
        Ok(match number.as_i64().filter(|_| is_exact) {
            Some(number) => Json::from(number),
            None => Json::String(number.to_string()),
        })
    }

    fn text(&mut self, text: &str) -> Result<Json, Refusal> {
        self.spend(text.len())?;
        Ok(Json::String(text.to_owned()))
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or_else(|| {
            Refusal::new(Reason::TooLarge, format!("`data` is longer than {BYTES} bytes"))
        })?;
        Ok(())
    }
}

fn down(depth_left: usize) -> Result<usize, Refusal> {
    depth_left.checked_sub(1).ok_or_else(|| {
        Refusal::new(Reason::TooDeep, format!("`data` is nested deeper than {DEPTH} levels"))
    })
}

fn invalid(why: &str) -> Refusal {
    Refusal::new(Reason::Invalid, why)
}

#[cfg(test)]
mod tests {
    use serde_json::json as of;

    use super::*;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::from(1), |inner, _| Value::Array(vec![inner]))
    }

    #[test]
    fn what_json_has_comes_through_both_ways() {
        let data = of!({"a": [1, -2, 0.5, null, true, "ä"], "b": {"c": {}}, "d": LARGEST});
        assert_eq!(json(&value(data.clone())).unwrap(), data);
    }

    #[test]
    fn numbers_that_a_browser_would_round_are_texts_and_bytes_are_marked() {
        let big = Map::new()
            .with("over", LARGEST + 1)
            .with("under", -(LARGEST as i64) - 1)
            .with("most", u64::MAX)
            .with("least", i64::MIN)
            .with("exact", -(LARGEST as i64))
            .with("bytes", b"\x00\xff".as_slice());
        assert_eq!(
            json(&Value::Map(big)).unwrap(),
            of!({"over": "9007199254740992", "under": "-9007199254740992", "most": "18446744073709551615",
                 "least": "-9223372036854775808", "exact": -9_007_199_254_740_991_i64, "bytes": {"$bytes": "AP8="}})
        );
    }

    #[test]
    fn what_json_has_not_is_refused() {
        let mut odd_key = Map::new();
        odd_key.insert(Key::Bytes(b"a".to_vec()), 1);
        for bad in [
            Value::Float(f64::NAN),
            Value::Float(f64::NEG_INFINITY),
            Value::Extension(1, vec![]),
            Value::Map(odd_key),
        ] {
            let refused = json(&Value::Array(vec![bad])).unwrap_err();
            assert_eq!(refused.reason, Reason::Invalid, "{refused:?}");
        }
    }

    #[test]
    fn depth_and_length_have_bounds() {
        assert!(json(&nested(DEPTH)).is_ok());
        assert_eq!(json(&nested(DEPTH + 1)).unwrap_err().reason, Reason::TooDeep);
        assert!(json(&"x".repeat(BYTES - 2).into()).is_ok());
        assert_eq!(json(&"x".repeat(BYTES).into()).unwrap_err().reason, Reason::TooLarge);
        let digits = Value::Array(vec![7.into(); BYTES / 4]);
        assert!(json(&digits).is_ok(), "what is counted is the JSON, not the memory");
        let many = Value::Array(vec![Value::Nil; BYTES]);
        assert_eq!(json(&many).unwrap_err().reason, Reason::TooLarge);
    }
}
