"""The style of emitted Python: statements read into trees, and trees laid out in lines of a given width."""
