//! A file that is cut or altered anywhere is refused, and so is what only looks like one.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::super::row::{Row, Value};
use super::super::tables::TABLES;
use super::*;

fn rows() -> Vec<(usize, Row)> {
    let user = |n: i64| {
        let mut row: Row = TABLES[1].columns.iter().map(|_| Value::Int(n)).collect();
        row[1] = Value::Text(format!("person-{n}"));
        row[2] = Value::Text("Ann \"the\" \u{1f6a2}".to_owned());
        row[3] = Value::Text(" ann".to_owned());
        row[7] = Value::Null;
        (1, row)
    };
    (0..40).map(user).collect()
}

fn write(folder: &TempDir, header: &Header) -> PathBuf {
    let path = folder.path().join("chat.moorline");
    let mut writer = Writer::create(&path).unwrap();
    writer.header(header).unwrap();
    for (table, row) in rows() {
        writer.row(&TABLES[table], &row).unwrap();
    }
    assert!(!path.exists(), "it has its name before it is whole");
    writer.finish().unwrap();
    path
}

fn read(path: &Path) -> Result<(Header, Vec<(usize, Row)>), BackupError> {
    let mut reader = Reader::open(path)?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next()? {
        rows.push(row);
    }
    Ok((reader.header, rows))
}

#[test]
fn what_was_written_is_read_and_only_its_owner_may() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let header = Header::new("sqlite", 1, 77);
    let path = write(&folder, &header);
    assert_eq!(read(&path).unwrap(), (header, rows()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = write(&folder, &Header::new("sqlite", 1, 77));
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(read(&path).is_err(), "cut at {length} of {}", whole.len());
    }
}

#[test]
fn a_file_that_is_altered_anywhere_is_refused_or_says_the_same() {
    let folder = TempDir::new().unwrap();
    let header = Header::new("sqlite", 1, 77);
    let path = write(&folder, &header);
    let whole = fs::read(&path).unwrap();
    let mut refused = 0;
    for place in 0..whole.len() {
        let mut altered = whole.clone();
        altered[place] ^= 0x10;
        fs::write(&path, &altered).unwrap();
        match read(&path) {
            Err(_) => refused += 1,
            Ok(found) => assert_eq!(found, (header.clone(), rows()), "byte {place}"),
        }
    }
    // A few bits of zstd's own header mean nothing for what is in it.
    assert!(refused + 8 >= whole.len(), "{refused} of {} were refused", whole.len());
}

/// Lines under zstd, as somebody who knows the form could write them.
fn forge(folder: &TempDir, lines: &[String]) -> PathBuf {
    let path = folder.path().join("forged");
    let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    fs::write(&path, zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
    path
}

fn lines(path: &Path) -> Vec<String> {
    let text = zstd::decode_all(fs::File::open(path).unwrap()).unwrap();
    String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn rows_that_were_changed_taken_out_or_added_are_noticed() {
    let folder = TempDir::new().unwrap();
    let whole = lines(&write(&folder, &Header::new("sqlite", 1, 77)));
    assert!(read(&forge(&folder, &whole)).is_ok());
    let last = whole.len() - 1;
    let changed = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = whole.clone();
        change(&mut lines);
        read(&forge(&folder, &lines)).map(|_| ()).unwrap_err().to_string()
    };
    let said = changed(&|lines| lines[3] = lines[3].replace("person-2", "person-x"));
    assert!(said.contains("SHA-256"), "{said}");
    let said = changed(&|lines| drop(lines.remove(3)));
    assert!(said.contains("39 rows instead of 40"), "{said}");
    let said = changed(&|lines| lines.push(lines[3].clone()));
    assert!(said.contains("follows its end"), "{said}");
    let said = changed(&|lines| lines.truncate(last));
    assert!(said.contains("cut after 40 rows"), "{said}");
    let said = changed(&|lines| lines[2] = r#"["users",1]"#.to_owned());
    assert!(said.contains("row 2 is not what its table holds"), "{said}");
    let said = changed(&|lines| lines[2] = r#"["nothing"]"#.to_owned());
    assert!(said.contains("row 2 is of no table"), "{said}");
}

#[test]
fn a_newer_form_a_new_table_and_a_new_column_are_told_as_such() {
    let folder = TempDir::new().unwrap();
    let whole = lines(&write(&folder, &Header::new("sqlite", 1, 77)));
    let changed = |from: &str, to: &str| {
        let mut lines = whole.clone();
        assert!(lines[0].contains(from));
        lines[0] = lines[0].replace(from, to);
        read(&forge(&folder, &lines)).map(|_| ()).unwrap_err()
    };
    for (from, to, what) in [
        ("\"format\":1", "\"format\":2", "form 2"),
        ("\"name\":\"users\"", "\"name\":\"pictures\"", "the table pictures"),
        ("\"seen\"", "\"heard\"", "the column heard of users"),
    ] {
        let error = changed(from, to);
        assert!(
            matches!(&error, BackupError::Newer { what: found, .. } if found.contains(what)),
            "{error:?}"
        );
    }
    let other = changed("\"moorline\":\"backup\"", "\"moorline\":\"picture\"");
    assert!(matches!(other, BackupError::NoBackup(_)), "{other:?}");
    let path = folder.path().join("text");
    fs::write(&path, "no backup at all").unwrap();
    assert!(matches!(Reader::open(&path).map(|_| ()), Err(BackupError::NoBackup(_))));
}

#[test]
fn a_column_that_an_older_file_lacks_is_left_to_its_default() {
    let folder = TempDir::new().unwrap();
    let mut header = Header::new("sqlite", 1, 77);
    header.tables[1].columns.retain(|name| name != "seen");
    let seen = TABLES[1].position("seen").unwrap();
    assert!(!header.columns_of(&TABLES[1]).contains(&seen));
    let mut writer = Writer::create(&folder.path().join("older")).unwrap();
    writer.header(&header).unwrap();
    let mut row = rows().remove(0).1;
    row.remove(seen);
    writer.row(&TABLES[1], &row).unwrap();
    writer.finish().unwrap();
    let (_, found) = read(&folder.path().join("older")).unwrap();
    assert_eq!(found[0].1[seen], Value::Null);
}
