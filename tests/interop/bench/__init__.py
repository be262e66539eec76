"""The comparison of the Rust layer with channels_redis, on the same Redis in the same run.

`python -m bench.run`; `cargo xtask bench-layer` builds what it needs and starts it.
"""
