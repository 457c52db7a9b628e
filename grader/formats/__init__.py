"""How foreign files are read, with suspicion: notebooks, archives, event files. Each file knows one format."""
