"""One module per command, each with a `command: click.Command`. `skykite.cli.registry` lists them."""
