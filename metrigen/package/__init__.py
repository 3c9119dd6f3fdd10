"""From optimised programs to the texts of a package: what goes into each template."""
