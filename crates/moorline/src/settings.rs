//! Where a setting comes from: the flag, else the environment variable, else the settings file, else nothing (the
//! default). `config` asks here; the process environment is read once, so that tests can bring their own.

pub mod file;
pub mod init;
pub mod reference;
pub mod show;
pub mod table;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::args::env_name;
use crate::failure::Failure;
use crate::secret::Secret;
use file::SettingsFile;

/// The variable that names the settings file.
const FILE_VARIABLE: &str = "MOORLINE_CONFIG";

/// What stands behind the flags: the variables of the environment, of which the `MOORLINE_…` ones are ours and an empty
/// one counts as absent, and the settings file.
#[derive(Default, Clone)]
pub struct Environment {
    variables: Arc<BTreeMap<String, String>>,
    file: Option<Arc<SettingsFile>>,
}

/// One value with the name under which it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The text as typed.
    pub value: String,
    /// `--port`, `MOORLINE_PORT` or `moorline.toml:3:8`: what an error message names.
    pub source: String,
}

impl Environment {
    /// What the process was started with.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        std::env::vars_os().filter_map(text).collect()
    }

    /// The same with the settings file that the flag or `MOORLINE_CONFIG` names. Without either there is none: no file is
    /// read only because it lies somewhere.
    ///
    /// # Errors
    /// Where the file cannot be read or has mistakes.
    pub fn with_file(self, flag: Option<&Path>) -> Result<Self, Failure> {
        let path = flag.or_else(|| self.variables.get(FILE_VARIABLE).map(Path::new));
        let file = path.map(SettingsFile::read).transpose()?.map(Arc::new);
        Ok(Self { file, ..self })
    }

    /// The same with the file as it is now.
    ///
    /// # Errors
    /// As `with_file`.
    pub fn reread(&self) -> Result<Self, Failure> {
        self.clone().with_file(self.file().map(SettingsFile::path))
    }

    /// The settings file.
    pub fn file(&self) -> Option<&SettingsFile> {
        self.file.as_deref()
    }

    /// The flag's value, else the variable's, else the file's.
    pub fn pick(&self, flag: Option<&String>, option: &str) -> Option<Setting> {
        if let Some(value) = flag {
            return Some(Setting { value: value.clone(), source: format!("--{option}") });
        }
        self.variable(env_name(option)).or_else(|| self.in_file(option).into_iter().next())
    }

    /// The same for an option that may be given several times; a variable separates by commas, a file has a list.
    pub fn pick_all(&self, flags: &[String], option: &str) -> Vec<Setting> {
        self.pick_divided(flags, option, ',')
    }

    /// The same where a variable separates by something else.
    pub fn pick_divided(&self, flags: &[String], option: &str, separator: char) -> Vec<Setting> {
        if !flags.is_empty() {
            let source = format!("--{option}");
            let setting = |value: &String| Setting { value: value.clone(), source: source.clone() };
            return flags.iter().map(setting).collect();
        }
        let Some(Setting { value, source }) = self.variable(env_name(option)) else {
            return self.in_file(option);
        };
        let words = value.split(separator).map(str::trim).filter(|word| !word.is_empty());
        words.map(|word| Setting { value: word.into(), source: source.clone() }).collect()
    }

    /// What a variable says.
    pub fn variable(&self, source: String) -> Option<Setting> {
        let value = self.variables.get(&source)?.clone();
        Some(Setting { value, source })
    }

    fn in_file(&self, option: &str) -> Vec<Setting> {
        self.file.iter().flat_map(|file| file.values(option)).collect()
    }

    /// Only the nearest place that gives a secret or names its file: flags leave nothing of the environment, a variable
    /// nothing of the settings file.
    pub fn nearest(&self, has_flag: bool, option: &str) -> Self {
        let file_option = format!("{option}-file");
        let has_variable =
            [option, &file_option].iter().any(|name| self.variables.contains_key(&env_name(name)));
        match (has_flag, has_variable) {
            (true, _) => Self::default(),
            (false, true) => Self { file: None, ..self.clone() },
            (false, false) => self.clone(),
        }
    }

    /// A flag without a value: given, or its variable is 1, true, yes or on.
    pub fn is_on(&self, flag: bool, option: &str) -> Result<bool, Failure> {
        let Some(setting) = (!flag).then(|| self.pick(None, option)).flatten() else {
            return Ok(flag);
        };
        match setting.value.to_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(true),
            "0" | "false" | "no" | "off" => Ok(false),
            _ => Err(Failure::usage(
                format!("{} is neither yes nor no: `{}`.", setting.source, setting.value),
                format!("Set it to 1 or 0, or use --{option}."),
            )),
        }
    }

    /// A secret, given as it is or by a file. A flag of either form beats both variables, and those beat both keys of the
    /// settings file.
    pub fn secret(
        &self,
        plain: Option<&String>,
        file: Option<&String>,
        option: &str,
    ) -> Result<Option<Secret>, Failure> {
        let file_option = format!("{option}-file");
        let environment = self.nearest(plain.is_some() || file.is_some(), option);
        let plain = environment.pick(plain, option);
        let file = environment.pick(file, &file_option);
        let (text, source) = match (plain, file) {
            (None, None) => return Ok(None),
            (Some(plain), None) => (plain.value, plain.source),
            (None, Some(file)) => (read_secret(&file)?, file.source),
            (Some(plain), Some(file)) => {
                return Err(Failure::usage(
                    format!("{} and {} are both given.", plain.source, file.source),
                    "Keep the one with the file and drop the other.",
                ));
            }
        };
        if text.is_empty() {
            return Err(Failure::usage(
                format!("The secret from {source} is empty."),
                "Make one with: openssl rand -hex 32",
            ));
        }
        Ok(Some(Secret::new(text)))
    }

    /// A secret in a variable that other programs read too, or in the file that its `_FILE` form names.
    pub fn shared_secret(&self, name: &str) -> Result<Option<Secret>, Failure> {
        if let Some(text) = self.variables.get(name) {
            return Ok(Some(Secret::new(text.as_str())));
        }
        let source = format!("{name}_FILE");
        let Some(value) = self.variables.get(&source).cloned() else { return Ok(None) };
        Ok(Some(Secret::new(read_secret(&Setting { value, source })?)))
    }

    /// Variables that look like a misspelt one of ours, with the one that was probably meant.
    pub fn misspelt(&self, options: &[String]) -> Vec<(String, String)> {
        let mut known: Vec<String> = options.iter().map(|option| env_name(option)).collect();
        known.push(FILE_VARIABLE.to_owned());
        let mut found = Vec::new();
        for name in self.variables.keys().filter(|name| name.starts_with("MOORLINE_")) {
            let near = |other: &&String| strsim::damerau_levenshtein(name, other) <= 2;
            if let Some(meant) = known.iter().find(near)
                && !known.contains(name)
            {
                found.push((name.clone(), meant.clone()));
            }
        }
        found
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        let is_set = |(_, value): &(String, String)| !value.trim().is_empty();
        let variables = variables.into_iter().filter(is_set).collect();
        Self { variables: Arc::new(variables), file: None }
    }
}

/// Reads a secret's file, or standard input for `-`; the line end at its end is not part of it.
fn read_secret(file: &Setting) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if file.value == "-" {
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(&file.value)
    };
    let text = read.map_err(|error| {
        Failure::usage(
            format!("The file `{}` from {} cannot be read.", file.value, file.source),
            "Check the path and that this user may read it.",
        )
        .because(error)
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn a_flag_beats_the_variable_and_the_variable_beats_nothing() {
        let environment = environment(&[("MOORLINE_PORT", "9")]);
        let flag = environment.pick(Some(&"7".to_owned()), "port").unwrap();
        assert_eq!((flag.value.as_str(), flag.source.as_str()), ("7", "--port"));
        let variable = environment.pick(None, "port").unwrap();
        assert_eq!((variable.value.as_str(), variable.source.as_str()), ("9", "MOORLINE_PORT"));
        assert_eq!(environment.pick(None, "bind"), None);
    }

    #[test]
    fn an_empty_variable_is_as_good_as_none() {
        assert_eq!(environment(&[("MOORLINE_PORT", " ")]).pick(None, "port"), None);
    }

    #[test]
    fn a_repeated_option_is_a_list_with_commas_in_the_environment() {
        let environment =
            environment(&[("MOORLINE_ORIGIN", "https://a.example, https://b.example,")]);
        let values = |all: Vec<Setting>| all.into_iter().map(|one| one.value).collect::<Vec<_>>();
        let both = ["https://a.example", "https://b.example"];
        assert_eq!(values(environment.pick_all(&[], "origin")), both);
        assert_eq!(values(environment.pick_all(&["x".into()], "origin")), ["x"]);
    }

    #[test]
    fn a_secret_comes_from_a_file_without_its_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "s3cret\r\n").unwrap();
        let path = path.to_str().unwrap().to_owned();
        let secret = Environment::default().secret(None, Some(&path), "api-key").unwrap().unwrap();
        assert_eq!(secret.expose(), "s3cret");
        let from_variable = environment(&[("MOORLINE_API_KEY_FILE", &path)]);
        let secret = from_variable.secret(None, None, "api-key").unwrap().unwrap();
        assert_eq!(secret.expose(), "s3cret");
    }

    #[test]
    fn a_secret_by_flag_beats_a_file_from_the_environment() {
        let environment = environment(&[("MOORLINE_API_KEY_FILE", "/nowhere")]);
        let secret = environment.secret(Some(&"flag".into()), None, "api-key").unwrap().unwrap();
        assert_eq!(secret.expose(), "flag");
    }

    #[test]
    fn a_secret_given_twice_or_empty_or_unreadable_is_refused_without_showing_it() {
        let twice = environment(&[("MOORLINE_API_KEY", "hush"), ("MOORLINE_API_KEY_FILE", "f")]);
        let text = twice.secret(None, None, "api-key").unwrap_err().to_string();
        assert!(text.contains("both given") && !text.contains("hush"), "{text}");
        let empty = Environment::default().secret(Some(&String::new()), None, "api-key");
        assert!(empty.unwrap_err().what.contains("is empty"));
        let missing = Environment::default().secret(None, Some(&"/nowhere".into()), "api-key");
        assert!(missing.unwrap_err().what.contains("`/nowhere` from --api-key-file"));
    }

    #[test]
    fn a_switch_reads_yes_and_no() {
        let on = environment(&[("MOORLINE_LIMIT_LOOPBACK", "Yes")]);
        assert!(on.is_on(false, "limit-loopback").unwrap());
        let off = environment(&[("MOORLINE_LIMIT_LOOPBACK", "0")]);
        assert!(!off.is_on(false, "limit-loopback").unwrap());
        assert!(off.is_on(true, "limit-loopback").unwrap());
        let odd = environment(&[("MOORLINE_LIMIT_LOOPBACK", "perhaps")]);
        assert!(odd.is_on(false, "limit-loopback").unwrap_err().what.contains("perhaps"));
    }

    #[test]
    fn a_misspelt_variable_is_noticed() {
        let environment = environment(&[("MOORLINE_PROT", "1"), ("MOORLINE_SERVICE_HOST", "h")]);
        let found = environment.misspelt(&["port".into(), "bind".into()]);
        assert_eq!(found, [("MOORLINE_PROT".to_owned(), "MOORLINE_PORT".to_owned())]);
    }

    #[test]
    fn a_flag_beats_a_variable_and_a_variable_beats_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.toml");
        let text =
            "port = 5\nbind = \"::1\"\norigin = [\"https://a,b.example\", \"https://c.example\"]\n";
        std::fs::write(&path, text).unwrap();
        let environment =
            environment(&[("MOORLINE_PORT", "9"), (FILE_VARIABLE, path.to_str().unwrap())]);
        let environment = environment.with_file(None).unwrap();
        let value = |flag: Option<&str>, option| {
            environment.pick(flag.map(str::to_owned).as_ref(), option).map(|picked| picked.value)
        };
        assert_eq!(value(Some("7"), "port").as_deref(), Some("7"));
        assert_eq!(value(None, "port").as_deref(), Some("9"));
        assert_eq!(value(None, "bind").as_deref(), Some("::1"));
        assert_eq!(value(None, "signup"), None);
        assert!(environment.pick(None, "bind").unwrap().source.ends_with("m.toml:2:8"));
        assert_eq!(environment.pick_all(&[], "origin").len(), 2, "a list is not divided at commas");
        std::fs::write(&path, "bind = \"::2\"").unwrap();
        assert_eq!(environment.reread().unwrap().pick(None, "bind").unwrap().value, "::2");
        std::fs::write(&path, "bnd = 1").unwrap();
        assert!(environment.reread().is_err());
    }

    #[test]
    fn a_secret_of_the_file_gives_way_to_either_form_in_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (folder.path().join("m.toml"), folder.path().join("key"));
        std::fs::write(&path, format!("api-key-file = {:?}\n", key)).unwrap();
        std::fs::write(&key, "of the file").unwrap();
        let secret = |variables: &[(&str, &str)]| {
            let environment = environment(variables).with_file(Some(&path)).unwrap();
            environment.secret(None, None, "api-key").unwrap().unwrap().expose().to_owned()
        };
        assert_eq!(secret(&[]), "of the file");
        assert_eq!(secret(&[("MOORLINE_API_KEY", "of the environment")]), "of the environment");
    }
}
