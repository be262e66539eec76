# The same as the README's commands, for those who have `just`.

# Run the server.
serve *args:
    cargo run --release -- serve {{args}}

# All that must hold before a change is merged; CI runs exactly this.
check *args:
    cargo xtask test {{args}}

# A long proof at its full numbers.
prove *args:
    cargo xtask prove {{args}}

# Build the page into web/dist.
web *args:
    cargo xtask web {{args}}
