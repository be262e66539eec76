//! A row on its way between a store and a file, and its line in the file: a JSON array of the table's name and the values.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use uuid::Uuid;

use super::tables::{Kind, Table};

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// Nothing.
    Null,
    /// A number.
    Int(i64),
    /// A text, a body or a cid.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A UUID.
    Uuid(Uuid),
}

/// The values of a table's columns, in the order of [`Table::columns`].
pub(crate) type Row = Vec<Value>;

impl Value {
    /// The number, or 0.
    pub(crate) fn int(&self) -> i64 {
        if let Self::Int(number) = self { *number } else { 0 }
    }

    /// The number, if there is one.
    pub(crate) fn some_int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    /// The text, or the empty one.
    pub(crate) fn text(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Null | Self::Int(_) => 8,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Uuid(_) => 16,
        }
    }

    fn write(&self, line: &mut Vec<u8>) -> serde_json::Result<()> {
        match self {
            Self::Null => line.extend_from_slice(b"null"),
            Self::Int(number) => line.extend_from_slice(number.to_string().as_bytes()),
            Self::Text(text) => serde_json::to_writer(&mut *line, text)?,
            Self::Bytes(bytes) => {
                line.push(b'"');
                line.extend_from_slice(STANDARD.encode(bytes).as_bytes());
                line.push(b'"');
            }
            Self::Uuid(uuid) => {
                line.push(b'"');
                let mut buffer = Uuid::encode_buffer();
                line.extend_from_slice(uuid.as_hyphenated().encode_lower(&mut buffer).as_bytes());
                line.push(b'"');
            }
        }
        Ok(())
    }

    fn read(kind: Kind, json: Json) -> Option<Self> {
        Some(match (kind, json) {
            (_, Json::Null) => Self::Null,
            (Kind::Int, Json::Number(number)) => Self::Int(number.as_i64()?),
            (Kind::Text | Kind::Body | Kind::Cid, Json::String(text)) => Self::Text(text),
            (Kind::Bytes, Json::String(text)) => Self::Bytes(STANDARD.decode(text).ok()?),
            (Kind::Uuid, Json::String(text)) => Self::Uuid(Uuid::try_parse(&text).ok()?),
            _ => return None,
        })
    }
}

/// Writes a row as a line, with its end.
pub(crate) fn write_line(line: &mut Vec<u8>, table: &Table, row: &Row) -> serde_json::Result<()> {
    line.clear();
    line.extend_from_slice(b"[\"");
    line.extend_from_slice(table.name.as_bytes());
    line.push(b'"');
    for value in row {
        line.push(b',');
        value.write(line)?;
    }
    line.extend_from_slice(b"]\n");
    Ok(())
}

/// Reads the values of a line whose columns stand in the file as `columns` says; a column that the file lacks is null.
/// None where they are not what the table holds.
pub(crate) fn from_json(table: &Table, columns: &[usize], values: Vec<Json>) -> Option<Row> {
    if values.len() != columns.len() {
        return None;
    }
    let mut row = vec![Value::Null; table.columns.len()];
    for (place, value) in columns.iter().zip(values) {
        row[*place] = Value::read(table.columns[*place].kind, value)?;
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::super::tables::{TABLES, find};
    use super::*;

    #[test]
    fn a_row_comes_back_as_it_was_written() {
        let table = &TABLES[find("events").unwrap()];
        let row: Row = table
            .columns
            .iter()
            .map(|column| match column.kind {
                Kind::Int => Value::Int(i64::MIN + 7),
                Kind::Text | Kind::Body | Kind::Cid => Value::Text("a\0\n\"é\u{2028}".to_owned()),
                Kind::Bytes => Value::Bytes(vec![0, 255, 10]),
                Kind::Uuid => Value::Uuid(Uuid::from_u128(9 << 100)),
            })
            .collect();
        let mut line = Vec::new();
        write_line(&mut line, table, &row).unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let mut values: Vec<Json> = serde_json::from_slice(&line).unwrap();
        assert_eq!(values.remove(0), "events");
        let columns: Vec<usize> = (0..table.columns.len()).collect();
        assert_eq!(from_json(table, &columns, values), Some(row));
    }

    #[test]
    fn a_value_of_another_kind_is_no_value() {
        assert_eq!(Value::read(Kind::Int, Json::from("7")), None);
        assert_eq!(Value::read(Kind::Int, Json::from(1.5)), None);
        assert_eq!(Value::read(Kind::Uuid, Json::from("x")), None);
        assert_eq!(Value::read(Kind::Text, Json::Null), Some(Value::Null));
    }
}
