"""From a `Report` to what people and machines read: page, terminal, JSON, CSV, annotations. Nothing here judges."""
