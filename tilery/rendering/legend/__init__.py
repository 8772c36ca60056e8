"""What the colours of a picture mean: as values (`making`), drawn (`drawing`), as SVG and JSON (`documents`)."""
