//! The environment variables of options: their names, and the command line in whose help they stand. Whoever reads or shows the
//! command line takes it from here. It reads no variable.

use clap::CommandFactory as _;

use super::Cli;

/// The environment variable of an option: `--ping-interval` is `MOORLINE_PING_INTERVAL`.
pub fn env_name(option: &str) -> String {
    format!("MOORLINE_{}", option.trim_start_matches('-').to_uppercase().replace('-', "_"))
}

/// The command line with the environment variables named in its help.
pub fn command() -> clap::Command {
    Cli::command()
        .mut_subcommand("serve", |serve| serve.mut_args(with_env_name))
        .mut_subcommand("check", |check| check.mut_args(with_env_name))
        .mut_subcommand("doctor", |doctor| doctor.mut_args(with_env_name_of_serve))
        .mut_subcommand("token", |token| {
            token
                .mut_subcommand("mint", |mint| {
                    mint.mut_arg("jwt_secret", with_env_name)
                        .mut_arg("jwt_secret_file", with_env_name)
                })
                .mut_subcommand("inspect", |inspect| {
                    of_server(inspect).mut_arg("jwt_secret_file", with_env_name)
                })
        })
        .mut_subcommand("soak", |soak| soak.mut_args(with_env_name_of_secret))
        .mut_subcommand("bench", |bench| bench.mut_args(with_env_name_of_secret))
        .mut_subcommand("backup", |backup| backup.mut_args(with_env_name_of_store))
        .mut_subcommand("restore", |restore| restore.mut_args(with_env_name_of_store))
        .mut_subcommand("verify", |verify| verify.mut_args(with_env_name_of_store))
        .mut_subcommand("migrate", |migrate| {
            migrate
                .mut_subcommand("status", |status| status.mut_args(with_env_name))
                .mut_subcommand("up", |up| up.mut_args(with_env_name))
        })
        .mut_subcommand("users", |users| {
            users
                .mut_subcommand("export", |export| export.mut_args(with_env_name_of_store))
                .mut_subcommand("erase", |erase| erase.mut_args(with_env_name_of_store))
                .mut_subcommand("list", |list| list.mut_args(with_env_name_of_server))
                .mut_subcommand("show", |show| show.mut_args(with_env_name_of_server))
        })
        .mut_subcommand("tail", |tail| tail.mut_args(with_env_name_of_server))
        .mut_subcommand("send", |send| send.mut_args(with_env_name_of_server))
        .mut_subcommand("clients", |clients| clients.mut_subcommands(of_server))
        .mut_subcommand("rooms", |rooms| rooms.mut_subcommands(of_server))
        .mut_subcommand("layer", |layer| {
            layer.mut_subcommands(|command| command.mut_args(with_env_name_of_layer))
        })
}

/// Of the options that say which store it is; the others have no variable.
fn with_env_name_of_store(arg: clap::Arg) -> clap::Arg {
    let names = ["data-dir", "database-url", "database-url-file"];
    if arg.get_long().is_some_and(|long| names.contains(&long)) { with_env_name(arg) } else { arg }
}

/// Of the secret alone.
fn with_env_name_of_secret(arg: clap::Arg) -> clap::Arg {
    let is_secret = arg.get_long().is_some_and(|long| long.starts_with("jwt-secret"));
    if is_secret { with_env_name(arg) } else { arg }
}

/// Of all that `serve` has too, and of the token.
fn with_env_name_of_serve(arg: clap::Arg) -> clap::Arg {
    let own = ["only", "list-checks", "json", "idle"];
    if arg.get_long().is_some_and(|long| own.contains(&long)) { arg } else { with_env_name(arg) }
}

/// Of the options that say which channel layer it is.
fn with_env_name_of_layer(arg: clap::Arg) -> clap::Arg {
    let is_layers = |long: &str| long.starts_with("layer") || long.starts_with("redis-url");
    if arg.get_long().is_some_and(is_layers) { with_env_name(arg) } else { arg }
}

/// A command that asks a running server.
fn of_server(command: clap::Command) -> clap::Command {
    command.mut_args(with_env_name_of_server)
}

/// Of the options that say which running server it is.
fn with_env_name_of_server(arg: clap::Arg) -> clap::Arg {
    let names = ["data-dir", "admin", "admin-token-file"];
    if arg.get_long().is_some_and(|long| names.contains(&long)) { with_env_name(arg) } else { arg }
}

fn with_env_name(arg: clap::Arg) -> clap::Arg {
    let (Some(long), Some(help)) = (arg.get_long(), arg.get_help()) else { return arg };
    if long == "help" || long == "version" {
        return arg;
    }
    let help = format!("{help} [env: {}]", env_name(long));
    arg.help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_of_serve_names_its_variable_in_the_help() {
        let mut command = command();
        let serve = command.find_subcommand_mut("serve").unwrap();
        for arg in serve.get_arguments().filter(|arg| arg.get_id() != "help") {
            let Some(long) = arg.get_long() else { continue };
            if long == "version" {
                continue;
            }
            let help = arg.get_help().unwrap().to_string();
            assert!(help.contains(&env_name(long)), "--{long} does not name its variable");
        }
    }
}
