"""The stages on the way from what was handed in to its evidence: one file each, with one public function or two."""
