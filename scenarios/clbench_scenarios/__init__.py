"""Stream generators, and the registered presets in `presets.toml`."""
