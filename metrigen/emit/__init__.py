"""From text to a package on disk: headers, templates, derivation, manifest, and a tree written whole or not at all."""
