//! `moorline users`: all that is known of a person, and its erasing, on the data folder or the database itself; who there
//! is and who is here, from the running server (`admin`).
//!
//! A data folder that a server uses is left to it: the same is then done over its API, and the refusal says how.

use std::io::Write;
use std::path::{Path, PathBuf};

use moorline_chat::{Export, carry_through, now_ms};
use moorline_protocol::UserId;
use moorline_store::{Error, Store, StoreConfig};

use crate::admin::{block_on, list_people, show_person};
use crate::args::{UserArgs, UsersCommand};
use crate::database::database;
use crate::failure::{Exit, Failure};
use crate::lock::FolderLock;
use crate::serve::cannot_open;
use crate::settings::Environment;

/// Carries out the command; an export goes to `out`, piece by piece.
pub fn run(
    command: &UsersCommand,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (args, way) = match command {
        UsersCommand::Export(args) => (args, "GET /api/v1/users/ID/export"),
        UsersCommand::Erase { args, .. } => (args, "DELETE /api/v1/users/ID"),
        UsersCommand::List(args) => return block_on(list_people(args, environment, out)),
        UsersCommand::Show(args) => return block_on(show_person(args, environment, out)),
    };
    let user = UserId::new(&args.id).map_err(|error| {
        Failure::usage(format!("`{}`: {error}.", args.id), "Give the id, not the name.")
    })?;
    let place = Place::of(args, environment, way)?;
    block_on(async {
        let (store, commits) =
            Store::open(place.config.clone()).map_err(|error| cannot_open(&error))?;
        tokio::spawn(commits.answer_all());
        let done = match command {
            UsersCommand::Erase { keep_messages, .. } => {
                erase(&store, &user, *keep_messages, out).await
            }
            _ => export(&store, &user, out).await,
        };
        store.close().await;
        done
    })
}

/// Where the store is. A database needs a folder for this command's note of it, which goes with the command.
struct Place {
    config: StoreConfig,
    note: Option<PathBuf>,
    _lock: Option<FolderLock>,
}

impl Place {
    fn of(args: &UserArgs, environment: &Environment, way: &str) -> Result<Self, Failure> {
        let from = &args.database;
        let url =
            database(from.database_url.as_ref(), from.database_url_file.as_ref(), environment)?;
        if let Some(url) = url {
            let name = format!("moorline-users-{:032x}", rand::random::<u128>());
            let note = std::env::temp_dir().join(name);
            let config = StoreConfig::new(&note).in_database(url);
            return Ok(Self { config, note: Some(note), _lock: None });
        }
        let folder = environment.pick(args.data_dir.as_ref(), "data-dir");
        let folder = folder.map_or("moorline-data".to_owned(), |setting| setting.value);
        if !Path::new(&folder).join("moorline.db").exists() {
            let fix = "Give the server's folder: --data-dir FOLDER, or its database: --database-url-file FILE.";
            let what = format!("There is no data in the folder `{folder}`.");
            return Err(Failure::new(Exit::Failed, what, fix));
        }
        let lock = FolderLock::take(Path::new(&folder)).map_err(|failure| {
            let fix =
                format!("Stop it first, or let it do it: {way} of its API, with the API key.");
            if failure.exit == Exit::Refused { Failure { fix, ..failure } } else { failure }
        })?;
        Ok(Self { config: StoreConfig::new(folder), note: None, _lock: Some(lock) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(note) = &self.note {
            // What stays behind is one small file among others that are temporary.
            let _ = std::fs::remove_dir_all(note);
        }
    }
}

async fn export(store: &Store, user: &UserId, out: &mut impl Write) -> Result<(), Failure> {
    let export = Export::begin(store, user, now_ms()).await.map_err(|error| failed(&error))?;
    let mut export = export.ok_or_else(|| no_such_person(user))?;
    while let Some(piece) = export.next().await.map_err(|error| failed(&error))? {
        out.write_all(piece.as_bytes()).map_err(|error| {
            let fix = "Check the free space where the output goes, and begin again.";
            Failure::new(Exit::Failed, "The export could not be written.", fix).because(error)
        })?;
    }
    Ok(())
}

async fn erase(
    store: &Store,
    user: &UserId,
    keeps_messages: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    match store.begin_erasing(user.clone(), keeps_messages, now_ms()).await {
        Ok(_) => {}
        Err(Error::UnknownUser) => return Err(no_such_person(user)),
        Err(error) => return Err(failed(&error)),
    }
    for erasing in store.erasings().await.map_err(|error| failed(&error))? {
        if erasing.user == *user {
            carry_through(store, erasing).await.map_err(|error| failed(&error))?;
        }
    }
    // Whether somebody reads it changes nothing of what was done.
    let _ = writeln!(out, "{user} is erased; the id is not given out again.");
    Ok(())
}

fn no_such_person(user: &UserId) -> Failure {
    let what = format!("There is no person with the id `{user}`.");
    Failure::new(Exit::Failed, what, "Ids are those of your application, or begin with u_.")
}

fn failed(error: &Error) -> Failure {
    let fix = "Run the command again: it goes on where it was cut off.";
    Failure::new(Exit::Failed, "The store could not do it.", fix).because(error)
}
