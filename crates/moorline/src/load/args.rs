//! The command lines of `moorline soak` and `moorline bench`, as typed. `plan` makes a plan of them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// How windows connect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Over {
    /// One WebSocket a window
    #[default]
    Websocket,
    /// An event stream, and commands beside it
    Stream,
    /// Long-poll, and commands beside it
    Poll,
    /// Each time by another of them
    Mixed,
}

/// What a soak does by itself to its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FaultName {
    /// A third of the connections is cut
    KillConnections,
    /// A third of the windows takes nothing for three seconds
    Stall,
    /// All connections are cut and come back at once
    Storm,
}

/// Runs that are known by a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Two windows for ten minutes, then twelve tabs of four people for ten: no disconnect, nothing lost
    Mission,
}

/// Who talks where, in both commands.
#[derive(Debug, Clone, Default, Args)]
pub struct LoadArgs {
    /// Where the server is, as https://chat.example.org; several for several nodes
    #[arg(value_name = "URL", required_unless_present = "local", conflicts_with = "local")]
    pub urls: Vec<String>,
    /// Start a server of its own for it, with SQLite in a temporary folder
    #[arg(long)]
    pub local: bool,

    /// People who talk [default: 10]
    #[arg(long, value_name = "NUMBER", help_heading = "Load")]
    pub people: Option<usize>,
    /// Windows that each of them has open [default: 1]
    #[arg(long, value_name = "NUMBER", help_heading = "Load")]
    pub tabs: Option<usize>,
    /// Rooms; everybody is in two of them [default: one for five people]
    #[arg(long, value_name = "NUMBER", help_heading = "Load")]
    pub rooms: Option<usize>,
    /// Messages a second, of all together [default: 20]
    #[arg(long, value_name = "NUMBER", help_heading = "Load")]
    pub rate: Option<f64>,
    /// Bytes of a message [default: 64]
    #[arg(long, value_name = "NUMBER", help_heading = "Load")]
    pub bytes: Option<usize>,
    /// How long they talk, as 30s, 10m or 12h [default: 1m]
    #[arg(long, value_name = "TIME", help_heading = "Load")]
    pub duration: Option<String>,
    /// How windows connect
    #[arg(long, value_enum, default_value_t, value_name = "WAY", help_heading = "Load")]
    pub transport: Over,
    /// A number; the same one makes the same choices again [default: another each time]
    #[arg(long, value_name = "NUMBER", help_heading = "Load")]
    pub seed: Option<u64>,

    /// Secret with which tokens are signed (HS256), that of the server; better in a file
    #[arg(long, value_name = "SECRET", help_heading = "People")]
    pub jwt_secret: Option<String>,
    /// File that holds the JWT secret; - is standard input
    #[arg(long, value_name = "FILE", help_heading = "People")]
    pub jwt_secret_file: Option<String>,
    /// Shell command that prints the token of the person whose id is in MOORLINE_USER
    #[arg(long, value_name = "COMMAND", help_heading = "People", conflicts_with_all = ["jwt_secret", "jwt_secret_file"])]
    pub token_command: Option<String>,
    /// Id of a person who talks, instead of a new one; repeatable
    #[arg(long, value_name = "ID", help_heading = "People", conflicts_with = "people")]
    pub user: Vec<String>,

    /// Metrics of the server, for its memory and processor time, as http://127.0.0.1:8000/metrics
    #[arg(long, value_name = "URL", help_heading = "Output")]
    pub metrics: Option<String>,
    /// Process of the server on this machine, for the same
    #[arg(long, value_name = "PID", help_heading = "Output", conflicts_with_all = ["metrics", "local"])]
    pub pid: Option<u32>,
    /// Print the outcome as one JSON object
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Write a report with plots, one HTML file that needs nothing else
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub report: Option<PathBuf>,
}

/// `moorline soak`, as typed.
#[derive(Debug, Clone, Default, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SoakArgs {
    /// Judge what is there already, instead.
    #[command(subcommand)]
    pub command: Option<SoakCommand>,
    /// Who talks where.
    #[command(flatten)]
    pub load: LoadArgs,

    /// What happens meanwhile, in turn, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FAULTS", help_heading = "Faults")]
    pub faults: Vec<FaultName>,
    /// Shell command as a further fault, such as one that restarts a node; it must end with 0, and
    /// then all nodes must answer
    #[arg(long, value_name = "COMMAND", help_heading = "Faults")]
    pub exec: Option<String>,
    /// From one fault to the next, as 20s [default: 20s]
    #[arg(long, value_name = "TIME", help_heading = "Faults")]
    pub every: Option<String>,

    /// A run that has a name, instead of people, rooms, rate and duration
    #[arg(long, value_enum, value_name = "NAME", conflicts_with_all = ["people", "tabs", "rooms", "rate", "duration", "user"])]
    pub scenario: Option<Scenario>,
    /// The scenario's times are multiplied by this, as 0.1 [default: 1]
    #[arg(long, value_name = "FACTOR", requires = "scenario")]
    pub time_scale: Option<f64>,
    /// Keep the history here [default: kept only if a promise was broken]
    #[arg(long, value_name = "FILE", help_heading = "Output", conflicts_with = "scenario")]
    pub history: Option<PathBuf>,
}

/// Commands about recorded histories.
#[derive(Debug, Clone, Subcommand)]
pub enum SoakCommand {
    /// Decide from what clients sent and saw whether every promise was kept.
    Verify {
        /// The history: one JSON object a line.
        file: PathBuf,
        /// The verdict as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// `moorline bench`, as typed.
#[derive(Debug, Clone, Default, Args)]
pub struct BenchArgs {
    /// Who talks where.
    #[command(flatten)]
    pub load: LoadArgs,
}
