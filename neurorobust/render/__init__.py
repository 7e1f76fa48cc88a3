"""How numbers look: text, colours, figures, the frame of a page."""
