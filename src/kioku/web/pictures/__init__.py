"""Pictures: figures in, SVG out. Every shape has its figure in words; sizes tell what colours tell."""
