"""Charts of text: pure functions from figures to lines that are never wider than the paper they are drawn on."""
