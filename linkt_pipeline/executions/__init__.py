"""The paid protocol: start or adopt a Linkt run, wait for it, land it, and fetch everything it names."""
