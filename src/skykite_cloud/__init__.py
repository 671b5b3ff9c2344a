"""The embedded cloud's own process: MiniStack with its seams replaced. Never imports `skykite`."""
