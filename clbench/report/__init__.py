"""Tables and pictures of a few runs: `terminal` for the shell, `page` for one HTML file."""
