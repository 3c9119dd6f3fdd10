"""What is emitted, said once and without a target: a layer and its operators."""
